"""Services that work off a queue, under faults: what must hold does, and planted bugs are found."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.engine.backlog import QueueReading, follow
from quickstep.engine.outcome import Outcome
from quickstep.loop import observing, polls
from tests.simulation.queues import ran, verdict, violations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickstep.engine.backlog import Backlog
    from quickstep.protocol.ports import CallFailedError

SEEDS = 300
AMONG = 150
"""Seeds among which one has to find a planted bug."""


def test_no_run_breaks_an_invariant_and_everything_happens() -> None:
    met: Counter[Outcome] = Counter()
    to_nothing = 0
    for seed in range(SEEDS):
        world = ran(seed)
        met.update(record.outcome for record in world.targets.records)
        to_nothing += any(change.after == 0 for change in world.ecs.changes)

        assert not violations(world), verdict(world)

    assert to_nothing > SEEDS / 10
    assert met.keys() >= {
        Outcome.SCALED_OUT,
        Outcome.SCALED_IN,
        Outcome.FAILED_QUEUE,
        Outcome.LOST_RACE,
        Outcome.RECOVERED,
        Outcome.WOULD_SCALE,
    }


def _empty_if_denied(
    policies: Any, read: Mapping[str, QueueReading | CallFailedError]
) -> dict[str, QueueReading]:
    return {
        policy.name: each if isinstance(each, QueueReading) else QueueReading(0)
        for policy in policies
        if (each := read.get(policy.queue_name)) is not None
    }


def _always_new(*arguments: Any) -> Backlog:
    return replace(follow(*arguments))


PLANTED: dict[str, tuple[tuple[Any, str, Any], ...]] = {
    "polls ask for nothing": ((polls, "needs_tasks", lambda *_: False),),
    "a queue that is denied counts as empty": (
        (observing, "readings_of", _empty_if_denied),
        (polls, "readings_of", _empty_if_denied),
        (observing, "_denied", lambda _error: ""),
    ),
    "each poll writes": ((polls, "follow", _always_new),),
    "each poll of a queue that is denied is evaluated": (
        (polls, "_problems", lambda backlog: {object()} if backlog else set()),
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(name: str) -> None:
    for seed in range(AMONG):
        with pytest.MonkeyPatch.context() as patch:
            for owner, attribute, value in PLANTED[name]:
                patch.setattr(owner, attribute, value)
            if violations(ran(seed)):
                return

    pytest.fail(f"no seed of {AMONG} finds it")


def test_a_seed_replays_to_the_letter() -> None:
    assert ran(42).time.timeline == ran(42).time.timeline
