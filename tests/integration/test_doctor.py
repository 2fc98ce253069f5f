"""`quickstep doctor` on the embedded AWS: what it gathers, finds and measures."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from moto.events.models import EventPattern

import quickstep_cli.aws
import quickstep_cli.facts
import quickstep_cli.rights
import quickstep_cli.targets
from quickstep.fields import write_moment
from quickstep.naming import DRILL
from quickstep_cli.facts import DEAD_LETTERS
from quickstep_cli.rights import GRANTS
from quickstep_lab.embedded_aws import TABLE, create_queue, put_policy, put_scaler
from tests.builders import HIGH, LOW, WEB, a_document, alarm_input
from tests.integration.scene import a_door, an_event, tasks
from tests.template.stack import SCALER, deploy

if TYPE_CHECKING:
    from quickstep_lab.embedded_aws import Account

PATTERN = deploy(SCALER).the("AWS::Events::Rule")["EventPattern"]
OTHER = {"scaler": {"TABLE_NAME": "other", "QUEUE_URL": "https://sqs"}, "a bell": {"CHAT": "#ops"}}


@pytest.fixture
def stack(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the scaler's stack has beside table and queue: parameter, rule, dead letters, roles."""
    put_scaler(account, create_queue(account))
    put_rule(account, "rule", {"TABLE_NAME": TABLE, "QUEUE_URL": "https://sqs"})
    dead = create_queue(account, "dead")

    def resource(_self: Any, logical_id: str) -> str:
        return dead if logical_id in DEAD_LETTERS else logical_id

    def matches(_events: Any, pattern: str, event: Any) -> bool:
        """Match as moto's rules do: its TestEventPattern gives no answer."""
        return bool(EventPattern(pattern, json.loads(pattern)).matches_event(event))

    monkeypatch.setattr(quickstep_cli.aws.Aws, "resource", resource)
    monkeypatch.setattr(quickstep_cli.facts, "matches", matches)
    monkeypatch.setattr(quickstep_cli.rights, "simulated", Simulation())


@dataclass
class Simulation:
    """IAM's, which moto has not: allows all but one action, and keeps what it was asked."""

    refuses: str = ""
    asked: set[tuple[str, str]] = field(default_factory=set)

    def __call__(
        self, _iam: Any, role: str, actions: tuple[str, ...], resource: str, _region: str
    ) -> list[str]:
        self.asked |= {(role.removeprefix("arn:aws:iam::123456789012:role/"), resource)}
        return [action for action in actions if action == self.refuses]


def put_rule(account: Account, name: str, variables: dict[str, str]) -> None:
    """Make a rule of the scaler's pattern, and the function that it invokes."""
    events, iam = account.client("events"), account.client("iam")
    role = iam.create_role(RoleName=f"for-{name}", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("handler.py", "")
    function = account.client("lambda").create_function(
        FunctionName=f"function-of-{name}",
        Runtime="python3.13",
        Handler="handler.handler",
        Role=role,
        Code={"ZipFile": code.getvalue()},
        Environment={"Variables": variables},
    )
    events.put_rule(Name=name, EventPattern=json.dumps(PATTERN), State="ENABLED")
    events.put_targets(Rule=name, Targets=[{"Id": "function", "Arn": function["FunctionArn"]}])


def put_alarms(account: Account, **changes: Any) -> None:
    for policy in (HIGH, LOW):
        put_alarm(account, policy, **changes)


def put_alarm(account: Account, name: str, **changes: Any) -> None:
    account.client("cloudwatch").put_metric_alarm(**alarm_input(name, **changes))


def publish(account: Account, namespace: str = "Quickstep/prod/web") -> None:
    now = datetime.now(UTC)
    account.client("cloudwatch").put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": "RequestsPerSecond",
                "Timestamp": now - timedelta(seconds=age),
                "Value": 50.0,
                "StorageResolution": 1,
            }
            for age in range(10, 60)
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
    """The alarm of its drill is none of those that it is scaled by."""
    put_alarms(account)
    put_alarm(account, DRILL, Threshold=0.0, Namespace="Quickstep/Drill", MetricName="Pulse")
    publish(account)

    result = run("doctor", "prod/web", "--json")

    assert result.exit_code == 0, result.output
    found = findings(result)
    assert found["policy document"] == [("ok", "/quickstep/prod/web is valid")]
    function = "arn:aws:lambda:us-east-1:123456789012:function:function-of-rule"
    assert found["scaler"] == [
        ("ok", f"rule invokes {function}, on events of this target's alarms")
    ]
    assert found["rights"] == [("ok", "every role may make the calls it needs")]
    assert found["foreign changes"][0][0] == "ok"
    assert "namespace" not in found
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


