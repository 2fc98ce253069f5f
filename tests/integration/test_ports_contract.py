"""One suite for each port, over the in-memory stand-in and over the real adapter on moto."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.alarms.known import KnownAlarm
from quickstep.aws.attributes import from_item, to_item
from quickstep.aws.cloudwatch import CloudWatchAlarms, CloudWatchMetrics
from quickstep.aws.dynamodb import DynamoOperators, DynamoTargets
from quickstep.aws.ecs import EcsServices
from quickstep.aws.events import EventBridgeEvents
from quickstep.aws.sqs import SqsMessages
from quickstep.aws.ssm import DynamoCopies, SsmParameters
from quickstep.aws.surges import DynamoSurgeLooks
from quickstep.aws.turns import TURNS, DynamoTurns
from quickstep.config import ConfigError, parse_target
from quickstep.engine.backlog import Backlog, QueueReading
from quickstep.engine.backlog import Queue as BusyQueue
from quickstep.engine.model import (
    AlarmState,
    Datapoint,
    Direction,
    Launch,
    Override,
    Pause,
    ScalingActivity,
    Service,
    State,
)
from quickstep.engine.outcome import Outcome
from quickstep.engine.patience import Need
from quickstep.fields import write_moment
from quickstep.loop.documents import KeptDocuments
from quickstep.naming import ServiceName
from quickstep.protocol.counts import Count, Counts
from quickstep.protocol.documents import MISSING, Copy, Document
from quickstep.protocol.events import event_of
from quickstep.protocol.line import STANDSTILL, Lane, Line, Turn
from quickstep.protocol.memory import Claim, Deletion, Memory
from quickstep.protocol.messages import (
    AlarmAgain,
    Heartbeat,
    Heartbeats,
    Message,
    Recheck,
    Sweep,
    read_message,
)
from quickstep.protocol.operators import KEPT, MOST_SCHEDULES, bounds_entry
from quickstep.protocol.polls import Poll, Survey
from quickstep.protocol.ports import (
    MOST_SURGES_A_SECOND,
    CallFailedError,
    Copies,
    ItemFullError,
    LeaseLostError,
    OutOfDate,
    Parameters,
    PolicyDocuments,
    Services,
)
from quickstep_lab.embedded_aws import TABLE, Account, put_policy
from quickstep_lab.in_memory.account import InMemoryAws
from quickstep_lab.in_memory.table import ITEM_BYTES
from tests.builders import (
    DEFINITION,
    EXAMPLE_POLICY,
    HIGH,
    LOW,
    LOW_DEFINITION,
    NOW,
    WEB,
    a_document,
    a_lease,
    a_line,
    a_record,
    ago,
    known,
    load_event,
)
from tests.fakes import InMemoryEvents, World
from tests.integration.scene import elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.protocol.ports import (
        Alarms,
        Events,
        Messages,
        Metrics,
        SurgeLooks,
        Targets,
        Turns,
    )
    from quickstep_lab.embedded_aws import Account

NOWHERE = ServiceName("prod", "nowhere")


# --- targets --------------------------------------------------------------------------------------


@dataclass
class Table:
    """The port, and what others see of the table and write into it.

    `operate` writes an operator's override and pause into the item of `prod/web`, `write` any
    entries of operators.
    """

    port: Targets
    records: Callable[[], list[str]]
    operate: Callable[[Override, Pause], None]
    write: Callable[[Mapping[str, Any]], None]


SEEN_OK = KnownAlarm(AlarmState.OK, ago(60), DEFINITION)


def in_memory_table() -> Table:
    fake = InMemoryAws().targets

    def operate(override: Override, pause: Pause) -> None:
        item = fake.items[WEB.resource_id]
        state = replace(item.memory.state, override=override, pause=pause)
        item.memory = replace(item.memory, state=state)

    return Table(
        fake,
        lambda: [record.id for record in fake.records],
        operate,
        fake.items[WEB.resource_id].entries.update,
    )


def dynamo_table(account: Account) -> Table:
    client = account.client("dynamodb")

    def records() -> list[str]:
        answer = client.query(
            TableName=TABLE,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :decision)",
            ExpressionAttributeValues=to_item({":pk": WEB.resource_id, ":decision": "decision#"}),
        )
        return [from_item(item)["id"] for item in answer["Items"]]

    def operate(override: Override, pause: Pause) -> None:
        written = {
            ":override": {"min": override.min_capacity, "reason": override.reason},
            ":pause": {
                "directions": [str(direction) for direction in pause.directions],
                "until": pause.until and write_moment(pause.until),
            },
        }
        client.update_item(
            TableName=TABLE,
            Key=to_item({"pk": WEB.resource_id, "sk": "#state"}),
            UpdateExpression="SET #override = :override, pause = :pause",
            ExpressionAttributeNames={"#override": "override"},
            ExpressionAttributeValues=to_item(written),
        )

    def write(entries: Mapping[str, Any]) -> None:
        operators = DynamoOperators(client, TABLE, lambda _: None)
        seen = operators.entries(WEB.resource_id)
        for name, entry in entries.items():
            assert operators.replace(WEB.resource_id, name, seen.get(name), entry)

    return Table(DynamoTargets(client, TABLE), records, operate, write)


@pytest.fixture(params=["in memory", "DynamoDB"])
def table(request: pytest.FixtureRequest) -> Table:
    if request.param == "in memory":
        return in_memory_table()
    return dynamo_table(request.getfixturevalue("account"))


@pytest.fixture
def targets(table: Table) -> Targets:
    return table.port


RICH = Memory(
    state=State(
        ScalingActivity(ago(1), 4, 6),
        ScalingActivity(ago(90), 5, 4),
        launches=(Launch(ago(1), 2), Launch(ago(30), 1)),
    ),
    alarms={
        HIGH: known(acted_on=ago(12.5), muted=True, muted_until=ago(-60)),
        LOW: known(AlarmState.OK, 600, replace(LOW_DEFINITION, threshold=30.25), disabled=True),
        "latency": known(AlarmState.INSUFFICIENT_DATA, definition=None),
    },
    deleted={"queue-depth": Deletion(ago(40), ago(60)), "cpu": Deletion(ago(50))},
    counts=Counts(
        6, Count(8, ago(0.5)), (Count(4, ago(1)), Count(5, ago(9))), (Count(3, ago(70)),)
    ),
    generation=12,
    check_at=ago(-10),
    turn=Turn(ago(40), 2, 41),
    listed=True,
    backlog=Backlog(
        {
            "jobs": BusyQueue(ago(10), QueueReading(340, 24, 2, "dead"), 12.5),
            "mails": BusyQueue(ago(20), None, 0.0, "GetQueueUrl of mails: AccessDenied"),
        },
        (Need(ago(10), 50), Need(ago(20), 60)),
    ),
    queues=("jobs", "mails.fifo"),
    failed_at=ago(30),
)


def claimed(targets: Targets, owner: str = "next", since: datetime = NOW) -> Claim:
    """Claim the target, which is free."""
    claim = targets.claim(WEB.resource_id, a_lease(owner, since))
    assert isinstance(claim, Claim)
    return claim


def committed(targets: Targets, memory: Memory, owner: str = "me") -> None:
    """Claim the target, which is free, and commit."""
    claimed(targets, owner)
    targets.commit(owner, memory, a_record(f"by-{owner}"))


def test_a_target_claimed_for_the_first_time_remembers_nothing(targets: Targets) -> None:
    assert targets.claim(WEB.resource_id, a_lease()) == Claim(Memory())


def test_what_one_commits_the_next_claimant_remembers(targets: Targets) -> None:
    committed(targets, RICH)

    assert claimed(targets) == Claim(RICH)


def test_a_claim_is_refused_with_the_lease_of_who_holds_it(targets: Targets) -> None:
    lease = a_lease("me")
    targets.claim(WEB.resource_id, lease)

    later = a_lease("you", lease.until - timedelta(milliseconds=1))

    assert targets.claim(WEB.resource_id, later) == lease


def test_a_lease_that_has_ended_is_taken_over(targets: Targets) -> None:
    lease = a_lease("dead")
    targets.claim(WEB.resource_id, lease)

    assert targets.claim(WEB.resource_id, a_lease("next", lease.until)) == Claim(Memory())


def test_a_lease_that_was_waited_for_ends_whatever_its_own_end_says(targets: Targets) -> None:
    """It is of a host whose clock is an hour ahead."""
    ahead = a_lease("ahead", NOW + timedelta(hours=1))
    targets.claim(WEB.resource_id, ahead)
    assert targets.claim(WEB.resource_id, a_lease("first")) == ahead
    assert targets.wait(WEB.resource_id, "ahead", "first", NOW)
    assert targets.wait(WEB.resource_id, "ahead", "second", ago(-10))

    lasts = a_lease().until - a_lease().since
    too_early = a_lease("early", NOW + lasts - timedelta(milliseconds=1))
    assert targets.claim(WEB.resource_id, too_early) == ahead
    assert isinstance(targets.claim(WEB.resource_id, a_lease("next", NOW + lasts)), Claim)

    again = a_lease("again", NOW + lasts)
    assert targets.claim(WEB.resource_id, again) == a_lease("next", NOW + lasts), "waited anew"


def test_a_lease_is_waited_for_from_now_on_where_the_first_who_waits_is_an_hour_ahead(
    targets: Targets,
) -> None:
    ahead = a_lease("ahead", NOW + timedelta(hours=1))
    targets.claim(WEB.resource_id, ahead)
    assert targets.wait(WEB.resource_id, "ahead", "wrong", NOW + timedelta(hours=1))
    assert targets.wait(WEB.resource_id, "ahead", "right", NOW)

    lasts = a_lease().until - a_lease().since
    assert isinstance(targets.claim(WEB.resource_id, a_lease("next", NOW + lasts)), Claim)


def test_a_claim_whose_answer_was_lost_can_be_repeated(targets: Targets) -> None:
    committed(targets, RICH)
    lease = a_lease("next")
    first = targets.claim(WEB.resource_id, lease)

    assert targets.claim(WEB.resource_id, lease) == first == Claim(RICH)
    assert targets.peek(WEB.resource_id) == (RICH, lease)


def test_leases_of_different_targets_do_not_meet(targets: Targets) -> None:
    claimed(targets, "me")

    assert targets.claim(NOWHERE.resource_id, a_lease("you")) == Claim(Memory())


@pytest.mark.parametrize(
    ("generation", "granted"), [(12, True), (11, False), (13, False), (0, False)]
)
def test_a_claim_for_a_generation_is_granted_in_that_one_only(
    targets: Targets, generation: int, *, granted: bool
) -> None:
    committed(targets, RICH)

    claim = targets.claim(WEB.resource_id, a_lease("next"), generation)

    assert claim == (Claim(RICH) if granted else OutOfDate(12))


def test_a_claim_that_is_out_of_date_leaves_no_trace(targets: Targets) -> None:
    committed(targets, RICH)
    targets.claim(WEB.resource_id, a_lease("late"), 11)

    assert targets.peek(WEB.resource_id) == (RICH, None)


def test_a_target_that_never_committed_is_at_no_generation(targets: Targets) -> None:
    assert targets.claim(WEB.resource_id, a_lease(), 1) == OutOfDate(0)
    assert targets.peek(WEB.resource_id) == (Memory(), None)


@pytest.mark.parametrize("generation", [11, 12])
def test_out_of_date_counts_more_than_that_somebody_holds_the_lease(
    targets: Targets, generation: int
) -> None:
    committed(targets, RICH)
    claimed(targets, "me")

    claim = targets.claim(WEB.resource_id, a_lease("late"), generation)

    assert claim == (a_lease("me") if generation == 12 else OutOfDate(12))


def test_a_repeated_claim_for_a_generation_is_granted_again(targets: Targets) -> None:
    committed(targets, RICH)
    targets.claim(WEB.resource_id, a_lease("next"), 12)

    assert targets.claim(WEB.resource_id, a_lease("next"), 12) == Claim(RICH)


def test_a_commit_releases_the_lease_and_stores_its_record(table: Table) -> None:
    claimed(table.port, "me")

    table.port.commit("me", RICH, a_record("decision"))

    assert table.port.peek(WEB.resource_id) == (RICH, None)
    assert table.records() == ["decision"]


def test_a_commit_after_the_lease_was_taken_over_is_refused_and_writes_nothing(
    table: Table,
) -> None:
    table.port.claim(WEB.resource_id, a_lease("slow", ago(20)))
    claimed(table.port, "thief")

    with pytest.raises(LeaseLostError):
        table.port.commit("slow", RICH, a_record("one"))

    assert table.port.peek(WEB.resource_id) == (Memory(), a_lease("thief"))
    assert table.records() == []


def test_a_commit_without_any_claim_is_refused(table: Table) -> None:
    with pytest.raises(LeaseLostError):
        table.port.commit("me", RICH, a_record())

    assert table.records() == []


def test_a_commit_cannot_be_made_twice(targets: Targets) -> None:
    committed(targets, RICH)

    with pytest.raises(LeaseLostError):
        targets.commit("me", Memory(), a_record("again"))


def test_what_an_operator_writes_during_an_evaluation_survives_its_commit(table: Table) -> None:
    override = Override(10, None, None, "launch")
    pause = Pause(frozenset({Direction.IN}), ago(-600))
    claimed(table.port, "me")
    table.operate(override, pause)

    table.port.commit("me", RICH, a_record())

    state = replace(RICH.state, override=override, pause=pause)
    assert claimed(table.port).memory == replace(RICH, state=state)


def test_a_record_needs_no_lease_and_leaves_the_item_alone(table: Table) -> None:
    claimed(table.port, "me")

    table.port.record(a_record("beaten"))

    assert table.records() == ["beaten"]
    assert table.port.peek(WEB.resource_id) == (Memory(), a_lease("me"))


def test_a_re_check_that_comes_later_is_noted_and_nothing_else(targets: Targets) -> None:
    committed(targets, RICH)

    assert targets.postpone(WEB.resource_id, 12, ago(-300))
    assert targets.peek(WEB.resource_id) == (replace(RICH, check_at=ago(-300)), None)


@pytest.mark.parametrize("generation", [11, 13])
def test_of_another_generation_no_re_check_comes_later(targets: Targets, generation: int) -> None:
    committed(targets, RICH)

    assert not targets.postpone(WEB.resource_id, generation, ago(-300))
    assert targets.peek(WEB.resource_id) == (RICH, None)


def test_nor_does_one_of_a_target_that_is_not_known(targets: Targets) -> None:
    assert not targets.postpone(WEB.resource_id, 0, ago(-300))
    assert targets.peek(WEB.resource_id) == (Memory(), None)


def test_a_peek_sees_memory_and_lease_and_takes_neither(targets: Targets) -> None:
    assert targets.peek(WEB.resource_id) == (Memory(), None)
    committed(targets, RICH)
    lease = a_lease("next", ago(60))
    targets.claim(WEB.resource_id, lease)

    assert targets.peek(WEB.resource_id) == (RICH, lease)
    assert claimed(targets, "another").memory == RICH


# --- what is asked for, who waits, and what is in the way -----------------------------------------

ASKED = replace(RICH, counts=RICH.counts.ask(9, NOW))


def test_what_is_asked_for_is_remembered_before_and_the_lease_stays(targets: Targets) -> None:
    committed(targets, RICH)
    claimed(targets, "me")

    targets.ask("me", WEB.resource_id, ASKED)

    assert targets.peek(WEB.resource_id) == (ASKED, a_lease("me"))


def test_a_holder_that_has_lost_the_lease_requests_nothing(targets: Targets) -> None:
    committed(targets, RICH)

    with pytest.raises(LeaseLostError):
        targets.ask("me", WEB.resource_id, ASKED)

    assert targets.peek(WEB.resource_id) == (RICH, None)


LEARNED = known(seconds_ago=1)


def test_the_next_claim_sees_the_event_that_lost_the_race(targets: Targets) -> None:
    claimed(targets, "me")

    assert targets.wait(WEB.resource_id, "me", "you", NOW, (HIGH, LEARNED))

    assert targets.commit("me", RICH, a_record()), "somebody has waited"
    assert claimed(targets) == Claim(RICH, {HIGH: LEARNED}, "you")


def test_what_a_claim_has_shown_goes_with_its_commit(targets: Targets) -> None:
    claimed(targets, "me")
    targets.wait(WEB.resource_id, "me", "you", NOW, (HIGH, LEARNED))
    targets.commit("me", RICH, a_record())
    claim = claimed(targets)

    assert not targets.commit("next", RICH, a_record(), claim)

    assert claimed(targets, "another") == Claim(RICH)


def test_what_came_after_the_claim_stays(targets: Targets) -> None:
    claim = claimed(targets, "me")
    targets.wait(WEB.resource_id, "me", "you", NOW, (HIGH, LEARNED))

    assert targets.commit("me", RICH, a_record(), claim)

    assert claimed(targets).waiting == {HIGH: LEARNED}


def test_of_two_events_of_an_alarm_the_newer_one_is_kept(targets: Targets) -> None:
    claimed(targets, "me")
    older = known(AlarmState.OK, 5)
    targets.wait(WEB.resource_id, "me", "one", NOW, (HIGH, LEARNED))

    assert targets.wait(WEB.resource_id, "me", "two", NOW, (HIGH, older))
    assert targets.wait(WEB.resource_id, "me", "three", NOW, (LOW, older))

    targets.commit("me", RICH, a_record())
    assert claimed(targets).waiting == {HIGH: LEARNED, LOW: older}


def test_a_finished_turn_delays_no_other(targets: Targets) -> None:
    committed(targets, RICH)

    assert not targets.wait(WEB.resource_id, "me", "you", NOW, (HIGH, LEARNED))

    assert claimed(targets) == Claim(RICH)


def test_targets_are_listed_with_their_first_commit(targets: Targets) -> None:
    assert targets.listed() == {}
    claimed(targets, "me")
    assert targets.listed() == {}

    targets.commit("me", Memory(generation=3), a_record())

    assert targets.listed() == {WEB.resource_id: ()}
    assert targets.peek(WEB.resource_id)[0].listed


def test_a_target_is_taken_from_the_list_until_its_next_commit(targets: Targets) -> None:
    committed(targets, replace(RICH, listed=False))

    targets.unlist(WEB.resource_id, RICH.generation)

    assert targets.listed() == {}
    committed(targets, targets.peek(WEB.resource_id)[0], "another")
    assert targets.listed() == {WEB.resource_id: RICH.queues}


@pytest.mark.parametrize("held", [True, False], ids=["held", "of another generation"])
def test_one_that_something_happens_to_stays_on_it(targets: Targets, *, held: bool) -> None:
    committed(targets, replace(RICH, listed=False))
    if held:
        claimed(targets)

    targets.unlist(WEB.resource_id, RICH.generation if held else RICH.generation - 1)

    assert targets.listed() == {WEB.resource_id: RICH.queues}
    assert targets.peek(WEB.resource_id)[0].listed


LONG_OVER = bounds_entry((20, None), NOW - KEPT, reason="", by="sale", at=ago(200_000))


def test_an_operator_s_entry_that_is_long_over_goes_with_a_commit(table: Table) -> None:
    just_over = {**LONG_OVER, "until": write_moment(ago(1))}
    table.write({"override:sale": LONG_OVER, "override:night": just_over, "override": LONG_OVER})
    claim = claimed(table.port, "me")

    assert not table.port.commit("me", claim.memory, a_record(), claim)

    assert claimed(table.port).entries == {"override:night": just_over}


def test_one_that_was_written_anew_since_the_claim_is_never_removed(table: Table) -> None:
    table.write({"override:sale": LONG_OVER})
    claim = claimed(table.port, "me")
    anew = {**LONG_OVER, "until": write_moment(ago(-3_600))}
    table.write({"override:sale": anew})

    table.port.commit("me", claim.memory, a_record(), claim)

    assert claimed(table.port).entries == {"override:sale": anew}


def test_of_more_schedules_than_there_may_be_the_newest_are_dropped(table: Table) -> None:
    until = write_moment(ago(-3_600))
    schedules = {
        f"override:s{number}": {**LONG_OVER, "until": until, "at": write_moment(ago(900 - number))}
        for number in range(MOST_SCHEDULES + 2)
    }
    over = {**LONG_OVER, "until": write_moment(ago(5))}
    table.write({**schedules, "override:over": over})
    claim = claimed(table.port, "me")

    table.port.commit("me", claim.memory, a_record(), claim)

    assert list(schedules)[:-2] == sorted(
        claimed(table.port).entries, key=lambda name: int(name.removeprefix("override:s"))
    )


def test_an_item_that_would_be_too_large_is_refused_and_nothing_recorded(table: Table) -> None:
    limit = 400 * 1024 if elsewhere() and isinstance(table.port, DynamoTargets) else ITEM_BYTES
    table.write({"override": {"reason": "x" * (limit - 500)}})
    claimed(table.port, "me")

    with pytest.raises(ItemFullError, match="has no room"):
        table.port.ask("me", WEB.resource_id, RICH)
    with pytest.raises(ItemFullError, match="has no room"):
        table.port.commit("me", RICH, a_record())

    assert table.records() == []


# --- surges ---------------------------------------------------------------------------------------


@pytest.fixture(params=["in memory", "DynamoDB"])
def surges(request: pytest.FixtureRequest) -> SurgeLooks:
    if request.param == "in memory":
        return InMemoryAws().surge_looks
    return DynamoSurgeLooks(request.getfixturevalue("account").client("dynamodb"), TABLE)


def test_so_many_surges_are_looked_at_in_a_second(surges: SurgeLooks) -> None:
    taken = [surges.take(NOW) for _ in range(MOST_SURGES_A_SECOND + 1)]

    assert taken == [*[True] * MOST_SURGES_A_SECOND, False]
    assert not surges.take(NOW - timedelta(milliseconds=500)), "it is the same second"


def test_each_second_has_its_own_looks(surges: SurgeLooks) -> None:
    for _ in range(MOST_SURGES_A_SECOND + 1):
        surges.take(NOW)

    assert surges.take(NOW + timedelta(seconds=1))
    assert surges.take(ago(1))


# --- turns ----------------------------------------------------------------------------------------


@pytest.fixture(params=["in memory", "DynamoDB"])
def turns(request: pytest.FixtureRequest) -> Turns:
    if request.param == "in memory":
        return InMemoryAws().turns
    return DynamoTurns(request.getfixturevalue("account").client("dynamodb"), TABLE)


def test_a_new_line_has_no_wait(turns: Turns) -> None:
    assert turns.read() == Line()


def test_numbers_of_a_lane_are_taken_one_after_the_other(turns: Turns) -> None:
    taken = [turns.take(2, NOW).lanes[2].taken for _ in range(3)]

    assert taken == [1, 2, 3]
    assert turns.read() == a_line(lane2=Lane(3, 0, NOW))


def test_each_lane_has_its_own_numbers(turns: Turns) -> None:
    turns.take(2, NOW)

    assert turns.take(4, NOW) == a_line(lane2=Lane(1, 0, NOW), lane4=Lane(1))
    assert turns.take(0, NOW) == a_line(lane0=Lane(1, 0, NOW), lane2=Lane(1, 0, NOW), lane4=Lane(1))


def test_a_number_that_is_served_passes_over_those_before_it(turns: Turns) -> None:
    for _ in range(5):
        turns.take(1, ago(5))

    turns.serve(1, 3, NOW)

    assert turns.read() == a_line(lane1=Lane(5, 3, NOW))


def test_a_number_that_nobody_took_is_not_served(turns: Turns) -> None:
    turns.take(1, ago(5))

    turns.serve(1, 2**40, NOW)
    turns.serve(2, 1, NOW)

    assert turns.read() == a_line(lane1=Lane(1, 0, ago(5)))


@pytest.mark.parametrize("number", [2, 3], ids=["passed over", "served twice"])
def test_a_number_that_was_passed_changes_nothing(turns: Turns, number: int) -> None:
    for _ in range(5):
        turns.take(1, ago(5))
    turns.serve(1, 3, ago(3))

    turns.serve(1, number, NOW)

    assert turns.read() == a_line(lane1=Lane(5, 3, ago(3)))


def test_the_first_number_of_a_lane_is_served_though_the_line_moved_before(turns: Turns) -> None:
    turns.take(0, ago(5))
    turns.take(1, ago(5))

    turns.serve(1, 1, NOW)

    assert turns.read().lanes[1] == Lane(1, 1, NOW)


@pytest.mark.parametrize(
    ("seconds", "served"), [(29, 0), (30, 2)], ids=["moves", "stands still for long"]
)
def test_a_line_at_a_standstill_is_not_waited_for(
    turns: Turns, seconds: float, served: int
) -> None:
    assert timedelta(seconds=30) == STANDSTILL
    for _ in range(2):
        turns.take(1, ago(seconds))

    moved_at = NOW if served else ago(seconds)
    assert turns.take(1, NOW) == a_line(lane1=Lane(3, served, moved_at))


def test_a_lane_behind_one_that_moves_does_not_stand_still(turns: Turns) -> None:
    for _ in range(2):
        turns.take(3, ago(60))
    turns.take(0, NOW)

    assert turns.take(3, NOW).lanes[3] == Lane(3, 0, ago(60))


@pytest.mark.parametrize("forged", ["three", 1.5, -1, 2**60, None], ids=repr)
def test_a_line_that_cannot_be_read_is_a_failed_call(account: Account, forged: Any) -> None:
    """Only the adapter meets one."""
    client = account.client("dynamodb")
    item = to_item({"pk": TURNS, "sk": "#state", "taken2": forged, "moved2": 1})
    client.put_item(TableName=TABLE, Item=item)

    with pytest.raises(CallFailedError, match="has no numbers in lane 2") as caught:
        DynamoTurns(client, TABLE).read()

    assert caught.value.outcome is Outcome.FAILED_OTHER


@pytest.mark.parametrize("call", ["take", "serve", "read"])
def test_a_line_without_its_table_is_a_failed_call(account: Account, call: str) -> None:
    nowhere = DynamoTurns(account.client("dynamodb"), "nowhere")
    calls: dict[str, Callable[[], object]] = {
        "take": lambda: nowhere.take(0, NOW),
        "serve": lambda: nowhere.serve(0, 1, NOW),
        "read": nowhere.read,
    }

    with pytest.raises(CallFailedError):
        calls[call]()


# --- services -------------------------------------------------------------------------------------


@pytest.fixture(params=["in memory", "ECS"])
def services(request: pytest.FixtureRequest) -> Services:
    if request.param == "in memory":
        fake = InMemoryAws()
        fake.services[WEB] = Service(4, 4, 0)
        return fake
    client = request.getfixturevalue("account").client("ecs")
    return EcsServices(client, client)


def test_a_service_is_described(services: Services) -> None:
    assert services.describe(WEB).desired == 4


def test_services_of_a_cluster_are_described_together_without_those_that_are_gone(
    services: Services,
) -> None:
    described = services.describe_all([WEB, NOWHERE])

    assert {name: service.desired for name, service in described.items()} == {WEB: 4}


def test_a_desired_count_that_was_set_is_described(services: Services) -> None:
    services.set_desired_count(WEB, 7)

    assert services.describe(WEB).desired == 7


@pytest.mark.parametrize(
    "missing", [NOWHERE, ServiceName("gone", "web")], ids=["no such service", "no such cluster"]
)
@pytest.mark.parametrize("call", ["describe", "set_desired_count"])
def test_what_does_not_exist_is_not_found(
    services: Services, missing: ServiceName, call: str
) -> None:
    calls: dict[str, Callable[[], object]] = {
        "describe": lambda: services.describe(missing),
        "set_desired_count": lambda: services.set_desired_count(missing, 3),
    }

    with pytest.raises(CallFailedError) as caught:
        calls[call]()

    assert caught.value.outcome is Outcome.FAILED_NOT_FOUND
    assert caught.value.why


# --- policy documents -----------------------------------------------------------------------------

Documents = tuple[PolicyDocuments, "Callable[[ServiceName, str | None], None]"]


def kept(parameters: Parameters, copies: Copies) -> KeptDocuments:
    """Return what a function makes of them that remembers nothing."""
    return KeptDocuments(parameters, copies, timedelta(), lambda: NOW)


@pytest.fixture(params=["in memory", "kept, in memory", "kept, SSM and DynamoDB"])
def documents(request: pytest.FixtureRequest) -> Documents:
    """The port, and how to store a document behind it, or to delete it."""
    if "memory" in request.param:
        fake = InMemoryAws()

        def store(service: ServiceName, text: str | None) -> None:
            fake.documents.pop(service.parameter, None)
            fake.documents.update({service.parameter: text} if text else {})

        return kept(fake, fake.copies) if "kept" in request.param else fake, store
    account: Account = request.getfixturevalue("account")
    ssm = account.client("ssm")

    def put(service: ServiceName, text: str | None) -> None:
        if text:
            put_policy(account, service, text)
        else:
            ssm.delete_parameters(Names=[service.parameter])

    return kept(SsmParameters(ssm), DynamoCopies(account.client("dynamodb"), TABLE)), put


def test_a_stored_document_is_loaded(documents: Documents) -> None:
    port, store = documents
    text = EXAMPLE_POLICY.read_text(encoding="utf-8")
    store(WEB, text)

    assert port.load(WEB) == parse_target(text)


def test_a_document_that_is_not_there_is_a_config_error(documents: Documents) -> None:
    port, _ = documents

    with pytest.raises(ConfigError, match="/quickstep/prod/nowhere: is missing"):
        port.load(NOWHERE)


def test_a_document_that_breaks_a_rule_is_a_config_error(documents: Documents) -> None:
    port, store = documents
    store(WEB, '{"ResourceId": "service/prod/web"}')

    with pytest.raises(ConfigError, match="MinCapacity: is required"):
        port.load(WEB)


def test_a_document_of_another_target_is_a_config_error(documents: Documents) -> None:
    port, store = documents
    store(NOWHERE, EXAMPLE_POLICY.read_text(encoding="utf-8"))

    with pytest.raises(ConfigError, match="must be service/prod/nowhere"):
        port.load(NOWHERE)


def test_a_document_that_was_changed_counts_once_it_was_looked_at_anew(
    documents: Documents,
) -> None:
    port, store = documents
    for least in (2, 3):
        store(WEB, json.dumps(a_document(MinCapacity=least)))
        port.refresh([WEB, NOWHERE])

        assert port.load(WEB).min_capacity == least


def test_that_a_document_is_missing_is_said_once(documents: Documents) -> None:
    port, store = documents
    text = EXAMPLE_POLICY.read_text(encoding="utf-8")
    api = ServiceName("prod", "api")
    store(api, text)
    seen = []
    for stored in (None, None, text, None, None):
        store(WEB, stored)
        seen.append(port.refresh([WEB, api]))

    assert seen == [set(), {WEB}, set(), set(), {WEB}]


def test_what_an_evaluation_found_missing_the_heartbeat_knows_of(documents: Documents) -> None:
    port, _ = documents
    with pytest.raises(ConfigError):
        port.load(NOWHERE)

    assert port.refresh([NOWHERE]) == {NOWHERE}


# --- copies of documents --------------------------------------------------------------------------


@pytest.fixture(params=["in memory", "DynamoDB"])
def copies(request: pytest.FixtureRequest) -> Copies:
    if request.param == "in memory":
        return InMemoryAws().copies
    return DynamoCopies(request.getfixturevalue("account").client("dynamodb"), TABLE)


def a_copy(text: str, modified: str) -> Copy:
    return Copy.of(Document(text, modified=modified), NOW)


def test_a_copy_is_read_as_it_was_written(copies: Copies) -> None:
    assert copies.read(WEB) is None
    for copy in (a_copy("{}", "2026-11-22T10:00:00.000Z"), Copy.of(MISSING, NOW)):
        copies.write(WEB, copy)
        assert copies.read(WEB) == copy
    assert copies.read(NOWHERE) is None


def test_an_older_document_never_takes_the_place_of_a_newer_one(copies: Copies) -> None:
    newer = a_copy("newer", "2026-11-22T10:00:00.001Z")
    copies.write(WEB, newer)
    copies.write(WEB, a_copy("older", "2026-11-22T10:00:00.000Z"))

    assert copies.read(WEB) == newer


# --- messages -------------------------------------------------------------------------------------


@dataclass
class Queue:
    """The port, the messages that have arrived by now, and the number of those that are due."""

    port: Messages
    arrived: Callable[[], list[Message]]
    under_way: Callable[[], int]


def in_memory_queue() -> Queue:
    fake = InMemoryAws()
    return Queue(
        fake,
        lambda: [message for message, delay in fake.sent if not delay],
        lambda: len([message for message, delay in fake.sent if delay]),
    )


def sqs_queue(account: Account, url: str) -> Queue:
    client = account.client("sqs")
    delayed = "ApproximateNumberOfMessagesDelayed"

    def arrived() -> list[Message]:
        messages: list[Message] = []
        while answer := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            messages += [read_message(message["Body"]) for message in answer]
        return messages

    def under_way() -> int:
        answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=[delayed])
        return int(answer["Attributes"][delayed])

    return Queue(SqsMessages(client, url), arrived, under_way)


@pytest.fixture(params=["in memory", "SQS"])
def queue(request: pytest.FixtureRequest) -> Queue:
    if request.param == "in memory":
        return in_memory_queue()
    account: Account = request.getfixturevalue("account")
    return sqs_queue(account, request.getfixturevalue("queue_url"))


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(Message(Recheck(WEB, 7, 3, Turn(ago(20), 2, 41)), lost=2), id="re-check"),
        pytest.param(Message(AlarmAgain(load_event("alarm-metric-math")), lost=1), id="alarm"),
        pytest.param(
            Message(Heartbeats((Heartbeat(WEB, {HIGH: SEEN_OK}),))),
            id="look",
        ),
        pytest.param(Message(Sweep("a token: ü")), id="sweep"),
        pytest.param(Message(Survey("a token")), id="survey"),
        pytest.param(Message(Poll(ago(-30), {WEB: ("jobs",)}, 140)), id="poll"),
    ],
)
def test_a_message_arrives_as_it_was_sent(queue: Queue, message: Message) -> None:
    queue.port.send(message, timedelta())

    assert queue.arrived() == [message]


def test_a_message_with_a_delay_has_not_arrived_yet(queue: Queue) -> None:
    queue.port.send(Message(Recheck(WEB, 7)), timedelta(seconds=10))

    assert queue.arrived() == []
    assert queue.under_way() == 1


@pytest.mark.parametrize("count", [0, 1, 10, 11, 25])
def test_many_messages_all_arrive_at_once(queue: Queue, count: int) -> None:
    messages = [Message(Recheck(ServiceName("prod", f"web-{n}"), n)) for n in range(count)]

    queue.port.send_all([(message, timedelta()) for message in messages])

    assert sorted(queue.arrived(), key=repr) == sorted(messages, key=repr)
    assert queue.under_way() == 0


def test_each_of_many_messages_has_its_own_delay(queue: Queue) -> None:
    now, later = (Message(Recheck(WEB, number)) for number in range(2))

    queue.port.send_all([(now, timedelta()), (later, timedelta(seconds=10))])

    assert queue.arrived() == [now]
    assert queue.under_way() == 1


@pytest.fixture(params=["in memory", "SQS"])
def broken_queue(request: pytest.FixtureRequest) -> Messages:
    if request.param == "in memory":
        world = World()
        world.failures["SendMessage"].append(CallFailedError(Outcome.FAILED_OTHER, "no such queue"))
        return world
    account: Account = request.getfixturevalue("account")
    return SqsMessages(account.client("sqs"), f"{account.endpoint_url}/123456789012/nowhere")


@pytest.mark.parametrize("call", ["send", "send_all"])
def test_a_message_that_cannot_be_sent_is_a_failed_call(broken_queue: Messages, call: str) -> None:
    message = Message(Recheck(WEB, 7))
    calls: dict[str, Callable[[], None]] = {
        "send": lambda: broken_queue.send(message, timedelta()),
        "send_all": lambda: broken_queue.send_all([(message, timedelta())]),
    }

    with pytest.raises(CallFailedError) as caught:
        calls[call]()

    assert caught.value.outcome is Outcome.FAILED_OTHER


# --- metrics --------------------------------------------------------------------------------------


@dataclass
class MetricStore:
    """The port, and how a policy's metric gets its value for the period that begins at a time.

    Two tasks publish in each period.
    """

    port: Metrics
    publish: Callable[[str, AlarmDefinition, datetime, float], None]


def in_memory_metrics() -> MetricStore:
    fake = InMemoryAws()

    def publish(policy: str, _definition: AlarmDefinition, at: datetime, value: float) -> None:
        fake.points.setdefault(policy, []).append(Datapoint(at, value, 2))

    return MetricStore(fake, publish)


def cloudwatch_metrics(account: Account) -> MetricStore:
    client = account.client("cloudwatch")

    def publish(_policy: str, definition: AlarmDefinition, at: datetime, value: float) -> None:
        """Publish off the period's grid; the average is the value."""
        (metric,) = (query["MetricStat"] for query in definition.queries if "MetricStat" in query)
        offset = timedelta(seconds=definition.period)
        client.put_metric_data(
            Namespace=metric["Metric"]["Namespace"],
            MetricData=[
                {
                    "MetricName": metric["Metric"]["MetricName"],
                    "Dimensions": metric["Metric"].get("Dimensions", []),
                    "Timestamp": at + offset * share,
                    "Value": value + deviation,
                    "StorageResolution": 1,
                }
                for share, deviation in [(0.1, -7.5), (0.9, 7.5)]
            ],
        )

    return MetricStore(CloudWatchMetrics(client), publish)


