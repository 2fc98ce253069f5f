"""What reaches the scaler and where it goes: routing, lost races, and the minute's sweep."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.alarms.event import EventError
from quickstep.alarms.known import KnownAlarm
from quickstep.engine.model import AlarmState, Override, Service, State
from quickstep.engine.outcome import Outcome
from quickstep.loop.cycle import LEASE
from quickstep.loop.door import MAX_RACES
from quickstep.loop.heartbeat import (
    CALLS,
    CALLS_A_SECOND,
    CALLS_OF_A_PART,
    INLINE_TARGETS,
    LAST_LOOK,
    PAGE_SLEEP,
    PAGES,
)
from quickstep.loop.next_look import MAX_THROTTLES
from quickstep.naming import ServiceName
from quickstep.protocol.counts import Counts
from quickstep.protocol.line import Turn
from quickstep.protocol.memory import Memory
from quickstep.protocol.messages import (
    MAX_DESCRIBED,
    AlarmAgain,
    Heartbeat,
    Heartbeats,
    Message,
    MessageError,
    Recheck,
    Sweep,
    read_message,
    write_message,
)
from quickstep.protocol.ports import CallFailedError
from tests.builders import (
    DEFINITION,
    HIGH,
    LOW,
    LOW_DEFINITION,
    NOW,
    WEB,
    a_document,
    a_lease,
    a_record,
    ago,
    known,
    load_event,
    points,
)
from tests.fakes import World

if TYPE_CHECKING:
    from quickstep.protocol.records import DecisionRecord

HEARTBEAT: dict[str, Any] = {"heartbeat": {}}
FIRING = KnownAlarm(AlarmState.ALARM, ago(30), DEFINITION)
QUIET = KnownAlarm(AlarmState.OK, ago(600), DEFINITION)

Page = dict[tuple[ServiceName, str], KnownAlarm]


@pytest.fixture
def world() -> World:
    return World()


def body(content: Any, lost: int = 0) -> str:
    return json.dumps(write_message(Message(content, lost)))


def outcomes(records: list[DecisionRecord]) -> list[Outcome]:
    return [record.outcome for record in records]


# --- routing --------------------------------------------------------------------------------------


def test_an_alarm_event_is_answered(world: World) -> None:
    records = world.door.on_event(load_event("alarm-high-step2"))

    assert outcomes(records) == [Outcome.SCALED_OUT]
    assert world.desired == 6


def test_an_alarm_event_out_of_the_queue_is_answered_alike(world: World) -> None:
    records = world.door.on_message(body(AlarmAgain(load_event("alarm-high-step2"))))

    assert outcomes(records) == [Outcome.SCALED_OUT]
    assert world.desired == 6


def test_a_recheck_looks_again(world: World) -> None:
    world.remember(Memory(alarms={HIGH: known()}, counts=Counts(4), generation=7, check_at=NOW))
    world.points[HIGH] = points(160.0)

    records = world.door.on_message(body(Recheck(WEB, 7)))

    assert outcomes(records) == [Outcome.SCALED_OUT]


def test_a_recheck_that_is_out_of_date_leaves_nothing(world: World) -> None:
    world.remember(Memory(alarms={HIGH: known()}, counts=Counts(4), generation=8))

    assert world.door.on_message(body(Recheck(WEB, 7))) == []
    assert world.sent == []
    assert world.targets.records == []


def test_the_heartbeat_of_one_target_looks_at_it(world: World) -> None:
    world.points[HIGH] = points(160.0)

    records = world.door.on_message(body(Heartbeats((Heartbeat(WEB, {HIGH: FIRING}),))))

    assert outcomes(records) == [Outcome.SCALED_OUT]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"heartbeat": {}, "source": "aws.cloudwatch"}, id="a heartbeat with more"),
        pytest.param({"heartbeat": None}, id="another heartbeat"),
        pytest.param({"recheck": {}}, id="a message that came as an event"),
        pytest.param({}, id="nothing"),
        pytest.param(None, id="null"),
        pytest.param(load_event("alarm-malformed"), id="a malformed alarm event"),
    ],
)
def test_what_is_no_event_of_ours_is_refused(world: World, event: Any) -> None:
    with pytest.raises(EventError):
        world.door.on_event(event)

    assert world.calls == []
    assert world.sent == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("{", MessageError, id="no JSON"),
        pytest.param('{"heartbeat": {}}', MessageError, id="an event that came as a message"),
        pytest.param('{"alarm": {}}', EventError, id="an alarm event that is none"),
        pytest.param(
            json.dumps({"alarm": load_event("alarm-malformed")}), EventError, id="a malformed one"
        ),
    ],
)
def test_what_is_no_message_of_ours_is_refused(
    world: World, text: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        world.door.on_message(text)

    assert world.calls == []
    assert world.sent == []


# --- lost races -----------------------------------------------------------------------------------


def hold(world: World, *, seconds: float = 15) -> None:
    world.targets.claim(WEB.resource_id, a_lease("other", world.clock.now, seconds))


@pytest.mark.parametrize(
    ("jitter", "delay"),
    [(0.0, 16), (0.4, 16), (0.6, 17), (0.999, 17)],
    ids=["0", "0.4", "0.6", "1"],
)
def test_an_alarm_event_that_lost_the_race_comes_back_when_the_lease_is_over(
    world: World, jitter: float, delay: float
) -> None:
    hold(world)
    event = load_event("alarm-high-step2")

    records = replace(world.door, jitter=lambda: jitter).on_event(event)

    assert outcomes(records) == [Outcome.LOST_RACE]
    assert world.sent == [(Message(AlarmAgain(event), lost=1), timedelta(seconds=delay))]


def test_an_alarm_event_that_lost_the_race_is_answered_when_it_comes_back(world: World) -> None:
    hold(world)
    world.door.on_event(load_event("alarm-high-step2"))
    ((again, delay),) = world.sent

    world.targets.commit("other", Memory(counts=Counts(4)), a_record())
    world.clock.advance(delay.total_seconds())
    records = world.door.on_message(json.dumps(write_message(again)))

    assert outcomes(records) == [Outcome.SCALED_OUT]
    assert world.desired == 6


def test_a_recheck_that_lost_the_race_comes_back_as_it_was(world: World) -> None:
    world.remember(Memory(alarms={HIGH: known()}, counts=Counts(4), generation=7, check_at=NOW))
    hold(world)
    recheck = Recheck(WEB, 7, attempt=3, turn=Turn(ago(20)))

    records = world.door.on_message(body(recheck, lost=4))

    assert outcomes(records) == [Outcome.LOST_RACE]
    assert world.sent == [(Message(recheck, lost=5), timedelta(seconds=16))]


def test_a_heartbeat_that_lost_the_race_comes_back_too(world: World) -> None:
    """Somebody claims the target between the heartbeat's look and its own claim."""
    world.remember(Memory(alarms={HIGH: known(AlarmState.OK, 600)}, counts=Counts(4)))
    world.after["DescribeServices"] = lambda: hold(world)

    records = world.door.on_message(body(Heartbeats((Heartbeat(WEB, {HIGH: FIRING}),))))

    assert outcomes(records) == [Outcome.LOST_RACE]
    ((message, _),) = world.sent
    assert message == Message(Heartbeats((Heartbeat(WEB, {HIGH: FIRING}),)), lost=1)