ONE_NUMBER = json.dumps(
    {
        "ResourceId": "service/prod/web",
        "MinCapacity": 2,
        "MaxCapacity": 40,
        "TargetTrackingPolicies": {"request-rate": {"TargetValue": 100}},
        "PublishSeconds": 1,
    }
)


@pytest.mark.usefixtures("stack")
def test_a_target_policy_s_alarm_is_found_and_any_other_drives_none(
    account: Account, run: Any
) -> None:
    put_policy(account, WEB, ONE_NUMBER)
    for name in ("request-rate/high", "request-rate/low", "request-rate"):
        put_alarm(account, name)
    publish(account)

    found = findings(run("doctor", "prod/web", "--json"))

    assert found["alarms"] == [
        ("ok", "quickstep/prod/web/request-rate/high: 10 s, OK"),
        ("problem", "quickstep/prod/web/request-rate drives no policy of the document"),
        ("problem", "quickstep/prod/web/request-rate/low drives no policy of the document"),
    ]
    assert [verdict for verdict, _ in found["metric"]] == ["ok", "ok"]
    assert "namespace" not in found


def test_what_cannot_be_asked_is_said_and_the_rest_is_checked(run: Any) -> None:
    result = run("doctor", "prod/web", "--stack", "elsewhere", "--json")

    found = findings(result)
    assert found["rights"][0][0] == "warning"
    assert "no stack elsewhere" in found["rights"][0][1]
    assert "no scaler in us-east-1: there is no SSM parameter" in found["scaler"][0][1]
    assert found["policy document"][0][0] == "ok"


def test_an_unknown_target_is_a_problem(run: Any) -> None:
    result = run("doctor", "prod/nowhere", "--stack", "elsewhere", "--json")

    assert result.exit_code == 1
    found = findings(result)
    assert found["policy document"] == [("problem", "/quickstep/prod/nowhere does not exist")]
    assert found["service"][0][0] == "problem"


# --- who else -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("stack")
def test_a_second_scaler_is_found_and_a_bell_on_the_same_alarms_is_none(
    account: Account, run: Any
) -> None:
    for name, variables in OTHER.items():
        put_rule(account, name.replace(" ", "-"), variables)

    result = run("doctor", "prod/web", "--json")

    ((verdict, what),) = findings(result)["scaler"]
    assert verdict == "problem"
    assert what.startswith("2 act on each event of this target: ")
    assert "function-of-rule; scaler invokes" in what
    assert "a-bell" not in what


