"""What must hold after every run, whatever went wrong in it.

Times are seconds into the run. Words of calls: `had` is what ECS had when a call reached it,
`committed` what the target's item remembered then. A call's direction is its decision's: out from 4
to 8. A foreign change is one made by hand or by Terraform.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from quickstep.engine.load import MISSING_AFTER
from quickstep.engine.model import AlarmState, Direction
from quickstep.engine.outcome import Outcome
from quickstep.loop.cycle import LEASE, MAX_EVENT_AGE
from quickstep.loop.surges import OLDEST
from quickstep.protocol.memory import MOST_SURGES
from quickstep.protocol.ports import MOST_SURGES_A_SECOND, LeaseLostError
from tests.builders import DEFINITION, WEB
from tests.simulation.alarms import MARK, METRICS, PERIOD
from tests.simulation.clockwork import TIMEOUT, seconds
from tests.simulation.fleet import WARMUP
from tests.simulation.operators import COOLDOWNS
from tests.simulation.world import END, FAULTS_END, KEPT, MAX_RECEIVES, VISIBILITY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quickstep.protocol.records import DecisionRecord
    from tests.simulation.ecs import Call, Change
    from tests.simulation.world import Limits, World

    Check = Callable[[World], Iterator[str]]

ANSWER_WITHIN = 80.0
"""A heartbeat's minute, and the evaluation behind it. A breach is answered within it."""

SOON = 35.0
"""A re-check each 10 s, a cooldown of as many, and a datapoint that is late."""

ANSWERING_HEARTBEATS = 2
"""So many heartbeats that no fault has met answer a breach, whatever goes on around them."""

UNSEEN = 25.0
"""An evaluation's longest time, and a description's age of 15 s: until then nobody may know."""

OURS = 130.0
"""For two minutes a number that the scaler has asked for is taken for its own late call."""

A_SURGE = 15.0
"""A surge is felt, published, visible and looked at in so many seconds."""

MOST_CLAIMS = 75
"""Of messages of tasks in so many seconds: five a second by each host's clock in the first few, and
those that lost the race to them; then the service was looked at a moment ago."""

A_MINUTE = 60.0
"""A load that was the same for so long is what any alarm shows."""

EVENT_AGE = MAX_EVENT_AGE.total_seconds()

MOST_PER_SECOND = {"UpdateService": 0.4, "DescribeServices": 0.8, "GetMetricData": 0.8}
MOST_AT_ONCE = 75
"""Calls of a breach: so many a second of it, and so many beside: while a dead holder has the lease,
whatever came meanwhile, and came twice, comes back every 2 or 3 s for 15 s.

Where tasks tell of surges, so many descriptions more: they are made beside the claim, and what a
surge has to say is not in the item. So every 2 s one more message comes, and comes back for 10 s.
"""


def violations(world: World) -> list[str]:
    """Return every invariant that the run has broken, as sentences.

    Where a clock is wrong by an hour, a lease holds for nobody: only what needs no clock is asked.
    Where tasks never come, or their counts lie, no breach needs to be answered.
    """
    checks: tuple[Check, ...] = INVARIANTS
    if world.scenario.hours:
        checks = WITHOUT_CLOCKS
    if world.scenario.sized:
        checks = tuple(check for check in checks if check not in OF_STEPS)
    if not world.scenario.fleet.comes:
        checks = tuple(check for check in checks if check not in WHERE_TASKS_COME)
    return [sentence for check in checks for sentence in check(world)]


def _nothing_unexpected_is_raised(world: World) -> Iterator[str]:
    """No error except injected ones; with clocks an hour apart a lease may be lost."""
    for error in world.time.unexpected:
        if not (world.scenario.hours and isinstance(error, LeaseLostError)):
            yield f"something unexpected was raised: {error!r}"


def _capacity_stays_in_bounds(world: World) -> Iterator[str]:
    """Some bounds in force during each decision allow the number it asks for.

    Example: a document says 2 to 40, and from 60 s on 2 to 24: as a host keeps a document for 30 s
    and an evaluation takes up to 10, a call for 30 is right until 100 s. A number that somebody
    has set beyond the bounds is put back where a late call of ours has undone it; and a maximum is
    reached in steps, where the load needs more.
    """
    theirs = {change.after for change in world.ecs.changes if change.foreign}
    records = _decided(world)
    for call in world.ecs.calls:
        record = records.get(call.by)
        towards = call.desired < call.had and not (record and _direction(record) is Direction.OUT)
        again = record is not None and record.outcome is Outcome.RECOVERED
        if call.desired in theirs or (again and call.desired == call.committed):
            continue
        lately = _limits_until(world, call.at)
        old = call.at - KEPT - TIMEOUT - 5
        first = max((i for i, limits in enumerate(lately) if limits.since <= old), default=0)
        allowed = lately[first:]
        least = min(limits.minimum for limits in allowed)
        most = max(limits.maximum for limits in allowed)
        if not (least <= call.desired <= most or (towards and call.desired > most)):
            yield f"capacity {call.desired} at {call.at:.0f} s is out of bounds"