@pytest.mark.parametrize("lost", [MAX_RACES - 1, MAX_RACES])
def test_the_races_that_a_message_may_lose_are_bounded(world: World, lost: int) -> None:
    hold(world)

    world.door.on_message(body(AlarmAgain(load_event("alarm-high-step2")), lost))

    assert len(world.sent) == (1 if lost < MAX_RACES else 0)


def test_an_event_outlives_the_lease_of_a_holder_that_died(world: World) -> None:
    """Even if every wait is the shortest one."""
    hold(world)
    door = replace(world.door, jitter=lambda: 0.0)
    records = door.on_event(load_event("alarm-high-step2"))
    for turn in range(MAX_RACES):
        message, delay = world.sent[turn]
        world.clock.advance(delay.total_seconds())
        records = door.on_message(json.dumps(write_message(message)))
        if outcomes(records) != [Outcome.LOST_RACE]:
            break

    assert world.clock.now - NOW >= LEASE
    assert outcomes(records) == [Outcome.SCALED_OUT]
    assert world.memory.alarms[HIGH].state is AlarmState.ALARM


def a_surge_of_many(world: World) -> None:
    """Have eight policies of a service fire at once: while one is answered, seven lose the race.

    The first one that comes asks for one task more, the last one for eight.
    """
    steps = {f"high-{number}": number for number in range(1, 9)}
    document = a_document(Guards={"CapacityOnItsWay": False}, ScaleInPolicies={})
    (body,) = document["ScaleOutPolicies"].values()
    document["ScaleOutPolicies"] = {
        policy: {
            **body,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": step}],
        }
        for policy, step in steps.items()
    }
    world.documents[WEB.parameter] = json.dumps(document)
    world.points = {policy: points(160.0) for policy in steps}
    first, *others = (an_alarm_event(policy) for policy in steps)

    def beaten() -> None:
        world.after.clear()
        for event in others:
            assert outcomes(world.door.on_event(event)) == [Outcome.LOST_RACE]

    world.after["UpdateService"] = beaten
    assert outcomes(world.door.on_event(first)) == [Outcome.SCALED_OUT]


