"""`template.yaml`: what it deploys is what the code expects, and no more than the code needs."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from moto.events.models import EventPattern

from functions.scaler.handler import handler
from functions.schedule.handler import handler as schedule_handler
from quickstep.engine.outcome import Outcome
from quickstep.fields import InvalidDocumentError, Problem
from quickstep.loop.announcing import ANNOUNCEABLE
from quickstep.loop.heartbeat import INLINE_TARGETS
from quickstep.naming import ServiceName
from quickstep.protocol.messages import Heartbeat, Heartbeats, Message, write_message
from quickstep.protocol.polls import Poll
from quickstep.report.telemetry import refuse, report
from quickstep.settings import ScheduleSettings, Settings, SettingsError
from quickstep.wiring import make_door, make_schedules
from quickstep_cli.rights import GRANTS, PARAMETER, PATH, PUT_EVENTS, SERVICE
from quickstep_lab.embedded_aws import (
    QUEUE_ATTRIBUTES,
    REGION,
    TABLE,
    TABLE_ATTRIBUTES,
    TABLE_KEYS,
    Account,
    create_queue,
    create_service,
    create_table,
    embedded_aws,
    put_policy,
)
from quickstep_lab.local_lambda import VARIABLES
from quickstep_lab.sam import FUNCTION, RUNTIME
from tests.builders import EVENTS, EXAMPLE_POLICY, HIGH, ROOT, WEB, a_record, load_event
from tests.log_lines import metrics_in, overhear
from tests.template.stack import SCALER, Stack, deploy, source, transform

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

STACK = deploy(SCALER)
SCHEDULE = "Schedule"


# The function


def function(stack: Stack = STACK, name: str = FUNCTION) -> dict[str, Any]:
    return stack.of_type("AWS::Lambda::Function")[name]


def environment(stack: Stack = STACK, name: str = FUNCTION) -> dict[str, str]:
    variables = function(stack, name)["Environment"]["Variables"]
    return {name: str(value) for name, value in variables.items()}


def test_the_function_can_read_the_settings_that_it_is_given() -> None:
    settings = Settings.from_environment(environment())

    assert settings == Settings("Table", "Rechecks", 30, timedelta(seconds=60), timedelta(days=30))


def asynchronous_of(name: str) -> dict[str, Any]:
    """Return what Lambda does with an event of a function that fails."""
    configs = STACK.of_type("AWS::Lambda::EventInvokeConfig").values()
    (config,) = (one for one in configs if one["FunctionName"] == name)
    return config


# What is in the environment for boto3 and Powertools to read.
LIBRARIES_OWN = {"AWS_ENDPOINT_URL", "POWERTOOLS_LOG_LEVEL"}


def test_the_function_is_given_the_settings_that_it_needs_and_no_others() -> None:
    with pytest.raises(SettingsError) as without_any:
        Settings.from_environment({})

    required = {problem.path for problem in without_any.value.problems}
    assert environment().keys() - LIBRARIES_OWN == required | {"EVENT_OUTCOMES"}, "or none at all"


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        pytest.param({}, f"https://ecs.{REGION}.amazonaws.com", id="AWS"),
        pytest.param({"EndpointUrl": "http://127.0.0.1:1"}, "http://127.0.0.1:1", id="an emulator"),
    ],
)
def test_the_endpoint_parameter_says_whom_the_function_calls(
    given: dict[str, str], endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", environment(deploy(SCALER, **given))["AWS_ENDPOINT_URL"])

    assert boto3.Session().client("ecs").meta.endpoint_url == endpoint


def test_the_laboratory_runs_the_function_that_is_deployed() -> None:
    assert function()["Runtime"] == RUNTIME
    assert (ROOT / "functions" / "scaler" / "handler.py").is_file()


def test_sam_local_would_drop_none_of_the_variables_in_env_json() -> None:
    variables = json.loads(VARIABLES.read_text(encoding="utf-8"))

    assert variables.keys() == {FUNCTION}
    assert variables[FUNCTION].keys() <= environment().keys()


def test_the_powertools_layer_has_the_locked_releases_by_the_same_hashes() -> None:
    layer = (ROOT / "layers/powertools/requirements.txt").read_text(encoding="utf-8")
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    packages = re.findall(r"^\S.*\n(?: .*\n)+", layer, re.MULTILINE)

    assert "".join(packages) == layer, "none without a hash"
    assert [package for package in packages if package not in lock] == []
    assert layer.startswith("aws-lambda-powertools==")


def test_whatever_others_make_is_named_by_what_is_in_it() -> None:
    """A tag can be moved to something else; a commit and a digest cannot."""
    workflows = sorted((ROOT / ".github/workflows").glob("*.yml"))
    workflow = "".join(path.read_text(encoding="utf-8") for path in workflows)
    image = (ROOT / "examples/app/Dockerfile").read_text(encoding="utf-8")
    used, bases = re.findall(r"uses: (.*)", workflow), re.findall("^FROM (.*)", image, re.MULTILINE)

    assert used
    assert [name for name in used if not re.search(r"@[0-9a-f]{40} # v\d", name)] == []
    assert [name for name in bases if not re.search("@sha256:[0-9a-f]{64}$", name)] == []


QUEUE_ARN = "arn:aws:sqs:us-east-1:123456789012:jobs"

CHANGED = {
    "ClusterName": "prod",
    "ServiceName": "web",
    "MinCapacity": "3",
    "MaxCapacity": "30",
    "TargetValue": "80",
    "Metric": "Utilization",
    "PublishSeconds": "5",
    "ScaleOutThreshold": "80",
    "ScaleInThreshold": "20",
    "Namespace": "MyApp/Performance",
    "DryRun": "false",
    "Document": "{}",
    "ClusterNames": "prod",
    "QueueArns": QUEUE_ARN,
    "AlarmEmail": "ops@example.com",
    "DrillTarget": "service/prod/web",
    "DrillMinutes": "5",
    "DrillSeconds": "90",
    "NamePrefix": "/quickstep-next",
    "EventOutcomes": "SCALED_OUT,FAILED_DENIED",
    "EventEmail": "ops@example.com",
    "EventWebhook": "https://hooks.example.com/quickstep",
    "EventWebhookSecret": "secret",
    "LogLevel": "DEBUG",
    "RetentionDays": "7",
    "PolicyMaxAgeSeconds": "5",
    "MaxEventAgeSeconds": "30",
    "MemorySize": "512",
    "SnapStart": "on",
    "ProvisionedConcurrency": "1",
    "EndpointUrl": "http://127.0.0.1:1",
}


def test_every_parameter_of_the_stack_is_changed_once_below() -> None:
    assert CHANGED.keys() == source(SCALER)["Parameters"].keys()


@pytest.mark.parametrize("name", CHANGED)
def test_a_new_version_is_published_exactly_when_the_function_changes(name: str) -> None:
    """A version that stays would keep the old configuration; one too many could not be published.

    SAM's own trigger, a hash in the version's name, does not see parameters.
    """
    changed = deploy(SCALER, **{name: CHANGED[name]})
    versions = [stack.the("AWS::Lambda::Version") for stack in (STACK, changed)]

    assert (versions[0] != versions[1]) == (function() != function(changed))


@pytest.mark.parametrize("layer", ["CoreLayer", "PowertoolsLayer"])
def test_a_new_version_is_published_when_only_a_layer_changes(layer: str) -> None:
    template = deepcopy(source(SCALER))
    template["Resources"][layer]["Properties"]["ContentUri"] = "s3://bucket/newer"

    assert version_of(transform(template)) != version_of(transform(source(SCALER)))


def version_of(template: dict[str, Any]) -> str:
    resources = template["Resources"].items()
    (name,) = (name for name, one in resources if one["Type"] == "AWS::Lambda::Version")
    return str(name)


def test_the_longest_version_description_fits() -> None:
    given = {
        name: max((str(value) for value in parameter["AllowedValues"]), key=len)
        if "AllowedValues" in parameter
        else str(parameter.get("MaxValue", ""))
        for name, parameter in source(SCALER)["Parameters"].items()
    }
    longest = deploy(SCALER, **given | {"EndpointUrl": f"https://{'x' * 100}"})

    assert len(longest.the("AWS::Lambda::Version")["Description"]) <= 256


def test_the_alias_is_what_events_re_checks_and_heartbeats_go_to() -> None:
    (alias,) = STACK.of_type("AWS::Lambda::Alias")
    (target,) = STACK.the("AWS::Events::Rule")["Targets"]
    permission = STACK.the("AWS::Lambda::Permission")
    asynchronous = asynchronous_of(FUNCTION)

    assert target["Arn"] == permission["FunctionName"] == alias
    mappings = STACK.of_type("AWS::Lambda::EventSourceMapping").values()
    assert {mapping["FunctionName"] for mapping in mappings} == {alias}
    assert STACK.the("AWS::Scheduler::Schedule")["Target"]["Arn"] == alias
    assert asynchronous["Qualifier"] == STACK.the("AWS::Lambda::Alias")["Name"] == "live"


# One scaler


def test_a_second_scaler_fails_by_a_name_that_says_why_before_it_has_a_function() -> None:
    (name,) = STACK.of_type("AWS::SSM::Parameter")

    assert name == "OneScalerPerAccountAndRegion"
    assert STACK.the("AWS::SSM::Parameter")["Name"] == "/quickstep-scaler"
    assert STACK.resources[FUNCTION]["DependsOn"] == name


def test_a_replacing_scaler_has_another_name() -> None:
    stack = deploy(SCALER, NamePrefix="/quickstep-next")

    assert stack.the("AWS::SSM::Parameter")["Name"] == "/quickstep-next-scaler"


def test_the_scaler_s_parameter_has_what_others_need_to_know() -> None:
    assert json.loads(STACK.the("AWS::SSM::Parameter")["Value"]) == {
        "ScheduleFunction": "Schedule.Arn",
        "SchedulerRole": "SchedulerRole.Arn",
        "UndeliveredEvents": "UndeliveredEvents.Arn",
        "Stack": "quickstep",
        "Table": "Table",
        "Rechecks": "Rechecks",
        "Surges": "Surges",
    }


# The rule


def matches(event: Any) -> bool:
    pattern = STACK.the("AWS::Events::Rule")["EventPattern"]
    return EventPattern(json.dumps(pattern), pattern).matches_event(event)


@pytest.mark.parametrize("name", sorted(path.stem for path in EVENTS.glob("alarm-*.json")))
def test_the_rule_matches_a_sample_event(name: str) -> None:
    assert matches(load_event(name))


@pytest.mark.parametrize("state", ["OK", "ALARM", "INSUFFICIENT_DATA"])
def test_the_rule_matches_every_state(state: str) -> None:
    event = load_event("alarm-high-step1")
    event["detail"]["state"]["value"] = state

    assert matches(event)


@pytest.mark.parametrize(
    "alarm",
    [
        pytest.param("ServerCpuTooHigh", id="somebody else's"),
        pytest.param("quickstep", id="the prefix without a slash"),
        pytest.param("quickstep-test/prod/web/high-request-rate", id="a longer prefix"),
        pytest.param("Quickstep/prod/web/high-request-rate", id="the prefix in capitals"),
        pytest.param("my/quickstep/prod/web/high-request-rate", id="the prefix further on"),
        pytest.param("TargetTracking-service/prod/web-AlarmHigh", id="Application Auto Scaling's"),
        *(
            pytest.param(f"quickstep-{name}-1A2B3C", id=f"this stack's own {name}")
            for name in STACK.of_type("AWS::CloudWatch::Alarm")
        ),
    ],
)
def test_the_rule_does_not_match_an_alarm_called(alarm: str) -> None:
    event = load_event("alarm-high-step1")
    event["detail"]["alarmName"] = alarm

    assert not matches(event)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("detail-type", "CloudWatch Alarm Configuration Change"),
        ("detail-type", "CloudWatch Alarm Contributor State Change"),
        ("source", "my.app"),
        pytest.param("account", "999999999999", id="another account's"),
        pytest.param("region", "eu-west-1", id="another Region's"),
    ],
)
def test_the_rule_does_not_match_other_events(key: str, value: str) -> None:
    assert not matches({**load_event("alarm-high-step1"), key: value})


def test_no_rule_but_this_one_may_invoke_the_scaler() -> None:
    (rule,) = STACK.of_type("AWS::Events::Rule")
    permission = STACK.the("AWS::Lambda::Permission")

    assert permission["Principal"] == "events.amazonaws.com"
    assert permission["SourceArn"] == f"{rule}.Arn"


def test_the_stack_s_own_alarms_have_names_that_cloudformation_makes() -> None:
    """A stack's name has no slash, so such a name cannot start with `quickstep/`."""
    assert not any(
        "AlarmName" in alarm for alarm in STACK.of_type("AWS::CloudWatch::Alarm").values()
    )


