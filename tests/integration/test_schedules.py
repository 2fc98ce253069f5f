"""Stories of schedules and overrides, through the real handlers on the embedded AWS.

The schedules are those of `templates/scalable-target.yaml`; when the Scheduler would fire them is
worked out from the clocks of their time zone, on a night in which these are put back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

from functions.schedule.handler import handler as schedule_handler
from quickstep.aws.dynamodb import DynamoOperators
from quickstep.engine.model import Override
from quickstep.naming import ServiceName
from quickstep.protocol.memory import Lease, Memory
from quickstep.settings import ScheduleSettings
from quickstep.wiring import make_schedules
from quickstep_lab.embedded_aws import TABLE, create_service, desired_count, put_policy
from quickstep_lab.scaler import Invocation
from tests.builders import WEB, a_document, a_lease, a_record
from tests.integration.scene import (
    a_door,
    an_event,
    decisions,
    invoke,
    outcomes,
    put_alarm,
    remembered,
    take_messages,
    targets_of,
    tasks,
)
from tests.log_lines import metrics_in, overhear
from tests.template.stack import TARGET, deploy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickstep_lab.embedded_aws import Account

BERLIN = ZoneInfo("Europe/Berlin")
CONTEXT: Any = Invocation("request-1", "quickstep-schedule")


def the_schedules() -> dict[str, str]:
    """Return what each schedule of the template sends."""
    stack = deploy(
        TARGET,
        ClusterName=WEB.cluster,
        ServiceName=WEB.service,
        OffHoursStart="cron(0 20 * * ? *)",
        OffHoursEnd="cron(0 7 * * ? *)",
        ExpectedTrafficStart="cron(50 6 * * ? *)",
        ExpectedTrafficEnd="cron(0 10 * * ? *)",
        ScheduleTimeZone="Europe/Berlin",
    )
    schedules = stack.of_type("AWS::Scheduler::Schedule")
    return {name: schedule["Target"]["Input"] for name, schedule in schedules.items()}


@dataclass
class Story:
    """The deployed functions, at the time that the story has come to."""

    account: Account
    queue_url: str
    inputs: Mapping[str, str]
    now: datetime = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)

    def fires(self, name: str, at: datetime) -> Any:
        """Have the Scheduler fire a schedule, 20 s late, and the scaler do what comes of it."""
        scheduled = at.astimezone(UTC)
        self.now = scheduled + timedelta(seconds=20)
        event = json.loads(
            self.inputs[name].replace(
                "<aws.scheduler.scheduled-time>", f"{scheduled:%Y-%m-%dT%H:%M:%SZ}"
            )
        )
        return self.act(event)

    def act(self, event: Any) -> Any:
        """Hand an event to the function for scheduled actions, and its message to the scaler."""
        settings = ScheduleSettings(TABLE, self.queue_url)
        made = make_schedules(settings, self.account.client)
        schedules = replace(made, clock=lambda: self.now)
        answer = schedule_handler(event, CONTEXT, schedules=schedules)
        for body in self.messages():
            records = [{"messageId": "m", "body": body, "eventSource": "aws:sqs"}]
            invoke(self.door, {"Records": records})
        return answer

    def messages(self) -> list[str]:
        return take_messages(self.account, self.queue_url)

    @property
    def door(self) -> Any:
        return a_door(self.account, self.queue_url, lambda: self.now)

    @property
    def tasks(self) -> int:
        return tasks(self.account)


@pytest.fixture
def story(account: Account, queue_url: str) -> Story:
    put_policy(account, WEB, json.dumps(a_document(MinCapacity=4)))
    return Story(account, queue_url, the_schedules())


def berlin(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("evening", "night"),
    [
        pytest.param(date(2026, 10, 24), timedelta(hours=12), id="the clocks are put back"),
        pytest.param(date(2027, 3, 27), timedelta(hours=10), id="the clocks are put forward"),
        pytest.param(date(2026, 11, 22), timedelta(hours=11), id="an ordinary night"),
    ],
)
def test_off_hours_go_by_the_clocks_of_the_time_zone(
    story: Story, evening: date, night: timedelta
) -> None:
    begins, ends = berlin(evening, 20), berlin(evening + timedelta(days=1), 7)
    assert ends.astimezone(UTC) - begins.astimezone(UTC) == night

    story.fires("OffHoursBegin", begins)
    assert story.tasks == 2

    story.now = ends.astimezone(UTC) - timedelta(minutes=1)
    story.door.on_event({"heartbeat": {}})
    assert story.tasks == 2, "a minute before the end they still hold"

    story.fires("OffHoursOver", ends)
    assert story.tasks == 4
    assert outcomes(story.account) == ["SCALED_IN", "SCALED_OUT"]


def test_of_two_schedules_that_overlap_the_larger_bounds_win(story: Story) -> None:
    day = date(2026, 11, 22)
    story.fires("OffHoursBegin", berlin(day, 20))
    assert story.tasks == 2

    story.fires("ExpectedTrafficBegin", berlin(day + timedelta(days=1), 6, 50))
    assert story.tasks == 10, "off hours still last, and ask for less"

    story.fires("OffHoursOver", berlin(day + timedelta(days=1), 7))
    assert story.tasks == 10

    story.fires("ExpectedTrafficOver", berlin(day + timedelta(days=1), 10))
    assert story.tasks == 10, "within the policy's bounds again: removing is the policy's business"
    (memory, _) = remembered(story.account)
    assert not any(schedule.active(story.now) for schedule in memory.state.schedules)


def test_an_override_by_hand_is_not_undone_by_a_schedule(story: Story) -> None:
    until = story.now + timedelta(days=1)
    entry = {"min": 8, "max": None, "until": until.isoformat(), "reason": "incident"}
    operators = DynamoOperators(story.account.client("dynamodb"), TABLE, lambda _: None)
    assert operators.replace(WEB.resource_id, "override", None, entry)

    story.fires("OffHoursBegin", berlin(date(2026, 10, 24), 20))

    assert story.tasks == 8


def test_a_lost_end_ends_all_the_same(story: Story) -> None:
    begins = berlin(date(2026, 11, 22), 20)
    story.fires("OffHoursBegin", begins)

    (schedule,) = remembered(story.account)[0].state.schedules
    assert schedule.until == begins.astimezone(UTC) + timedelta(days=3)


def test_an_action_that_comes_twice_or_too_late_changes_nothing(story: Story) -> None:
    day = date(2026, 11, 22)
    story.fires("OffHoursBegin", berlin(day, 20))
    story.fires("OffHoursOver", berlin(day + timedelta(days=1), 7))
    before = remembered(story.account)[0]

    late = story.now
    answer = story.fires("OffHoursBegin", berlin(day, 20))
    story.now = late

    assert answer["not_written"]["schedule"] == "off-hours"
    assert "later than this one's 2026-11-22T19:00:00.000Z" in answer["not_written"]["why"]
    assert remembered(story.account)[0].state.schedules == before.state.schedules
    assert story.tasks == 4


def test_an_action_far_ahead_is_heeded_by_the_heartbeat_and_can_be_ended_before(
    story: Story,
) -> None:
    put_alarm(story.account, "OK")
    story.now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    begins = story.now + timedelta(days=28)
    action = {"ResourceId": WEB.resource_id, "Name": "sale", "MinCapacity": 12, "For": "1h"}
    story.door.on_event({"heartbeat": {}})
    asked = story.now

    story.act({**action, "At": begins.isoformat()})
    story.door.on_event({"heartbeat": {}})
    assert story.tasks == 4
    story.now = begins
    story.door.on_event({"heartbeat": {}})
    assert story.tasks == 12

    story.now = asked + timedelta(days=1)
    story.act({**action, "At": begins.isoformat()})
    story.now += timedelta(days=1)
    story.act({"ResourceId": WEB.resource_id, "Name": "sale", "End": True})
    (schedule,) = remembered(story.account)[0].state.schedules
    assert not schedule.active(begins)


def test_a_scheduled_action_ignores_cooldowns(story: Story) -> None:
    story.door.on_event(an_event(story.now))
    assert story.tasks == 6

    story.act({"ResourceId": WEB.resource_id, "Name": "sale", "MinCapacity": 12, "For": "1h"})

    assert story.tasks == 12


@pytest.mark.parametrize(
    ("force", "tasks_left"),
    [
        pytest.param({}, 6, id="the load keeps its tasks"),
        pytest.param({"Force": True}, 3, id="in one call"),
    ],
)
def test_a_maximum_that_begins_in_a_breach_waits_for_the_load_unless_it_is_forced(
    story: Story, force: dict[str, bool], tasks_left: int
) -> None:
    story.door.on_event(an_event(story.now))
    assert story.tasks == 6

    action = {"ResourceId": WEB.resource_id, "Name": "night", "MaxCapacity": 3, "For": "1h"}
    story.act({**action, **force})

    assert story.tasks == tasks_left


def test_in_a_dry_run_a_schedule_is_only_recorded(story: Story) -> None:
    put_policy(story.account, WEB, json.dumps(a_document(DryRun=True)))

    story.fires("ExpectedTrafficBegin", berlin(date(2026, 11, 22), 6, 50))

    assert story.tasks == 4
    (record,) = decisions(story.account)
    assert (record["outcome"], record["granted"]) == ("WOULD_SCALE", 10)
    assert record["trigger"]["what"].startswith("schedule expected-traffic: at least 10 until")


def test_an_action_that_breaks_a_rule_is_refused_with_every_problem(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = overhear(capsys)

    answer = story.act({"ResourceId": "web", "MinCapacity": 5, "MaxCapacity": 4, "Until": "18:00"})

    assert len(answer["refused"]) == 3
    assert metrics_in(lines()) == {("Quickstep/RefusedEvents", ""): 1}
    assert remembered(story.account)[0] == Memory()


def test_an_action_for_a_service_without_a_document_changes_nothing(story: Story) -> None:
    """The function writes what it is told; the scaler heeds no such service."""
    other = ServiceName("prod", "other")
    create_service(story.account, other, 4)

    answer = story.act({"ResourceId": other.resource_id, "MinCapacity": 5000, "For": "1h"})

    assert answer["scheduled"]["min"] == 5000
    assert desired_count(story.account, other) == 4
    assert [one["outcome"] for one in decisions(story.account, other)] == ["FAILED_CONFIG"]
    assert story.messages() == [], "nobody asks again"


def test_the_handler_answers_with_what_is_in_force(story: Story) -> None:
    answer = story.act({"ResourceId": WEB.resource_id, "MaxCapacity": 3, "For": "1h"})

    assert answer["scheduled"]["max"] == 3
    assert answer["scheduled"]["by"] == "schedule"


# --- beside the protocol --------------------------------------------------------------------------


def an_entry(at: str = "2026-11-22T10:00:00.000Z", **bounds: int) -> dict[str, Any]:
    return {"min": None, "max": None, **bounds, "at": at}


@pytest.fixture
def operators(account: Account) -> DynamoOperators:
    return DynamoOperators(account.client("dynamodb"), TABLE, lambda _: None)


def test_an_item_that_only_operators_have_written_is_free_and_has_no_chain(
    account: Account, operators: DynamoOperators
) -> None:
    operators.schedule(WEB.resource_id, "override:night", an_entry(max=2))
    targets = targets_of(account)

    assert targets.peek(WEB.resource_id)[1] is None
    answer: Any = targets.claim(WEB.resource_id, a_lease("me"), None)

    assert answer.memory.state.schedules == (Override(None, 2, name="night"),)


def test_an_entry_is_written_beside_a_holder_and_its_commit_keeps_it(
    account: Account, operators: DynamoOperators
) -> None:
    targets = targets_of(account)
    targets.claim(WEB.resource_id, a_lease("me"), None)

    assert operators.replace(WEB.resource_id, "override", None, {"min": 5})
    memory, lease = targets.peek(WEB.resource_id)
    assert isinstance(lease, Lease)
    assert lease.owner == "me"
    targets.commit("me", replace(memory, state=Memory().state), a_record())

    memory, lease = targets.peek(WEB.resource_id)
    assert (memory.state.override, lease) == (Override(5, None), None)


def test_an_entry_is_replaced_only_as_it_was_seen(operators: DynamoOperators) -> None:
    name = WEB.resource_id

    assert operators.replace(name, "override", None, {"min": 5})
    assert not operators.replace(name, "override", None, {"min": 6})
    assert not operators.replace(name, "override", {"min": 4}, {"min": 6})
    assert operators.replace(name, "override", {"min": 5}, {"min": 6})
    assert operators.entries(name) == {"override": {"min": 6}}
    assert not operators.replace(name, "override", {"min": 5}, None)
    assert operators.replace(name, "override", {"min": 6}, None)
    assert operators.entries(name) == {}


def test_a_schedule_s_entry_is_replaced_by_a_later_one_only(operators: DynamoOperators) -> None:
    name, later = WEB.resource_id, "2026-11-22T11:00:00.000Z"

    assert operators.schedule(name, "override:a", an_entry(max=2))
    assert operators.schedule(name, "override:a", an_entry(max=2)), "twice is as good as once"
    assert operators.schedule(name, "override:a", an_entry(later, max=3))
    assert not operators.schedule(name, "override:a", an_entry(max=2))
    assert operators.schedule(name, "override:b", an_entry(max=9)), "each name by itself"
    assert operators.entries(name)["override:a"]["max"] == 3


def test_what_somebody_mistyped_is_replaced_by_the_schedule(
    account: Account, operators: DynamoOperators
) -> None:
    assert operators.replace(WEB.resource_id, "override:a", None, "oops")
    assert remembered(account)[0].state.unreadable

    assert operators.schedule(WEB.resource_id, "override:a", an_entry(max=2))
    assert not remembered(account)[0].state.unreadable


def test_a_conflict_with_a_commit_is_waited_for_a_few_times(account: Account) -> None:
    pauses: list[timedelta] = []
    client = account.client("dynamodb", config=Config())  # one of its own
    left = [2]

    def conflict(**_: Any) -> Any:
        if not left[0]:
            return None
        left[0] -= 1
        response: Any = AWSResponse("http://127.0.0.1/", 400, HTTPHeaders(), None)
        response._content = b'{"__type": "TransactionConflictException", "message": "busy"}'  # noqa: SLF001
        return response

    client.meta.events.register("before-send.dynamodb.UpdateItem", conflict)

    assert DynamoOperators(client, TABLE, pauses.append).replace(
        WEB.resource_id, "override", None, {"min": 5}
    )
    assert pauses == [timedelta(milliseconds=50), timedelta(milliseconds=100)]


def test_a_request_s_message_is_one_of_the_queue_s(story: Story) -> None:
    made = make_schedules(ScheduleSettings(TABLE, story.queue_url), story.account.client)
    made.on_action({"ResourceId": WEB.resource_id, "MaxCapacity": 3, "For": "1h"})

    (body,) = take_messages(story.account, story.queue_url)
    assert json.loads(body)["request"]["capacity"] is None
