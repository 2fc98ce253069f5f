"""Evaluations of one target at the same time, each in a thread with clients of its own."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, count
from threading import Barrier, Event, Lock
from typing import TYPE_CHECKING

import pytest
from moto.dynamodb.responses import DynamoHandler

from quickstep.engine.model import ScalingActivity, State
from quickstep.engine.outcome import Outcome
from quickstep.loop.cycle import LEASE
from quickstep.protocol.counts import Counts
from quickstep.protocol.memory import Memory
from quickstep_lab.embedded_aws import Account, create_queue, put_policy
from tests.builders import NOW, WEB, a_document, a_lease, a_record
from tests.clocks import SetClock, same_time
from tests.integration.scene import (
    NO_GUARDS,
    a_door,
    an_event,
    decisions,
    on_call,
    outcomes,
    remembered,
    scale_out_policy,
    set_tasks,
    take_messages,
    targets_of,
    tasks,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from quickstep.loop.door import Door
    from quickstep.protocol.records import DecisionRecord

RACERS = 6
POLICIES = [f"high-{number}" for number in range(RACERS)]
ARRIVED = NOW - timedelta(seconds=0.2)
DIFFERENT = [an_event(ARRIVED, policy=policy) for policy in POLICIES]
THE_SAME = [DIFFERENT[0]] * RACERS

NOTHING_NEW = {Outcome.IGNORED_DUPLICATE, Outcome.HELD_NO_DATA}
"""How the same event ends that has been answered."""

WAIT = 30.0  # seconds, for what takes milliseconds
LATER = LEASE + timedelta(seconds=5)
"""After a race every message is due: whoever lost comes back once the winner's lease is over."""


class Race:
    """Instances of the function that claim at the same moment.

    Where it is `decided`, the winner commits once all others are done: none of them can come so
    late that it finds the lease released.
    """

    def __init__(self, account: Account, *, decided: bool = True) -> None:
        queue_url = create_queue(account)
        made = [a_door(account, queue_url, lambda: NOW) for _ in range(RACERS)]
        self._intakes = [replace(door, jitter=lambda: 0.0) for door in made]
        self._start = Barrier(RACERS)
        self._lock = Lock()
        self._rivals = RACERS - 1
        self._beaten = Event()
        self.changes = 0
        for door in self._intakes:
            on_call(door, "before-call", "UpdateItem", only_once(self._wait_for_all))
            on_call(door, "after-call", "UpdateService", self._count)
            if decided:
                on_call(door, "before-call", "TransactWriteItems", self._wait_for_rivals)

    def run(self, events: Sequence[dict[str, Any]]) -> list[DecisionRecord]:
        """Deliver an event to each; return how their evaluations ended."""
        with ThreadPoolExecutor(RACERS) as threads:
            running = [
                threads.submit(self._deliver, door, event)
                for door, event in zip(self._intakes, events, strict=True)
            ]
            return [record for run in running for record in run.result(WAIT)]

    def _deliver(self, door: Door, event: dict[str, Any]) -> list[DecisionRecord]:
        records = door.on_event(event)
        with self._lock:
            self._rivals -= 1
            if self._rivals == 0:
                self._beaten.set()
        return records

    def _wait_for_all(self) -> None:
        self._start.wait(WAIT)

    def _wait_for_rivals(self) -> None:
        assert self._beaten.wait(WAIT)

    def _count(self) -> None:
        with self._lock:
            self.changes += 1


def only_once(action: Callable[[], None]) -> Callable[[], None]:
    """Return an action for the first call alone: who recovers a target claims it twice."""
    calls = count()

    def first() -> None:
        if next(calls) == 0:
            action()

    return first


def ends(records: Iterable[DecisionRecord]) -> Counter[Outcome]:
    return Counter(record.outcome for record in records)


def come_back(account: Account, number: int) -> list[DecisionRecord]:
    """Receive as many alarm messages once all are due, and evaluate them."""
    queue_url = create_queue(account)
    door = a_door(account, queue_url, lambda: NOW + LATER)
    with same_time(SetClock(datetime.now(UTC) + LATER)):
        due = list(chain.from_iterable(iter(lambda: take_messages(account, queue_url), [])))
    bodies = [body for body in due if "alarm" in json.loads(body)]
    assert len(bodies) == number
    return [record for body in bodies for record in door.on_message(body)]


