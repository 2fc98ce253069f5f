"""What a run of the demo came to: figures drawn from its snapshots. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from lab.cloudwatch import EVALUATION_SECONDS, VISIBILITY_DELAY
from quickstep.engine.model import AlarmState, Direction
from quickstep.naming import parse_alarm_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lab.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Answer:
    """A scale-out: when its alarm fired, how soon ECS accepted it, and when it served.

    `alarm_at` and `serving_at` are seconds of the demo; the latter is None if it came to an end
    before all of the tasks served.
    """

    alarm_at: float
    alarm_to_update_ms: int
    tasks_before: int
    tasks_after: int
    serving_at: int | None

    @property
    def period_end(self) -> int:
        """The end of the newest period that the alarm saw: 20 for an alarm at 22.1 s."""
        return int(self.alarm_at // EVALUATION_SECONDS) * EVALUATION_SECONDS


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in figures; seconds count from the start of the traffic.

    `surge_at` is the first overloaded second of the first surge that a scale-out alarm was due to
    answer, None where there was none; `answer` is how the scaler answered it.
    """

    seconds: int
    surge_at: int | None
    answer: Answer | None
    desired: tuple[int, ...]
    requests: float
    served: float
    failed: float

    @property
    def unanswered(self) -> bool:
        """Whether there was a surge, and no capacity for it."""
        return self.surge_at is not None and self.answer is None


def summarise(snapshots: Sequence[Snapshot]) -> Summary:
    """Return the figures of a run, whole or cut short; `desired` lists each new desired count."""
    alarms = [alarm for shot in snapshots for alarm in shot.alarms]
    scale_out = {alarm.policy for alarm in alarms if alarm.direction is Direction.OUT}
    records = [
        record
        for shot in snapshots
        for record in shot.decisions
        if record["alarm"]["state"] == AlarmState.ALARM and _policy(record) in scale_out
    ]
    threshold = min((a.threshold for a in alarms if a.policy in scale_out), default=float("inf"))
    overloaded = [shot.load.per_task > threshold for shot in snapshots]
    answered = next((r for r in records if r["alarm_to_update_ms"] is not None), None)
    desired = [shot.desired for shot in snapshots]
    return Summary(
        seconds=len(snapshots),
        surge_at=_surge_at(overloaded, [_alarm_at(record, snapshots[0]) for record in records]),
        answer=_answer(answered, snapshots) if answered else None,
        desired=tuple(n for i, n in enumerate(desired) if i == 0 or n != desired[i - 1]),
        requests=sum(shot.load.requests for shot in snapshots),
        served=sum(shot.load.served for shot in snapshots),
        failed=sum(shot.load.failed for shot in snapshots),
    )


def _policy(record: Mapping[str, Any]) -> str | None:
    named = parse_alarm_name(record["alarm"]["name"])
    return named[1] if named else None


def _alarm_at(record: Mapping[str, Any], first: Snapshot) -> float:
    start = first.at - timedelta(seconds=first.second + 1)
    return (datetime.fromisoformat(record["alarm"]["at"]) - start).total_seconds()


def _surge_at(overloaded: Sequence[bool], alarms_at: Sequence[float]) -> int | None:
    """Return the first second of the surge that the first alarm answers, or that one should have.

    An alarm speaks of the period that ended before it. Without one, a period that was overloaded
    throughout, and evaluated before the end, was due to raise it. The surge may have begun before
    the period in breach: it reaches back as far as every second was overloaded.

    Example: an alarm at 22.1 s speaks of seconds 10 to 20; overloaded from 8 on, the surge is at 8.
    """
    period = EVALUATION_SECONDS
    if alarms_at:
        start = max(0, int(alarms_at[0] // period - 1) * period)
    else:
        evaluated = range(0, len(overloaded) - period - VISIBILITY_DELAY + 1, period)
        due = (first for first in evaluated if all(overloaded[first : first + period]))
        found = next(due, None)
        if found is None:
            return None
        start = found
    second = next((s for s in range(start, len(overloaded)) if overloaded[s]), start)
    while second > 0 and overloaded[second - 1]:
        second -= 1
    return second


def _answer(record: Mapping[str, Any], snapshots: Sequence[Snapshot]) -> Answer:
    at = _alarm_at(record, snapshots[0])
    later = (s for s in snapshots if s.second >= at and s.serving >= record["granted"])
    serving = next(later, None)
    return Answer(
        alarm_at=at,
        alarm_to_update_ms=record["alarm_to_update_ms"],
        tasks_before=record["from"],
        tasks_after=record["granted"],
        serving_at=serving.second + 1 if serving else None,
    )
