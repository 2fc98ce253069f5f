"""The scaler's handler on an embedded AWS: events, messages of its queue, the heartbeat."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.session import Session

from functions.scaler.handler import deployed_door, handler
from quickstep.aws.attributes import to_item
from quickstep.engine.outcome import Outcome
from quickstep.engine.proposal import Bounds
from quickstep.loop.announcing import ANNOUNCEABLE, Announcer
from quickstep.naming import ServiceName
from quickstep.protocol.counts import Counts
from quickstep.protocol.memory import CorruptItemError
from quickstep.protocol.messages import (
    AlarmAgain,
    Heartbeat,
    Heartbeats,
    Message,
    Recheck,
    Sweep,
    write_message,
)
from quickstep.protocol.ports import CallFailedError
from quickstep.report.telemetry import logger, report
from quickstep.settings import Settings, SettingsError
from quickstep.wiring import make_door
from quickstep_lab.embedded_aws import TABLE, Account, counted, desired_count, put_policy
from quickstep_lab.scaler import Invocation
from tests.builders import EVENTS, WEB, a_document, a_lease, a_record, load_event
from tests.integration.scene import (
    AT,
    at,
    calls_of,
    clients_of,
    decisions,
    invoke,
    outcomes,
    publish,
    put_alarm,
)
from tests.log_lines import metrics_in, overhear

if TYPE_CHECKING:
    from collections import Counter

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from quickstep.loop.door import Door
    from tests.log_lines import Lines


ENVIRONMENT = {
    "TABLE_NAME": TABLE,
    "POLICY_MAX_AGE_SECONDS": "0",
    "MAX_EVENT_AGE_SECONDS": "60",
    "RETENTION_DAYS": "30",
}


@pytest.fixture
def door(account: Account, queue_url: str) -> Door:
    """The scaler as it is deployed, at the moment the sample events speak of.

    The guard on capacity on its way is off, so that a step gives the number that it says.
    """
    put_policy(account, WEB, json.dumps(a_document(Guards={"CapacityOnItsWay": False})))
    settings = Settings.from_environment({**ENVIRONMENT, "QUEUE_URL": queue_url})
    door = later(make_door(settings, account.client), 0)
    door.cycle.policies.refresh([WEB])  # as the last heartbeat did
    return door


def later(door: Door, seconds: float) -> Door:
    """Return the same scaler, so many seconds after the sample events."""
    return at(door, lambda: AT + timedelta(seconds=seconds))


def decided(event: Any, door: Door) -> dict[str, Any]:
    """Deliver what makes one decision, and return it."""
    answer = invoke(door, event)
    assert list(answer) == ["decisions"]
    (decision,) = answer["decisions"]
    return cast("dict[str, Any]", decision)


def batch(*messages: Message | str) -> dict[str, Any]:
    """Return messages as SQS delivers them: m1, m2 and so on."""
    bodies = [m if isinstance(m, str) else json.dumps(write_message(m)) for m in messages]
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "receiptHandle": f"receipt-{number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:quickstep-rechecks",
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(bodies, start=1)
        ]
    }


ALL_WELL: dict[str, Any] = {"batchItemFailures": []}


# --- events ---------------------------------------------------------------------------------------

OUTCOMES = {
    "alarm-anomaly": ("HELD_NO_DATA", 4),
    "alarm-composite": ("HELD_NO_DATA", 4),
    "alarm-drill": ("HELD_NO_DATA", 4),  # on its own, as no alarm is known
    "alarm-drill-over": (None, 4),
    "alarm-duplicate": ("SCALED_OUT", 5),  # on its own; behind alarm-high-step1, see below
    "alarm-high-step1": ("SCALED_OUT", 5),
    "alarm-high-step2": ("SCALED_OUT", 6),
    "alarm-high-step3": ("SCALED_OUT", 8),
    "alarm-insights": ("SCALED_OUT", 6),
    "alarm-insufficient-data": ("HELD_NO_DATA", 4),
    "alarm-logs": ("HELD_NO_DATA", 4),
    "alarm-low": ("HELD_NO_DATA", 4),  # on its own, as nobody sees the load; see below
    "alarm-malformed": (None, 4),
    "alarm-metric-math": ("SCALED_OUT", 6),
    "alarm-muted": ("HELD_MUTED", 4),
    "alarm-no-reason-data": ("HELD_NO_DATA", 4),
    "alarm-ok": ("HELD_NOT_BREACHING", 4),
    "alarm-suppressed": ("HELD_MUTED", 4),
    "alarm-unknown-target": ("FAILED_CONFIG", 4),
}


def test_every_sample_event_is_in_the_table() -> None:
    assert set(OUTCOMES) == {path.stem for path in EVENTS.glob("alarm-*.json")}


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_sample_event_has_a_defined_outcome(name: str, door: Door, account: Account) -> None:
    outcome, desired = OUTCOMES[name]

    answer = invoke(door, load_event(name))

    assert [decision["outcome"] for decision in answer.get("decisions", [])] == (
        [outcome] if outcome else []
    )
    assert desired_count(account, WEB) == desired


def test_tasks_are_removed_once_the_scale_out_alarm_is_known(door: Door, account: Account) -> None:
    decided(load_event("alarm-ok"), door)

    assert decided(load_event("alarm-low"), door)["outcome"] == "SCALED_IN"
    assert desired_count(account, WEB) == 3


def test_an_answer_is_the_decision_record_that_is_stored(door: Door, account: Account) -> None:
    decision = decided(load_event("alarm-high-step2"), door)

    (stored,) = decisions(account)
    assert {key: stored[key] for key in decision} == decision
    assert stored["sk"] == f"decision#2026-11-22T10:00:12.600Z#{decision['id']}"
    assert stored["expires_at"] == int((AT + timedelta(days=30)).timestamp())
    json.dumps(decision)


def test_a_transition_delivered_twice_changes_capacity_once(door: Door, account: Account) -> None:
    decided(load_event("alarm-high-step1"), door)
    decision = decided(load_event("alarm-duplicate"), door)

    assert decision["outcome"] == "IGNORED_DUPLICATE"
    assert desired_count(account, WEB) == 5
    assert len(decisions(account)) == 2


def test_a_late_event_is_not_acted_on(door: Door, account: Account) -> None:
    decision = decided(load_event("alarm-high-step3"), later(door, 300))

    assert decision["outcome"] == "HELD_NO_DATA"
    assert "CloudWatch has no complete datapoint since 10:04:32" in decision["reason"]
    assert desired_count(account, WEB) == 4


def test_a_late_event_is_answered_with_what_the_metric_says_now(
    door: Door, account: Account
) -> None:
    publish(account, AT + timedelta(seconds=285), 160.0)

    decision = decided(load_event("alarm-high-step3"), later(door, 300))

    assert decision["outcome"] == "SCALED_OUT"
    assert desired_count(account, WEB) == 6


# --- what an evaluation calls ---------------------------------------------------------------------


@pytest.fixture
def calls(door: Door) -> Counter[str]:
    """The calls made by the scaler's own clients from now on."""
    return calls_of(door)


