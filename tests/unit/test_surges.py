"""A task that feels a surge asks for a look, and for nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep.engine.model import AlarmState, Removal, State
from quickstep.engine.outcome import Outcome
from quickstep.fields import write_moment
from quickstep.loop.surges import BETWEEN, FOLLOWED, OLDEST, WINDOW
from quickstep.naming import ServiceName
from quickstep.protocol.counts import CLOCKS, Counts
from quickstep.protocol.memory import MOST_SURGES, Memory
from quickstep.protocol.messages import (
    Message,
    MessageError,
    Recheck,
    Request,
    Surge,
    write_message,
)
from quickstep.protocol.ports import MOST_SURGES_A_SECOND, CallFailedError
from tests.builders import (
    DEFINITION,
    HIGH,
    LOW,
    LOW_DEFINITION,
    NOW,
    WEB,
    a_document,
    a_lease,
    a_transition,
    ago,
    firing,
    known,
    seconds,
)
from tests.fakes import World

if TYPE_CHECKING:
    from datetime import datetime

    from quickstep.protocol.records import DecisionRecord

QUEUE = "arn:aws:sqs:us-east-1:123456789012:quickstep-SurgeQueue-1A2B.fifo"
SIZED = "request-rate/high"
ONE_NUMBER = {"request-rate": {"TargetValue": 100, "ScaleInWindow": 0, "ScaleInCooldown": 0}}

CALM = [(60.0, 4.0)] * 40
SURGE = [*CALM, (180.0, 4.0), (180.0, 4.0)]
ONE_HOT_TASK = [*CALM, (200.0, 1.0), (200.0, 1.0)]


def calm(**changes: Any) -> Memory:
    """Return the memory of a target whose alarms have been quiet for long."""
    alarms = {
        HIGH: known(AlarmState.OK, 600),
        LOW: known(AlarmState.OK, 600, LOW_DEFINITION),
    }
    return replace(Memory(alarms=alarms, counts=Counts(4), generation=7, listed=True), **changes)


@pytest.fixture
def world() -> World:
    """A world of 4 tasks, by steps: two whole seconds have 180 a task, and no alarm fires yet."""
    world = World()
    document = a_document(Guards={"CapacityOnItsWay": False}, PublishSeconds=1)
    world.documents[WEB.parameter] = json.dumps(document)
    world.remember(calm())
    world.seconds[HIGH] = seconds(*SURGE)
    return world


@pytest.fixture
def sized() -> World:
    """The same world by one number."""
    world = World()
    document = a_document(
        ScaleOutPolicies=None,
        ScaleInPolicies=None,
        TargetTrackingPolicies=ONE_NUMBER,
        PublishSeconds=1,
    )
    world.documents[WEB.parameter] = json.dumps(document)
    world.remember(calm(alarms={SIZED: known(AlarmState.OK, 600)}))
    world.seconds[SIZED] = seconds(*SURGE)
    return world


def surge(world: World, at: datetime | None = None, **changes: Any) -> DecisionRecord:
    """Have a task's message arrive, and return the record of its look."""
    sent = {"resource_id": WEB.resource_id, "at": write_moment(at or world.clock.now), **changes}
    return world.door.on_message(json.dumps(sent), QUEUE)[-1]


def follow(world: World) -> DecisionRecord:
    """Let the look that was sent last take place."""
    message, delay = world.sent[-1]
    world.clock.advance(delay.total_seconds())
    return world.door.on_message(json.dumps(write_message(message)))[-1]


def show(world: World, *reports: tuple[float, float], policy: str = HIGH) -> None:
    """Have these be the seconds that end by now."""
    moved = world.clock.now - NOW
    world.seconds[policy] = [replace(p, at=p.at + moved) for p in seconds(*reports)]


def names(world: World) -> list[str]:
    return [call.name for call in world.made]


# --- the look -------------------------------------------------------------------------------------


def test_a_surge_is_answered_while_the_alarm_is_still_ok(world: World) -> None:
    record = surge(world, ago(1))

    assert record.outcome is Outcome.SCALED_OUT
    assert world.desired == 6
    assert record.as_dict["trigger"] == {"kind": "surge", "at": "2026-11-22T10:00:11.500Z"}
    assert world.memory.alarms[HIGH].state is AlarmState.OK, "nobody has said otherwise"


def test_one_number_sizes_a_surge_at_once(sized: World) -> None:
    """4 tasks of 180 each are 720, which take 8 of 100."""
    record = surge(sized)

    assert (record.outcome, sized.desired) == (Outcome.SCALED_OUT, 8)


