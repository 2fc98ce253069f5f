"""Many targets surging at once against an account's limits on ECS calls, in virtual time.

python -m tests.simulation.limits --targets 300

UpdateService is a bucket of 50 that refills by 5 a second, DescribeServices one of 100 and 20. All
targets' alarms fire within 10 s, some of them for fewer tasks, the others for more. Each needs
exactly one change. The real intake and cycle answer; what is modelled is the time: an evaluation is
instantaneous but for the pauses in which the SDK retries a throttled call, and evaluations of all
targets may overlap there. A throttled call takes nothing out of its bucket. Messages arrive after
their delay, in whole seconds, and a little more. The heartbeat looks at every target each minute.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import math
import random
import statistics
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent, greenlet

from lab.in_memory import InMemoryTargets, one_after_the_other
from quickstep.alarm_definitions import AlarmDefinition
from quickstep.config import parse_target_of
from quickstep.cycle import Cycle
from quickstep.engine.model import AlarmState, Datapoint, Service
from quickstep.engine.outcome import Outcome
from quickstep.intake import Intake
from quickstep.messages import Message, write_message
from quickstep.naming import ServiceName
from quickstep.ports import CallFailedError
from quickstep.triggers import DescribedAlarm, Recheck
from tests.builders import HIGH, LOW, a_document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quickstep.engine.model import ScalableTarget
    from quickstep.records import DecisionRecord

START = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
PERIOD = 10
SURGE = 10.0
"""All alarms fire within so many seconds."""

PAGE = 100
ONE_STEP_OUT = {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 4}


@dataclass(kw_only=True)
class Bucket:
    """A token bucket; a call that finds it empty is throttled, and takes nothing."""

    burst: float
    refill: float
    tokens: float = math.inf
    filled_at: float = 0.0

    def take(self, now: float) -> bool:
        """Take a token, if there is one at `now`."""
        grown = self.tokens + (now - self.filled_at) * self.refill
        self.tokens, self.filled_at = min(self.burst, grown), now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def earliest_end(self, calls: int) -> float:
        """Return how long so many calls take at least."""
        return max(0.0, (calls - self.burst) / self.refill)


@dataclass
class Fleet:
    """A service, the load on it, and what became of its alarm."""

    name: ServiceName
    policy: str
    load: float
    fires_at: float
    desired: list[tuple[float, int]]
    changed: list[float] = field(default_factory=list)

    @property
    def grows(self) -> bool:
        """Whether it is to get more tasks."""
        return self.policy == HIGH

    def value(self, when: float) -> float:
        """Return the load per task at a moment."""
        return self.load / next(count for since, count in reversed(self.desired) if since <= when)


@dataclass(frozen=True)
class Result:
    """What became of a surge."""

    fleets: list[Fleet]
    records: list[DecisionRecord]
    throttled: Counter[str]
    ideal: float
    ideal_out: float

    @property
    def unanswered(self) -> list[Fleet]:
        return [fleet for fleet in self.fleets if not fleet.changed]

    def took(self, *, grows: bool | None = None) -> float:
        """Return when the last target was answered, of those that grow, that shrink, or all."""
        chosen = [f for f in self.fleets if grows is None or f.grows is grows]
        return max(fleet.changed[-1] for fleet in chosen)

    def waits(self, *, grows: bool) -> list[float]:
        """Return how long each target's change came after its alarm, shortest first."""
        return sorted(f.changed[0] - f.fires_at for f in self.fleets if f.grows is grows)


