"""The publisher's clocks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class Clock:
    """The publisher's clocks: aware UTC, monotonic seconds, and seconds for timing requests.

    All processes of a task must share the monotonic clock, as they do with time.monotonic().
    """

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    timer: Callable[[], float] = time.perf_counter
