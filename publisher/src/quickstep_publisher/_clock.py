"""What a publisher knows of time."""

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
    """What a publisher knows of time: aware UTC, monotonic seconds, and seconds for requests.

    The monotonic clock has to be the same in all processes of a task, as time.monotonic() is.
    """

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    timer: Callable[[], float] = time.perf_counter
