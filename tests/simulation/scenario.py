"""What goes wrong in a world; its seed draws which faults occur, and how bad they are."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace

from tests.simulation.fleet import AS_ECS_SAYS, Fleet, fleet_of

HOUR = 3600.0
HOSTS = 3

THROTTLED = {
    "DescribeServices": 0.03,
    "UpdateService": 0.1,
    "GetMetricData": 0.03,
    "GetParameter": 0.05,
    "take of the line": 0.1,
    "serve of the line": 0.1,
    "read of the line": 0.1,
    "GetParametersByPath": 0.03,
    "GetQueueAttributes": 0.03,
    "peek of many": 0.03,
    "watch": 0.03,
}
"""How often these calls are; of an answer that never came, their adapters make a failed call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The faults of a world, in addition to those that every world has.

    Every world loses, delays and doubles events and messages, leaves heartbeats out, throttles and
    slows calls, loses answers and kills invocations. Here is what only some have:

    `stale` is how old a description may be, in seconds; `late` how many calls in a hundred are
    carried out up to a minute after their time-out. Of `skews` each host's clock is ahead. `hands`
    change the desired count from outside, `terraform` sets it back to its own number. `entries` are
    what operators and schedules write, `requests` the capacities that they ask for, `documents` the
    changes of the policy document, `alarms` the changes of alarms. In a `crowded` account others
    wait in line, and such a part of the UpdateServices is throttled. A target that is `paused` or
    in a `dry_run` is left alone, one that is `known` has an item already, and one with `several`
    alarms has two of each kind; a target is `sized` by a target policy, or goes by steps. The tasks
    of its `fleet` start and drain, or as ECS says. Where tasks tell of `surges`, they publish whole
    seconds; now and then one task is `hot` and the others are not, and somebody sends a `flood` of
    messages that no task has felt.
    """

    stale: float = 0.0
    late: int = 0
    skews: tuple[float, ...] = (0.0,) * HOSTS
    hands: int = 0
    terraform: int = 0
    entries: int = 0
    requests: int = 0
    documents: int = 0
    alarms: int = 0
    crowded: float = 0.0
    paused: bool = False
    dry_run: bool = False
    known: bool = False
    several: bool = False
    sized: bool = False
    surges: bool = False
    hot: bool = False
    flood: int = 0
    fleet: Fleet = AS_ECS_SAYS

    @property
    def hours(self) -> bool:
        """Whether a clock is wrong by an hour: then only what needs no clock can be promised."""
        return any(abs(skew) > HOUR / 2 for skew in self.skews)

    @property
    def tolerance(self) -> float:
        """By how much two clocks may differ, in seconds: a host's, and the right one at the end.

        Example: hosts that are 0.9 and 1.3 s behind, and then right: 1.3.
        """
        return 0.0 if self.hours else max(0.0, *self.skews) - min(0.0, *self.skews)

    @property
    def ahead(self) -> float:
        """By how much a host's clock may be ahead of the true time, in seconds."""
        return 0.0 if self.hours else max(0.0, *self.skews)

    @property
    def foreign(self) -> bool:
        """Whether others than the scaler change the desired count."""
        return bool(self.hands or self.terraform)

    @property
    def plain(self) -> bool:
        """Whether what ECS shows is always what the scaler has last done."""
        return not (self.stale or self.late or self.foreign or self.hours or self.tolerance)

    @property
    def throttled(self) -> dict[str, float]:
        """How often each call is throttled."""
        return {**THROTTLED, "UpdateService": self.crowded} if self.crowded else THROTTLED

    def __str__(self) -> str:
        """Return what differs from a quiet world."""
        there = {each.name: getattr(self, each.name) for each in fields(self)}
        quiet = Scenario()
        return " ".join(
            f"{name}={value}" for name, value in there.items() if value != getattr(quiet, name)
        )


def scenario_of(seed: int) -> Scenario:
    """Return a seed's scenario: about one world in ten has only the faults that all have."""
    draw = random.Random(f"troubles of {seed}")  # noqa: S311

    def one_in(count: int) -> bool:
        return draw.randrange(count) == 0

    skews: tuple[float, ...] = (0.0,) * HOSTS
    if one_in(3):
        skews = tuple(draw.uniform(-2, 2) for _ in range(HOSTS))
    elif one_in(16):
        skews = (0.0, 0.0, draw.choice((-HOUR, HOUR)))
    scenario = Scenario(
        stale=draw.choice((0.5, 0.5, 10.0)) if one_in(3) else 0.0,
        late=10 if one_in(5) else 0,
        skews=skews,
        hands=draw.randint(1, 2) if one_in(6) else 0,
        terraform=draw.randint(1, 2) if one_in(12) else 0,
        entries=draw.randint(1, 4) if one_in(4) else 0,
        requests=draw.randint(1, 4) if one_in(8) else 0,
        documents=draw.randint(1, 3) if one_in(5) else 0,
        alarms=draw.randint(1, 3) if one_in(5) else 0,
        crowded=draw.choice((0.6, 0.9)) if one_in(8) else 0.0,
        paused=one_in(40),
        dry_run=one_in(40),
        known=not one_in(3),
        several=one_in(2),
        sized=one_in(6),
        fleet=fleet_of(seed),
    )
    if not one_in(4):
        return scenario
    hot, flood = one_in(3), draw.choice((100, 1_000)) if one_in(6) else 0
    fleet = replace(scenario.fleet, every=1)  # else there is nothing to tell of
    return replace(scenario, fleet=fleet, surges=True, hot=hot, flood=flood)