def test_the_latency_is_counted_from_when_the_task_felt_it(world: World) -> None:
    world.after["UpdateService"] = lambda: world.clock.advance(0.15)

    record = surge(world, ago(2))

    assert record.surge_to_update == timedelta(seconds=2.15)
    assert record.alarm_to_update is None
    assert record.as_dict["surge_to_update_ms"] == 2150


@pytest.mark.parametrize("policy", [HIGH, SIZED])
def test_one_hot_task_of_four_is_no_surge_of_the_service(
    world: World, sized: World, policy: str
) -> None:
    """60 each, and not 200: see `seconds.filled`."""
    one = world if policy == HIGH else sized
    one.seconds[policy] = seconds(*ONE_HOT_TASK)

    assert surge(one).outcome is Outcome.HELD_NOT_BREACHING
    assert one.desired == 4


def test_the_alarm_s_own_event_for_the_same_seconds_is_held(world: World) -> None:
    surge(world)
    world.clock.advance(9)
    event = replace(
        a_transition(alarm=firing(170.0), at=world.clock.now), newest=ago(2.5)
    )  # 10:00:10 to 10:00:20

    record = world.evaluate(event)

    assert record.outcome is Outcome.HELD_ANSWERED
    assert world.desired == 6


def test_what_the_alarm_has_answered_is_not_answered_again(world: World) -> None:
    world.remember(calm(alarms={HIGH: known(AlarmState.ALARM, 5, acted_on=ago(12.5))}))

    assert surge(world).outcome is Outcome.HELD_ANSWERED
    assert world.desired == 4


def test_the_same_surge_twice_changes_capacity_once(world: World) -> None:
    outcomes = []
    for _ in range(3):
        outcomes.append(surge(world).outcome)
        world.clock.advance(BETWEEN.total_seconds())

    assert outcomes == [Outcome.SCALED_OUT, *[Outcome.HELD_ANSWERED] * 2]
    assert world.calls.count("UpdateService 6") == 1


@pytest.mark.parametrize("state", AlarmState)
def test_no_task_is_removed_for_a_surge(world: World, sized: World, state: AlarmState) -> None:
    """Though the scale-in alarm fires, and though one number would give tasks back at once."""
    idle = [(1.0, 4.0)] * 42
    world.seconds[HIGH] = seconds(*idle)
    low = known(AlarmState.ALARM, 60, LOW_DEFINITION)
    world.remember(calm(alarms={HIGH: known(state, 60), LOW: low}))
    sized.seconds[SIZED] = seconds(*idle)
    sized.remember(calm(alarms={SIZED: known(state, 60)}))

    for one, policy in ((world, HIGH), (sized, SIZED)):
        for _ in range(3):  # a new target keeps what it has at first
            assert not surge(one).outcome.changes_capacity
            one.clock.advance(5)
            show(one, *idle, policy=policy)
        assert one.desired == 4


def test_a_surge_brings_nothing_back_into_its_bounds(world: World) -> None:
    document = a_document(MinCapacity=1, MaxCapacity=2, PublishSeconds=1)
    world.documents[WEB.parameter] = json.dumps(document)

    assert surge(world).outcome is Outcome.HELD_AT_MAX
    assert world.desired == 4


def test_a_metric_that_is_not_read_by_the_second_is_read_as_its_alarm_reads_it(
    world: World,
) -> None:
    (query,) = DEFINITION.queries
    total = replace(
        DEFINITION,
        queries=({**query, "MetricStat": {**query["MetricStat"], "Stat": "Sum"}},),
    )
    world.remember(calm(alarms={HIGH: known(AlarmState.OK, 600, total)}))

    surge(world)

    (read,) = [call.arguments[0] for call in world.made if call.name == "GetMetricData"]
    assert read[HIGH].period == 10


def test_all_scale_out_alarms_are_read_by_the_second_in_one_call_and_no_others(
    world: World,
) -> None:
    surge(world)

    (read,) = [call.arguments[0] for call in world.made if call.name == "GetMetricData"]
    assert {name: definition.period for name, definition in read.items()} == {HIGH: 1}


# --- the looks after it ---------------------------------------------------------------------------


