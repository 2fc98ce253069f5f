"""A run as a few thousand points, which a chart can show and a process can pass on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from quickstep_lab.simulator.stage import latency_step

if TYPE_CHECKING:
    from quickstep.protocol.look import Cause
    from quickstep_lab.simulator.stage import Action, Durations, Run

MOST_POINTS = 3600


class Mark(NamedTuple):
    """One of Quickstep's decisions: when it was made, its outcome, its reason and its trigger.

    `trigger` is `alarm` with its state, `surge`, `re-check` or `heartbeat`.
    """

    at: float
    outcome: str
    reason: str
    trigger: str


@dataclass(frozen=True, slots=True)
class Series:
    """A run in steps of `step` seconds; each point covers the step that starts at its index.

    `load` and `failed` are means per second, `desired` and `serving` the step's last values.
    `latencies` have their own steps, of `latency_step` seconds.
    """

    step: int
    load: tuple[float, ...]
    failed: tuple[float, ...]
    desired: tuple[int, ...]
    serving: tuple[int, ...]
    actions: tuple[Action, ...]
    marks: tuple[Mark, ...]
    latency_step: int = 1
    latencies: tuple[Durations, ...] = ()


def series_of(run: Run) -> Series:
    """Return a run in at most MOST_POINTS steps."""
    length = len(run.seconds)
    step = max(1, -(-length // MOST_POINTS))
    starts = range(0, length, step)
    chunks = [run.seconds[start : start + step] for start in starts]
    return Series(
        step=step,
        load=tuple(sum(second.requests for second in chunk) / len(chunk) for chunk in chunks),
        failed=tuple(sum(second.failed for second in chunk) / len(chunk) for chunk in chunks),
        desired=tuple(run.desired[min(length, start + step) - 1] for start in starts),
        serving=tuple(chunk[-1].serving for chunk in chunks),
        actions=run.actions,
        marks=tuple(
            Mark(
                (record.at - run.origin).total_seconds(),
                str(record.outcome),
                record.reason,
                _set_off_by(record.look.cause),
            )
            for record in run.records
            if record.at >= run.origin
        ),
        latency_step=latency_step(length),
        latencies=run.latencies_over_time,
    )


def _set_off_by(cause: Cause) -> str:
    return f"{cause.kind} {cause.details.get('state', '')}".rstrip()
