"""What must hold after every run, whatever went wrong in it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.engine.model import AlarmState, Direction
from quickstep.engine.outcome import Outcome
from quickstep.loop.cycle import LEASE, MAX_EVENT_AGE
from tests.builders import HIGH, WEB
from tests.simulation.world import END, FAULTS_END, START, TARGET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.world import Change, World

ANSWER_WITHIN = 80.0
"""Seconds: a heartbeat's minute, and the evaluation behind it. A breach is answered within it."""

(OUT,) = TARGET.in_direction(Direction.OUT)
LARGEST_STEP = max(step.adjustment for step in OUT.steps)


def violations(world: World) -> list[str]:
    """Return every invariant that the run has broken, as sentences."""
    return [
        *(f"something unexpected was raised: {error}" for error in world.unexpected),
        *_capacity_stays_in_bounds(world),
        *_the_memory_equals_ecs(world),
        *_every_change_has_one_record(world),
        *_cooldowns_are_kept(world),
        *_no_datapoint_acts_twice(world),
        *_there_is_one_chain(world),
        *_a_breach_is_answered(world),
        *_no_lease_outlives_its_holder(world),
        *_nobody_waits_for_nothing(world),
    ]


def violations_with_requests(world: World) -> list[str]:
    """Return what must hold while operators ask for capacities, too: these know no cooldown."""
    return [
        *(f"something unexpected was raised: {error}" for error in world.unexpected),
        *_capacity_stays_in_bounds(world),
        *_the_memory_equals_ecs(world),
        *_every_change_has_one_record(world),
        *_there_is_one_chain(world),
        *_no_lease_outlives_its_holder(world),
        *_a_request_is_carried_out_once(world),
    ]


def _a_request_is_carried_out_once(world: World) -> Iterator[str]:
    """However often its message comes, and never later than a minute after it was made."""
    carried_out = [
        record
        for record in world.targets.records
        if record.look.wish and record.outcome.changes_capacity
    ]
    for request, times in Counter(record.look.again for record in carried_out).items():
        if times > 1:
            yield f"{request} was carried out {times} times"
    for record in carried_out:
        if record.look.wish and record.at - record.look.wish.at > MAX_EVENT_AGE:
            yield f"{record.look.again} was carried out at {record.at}"


def _capacity_stays_in_bounds(world: World) -> Iterator[str]:
    for change in world.changes:
        if not TARGET.min_capacity <= change.after <= TARGET.max_capacity:
            yield f"capacity {change.after} is out of bounds"


def _the_memory_equals_ecs(world: World) -> Iterator[str]:
    """Nobody else changes capacity here, so what is committed is what ECS has."""
    yield from world.astray
    committed = world.targets.items[WEB.resource_id].memory.desired
    if committed != world.desired:
        yield f"{committed} is committed, but ECS has {world.desired}"


def _every_change_has_one_record(world: World) -> Iterator[str]:
    """Each change is recorded by its author, or adopted by the next one to recover the target."""
    records = world.targets.records
    scaled = Counter(r.id for r in records if r.outcome.changes_capacity)
    for decision in scaled.keys() - {change.decision for change in world.changes}:
        yield f"{decision} is recorded as a change, but ECS saw none"
    again = {r.id for r in records if r.outcome is Outcome.RECOVERED and r.decision}
    scaled.update(change.decision for change in world.changes if change.decision in again)
    orphans = []
    for change in world.changes:
        count = scaled[change.decision]
        if count > 1:
            yield f"the change {change.before} -> {change.after} has {count} records"
        elif count == 0:
            orphans.append(change)
    for record in (r for r in records if r.outcome is Outcome.RECOVERED and not r.decision):
        seconds = (record.at - START).total_seconds()
        adopted = [change for change in orphans if change.at <= seconds]
        if not adopted and "unknown number" not in record.reason:
            yield f"{record.id} adopts a change that nobody made"
        orphans = orphans[len(adopted) :]
    for change in orphans:
        yield f"the change {change.before} -> {change.after} has no record"


def _cooldowns_are_kept(world: World) -> Iterator[str]:
    """Within a scale-out cooldown only a larger step passes, and never beyond the largest."""
    cooldown = timedelta(seconds=OUT.cooldown)
    last: Change | None = None
    base = 0
    for change in (c for c in world.changes if c.after > c.before):
        inside = last is not None and change.decided_at < last.decided_at + cooldown
        base = base if inside else change.before
        if inside and change.after > base + LARGEST_STEP:
            yield f"{change.after} within the cooldown of a scale-out from {base}"
        last = change
    for earlier, later in zip(world.changes, world.changes[1:], strict=False):
        soon = later.decided_at < earlier.decided_at + cooldown
        if earlier.after > earlier.before and later.after < later.before and soon:
            yield f"scaled in to {later.after} within a scale-out cooldown"


def _no_datapoint_acts_twice(world: World) -> Iterator[str]:
    spent = Counter(pair for change in world.changes for pair in change.spent)
    for (policy, value), times in spent.items():
        if times > 1:
            yield f"{policy}'s datapoint {value:.6f} changed capacity {times} times"


def _there_is_one_chain(world: World) -> Iterator[str]:
    """A generation of re-checks comes to an evaluation once."""
    evaluated = Counter(
        record.look.generation
        for record in world.targets.records
        if record.look.generation is not None
        and record.decision is not None
        and not record.outcome.failed
    )
    for generation, times in evaluated.items():
        if times > 1:
            yield f"generation {generation} of re-checks was evaluated {times} times"


def _a_breach_is_answered(world: World) -> Iterator[str]:
    """Once nothing fails any more, no breach lasts that is not answered, or at the maximum."""
    quiet_since = FAULTS_END
    answers = [c.at for c in world.changes if c.after > c.before]
    breached_since: float | None = None
    for at, breached in world.breaches:
        if at < quiet_since:
            continue
        if not breached or world.desired_at(at) >= TARGET.max_capacity:
            breached_since = None
            continue
        breached_since = at if breached_since is None else breached_since
        last = max([breached_since, *(a for a in answers if a <= at)])
        if at - last > ANSWER_WITHIN:
            yield f"the breach at {at:.0f} s has not been answered for {at - last:.0f} s"
            return
    if world.alarms[WEB, HIGH].state is AlarmState.ALARM and world.desired < TARGET.max_capacity:
        yield f"the load is not met in the end, with {world.desired} tasks"


def _nobody_waits_for_nothing(world: World) -> Iterator[str]:
    """A target that was throttled no longer waits for its turn once no alarm is left to answer."""
    memory = world.targets.items[WEB.resource_id].memory
    firing = any(known.state is AlarmState.ALARM for known in memory.alarms.values())
    if memory.turn and not firing:
        yield f"it waits for its turn since {memory.turn.since:%H:%M:%S}, and for nothing"


def _no_lease_outlives_its_holder(world: World) -> Iterator[str]:
    lease = world.targets.items[WEB.resource_id].lease
    if lease and lease.until <= START + timedelta(seconds=END - ANSWER_WITHIN):
        yield f"{lease.owner}'s lease lies about since {lease.until:%H:%M:%S}"
    for taken in world.leases:
        if taken.until - taken.since > LEASE:
            yield f"{taken.owner}'s lease is longer than {LEASE.total_seconds():.0f} s"