def test_where_no_newer_second_is_readable_it_looks_each_second_and_five_times_at_most(
    world: World,
) -> None:
    world.seconds[HIGH] = seconds(*CALM)
    surge(world)
    waits: list[float] = []
    while world.sent and len(waits) < 10:
        recheck, wait = world.next_recheck()
        if recheck.felt_at is None:
            break
        waits.append(wait)
        world.sent.clear()
        world.sent.append((Message(recheck), timedelta(seconds=wait)))
        looked = follow(world)
        if world.sent[-1][0].content == recheck:
            break

    assert waits == [1, 1, 1, 1, 1]
    assert looked.as_dict["trigger"]["kind"] == "surge"


def test_seconds_that_become_visible_later_are_answered_then(world: World) -> None:
    world.seconds[HIGH] = seconds(*CALM)
    felt_at = ago(0)
    surge(world)
    show(world, *SURGE)

    record = follow(world)

    assert record.outcome is Outcome.SCALED_OUT
    assert record.look.felt_at == felt_at
    assert record.surge_to_update == timedelta(seconds=1)
    assert record.as_dict["trigger"]["kind"] == "surge"


def test_one_number_grows_with_the_tasks_that_report(sized: World) -> None:
    """Two of four report first: 600, and soon 1,200."""
    sized.seconds[SIZED] = seconds(*CALM, (300.0, 2.0), (300.0, 2.0))
    surge(sized)
    assert sized.desired == 6

    _, wait = sized.next_recheck()
    sized.clock.advance(wait)
    show(sized, *CALM, *[(300.0, 4.0)] * 4, policy=SIZED)
    sized.clock.advance(-wait)
    record = follow(sized)

    assert (wait, record.outcome, sized.desired) == (2, Outcome.SCALED_OUT, 12)
    assert record.surge_to_update is None, "the surge was answered before"


def test_the_looks_go_on_until_the_surge_is_over(world: World) -> None:
    surge(world)
    assert follow(world).outcome is Outcome.HELD_ANSWERED
    recheck, _ = world.next_recheck()
    assert recheck.felt_at == NOW

    world.clock.advance(10)
    show(world, *CALM)
    world.clock.advance(-10)
    follow(world)

    assert world.sent[-1][0].content == recheck, "no further look"


def test_the_looks_go_on_for_a_minute_at_most(world: World) -> None:
    world.remember(calm(surges=()))
    surge(world)
    looks = 1
    while looks < 20 and (recheck := world.next_recheck()[0]).felt_at:
        wait = world.next_recheck()[1]
        world.clock.advance(wait)
        show(world, *CALM[:20], *[(180.0, 4.0)] * 22)
        world.clock.advance(-wait)
        follow(world)
        looks += 1
        if world.next_recheck()[0] == recheck:
            break

    assert timedelta() <= world.clock.now - NOW <= FOLLOWED + timedelta(seconds=20)
    assert looks < 12


def test_once_the_alarm_says_so_too_its_own_looks_go_on(world: World) -> None:
    alarms = {HIGH: known(AlarmState.ALARM, -0.5)}
    world.remember(calm(alarms=alarms))

    surge(world)

    recheck, wait = world.next_recheck()
    assert (recheck.felt_at, wait) == (None, 10)


def test_an_alarm_that_goes_to_alarm_ends_the_surge_s_own_chain(world: World) -> None:
    surge(world)
    recheck, _ = world.next_recheck()
    world.clock.advance(9)

    world.evaluate(a_transition(alarm=firing(170.0), at=world.clock.now))

    assert world.door.on_message(json.dumps(write_message(Message(recheck)))) == []


def test_a_throttled_answer_comes_back_as_a_surge(world: World) -> None:
    throttled = CallFailedError(Outcome.FAILED_THROTTLED, "UpdateService: ThrottlingException")
    world.failures["UpdateService"] += [throttled] * 3

    assert surge(world).outcome is Outcome.FAILED_THROTTLED
    record = follow(world)

    assert record.outcome is Outcome.SCALED_OUT
    assert record.look.felt_at == NOW


def test_a_target_that_is_looked_at_in_calm_is_so_after_a_surge_too(sized: World) -> None:
    sized.seconds[SIZED] = seconds(*CALM)
    surge(sized)
    for _ in range(5):
        follow(sized)

    recheck, wait = sized.next_recheck()
    assert recheck.felt_at is None
    assert wait == 10


def test_while_removed_tasks_drain_the_look_sees_through_their_zeros(world: World) -> None:
    """8 report, 4 of them 0: the 4 that serve have 180 each, and not 90."""
    world.seconds[HIGH] = seconds(*[(30.0, 8.0)] * 40, (90.0, 8.0), (90.0, 8.0))
    world.remember(calm(state=State(removals=(Removal(ago(60), 4),))))

    assert surge(world).outcome is Outcome.SCALED_OUT


