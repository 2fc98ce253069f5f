"""Worlds of services that work off a queue: polls are lost, late and doubled, counts old or denied.

python -m tests.simulation.queues --first 0 --seeds 3000 --jobs 2
python -m tests.simulation.queues --seed 42         one run, with its timeline

Such a world has no alarm. All else that goes wrong in it is what goes wrong in every world.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing import Pool
from typing import TYPE_CHECKING

from quickstep.engine.backlog import POLL_SECONDS, QueueReading
from quickstep.engine.model import Direction
from quickstep.engine.outcome import Outcome
from quickstep.engine.patience import PEAK_SECONDS
from quickstep.protocol.polls import Poll
from quickstep.protocol.ports import CallFailedError
from quickstep_lab.in_memory.account import InMemoryAws
from quickstep_lab.in_memory.hook import Call
from tests.builders import WEB
from tests.simulation import invariants
from tests.simulation.clockwork import TIMEOUT, seconds
from tests.simulation.fleet import AS_ECS_SAYS, WARMUP
from tests.simulation.operators import MAXIMUM
from tests.simulation.scenario import Scenario, scenario_of
from tests.simulation.world import FAULTS_END, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from quickstep.naming import ServiceName
    from quickstep.protocol.documents import Document
    from quickstep.protocol.messages import Message

_READ = Call("GetQueueAttributes", ("jobs",))

JOB = 2
"""Seconds that a job takes; a task has one slot."""

ARRIVALS_END = FAULTS_END + 60
LATE = ARRIVALS_END + PEAK_SECONDS + 30
LAST = LATE + 130
"""A share of what was needed is kept for PEAK_SECONDS; then the last task may go."""

KEPT_IDLE = 60
"""The document's ScaleInWindow."""

ANSWER_WITHIN = 80.0
"""A heartbeat's minute, its polls and the evaluation behind one of them."""


@dataclass(frozen=True, slots=True)
class QueueScenario:
    """What goes wrong with a queue beside all else: counts up to so old, and when they are denied.

    Jobs come at such a rate from each moment on.
    """

    old: float
    denied: tuple[float, float]
    rates: tuple[tuple[float, float], ...]


def queue_scenario_of(seed: int) -> QueueScenario:
    """Return what goes wrong with the queue of a seed."""
    draw = random.Random(f"queue of {seed}")  # noqa: S311
    begins = draw.uniform(10, 100)
    denied = (begins, begins + draw.uniform(20, 140)) if draw.randrange(4) == 0 else (0.0, 0.0)
    rates = [(0.0, draw.choice((0.0, 0.0, 0.5, 3.0))), (ARRIVALS_END, 0.0)]
    if draw.randrange(2):  # once there may be no task any more
        rates += [(LATE, 1.0), (LATE + 10, 0.0)]
    rates += [
        (draw.uniform(5, ARRIVALS_END - 10), draw.choice((0.0, 0.2, 2.0, 10.0)))
        for _ in range(draw.randint(1, 4))
    ]
    old = draw.choice((0.0, 0.0, 5.0, 30.0))
    return QueueScenario(old, denied, tuple(sorted(rates)))


def scenario_without_alarms(seed: int) -> Scenario:
    """Return a seed's scenario, without the faults of alarms and of publishing tasks."""
    return replace(
        scenario_of(seed),
        several=False,
        sized=False,
        surges=False,
        hot=False,
        flood=0,
        alarms=0,
        fleet=AS_ECS_SAYS,
    )