def an_alarm_event(policy: str) -> dict[str, Any]:
    event = copy.deepcopy(load_event("alarm-high-step2"))
    event["detail"]["alarmName"] = WEB.alarm(policy)
    return event


def test_what_lost_the_race_is_found_by_who_won_it_and_the_largest_step_is_next(
    world: World,
) -> None:
    a_surge_of_many(world)
    recheck, delay = world.sent[-1]
    assert (recheck.content, delay) == (Recheck(WEB, 1), timedelta())

    records = world.door.on_message(json.dumps(write_message(recheck)))

    assert outcomes(records) == [Outcome.SCALED_OUT]
    assert world.calls[-1] == "UpdateService 12", "eight from the four that the first counted from"
    assert len(world.memory.alarms) == 8
    assert world.targets.items[WEB.resource_id].waiting == {}


def test_nothing_of_it_is_lost_where_the_winner_dies(world: World) -> None:
    world.failures["commit"].append(ConnectionError("killed"))
    with pytest.raises(ConnectionError):
        a_surge_of_many(world)
    world.clock.advance(LEASE.total_seconds() + 1)
    message, delay = world.sent[0]
    assert delay > LEASE

    records = world.door.on_message(json.dumps(write_message(message)))

    assert outcomes(records) == [Outcome.RECOVERED, Outcome.SCALED_OUT]
    assert world.calls[-1] == "UpdateService 13"
    assert len(world.memory.alarms) == 8


def test_who_finds_that_the_holder_is_done_claims_again(world: World) -> None:
    hold(world)

    def done() -> None:
        world.after.clear()
        world.targets.commit("other", Memory(counts=Counts(4)), a_record())

    world.after["claim"] = done

    assert outcomes(world.door.on_event(load_event("alarm-high-step2"))) == [Outcome.SCALED_OUT]


def test_a_message_that_cannot_be_sent_again_is_an_error(world: World) -> None:
    """So that the platform's own retry brings it back."""
    hold(world)
    world.failures["SendMessage"].append(CallFailedError(Outcome.FAILED_OTHER, "SendMessage: no"))

    with pytest.raises(CallFailedError):
        world.door.on_event(load_event("alarm-high-step2"))


# --- throttled before the claim -------------------------------------------------------------------

THROTTLED = CallFailedError(Outcome.FAILED_THROTTLED, "ThrottlingException")
BEFORE_THE_CLAIM = pytest.mark.parametrize("call", ["GetParameters", "claim"])


@BEFORE_THE_CLAIM
def test_what_was_throttled_before_its_claim_comes_back(world: World, call: str) -> None:
    event = load_event("alarm-high-step2")
    world.failures[call].append(THROTTLED)

    records = world.door.on_event(event)

    assert outcomes(records) == [Outcome.FAILED_THROTTLED]
    assert world.sent == [(Message(AlarmAgain(event), lost=1), timedelta(seconds=2))]
    assert world.targets.records == [], "it may be the table that throttles"


@BEFORE_THE_CLAIM
def test_what_was_throttled_before_its_claim_is_answered_late_but_answered(
    world: World, call: str
) -> None:
    world.failures[call] += [THROTTLED] * 5
    queue = [(Message(AlarmAgain(load_event("alarm-high-step2"))), timedelta())]
    waits = []
    while queue and world.desired == 4:
        message, delay = queue.pop()
        waits.append(delay.total_seconds())
        world.clock.advance(waits[-1])
        world.door.on_message(json.dumps(write_message(message)))
        queue, world.sent = world.sent, []

    assert waits == [0, 2, 3, 6, 12, 22], "75 % of 2, 4, 8, 16 and 30 s"
    assert world.desired == 6