# --- the bounds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "felt"),
    [
        pytest.param(-OLDEST.total_seconds() - 0.1, "2026-11-22T10:00:02.400Z", id="old"),
        pytest.param(CLOCKS.total_seconds() + 0.1, "2026-11-22T10:00:14.600Z", id="ahead"),
    ],
)
def test_a_message_of_another_time_ends_before_any_call(world: World, at: float, felt: str) -> None:
    record = surge(world, NOW + timedelta(seconds=at))

    assert (record.outcome, record.reason) == (
        Outcome.IGNORED_SURGE,
        f"Ignored a surge: it was felt at {felt}, too long ago or in the future",
    )
    assert names(world) == []


@pytest.mark.parametrize(
    "memory",
    [
        pytest.param(None, id="no item"),
        pytest.param(calm(alarms={}), id="no alarm"),
        pytest.param(calm(alarms={HIGH: known(definition=None)}), id="an alarm without definition"),
    ],
)
def test_a_service_of_which_nothing_is_known_ends_after_one_call(
    world: World, memory: Memory | None
) -> None:
    if memory:
        world.remember(memory)
    else:
        world.targets.items.clear()

    assert surge(world).outcome is Outcome.IGNORED_SURGE
    assert names(world) == ["peek"]


def test_thirty_looks_of_a_service_are_made_in_ten_minutes(world: World) -> None:
    looked = [NOW - WINDOW + timedelta(seconds=1 + number) for number in range(MOST_SURGES)]
    world.remember(calm(surges=tuple(looked)))

    assert surge(world).outcome is Outcome.IGNORED_SURGE
    assert names(world) == ["peek"]

    world.clock.advance(1)
    show(world, *SURGE)

    assert surge(world).outcome is Outcome.SCALED_OUT
    assert len(world.memory.surges) == MOST_SURGES
    assert world.memory.surges[-1] == world.clock.now


def test_the_looks_that_follow_are_counted_with_the_thirty_and_end_with_them(world: World) -> None:
    world.seconds[HIGH] = seconds(*CALM)
    looked = [NOW - timedelta(seconds=100 - number) for number in range(MOST_SURGES - 2)]
    world.remember(calm(surges=tuple(looked)))
    surge(world)

    record = follow(world)

    assert record.look.felt_at
    assert len(world.sent) == 1, "no third one"


def test_a_service_is_looked_at_once_in_two_seconds_however_many_messages_come(
    world: World,
) -> None:
    outcomes = [surge(world).outcome for _ in range(1_000)]

    assert outcomes == [Outcome.SCALED_OUT, *[Outcome.IGNORED_SURGE] * 999]
    assert names(world).count("claim") == 1
    assert world.surge_looks.taken.total() == 1, "the account's looks are left to others"


def test_five_services_of_an_account_are_looked_at_in_a_second(world: World) -> None:
    services = [ServiceName("prod", f"web-{number}") for number in range(7)]
    for service in services:
        world.remember(calm(), service)

    records = [surge(world, resource_id=service.resource_id) for service in services]

    looked = [r for r in records if r.outcome is not Outcome.IGNORED_SURGE]
    assert [r.look.service for r in looked] == services[:MOST_SURGES_A_SECOND]
    why = "Ignored a surge: this second's looks of the account are used up"
    assert records[-1].reason == why
    world.clock.advance(1)
    assert surge(world, resource_id=services[-1].resource_id).outcome is Outcome.FAILED_CONFIG


def test_a_flood_about_one_service_takes_no_look_from_the_others(world: World) -> None:
    """A service's own bound comes first: what it refuses is not counted for the account."""
    another = ServiceName("prod", "another")
    looked = [ago(2 + number) for number in range(MOST_SURGES, 0, -1)]
    world.remember(calm(surges=tuple(looked)), another)
    nowhere = ServiceName("prod", "nowhere")

    for service in [another, nowhere] * 50:
        assert surge(world, resource_id=service.resource_id).outcome is Outcome.IGNORED_SURGE

    assert surge(world).outcome is Outcome.SCALED_OUT


def test_a_refused_surge_leaves_nothing(world: World) -> None:
    before = world.memory
    world.remember(calm(surges=(ago(5),) * MOST_SURGES))

    surge(world)

    assert world.targets.records == []
    assert world.sent == []
    assert replace(world.memory, surges=()) == before


