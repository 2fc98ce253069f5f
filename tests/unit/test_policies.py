"""Forms of policy: what is asked of each, and that what comes after does not know the form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.engine import policies
from quickstep.engine.decide import decide
from quickstep.engine.model import AlarmState, Direction, Guard, MetricScope, Pause, State
from quickstep.engine.outcome import Outcome
from quickstep.engine.proposal import Proposal
from tests.builders import NOW, a_policy, a_scale_in_policy, a_target, firing, in_rollout, seen

if TYPE_CHECKING:
    from quickstep.engine.model import Alarm, Decision
    from quickstep.engine.proposal import Case

OUT, IN = Direction.OUT, Direction.IN


@dataclass(frozen=True, slots=True)
class Wish:
    """A form of policy: it asks for a capacity, whatever is seen."""

    name: str
    capacity: int
    directions: tuple[Direction, ...]

    @property
    def alarm(self) -> str:
        return self.name

    def cooldown_after(self, _direction: Direction) -> int:
        return 0


def ask(case: Case, policy: Any, alarm: Alarm, direction: Direction) -> Proposal | None:
    if not isinstance(policy, Wish):
        return policies.ask(case, policy, alarm, direction)
    why = f"{policy.name} wants {policy.capacity}"
    proposal = Proposal(case.desired, policy.capacity, case.desired, why)
    return proposal.after("wish", policy.capacity, why)


@pytest.fixture(autouse=True)
def with_another_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quickstep.engine.decide.ask", ask)
    monkeypatch.setattr("quickstep.engine.decide.speaks", lambda _policy, alarm: is_firing(alarm))
    monkeypatch.setattr("quickstep.engine.decide.window", lambda _policy: None)


def is_firing(alarm: Alarm) -> bool:
    return alarm.state is AlarmState.ALARM


def wished(
    direction: Direction,
    *capacities: int,
    state: State | None = None,
    rollout: bool = False,
    **changes: Any,
) -> Decision:
    """Return what is decided where 4 tasks are desired, 2 to 40 allowed, and others wished for."""
    wishes: Any = [Wish(f"wish-{number}", number, (direction,)) for number in capacities]
    target = replace(a_target(*wishes), **changes)
    observation = seen(4, **{wish.name: firing(160.0) for wish in wishes})
    observation = in_rollout(observation) if rollout else observation
    return decide(target, observation, state or State(), NOW)


NO_OUT, NO_IN = (State(pause=Pause(frozenset({direction}))) for direction in (OUT, IN))
UNREADABLE = State(unreadable="override: odd")
MORE, FEWER, NONE = Outcome.SCALED_OUT, Outcome.SCALED_IN, Outcome.HELD_NOT_BREACHING


@pytest.mark.parametrize(
    ("direction", "capacities", "changes", "outcome", "granted"),
    [
        pytest.param(OUT, [6], {}, MORE, 6, id="more"),
        pytest.param(IN, [3], {}, FEWER, 3, id="fewer"),
        pytest.param(OUT, [4], {}, NONE, 4, id="no more"),
        pytest.param(IN, [4], {}, NONE, 4, id="no fewer"),
        pytest.param(OUT, [3], {}, NONE, 4, id="a scale-out removes nothing"),
        pytest.param(IN, [6], {}, NONE, 4, id="a scale-in adds nothing"),
        pytest.param(OUT, [6, 8, 7], {}, MORE, 8, id="the most of several"),
        pytest.param(IN, [2, 3, 2], {}, FEWER, 3, id="the fewest removals of several"),
        pytest.param(OUT, [50], {}, MORE, 40, id="at most the maximum"),
        pytest.param(IN, [1], {}, FEWER, 2, id="at least the minimum"),
        pytest.param(OUT, [6], {"max_capacity": 4}, Outcome.HELD_AT_MAX, 4, id="at the maximum"),
        pytest.param(IN, [3], {"min_capacity": 4}, Outcome.HELD_AT_MIN, 4, id="at the minimum"),
        pytest.param(OUT, [6], {"state": NO_OUT}, Outcome.HELD_PAUSED, 4, id="scale-out paused"),
        pytest.param(IN, [3], {"state": NO_IN}, Outcome.HELD_PAUSED, 4, id="scale-in paused"),
        pytest.param(OUT, [6], {"state": NO_IN}, MORE, 6, id="the other direction goes on"),
        pytest.param(IN, [3], {"state": NO_OUT}, FEWER, 3, id="and the other way round"),
        pytest.param(OUT, [6], {"state": UNREADABLE}, MORE, 6, id="what cannot be read stops none"),
        pytest.param(IN, [3], {"state": UNREADABLE}, Outcome.HELD_PAUSED, 4, id="or a removal"),
        pytest.param(OUT, [6], {"rollout": True}, MORE, 6, id="a rollout lets tasks be added"),
        pytest.param(IN, [3], {"rollout": True}, Outcome.HELD_DEPLOYMENT, 4, id="none be removed"),
        pytest.param(
            IN, [3], {"rollout": True, "guards": frozenset()}, FEWER, 3, id="or is not guarded"
        ),
        pytest.param(OUT, [6], {"dry_run": True}, Outcome.WOULD_SCALE, 6, id="dry, more"),
        pytest.param(IN, [3], {"dry_run": True}, Outcome.WOULD_SCALE, 3, id="dry, fewer"),
    ],
)
def test_what_any_form_asks_for_passes_the_same_rules(
    direction: Direction,
    capacities: list[int],
    changes: dict[str, Any],
    outcome: Outcome,
    granted: int,
) -> None:
    decision = wished(direction, *capacities, **changes)

    assert (decision.outcome, decision.granted) == (outcome, granted)


@pytest.mark.parametrize(
    ("direction", "wish", "granted"),
    [(OUT, 5, 6), (OUT, 7, 7), (IN, 2, 3), (IN, 3, 3)],
    ids=["the step adds more", "the wish does", "the step removes fewer", "as many as the wish"],
)
def test_a_step_policy_and_another_form_are_compared(
    direction: Direction, wish: int, granted: int
) -> None:
    other: Any = Wish("wish", wish, (direction,))
    name, alarm = ("high", firing(160.0)) if direction is OUT else ("low", firing(10, threshold=30))
    target = a_target(a_policy(), a_scale_in_policy(), other)

    decision = decide(target, seen(4, wish=firing(160.0), **{name: alarm}), State(), NOW)

    assert decision.granted == granted


@pytest.mark.parametrize(
    ("guards", "directions"),
    [
        pytest.param(set(Guard), {OUT, IN}, id="all guards"),
        pytest.param({Guard.CAPACITY_ON_ITS_WAY}, {OUT}, id="what is on its way"),
        pytest.param({Guard.RISING_TREND}, {OUT}, id="a trend"),
        pytest.param({Guard.WOULD_FLAP}, {IN}, id="what a removal leads to"),
        pytest.param({Guard.DEPLOYMENT}, set(), id="a rollout says nothing of the load"),
        pytest.param(set(), set(), id="no guard"),
    ],
)
def test_the_load_before_is_looked_at_for(guards: set[Guard], directions: set[Direction]) -> None:
    target = replace(a_target(), guards=frozenset(guards))

    def looking_back(scope: MetricScope) -> set[Direction]:
        both = (a_policy(scope=scope), a_scale_in_policy(scope=scope))
        return {
            p.direction
            for p in both
            if policies.looks_back(target, p, p.direction, AlarmState.ALARM)
        }

    assert looking_back(MetricScope.PER_TASK) == directions
    assert looking_back(MetricScope.TOTAL) == set()