@pytest.fixture(params=["in memory", "CloudWatch"])
def metrics(request: pytest.FixtureRequest) -> MetricStore:
    if request.param == "in memory":
        return in_memory_metrics()
    return cloudwatch_metrics(request.getfixturevalue("account"))


GRID = NOW.replace(second=0, microsecond=0)  # 10:00:00, 12.5 s before NOW


def before(seconds: float) -> datetime:
    return GRID - timedelta(seconds=seconds)


def renamed(definition: AlarmDefinition, name: str, **changes: Any) -> AlarmDefinition:
    """Return a definition over another metric."""
    (query,) = definition.queries
    stat = query["MetricStat"]
    body = {**stat, "Metric": {**stat["Metric"], "MetricName": name}, **changes}
    return replace(definition, queries=({**query, "MetricStat": body},))


@pytest.mark.parametrize("second", [0, 3, 9.999, 12.5, 59])
def test_datapoints_lie_on_the_grid_of_their_period_whenever_they_are_read(
    metrics: MetricStore, second: float
) -> None:
    """Of a 10-second alarm, read at any second of the minute."""
    now = GRID + timedelta(seconds=second)
    newest = GRID + timedelta(seconds=second // 10 * 10 - 10)  # the newest complete period's begin
    expected = [
        Datapoint(newest - timedelta(seconds=10), 150.0, 2),
        Datapoint(newest, 160.0, 2),
    ]
    for point in expected:
        metrics.publish(HIGH, DEFINITION, point.at, point.value)

    assert list(metrics.port.read({HIGH: DEFINITION}, now)[HIGH]) == expected


def test_the_alarms_of_a_target_are_read_together_each_on_its_own_grid(
    metrics: MetricStore,
) -> None:
    slow = replace(renamed(DEFINITION, "Latency", Period=60), period=60, n=2, m=1)
    queue = renamed(DEFINITION, "QueueLength")
    metrics.publish(HIGH, DEFINITION, before(20), 160.0)
    metrics.publish("slow", slow, before(120), 0.5)
    metrics.publish("slow", slow, before(60), 0.75)

    read = metrics.port.read({HIGH: DEFINITION, "slow": slow, "queue": queue}, NOW)

    assert list(read[HIGH]) == [Datapoint(before(20), 160.0, 2)]
    assert list(read["slow"]) == [Datapoint(before(120), 0.5, 2), Datapoint(before(60), 0.75, 2)]
    assert not read.get("queue")


def test_datapoints_come_oldest_first_with_gaps_where_there_are_none(metrics: MetricStore) -> None:
    for begin, value in [(before(10), 130.0), (before(40), 110.0), (before(30), 120.0)]:
        metrics.publish(HIGH, DEFINITION, begin, value)
    wide = replace(DEFINITION, n=3)

    read = metrics.port.read({HIGH: wide}, NOW)

    assert list(read[HIGH]) == [
        Datapoint(before(40), 110.0, 2),
        Datapoint(before(30), 120.0, 2),
        Datapoint(before(10), 130.0, 2),
    ]


def test_what_is_no_plain_average_comes_without_its_samples(metrics: MetricStore) -> None:
    peak = renamed(DEFINITION, "Peak", Stat="Maximum")
    metrics.publish("peak", peak, before(20), 160.0)

    (point,) = metrics.port.read({"peak": peak}, NOW)["peak"]

    assert point.samples is None


def test_the_load_of_the_last_minutes_is_read_whatever_the_alarm_s_own_window(
    metrics: MetricStore,
) -> None:
    metrics.publish(HIGH, DEFINITION, before(120), 130.0)

    read = metrics.port.read({HIGH: DEFINITION}, NOW)

    assert list(read[HIGH]) == [Datapoint(before(120), 130.0, 2)]


# --- alarms ---------------------------------------------------------------------------------------


@dataclass
class AlarmStore:
    """The port, and how an alarm comes into being."""

    port: Alarms
    put: Callable[[ServiceName, str, KnownAlarm], None]


def in_memory_alarms() -> AlarmStore:
    fake = InMemoryAws()

    def put(service: ServiceName, policy: str, alarm: KnownAlarm) -> None:
        fake.alarms[service, policy] = alarm

    return AlarmStore(fake, put)


def cloudwatch_alarms(account: Account) -> AlarmStore:
    client = account.client("cloudwatch")

    def put(service: ServiceName, policy: str, alarm: KnownAlarm) -> None:
        put_alarm(client, service.alarm(policy), alarm)

    return AlarmStore(CloudWatchAlarms(client), put)


def put_alarm(client: Any, name: str, alarm: KnownAlarm) -> None:
    definition = alarm.definition
    assert definition
    (query,) = definition.queries
    client.put_metric_alarm(
        AlarmName=name,
        ActionsEnabled=not alarm.disabled,
        **query["MetricStat"]["Metric"],
        Statistic=query["MetricStat"]["Stat"],
        Period=definition.period,
        EvaluationPeriods=definition.n,
        DatapointsToAlarm=definition.m,
        Threshold=definition.threshold,
        ComparisonOperator=definition.comparison,
    )
    client.set_alarm_state(AlarmName=name, StateValue=str(alarm.state), StateReason="test")


@pytest.fixture(params=["in memory", "CloudWatch"])
def alarms(request: pytest.FixtureRequest) -> AlarmStore:
    if request.param == "in memory":
        return in_memory_alarms()
    return cloudwatch_alarms(request.getfixturevalue("account"))


def with_dimensions(definition: AlarmDefinition) -> AlarmDefinition:
    (query,) = definition.queries
    stat = query["MetricStat"]
    dimensions = [{"Name": "ServiceName", "Value": "web"}]
    metric = {**stat["Metric"], "Dimensions": dimensions}
    return replace(
        definition, queries=({**query, "MetricStat": {**stat, "Metric": metric}},), n=3, m=2
    )


FIRING = KnownAlarm(AlarmState.ALARM, ago(30), with_dimensions(DEFINITION))
OFF = KnownAlarm(AlarmState.OK, ago(30), with_dimensions(LOW_DEFINITION), disabled=True)


def test_an_account_without_alarms_has_one_empty_page(alarms: AlarmStore) -> None:
    assert alarms.port.page(None) == ({}, None)


def test_alarms_are_described_by_service_and_policy(alarms: AlarmStore) -> None:
    alarms.put(WEB, HIGH, FIRING)
    alarms.put(WEB, LOW, OFF)
    alarms.put(NOWHERE, HIGH, FIRING)

    page, token = alarms.port.page(None)

    assert token is None
    assert {key: replace(alarm, at=ago(30)) for key, alarm in page.items()} == {
        (WEB, HIGH): FIRING,
        (WEB, LOW): OFF,
        (NOWHERE, HIGH): FIRING,
    }
    assert all(alarm.at.utcoffset() is not None for alarm in page.values())


def test_a_state_that_changes_is_described(alarms: AlarmStore) -> None:
    alarms.put(WEB, HIGH, FIRING)
    alarms.put(WEB, HIGH, replace(FIRING, state=AlarmState.INSUFFICIENT_DATA))

    page, _ = alarms.port.page(None)

    assert page[WEB, HIGH].state is AlarmState.INSUFFICIENT_DATA


def test_alarms_of_others_are_not_ours(account: Account) -> None:
    """Only the adapter meets them; moto filters by prefix, the rest of the name is ours to read."""
    client = account.client("cloudwatch")
    for name in [
        "web-cpu",
        "quickstep/prod/web",
        "quickstep/prod/web/high/er",
        "quickstep-of-others/prod/web/high",
        "quickstep/prod/web/high",
    ]:
        put_alarm(client, name, FIRING)

    page, _ = CloudWatchAlarms(client).page(None)

    assert list(page) == [(WEB, "high")]


# --- events ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bus:
    """A bus of events, and how to see what was put on it."""

    events: Events
    seen: Callable[[], list[Mapping[str, Any]]]


@pytest.fixture(params=["in memory", "AWS"])
def bus(request: pytest.FixtureRequest) -> Bus:
    if request.param == "in memory":
        kept = InMemoryEvents()
        return Bus(kept, lambda: list(kept.put_events))
    return on_aws(request.getfixturevalue("account"))


def on_aws(account: Account) -> Bus:
    """Return the default bus, whose events a rule sends to a queue."""
    sqs, events = account.client("sqs"), account.client("events")
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    events.put_rule(Name="told", EventPattern=json.dumps({"source": ["quickstep"]}))
    target = {"Id": "told", "Arn": arn["Attributes"]["QueueArn"]}
    events.put_targets(Rule="told", Targets=[target])

    def seen() -> list[Mapping[str, Any]]:
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(each["Body"])["detail"] for each in found]

    return Bus(EventBridgeEvents(events), seen)


def test_a_rule_receives_what_is_put_on_the_bus(bus: Bus) -> None:
    records = [a_record("first"), a_record("second", Outcome.FAILED_DENIED)]

    bus.events.put([event_of(record) for record in records])

    seen = sorted(bus.seen(), key=lambda event: str(event["id"]))
    assert [(event["id"], event["outcome"]) for event in seen] == [
        ("first", str(records[0].outcome)),
        ("second", "FAILED_DENIED"),
    ]
    assert {event["version"] for event in seen} == {"1"}
