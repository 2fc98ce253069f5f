"""`quickstep doctor` on the embedded AWS: what it gathers, finds and measures."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from moto.events.models import EventPattern

import quickstep_cli.aws
import quickstep_cli.doctor
import quickstep_cli.facts
from quickstep_lab.embedded_aws import TABLE, create_queue, put_policy
from tests.builders import HIGH, LOW, WEB, a_document
from tests.integration.scene import a_door, an_event, tasks
from tests.template.stack import SCALER, deploy

if TYPE_CHECKING:
    from quickstep_lab.embedded_aws import Account

PATTERN = deploy(SCALER).the("AWS::Events::Rule")["EventPattern"]


@pytest.fixture
def stack(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the scaler's stack has beside table and queue: the rule, dead letters, a role."""
    events = account.client("events")
    events.put_rule(Name="rule", EventPattern=json.dumps(PATTERN), State="ENABLED")
    dead = create_queue(account, "dead")
    resources = {"Table": TABLE, "ScalerAlarmStateChange": "rule", "ScalerRole": "role"}

    def resource(_self: Any, logical_id: str) -> str:
        return resources.get(logical_id, dead)

    def matches(_events: Any, pattern: str, event: Any) -> bool:
        """Match as moto's rules do: its TestEventPattern gives no answer."""
        return bool(EventPattern(pattern, json.loads(pattern)).matches_event(event))

    monkeypatch.setattr(quickstep_cli.aws.Aws, "resource", resource)

    def simulated(_iam: Any, role: str, resource: str, _region: str) -> list[str]:
        """Allow it to the stack's role on the service: moto simulates no policies."""
        asked = (role, resource)
        expected = (
            "arn:aws:iam::123456789012:role/role",
            "arn:aws:ecs:us-east-1:123456789012:service/prod/web",
        )
        return [] if asked == expected else ["everything"]

    monkeypatch.setattr(quickstep_cli.facts, "matches", matches)
    monkeypatch.setattr(quickstep_cli.facts, "simulated", simulated)


def put_alarms(account: Account, **changes: Any) -> None:
    for policy, way, threshold in ((HIGH, "Greater", 100.0), (LOW, "Less", 30.0)):
        alarm: Any = {
            "AlarmName": WEB.alarm(policy),
            "Namespace": "MyApp/Performance",
            "MetricName": "RequestsPerSecond",
            "Statistic": "Average",
            "Period": 10,
            "EvaluationPeriods": 1,
            "Threshold": threshold,
            "ComparisonOperator": f"{way}ThanThreshold",
            "TreatMissingData": "missing",
            **changes,
        }
        account.client("cloudwatch").put_metric_alarm(**alarm)


def publish(account: Account) -> None:
    now = datetime.now(UTC)
    account.client("cloudwatch").put_metric_data(
        Namespace="MyApp/Performance",
        MetricData=[
            {
                "MetricName": "RequestsPerSecond",
                "Timestamp": now - timedelta(seconds=age),
                "Value": 50.0,
                "StorageResolution": 1,
            }
            for age in range(10, 60, 5)
            for _ in range(4)
        ],
    )


def findings(result: Any) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for one in json.loads(result.stdout):
        found.setdefault(one["check"], []).append((one["verdict"], one["what"]))
    return found


@pytest.mark.usefixtures("stack")
def test_a_target_that_works_is_said_to_work(account: Account, run: Any) -> None:
    put_alarms(account)
    publish(account)

    result = run("doctor", "prod/web", "--json")

    assert result.exit_code == 0, result.output
    found = findings(result)
    assert found["policy document"] == [("ok", "/quickstep/prod/web is valid")]
    assert found["rule"] == [("ok", "is enabled, and matches events of this target's alarms")]
    assert found["service"][0][0] == "ok"
    assert found["other scalers"][0][0] == "ok"
    assert found["dead letters"] == [("ok", "the dead-letter queues are empty")]
    assert found["state"] == [("ok", "the target's item can be read")]
    assert [verdict for verdict, _ in found["alarms"]] == ["ok", "ok"]
    assert found["metric"][0][0] == "ok"


@pytest.mark.usefixtures("stack")
def test_what_is_wrong_is_said_with_what_to_do_about_it(account: Account, run: Any) -> None:
    put_policy(account, WEB, json.dumps(a_document(ScaleInPolicies={})))
    put_alarms(account, Period=60)

    result = run("doctor", "prod/web")

    assert result.exit_code == 1
    assert "✗ alarms: quickstep/prod/web/low-request-rate drives no policy" in result.stdout
    assert "delete the alarm, or add the policy" in result.stdout
    assert "! alarms: quickstep/prod/web/high-request-rate has a period of 60 s" in result.stdout
    assert "✗ metric: high-request-rate: no datapoint" in result.stdout


def test_what_cannot_be_asked_is_said_and_the_rest_is_checked(run: Any) -> None:
    result = run("doctor", "prod/web", "--stack", "elsewhere", "--json")

    found = findings(result)
    assert found["rule"][0][0] == "warning"
    assert "no stack elsewhere" in found["rule"][0][1]
    assert found["policy document"][0][0] == "ok"


def test_an_unknown_target_is_a_problem(run: Any) -> None:
    result = run("doctor", "prod/nowhere", "--stack", "elsewhere", "--json")

    assert result.exit_code == 1
    found = findings(result)
    assert found["policy document"] == [("problem", "/quickstep/prod/nowhere does not exist")]
    assert found["service"][0][0] == "problem"


# --- --fire ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("stack")
def test_fire_measures_the_whole_path_of_a_dry_run(
    account: Account, queue_url: str, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EventBridge is played here: as soon as the command waits, the event is there."""
    put_policy(account, WEB, json.dumps(a_document(DryRun=True)))
    put_alarms(account)
    publish(account)

    def event_bridge(_: timedelta) -> None:
        described = account.client("cloudwatch").describe_alarms(AlarmNames=[WEB.alarm(HIGH)])
        assert described["MetricAlarms"][0]["StateValue"] == "ALARM"
        event = an_event(datetime.now(UTC))
        event["detail"]["state"].pop("reasonData")
        a_door(account, queue_url, lambda: datetime.now(UTC)).on_event(event)

    monkeypatch.setattr(quickstep_cli.doctor, "wait_for", event_bridge)

    result = run("doctor", "prod/web", "--fire", "--yes", "--json")

    assert result.exit_code == 0, result.output
    ((verdict, what),) = findings(result)["whole path"]
    assert verdict == "ok"
    assert "s after the alarm's change; its record could be read" in what
    assert tasks(account) == 4


@pytest.mark.usefixtures("stack")
def test_fire_says_that_nothing_came(
    account: Account, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_policy(account, WEB, json.dumps(a_document(DryRun=True)))
    put_alarms(account)
    monkeypatch.setattr(quickstep_cli.doctor, "wait_for", lambda _: None)

    result = run("doctor", "prod/web", "--fire", "--wait", "1", "--yes")

    assert result.exit_code == 1
    assert "whole path: no decision within 1 s" in result.stdout


@pytest.mark.usefixtures("stack")
def test_fire_is_refused_where_it_would_scale(account: Account, run: Any) -> None:
    put_alarms(account)

    result = run("doctor", "prod/web", "--fire", "--yes")

    assert result.exit_code == 1
    assert "--fire is for a dry run: service/prod/web would be scaled" in result.stderr
    described = account.client("cloudwatch").describe_alarms(AlarmNames=[WEB.alarm(HIGH)])
    assert described["MetricAlarms"][0]["StateValue"] != "ALARM"