@pytest.fixture
def sent(door: Door) -> list[tuple[dict[str, Any], int]]:
    """The bodies and delays of the messages that the scaler sends from now on."""
    messages: list[tuple[dict[str, Any], int]] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        messages.append((json.loads(params["MessageBody"]), params["DelaySeconds"]))

    port: Any = door.messages
    port._client.meta.events.register("provide-client-params.sqs.SendMessage", note)  # noqa: SLF001
    return messages


DOCUMENT = {"GetItem": 1}  # the table's copy, which somebody has made before
HOLD = {**DOCUMENT, "UpdateItem": 1, "DescribeServices": 1, "TransactWriteItems": 1}
CHANGE = {**HOLD, "UpdateItem": 2, "UpdateService": 1}
NEXT_CHECK = {"SendMessage": 1}
READ = {"GetMetricData": 1}


@pytest.mark.parametrize(
    ("name", "outcome", "made"),
    [
        ("alarm-high-step2", "SCALED_OUT", {**CHANGE, **READ, **NEXT_CHECK}),
        ("alarm-ok", "HELD_NOT_BREACHING", HOLD),
        ("alarm-muted", "HELD_MUTED", HOLD),
        ("alarm-no-reason-data", "HELD_NO_DATA", HOLD),
    ],
)
def test_an_event_makes_these_calls_and_no_others(
    name: str, outcome: str, made: dict[str, int], *, door: Door, calls: Counter[str]
) -> None:
    assert decided(load_event(name), door)["outcome"] == outcome
    assert calls == made


def test_a_removal_makes_these_calls_and_no_others(door: Door, calls: Counter[str]) -> None:
    decided(load_event("alarm-ok"), door)
    calls.clear()

    assert decided(load_event("alarm-low"), door)["outcome"] == "SCALED_IN"
    assert calls == {**CHANGE, **NEXT_CHECK, **READ}


