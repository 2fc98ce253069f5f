"""A demo run's result: figures drawn from its snapshots. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from quickstep.engine.model import AlarmState, Direction
from quickstep.engine.outcome import Outcome
from quickstep.naming import parse_alarm_name
from quickstep_lab.cloudwatch import EVALUATION_SECONDS, VISIBILITY_DELAY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quickstep_lab.snapshot import Snapshot

SURGE = "surge"
"""The kind of decision that a task's message triggers."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A surge's answer: what first asked for tasks, when ECS accepted them, how many they were.

    `by` is the first scale-out's trigger: a task's surge, an alarm, a re-check, the heartbeat.
    Times are seconds of the demo: `alarm_at` is None if no alarm fired, `serving_at` if the demo
    ended before all tasks served. `to_update_ms` counts from the message or the alarm's event; it
    is None if neither scaled out. `steps` counts the scale-outs up to `tasks_after`.
    """

    by: str
    accepted_at: float
    alarm_at: float | None
    to_update_ms: int | None
    tasks_before: int
    tasks_after: int
    steps: int
    serving_at: int | None


def period_end(alarm_at: float) -> int:
    """Return the end of the newest period that an alarm saw: 20 for one at 22.1 s."""
    return int(alarm_at // EVALUATION_SECONDS) * EVALUATION_SECONDS


@dataclass(frozen=True, slots=True)
class Desired:
    """A desired count, and the second of the demo from which ECS had it."""

    count: int
    since: int


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in figures; seconds count from the start of the traffic.

    `surge_at` is the first overloaded second of the first surge that was answered, or that a
    scale-out alarm should have answered; None without one. `answer` is the scaler's answer to it.
    `evaluations` counts the scaler's decisions by trigger, `desired` has every change of the
    desired count. No request failed after second `last_failed`.
    """

    seconds: int
    surge_at: int | None
    answer: Answer | None
    evaluations: Mapping[str, int]
    desired: tuple[Desired, ...]
    requests: float
    served: float
    failed: float
    last_failed: int | None

    @property
    def unanswered(self) -> bool:
        """Whether there was a surge without a scale-out."""
        return self.surge_at is not None and self.answer is None


@dataclass(frozen=True, slots=True)
class _Made:
    """A decision's record, and the second of the demo at which it was made."""

    at: float
    record: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Its trigger."""
        return str(self.record["trigger"]["kind"])

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return Outcome(self.record["outcome"])


def summarise(snapshots: Sequence[Snapshot]) -> Summary:
    """Return the figures of a run, complete or cut short."""
    alarms = [alarm for shot in snapshots for alarm in shot.alarms]
    scale_out = {alarm.policy for alarm in alarms if alarm.direction is Direction.OUT}
    made = [_Made(shot.made_at(r), r) for shot in snapshots for r in shot.decisions]
    fired = [
        _caused_at(one.record, snapshots[0])
        for one in made
        if one.kind == "alarm" and _fires(one.record, scale_out)
    ]
    threshold = min((a.threshold for a in alarms if a.policy in scale_out), default=float("inf"))
    overloaded = [shot.load.per_task > threshold for shot in snapshots]
    surge_at = _surge_at(overloaded, fired, made)
    return Summary(
        seconds=len(snapshots),
        surge_at=surge_at,
        answer=None if surge_at is None else _answer(surge_at, fired, made, snapshots),
        evaluations=Counter(one.kind for one in made),
        desired=_desired(made, snapshots),
        requests=sum(shot.load.requests for shot in snapshots),
        served=sum(shot.load.served for shot in snapshots),
        failed=sum(shot.load.failed for shot in snapshots),
        last_failed=max((s.second + 1 for s in snapshots if s.load.failed), default=None),
    )


def _fires(record: Mapping[str, Any], policies: set[str]) -> bool:
    trigger = record["trigger"]
    named = parse_alarm_name(trigger["alarm"])
    return named is not None and named[1] in policies and trigger["state"] == AlarmState.ALARM


def _caused_at(record: Mapping[str, Any], first: Snapshot) -> float:
    at = datetime.fromisoformat(record["trigger"]["at"])
    return (at - first.start).total_seconds()


def _desired(made: Sequence[_Made], snapshots: Sequence[Snapshot]) -> tuple[Desired, ...]:
    """Return the desired count at the start, and every change."""
    changes = [one for one in made if one.outcome.changes_capacity]
    return (
        *(Desired(shot.desired, 0) for shot in snapshots[:1]),
        *(Desired(one.record["granted"], int(one.at)) for one in changes),
    )


def _surge_at(
    overloaded: Sequence[bool], alarms_at: Sequence[float], made: Sequence[_Made]
) -> int | None:
    """Return the first second of the first surge that was answered, or should have been.

    A scale-out answers the second that ended before it, if that was overloaded; an alarm concerns
    its period. Without either, a period that was overloaded throughout and evaluated before the end
    should have raised the alarm. The surge may have begun before the period in breach: it reaches
    back over every overloaded second.

    Example: an alarm at 22.1 s concerns seconds 10 to 20; overloaded from 8 on, the surge is at 8.
    """
    period = EVALUATION_SECONDS
    loads = dict(enumerate(overloaded))  # a late record may lie beyond the last second
    answered = (max(0, int(one.at) - 1) for one in made if one.outcome is Outcome.SCALED_OUT)
    said = [
        *[second for second in answered if loads.get(second)][:1],
        *(max(0, period_end(at) - period) for at in alarms_at[:1]),
    ]
    if said:
        start = min(said)
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


def _answer(
    surge_at: int, fired: Sequence[float], made: Sequence[_Made], snapshots: Sequence[Snapshot]
) -> Answer | None:
    """Return the answer: scale-outs up to the first scale-in; None without any."""
    since = [one for one in made if one.at >= surge_at]
    until_in = takewhile(lambda one: one.outcome is not Outcome.SCALED_IN, since)
    steps = [one for one in until_in if one.outcome is Outcome.SCALED_OUT]
    if not steps:
        return None
    first, last = steps[0], steps[-1]
    capacity = last.record["granted"]
    later = (s for s in snapshots if s.second + 1 >= last.at and s.serving >= capacity)
    serving = next(later, None)
    took = first.record.get("surge_to_update_ms" if first.kind == SURGE else "alarm_to_update_ms")
    began = first.at if took is None else _caused_at(first.record, snapshots[0])
    return Answer(
        by=first.kind,
        accepted_at=began + (took or 0) / 1000,
        alarm_at=next((at for at in fired if at >= surge_at), None),
        to_update_ms=took,
        tasks_before=first.record["from"],
        tasks_after=capacity,
        steps=len(steps),
        serving_at=serving.second + 1 if serving else None,
    )
