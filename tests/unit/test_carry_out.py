"""A proof leaves nothing behind, wherever it fails; what it sees becomes stamps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from quickstep_lab.clock import Clock
from quickstep_lab.prove.carry_out import (
    ATTEMPTS,
    NotRemovedError,
    TakenError,
    carry_out,
    remove,
)
from quickstep_lab.prove.collect import Seen, stamped
from quickstep_lab.prove.plan import Contender, Plan
from quickstep_lab.prove.result import Surge
from quickstep_lab.prove.watch import watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

START = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)


@dataclass
class FakeStack:
    """A stack that is there once its creation began, and fails as it is told."""

    creation: BaseException | None = None
    removals: list[Exception] = field(default_factory=list)
    exists: bool = False
    asked: int = 0

    def create(self) -> None:
        if isinstance(self.creation, TakenError):
            raise self.creation
        self.exists = True
        if self.creation:
            raise self.creation

    def remove(self) -> None:
        self.asked += 1
        if self.removals:
            raise self.removals.pop(0)
        self.exists = False


def fails(error: BaseException | None) -> Callable[[], tuple[Surge, ...]]:
    def measure() -> tuple[Surge, ...]:
        if error:
            raise error
        return ()

    return measure


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(1)], ids=repr)
@pytest.mark.parametrize("step", ["creation", "measurement"])
def test_whatever_fails_the_stack_is_gone_and_the_error_comes_through(
    step: str, error: BaseException
) -> None:
    stack = FakeStack(error if step == "creation" else None)

    with pytest.raises(type(error)):
        carry_out(stack, fails(error if step == "measurement" else None))

    assert not stack.exists


def test_where_all_goes_well_the_stack_is_gone_too() -> None:
    stack = FakeStack()

    assert carry_out(stack, fails(None)) == ()

    assert (stack.exists, stack.asked) == (False, 1)


def test_another_proof_s_stack_is_left_alone() -> None:
    stack = FakeStack(TakenError("there is one"), exists=True)

    with pytest.raises(TakenError):
        carry_out(stack, fails(None))

    assert (stack.exists, stack.asked) == (True, 0)


def test_a_deletion_that_fails_is_tried_again() -> None:
    stack = FakeStack(removals=[ValueError("throttled")] * (ATTEMPTS - 1), exists=True)

    remove(stack)

    assert not stack.exists


def test_a_stack_that_cannot_be_deleted_is_said_aloud_with_what_went_wrong_before() -> None:
    stack = FakeStack(removals=[ValueError("in use")] * ATTEMPTS)

    with pytest.raises(NotRemovedError, match="the stack could not be deleted: in use") as error:
        carry_out(stack, fails(KeyError("a look")))

    earlier = error.value.__cause__
    while earlier and not isinstance(earlier, KeyError):
        earlier = earlier.__context__
    assert isinstance(earlier, KeyError)


# --- stamps ---------------------------------------------------------------------------------------


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def a_surge(**stamps: datetime) -> Surge:
    return Surge(service=Contender.ALARM, number=0, overloaded=at(10), before=2, after=2, **stamps)


@pytest.mark.parametrize(
    ("seen", "step", "expected"),
    [
        (Seen(desired=2, breached=at(10)), "readable", at(15)),
        (Seen(desired=2, breached=at(0)), "readable", None),
        (Seen(desired=2, alarmed=at(14.2)), "alarm", at(14.2)),
        (Seen(desired=2, alarmed=at(9)), "alarm", None),
        (Seen(desired=2, evaluated=(at(14.9), at(14.4), at(3))), "event", at(14.4)),
        (Seen(desired=4), "update", at(15)),
        (Seen(desired=2), "update", None),
        (Seen(desired=4, started=(at(-90), at(14), at(13))), "first_running", at(13)),
        (Seen(desired=4, started=(at(-90), at(14), at(13))), "last_running", at(14)),
    ],
    ids=[
        "a datapoint of the surge",
        "a datapoint of before",
        "the alarm's own stamp",
        "an alarm of before",
        "the first evaluation of the surge",
        "the desired count rose",
        "it did not",
        "the first new task",
        "the last new task",
    ],
)
def test_a_step_is_stamped_when_it_is_first_seen(
    seen: Seen, step: str, expected: datetime | None
) -> None:
    assert getattr(stamped(a_surge(), at(15), seen), step) == expected


def test_a_stamp_stays_as_it_was_seen_first() -> None:
    first = stamped(a_surge(), at(15), Seen(desired=4, alarmed=at(14)))

    later = stamped(first, at(20), Seen(desired=6, alarmed=at(19)))

    assert (later.update, later.alarm, later.after) == (at(15), at(14), 6)


@dataclass
class Services:
    """A service that grows eight seconds after the start; a look at it takes its time."""

    now: datetime = START
    desired: int = 2
    looks: list[datetime] = field(default_factory=list)
    resets: list[datetime] = field(default_factory=list)

    def look(self, now: datetime, _since: datetime) -> Mapping[Contender, Seen]:
        self.looks.append(now)
        self.now += timedelta(seconds=0.25)
        if now == at(8):
            self.desired = 6
        return {Contender.ALARM: Seen(desired=self.desired)}

    def reset(self) -> None:
        self.resets.append(self.now)
        self.desired = 2

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def test_services_are_looked_at_each_second_until_the_plan_ends() -> None:
    plan, services = Plan(surges=2, warm=5, surge=10, rest=8), Services()
    clock = Clock(now=lambda: services.now, sleep=services.sleep)

    found = watch(plan, START, services.look, clock, services.reset)

    assert services.looks == [at(second) for second in range(plan.seconds)]
    assert [(surge.number, surge.update) for surge in found] == [(0, at(8)), (1, None)]


def test_each_surge_finds_the_services_as_they_were_before_the_first() -> None:
    plan, services = Plan(surges=2, warm=5, surge=10, rest=8), Services()
    clock = Clock(now=lambda: services.now, sleep=services.sleep)

    found = watch(plan, START, services.look, clock, services.reset)

    assert services.resets == [at(17.25)]
    assert [(surge.before, surge.after) for surge in found] == [(2, 6), (2, 2)]