@pytest.mark.parametrize(
    ("seconds", "value", "outcome", "made"),
    [
        pytest.param(10, 160.0, "SCALED_OUT", {**CHANGE, **READ, **NEXT_CHECK}, id="a change"),
        pytest.param(9.9, 110.0, "HELD_COOLDOWN", {**HOLD, **READ, **NEXT_CHECK}, id="a hold"),
        pytest.param(9.9, None, "HELD_NO_DATA", {**HOLD, **READ, **NEXT_CHECK}, id="no datapoint"),
        pytest.param(10, 90.0, "HELD_NOT_BREACHING", {**HOLD, **READ}, id="the end of a chain"),
    ],
)
def test_a_recheck_makes_these_calls_and_no_others(
    seconds: float,
    value: float | None,
    outcome: str,
    made: dict[str, int],
    *,
    door: Door,
    account: Account,
    calls: Counter[str],
) -> None:
    decided(load_event("alarm-high-step2"), door)
    if value is not None:
        publish(account, AT, value)
    calls.clear()

    assert invoke(later(door, seconds), batch(Message(Recheck(WEB, 1)))) == ALL_WELL

    assert calls == made
    assert outcomes(account) == ["SCALED_OUT", outcome]


def test_a_recheck_that_is_out_of_date_makes_two_calls_and_leaves_no_record(
    door: Door, account: Account, calls: Counter[str]
) -> None:
    decided(load_event("alarm-high-step2"), door)
    calls.clear()

    assert invoke(later(door, 10), batch(Message(Recheck(WEB, 0)))) == ALL_WELL

    assert calls == {**DOCUMENT, "UpdateItem": 1, "DescribeServices": 1}
    assert outcomes(account) == ["SCALED_OUT"]


def test_a_quiet_minute_looks_and_writes_nothing(
    door: Door, account: Account, calls: Counter[str]
) -> None:
    put_alarm(account, "OK")
    decided({"heartbeat": {}}, door)  # which learns of the alarm
    calls.clear()

    assert invoke(later(door, 60), {"heartbeat": {}}) == {"decisions": []}
    assert calls == {
        "DescribeAlarms": 1,
        "Query": 1,
        "GetParameters": 1,
        "GetParametersByPath": 1,
        "GetItem": 2,
        "DescribeServices": 1,
    }