def test_how_often_it_comes_back_is_bounded(world: World) -> None:
    for lost in (MAX_THROTTLES - 1, MAX_THROTTLES):
        world.failures["GetParameters"].append(THROTTLED)
        world.door.on_message(body(AlarmAgain(load_event("alarm-high-step2")), lost))

    assert [message.lost for message, _ in world.sent] == [MAX_THROTTLES]


# --- the sweep ------------------------------------------------------------------------------------


def name(number: int) -> ServiceName:
    return ServiceName("prod", f"web-{number}")


def with_targets(world: World, count: int, alarm: KnownAlarm = QUIET) -> list[ServiceName]:
    """Give the account that many quiet targets, each with one alarm on its own page."""
    names = [name(number) for number in range(count)]
    world.page_size = 1
    for service in names:
        document = a_document(ResourceId=service.resource_id)
        world.documents[service.parameter] = json.dumps(document)
        world.services[service] = Service(4, 4, 0)
        world.alarms[service, HIGH] = alarm
        world.remember(
            Memory(alarms={HIGH: known(AlarmState.OK, 600)}, counts=Counts(4)), service=service
        )
    return names


def on_one_page(world: World) -> None:
    world.page_size = len(world.alarms)


def test_an_account_without_alarms_has_nothing_to_look_at(world: World) -> None:
    assert world.door.on_event(HEARTBEAT) == []
    assert world.calls == []


def deleted_while_in_alarm(world: World) -> None:
    """Both alarms of the only target are deleted while in ALARM, and the load stays high."""
    world.points[HIGH] = points(160.0)
    world.door.on_event(load_event("alarm-high-step2"))
    assert world.memory.check_at is not None
    assert world.alarms == {}


def test_a_chain_ends_with_its_alarms_where_the_only_target_has_none_left(world: World) -> None:
    deleted_while_in_alarm(world)

    records = world.door.on_event(HEARTBEAT)

    assert outcomes(records) == [Outcome.HELD_NO_DATA]
    assert (world.memory.alarms, world.memory.check_at) == ({}, None)
    assert world.door.on_message(body(Recheck(WEB, 1))) == []
    assert world.desired == 6


def test_a_target_without_alarms_is_looked_at_until_nothing_can_become_of_it(world: World) -> None:
    deleted_while_in_alarm(world)
    world.door.on_event(HEARTBEAT)
    assert world.targets.listed() == {WEB.resource_id: ()}

    assert world.door.on_event(HEARTBEAT) == []

    assert world.targets.listed() == {}
    assert world.door.on_event(HEARTBEAT) == []
    world.door.on_event(load_event("alarm-high-step2"))
    assert world.targets.listed() == {WEB.resource_id: ()}, "an alarm again"


@pytest.mark.parametrize("gone", ["document", "service"])
def test_one_whose_document_or_service_is_gone_leaves_no_failure_each_minute(
    world: World, gone: str
) -> None:
    deleted_while_in_alarm(world)
    if gone == "document":
        world.documents.clear()
    else:
        world.services.clear()

    assert world.door.on_event(HEARTBEAT) == []
    assert world.targets.listed() == {}


def test_one_without_alarms_is_brought_within_a_schedule_s_bounds(world: World) -> None:
    world.targets.claim(WEB.resource_id, a_lease("other", world.clock.now))
    world.targets.commit("other", Memory(counts=Counts(4)), a_record())
    night = Override(None, 2, NOW + timedelta(hours=1), name="night")
    item = world.targets.items[WEB.resource_id]
    item.memory = replace(item.memory, state=State(schedules=(night,)))

    assert outcomes(world.door.on_event(HEARTBEAT)) == [Outcome.SCALED_IN]
    assert world.desired == 2


def test_a_turn_that_no_chain_waits_for_is_seen(world: World) -> None:
    """An OK event was throttled at the description, and killed before its message."""
    world.remember(
        Memory(alarms={HIGH: known(AlarmState.OK, 600)}, counts=Counts(4), turn=Turn(ago(20), 2, 3))
    )

    world.door.on_message(body(Heartbeats((Heartbeat(WEB, {HIGH: QUIET}),))))

    assert world.memory.turn is None