def _a_pause_is_applied(world: World) -> Iterator[str]:
    """Nothing moves in a paused direction unless an operator asks for it.

    Example: scale-in is paused from 40 to 100 s; a scale-in at 45 s may have been decided before,
    one at 60 s may not.
    """
    records = _decided(world)
    for call in world.ecs.calls:
        record = records.get(call.by)
        if record is None or record.look.wish:
            continue
        way = _direction(record)
        if record.outcome is Outcome.RECOVERED and call.desired < call.had:
            way = Direction.IN  # a late call has added tasks, which are taken back
        lately = _limits_until(world, call.at)
        slack = TIMEOUT + world.scenario.tolerance
        paused = [
            way in limits.paused
            for limits in lately
            if _until(world, limits.since) > call.at - slack
        ]
        if all(paused):
            yield f"{call.by} calls for {call.desired} at {call.at:.0f} s, which is paused"


def _the_memory_equals_ecs(world: World) -> Iterator[str]:
    """The committed count is ECS's: at each commit if nothing interferes, otherwise in the end.

    Example: a hand sets 30 at 100 s; whatever is committed from 125 s on says 30, or what came
    of it.
    """
    for at, astray in world.astray if _alone(world) else ():
        if world.scenario.plain or not _unanswered_before(world, at):
            yield astray
    committed, last = world.committed, world.ecs.changes[-1].at if world.ecs.changes else 0.0
    settled = max(last + UNSEEN, FAULTS_END + UNSEEN)
    if _nobody_hears(world):
        return
    seen = world.scenario.plain or any(at > settled for at, _ in world.commits)
    if seen and committed is not None and committed != world.ecs.desired:
        yield f"{committed} is committed, but ECS has {world.ecs.desired}"


def _every_change_has_one_record(world: World) -> Iterator[str]:
    """Its author records each change, or a later evaluation adopts it."""
    if _nobody_hears(world):
        return
    records = world.targets.records
    own = (Outcome.SCALED_OUT, Outcome.SCALED_IN, Outcome.RECOVERED)
    made = Counter(r.id for r in records if r.decision and r.outcome in own)
    calls = {call.by for call in world.ecs.calls}
    for decision, times in made.items():
        if times > 1:
            yield f"{decision} has {times} records"
        if decision not in calls:
            yield f"{decision} is recorded as a change, but ECS was never asked"
    if not world.scenario.plain:
        return
    orphans = [change for change in world.ecs.changes if change.by not in made]
    for record in records:
        if record.outcome is not Outcome.RECOVERED or record.decision:
            continue
        adopted = [change for change in orphans if change.at <= seconds(record.at)]
        if not adopted and not _unanswered_before(world, seconds(record.at)):
            yield f"{record.id} adopts a change that nobody made"
        orphans = orphans[len(adopted) :]
    for change in orphans:
        yield f"the change {change.before} -> {change.after} has no record"


def _own_numbers_are_known(world: World) -> Iterator[str]:
    """If nobody else sets the desired count, no number is mistaken for a foreign one.

    Example: 8 was asked for at 40 s, and the caller died. At 60 s ECS shows 8: it is adopted as the
    scaler's own, with its cooldown. A late call is known for two minutes, and then no longer.
    """
    if world.scenario.foreign:
        return
    for record in world.targets.records:
        at = seconds(record.at)
        old = {call.desired for call in world.ecs.calls if call.at < at - OURS + TIMEOUT}
        forgotten = world.scenario.late and record.service and record.service.desired in old
        if record.outcome is Outcome.FOREIGN_CHANGE and not forgotten:
            yield f"{record.id} takes the scaler's own number for a hand's: {record.reason}"


def _a_foreign_change_is_recorded(world: World) -> Iterator[str]:
    """The second heartbeat, at the latest, records a number set by others.

    Example: a hand sets 30 at 50 s. If it stands until the heartbeats of 60 and 120 s, which no
    fault meets, then one of them, or an evaluation before, has a record of it. A target without
    alarms is not looked at.
    """
    if world.gone:
        return
    changes = world.ecs.changes
    noted = [
        seconds(record.at)
        for record in world.targets.records
        if record.outcome is Outcome.FOREIGN_CHANGE
    ]
    for index, change in enumerate(changes):
        until = changes[index + 1].at if index + 1 < len(changes) else END
        looks = [
            ended
            for began, ended in _unharmed_heartbeats(world)
            if change.at + UNSEEN < began and ended + 1 < until
        ]
        if not change.foreign or len(looks) < ANSWERING_HEARTBEATS or not world.scenario.known:
            continue
        ours = {call.desired for call in world.ecs.calls if call.at < change.at}
        if change.after in ours | {number for at, number in world.commits if at < change.at}:
            continue
        if not any(change.at - 5 <= at <= looks[1] for at in noted):
            yield f"{change.by} set {change.after} at {change.at:.0f} s, and no record says so"