class Surge:
    """An account in which all alarms fire at once, and the scaler that answers them."""

    def __init__(
        self,
        targets: int,
        *,
        shrinking: float = 0.2,
        seed: int = 0,
        tries: int = 3,
        reads_are_limited: bool = True,
    ) -> None:
        self.now = 0.0
        self.tries = tries
        self.rng = random.Random(seed)  # noqa: S311
        self.updates = Bucket(burst=50, refill=5)
        self.reads = Bucket(burst=100, refill=20) if reads_are_limited else None
        self.throttled: Counter[str] = Counter()
        self.fleets = {
            fleet.name: fleet
            for fleet in (self._fleet(i, shrinks=i < shrinking * targets) for i in range(targets))
        }
        self.stored = InMemoryTargets()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._ids = itertools.count(1)
        self._root = getcurrent()
        ports = Ports(self)
        cycle = Cycle(
            policies=ports,
            services=ports,
            targets=self.stored,
            metrics=ports,
            messages=ports,
            together=one_after_the_other,
            clock=self.clock,
            new_id=lambda: f"d{next(self._ids)}",
            jitter=self.rng.random,
            pause=lambda duration: self.sleep(duration.total_seconds()),
        )
        self.intake = Intake(
            cycle=cycle,
            alarms=ports,
            messages=ports,
            pause=lambda duration: self.sleep(duration.total_seconds()),
            jitter=self.rng.random,
        )

    def _fleet(self, number: int, *, shrinks: bool) -> Fleet:
        name = ServiceName("prod", f"service-{number}")
        fires_at = self.rng.uniform(0, SURGE)
        if shrinks:  # from 8 tasks to 7, which is enough
            return Fleet(name, LOW, 230.0, fires_at, [(-math.inf, 8)])
        return Fleet(name, HIGH, 600.0, fires_at, [(-math.inf, 4)])  # to 8, which are enough

    def run(self, limit: float = 3_600.0) -> Result:
        """Run until no alarm is left to answer, or for an hour; then let what is under way end."""
        for fleet in self.fleets.values():
            self.at(fleet.fires_at, lambda fleet=fleet: self._fire(fleet))  # type: ignore[misc]
        self.at(self.rng.uniform(0, 60), lambda: self._heartbeat(limit))
        while self._agenda:
            self.now, _, action = heapq.heappop(self._agenda)
            action()
        fleets = list(self.fleets.values())
        growing = [fleet for fleet in fleets if fleet.grows]
        return Result(
            fleets,
            self.stored.records,
            self.throttled,
            ideal=self._ideal(fleets),
            ideal_out=self._ideal(growing),
        )

    def _ideal(self, fleets: list[Fleet]) -> float:
        """Return when the last of these could be answered at best, were there no others."""
        last = max((fleet.fires_at for fleet in fleets), default=0.0)
        return max(last, self.updates.earliest_end(len(fleets)))

    # --- time -------------------------------------------------------------------------------------

    def clock(self) -> datetime:
        return START + timedelta(seconds=self.now)

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (when, next(self._order), action))

    def sleep(self, seconds: float) -> None:
        """Let an invocation wait, and the others go on."""
        self._root.switch(seconds)

    def invoke(self, body: Callable[[], object]) -> None:
        self._resume(greenlet(body, parent=self._root))

    def _resume(self, invocation: greenlet) -> None:
        seconds = invocation.switch()
        if not invocation.dead:
            self.at(self.now + seconds, lambda: self._resume(invocation))

    # --- what happens -----------------------------------------------------------------------------

    def _fire(self, fleet: Fleet) -> None:
        self.invoke(lambda: self.intake.on_event(event_of(fleet, self.clock())))

    def _heartbeat(self, limit: float) -> None:
        self.invoke(lambda: self.intake.on_event({"heartbeat": {}}))
        if self.now < limit and not all(fleet.changed for fleet in self.fleets.values()):
            self.at(self.now + 60, lambda: self._heartbeat(limit))

    def enqueue(self, message: Message, delay: timedelta) -> None:
        body = json.dumps(write_message(message))
        arrives = self.now + math.ceil(delay.total_seconds()) + self.rng.uniform(0.02, 0.3)
        self.at(arrives, lambda: self.invoke(lambda: self.intake.on_message(body)))

    def call(self, name: str, bucket: Bucket | None, tries: int) -> None:
        """Take a token for a call, with the SDK's jittered retries."""
        for attempt in range(tries):
            if bucket is None or bucket.take(self.now):
                return
            self.throttled[name] += 1
            if attempt + 1 < tries:
                self.sleep(self.rng.random() * 2**attempt)
        raise CallFailedError(Outcome.FAILED_THROTTLED, f"{name}: ThrottlingException")


class Ports:
    """The scaler's ports over a surge, but for its table."""

    def __init__(self, surge: Surge) -> None:
        self._surge = surge
        out = a_document()["ScaleOutPolicies"][HIGH]
        self._document = a_document(
            ScaleOutPolicies={HIGH: {**out, "StepAdjustments": [ONE_STEP_OUT]}},
        )

    def load(self, service: ServiceName) -> ScalableTarget:
        document = {**self._document, "ResourceId": service.resource_id}
        return parse_target_of(service, json.dumps(document))

    def describe(self, service: ServiceName) -> Service:
        self._surge.call("DescribeServices", self._surge.reads, self._surge.tries)
        _, desired = self._surge.fleets[service].desired[-1]
        return Service(desired, desired, 0)

    def set_desired_count(self, service: ServiceName, desired: int) -> None:
        surge, fleet = self._surge, self._surge.fleets[service]
        surge.call("UpdateService", surge.updates, 1)
        fleet.desired.append((surge.now, desired))
        fleet.changed.append(surge.now)

    def read(
        self, definitions: Mapping[str, AlarmDefinition], now: datetime
    ) -> Mapping[str, Sequence[Datapoint]]:
        """Return each alarm's last minute; a period's datapoint is there a second after its end."""
        newest = (now.timestamp() - 1) // PERIOD * PERIOD - PERIOD
        begins = [datetime.fromtimestamp(newest - PERIOD * age, UTC) for age in range(5, -1, -1)]
        return {
            policy: [self._datapoint(definition, begin) for begin in begins]
            for policy, definition in definitions.items()
        }

    def _datapoint(self, definition: AlarmDefinition, begins: datetime) -> Datapoint:
        name = definition.queries[0]["MetricStat"]["Metric"]["MetricName"]
        ends = (begins - START).total_seconds() + PERIOD
        return Datapoint(begins, self._surge.fleets[ServiceName("prod", name)].value(ends))

    def send(self, message: Message, delay: timedelta) -> None:
        self._surge.enqueue(message, delay)

    def send_all(self, messages: Sequence[tuple[Message, timedelta]]) -> None:
        for message, delay in messages:
            self.send(message, delay)

    def page(
        self, token: str | None
    ) -> tuple[Mapping[tuple[ServiceName, str], DescribedAlarm], str | None]:
        """Return a page of the alarms; the state of each is as of its last period's end."""
        first = int(token or 0)
        fleets = list(self._surge.fleets.values())
        page = {(f.name, f.policy): self._described(f) for f in fleets[first : first + PAGE]}
        more = first + PAGE < len(fleets)
        return page, str(first + PAGE) if more else None

    def _described(self, fleet: Fleet) -> DescribedAlarm:
        now = self._surge.now
        fired = now >= fleet.fires_at
        state = AlarmState.ALARM if fired and not fleet.changed else AlarmState.OK
        since = fleet.changed[0] if fleet.changed else fleet.fires_at if fired else -600.0
        return DescribedAlarm(state, START + timedelta(seconds=since), definition_of(fleet))


