"""The scaler's handler on an embedded AWS: every sample event, and what comes of it."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from functions.scaler.handler import handler
from lab.embedded_aws import TABLE, Account, desired_count, put_policy
from quickstep.aws.dynamodb import from_item
from quickstep.naming import ServiceName
from quickstep.telemetry import logger
from quickstep.wiring import Settings, SettingsError, make_cycle
from tests.builders import EVENTS, WEB, a_document, load_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from quickstep.cycle import Cycle

    Lines = Callable[[], list[dict[str, Any]]]

AT = datetime(2026, 11, 22, 10, 0, 12, 600_000, tzinfo=UTC)

ENVIRONMENT = {
    "TABLE_NAME": TABLE,
    "POLICY_MAX_AGE_SECONDS": "0",
    "MAX_EVENT_AGE_SECONDS": "60",
    "RETENTION_DAYS": "30",
}


@dataclass
class Context:
    """What the decorators read of a Lambda context."""

    function_name: str = "scaler"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:scaler"
    aws_request_id: str = "request-1"


@pytest.fixture
def cycle(account: Account) -> Cycle:
    """The cycle as it is deployed, at the moment the sample events speak of."""
    settings = Settings.from_environment(ENVIRONMENT)
    cycle = make_cycle(settings, account.session, account.endpoint_url)
    return replace(cycle, clock=lambda: AT)


def deliver(event: Any, cycle: Cycle) -> dict[str, Any]:
    return handler(event, cast("LambdaContext", Context()), cycle=cycle)


def stored_decisions(account: Account, name: ServiceName = WEB) -> list[dict[str, Any]]:
    client = account.session.client("dynamodb", endpoint_url=account.endpoint_url)
    answer = client.query(
        TableName=TABLE,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :decision)",
        ExpressionAttributeValues={
            ":pk": {"S": name.resource_id},
            ":decision": {"S": "decision#"},
        },
    )
    return [from_item(item) for item in answer["Items"]]


OUTCOMES = {
    "alarm-anomaly": ("HELD_NO_DATA", 4),
    "alarm-composite": ("HELD_NO_DATA", 4),
    "alarm-duplicate": ("SCALED_OUT", 5),  # on its own; behind alarm-high-step1, see below
    "alarm-high-step1": ("SCALED_OUT", 5),
    "alarm-high-step2": ("SCALED_OUT", 6),
    "alarm-high-step3": ("SCALED_OUT", 8),
    "alarm-insights": ("SCALED_OUT", 6),
    "alarm-insufficient-data": ("HELD_NO_DATA", 4),
    "alarm-logs": ("HELD_NO_DATA", 4),
    "alarm-low": ("SCALED_IN", 3),
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
def test_a_sample_event_has_a_defined_outcome(name: str, cycle: Cycle, account: Account) -> None:
    outcome, desired = OUTCOMES[name]

    answer = deliver(load_event(name), cycle)

    assert answer.get("outcome") == outcome
    assert desired_count(account, WEB) == desired


def test_an_answer_is_the_decision_record_that_is_stored(cycle: Cycle, account: Account) -> None:
    answer = deliver(load_event("alarm-high-step2"), cycle)

    (stored,) = stored_decisions(account)
    assert {key: stored[key] for key in answer} == answer
    assert stored["sk"] == f"decision#2026-11-22T10:00:12.600Z#{answer['id']}"
    assert stored["expires_at"] == int((AT + timedelta(days=30)).timestamp())
    json.dumps(answer)


def test_a_transition_delivered_twice_changes_capacity_once(cycle: Cycle, account: Account) -> None:
    deliver(load_event("alarm-high-step1"), cycle)
    answer = deliver(load_event("alarm-duplicate"), cycle)

    assert answer["outcome"] == "IGNORED_DUPLICATE"
    assert desired_count(account, WEB) == 5
    assert len(stored_decisions(account)) == 2


def test_a_late_event_is_not_acted_on(cycle: Cycle, account: Account) -> None:
    late = replace(cycle, clock=lambda: AT + timedelta(minutes=5))

    answer = deliver(load_event("alarm-high-step3"), late)

    assert answer["outcome"] == "HELD_NO_DATA"
    assert desired_count(account, WEB) == 4


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """What the function has written so far, log and metric lines together."""
    log = io.StringIO()
    logger.registered_handler.setStream(log)  # type: ignore[attr-defined]

    def written() -> list[dict[str, Any]]:
        text = log.getvalue() + capsys.readouterr().out
        return [json.loads(line) for line in text.splitlines()]

    return written


def named(alarm: str) -> dict[str, Any]:
    event = load_event("alarm-high-step2")
    event["detail"]["alarmName"] = alarm
    return event


@pytest.fixture
def calls(cycle: Cycle) -> Counter[str]:
    """The calls made by the cycle's own clients from now on."""
    counted: Counter[str] = Counter()

    def count(model: Any, **_: Any) -> None:
        counted.update([model.name])

    for client in clients_of(cycle):
        client.meta.events.register("before-call", count)
    return counted


def clients_of(cycle: Cycle) -> list[Any]:
    ports: Any = cycle
    return [
        ports.services._client,  # noqa: SLF001
        ports.targets._client,  # noqa: SLF001
        ports.policies._provider.client,  # noqa: SLF001
    ]