def _cooldowns_are_kept(world: World) -> Iterator[str]:
    """During a scale-out cooldown only a larger step passes, up to the largest step.

    Example: 4 -> 8 at 50 s with a cooldown of 10 s. At 55 s no more than 4 + 5 is asked for, and
    nothing is removed. A larger minimum, a wish and a foreign change begin anew. Within 30 s of a
    scale-in there is no other, unless tasks were added in between.
    """
    # Times are kept in milliseconds.
    cooldown = COOLDOWNS[Direction.OUT] - world.scenario.tolerance - 0.001
    largest = max(step.adjustment for policy in world.target.step_policies for step in policy.steps)
    last: Change | None = None
    base = 0
    records = _decided(world)
    for change in world.ecs.changes:
        record = records.get(change.by)
        way = Direction.OUT if change.after > change.before else Direction.IN
        crossed = record is not None and _direction(record) is not way  # by what a hand has set
        if not change.acts_on or crossed:
            last = None
            continue
        since = change.decided_at - last.decided_at if last else math.inf
        grew = last is not None and last.after > last.before
        inside = grew and since < cooldown
        if change.after > change.before:
            base = base if inside else change.before
            least = max(limits.minimum for limits in world.limits)
            if inside and change.after > max(base, least) + largest and world.scenario.plain:
                yield f"{change.after} within the cooldown of a scale-out from {base}"
        elif inside and not change.late:
            yield f"scaled in to {change.after} within a scale-out cooldown"
        elif (
            not grew
            and since < COOLDOWNS[Direction.IN] - world.scenario.tolerance
            and not change.late
        ):
            yield f"scaled in to {change.after} within a scale-in cooldown"
        last = change


def _no_datapoint_acts_twice(world: World) -> Iterator[str]:
    """A datapoint changes capacity only once, no matter who read it."""
    acts = {
        (change.by, point)
        for change in world.ecs.changes
        if not change.late
        for point in change.acts_on
    }
    for point, times in Counter(point for _, point in acts).items():
        if times > 1:
            yield f"{point.policy}'s datapoint {point.value:.6f} changed capacity {times} times"


def _there_is_one_chain(world: World) -> Iterator[str]:
    """Each generation of re-checks is evaluated once."""
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


def _no_scale_out_calls_with_less_than_is_committed(world: World) -> Iterator[str]:
    """An old number must not remove tasks during a surge.

    Example: 8 are committed, an old description says 4, and a step of +1 calls for 5. Right is it
    only where a foreign hand has set 4 since the last commit, or just before it.
    """
    for call, _ in _calls(world, Direction.OUT):
        if call.committed is None or call.desired >= call.committed:
            continue
        if not _foreign_since(world, _last_commit(world, call.at) - UNSEEN, call.at):
            yield f"{call.by} scales out to {call.desired}, where {call.committed} are committed"


def _no_scale_in_calls_with_more_than_is_committed(world: World) -> Iterator[str]:
    """An old number must not add tasks in a calm.

    Example: 4 are committed, an old description says 8, and a step of -1 calls for 7.
    """
    for call, _ in _calls(world, Direction.IN):
        if call.committed is None or call.desired <= call.committed:
            continue
        if not _foreign_since(world, _last_commit(world, call.at) - UNSEEN, call.at):
            yield f"{call.by} scales in to {call.desired}, where {call.committed} are committed"


def _no_change_goes_the_opposite_way(world: World) -> Iterator[str]:
    """A scale-out never lowers ECS's count, and a scale-in never raises it.

    Example: a scale-in from 9 to 8 reaches ECS, which has 4. Right is it only where the 4 are a
    foreign hand's of the last 25 s, or came by a late call: then 9 are still the scaler's word.
    """
    for direction in Direction:
        for call, _ in _calls(world, direction):
            if call.desired == call.had or direction.beyond(call.desired, call.had):
                continue
            if _foreign_since(world, call.at - UNSEEN, call.at) or _resembles_ours(world, call):
                continue
            yield f"{call.by}, a {direction}, calls for {call.desired} where ECS has {call.had}"


def _a_foreign_number_is_not_fought(world: World) -> Iterator[str]:
    """From 25 s after a foreign change, every decision counts from it.

    Example: a hand sets 6 -> 30 at 60 s. A step of +1 at 90 s makes 31 of it, and not 7. A number
    that the scaler itself has asked for in the two minutes before is taken for a late call.
    """
    decided = _decided(world)
    for call in world.ecs.calls:
        record = decided.get(call.by)
        since = call.at - UNSEEN
        made = [change for change in world.ecs.changes if change.at <= call.at]
        if not record or not record.decision or not made or not made[-1].foreign:
            continue
        if made[-1].at > since or _resembles_ours(world, call):
            continue
        if record.decision.before != call.had:
            yield f"{call.by} counts from {record.decision.before}, where a hand set {call.had}"