def test_no_evaluation_makes_a_client(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a client was made")

    monkeypatch.setattr(Session, "create_client", refuse)

    decided(load_event("alarm-high-step2"), door)
    invoke(later(door, 10), batch(Message(Recheck(WEB, 1))))
    invoke(later(door, 60), {"heartbeat": {}})


def test_a_function_makes_its_clients_at_its_first_event_only(
    account: Account, queue_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    create = Session.create_client

    def counted(session: Session, service_name: str, *args: Any, **kwargs: Any) -> Any:
        made.append(service_name)
        return create(session, service_name, *args, **kwargs)

    monkeypatch.setattr(Session, "create_client", counted)
    environment = {
        **ENVIRONMENT,
        "QUEUE_URL": queue_url,
        "AWS_ENDPOINT_URL": account.endpoint_url,
        "AWS_DEFAULT_REGION": account.session.region_name,
        "AWS_ACCESS_KEY_ID": "embedded",
        "AWS_SECRET_ACCESS_KEY": "embedded",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    deployed_door.cache_clear()

    try:
        for _ in range(3):
            handler({"heartbeat": {}}, cast("LambdaContext", Invocation("request-1")))
    finally:
        deployed_door.cache_clear()

    assert sorted(made) == ["cloudwatch", "dynamodb", "ecs", "ecs", "sqs", "sqs", "ssm"]


# --- what cannot be evaluated ---------------------------------------------------------------------


def named(alarm: str) -> dict[str, Any]:
    event = load_event("alarm-high-step2")
    event["detail"]["alarmName"] = alarm
    return event


@pytest.mark.parametrize(
    ("event", "document", "outcome", "made"),
    [
        pytest.param(
            named("quickstep/prod/nowhere/high-request-rate"),
            None,
            "FAILED_CONFIG",
            {**DOCUMENT, "GetParameters": 1, "PutItem": 2},
            id="a target nobody knows",
        ),
        pytest.param(
            named("quickstep/prod/web/high-latency"),
            None,
            "FAILED_CONFIG",
            {**DOCUMENT, "PutItem": 1},
            id="an alarm without a policy",
        ),
        pytest.param(
            load_event("alarm-high-step2"),
            (WEB, json.dumps(a_document(MinCapacity=90))),
            "FAILED_CONFIG",
            {**DOCUMENT, "PutItem": 1},
            id="a document that breaks a rule",
        ),
        pytest.param(
            named("quickstep/prod/gone/high-request-rate"),
            (ServiceName("prod", "gone"), json.dumps(a_document(ResourceId="service/prod/gone"))),
            "FAILED_NOT_FOUND",
            {**HOLD, **READ},
            id="a service that does not exist",
        ),
        pytest.param(
            named("quickstep/gone/web/high-request-rate"),
            (ServiceName("gone", "web"), json.dumps(a_document(ResourceId="service/gone/web"))),
            "FAILED_NOT_FOUND",
            {**HOLD, **READ},
            id="a cluster that does not exist",
        ),
    ],
)
def test_bad_input_is_recorded_and_calls_nothing_else(
    event: dict[str, Any],
    document: tuple[ServiceName, str] | None,
    outcome: str,
    made: dict[str, int],
    *,
    door: Door,
    account: Account,
    calls: Counter[str],
) -> None:
    if document:
        put_policy(account, *document)
        door.cycle.policies.refresh([document[0]])
        calls.clear()

    decision = decided(event, door)

    assert (decision["outcome"], calls) == (outcome, made)
    _, cluster, service = decision["resource_id"].split("/")
    (stored,) = decisions(account, ServiceName(cluster, service))
    assert stored["outcome"] == outcome
    assert desired_count(account, WEB) == 4


@pytest.mark.parametrize("refused", ["DescribeServices", "UpdateService"])
def test_a_service_that_iam_refuses_is_left_alone_and_asked_for_once_a_minute_at_most(
    refused: str, door: Door, account: Account, calls: Counter[str]
) -> None:
    """A document and alarms of a service outside `ClusterNames` are no way around the role."""
    put_alarm(account, "ALARM")
    for client in clients_of(door):
        client.meta.events.register(f"before-send.ecs.{refused}", deny)

    ended = [decided(load_event("alarm-high-step2"), door)["outcome"]]
    for minute in (1, 2):
        at = minute * 60
        publish(account, AT + timedelta(seconds=at - 11), 160.0)
        calls[refused] = 0
        ended += [one["outcome"] for one in invoke(later(door, at), {"heartbeat": {}})["decisions"]]
        assert calls[refused] <= 2, "the heartbeat's look, and the evaluation that records it"

    assert ended == ["FAILED_DENIED"] * 3
    assert calls["SendMessage"] == 0
    assert desired_count(account, WEB) == 4


def deny(**_: Any) -> AWSResponse:
    """Answer a call as IAM does where no statement allows it."""
    response: Any = AWSResponse("http://127.0.0.1/", 400, HTTPHeaders(), None)
    response._content = b'{"__type": "AccessDeniedException", "message": "not authorized"}'  # noqa: SLF001
    return cast("AWSResponse", response)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """What the function has written so far."""
    return overhear(capsys)


@pytest.mark.parametrize("call", ["cloudwatch.DescribeAlarms", "dynamodb.Query"])
def test_a_denied_call_that_comes_before_any_target_is_counted_and_raised(
    call: str, door: Door, account: Account, lines: Lines
) -> None:
    alarms, targets = cast("Any", door.alarms), cast("Any", door.cycle.targets)
    for client in (alarms._client, targets._client):  # noqa: SLF001
        client.meta.events.register(f"before-send.{call}", deny)

    with pytest.raises(CallFailedError) as raised:
        invoke(later(door, 60), {"heartbeat": {}})

    name = call.partition(".")[2]
    assert raised.value.outcome is Outcome.FAILED_DENIED
    (line,) = [line for line in lines() if line.get("FailedDecisions") == 1]
    assert line["message"] == (
        f"Failed, permission denied: {name}: AccessDeniedException: not authorized"
    )
    assert desired_count(account, WEB) == 4


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(load_event("alarm-malformed"), id="malformed"),
        pytest.param(named("ServerCpuTooHigh"), id="another prefix"),
        pytest.param({}, id="empty"),
        pytest.param(None, id="null"),
        pytest.param({"heartbeat": {"resource_id": "service/prod/web"}}, id="another heartbeat"),
        pytest.param(write_message(Message(Recheck(WEB, 7))), id="a message that is no event"),
    ],
)
def test_a_malformed_event_is_refused_without_a_call_or_a_retry(
    event: Any, door: Door, calls: Counter[str], lines: Lines
) -> None:
    answer = invoke(door, event)

    assert list(answer) == ["refused"]
    assert answer["refused"]
    assert calls == {}
    written = lines()
    assert any(line.get("RefusedEvents") == 1 for line in written)
    assert any(line.get("problems") == answer["refused"] for line in written)


ROOT_RULE = "must have one of recheck, alarm, looks, sweep"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param("", "must be JSON: Expecting value", id="empty"),
        pytest.param("null", "must be an object", id="null"),
        pytest.param("{}", ROOT_RULE, id="nothing"),
        pytest.param('{"heartbeat": {}}', "heartbeat: is not a known key", id="an event"),
        pytest.param('{"recheck": {}, "sweep": {}}', ROOT_RULE, id="two in one"),
        pytest.param(
            json.dumps(write_message(Message(Recheck(ServiceName("prod", "a/b"), 7)))),
            "recheck.resource_id: must be service/<cluster>/<service>",
            id="a resource that is none",
        ),
        pytest.param(
            '{"recheck": {"resource_id": "service/prod/web", "generation": 1'
            + "0" * 30
            + ', "attempt'
            '": 0, "turn": null}}',
            "recheck.generation: must be at most",
            id="a number that no table holds",
        ),
        pytest.param('{"alarm": {}}', "source: is required", id="an alarm without an event"),
        pytest.param(
            json.dumps({"alarm": load_event("alarm-malformed")}),
            "detail.state.value: must be one of OK, ALARM",
            id="an alarm with a malformed event",
        ),
        pytest.param(
            json.dumps({"alarm": named("ServerCpuTooHigh")}),
            "detail.alarmName: must be quickstep/<cluster>/<service>/<policy>",
            id="an alarm of somebody else's",
        ),
    ],
)
def test_a_message_that_is_none_of_ours_is_refused_without_a_call_or_a_retry(
    body: str, problem: str, *, door: Door, calls: Counter[str], lines: Lines
) -> None:
    assert invoke(door, batch(body)) == ALL_WELL

    assert calls == {}
    written = lines()
    (refused,) = [line for line in written if "problems" in line]
    assert refused["problems"][0].startswith(problem)
    assert any(line.get("RefusedEvents") == 1 for line in written)