class QueueWorld(World):
    """Everything outside of the scaler, and a queue whose jobs the tasks work off."""

    def __init__(self, seed: int) -> None:
        self.minimum = random.Random(f"minimum of {seed}").choice((0, 0, 2))  # noqa: S311
        self.queue = queue_scenario_of(seed)
        self.jobs = random.Random(f"jobs of {seed}")  # noqa: S311
        self.waiting = 0
        self.working: list[float] = []  # when each job is done
        self.there: list[tuple[float, int, int]] = [(0.0, 0, 0)]  # when: waiting, in flight
        super().__init__(seed, scenario_without_alarms(seed))
        self.alarms = {}
        self.queues.reading = self._reading  # type: ignore[method-assign]

    def _document(self, bounds: tuple[int, int] | None = None) -> str:
        least, most = bounds or (self.minimum, MAXIMUM)
        policy = {"QueueName": "jobs", "SecondsPerJob": JOB, "ScaleInWindow": KEPT_IDLE}
        self._valid = json.dumps(
            {
                "ResourceId": WEB.resource_id,
                "MinCapacity": least if self.minimum else 0,
                "MaxCapacity": most,
                "Preset": "relaxed",
                "QueuePolicies": {"jobs": policy},
                "DryRun": self.scenario.dry_run,
                "WarmupSeconds": int(WARMUP),
            }
        )
        return self._valid

    def run(self) -> World:
        self.documents[WEB.parameter] = self.document
        self.time.at(0.0, self._second)
        return super().run()

    def _close(self) -> None:
        if self.now < LAST:
            self.time.at(LAST, self._close)
        else:
            super()._close()

    def survey(self, token: str | None) -> tuple[Mapping[ServiceName, Document], str | None]:
        return InMemoryAws.survey(self, token)

    # --- jobs -------------------------------------------------------------------------------------

    def _second(self) -> None:
        """Have jobs come, and tasks take and finish them; those of a task that went come back."""
        if self.time.closed:
            return
        rate = [rate for since, rate in self.queue.rates if since <= self.now][-1]
        self.waiting += math.floor(rate) + (self.jobs.random() < rate % 1)
        self.working = [done for done in self.working if done > self.now]
        tasks = self.tasks.serving
        self.waiting += max(0, len(self.working) - tasks)
        self.working = self.working[: max(0, tasks)]
        begun = min(self.waiting, tasks - len(self.working))
        self.waiting -= begun
        self.working += [self.now + JOB] * begun
        self.there.append((self.now, self.waiting, len(self.working)))
        self.time.at(self.now + 1, self._second)

    def at_moment(self, when: float) -> QueueReading:
        """Return what there was in the queue at a moment."""
        index = min(len(self.there) - 1, max(0, math.floor(when)))
        _, waiting, working = self.there[index]
        return QueueReading(waiting, working)

    def _reading(self, name: str) -> QueueReading:
        """Return what SQS counts: approximately, which is how it was a while ago."""
        begins, ends = self.queue.denied

        def read() -> QueueReading:
            if begins <= self.now < ends:
                why = f"GetQueueUrl of {name}: AccessDenied"
                raise CallFailedError(Outcome.FAILED_DENIED, why)
            old = self.rng.uniform(0, self.queue.old) if self.faults else 0.0
            return self.at_moment(self.now - old)

        return self.hook(_READ, read)

    # --- polls ------------------------------------------------------------------------------------

    def deliver(self, message: Message, delay: timedelta) -> None:
        """Deliver a message; a poll may be lost, or late."""
        if isinstance(message.content, Poll):
            if self.chance(0.15):
                return
            if self.chance(0.1):
                delay += timedelta(seconds=self.rng.uniform(1, 75))
        super().deliver(message, delay)


# --- what must hold -------------------------------------------------------------------------------


def _removals(world: QueueWorld) -> Iterator[tuple[float, int, float]]:
    """Yield when each removal was made, down to how many tasks, and when it was decided.

    Those that policies have asked for: not a hand's, a wish's or a bound's.
    """
    records = {record.id: record for record in world.targets.records}
    for change in world.ecs.changes:
        record = records.get(change.by)
        if change.foreign or change.late or record is None or record.decision is None:
            continue
        by_policies = record.outcome is Outcome.SCALED_IN and "jobs: " in record.reason
        if by_policies and not record.look.wish:
            yield change.at, change.after, change.decided_at


def _the_last_task_stays_while_there_are_jobs(world: QueueWorld) -> Iterator[str]:
    """Nobody goes to no task within a minute of a job that was there to be seen.

    Example: a job is in flight from 200 to 240 s. Each poll sees it, so the last task goes at 300 s
    at the soonest. What is there for less than the time between two polls may be seen by none.
    """
    for _, after, decided in _removals(world):
        lately = [world.at_moment(decided - back) for back in range(1, 50)]
        seen = [each for each in lately if not each.is_empty]
        if after == 0 and len(seen) > POLL_SECONDS + 1:
            yield f"no task is left at {decided:.0f} s, though {seen[-1]} was there"


def _nothing_is_removed_while_a_queue_is_denied(world: QueueWorld) -> Iterator[str]:
    """Whoever cannot see removes nothing."""
    begins, ends = world.queue.denied
    for at, after, decided in _removals(world):
        if begins + TIMEOUT < decided and at < ends:
            yield f"{after} tasks are left at {at:.0f} s, while nobody may read the queue"


def _a_backlog_is_answered(world: QueueWorld) -> Iterator[str]:
    """Jobs that wait get a task within a heartbeat's minute, unless somebody has forbidden it."""
    if _forbidden(world):
        return
    since: float | None = None
    for at, waiting, working in world.there:
        if at < FAULTS_END or not waiting or working or world.ecs.desired_at(at):
            since = None
        elif since is None:
            since = at
        elif at - since > ANSWER_WITHIN:
            yield f"{waiting} jobs wait since {since:.0f} s, and nobody is asked for"
            return


def _all_jobs_are_done(world: QueueWorld) -> Iterator[str]:
    """What has come is worked off by the end."""
    if not _forbidden(world) and world.waiting:
        yield f"{world.waiting} jobs wait at the end"