def _load_breaches(world: World, change: Change, back: float) -> bool:
    """Whether tasks that tell of surges had a load above a threshold some time before a change."""
    span = [change.decided_at - ago / 2 for ago in range(round(2 * back))]
    return world.scenario.surges and any(
        definition.breached_by(
            world.traffic.per_task(METRICS[policy], at, world.tasks_at(at).serving) + MARK * at
        )
        for policy, *_ in change.acts_on
        for _, definition in world.thresholds[policy]
        for at in span
        if at >= 0
    )


def _no_change_is_needless(world: World) -> Iterator[str]:
    """Tasks are added only for a breach in the last minute, and removed only for a calm.

    Where tasks publish a surge at once, its seconds may be all that is seen of a period: then these
    have to breach.

    Example: at 200 s tasks are added, but the last datapoint above a scale-out threshold is of
    100 s: even the oldest event that counts, of 60 s, a period and an evaluation ago, shows none.
    """
    if world.scenario.hot:
        return  # it publishes at once: for a while, its samples are more of a period than its tasks
    back = EVENT_AGE + PERIOD + 2 * TIMEOUT + world.scenario.tolerance
    thresholds = world.thresholds
    for change in world.ecs.changes:
        if change.late or not change.acts_on or change.of_surge:
            continue
        for policy, *_ in change.acts_on:
            breached = any(
                threshold.breached_by(point.value)
                for since, threshold in thresholds[policy]
                for visible, point in world.traffic.published[METRICS[policy]]
                if visible >= change.at - back
                and seconds(point.at) <= change.at
                and since <= change.at
            )
            # The period acted on has ended, so it may have begun two periods ago.
            if not breached and not _load_breaches(world, change, 2 * PERIOD):
                yield f"{change.by} changes {change.before} -> {change.after} for no {policy}"


def _a_deleted_alarm_scales_no_more(world: World) -> Iterator[str]:
    """A deleted alarm has no effect after the second undisturbed heartbeat.

    Example: both alarms are deleted at 60 s, in ALARM. Heartbeats look at 70 and 130 s; at 200 s
    nothing acts on the definition that is still remembered. A heartbeat that loses the race leaves
    it to a message, which a fault may meet.
    """
    lost = [
        seconds(record.at)
        for record in world.targets.records
        if record.outcome is Outcome.LOST_RACE and record.look.cause.kind == "heartbeat"
    ]
    slack = world.scenario.tolerance
    heartbeats = [
        (began, ended)
        for began, ended in _unharmed_heartbeats(world)
        if not any(began - slack <= at <= ended + slack for at in lost)
    ]
    for gone in world.gone:
        looks = [
            ended for began, ended in heartbeats if gone.since + 1 < began and ended < gone.until
        ]
        if len(looks) < ANSWERING_HEARTBEATS:
            continue
        for change in world.ecs.changes:
            acts = any(point.policy == gone.policy for point in change.acts_on)
            if acts and not change.late and looks[1] + 2 * TIMEOUT < change.at < gone.until:
                yield f"{gone.policy} acts at {change.at:.0f} s, deleted at {gone.since:.0f} s"
                return


def _a_breach_is_answered(world: World) -> Iterator[str]:
    """Once the faults end, every breach is answered, or the service is at its maximum."""
    yield from _unanswered(world, FAULTS_END, END, lambda since, at: at - since > ANSWER_WITHIN)
    alarm = world.alarms.get((WEB, world.high))
    if any(c.at > END - ANSWER_WITHIN and c.after > c.before for c in world.ecs.changes):
        return  # it is being answered, step by step
    if (
        alarm
        and alarm.state is AlarmState.ALARM
        and seconds(alarm.at) < END - ANSWER_WITHIN
        and world.periods[-1].free
        and (world.periods[-1].breached or not world.scenario.sized)
        and not world.scenario.dry_run
    ):
        yield f"the load is not met in the end, with {world.ecs.desired} tasks"


def _a_breach_is_answered_while_faults_go_on(world: World) -> Iterator[str]:
    """Two undisturbed heartbeats are enough, whatever happens around them.

    Example: a breach begins at 20 s, its event is lost. The heartbeat of 30 s is throttled, those
    of 90 and 150 s are not: by 170 s it is answered. In a crowd it waits for its turn instead.
    """
    if world.scenario.crowded or world.scenario.late:
        return
    heartbeats = _unharmed_heartbeats(world)

    def late(since: float, at: float) -> bool:
        met = [began for began, ended in heartbeats if since + 15 < began and ended + 20 < at]
        return len(met) >= ANSWERING_HEARTBEATS

    yield from _unanswered(world, 0.0, END, late)


