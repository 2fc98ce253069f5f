"""Measurements of each second of a run: the page draws them, and the log keeps them.

A log line is `{"sample": {...}}`, among the scaler's own lines. So a page of the log shows what the
page showed during the run.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from quickstep.engine.model import Direction
from quickstep.fields import Field, write_moment
from quickstep.report.dashboard.material import Threshold

if TYPE_CHECKING:
    from datetime import datetime

    from quickstep_lab.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Sample:
    """One second of a service, which ended `at`.

    `requests` and `failed` are the whole service's in that second, `per_task` is what each serving
    task received; `running` counts those tasks.
    """

    at: datetime
    desired: int
    running: int
    requests: float
    failed: float
    per_task: float
    thresholds: tuple[Threshold, ...]


def sample_of(snapshot: Snapshot) -> Sample:
    """Return a snapshot's measurements."""
    load = snapshot.load
    return Sample(
        at=snapshot.at,
        desired=snapshot.desired,
        running=snapshot.serving,
        requests=load.requests,
        failed=load.failed,
        per_task=load.per_task,
        thresholds=tuple(
            Threshold(alarm.policy, alarm.threshold, alarm.direction is Direction.OUT)
            for alarm in snapshot.alarms
        ),
    )


def sample_line(resource_id: str, sample: Sample) -> dict[str, Any]:
    """Return a sample as a log line; times are ISO 8601 in UTC."""
    return {
        "sample": {
            "resource_id": resource_id,
            **asdict(sample),
            "at": write_moment(sample.at),
        }
    }


_KEYS = ("resource_id", "at", "desired", "running", "requests", "failed", "per_task", "thresholds")


def read_sample(line: Field) -> tuple[str, Sample]:
    """Read what `sample_line` wrote under `sample`: the service, and its second.

    Problems go to the field.
    """
    members = line.whole(*_KEYS)
    numbers = {key: members[key].number() for key in ("requests", "failed", "per_task")}
    return members["resource_id"].text(), Sample(
        at=members["at"].moment(),
        desired=members["desired"].integer(0),
        running=members["running"].integer(0),
        thresholds=tuple(map(_threshold, members["thresholds"].items())),
        **numbers,
    )


def _threshold(field: Field) -> Threshold:
    members = field.whole("policy", "value", "above")
    return Threshold(
        members["policy"].text(), members["value"].number(), above=members["above"].boolean()
    )