@pytest.mark.parametrize(
    "record",
    [
        {"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"Message": "{}"}},
        {"messageId": "1"},
        {"messageId": "1", "body": {}},
        "{}",
    ],
)
def test_what_is_no_message_of_a_queue_is_refused_in_words(
    record: Any, *, door: Door, calls: Counter[str], lines: Lines
) -> None:
    answer = invoke(door, {"Records": [record]})

    assert answer["refused"][0].startswith("Records: must be messages of a queue; what SNS")
    assert calls == {}
    assert metrics_in(lines()) == {("Quickstep/RefusedEvents", ""): 1}


@pytest.mark.parametrize(("key", "value"), [("account", "999999999999"), ("region", "eu-west-1")])
def test_an_event_of_another_place_is_refused_where_the_own_one_is_known(
    key: str, value: str, *, account: Account, lines: Lines
) -> None:
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/Rechecks"
    settings = Settings.from_environment({**ENVIRONMENT, "QUEUE_URL": url})
    elsewhere = {**load_event("alarm-ok"), key: value}

    answer = invoke(make_door(settings, account.client), elsewhere)

    own = "123456789012" if key == "account" else "us-east-1"
    assert answer["refused"] == [f'{key}: must be {own}, not "{value}"']
    assert metrics_in(lines()) == {("Quickstep/RefusedEvents", ""): 1}


# --- the queue ------------------------------------------------------------------------------------

BROKEN = ServiceName("prod", "broken")


def break_an_item(account: Account) -> None:
    """Give a target an item that no evaluation can be made of."""
    put_policy(account, BROKEN, json.dumps(a_document(ResourceId=BROKEN.resource_id)))
    client = account.client("dynamodb")
    item = {"pk": BROKEN.resource_id, "sk": "#state", "generation": 7, "alarms": "nonsense"}
    client.put_item(TableName=TABLE, Item=to_item(item))


def test_a_poisonous_message_is_refused_and_the_rest_of_its_batch_evaluated(
    door: Door, account: Account, lines: Lines
) -> None:
    again = Message(AlarmAgain(load_event("alarm-high-step2")))

    assert invoke(door, batch("poison", again)) == ALL_WELL

    assert outcomes(account) == ["SCALED_OUT"]
    assert sum(line.get("RefusedEvents") == 1 for line in lines()) == 1


def test_of_a_batch_only_the_message_that_fails_unexpectedly_comes_back(
    door: Door, account: Account
) -> None:
    break_an_item(account)
    again = Message(AlarmAgain(load_event("alarm-high-step2")))

    answer = invoke(door, batch("poison", Message(Recheck(BROKEN, 7)), again))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m2"}]}
    assert outcomes(account) == ["SCALED_OUT"]


def test_a_batch_that_fails_as_a_whole_comes_back_as_a_whole(door: Door, account: Account) -> None:
    break_an_item(account)

    with pytest.raises(ExceptionGroup) as raised:
        invoke(door, batch(Message(Recheck(BROKEN, 7))))

    assert raised.group_contains(CorruptItemError)


def test_an_event_that_lost_the_race_comes_back_through_the_queue_and_is_answered(
    door: Door, account: Account, sent: list[tuple[dict[str, Any], int]]
) -> None:
    targets = door.cycle.targets
    targets.claim(WEB.resource_id, a_lease("other", AT))
    event = load_event("alarm-high-step2")

    assert decided(event, door)["outcome"] == "LOST_RACE"

    ((body, delay),) = sent
    assert body == {"alarm": event, "lost": 1}
    assert delay in (16, 17), "in case the holder dies"
    memory, _ = targets.peek(WEB.resource_id)
    assert targets.commit("other", replace(memory, counts=Counts(4)), a_record())
    assert invoke(later(door, delay), batch(json.dumps(body))) == ALL_WELL
    assert outcomes(account)[-1] == "SCALED_OUT"
    assert desired_count(account, WEB) == 6


def test_a_breach_is_answered_again_by_the_message_that_the_answer_sent(
    door: Door, account: Account, sent: list[tuple[dict[str, Any], int]]
) -> None:
    """One event, and a load that 4 tasks more do not carry either."""
    decided(load_event("alarm-high-step3"), door)
    seconds = 0.0
    for _ in range(3):
        body, delay = sent[-1]
        seconds += delay
        publish(account, AT + timedelta(seconds=seconds - 10), 160.0)
        assert invoke(later(door, seconds), batch(json.dumps(body))) == ALL_WELL

    assert outcomes(account) == ["SCALED_OUT"] * 4
    assert [delay for _, delay in sent] == [10] * 4
    assert desired_count(account, WEB) == 4 + 4 + 3 * 2


# --- the heartbeat --------------------------------------------------------------------------------


def test_an_alarm_whose_event_never_came_is_answered_by_the_heartbeat(
    door: Door, account: Account, sent: list[tuple[dict[str, Any], int]]
) -> None:
    put_alarm(account, "ALARM")
    put_alarm(account, "ALARM", "somebody-else-s")
    publish(account, AT - timedelta(seconds=10), 160.0)

    decision = decided({"heartbeat": {}}, door)

    assert (decision["outcome"], decision["trigger"]) == ("SCALED_OUT", {"kind": "heartbeat"})
    assert desired_count(account, WEB) == 6
    (check,) = sent
    assert check == (write_message(Message(Recheck(WEB, 1))), 10)


def test_a_chain_whose_message_was_lost_is_taken_up_by_the_heartbeat(
    door: Door, account: Account, sent: list[tuple[dict[str, Any], int]]
) -> None:
    put_alarm(account, "ALARM")
    decided(load_event("alarm-high-step2"), door)
    lost = sent.pop()
    publish(account, AT + timedelta(seconds=45), 160.0)

    decision = decided({"heartbeat": {}}, later(door, 60))

    assert (decision["outcome"], decision["granted"]) == ("SCALED_OUT", 8)
    (check,) = sent
    assert invoke(later(door, 61), batch(json.dumps(lost[0]))) == ALL_WELL
    assert outcomes(account) == ["SCALED_OUT"] * 2, "what was only late is out of date by now"
    publish(account, AT + timedelta(seconds=60), 90.0)
    assert invoke(later(door, 70), batch(json.dumps(check[0]))) == ALL_WELL
    assert outcomes(account)[-1] == "HELD_NOT_BREACHING"


def test_the_heartbeat_leaves_a_chain_alone_that_is_alive(
    door: Door, account: Account, sent: list[tuple[dict[str, Any], int]]
) -> None:
    put_alarm(account, "ALARM")
    decided({"heartbeat": {}}, door)  # which learns the definition
    decided(load_event("alarm-high-step2"), later(door, 1))
    sent.clear()

    assert invoke(later(door, 5), {"heartbeat": {}}) == {"decisions": []}
    assert sent == []


def test_capacity_outside_its_bounds_is_corrected_by_the_heartbeat(
    door: Door, account: Account
) -> None:
    put_alarm(account, "OK")
    door.cycle.services.set_desired_count(WEB, 1)

    decision = decided({"heartbeat": {}}, door)

    assert (decision["outcome"], decision["granted"]) == ("SCALED_OUT", 2)
    assert desired_count(account, WEB) == 2


def test_the_messages_of_a_heartbeat_too_large_for_one_invocation_are_taken_up(
    door: Door, account: Account
) -> None:
    put_alarm(account, "ALARM")
    publish(account, AT - timedelta(seconds=10), 160.0)
    alarms, _ = door.alarms.page(None)
    heartbeat = Heartbeat(WEB, {policy: alarm for (_, policy), alarm in alarms.items()})

    assert invoke(door, batch(Message(Heartbeats((heartbeat,))))) == ALL_WELL
    assert outcomes(account) == ["SCALED_OUT"]
    assert invoke(door, batch(Message(Sweep("page-21")))) == ALL_WELL


# --- log and metrics ------------------------------------------------------------------------------


def test_a_decision_is_logged_once_and_counted(door: Door, lines: Lines) -> None:
    decision = decided(load_event("alarm-high-step2"), door)

    written = lines()
    (log,) = [line for line in written if "decision" in line]
    assert log["decision"] == decision
    assert log["correlation_id"] == "0b5c2a61-3a55-4a54-9a8b-1d6a1f0c0002"
    assert log["function_request_id"] == "request-1"
    assert metrics_in(written) == {
        ("Quickstep/Decisions", "Outcome,ResourceId"): 1,
        ("Quickstep/DesiredCount", "ResourceId"): 6,
        ("Quickstep/RunningCount", "ResourceId"): 4,
        ("Quickstep/AlarmToUpdateLatency", "ResourceId"): 257.0,
    }
    assert (log["ResourceId"], log["Outcome"]) == ("service/prod/web", "SCALED_OUT")
    assert written == [log], "one line for all of it"


@pytest.mark.parametrize(
    ("bounds", "by"),
    [
        pytest.param(Bounds(20, 40, "override"), "override", id="an override"),
        pytest.param(Bounds(20, 40, "schedule night and sale"), "schedule", id="schedules"),
    ],
)
def test_bounds_that_replace_the_document_s_are_metrics_and_say_whose(
    bounds: Bounds, by: str, lines: Lines
) -> None:
    report(replace(a_record(), bounds=bounds, missing=3))

    (line,) = lines()
    metrics = metrics_in([line])
    assert metrics["Quickstep/MinimumInForce", "BoundsBy,ResourceId"] == 20
    assert metrics["Quickstep/MaximumInForce", "BoundsBy,ResourceId"] == 40
    assert metrics["Quickstep/MissingTasks", "ResourceId"] == 3
    assert line["BoundsBy"] == by
    assert line["decision"]["bounds"] == {"min": 20, "max": 40, "by": bounds.source}
    assert line["decision"]["missing"] == 3


def test_the_document_s_own_bounds_are_no_metric(lines: Lines) -> None:
    report(replace(a_record(), bounds=Bounds(2, 40, "policy")))

    (line,) = lines()
    assert not {"MinimumInForce", "MaximumInForce", "MissingTasks"} & line.keys()
    assert not {"bounds", "missing"} & line["decision"].keys()


def test_a_level_that_leaves_decisions_out_of_the_log_leaves_the_metrics(
    door: Door, lines: Lines
) -> None:
    logger.setLevel("ERROR")
    try:
        decided(load_event("alarm-high-step2"), door)
    finally:
        logger.setLevel("INFO")

    (written,) = lines()
    assert "decision" not in written
    assert metrics_in([written])["Quickstep/Decisions", "Outcome,ResourceId"] == 1


def test_every_decision_of_a_batch_is_logged(door: Door, account: Account, lines: Lines) -> None:
    decided(load_event("alarm-high-step2"), door)
    publish(account, AT, 160.0)
    lost = Message(AlarmAgain(load_event("alarm-duplicate")))

    invoke(later(door, 10), batch(Message(Recheck(WEB, 1)), lost))

    logged = [line["decision"]["outcome"] for line in lines() if "decision" in line]
    assert logged == ["SCALED_OUT", "SCALED_OUT", "IGNORED_DUPLICATE"]


def test_a_failed_decision_is_counted_for_the_stack_s_alarm(door: Door, lines: Lines) -> None:
    decided(load_event("alarm-unknown-target"), door)

    written = lines()
    assert metrics_in(written)["Quickstep/FailedDecisions", ""] == 1
    assert [line["level"] for line in written] == ["ERROR"]


def test_missing_capacity_is_counted_for_the_stack_s_alarm(
    door: Door, account: Account, lines: Lines
) -> None:
    """2 of 4 tasks never came; the 2 carry 160 each, which take the 4 that are desired."""
    put_policy(account, WEB, json.dumps(a_document()))
    door.cycle.policies.refresh([WEB])
    item = {"pk": WEB.resource_id, "sk": "#state", "desired": 4}
    account.client("dynamodb").put_item(TableName=TABLE, Item=to_item(item))
    with counted(WEB, lambda: 2):
        record = decided(load_event("alarm-high-step2"), door)

    assert record["outcome"] == "HELD_NO_CAPACITY"
    written = lines()
    assert metrics_in(written)["Quickstep/NoCapacityDecisions", ""] == 1
    assert [line["level"] for line in written] == ["INFO"]


def test_half_of_a_character_costs_neither_the_line_nor_its_metrics(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON can say it, UTF-8 cannot: stdout would refuse it, and so would the test's own report."""
    monkeypatch.setattr(logging.getLogger("quickstep"), "propagate", False)

    report(replace(a_record(), reason="a sale \ud83d", outcome=Outcome.FAILED_OTHER))

    (line,) = lines()
    assert line["message"] == "a sale \ud83d"
    assert metrics_in([line])["Quickstep/FailedDecisions", ""] == 1
    json.dumps(line).encode("ascii")


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"TABLE_NAME": None}, "TABLE_NAME: is required, but missing"),
        ({"QUEUE_URL": None}, "QUEUE_URL: is required, but missing"),
        ({"RETENTION_DAYS": "a month"}, 'RETENTION_DAYS: must be a whole number, not "a month"'),
        (
            {"MAX_EVENT_AGE_SECONDS": "-1"},
            'MAX_EVENT_AGE_SECONDS: must be a whole number, not "-1"',
        ),
        ({"RETENTION_DAYS": "9999999999"}, "RETENTION_DAYS: must be at most 36500"),
    ],
)
def test_settings_name_what_is_wrong(changes: dict[str, str | None], problem: str) -> None:
    complete = {**ENVIRONMENT, "QUEUE_URL": "https://sqs.example/queue"}
    environment = {k: v for k, v in {**complete, **changes}.items() if v is not None}

    with pytest.raises(SettingsError, match=problem):
        Settings.from_environment(environment)