def _unanswered(
    world: World, first: float, last: float, late: Callable[[float, float], bool]
) -> Iterator[str]:
    """Yield the first breach that is `late`, given since when it lasts unanswered, and when."""
    answers = [change.at for change in world.ecs.changes if change.after > change.before]
    began: float | None = None
    for period in world.periods:
        if not first <= period.at <= last:
            continue
        if not period.breached or not period.free or world.scenario.dry_run:
            began = None
            continue
        began = period.at if began is None else began
        since = max([began, *(at for at in answers if at <= period.at)])
        if late(since, period.at):
            yield f"the breach at {period.at:.0f} s has no answer for {period.at - since:.0f} s"
            return


def _no_lease_outlives_its_holder(world: World) -> Iterator[str]:
    """A lease lasts as long as promised, and none is left at the end.

    But for one of a target without any alarm, there or remembered: its time is over, and nobody has
    a reason to look.
    """
    unwatched = _nobody_hears(world) or not (world.alarms or world.item.alarms)
    for at, taken in world.leases:
        if taken.until - taken.since > LEASE:
            yield f"{taken.owner}'s lease is longer than {LEASE.total_seconds():.0f} s"
        lease = world.targets.items[WEB.resource_id].lease
        if unwatched or lease is None:
            continue
        if lease.owner == taken.owner and at < END - ANSWER_WITHIN - TIMEOUT:
            yield f"{lease.owner}'s lease lies about since {at:.0f} s"


def _nobody_waits_for_nothing(world: World) -> Iterator[str]:
    """A throttled target stops waiting for its turn once no alarm needs an answer."""
    memory = world.item
    firing = any(known.state is AlarmState.ALARM for known in memory.alarms.values())
    if memory.turn and not firing:
        yield f"it waits for its turn since {memory.turn.since:%H:%M:%S}, and for nothing"


def _a_request_is_carried_out_once(world: World) -> Iterator[str]:
    """However often its message arrives, and at most a minute after it was made."""
    carried_out = [
        record
        for record in world.targets.records
        if record.look.wish and record.outcome.changes_capacity
    ]
    for request, times in Counter(r.look.cause.details["id"] for r in carried_out).items():
        if times > 1:
            yield f"request {request} was carried out {times} times"
    for record in carried_out:
        assert record.look.wish is not None
        late = (record.at - record.look.wish.at).total_seconds()
        if late > EVENT_AGE:
            yield f"request {record.look.cause.details['id']} was carried out after {late:.0f} s"


def _expired_entries_are_removed(world: World) -> Iterator[str]:
    """The first commit that sees a schedule's entry days after its end removes it.

    Example: a world begins with the schedule of a sale that was over the day before yesterday. A
    name for each sale fills the item by and by, until nothing can be committed any more.
    """
    for name in world.old_entries:
        if len(world.commits) > 1 and name in world.entries:
            yield f"{name} is kept, though it ended days ago"


def _calls_of_a_breach_are_bounded(world: World) -> Iterator[str]:
    """A breach causes a limited number of calls per second.

    A re-check each 10 s makes one call of each kind, and throttled UpdateServices up to three. Its
    event, a heartbeat, races lost and their doubles come on top.

    Example: a breach of 100 s may cost 60 + 0.4 * 100 = 100 UpdateServices.
    """
    spells: list[list[float]] = []
    for before, period in pairwise(world.periods):
        if not period.breached:
            continue
        if not before.breached or not spells:
            spells.append([period.at])
        spells[-1].append(period.at)
    for spell in spells:
        since, until = spell[0], spell[-1] + PERIOD
        made = Counter(name for at, name in world.asked if since <= at < until)
        flood = MOST_CLAIMS if world.scenario.flood else 0
        for name, a_second in MOST_PER_SECOND.items():
            surged = world.scenario.surges and name == "DescribeServices"
            at_once = 2 * MOST_AT_ONCE if surged else MOST_AT_ONCE
            if made[name] > flood + a_second * (at_once + until - since):
                yield f"{made[name]} {name} in a breach of {until - since:.0f} s"


def _a_lasting_breach_is_answered_again_soon(world: World) -> Iterator[str]:
    """If nothing fails, re-checks keep answering a breach, not heartbeats.

    Example: a breach lasts from 300 to 400 s, and a step adds one task at 312 s. The re-check of
    322 s may find a datapoint that was acted on, and look again for a newer one: the next task
    comes by 345 s.
    """
    quiet = FAULTS_END + ANSWER_WITHIN
    yield from _unanswered(world, quiet, END, lambda since, at: at - since > SOON)


def _calm_costs_nothing(world: World) -> Iterator[str]:
    """A minute after the last alarm's OK only heartbeats remain, and they find nothing.

    Example: an alarm is OK from 200 s on; at 300 s no re-check of it comes any more.
    """
    states = [alarm.state for alarm in world.alarms.values()]
    if not states or AlarmState.ALARM in states or world.gone:
        return
    if world.limits[-1].paused or world.scenario.dry_run:  # each asks whether it may correct bounds
        return
    since = max(seconds(alarm.at) for alarm in world.alarms.values())
    calm = max(since, FAULTS_END) + VISIBILITY * MAX_RECEIVES + world.scenario.fleet.drains
    if max(world.ecs.numbers(calm, END)) > world.limits[-1].maximum:
        return  # each heartbeat asks whether the load leaves tasks idle
    for run in world.time.invocations:
        if run.started > calm and run.what != "heartbeat":
            yield f"{run.what} at {run.started:.0f} s, though all is calm since {since:.0f} s"
            return
    yield from (f"{taken.owner} claims in all calm" for at, taken in world.leases if at > calm)