def test_the_heartbeat_looks_at_every_target_that_has_alarms(world: World) -> None:
    with_targets(world, 3, FIRING)
    on_one_page(world)
    world.points[HIGH] = points(160.0)

    records = world.door.on_event(HEARTBEAT)

    assert outcomes(records) == [Outcome.SCALED_OUT] * 3
    assert [record.resource_id for record in records] == [name(n).resource_id for n in range(3)]
    assert world.sleeps == []


def test_all_alarms_of_a_target_are_looked_at_together_on_whatever_page(world: World) -> None:
    world.page_size = 1
    world.alarms = {
        (WEB, HIGH): replace(FIRING, state=AlarmState.OK),
        (name(1), HIGH): QUIET,
        (WEB, LOW): KnownAlarm(AlarmState.ALARM, ago(30), LOW_DEFINITION),
    }
    world.points[LOW] = points(10.0)

    records = world.door.on_event(HEARTBEAT)

    (record,) = [record for record in records if record.resource_id == WEB.resource_id]
    assert record.outcome is Outcome.SCALED_IN
    assert record.look.complete
    assert record.look.described == {
        HIGH: replace(FIRING, state=AlarmState.OK),
        LOW: KnownAlarm(AlarmState.ALARM, ago(30), LOW_DEFINITION),
    }


def test_paging_stays_well_below_what_describe_alarms_allows(world: World) -> None:
    with_targets(world, 5)

    world.door.on_event(HEARTBEAT)

    assert world.sleeps == [PAGE_SLEEP] * 4
    assert timedelta(seconds=1) / PAGE_SLEEP <= 9 / 1.5, "of 9 a second, some are left for others"