# The table


def test_the_table_is_the_one_that_tests_and_laboratory_use() -> None:
    table = STACK.the("AWS::DynamoDB::Table")

    assert table["KeySchema"] == TABLE_KEYS
    assert table["AttributeDefinitions"] == TABLE_ATTRIBUTES
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_the_queue_is_the_one_that_tests_and_laboratory_use() -> None:
    rechecks = STACK.of_type("AWS::SQS::Queue")["Rechecks"]
    assert str(rechecks["VisibilityTimeout"]) == QUEUE_ATTRIBUTES["VisibilityTimeout"]


def test_the_table_survives_its_stack_and_mistakes() -> None:
    (table,) = (one for one in STACK.resources.values() if one["Type"] == "AWS::DynamoDB::Table")

    assert table["DeletionPolicy"] == "RetainExceptOnCreate"
    assert table["UpdateReplacePolicy"] == "Retain"
    assert table["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
    assert table["Properties"]["SSESpecification"]["SSEEnabled"]


# Permissions


@dataclass(frozen=True)
class Call:
    """An AWS call that the function's code made."""

    operation: str
    parameters: dict[str, Any]

    @property
    def actions(self) -> set[str]:
        """The IAM actions that it needs; a transaction needs those of its parts."""
        if self.operation == "dynamodb:TransactWriteItems":
            parts = {part for item in self.parameters["TransactItems"] for part in item}
            return {f"dynamodb:{part}Item" for part in parts}
        if self.operation == "sqs:SendMessageBatch":
            return {"sqs:SendMessage"}
        return {self.operation}


HEARTBEAT = load_event("heartbeat")
RECHECK = load_event("recheck")
SURGE = load_event("surge")


@pytest.fixture(scope="module")
def calls() -> list[Call]:
    """Every kind of call that the code makes, for each kind of event that it is given.

    A change, a surge, a re-check of it, a duplicate and no policy; a heartbeat over one target,
    over one that has lost its alarm, and over more than it looks at by itself.
    """
    made: list[Call] = []

    def record(params: dict[str, Any], model: Any, **_: Any) -> None:
        prefix = model.service_model.endpoint_prefix
        made.append(Call(f"{IAM_PREFIXES.get(prefix, prefix)}:{model.name}", dict(params)))

    with embedded_aws() as account:
        create_table(account)
        create_service(account, WEB, 4)
        put_policy(account, WEB, EXAMPLE_POLICY.read_text(encoding="utf-8"))
        cloudwatch = account.client("cloudwatch")
        queue_url = create_queue(account)
        create_worker(account)
        settings = Settings(TABLE, queue_url, 0, timedelta(days=36_500), timedelta(days=30))
        account.session.events.register("before-parameter-build", record)
        door = make_door(settings, account.client)

        def deliver(event: Any) -> Any:
            return handler(event, cast("LambdaContext", Context()), door=door)

        found_and_polled(deliver)
        put_alarm(cloudwatch, WEB)
        deliver(load_event("alarm-high-step2"))
        deliver(RECHECK)
        deliver(SURGE)
        deliver(load_event("alarm-duplicate"))
        deliver(load_event("alarm-unknown-target"))
        deliver(HEARTBEAT)
        cloudwatch.delete_alarms(AlarmNames=[WEB.alarm(HIGH)])
        deliver(HEARTBEAT)  # which learns of it
        deliver(HEARTBEAT)  # and takes the target from the list
        put_alarm(cloudwatch, WEB)
        for number in range(INLINE_TARGETS):
            put_alarm(cloudwatch, ServiceName("prod", f"other-{number}"))
        deliver(HEARTBEAT)
    return made


WORKER = ServiceName("prod", "worker")


def create_worker(account: Account) -> None:
    """Create a service that works off a queue."""
    body = {"jobs": {"QueueName": "jobs", "SecondsPerJob": 2}}
    bounds = {"MinCapacity": 0, "MaxCapacity": 9}
    document = {"ResourceId": WORKER.resource_id, **bounds, "QueuePolicies": body}
    create_service(account, WORKER, 0)
    account.client("sqs").create_queue(QueueName="jobs")
    put_policy(account, WORKER, json.dumps(document))


def found_and_polled(deliver: Callable[[Any], Any]) -> None:
    """Have that service found by a heartbeat, looked at, and its queue polled."""
    deliver(HEARTBEAT)
    look = Heartbeats((Heartbeat(WORKER, {}),))
    poll = Poll(datetime.now(UTC), {WORKER: ("jobs",)}, 1)
    for content in (look, poll):
        body = json.dumps(write_message(Message(content)))
        answer = deliver({"Records": [{"messageId": "1", "body": body}]})
        assert answer == {"batchItemFailures": []}


# Where IAM's name of a service is not that of its endpoint.
IAM_PREFIXES = {"monitoring": "cloudwatch"}


def put_alarm(cloudwatch: Any, service: ServiceName) -> None:
    cloudwatch.put_metric_alarm(
        AlarmName=f"quickstep/{service.cluster}/{service.service}/{HIGH}",
        Namespace="MyApp/Performance",
        MetricName="RequestsPerSecond",
        Statistic="Average",
        Period=10,
        EvaluationPeriods=1,
        Threshold=100,
        ComparisonOperator="GreaterThanThreshold",
    )


class Context:
    """What the decorators read of a Lambda context."""

    function_name = "scaler"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:scaler:live"
    aws_request_id = "request-1"


def statements(stack: Stack = STACK, role: str = "ScalerRole") -> dict[str, dict[str, Any]]:
    (policy,) = stack.of_type("AWS::IAM::Role")[role]["Policies"]
    return {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# What Lambda does in the function's name; the code makes no such call.
LAMBDA_S_OWN = {
    "SendFailedInvocations": {"sqs:SendMessage"},
    "SendAndReceiveRechecks": {
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
    },
    "ReceiveSurges": {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
    "WriteLogs": {"logs:CreateLogStream", "logs:PutLogEvents"},
}

# What each statement is there for, by IAM's prefix of the service that the code calls.
STATEMENTS = {
    "ecs": "ScaleServicesOfTheNamedClusters",
    "ssm": "ReadPolicyDocuments",
    "dynamodb": "KeepStateAndRecords",
    "cloudwatch": "ReadMetricsAndAlarms",
    "sqs": "SendAndReceiveRechecks",
}
# Beside these, what finds a target that is not known yet, and reads a queue of its document.
OTHERS = {
    "ssm:GetParametersByPath": "FindPolicyDocuments",
    "sqs:GetQueueUrl": "ReadTheLengthOfTheNamedQueues",
    "sqs:GetQueueAttributes": "ReadTheLengthOfTheNamedQueues",
}


def test_the_role_allows_exactly_the_calls_that_the_code_makes(calls: list[Call]) -> None:
    needed = {sid: set(actions) for sid, actions in LAMBDA_S_OWN.items()}
    for action in {action for call in calls for action in call.actions}:
        sid = OTHERS.get(action, STATEMENTS[action.partition(":")[0]])
        needed.setdefault(sid, set()).add(action)

    granted = statements(deploy(SCALER, QueueArns=QUEUE_ARN))
    assert {sid: set(as_list(one["Action"])) for sid, one in granted.items()} == needed


@pytest.mark.parametrize(
    "arns",
    [
        pytest.param([QUEUE_ARN], id="one"),
        pytest.param([QUEUE_ARN, f"{QUEUE_ARN}-more.fifo", f"{QUEUE_ARN}-*"], id="several"),
    ],
)
def test_the_length_of_exactly_the_named_queues_may_be_read(arns: list[str]) -> None:
    granted = statements(deploy(SCALER, QueueArns=",".join(arns)))

    statement = granted["ReadTheLengthOfTheNamedQueues"]
    assert statement["Resource"] == arns
    assert set(statement["Action"]) == {"sqs:GetQueueAttributes", "sqs:GetQueueUrl"}


def test_events_may_go_to_the_default_bus_and_in_the_own_name_only() -> None:
    stack = deploy(SCALER, EventOutcomes="SCALED_OUT,FAILED_DENIED")

    assert statements(stack)["TellOthers"] == {
        "Sid": "TellOthers",
        "Effect": "Allow",
        "Action": "events:PutEvents",
        "Resource": "arn:aws:events:us-east-1:123456789012:event-bus/default",
        "Condition": {"StringEquals": {"events:source": "quickstep"}},
    }
    assert environment(stack)["EVENT_OUTCOMES"] == "SCALED_OUT,FAILED_DENIED"
    assert Settings.from_environment(environment(stack)).announced == {
        Outcome.SCALED_OUT,
        Outcome.FAILED_DENIED,
    }


def test_all_outcomes_of_a_kind_have_one_name() -> None:
    kinds = Settings.from_environment({**environment(), "EVENT_OUTCOMES": "CHANGES,FAILURES,HOLDS"})
    changes = Settings.from_environment({**environment(), "EVENT_OUTCOMES": "CHANGES"})

    assert kinds.announced == set(ANNOUNCEABLE)
    assert changes.announced == {outcome for outcome in Outcome if outcome.is_change}


def test_by_default_nothing_is_announced_and_nothing_may_be_put_on_a_bus() -> None:
    assert "TellOthers" not in statements()
    assert "EventTargets" not in STACK.resources
    assert Settings.from_environment(environment()).announced == frozenset()


def test_an_outcome_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"EVENT_OUTCOMES: must be names of .*; SCALED is none"):
        Settings.from_environment({**environment(), "EVENT_OUTCOMES": "SCALED"})


def test_the_doctor_checks_the_right_to_announce_where_announcements_are_on() -> None:
    announced = statements(deploy(SCALER, EventOutcomes="SCALED_OUT"))["TellOthers"]

    assert as_list(announced["Action"]) == list(PUT_EVENTS)


def test_without_a_queue_no_statement_is_about_one() -> None:
    assert "ReadTheLengthOfTheNamedQueues" not in statements()


def test_seventy_queues_fit_into_the_parameter_and_the_role() -> None:
    arns = [f"arn:aws:sqs:eu-west-1:123456789012:orders-{number:04}" for number in range(70)]
    given = ",".join(arns)
    (policy,) = deploy(SCALER, QueueArns=given).of_type("AWS::IAM::Role")["ScalerRole"]["Policies"]

    assert len(given) <= 4096, "characters of a parameter's value"
    longest = 60 * json.dumps(policy).count(".Arn")  # names become ARNs
    written = json.dumps(policy["PolicyDocument"], separators=(",", ":"))
    assert len(written) + longest <= 10_240, "characters of a role's own policies"


def test_the_doctor_asks_about_every_action_of_every_role() -> None:
    def about(resource: Any) -> str:
        """Return what a grant calls the resource of a statement."""
        (one,) = as_list(resource)
        kinds = {":ecs:": SERVICE, "quickstep/*": PARAMETER, "quickstep*": PATH}
        return next((name for part, name in kinds.items() if part in one), one.removesuffix(".Arn"))

    granted = {
        (role, about(statement["Resource"]), action)
        for role in STACK.of_type("AWS::IAM::Role")
        for statement in statements(role=role).values()
        for action in as_list(statement["Action"])
    }

    assert {(one.role, one.resource, action) for one in GRANTS for action in one.actions} == granted


def test_the_role_s_calls_were_provoked_by_every_kind_of_event(calls: list[Call]) -> None:
    """Or the test above would demand too little."""
    operations = {call.operation for call in calls}

    assert operations >= {"cloudwatch:GetMetricData", "dynamodb:GetItem", "ecs:UpdateService"}
    assert operations >= {"sqs:SendMessage", "sqs:SendMessageBatch"}


# IAM cannot narrow these down: one knows no resources, the other needs all for composite alarms.
ABOUT_EVERYTHING = {"ReadMetricsAndAlarms", "ReadMetrics"}


@pytest.mark.parametrize("role", STACK.of_type("AWS::IAM::Role"))
def test_a_statement_is_about_one_thing_wherever_iam_can_tell_things_apart(role: str) -> None:
    for sid, statement in statements(role=role).items():
        assert statement["Effect"] == "Allow"
        assert not any(action.endswith("*") for action in as_list(statement["Action"]))
        assert ("*" in as_list(statement["Resource"])) == (sid in ABOUT_EVERYTHING)


def test_what_is_about_everything_only_reads_and_only_in_this_region() -> None:
    statement = statements()["ReadMetricsAndAlarms"]

    assert statement["Condition"] == {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}
    assert {action.partition(":")[2][:3] for action in statement["Action"]} <= {"Get", "Des"}


def test_messages_are_sent_to_the_queue_that_the_role_may_send_to(calls: list[Call]) -> None:
    sent_to = {call.parameters["QueueUrl"] for call in calls if "SendMessage" in call.operation}

    assert len(sent_to) == 1
    assert environment()["QUEUE_URL"] == "Rechecks"
    assert statements()["SendAndReceiveRechecks"]["Resource"] == "Rechecks.Arn"
    assert mapping("Rechecks")["EventSourceArn"] == "Rechecks.Arn"


def mapping(queue: str) -> dict[str, Any]:
    """Return how Lambda takes a queue's messages to the function."""
    mappings = STACK.of_type("AWS::Lambda::EventSourceMapping").values()
    (one,) = (one for one in mappings if one["EventSourceArn"] == f"{queue}.Arn")
    return one


def test_the_heartbeat_s_role_may_invoke_the_alias_and_nothing_else() -> None:
    (alias,) = STACK.of_type("AWS::Lambda::Alias")
    allowed = {
        (one["Action"], one["Resource"]) for one in statements(role="HeartbeatRole").values()
    }
    trust = STACK.of_type("AWS::IAM::Role")["HeartbeatRole"]["AssumeRolePolicyDocument"]

    assert allowed == {
        ("lambda:InvokeFunction", alias),
        ("sqs:SendMessage", "UndeliveredEvents.Arn"),
    }
    assert STACK.the("AWS::Scheduler::Schedule")["Target"]["RoleArn"] == "HeartbeatRole.Arn"
    (assume,) = trust["Statement"]
    assert assume["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert assume["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


@pytest.fixture(scope="module")
def scheduled_calls() -> list[Call]:
    """Every call that the function makes for a scheduled action that begins, and its end."""
    made: list[Call] = []

    def record(params: dict[str, Any], model: Any, **_: Any) -> None:
        made.append(Call(f"{model.service_model.endpoint_prefix}:{model.name}", dict(params)))

    with embedded_aws() as account:
        create_table(account)
        settings = ScheduleSettings(TABLE, create_queue(account))
        account.session.events.register("before-parameter-build", record)
        schedules = make_schedules(settings, account.client)
        action = {"ResourceId": WEB.resource_id, "Name": "night"}
        for event in ({**action, "MaxCapacity": 2, "For": "1h"}, {**action, "End": True}):
            schedule_handler(event, cast("LambdaContext", Context()), schedules=schedules)
    return made


def test_the_schedules_role_allows_exactly_the_calls_that_the_code_makes(
    scheduled_calls: list[Call],
) -> None:
    granted = statements(role="ScheduleRole")
    needed = {action for call in scheduled_calls for action in call.actions}

    own = {"WriteScheduledOverrides", "HaveItHeeded"}
    assert {granted[sid]["Action"] for sid in own} == needed
    assert granted.keys() - own == {"SendFailedInvocations", "WriteLogs"}
    assert granted["WriteScheduledOverrides"]["Resource"] == "Table.Arn"
    assert granted["HaveItHeeded"]["Resource"] == "Rechecks.Arn"


def test_the_schedules_role_reaches_nothing_of_an_item_but_scheduled_overrides(
    scheduled_calls: list[Call],
) -> None:
    condition = statements(role="ScheduleRole")["WriteScheduledOverrides"]["Condition"]
    allowed = condition["ForAllValues:StringLike"]["dynamodb:Attributes"]
    updates = [c.parameters for c in scheduled_calls if c.operation == "dynamodb:UpdateItem"]

    assert updates
    for update in updates:
        names = update["ExpressionAttributeNames"]
        top = {*update["Key"], names["#entry"]}
        assert all(any(fnmatchcase(name, pattern) for pattern in allowed) for name in top)
        assert "ReturnValues" not in update
    for other in ("lease_owner", "generation", "override", "pause"):
        assert not any(fnmatchcase(other, pattern) for pattern in allowed)


def test_the_function_for_scheduled_actions_can_read_the_settings_that_it_is_given() -> None:
    variables = environment(name=SCHEDULE)

    assert ScheduleSettings.from_environment(variables) == ScheduleSettings("Table", "Rechecks")
    with pytest.raises(SettingsError) as without_any:
        ScheduleSettings.from_environment({})
    required = {problem.path for problem in without_any.value.problems}
    assert variables.keys() - LIBRARIES_OWN == required


def test_a_scheduled_action_is_tried_three_times_and_then_kept() -> None:
    asynchronous = asynchronous_of(SCHEDULE)

    assert asynchronous["MaximumRetryAttempts"] == 2
    assert asynchronous["DestinationConfig"]["OnFailure"]["Destination"] == "FailedInvocations.Arn"


def test_the_scheduler_s_role_may_invoke_that_function_and_nothing_else() -> None:
    allowed = {
        (one["Action"], one["Resource"]) for one in statements(role="SchedulerRole").values()
    }
    trust = STACK.of_type("AWS::IAM::Role")["SchedulerRole"]["AssumeRolePolicyDocument"]

    assert allowed == {
        ("lambda:InvokeFunction", "Schedule.Arn"),
        ("sqs:SendMessage", "UndeliveredEvents.Arn"),
    }
    (assume,) = trust["Statement"]
    assert assume["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert assume["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_the_table_s_statement_is_about_the_table(calls: list[Call]) -> None:
    written = {
        str(call.parameters["TableName"]) for call in calls if "TableName" in call.parameters
    }

    assert written == {TABLE}
    assert statements()["KeepStateAndRecords"]["Resource"] == "Table.Arn"


def test_policy_documents_are_where_the_role_may_read(calls: list[Call]) -> None:
    reads = [call.parameters for call in calls if call.operation == "ssm:GetParameters"]
    read = {name for parameters in reads for name in parameters["Names"]}
    (resource,) = as_list(statements()["ReadPolicyDocuments"]["Resource"])

    assert read
    for name in read:
        assert fnmatchcase(f"arn:aws:ssm:us-east-1:123456789012:parameter{name}", resource)


@pytest.mark.parametrize(
    ("clusters", "may", "may_not"),
    [
        pytest.param("*", {"prod", "stage", "production"}, set(), id="all of them"),
        pytest.param("prod", {"prod"}, {"stage", "production"}, id="one"),
        pytest.param("prod,stage", {"prod", "stage"}, {"production"}, id="two"),
    ],
)
def test_only_services_of_the_named_clusters_may_be_scaled(
    clusters: str, may: set[str], may_not: set[str]
) -> None:
    statement = statements(deploy(SCALER, ClusterNames=clusters))["ScaleServicesOfTheNamedClusters"]

    def allowed(cluster: str) -> bool:
        service = f"arn:aws:ecs:us-east-1:123456789012:service/{cluster}/web"
        return any(fnmatchcase(service, arn) for arn in statement["Resource"])

    assert {cluster for cluster in may | may_not if allowed(cluster)} == may
    assert statement["Condition"] == {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}


# Surges


def test_a_service_s_tasks_are_one_message_in_two_seconds_and_delay_no_other() -> None:
    queue = STACK.of_type("AWS::SQS::Queue")["Surges"]

    assert queue["FifoQueue"] is True
    assert queue["DeduplicationScope"] == "messageGroup"
    assert queue["FifoThroughputLimit"] == "perMessageGroupId"
    assert "ContentBasedDeduplication" not in queue, "the message has the time of its sender"


def test_a_message_of_a_task_never_goes_back() -> None:
    """Neither alone nor to a dead-letter queue: by then the alarm has said so."""
    queue = STACK.of_type("AWS::SQS::Queue")["Surges"]

    assert queue["MessageRetentionPeriod"] == 60
    assert "RedrivePolicy" not in queue
    assert "FunctionResponseTypes" not in mapping("Surges")


def test_a_flood_of_messages_takes_a_bounded_part_of_lambda_and_of_no_other_batch() -> None:
    assert mapping("Surges")["BatchSize"] == 1
    assert 2 <= mapping("Surges")["ScalingConfig"]["MaximumConcurrency"] <= 10
    assert "ScalingConfig" not in mapping("Rechecks")


def test_a_task_role_may_send_to_that_queue_and_nothing_else() -> None:
    (policy,) = STACK.of_type("AWS::IAM::ManagedPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]

    assert (statement["Effect"], statement["Action"]) == ("Allow", "sqs:SendMessage")
    assert statement["Resource"] == "Surges.Arn"


def test_the_scaler_sends_no_surge() -> None:
    assert "sqs:SendMessage" not in statements()["ReceiveSurges"]["Action"]


def test_what_tasks_need_is_among_the_outputs() -> None:
    outputs = source(SCALER)["Outputs"]

    assert outputs["SurgeQueue"]["Value"] == {"Ref": "Surges"}
    assert outputs["SurgeQueueArn"]["Value"] == {"Fn::GetAtt": ["Surges", "Arn"]}
    assert outputs["AskForLooksPolicy"]["Value"] == {"Ref": "AskForLooks"}


# What could not be handled, and who is told


DEAD_LETTERS = {"UndeliveredEvents", "FailedInvocations", "DeadMessages"}


def test_what_could_not_be_delivered_or_handled_is_kept_for_two_weeks() -> None:
    queues = STACK.of_type("AWS::SQS::Queue")
    (target,) = STACK.the("AWS::Events::Rule")["Targets"]
    asynchronous = asynchronous_of(FUNCTION)
    heartbeat = STACK.the("AWS::Scheduler::Schedule")["Target"]

    assert queues.keys() == {"Rechecks", "Surges", *DEAD_LETTERS}
    assert all(queues[name]["MessageRetentionPeriod"] == 14 * 86_400 for name in DEAD_LETTERS)
    assert all(queue["SqsManagedSseEnabled"] for queue in queues.values())
    assert target["DeadLetterConfig"] == {"Arn": "UndeliveredEvents.Arn"}
    assert heartbeat["DeadLetterConfig"] == {"Arn": "UndeliveredEvents.Arn"}
    on_failure = asynchronous["DestinationConfig"]["OnFailure"]
    assert on_failure["Destination"] == "FailedInvocations.Arn"
    assert statements()["SendFailedInvocations"]["Resource"] == "FailedInvocations.Arn"
    assert queues["Rechecks"]["RedrivePolicy"]["deadLetterTargetArn"] == "DeadMessages.Arn"


def test_no_event_and_no_heartbeat_is_tried_for_longer_than_a_minute() -> None:
    (target,) = STACK.the("AWS::Events::Rule")["Targets"]
    asynchronous = asynchronous_of(FUNCTION)
    heartbeat = STACK.the("AWS::Scheduler::Schedule")["Target"]

    assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == 60
    assert heartbeat["RetryPolicy"]["MaximumEventAgeInSeconds"] == 60
    assert asynchronous["MaximumEventAgeInSeconds"] == 60
    assert asynchronous["MaximumRetryAttempts"] == 0


def test_only_the_rule_and_the_heartbeat_s_role_may_send_undelivered_events() -> None:
    """The roles are of this account: their own policies are enough."""
    (rule,) = STACK.of_type("AWS::Events::Rule")
    policy = STACK.of_type("AWS::SQS::QueuePolicy")["UndeliveredEventsPolicy"]

    statement, _ = policy["PolicyDocument"]["Statement"]
    assert policy["Queues"] == ["UndeliveredEvents"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": f"{rule}.Arn"}}
    sent = statements(role="HeartbeatRole")["SendUndeliveredHeartbeats"]
    assert sent["Resource"] == "UndeliveredEvents.Arn"


def test_every_queue_refuses_what_is_not_encrypted_on_its_way() -> None:
    refusing = {
        queue
        for policy in STACK.of_type("AWS::SQS::QueuePolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        for queue in policy["Queues"]
        if (statement["Effect"], statement["Action"], statement["Principal"])
        == ("Deny", "sqs:*", "*")
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": False}}
        and f"{queue}.Arn" in statement["Resource"]
    }

    assert refusing == STACK.of_type("AWS::SQS::Queue").keys()


def watched(stack: Stack = STACK) -> set[tuple[str, str, str]]:
    """Return namespace, metric and dimension of every alarm."""
    return {
        (
            alarm["Namespace"],
            alarm["MetricName"],
            ",".join(str(one["Value"]) for one in alarm.get("Dimensions", [])),
        )
        for alarm in stack.of_type("AWS::CloudWatch::Alarm").values()
    }


def test_every_way_to_fail_has_an_alarm() -> None:
    messages = "ApproximateNumberOfMessagesVisible"

    assert watched() == {
        ("AWS/SQS", messages, "UndeliveredEvents.QueueName"),
        ("AWS/SQS", messages, "FailedInvocations.QueueName"),
        ("AWS/SQS", messages, "DeadMessages.QueueName"),
        ("AWS/Lambda", "Errors", FUNCTION),
        ("AWS/Lambda", "Errors", SCHEDULE),
        ("AWS/Lambda", "Throttles", FUNCTION),
        ("Quickstep", "FailedDecisions", ""),
        ("Quickstep", "NoCapacityDecisions", ""),
        ("Quickstep", "RefusedEvents", ""),
    }


def test_the_alarms_watch_metrics_that_the_function_emits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the function's own environment: a service name in it would be a dimension."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)

    lines = overhear(capsys)
    report(a_record(outcome=Outcome.FAILED_DENIED))
    report(a_record(outcome=Outcome.HELD_NO_CAPACITY))
    refuse(InvalidDocumentError([Problem("source", "must be aws.cloudwatch")]))

    emitted = metrics_in(lines()).keys()
    own = {
        (f"{namespace}/{name}", dimensions)
        for namespace, name, dimensions in watched()
        if namespace == "Quickstep"
    }
    assert own <= emitted


def test_alarms_notify_only_with_an_address() -> None:
    alarms = STACK.of_type("AWS::CloudWatch::Alarm").values()

    assert not any("AlarmActions" in alarm for alarm in alarms)
    assert not STACK.of_type("AWS::SNS::Topic")


def test_every_alarm_tells_the_address() -> None:
    stack = deploy(SCALER, AlarmEmail="ops@example.com")
    (topic,) = stack.of_type("AWS::SNS::Topic")

    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == [topic]
    subscription = stack.the("AWS::SNS::Topic")["Subscription"]
    assert subscription == [{"Protocol": "email", "Endpoint": "ops@example.com"}]