def _capacity_returns_into_its_bounds(world: World) -> Iterator[str]:
    """Heartbeats restore the bounds, whatever was set by hand or has ended.

    Example: an override of at least 6 holds from 100 to 160 s, and 2 tasks run: by the end of the
    run it has been 6, or the override's end has come first.
    """
    limits = world.limits[-1]
    if limits.paused or world.scenario.dry_run or not world.alarms or world.gone:
        return  # without a scale-out alarm nothing tells how far a maximum may go
    if not limits.minimum <= world.ecs.desired <= limits.maximum:
        yield f"in the end {world.ecs.desired} are out of bounds"


def _a_dry_run_changes_nothing(world: World) -> Iterator[str]:
    """UpdateService is never called in a dry run, not even for an operator."""
    if world.scenario.dry_run:
        yield from (f"{call.by} calls for {call.desired}" for call in world.ecs.calls)


def _no_task_that_is_needed_is_removed(world: World) -> Iterator[str]:
    """No scale-in leaves fewer tasks than the load needs, no matter which tasks report.

    Example: 12 tasks serve 300 requests a second since a minute, the threshold is 100: a scale-in
    to 3 is right, one to 2 is not, whatever the average says while 9 of them drain.
    """
    scenario = world.scenario
    if not _counts_are_true(world) or scenario.documents or scenario.entries:
        return
    for call, record in _calls(world, Direction.IN):
        at = seconds(record.at)
        load = world.traffic.load(at)
        if any(at - A_MINUTE <= since <= call.at for since, _ in world.traffic.levels):
            continue
        before = world.tasks_at(at)
        left = before.serving - max(0, call.had - call.desired)
        if left < before.serving and load > left * DEFINITION.threshold * 1.001:
            yield f"{call.by} leaves {left} of {before.serving} tasks to {load:.0f} at {at:.0f} s"
            return


def _nothing_is_removed_while_tasks_are_silent(world: World) -> Iterator[str]:
    """The load on silent tasks is unknown, so no task is removed.

    Example: 2 of 6 tasks carry the publisher: the other 4 are silent, and all 6 stay.
    """
    if not _counts_are_true(world) or world.scenario.documents or world.scenario.entries:
        return
    for call, record in _calls(world, Direction.IN):
        silent = [_silent(world, seconds(record.at) - before) for before in (0.0, A_MINUTE)]
        if min(silent) > 0:
            yield f"{call.by} removes tasks at {call.at:.0f} s, while {min(silent)} are silent"
            return


def _missing_tasks_are_not_asked_for_again(world: World) -> Iterator[str]:
    """While tasks are missing, no step exceeds the load's need: more might also fail to start.

    Example: 10 tasks are desired since two minutes, 8 serve 960 requests a second, the threshold is
    100: 10 are enough; at 1,200 a second 12 are asked for, and never 13.
    """
    scenario = world.scenario
    if not _counts_are_true(world) or scenario.documents or scenario.entries or scenario.alarms:
        return
    for call, record in _calls(world, Direction.OUT):
        at = seconds(record.at)
        lately = sum(
            max(0, change.after - change.before)
            for change in world.ecs.changes
            if at - MISSING_AFTER * WARMUP - TIMEOUT < change.at <= at
        )
        missing = call.had - world.tasks_at(at).serving - lately
        if record.outcome is not Outcome.SCALED_OUT or missing <= 0:
            continue
        since = [level for level in world.traffic.levels if level[0] <= at]
        loads = [load for begun, load in since if begun > at - A_MINUTE]
        most = max([*loads, world.traffic.load(max(0.0, at - A_MINUTE))])
        needed = math.ceil(most / DEFINITION.threshold + 0.01)
        if call.desired > max(call.had, needed):
            yield f"{call.by} asks for {call.desired} at {at:.0f} s, {missing} are missing"
            return


def _what_never_comes_is_not_waited_for(world: World) -> Iterator[str]:
    """No scale-out waits for tasks requested so long ago that they are missing.

    Example: 10 tasks are desired since 100 s, and 8 run: at 200 s nothing is on its way.
    """
    if not _counts_are_true(world):
        return
    for record in world.targets.records:
        at = seconds(record.at)
        longest = at - MISSING_AFTER * WARMUP - TIMEOUT
        launched = any(
            longest <= change.at <= at + TIMEOUT and change.after > change.before
            for change in world.ecs.changes
        )
        if record.outcome is Outcome.HELD_CAPACITY_ON_ITS_WAY and longest > 0 and not launched:
            yield f"{record.id} waits at {at:.0f} s for what was launched before {longest:.0f} s"
            return