# --- the message ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(write_message(Message(Request(WEB, "r", NOW, "", 40))), id="a request"),
        pytest.param(write_message(Message(Recheck(WEB, 7))), id="a re-check"),
        pytest.param(write_message(Message(Surge(WEB, NOW))), id="a surge of the scaler's queue"),
        pytest.param({"resource_id": "service/prod/web"}, id="no time"),
        pytest.param({"at": "2026-11-22T10:00:12Z"}, id="no service"),
        pytest.param({"resource_id": "service/prod/../web", "at": write_moment(NOW)}, id="a path"),
        pytest.param({"resource_id": WEB.resource_id, "at": "now"}, id="no time of day"),
        pytest.param([], id="a list"),
    ],
)
def test_the_tasks_queue_asks_for_a_look_and_for_nothing_else(world: World, body: Any) -> None:
    with pytest.raises(MessageError):
        world.door.on_message(json.dumps(body), QUEUE)

    assert names(world) == []


def test_what_a_later_publisher_adds_is_left_aside(world: World) -> None:
    record = surge(world, capacity=40, load=9e9, alarms={HIGH: "ALARM"})

    assert (record.outcome, world.desired) == (Outcome.SCALED_OUT, 6)


def test_a_task_s_message_in_the_scaler_s_own_queue_is_refused(world: World) -> None:
    sent = {"resource_id": WEB.resource_id, "at": write_moment(NOW)}

    with pytest.raises(MessageError):
        world.door.on_message(json.dumps(sent), "arn:aws:sqs:us-east-1:123456789012:Rechecks")


def test_one_that_loses_the_race_comes_back_in_a_second_or_two(world: World) -> None:
    world.targets.items[WEB.resource_id].lease = a_lease("somebody")

    assert surge(world).outcome is Outcome.LOST_RACE
    message, delay = world.sent[-1]

    assert message == Message(Surge(WEB, NOW), lost=1)
    assert delay.total_seconds() in (1, 2)


def test_one_that_keeps_losing_ends_when_it_is_ten_seconds_old(world: World) -> None:
    world.targets.items[WEB.resource_id].lease = a_lease("somebody", seconds=60)
    surge(world)
    for _ in range(20):
        message, delay = world.sent.pop()
        world.clock.advance(delay.total_seconds())
        records = world.door.on_message(json.dumps(write_message(message)))
        if records[-1].outcome is Outcome.IGNORED_SURGE:
            break

    assert world.sent == []
    assert world.clock.now - NOW <= OLDEST + timedelta(seconds=2)


def test_a_throttled_look_at_the_item_comes_back(world: World) -> None:
    throttled = CallFailedError(Outcome.FAILED_THROTTLED, "GetItem: ThrottlingException")
    world.failures["take of a surge"].append(throttled)

    assert surge(world).outcome is Outcome.FAILED_THROTTLED
    assert world.sent[-1][0] == Message(Surge(WEB, NOW), lost=1)


@pytest.mark.parametrize("call", ["peek", "claim", "GetMetricData", "commit", "SendMessage"])
def test_whatever_fails_the_message_is_done_with_and_comes_back_through_the_scaler_s_queue(
    world: World, call: str
) -> None:
    """In the tasks' queue it would hold up its group until it is seen again."""
    world.failures[call].append(RuntimeError("nobody knows"))

    record = surge(world)

    assert record.outcome is Outcome.FAILED_OTHER
    assert "RuntimeError('nobody knows')" in record.reason
    assert world.sent[-1] == (Message(Surge(WEB, NOW), lost=1), timedelta(seconds=1))


@given(
    st.lists(
        st.tuples(
            st.floats(-15, 15, allow_nan=False),
            st.sampled_from(["service/prod/web", "service/prod/another", "service/x/y"]),
            st.floats(0, 3),
        ),
        max_size=40,
    )
)
def test_no_number_of_forged_messages_changes_a_capacity_in_calm(
    sent: list[tuple[float, str, float]],
) -> None:
    """Whatever time and service they name: the load is CloudWatch's."""
    world = World()
    world.documents[WEB.parameter] = json.dumps(a_document(PublishSeconds=1))
    world.remember(calm())
    for at, resource_id, later in sent:
        world.clock.advance(later)
        show(world, *CALM, (200.0, 1.0))
        surge(world, world.clock.now + timedelta(seconds=at), resource_id=resource_id)

    assert world.desired == 4
    assert "UpdateService" not in names(world)
    assert names(world).count("claim") <= MOST_SURGES
