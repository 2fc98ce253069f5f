"""Queues: how they are found, and what a poll of them comes to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.engine.backlog import QueueReading
from quickstep.engine.model import Direction, Pause, Service
from quickstep.engine.outcome import Outcome
from quickstep.loop.polls import Empties, is_turn, pause_of_empty
from quickstep.naming import ServiceName
from quickstep.protocol.messages import Heartbeats, Message, Recheck, write_message
from quickstep.protocol.polls import Poll, Survey
from quickstep.protocol.ports import CallFailedError
from tests.builders import NOW, WEB, a_lease, a_transition
from tests.fakes import World

if TYPE_CHECKING:
    from quickstep.loop.door import Door
    from quickstep.protocol.records import DecisionRecord

JOBS = {"jobs": {"QueueName": "jobs", "SecondsPerJob": 2}}
DENIED = CallFailedError(Outcome.FAILED_DENIED, "GetQueueUrl of jobs: AccessDenied: not allowed")


def a_worker(name: ServiceName = WEB, **changes: Any) -> dict[str, Any]:
    document = {
        "ResourceId": name.resource_id,
        "MinCapacity": 0,
        "MaxCapacity": 40,
        "QueuePolicies": JOBS,
    }
    return {**document, **changes}


@dataclass
class Worker(World):
    """An account whose service works off the queue `jobs`; one function answers all that comes."""

    empties: Empties = field(default_factory=Empties)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.documents[WEB.parameter] = json.dumps(a_worker())
        self.services[WEB] = Service(0, 0, 0)
        self.has(0)

    @property
    def door(self) -> Door:
        return replace(super().door, empties=self.empties)

    def has(self, visible: int, in_flight: int = 0, delayed: int = 0) -> None:
        self.queues.readings["jobs"] = QueueReading(visible, in_flight, delayed)

    def let_in(self, message: Message) -> list[DecisionRecord]:
        return self.door.on_message(json.dumps(write_message(message)))

    def poll(self, *, of: int = 1, late: float = 0) -> list[DecisionRecord]:
        """Have the queue polled, ten seconds after the poll before."""
        self.clock.advance(10)
        at = self.clock.now - timedelta(seconds=late)
        return self.let_in(Message(Poll(at, {WEB: ("jobs",)}, of)))

    def beat(self) -> list[DecisionRecord]:
        return self.door.on_event({"heartbeat": {}})

    def writes(self) -> list[str]:
        """Return the calls that have written since the last time this was asked."""
        written = [call.name for call in self.made if call.name in WRITES]
        self.made.clear()
        return written

    def come(self) -> list[DecisionRecord]:
        """Have the look that was announced last, when it is due."""
        message, delay = [each for each in self.sent if isinstance(each[0].content, Recheck)][-1]
        self.clock.now += delay
        return self.let_in(message)


WRITES = ("claim", "watch", "ask", "commit", "record", "wait", "UpdateService", "SendMessage")


def known_worker() -> Worker:
    """Return a world whose target the survey has found, and an evaluation made known."""
    worker = Worker()
    worker.beat()
    (message,) = [message for message, _ in worker.sent if isinstance(message.content, Heartbeats)]
    worker.let_in(message)
    worker.sent.clear()
    worker.made.clear()
    return worker


@pytest.fixture
def world() -> Worker:
    return known_worker()


def test_a_target_that_is_new_is_evaluated_once_and_then_polled() -> None:
    worker = Worker()
    worker.beat()
    (message,) = [message for message, _ in worker.sent]

    (record,) = worker.let_in(message)
    worker.sent.clear()
    worker.clock.advance(60)
    worker.beat()

    assert (record.outcome, record.reason) == (
        Outcome.HELD_NOT_BREACHING,
        "Kept 0 tasks: jobs: no jobs",
    )
    assert record.as_dict["queues"] == {
        "jobs": {"visible": 0, "in_flight": 0, "delayed": 0, "arrivals": 0.0}
    }
    assert [type(message.content) for message, _ in worker.sent] == [Poll] * 6


def test_a_poll_of_an_unknown_target_does_nothing() -> None:
    worker = Worker()
    worker.has(50)

    assert worker.poll() == []
    assert worker.writes() == []


def test_the_record_of_a_poll_says_when_it_was_due(world: Worker) -> None:
    world.has(1)

    (record,) = world.poll()

    assert record.as_dict["trigger"] == {"kind": "poll", "at": "2026-11-22T10:00:22.500Z"}


@pytest.mark.parametrize("reading", [(0, 0, 0), (0, 3, 0), (7, 3, 2)])
def test_a_quiet_poll_writes_nothing(world: Worker, reading: tuple[int, int, int]) -> None:
    world.services[WEB] = Service(40, 40, 0)  # more than enough
    world.has(*reading)
    for _ in range(3):
        world.poll()
    world.writes()

    for _ in range(6):
        assert world.poll() == []
        assert world.writes() == []


def test_from_zero_the_first_message_is_answered_by_the_next_poll(world: Worker) -> None:
    world.has(1)

    (record,) = world.poll()

    assert record.reason == (
        "Scaled out from 0 to 1: jobs: 0.1 jobs/s arriving and 1 waiting need 1 task at 0.5 "
        "jobs/s each"
    )
    assert world.calls == ["DescribeServices", "UpdateService 1"]


def test_what_comes_is_known_from_the_poll_before(world: Worker) -> None:
    world.has(60)
    world.poll()
    assert world.desired == 18  # (6 / 0.9 + 60 / 30) / 0.5

    world.has(180)
    (record,) = world.poll()

    assert record.reason == (
        "Scaled out from 18 to 39: jobs: 12 jobs/s arriving and 180 waiting need 39 tasks at 0.5 "
        "jobs/s each"
    )


def test_a_reading_that_asks_for_nothing_is_remembered_and_leaves_no_record(world: Worker) -> None:
    world.has(9)
    world.poll()
    world.writes()
    world.has(2, 1)

    assert world.poll() == []
    assert world.writes() == ["watch"]


def test_what_a_poll_remembers_an_evaluation_knows(world: Worker) -> None:
    world.has(30)
    world.poll()
    world.has(0, 4)
    world.poll()
    backlog = world.memory.backlog
    assert backlog is not None
    assert backlog.queues["jobs"].reading == QueueReading(0, 4)

    (record,) = world.come()

    assert record.outcome is Outcome.HELD_COOLDOWN
    assert [need.tasks for need in world.memory.state.patience["QueuePolicies/*"].needs][-1] == 9


def test_the_last_task_goes_after_a_minute_without_a_message() -> None:
    worker = known_worker()
    body = {**JOBS["jobs"], "ScaleInWindow": 0}
    document = a_worker(QueuePolicies={"jobs": body}, Preset="relaxed")
    worker.documents[WEB.parameter] = json.dumps(document)
    worker.has(1)
    worker.poll()
    assert worker.desired == 1
    worker.services[WEB] = Service(1, 1, 0)

    worker.has(0, 0, 1)
    for _ in range(50):
        worker.poll()
    assert worker.come()[-1].reason == ("Kept 1 task for now: messages are in flight or delayed")

    worker.has(0)
    worker.poll()
    assert worker.come()[-1].reason == (
        "Kept 1 task for now: the queues have been empty for 10 s of 60"
    )
    assert worker.come()[-1].outcome is Outcome.SCALED_IN
    assert worker.desired == 0


def test_a_queue_that_is_gone_is_recorded_once_and_removes_nothing(world: Worker) -> None:
    world.has(30)
    world.poll()
    tasks = world.desired
    del world.queues.readings["jobs"]

    (record,) = world.poll()
    assert record.reason == (
        "Failed, a queue cannot be read, so no task is removed: jobs: GetQueueUrl of jobs: "
        "AWS.SimpleQueueService.NonExistentQueue: The specified queue does not exist."
    )
    world.writes()
    for _ in range(6):
        assert world.poll() == []
    assert world.writes() == []
    assert world.desired == tasks


def test_the_heartbeat_records_each_minute_that_a_queue_cannot_be_read(world: Worker) -> None:
    world.queues.readings["jobs"] = DENIED
    world.poll()

    for _ in range(2):
        world.clock.advance(60)
        assert [record.outcome for record in world.beat()] == [Outcome.FAILED_DENIED]


def test_a_queue_that_fails_once_is_read_again_and_no_record_says_so(world: Worker) -> None:
    world.has(4)
    world.failures["GetQueueAttributes"].append(DENIED)

    (record,) = world.poll()

    assert record.outcome is Outcome.SCALED_OUT


def test_a_queue_that_can_be_read_again_is_no_trouble_any_more(world: Worker) -> None:
    world.queues.readings["jobs"] = DENIED
    world.poll()
    world.has(3)

    (record,) = world.poll()

    assert record.outcome is Outcome.SCALED_OUT


def test_one_target_that_fails_does_not_cost_the_others(world: Worker) -> None:
    other = ServiceName("prod", "other")
    world.documents[other.parameter] = json.dumps(a_worker(other))
    world.services[other] = Service(0, 0, 0)
    world.remember(world.memory, other)
    world.has(5)
    world.clock.advance(10)
    world.failures["claim"].append(RuntimeError("broken"))

    with pytest.raises(ExceptionGroup) as caught:
        world.let_in(Message(Poll(world.clock.now, {other: ("jobs",), WEB: ("jobs",)}, 2)))

    assert [str(error) for error in caught.value.exceptions] == ["broken"]
    assert world.desired == 2


def test_what_one_invocation_has_no_time_for_is_left_to_others(world: Worker) -> None:
    names = [ServiceName("prod", f"worker-{number:02}") for number in range(15)]
    for name in names:
        world.documents[name.parameter] = json.dumps(a_worker(name))
        world.services[name] = Service(0, 0, 0)
        world.remember(world.memory, name)
    world.has(5)
    world.clock.advance(10)
    world.after["commit"] = lambda: world.clock.advance(2)
    poll = Poll(world.clock.now, dict.fromkeys(names, ("jobs",)), 15)

    world.let_in(Message(poll))
    left = [poll for poll, delay in polls_of(world) if not delay]

    assert [len(each.targets) for each in left] == [10, 2]
    for each in left:
        world.let_in(Message(each))
    assert [name for name in names if not world.services[name].desired] == names[6:13]


@pytest.mark.parametrize("late", [21, -21])
def test_a_poll_out_of_its_time_ends_at_once(world: Worker, late: float) -> None:
    world.has(50)

    assert world.poll(late=late) == []
    assert world.made == []


def test_a_poll_that_comes_twice_changes_nothing_twice(world: Worker) -> None:
    world.has(50)
    world.poll()
    world.writes()
    message = Message(Poll(world.clock.now, {WEB: ("jobs",)}, 1))

    assert world.let_in(message) == []
    assert world.writes() == []


def test_a_target_that_somebody_evaluates_is_left_alone(world: Worker) -> None:
    world.has(50)
    world.targets.items[WEB.resource_id].lease = a_lease("other", world.clock.now, 15)

    assert world.poll() == []
    assert world.writes() == []


def test_at_the_maximum_a_growing_queue_leaves_no_record(world: Worker) -> None:
    world.has(1000)
    world.poll()
    assert world.desired == 40

    for more in range(3):
        world.has(2000 + 1000 * more)
        assert world.poll() == []


def test_a_scale_out_that_ecs_refuses_is_left_to_the_heartbeat(world: Worker) -> None:
    world.has(20)
    world.failures["UpdateService"] = [CallFailedError(Outcome.FAILED_DENIED, "no")] * 2

    assert [record.outcome for record in world.poll()] == [Outcome.FAILED_DENIED]
    for more in range(5):
        world.has(21 + more)
        assert world.poll() == []
    world.has(40)
    assert [record.outcome for record in world.poll()] == [Outcome.FAILED_DENIED]


def test_a_pause_leaves_no_record_every_ten_seconds(world: Worker) -> None:
    memory = world.memory
    pause = Pause(frozenset({Direction.OUT}))
    world.remember(replace(memory, state=replace(memory.state, pause=pause)))
    world.has(20)

    assert world.poll() == []
    assert world.writes() == ["watch"]


def test_a_dry_run_says_what_it_would_do_once_and_then_when_it_looks_again(world: Worker) -> None:
    world.documents[WEB.parameter] = json.dumps(a_worker(DryRun=True))
    world.has(20)

    assert [record.outcome for record in world.poll()] == [Outcome.WOULD_SCALE]
    world.has(25)
    assert world.poll() == []


def test_a_document_that_is_newer_than_the_survey_waits_for_the_next(world: Worker) -> None:
    body = {"QueueName": "others", "SecondsPerJob": 2}
    world.documents[WEB.parameter] = json.dumps(a_worker(QueuePolicies={"others": body}))
    world.has(50)

    assert world.poll() == []


# --- finding them ---------------------------------------------------------------------------------


def with_workers(count: int) -> Worker:
    worker = Worker()
    worker.documents.clear()
    for number in range(count):
        name = ServiceName("prod", f"worker-{number:04}")
        worker.documents[name.parameter] = json.dumps(a_worker(name))
    return worker


def polls_of(worker: Worker) -> list[tuple[Poll, int]]:
    return [
        (message.content, int(delay.total_seconds()))
        for message, delay in worker.sent
        if isinstance(message.content, Poll)
    ]


def test_a_heartbeat_announces_the_polls_of_its_minute(world: Worker) -> None:
    world.beat()

    targets = {WEB: ("jobs",)}
    assert polls_of(world) == [
        (Poll(NOW + timedelta(seconds=seconds), targets, 1), seconds)
        for seconds in (0, 10, 20, 30, 40, 50)
    ]


def test_of_a_target_without_a_queue_there_is_no_poll() -> None:
    world = World()
    world.evaluate(a_transition())
    world.sent.clear()

    world.door.on_event({"heartbeat": {}})

    assert world.sent == []


def test_a_document_that_gets_another_queue_is_looked_at_and_polled_so(world: Worker) -> None:
    body = {"QueueName": "others", "SecondsPerJob": 2}
    world.documents[WEB.parameter] = json.dumps(a_worker(QueuePolicies={"others": body}))
    world.queues.readings["others"] = QueueReading(0)

    assert len(world.beat()) == 1
    world.sent.clear()
    assert world.beat() == []

    assert [poll.targets for poll, _ in polls_of(world)] == [{WEB: ("others",)}] * 6


def test_a_target_without_a_task_and_an_alarm_stays_known_for_its_queue(world: Worker) -> None:
    for _ in range(3):
        world.clock.advance(60)
        assert world.beat() == []

    assert world.targets.listed() == {WEB.resource_id: ("jobs",)}


@pytest.mark.parametrize(("targets", "messages"), [(100, 6), (101, 12), (250, 18)])
def test_a_poll_has_a_hundred_targets(targets: int, messages: int) -> None:
    worker = Worker()
    names = [ServiceName("prod", f"worker-{number:04}") for number in range(targets)]
    worker.targets.list_ = {name.resource_id: ("jobs",) for name in names}

    worker.beat()
    polls = polls_of(worker)

    assert len(polls) == messages
    assert {name for poll, delay in polls if delay == 50 for name in poll.targets} == set(names)
    assert {poll.of for poll, _ in polls} == {targets}


@pytest.mark.parametrize(
    ("minute", "found"),
    [pytest.param(1, 150, id="the first pages each minute"), pytest.param(5, 160, id="and all")],
)
def test_a_survey_finds_new_targets(minute: int, found: int) -> None:
    worker = with_workers(160)
    worker.clock.now = worker.clock.now.replace(minute=minute)

    worker.beat()
    for message in [message for message, _ in worker.sent if isinstance(message.content, Survey)]:
        worker.let_in(message)

    looks = [m.content for m, _ in worker.sent if isinstance(m.content, Heartbeats)]
    assert len({look.targets[0].service for look in looks}) == found


def test_a_survey_that_fails_comes_again_and_costs_the_heartbeat_nothing() -> None:
    worker = Worker()
    worker.failures["GetParametersByPath"].append(DENIED)

    worker.beat()

    assert [(m.content, d) for m, d in worker.sent] == [(Survey(), timedelta(seconds=2))]


def test_a_document_with_a_queue_that_breaks_a_rule_is_recorded() -> None:
    worker = Worker()
    worker.documents[WEB.parameter] = json.dumps(a_worker(MaxCapacity=-1))

    worker.beat()
    (message,) = [m for m, _ in worker.sent if isinstance(m.content, Heartbeats)]
    (record,) = worker.let_in(message)

    assert record.outcome is Outcome.FAILED_CONFIG


# --- a thousand of them ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("targets", "seconds"), [(1, 10), (140, 10), (141, 20), (280, 20), (500, 40), (1000, 80)]
)
def test_all_empty_queues_together_are_read_so_often(targets: int, seconds: int) -> None:
    assert pause_of_empty(targets) == seconds
    assert targets / seconds <= 14


def rested(world: Worker) -> Worker:
    """Return a world whose queue has been empty for so long that it is read once in 80 s."""
    for _ in range(31):
        world.poll(of=1000)
    world.made.clear()
    world.sent.clear()
    return world


def test_a_queue_that_has_long_been_empty_is_read_less_often_among_a_thousand(
    world: Worker,
) -> None:
    rested(world)

    for _ in range(16):
        world.poll(of=1000)

    assert [call.name for call in world.made] == ["GetQueueAttributes"] * 2


def test_each_of_a_thousand_has_one_turn_in_a_pause_and_they_are_spread() -> None:
    names = [ServiceName("prod", f"worker-{number}") for number in range(1000)]
    turns = [
        {name for name in names if is_turn(name, NOW + timedelta(seconds=10 * poll), 80)}
        for poll in range(8)
    ]

    assert sum(map(len, turns)) == len(set().union(*turns)) == 1000
    assert max(map(len, turns)) <= 160


def test_once_something_comes_it_is_read_every_ten_seconds_by_polls_of_its_own(
    world: Worker,
) -> None:
    rested(world).has(4)
    while not world.desired:
        world.poll(of=1000)

    polls = polls_of(world)

    assert [delay for _, delay in polls] == [10, 20, 30, 40, 50]
    assert {(tuple(poll.targets), poll.of) for poll, _ in polls} == {((WEB,), 1)}
    assert [poll.at - world.clock.now for poll, delay in polls] == [
        timedelta(seconds=delay) for _, delay in polls
    ]


def test_what_comes_to_a_queue_that_is_seldom_read_came_since_the_last_reading(
    world: Worker,
) -> None:
    rested(world).has(40)
    while not world.desired:
        world.poll(of=1000)

    backlog = world.memory.backlog
    assert backlog is not None
    assert backlog.queues["jobs"].arrivals == 0.5  # 40 in 80 s, and not in 10