def _no_task_is_removed_blindly(world: World) -> Iterator[str]:
    """While the scale-out policy's alarm is deleted, the load is unknown.

    Example: it is deleted at 60 s, heartbeats look at 70 and 130 s: at 200 s no task is removed.
    """
    scenario = world.scenario
    if scenario.several or scenario.documents or scenario.entries or scenario.hands:
        return
    heartbeats = _unharmed_heartbeats(world)
    for gone in world.gone:
        looks = [
            ended for began, ended in heartbeats if gone.since + 1 < began and ended < gone.until
        ]
        if gone.policy != world.high or len(looks) < ANSWERING_HEARTBEATS:
            continue
        for call, record in _calls(world, Direction.IN):
            if looks[1] + 2 * TIMEOUT < seconds(record.at) < gone.until - TIMEOUT:
                yield f"{call.by} removes tasks at {call.at:.0f} s, and no alarm sees the load"
                return


def _a_surge_removes_no_task(world: World) -> Iterator[str]:
    """A look that a task asked for never removes tasks, whatever the metrics say.

    But for a late call of ours, which any look undoes.

    Example: a task feels a surge that is over when it is looked at: 8 tasks stay 8.
    """
    records = {record.id: record for record in world.targets.records}
    for call in world.ecs.calls:
        record = records.get(call.by)
        if record is None or record.look.felt_at is None or record.decision is None:
            continue
        lowers = record.decision.granted < record.decision.before
        if lowers and record.outcome is not Outcome.RECOVERED:
            yield f"{call.by} calls for {call.desired} tasks for a surge, before: {call.had}"


def _a_surge_adds_what_the_load_takes(world: World) -> Iterator[str]:
    """Tasks are added for a real load, not for one hot task, no matter what asks for a look.

    Example: 4 tasks carry 240 requests a second, one of them 188. That is 92 each with a threshold
    of 100: no task is added, however often the hot one asks.
    """
    fleet = world.scenario.fleet
    if not _counts_are_true(world) or world.scenario.alarms or fleet.carry > 1 or fleet.counted < 1:
        return  # tasks that do not report are taken to carry what the hot one does
    for change in world.ecs.changes:
        if change.late or not change.acts_on or not change.of_surge:
            continue
        if not _load_breaches(world, change, A_SURGE):
            yield f"{change.by} changes {change.before} -> {change.after} for a load there is not"


def _an_old_surge_is_not_looked_at(world: World) -> Iterator[str]:
    """A late message is ignored: the alarm has already answered.

    Example: a task feels a surge at 40 s, its message arrives at 70 s: no look is made for it.
    """
    slack = TIMEOUT + 2 * world.scenario.tolerance
    for record in world.targets.records:
        felt_at = record.look.felt_at
        if felt_at is None or record.look.generation is not None:
            continue
        late = (record.at - felt_at).total_seconds()
        if late > OLDEST.total_seconds() + slack:
            yield f"{record.id} looks at a surge that was felt {late:.0f} s before"


def _looks_at_surges_are_bounded(world: World) -> Iterator[str]:
    """At most 30 per service in ten minutes, however many messages arrive.

    Example: a thousand messages come in a second: those that come together may each find the last
    of the thirty free, and then no more of them are let in than five a second.
    """
    looks = [record for record in world.targets.records if record.look.felt_at and record.decision]
    if len(looks) > MOST_SURGES + MOST_SURGES_A_SECOND:
        yield f"{len(looks)} looks at surges"


def _a_flood_makes_few_calls(world: World) -> Iterator[str]:
    """Each message beyond the bounds makes at most one call.

    Example: of a thousand messages in two seconds a handful comes to a claim.
    """
    claims = [at for at, name in world.asked_by_surges if name == "claim"]
    for first in claims:
        together = sum(first <= at < first + A_SURGE for at in claims)
        if together > MOST_CLAIMS:
            yield f"{together} claims by messages of tasks since {first:.0f} s"
            return


# --- what they look at ----------------------------------------------------------------------------


def _alone(world: World) -> bool:
    """Whether ECS does what the scaler says, when it says so, even if its answers are old."""
    scenario = world.scenario
    return not (scenario.foreign or scenario.late or scenario.tolerance or scenario.hours)


def _nobody_hears(world: World) -> bool:
    """Whether no alarm is left, and the target is not listed: whoever was to list it has died."""
    return not world.alarms and WEB.resource_id not in world.targets.list_


def _counts_are_true(world: World) -> bool:
    """Whether the scaler may know who is there: nobody else launches or removes tasks."""
    return world.scenario.plain and world.scenario.fleet.counted <= 1


def _silent(world: World, at: float) -> int:
    tasks = world.tasks_at(at)
    return tasks.serving - tasks.reporting