# --- events ---------------------------------------------------------------------------------------


class Bus:
    """A bus that keeps what is put on it, or fails."""

    def __init__(self, error: CallFailedError | None = None) -> None:
        self.announced: list[Any] = []
        self._error = error

    def put(self, events: Any) -> None:
        self.announced.append([(event["resourceId"], event["outcome"]) for event in events])
        if self._error:
            raise self._error


def with_bus(door: Door, bus: Bus) -> Door:
    return replace(door, announcer=Announcer(bus, frozenset(ANNOUNCEABLE)))


def test_a_change_is_announced_after_its_commit(door: Door, account: Account) -> None:
    bus = Bus()

    decided(load_event("alarm-high-step2"), with_bus(door, bus))

    assert bus.announced == [[("service/prod/web", "SCALED_OUT")]]
    assert desired_count(account, WEB) == 6


def test_a_batch_is_announced_in_one_call_after_all_its_decisions(
    door: Door, account: Account
) -> None:
    bus = Bus()
    decided(load_event("alarm-high-step2"), door)
    publish(account, AT, 160.0)
    lost = Message(AlarmAgain(load_event("alarm-duplicate")))

    invoke(with_bus(later(door, 10), bus), batch(Message(Recheck(WEB, 1)), lost))

    assert bus.announced == [[("service/prod/web", "SCALED_OUT")]]