@pytest.fixture
def one_write_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the emulator write like DynamoDB: its threads would meet in the middle of a write."""
    lock = Lock()

    def alone(write: Callable[..., Any]) -> Callable[..., Any]:
        def locked(*arguments: Any, **options: Any) -> Any:
            with lock:
                return write(*arguments, **options)

        return locked

    for name in ("put_item", "transact_write_items", "update_item"):
        monkeypatch.setattr(DynamoHandler, name, alone(getattr(DynamoHandler, name)))


@pytest.fixture
def contested(account: Account, one_write_at_a_time: None) -> Account:  # noqa: ARG001
    """An account whose target has a policy for every racer, and has been looked at before."""
    policies = {policy: scale_out_policy(2, cooldown=60) for policy in POLICIES}
    document = a_document(Guards=NO_GUARDS, ScaleOutPolicies=policies, ScaleInPolicies={})
    put_policy(account, WEB, json.dumps(document))
    targets = targets_of(account)
    targets.claim(WEB.resource_id, a_lease(since=NOW - 4 * LEASE))
    targets.commit("me", Memory(counts=Counts(4)), a_record("earlier", Outcome.HELD_NOT_BREACHING))
    create_queue(account)
    return account


def check_that_it_is_settled(account: Account, *, records: int) -> None:
    memory, lease = remembered(account)
    assert (tasks(account), memory.desired, lease) == (6, 6, None)
    assert len(decisions(account)) == 1 + records


def test_of_different_alarms_one_is_answered_and_the_others_come_back(contested: Account) -> None:
    race = Race(contested)

    assert ends(race.run(DIFFERENT)) == {Outcome.SCALED_OUT: 1, Outcome.LOST_RACE: RACERS - 1}

    assert race.changes == 1
    assert ends(come_back(contested, RACERS - 1)) == {
        Outcome.HELD_COOLDOWN: 1,
        Outcome.IGNORED_DUPLICATE: RACERS - 2,
    }
    assert race.changes == 1
    assert set(remembered(contested)[0].alarms) == set(POLICIES)
    check_that_it_is_settled(contested, records=RACERS + RACERS - 1)


def test_of_an_event_delivered_many_times_one_is_answered(contested: Account) -> None:
    race = Race(contested)

    assert ends(race.run(THE_SAME)) == {Outcome.SCALED_OUT: 1, Outcome.LOST_RACE: RACERS - 1}

    assert set(ends(come_back(contested, RACERS - 1))) <= NOTHING_NEW
    assert race.changes == 1
    check_that_it_is_settled(contested, records=RACERS + RACERS - 1)


def test_claims_that_meet_a_commit_lose_or_wait_their_turn(contested: Account) -> None:
    race = Race(contested, decided=False)

    ended = ends(race.run(THE_SAME))

    assert ended[Outcome.SCALED_OUT] == race.changes == 1
    assert set(ended) <= {Outcome.SCALED_OUT, Outcome.LOST_RACE, Outcome.IGNORED_DUPLICATE}
    lost = ended[Outcome.LOST_RACE]
    assert set(ends(come_back(contested, lost))) <= NOTHING_NEW
    check_that_it_is_settled(contested, records=RACERS + lost)


def test_one_of_many_takes_over_from_a_holder_that_died(contested: Account) -> None:
    targets, died = targets_of(contested), NOW - 2 * LEASE
    targets.claim(WEB.resource_id, a_lease("the dead", since=died))
    state = State(scale_out=ScalingActivity(died, 4, 6))
    targets.ask("the dead", WEB.resource_id, Memory(state, counts=Counts(4).ask(6, died)))
    set_tasks(contested, 6)
    race = Race(contested)

    ended = ends(race.run(DIFFERENT))

    assert ended[Outcome.RECOVERED] == ended[Outcome.HELD_COOLDOWN] == 1
    assert set(ends(come_back(contested, ended[Outcome.LOST_RACE]))) <= {
        Outcome.HELD_COOLDOWN,
        Outcome.IGNORED_DUPLICATE,
    }
    assert race.changes == 0
    assert outcomes(contested).count("RECOVERED") == 1
    check_that_it_is_settled(contested, records=1 + RACERS + RACERS - 1)