def _decided(world: World) -> dict[str, DecisionRecord]:
    """Return the records of evaluations that came to a decision, by its id."""
    return {record.id: record for record in world.targets.records if record.decision}


def _direction(record: DecisionRecord) -> Direction:
    """Return which way a decision goes; a number that is sent again adds what has got lost."""
    assert record.decision is not None
    return Direction.OUT if record.decision.granted >= record.decision.before else Direction.IN


def _calls(world: World, direction: Direction) -> Iterator[tuple[Call, DecisionRecord]]:
    """Yield the calls of a direction, with the record of each."""
    records = _decided(world)
    for call in world.ecs.calls:
        record = records.get(call.by)
        if record and not record.look.wish and _direction(record) is direction:
            yield call, record


def _unanswered_before(world: World, at: float) -> bool:
    """Whether an answer that was lost may have been heard of since."""
    return any(at - OURS <= unanswered < at for unanswered in world.unanswered)


def _last_commit(world: World, before: float) -> float:
    return max((at for at, _ in world.commits if at < before), default=0.0)


def _foreign_since(world: World, since: float, until: float) -> bool:
    return any(change.foreign and since <= change.at <= until for change in world.ecs.changes)


def _resembles_ours(world: World, call: Call) -> bool:
    """Whether what ECS has is a number that the scaler has lately asked for, or committed."""
    asked = {other.desired for other in world.ecs.calls if call.at - OURS <= other.at < call.at}
    committed = {
        number for at, number in world.commits if call.at - OURS <= at < call.at and number
    }
    return world.scenario.late > 0 and call.had in asked | committed


def _limits_until(world: World, at: float) -> list[Limits]:
    """Return the limits that have begun by then, on whichever host."""
    latest = at + max(world.scenario.tolerance, world.scenario.ahead)
    return [limits for limits in world.limits if limits.since <= latest]


def _until(world: World, since: float) -> float:
    """Return when the limits that began then gave way to the next."""
    return min((limits.since for limits in world.limits if limits.since > since), default=math.inf)


def _unharmed_heartbeats(world: World) -> list[tuple[float, float]]:
    """Return when the heartbeats began and ended that no fault has met."""
    return [
        (run.started, run.ended)
        for run in world.time.invocations
        if run.what == "heartbeat" and not run.harmed and run.ended is not None
    ]


INVARIANTS = (
    _nothing_unexpected_is_raised,
    _capacity_stays_in_bounds,
    _a_pause_is_applied,
    _the_memory_equals_ecs,
    _every_change_has_one_record,
    _own_numbers_are_known,
    _a_foreign_change_is_recorded,
    _cooldowns_are_kept,
    _no_datapoint_acts_twice,
    _there_is_one_chain,
    _no_scale_out_calls_with_less_than_is_committed,
    _no_scale_in_calls_with_more_than_is_committed,
    _no_change_goes_the_opposite_way,
    _a_foreign_number_is_not_fought,
    _no_change_is_needless,
    _a_deleted_alarm_scales_no_more,
    _a_breach_is_answered,
    _a_breach_is_answered_while_faults_go_on,
    _calls_of_a_breach_are_bounded,
    _no_lease_outlives_its_holder,
    _nobody_waits_for_nothing,
    _a_request_is_carried_out_once,
    _expired_entries_are_removed,
    _a_lasting_breach_is_answered_again_soon,
    _calm_costs_nothing,
    _capacity_returns_into_its_bounds,
    _a_dry_run_changes_nothing,
    _no_task_that_is_needed_is_removed,
    _nothing_is_removed_while_tasks_are_silent,
    _missing_tasks_are_not_asked_for_again,
    _what_never_comes_is_not_waited_for,
    _no_task_is_removed_blindly,
    _a_surge_removes_no_task,
    _a_surge_adds_what_the_load_takes,
    _an_old_surge_is_not_looked_at,
    _looks_at_surges_are_bounded,
    _a_flood_makes_few_calls,
)

WHERE_TASKS_COME = (
    _no_change_is_needless,
    _a_breach_is_answered,
    _a_breach_is_answered_while_faults_go_on,
    _a_lasting_breach_is_answered_again_soon,
    _calm_costs_nothing,
    _capacity_returns_into_its_bounds,
)

OF_STEPS = (
    _cooldowns_are_kept,
    _no_datapoint_acts_twice,
    _calm_costs_nothing,
    _missing_tasks_are_not_asked_for_again,
)
"""What is asked of steps only.

A target's number is the same whichever of its datapoints it comes from, and how often; it looks at
its metric in calm, too, and asks for what the load takes, missing tasks or not.
"""

WITHOUT_CLOCKS = (
    _nothing_unexpected_is_raised,
    _capacity_stays_in_bounds,
    _a_breach_is_answered,
    _no_lease_outlives_its_holder,
    _calls_of_a_breach_are_bounded,
    _a_dry_run_changes_nothing,
)