def test_a_bus_that_fails_costs_the_message_and_a_warning(
    door: Door, account: Account, lines: Lines
) -> None:
    bus = Bus(CallFailedError(Outcome.FAILED_DENIED, "PutEvents: AccessDenied: not allowed"))

    decision = decided(load_event("alarm-high-step2"), with_bus(door, bus))

    assert (decision["outcome"], desired_count(account, WEB)) == ("SCALED_OUT", 6)
    (line,) = [line for line in lines() if line.get("UnsentEvents") == 1]
    assert (line["level"], line["why"]) == ("WARNING", "PutEvents: AccessDenied: not allowed")


def test_a_deployment_that_resets_the_desired_count_is_recorded_and_reported(
    door: Door, account: Account
) -> None:
    bus = Bus()
    decided(load_event("alarm-high-step2"), door)
    account.client("ecs").update_service(cluster="prod", service="web", desiredCount=2)

    invoke(with_bus(later(door, 300), bus), {"heartbeat": {}})

    assert ("service/prod/web", "FOREIGN_CHANGE") in bus.announced[0]


def test_a_scaler_that_tells_others_puts_events_on_the_default_bus(
    account: Account, queue_url: str
) -> None:
    settings = Settings(
        TABLE,
        queue_url,
        60,
        timedelta(minutes=1),
        timedelta(minutes=1),
        announced=frozenset(ANNOUNCEABLE),
    )

    announcer = make_door(settings, account.client).announcer

    assert announcer.outcomes == frozenset(ANNOUNCEABLE)
    assert announcer.announce([a_record(outcome=Outcome.SCALED_OUT)]) == []
    assert (
        make_door(replace(settings, announced=frozenset()), account.client).announcer.events is None
    )
