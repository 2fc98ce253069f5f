"""The plan of a demo, and a snapshot of each second.

Plain data: a view, a summary or a page uses nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from quickstep_lab.files import EXAMPLE_POLICY
from quickstep_lab.service_model import CAPACITY, START_UP

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from quickstep.engine.model import AlarmState, Direction
    from quickstep_lab.service_model import Load
    from quickstep_lab.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Plan:
    """What to show. Durations in seconds, `capacity` in requests per second and task.

    With `surges`, tasks report surges that they feel. `policy` is the document's file.
    """

    traffic: Traffic
    seconds: int
    start_up: float = START_UP
    capacity: float = CAPACITY
    surges: bool = True
    policy: Path = EXAMPLE_POLICY


@dataclass(frozen=True, slots=True)
class AlarmSnapshot:
    """One alarm after its last evaluation; `newest` is its newest datapoint, if there is one."""

    policy: str
    direction: Direction
    condition: str
    threshold: float
    state: AlarmState
    newest: float | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at the end of one second of the demo; plain data.

    `second` counts from 0 and ended `at`. `next_serving_in` is the seconds until the next starting
    task serves. `decisions` are the scaler's records, as `lab.scaler` returned them.
    """

    second: int
    at: datetime
    load: Load
    desired: int
    serving: int
    starting: int
    next_serving_in: float | None
    alarms: tuple[AlarmSnapshot, ...]
    decisions: tuple[Mapping[str, Any], ...]

    @property
    def start(self) -> datetime:
        """When the demo started."""
        return self.at - timedelta(seconds=self.second + 1)

    def made_at(self, record: Mapping[str, Any]) -> float:
        """Return when a decision was made, in seconds since the demo's start."""
        return (datetime.fromisoformat(record["at"]) - self.start).total_seconds()