@pytest.mark.parametrize(
    ("count", "fans_out"),
    [(INLINE_TARGETS, False), (INLINE_TARGETS + 1, True)],
    ids=["few: in this invocation", "many: an invocation for each"],
)
def test_many_targets_are_fanned_out_over_the_queue(
    world: World, count: int, *, fans_out: bool
) -> None:
    names = with_targets(world, count)
    on_one_page(world)

    listed_at = world.clock.now
    assert world.door.on_event(HEARTBEAT) == []

    calls = len(world.calls)
    assert calls == (0 if fans_out else count // MAX_DESCRIBED), "ten services in a call"
    looks = [message.content for message, _ in world.sent]
    assert len(looks) == (6 if fans_out else 0)
    handed_on = [h for look in looks if isinstance(look, Heartbeats) for h in look.targets]
    expected = [Heartbeat(name, {HIGH: QUIET}, listed_at=listed_at) for name in names if fans_out]
    assert sorted(handed_on, key=repr) == sorted(expected, key=repr)


def asked_pages(world: World) -> list[str | None]:
    return [call.arguments[0] for call in world.made if call.name == "DescribeAlarms"]


@pytest.mark.parametrize(
    ("pages", "goes_on"),
    [(PAGES, False), (PAGES + 1, True)],
    ids=["as many pages as fit", "one more"],
)
def test_pages_beyond_one_invocation_s_share_are_left_to_the_next(
    world: World, pages: int, *, goes_on: bool
) -> None:
    with_targets(world, pages)

    world.door.on_event(HEARTBEAT)

    assert len(asked_pages(world)) == PAGES
    sweeps = [message for message, _ in world.sent if isinstance(message.content, Sweep)]
    assert sweeps == ([Message(Sweep(str(PAGES)))] if goes_on else [])


def test_the_next_invocation_goes_on_where_the_last_one_stopped(world: World) -> None:
    """Both hand their targets on: neither knows whether it has all alarms of one."""
    names = with_targets(world, PAGES + 2)
    assert world.door.on_event(HEARTBEAT) == []
    (sweep,) = [m for m, _ in world.sent if isinstance(m.content, Sweep)]

    assert world.door.on_message(json.dumps(write_message(sweep))) == []

    assert asked_pages(world) == [None, *(str(number) for number in range(1, PAGES + 2))]
    looked_at = [heartbeat.service for heartbeat in heartbeats_of(world)]
    assert sorted(looked_at, key=repr) == sorted(names, key=repr)
    assert len(world.sent) == 4, "two batches, a sweep, and one batch more"


def test_any_number_of_targets_gets_its_turn_within_a_minute(world: World) -> None:
    """10,000 alarms of 2,500 targets: every invocation is short, and all targets are looked at."""
    pages, on_a_page = 100, 25
    looked_at = {name(number) for number in range(pages * on_a_page)}
    world.page_size = on_a_page
    world.alarms = dict.fromkeys([(service, HIGH) for service in looked_at], QUIET)
    queue = [body(Sweep())]
    found: set[ServiceName] = set()
    while queue:
        before = len(world.sent)
        message = read_message(queue.pop(0))
        if isinstance(message.content, Heartbeats):
            found.update(heartbeat.service for heartbeat in message.content.targets)
            continue
        sleeps = len(world.sleeps)
        world.door.on_message(json.dumps(write_message(message)))
        assert sum(world.sleeps[sleeps:], timedelta()) < timedelta(seconds=5)
        queue += [json.dumps(write_message(sent)) for sent, _ in world.sent[before:]]

    assert found == looked_at
    assert sum(world.sleeps, timedelta()) < timedelta(seconds=60)


def test_a_target_that_fails_does_not_keep_the_others_from_their_turn() -> None:
    world = Exploding()
    with_targets(world, 3, FIRING)
    on_one_page(world)
    world.points[HIGH] = points(160.0)

    with pytest.raises(ExceptionGroup) as caught:
        world.door.on_event(HEARTBEAT)

    assert caught.group_contains(ZeroDivisionError)
    assert len(caught.value.exceptions) == 1
    assert [(r.resource_id, r.outcome) for r in world.targets.records] == [
        (name(0).resource_id, Outcome.SCALED_OUT),
        (name(2).resource_id, Outcome.SCALED_OUT),
    ]


class Exploding(World):
    """A world in which one service brings down whoever looks at it."""

    def describe(self, service: ServiceName) -> Service:
        if service == name(1):
            raise ZeroDivisionError
        return super().describe(service)


def test_a_target_in_trouble_that_is_known_is_an_outcome_and_no_error(world: World) -> None:
    with_targets(world, 2)
    on_one_page(world)
    del world.services[name(0)]

    records = world.door.on_event(HEARTBEAT)

    assert outcomes(records) == [Outcome.FAILED_NOT_FOUND]


def test_targets_there_is_no_time_for_are_left_to_others(world: World) -> None:
    names = with_targets(world, 6, FIRING)
    on_one_page(world)
    world.after["DescribeServices"] = lambda: world.clock.advance(1.5)

    world.door.on_event(HEARTBEAT)

    assert world.calls == ["DescribeServices"] * 3, "4.5 s have passed then"
    assert [heartbeat.service for heartbeat in heartbeats_of(world)] == names[2:]


def heartbeats_of(world: World) -> list[Heartbeat]:
    """Return the heartbeats that were left to other invocations."""
    looks = [m.content for m, _ in world.sent if isinstance(m.content, Heartbeats)]
    return [heartbeat for look in looks for heartbeat in look.targets]


def asking(world: World) -> list[float]:
    """Return the delays of the looks that ask ECS, in the order in which they come."""
    sent = world.sent
    return sorted(
        delay.total_seconds()
        for message, delay in sent
        if isinstance(message.content, Heartbeats) and message.content.describe
    )


def in_one_sweep(world: World, jitter: float, batches: int) -> None:
    """Sweep so many batches of ten targets."""
    world.alarms = {(name(n), HIGH): QUIET for n in range(batches * MAX_DESCRIBED)}
    on_one_page(world)
    replace(world.door, jitter=lambda: jitter).on_event(HEARTBEAT)


def test_looks_leave_three_quarters_of_describe_services_and_end_within_the_minute(
    world: World,
) -> None:
    in_one_sweep(world, 0.5, CALLS + 20)

    delays = asking(world)
    assert CALLS_A_SECOND == 20 / 4
    assert len(delays) == CALLS
    assert all(delays[i + CALLS_A_SECOND] - delays[i] >= 1 for i in range(CALLS - CALLS_A_SECOND))
    assert max(delay for _, delay in world.sent) < LAST_LOOK < timedelta(minutes=1)
    assert len(heartbeats_of(world)) == (CALLS + 20) * MAX_DESCRIBED, "others do not ask"


def test_an_invocation_that_sees_a_part_of_the_alarms_asks_for_its_share(world: World) -> None:
    """So many invocations follow each other in a minute that they all come to the whole."""
    world.alarms = {(name(n), HIGH): QUIET for n in range(2_000)}
    assert len(world.alarms) > PAGES * world.page_size

    world.door.on_event(HEARTBEAT)

    assert len(asking(world)) == CALLS_OF_A_PART
    assert CALLS_A_SECOND * (PAGES * PAGE_SLEEP).total_seconds() >= CALLS_OF_A_PART


def test_with_time_ecs_is_asked_about_every_target() -> None:
    asked: set[ServiceName] = set()
    for jitter in (0.0, 0.2, 0.4, 0.6, 0.8):
        world = World()
        in_one_sweep(world, jitter, 4 * CALLS)
        looks = [m.content for m, _ in world.sent if isinstance(m.content, Heartbeats)]
        asked.update(h.service for look in looks if look.describe for h in look.targets)

    assert len(asked) == 4 * CALLS * MAX_DESCRIBED


def test_a_look_that_does_not_ask_ecs_goes_by_what_is_remembered(world: World) -> None:
    world.remember(Memory(alarms={HIGH: known(AlarmState.OK, 600)}, counts=Counts(1)))

    quiet = Heartbeats((Heartbeat(WEB, {HIGH: QUIET}),), describe=False)

    records = world.door.on_message(body(quiet))

    assert outcomes(records) == [Outcome.FOREIGN_CHANGE, Outcome.HELD_NOT_BREACHING]
    assert world.calls == ["DescribeServices"] * 2, "the evaluation's own: it has four by now"


def test_of_several_targets_the_one_that_lost_the_race_comes_back_alone(world: World) -> None:
    with_targets(world, 3, FIRING)
    world.targets.claim(name(1).resource_id, a_lease("other", world.clock.now))
    world.points[HIGH] = points(160.0)
    looks = Heartbeats(tuple(Heartbeat(name(number), {HIGH: FIRING}) for number in range(3)))

    records = world.door.on_message(body(looks))

    assert outcomes(records) == [Outcome.SCALED_OUT, Outcome.LOST_RACE, Outcome.SCALED_OUT]
    again = [message for message, _ in world.sent if message.lost]
    assert again == [Message(Heartbeats((looks.targets[1],)), lost=1)]


# --- the heartbeat and the documents --------------------------------------------------------------


def test_the_documents_of_a_batch_are_read_in_one_call(world: World) -> None:
    names = with_targets(world, 20)
    on_one_page(world)

    world.door.on_event(HEARTBEAT)

    read = [call.arguments[0] for call in world.made if call.name == "GetParameters"]
    assert [batch for batch in read if len(batch) > 1] == [names[:10], names[10:]]


def test_an_alarm_without_a_document_leaves_one_record_until_that_changes(world: World) -> None:
    world.alarms = {(WEB, HIGH): QUIET}
    document = world.documents.pop(WEB.parameter)
    found = []
    for stored in (False, False, False, True, False, False):
        if stored:
            world.documents[WEB.parameter] = document
        else:
            world.documents.pop(WEB.parameter, None)
        found.append(outcomes(world.door.on_event(HEARTBEAT)))

    once = [[Outcome.FAILED_CONFIG], []]
    assert found == [*once, [], [Outcome.HELD_NOT_BREACHING], *once]
    assert world.calls.count("DescribeServices") == 4, "none for what has no document"


def test_a_look_goes_by_the_documents_that_are_known_where_ssm_throttles(world: World) -> None:
    world.alarms = {(WEB, HIGH): FIRING}
    world.points[HIGH] = points(160.0)
    world.failures["GetParameters"].append(THROTTLED)

    assert outcomes(world.door.on_event(HEARTBEAT)) == [Outcome.SCALED_OUT]


def test_documents_that_may_not_be_read_are_an_error_after_all_had_their_turn(
    world: World,
) -> None:
    world.alarms = {(WEB, HIGH): FIRING}
    world.points[HIGH] = points(160.0)
    world.failures["GetParameters"].append(CallFailedError(Outcome.FAILED_DENIED, "no"))

    with pytest.raises(ExceptionGroup, match="heartbeat"):
        world.door.on_event(HEARTBEAT)
    assert world.desired == 6