def definition_of(fleet: Fleet) -> AlarmDefinition:
    metric = {"Namespace": "MyApp", "MetricName": fleet.name.service, "Dimensions": []}
    query = {"Id": "m1", "MetricStat": {"Metric": metric, "Period": PERIOD, "Stat": "Average"}}
    if fleet.grows:
        return AlarmDefinition((query,), PERIOD, 100.0, "GreaterThanThreshold", 1, 1)
    return AlarmDefinition((query,), PERIOD, 30.0, "LessThanThreshold", 1, 1)


def event_of(fleet: Fleet, now: datetime) -> dict[str, Any]:
    """Return the event of the alarm that goes to ALARM."""
    definition = definition_of(fleet)
    reason = {
        "version": "1.0",
        "startDate": (START - timedelta(seconds=PERIOD)).isoformat(),
        "period": PERIOD,
        "recentDatapoints": [fleet.value(0.0)],
        "threshold": definition.threshold,
    }
    metric = {"namespace": "MyApp", "name": fleet.name.service, "dimensions": {}}
    stat = {"metric": metric, "period": PERIOD, "stat": "Average"}
    return {
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "detail": {
            "alarmName": fleet.name.alarm(fleet.policy),
            "state": {
                "value": "ALARM",
                "timestamp": now.isoformat(),
                "reasonData": json.dumps(reason),
            },
            "configuration": {"metrics": [{"id": "m1", "metricStat": stat, "returnData": True}]},
        },
    }


def report(result: Result) -> str:
    """Return the figures of a surge, in a few lines."""
    fleets, records = result.fleets, result.records
    twice = sum(len(fleet.changed) > 1 for fleet in fleets)
    lines = [
        f"{len(fleets)} targets, {len(result.unanswered)} unanswered, {twice} answered twice",
        f"{len(records)} evaluations; throttled attempts: "
        + ", ".join(f"{number} {name}" for name, number in sorted(result.throttled.items())),
    ]
    if not result.unanswered:
        took, out = result.took(), result.took(grows=True)
        lines.append(
            f"all: {took:.1f} s, ideal {result.ideal:.1f} s, ratio {took / result.ideal:.2f}"
        )
        ratio = out / result.ideal_out
        lines.append(f"out: {out:.1f} s, ideal {result.ideal_out:.1f} s, ratio {ratio:.2f}")
    for grows, what in ((True, "out"), (False, "in")):
        if fleet_waits := ([] if result.unanswered else result.waits(grows=grows)):
            median, longest = statistics.median(fleet_waits), fleet_waits[-1]
            lines.append(f"wait for scale-{what}: median {median:.1f} s, longest {longest:.1f} s")
    outcomes = Counter(str(record.outcome) for record in records)
    lines.append(", ".join(f"{number} {name}" for name, number in outcomes.most_common()))
    attempts = [r.trigger.attempt for r in records if isinstance(r.trigger, Recheck)]
    lines.append(f"most attempts in a row: {max(attempts, default=0)}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a surge and print its figures; return 1 if a target was not answered exactly once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--targets", type=int, default=300)
    parser.add_argument("--shrinking", type=float, default=0.2, help="the share of scale-ins")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tries", type=int, default=3, help="of the SDK, for one DescribeServices")
    parser.add_argument("--any-reads", action="store_true", help="never throttle DescribeServices")
    options = parser.parse_args(arguments)
    surge = Surge(
        options.targets,
        shrinking=options.shrinking,
        seed=options.seed,
        tries=options.tries,
        reads_are_limited=not options.any_reads,
    )
    result = surge.run()
    sys.stdout.write(report(result) + "\n")
    return 0 if all(len(fleet.changed) == 1 for fleet in result.fleets) else 1


if __name__ == "__main__":
    sys.exit(main())