def test_a_scaler_without_a_stack_is_asked_about_by_the_names_that_it_says(
    account: Account, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `terraform/scaler` writes it: there is no stack to ask for a physical name."""
    dead = create_queue(account, "dead")
    named = {grant.role: f"quickstep-{grant.role}" for grant in GRANTS}
    named |= {grant.resource: "name" for grant in GRANTS if grant.resource not in named}
    named |= dict.fromkeys(DEAD_LETTERS, dead)
    value = {"Stack": "quickstep", "Table": TABLE, "Rechecks": dead, "Resources": named}
    account.client("ssm").put_parameter(
        Name="/quickstep-scaler", Value=json.dumps(value), Type="String"
    )
    iam = Simulation()
    monkeypatch.setattr(quickstep_cli.rights, "simulated", iam)

    found = findings(run("doctor", "prod/web", "--json"))

    assert found["rights"][0][0] == "ok"
    assert {role for role, _ in iam.asked} == {f"quickstep-{grant.role}" for grant in GRANTS}
    assert "warning" not in {verdict for verdict, _ in found["dead letters"]}


@pytest.mark.usefixtures("stack")
def test_every_role_is_asked_about_what_its_resource_is_called(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam = Simulation(refuses="dynamodb:Query")
    monkeypatch.setattr(quickstep_cli.rights, "simulated", iam)

    result = run("doctor", "prod/web", "--json")

    table = "arn:aws:dynamodb:us-east-1:123456789012:table/Table"
    assert findings(result)["rights"] == [
        ("problem", f"{role} may not call dynamodb:Query on {table}")
        for role in ("ScalerRole", "DashboardWidgetRole")
    ]
    assert len({role for role, _ in iam.asked}) == 5
    assert iam.asked >= {
        ("ScalerRole", "arn:aws:ecs:us-east-1:123456789012:service/prod/web"),
        ("ScalerRole", "arn:aws:ssm:us-east-1:123456789012:parameter/quickstep/prod/web"),
        ("ScalerRole", "arn:aws:sqs:us-east-1:123456789012:dead"),
        ("SchedulerRole", "arn:aws:lambda:us-east-1:123456789012:function:Schedule"),
    }


@pytest.mark.usefixtures("stack")
def test_tasks_that_publish_in_another_namespace_are_found(account: Account, run: Any) -> None:
    put_alarms(account)
    publish(account, "MyApp/Performance")

    found = findings(run("doctor", "prod/web", "--json"))

    what = "no datapoint in the last minutes in Quickstep/prod/web, but in MyApp/Performance"
    assert found["metric"] == [("problem", f"{HIGH}: {what}")]


@pytest.mark.usefixtures("stack")
def test_all_that_application_auto_scaling_and_alarms_do_by_themselves_is_found(
    account: Account, run: Any
) -> None:
    asked = {
        "ServiceNamespace": "ecs",
        "ResourceId": WEB.resource_id,
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    client = account.client("application-autoscaling")
    client.register_scalable_target(**asked, MinCapacity=1, MaxCapacity=9)
    found = findings(run("doctor", "prod/web", "--json"))
    assert found["other scalers"][0][1].startswith("the service is still a scalable target")

    policy = client.put_scaling_policy(
        **asked, PolicyName="cpu50", PolicyType="StepScaling", StepScalingPolicyConfiguration={}
    )
    client.put_scheduled_action(**asked, ScheduledActionName="night", Schedule="rate(1 day)")
    put_alarms(account, AlarmActions=["arn:aws:lambda:us-east-1:1:function:f", "arn:aws:sns:x:1:t"])
    account.client("cloudwatch").put_metric_alarm(
        AlarmName="web-cpu",
        Namespace="AWS/ECS",
        MetricName="CPUUtilization",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=50,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[policy["PolicyARN"]],
    )

    found = findings(run("doctor", "prod/web", "--json"))

    what = "Application Auto Scaling acts on the service: cpu50, scheduled action night"
    function = "arn:aws:lambda:us-east-1:1:function:f"
    assert found["other scalers"] == [
        ("problem", what),
        *(
            ("warning", f"an alarm acts on its own: {WEB.alarm(one)}: {function}")
            for one in (HIGH, LOW)
        ),
        ("warning", f"an alarm acts on its own: web-cpu: {policy['PolicyARN']}"),
    ]


@pytest.mark.usefixtures("stack")
def test_a_target_group_that_drains_for_longer_than_is_known_is_found(
    account: Account, run: Any
) -> None:
    put_policy(account, WEB, json.dumps(a_document(DeregistrationDelaySeconds=30)))
    ecs, elb = account.client("ecs"), account.client("elbv2")
    vpc = account.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = elb.create_target_group(
        Name="web-group", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip"
    )
    ecs.delete_service(cluster=WEB.cluster, service=WEB.service, force=True)
    balancer = {"targetGroupArn": made["TargetGroups"][0]["TargetGroupArn"], "containerPort": 80}
    ecs.create_service(
        cluster=WEB.cluster,
        serviceName=WEB.service,
        taskDefinition=WEB.service,
        desiredCount=0,
        loadBalancers=[{**balancer, "containerName": "app"}],
    )

    found = findings(run("doctor", "prod/web", "--json"))

    known, cooldown = found["draining"]
    what = "a task drains for 300 s in web-group, and DeregistrationDelaySeconds is 30: after that,"
    assert known[1].startswith(what)
    assert "ends before a removed task has drained (300 s)" in cooldown[1]
    assert {known[0], cooldown[0]} == {"warning"}


@pytest.mark.usefixtures("stack")
def test_somebody_who_sets_the_count_again_and_again_is_found(account: Account, run: Any) -> None:
    now = datetime.now(UTC)
    for minutes, outcome in ((50, "FOREIGN_CHANGE"), (30, "SCALED_IN"), (10, "FOREIGN_CHANGE")):
        at = write_moment(now - timedelta(minutes=minutes))
        record = {"at": at, "outcome": outcome, "reason": "6 → 30", "sk": f"decision#{at}#1"}
        texts = {key: {"S": value} for key, value in {**record, "pk": WEB.resource_id}.items()}
        account.client("dynamodb").put_item(TableName=TABLE, Item=texts)

    result = run("doctor", "prod/web")

    assert "✗ foreign changes: 2, two of them within an hour; the last 20" in result.stdout
    assert "ignore_changes = [desired_count]" in result.stdout


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

    monkeypatch.setattr(quickstep_cli.targets, "wait_for", event_bridge)

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
    monkeypatch.setattr(quickstep_cli.targets, "wait_for", lambda _: None)

    result = run("doctor", "prod/web", "--fire", "--wait", "1", "--yes")

    assert result.exit_code == 1
    assert "whole path: no decision within 1 s" in result.stdout


@pytest.mark.usefixtures("stack")
def test_fire_is_refused_where_it_would_scale(account: Account, run: Any) -> None:
    put_alarms(account)

    result = run("doctor", "prod/web", "--fire", "--yes")

    assert result.exit_code == 1
    assert "--fire needs a dry run: service/prod/web would be scaled" in result.stderr
    described = account.client("cloudwatch").describe_alarms(AlarmNames=[WEB.alarm(HIGH)])
    assert described["MetricAlarms"][0]["StateValue"] != "ALARM"