def _quiet_polls_write_nothing(world: QueueWorld) -> Iterator[str]:
    """Once nothing has come for two minutes, polls leave no trace in the table."""
    idle = all(not waiting and not working for _, waiting, working in world.there[-150:])
    late = [at for at, name in world.asked if name == "watch" and at > LAST - 30]
    if idle and late:
        yield f"a quiet poll has written at {late[0]:.0f} s"


def _that_a_queue_is_denied_is_said_each_minute_at_most(world: QueueWorld) -> Iterator[str]:
    """No flood of records, however long it lasts; others' looks say so, too."""
    begins, ends = world.queue.denied
    said = [
        seconds(record.at)
        for record in world.targets.records
        if record.outcome is Outcome.FAILED_DENIED
        and record.look.cause.kind in ("poll", "heartbeat")
        and begins <= seconds(record.at) < ends
    ]
    most = 4 + 1.5 * (ends - begins) / 60
    if not world.scenario.hours and len(said) > most:
        yield f"{len(said)} records say that the queue is denied"


def _forbidden(world: QueueWorld) -> bool:
    """Whether something may have kept tasks from being asked for after the faults."""
    scenario = world.scenario
    paused = any(Direction.OUT in limits.paused for limits in world.limits)
    return bool(
        scenario.dry_run or scenario.paused or scenario.hours or scenario.foreign or paused
    ) or any(limits.maximum < MAXIMUM for limits in world.limits)


OF_EVERY_WORLD = (
    invariants._nothing_unexpected_is_raised,  # noqa: SLF001 - one suite in two modules
    invariants._capacity_stays_in_bounds,  # noqa: SLF001
    invariants._a_pause_is_applied,  # noqa: SLF001
    invariants._the_memory_equals_ecs,  # noqa: SLF001
    invariants._every_change_has_one_record,  # noqa: SLF001
    invariants._own_numbers_are_known,  # noqa: SLF001
    invariants._there_is_one_chain,  # noqa: SLF001
    invariants._no_scale_out_calls_with_less_than_is_committed,  # noqa: SLF001
    invariants._no_scale_in_calls_with_more_than_is_committed,  # noqa: SLF001
    invariants._no_change_goes_the_opposite_way,  # noqa: SLF001
    invariants._no_lease_outlives_its_holder,  # noqa: SLF001
    invariants._nobody_waits_for_nothing,  # noqa: SLF001
    invariants._a_request_is_carried_out_once,  # noqa: SLF001
    invariants._expired_entries_are_removed,  # noqa: SLF001
    invariants._a_dry_run_changes_nothing,  # noqa: SLF001
)

OF_QUEUES: tuple[Callable[[QueueWorld], Iterator[str]], ...] = (
    _the_last_task_stays_while_there_are_jobs,
    _nothing_is_removed_while_a_queue_is_denied,
    _a_backlog_is_answered,
    _all_jobs_are_done,
    _quiet_polls_write_nothing,
    _that_a_queue_is_denied_is_said_each_minute_at_most,
)


def violations(world: QueueWorld) -> list[str]:
    """Return every invariant that the run has broken, as sentences."""
    checks = [
        check
        for check in OF_EVERY_WORLD
        if not world.scenario.hours or check in invariants.WITHOUT_CLOCKS
    ]
    if world.scenario.hours and world.scenario.entries:
        # A host whose clock is an hour ahead takes an override for over, and goes by the document.
        checks.remove(invariants._capacity_stays_in_bounds)  # noqa: SLF001
    found = [sentence for check in checks for sentence in check(world)]
    if world.scenario.hours:
        return found
    return found + [sentence for check in OF_QUEUES for sentence in check(world)]


def verdict(world: QueueWorld) -> str:
    """Return what was wrong with a run, and how to replay it."""
    replay = f"python -m tests.simulation.queues --seed {world.seed}"
    what = f"seed {world.seed} ({replay}): {world.scenario} {world.queue}"
    return "\n  ".join([what, *(violations(world) or ["nothing was wrong"])])


def ran(seed: int) -> QueueWorld:
    """Return a world after its run."""
    world = QueueWorld(seed)
    world.run()
    return world


def broken(seed: int) -> str | None:
    """Return what was wrong with a seed's run; None where nothing was."""
    world = ran(seed)
    return verdict(world) if violations(world) else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 if an invariant was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many runs")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="on how many processors")
    parser.add_argument("--seed", type=int, help="replay this run alone, and show its timeline")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        world = ran(options.seed)
        sys.stdout.write("\n".join([*world.time.timeline, "", verdict(world)]) + "\n")
        return 1 if violations(world) else 0
    seeds, began, found = (
        range(options.first, options.first + options.seeds),
        time.perf_counter(),
        0,
    )
    with Pool(options.jobs) as pool:
        for wrong in pool.imap(broken, seeds, chunksize=20):
            if wrong:
                found += 1
                sys.stdout.write(wrong + "\n")
    rate = options.seeds / (time.perf_counter() - began)
    sys.stdout.write(f"{options.seeds} seeds, {rate:.0f} a second, {found} broken\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