def test_a_change_makes_these_calls_and_no_others(cycle: Cycle, calls: Counter[str]) -> None:
    deliver(load_event("alarm-high-step2"), cycle)

    assert calls == {
        "GetParameter": 1,
        "UpdateItem": 1,
        "DescribeServices": 1,
        "UpdateService": 1,
        "TransactWriteItems": 1,
    }


def test_a_hold_makes_these_calls_and_no_others(cycle: Cycle, calls: Counter[str]) -> None:
    deliver(load_event("alarm-ok"), cycle)

    assert calls == {
        "GetParameter": 1,
        "UpdateItem": 1,
        "DescribeServices": 1,
        "TransactWriteItems": 1,
    }


@pytest.mark.parametrize(
    ("event", "document", "outcome", "made"),
    [
        pytest.param(
            named("quickstep/prod/nowhere/high-request-rate"),
            None,
            "FAILED_CONFIG",
            {"GetParameter": 1, "PutItem": 1},
            id="a target nobody knows",
        ),
        pytest.param(
            named("quickstep/prod/web/high-latency"),
            None,
            "FAILED_CONFIG",
            {"GetParameter": 1, "PutItem": 1},
            id="an alarm without a policy",
        ),
        pytest.param(
            load_event("alarm-high-step2"),
            (WEB, json.dumps(a_document(MinCapacity=90))),
            "FAILED_CONFIG",
            {"GetParameter": 1, "PutItem": 1},
            id="a document that breaks a rule",
        ),
        pytest.param(
            named("quickstep/prod/gone/high-request-rate"),
            (ServiceName("prod", "gone"), json.dumps(a_document(ResourceId="service/prod/gone"))),
            "FAILED_NOT_FOUND",
            {"GetParameter": 1, "UpdateItem": 1, "DescribeServices": 1, "TransactWriteItems": 1},
            id="a service that does not exist",
        ),
        pytest.param(
            named("quickstep/gone/web/high-request-rate"),
            (ServiceName("gone", "web"), json.dumps(a_document(ResourceId="service/gone/web"))),
            "FAILED_NOT_FOUND",
            {"GetParameter": 1, "UpdateItem": 1, "DescribeServices": 1, "TransactWriteItems": 1},
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
    cycle: Cycle,
    account: Account,
    calls: Counter[str],
) -> None:
    if document:
        put_policy(account, *document)

    answer = deliver(event, cycle)

    assert (answer["outcome"], calls) == (outcome, made)
    _, cluster, service = answer["resource_id"].split("/")
    (stored,) = stored_decisions(account, ServiceName(cluster, service))
    assert stored["outcome"] == outcome
    assert desired_count(account, WEB) == 4


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(load_event("alarm-malformed"), id="malformed"),
        pytest.param(named("ServerCpuTooHigh"), id="another prefix"),
        pytest.param({}, id="empty"),
        pytest.param(None, id="null"),
    ],
)
def test_a_malformed_event_is_refused_without_a_call_or_a_retry(
    event: Any, cycle: Cycle, calls: Counter[str], lines: Lines
) -> None:
    answer = deliver(event, cycle)

    assert list(answer) == ["refused"]
    assert answer["refused"]
    assert calls == {}
    written = lines()
    assert any(line.get("RefusedEvents") == [1.0] for line in written)
    assert any(line.get("problems") == answer["refused"] for line in written)


def test_a_decision_is_logged_once_and_counted(cycle: Cycle, lines: Lines) -> None:
    answer = deliver(load_event("alarm-high-step2"), cycle)

    written = lines()
    (log,) = [line for line in written if "decision" in line]
    assert log["decision"] == answer
    assert log["correlation_id"] == "0b5c2a61-3a55-4a54-9a8b-1d6a1f0c0002"
    assert log["function_request_id"] == "request-1"
    (counted,) = [line for line in written if "Decisions" in line]
    assert (counted["ResourceId"], counted["Outcome"]) == ("service/prod/web", "SCALED_OUT")
    (latency,) = [line for line in written if "AlarmToUpdateLatency" in line]
    assert latency["AlarmToUpdateLatency"] == [257.0]
    assert not any("FailedDecisions" in line for line in written)


def test_a_failed_decision_is_counted_for_the_stack_s_alarm(cycle: Cycle, lines: Lines) -> None:
    deliver(load_event("alarm-unknown-target"), cycle)

    written = lines()
    (failed,) = [line for line in written if "FailedDecisions" in line]
    assert failed["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]
    assert any(line.get("level") == "ERROR" for line in written)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"TABLE_NAME": None}, "TABLE_NAME: is required, but missing"),
        ({"RETENTION_DAYS": "a month"}, 'RETENTION_DAYS: must be a whole number, not "a month"'),
        (
            {"MAX_EVENT_AGE_SECONDS": "-1"},
            'MAX_EVENT_AGE_SECONDS: must be a whole number, not "-1"',
        ),
    ],
)
def test_settings_name_what_is_wrong(changes: dict[str, str | None], problem: str) -> None:
    environment = {k: v for k, v in {**ENVIRONMENT, **changes}.items() if v is not None}

    with pytest.raises(SettingsError, match=problem):
        Settings.from_environment(environment)
