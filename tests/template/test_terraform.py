"""`terraform/`: its modules make what the templates make.

What can be read is compared everywhere. Where Terraform and its AWS provider are installed, both
modules are applied to the embedded AWS as well, and every property compared.
"""

from __future__ import annotations

import json
import re
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from quickstep_cli.owners import TAG
from quickstep_cli.rights import EVERYTHING, GRANTS, PARAMETER, PATH, SERVICE
from quickstep_lab.embedded_aws import embedded_aws
from tests.template.stack import (
    NESTED,
    SCALER,
    TARGET,
    Stack,
    deploy,
    source,
    transformed,
    whole,
)
from tests.template.terraform import (
    CAN_RUN,
    ELSEWHERE,
    MODULES,
    TYPES,
    Terraform,
    addresses,
    blocks,
    differences,
    errors,
    label,
    parsed,
    snake,
    value_of,
    without_hashes,
)

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from quickstep_lab.embedded_aws import Account

needs_terraform = pytest.mark.skipif(not CAN_RUN, reason="no Terraform with its AWS provider here")

GIVEN = {
    "AlarmEmail": "ops@example.com",
    "ClusterNames": "prod,stage",
    "DrillMinutes": "5",
    "DrillSeconds": "90",
    "DrillTarget": "service/prod/web",
    "EventOutcomes": "SCALED_OUT,FAILED_DENIED",
    "QueueArns": "arn:aws:sqs:us-east-1:123456789012:jobs-*",
    "RetentionDays": "7",
}
STACK = Stack(  # but for those that are modules of their own
    {
        name: one
        for name, one in without_hashes(whole(deploy(SCALER, **GIVEN))).resources.items()
        if one["Type"] != "AWS::CloudFormation::Stack"
    }
)
FIRST_SERVICE = {
    name
    for group in source(SCALER)["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    if "first service" in group["Label"]["default"]
    for name in group["Parameters"]
}
NAMES = {"target": (TARGET, set[str]()), "scaler": (SCALER, FIRST_SERVICE)}
OWN = {"target": set[str](), "scaler": {"name", "packages"}}


# --- Parsed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", NAMES)
def test_a_module_has_the_template_s_parameters_and_says_what_they_are(module: str) -> None:
    path, left_out = NAMES[module]
    variables = {name: one for found in parsed(module)["variable"] for name, one in found.items()}

    parameters = {snake(name) for name in source(path)["Parameters"] if name not in left_out}
    assert variables.keys() - OWN[module] == parameters
    assert [name for name, one in variables.items() if not one.get("description")] == []


@pytest.mark.parametrize("module", NAMES)
def test_a_module_has_the_template_s_outputs_in_the_same_words(module: str) -> None:
    path, left_out = NAMES[module]
    outputs = {name: one for found in parsed(module)["output"] for name, one in found.items()}
    here = {
        name: re.sub(r"scalable-target\.yaml|\.\./target", "it", one["description"])
        for name, one in outputs.items()
    }

    wanted = {
        snake(name): re.sub(r"scalable-target\.yaml", "it", output["Description"])
        for name, output in source(path)["Outputs"].items()
        if output.get("Condition") != "HasFirstService" or not left_out
    }
    assert {name: text.lower() for name, text in here.items()} == {
        name: text.lower() for name, text in wanted.items()
    }


def test_the_scaler_has_the_template_s_resources_and_no_others() -> None:
    resources = {
        name: one
        for path in (SCALER, *NESTED.values())
        for name, one in transformed(path)["Resources"].items()
        if one["Type"] != "AWS::CloudFormation::Stack"
        # The first service is the module target; what the others make is among this one's.
    }
    stack = without_hashes(Stack(resources))
    wanted = {
        address.split("[")[0] for name in stack.resources for address in addresses(stack, name)
    }

    # A property of the function and one of its alias, which Terraform has as resources.
    wanted |= {
        "aws_lambda_function_recursion_config.scaler",
        "aws_lambda_provisioned_concurrency_config.live",
    }
    assert blocks("scaler", "resource").keys() == wanted


def test_the_target_has_the_template_s_resources_and_no_others() -> None:
    wanted = {
        f"{TYPES[one['Type']][0]}.{label(name)}"
        for name, one in source(TARGET)["Resources"].items()
    }

    assert blocks("target", "resource").keys() == wanted


def statements() -> Iterator[Any]:
    for name, one in STACK.resources.items():
        properties = one["Properties"]
        for policy in properties.get("Policies", [properties]):
            if isinstance(policy, dict) and "PolicyDocument" in policy:
                documents = policy["PolicyDocument"]["Statement"]
                yield pytest.param(label(name), documents, id=label(name))


@pytest.mark.parametrize(("name", "wanted"), list(statements()))
def test_each_role_and_queue_allows_what_the_template_allows(name: str, wanted: list[Any]) -> None:
    document = blocks("scaler", "data")[f"aws_iam_policy_document.{name}"]
    optional = [one["statement"]["content"][0] for one in document.get("dynamic", [])]

    def converted(sid: str, effect: str, actions: Any) -> tuple[str, str, tuple[str, ...]]:
        return sid, effect, tuple(sorted([actions] if isinstance(actions, str) else actions))

    assert {
        converted(one.get("sid", ""), one.get("effect", "Allow"), one["actions"])
        for one in [*document["statement"], *optional]
    } == {converted(one.get("Sid", ""), one["Effect"], one["Action"]) for one in wanted}


@pytest.mark.parametrize("name", STACK.of_type("AWS::Lambda::Function"))
def test_a_function_logs_to_the_same_group(name: str) -> None:
    group = STACK.resources[name]["Properties"]["LoggingConfig"]["LogGroup"]
    function = blocks("scaler", "resource")[f"aws_lambda_function.{snake(name)}"]

    (logging,) = function["logging_config"]
    assert logging["log_group"] == f"${{aws_cloudwatch_log_group.{snake(group)}.name}}"


def test_the_scaler_s_own_queue_may_go_round_in_a_loop_as_in_the_template() -> None:
    (function,) = (
        name
        for name, one in STACK.of_type("AWS::Lambda::Function").items()
        if "RecursiveLoop" in one
    )
    loop = blocks("scaler", "resource")["aws_lambda_function_recursion_config.scaler"]

    assert loop["function_name"] == f"${{aws_lambda_function.{snake(function)}.function_name}}"
    assert loop["recursive_loop"] == STACK.resources[function]["Properties"]["RecursiveLoop"]


# --- Run -----------------------------------------------------------------------------------------


TARGETS_REGION, EMPTY_REGION = "eu-west-1", "eu-central-1"
"""Where targets are planned, and where there is no scaler; the scaler is applied in us-east-1."""


@pytest.fixture(scope="module")
def aws() -> Iterator[Account]:
    with embedded_aws() as account:
        yield account


@pytest.fixture(scope="module", autouse=True)
def applying(
    aws: Account, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Terraform, subprocess.Popen[bytes]] | None]:
    """The scaler's module, applied to an empty account.

    It starts first and is waited for last: the provider waits for each queue for 25 s, three times.
    """
    if not CAN_RUN:
        yield None
        return
    folder = tmp_path_factory.mktemp("scaler")
    for name in ("scaler", "schedule", "dashboard", "core", "powertools"):
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as file:
            file.writestr("handler.py", "")
    module = {
        "source": str(MODULES / "scaler"),
        "packages": str(folder),
        "alarm_email": GIVEN["AlarmEmail"],
        "cluster_names": GIVEN["ClusterNames"].split(","),
        "drill_minutes": GIVEN["DrillMinutes"],
        "drill_seconds": int(GIVEN["DrillSeconds"]),
        "drill_target": GIVEN["DrillTarget"],
        "event_outcomes": GIVEN["EventOutcomes"],
        "queue_arns": [GIVEN["QueueArns"]],
        "retention_days": int(GIVEN["RetentionDays"]),
    }
    terraform = Terraform(folder, {"module": {"scaler": module}}, aws.endpoint_url)
    with terraform.start("apply", "-auto-approve") as process:
        yield terraform, process
        process.kill()


@pytest.fixture(scope="module")
def made(applying: tuple[Terraform, subprocess.Popen[bytes]]) -> dict[str, dict[str, Any]]:
    """The scaler's module as it is in the state."""
    terraform, process = applying
    process.wait(timeout=500)
    # The embedded AWS has no loop detection, and so does not know how to switch it off.
    (error,) = errors(terraform.said)
    assert error.startswith('creating AWS Lambda Function Recursion Config ("quickstep-scaler")')
    return terraform.made()["scaler"]


@needs_terraform
def test_the_modules_are_in_terraform_s_own_format(
    applying: tuple[Terraform, subprocess.Popen[bytes]],
) -> None:
    assert applying[0].run("fmt", "-check", "-recursive", str(MODULES)).stdout == ""


TARGETS = {
    "steps": {},
    "other-steps": {
        "ScaleOutThreshold": "80", "ScaleInThreshold": "20", "ScaleOutCooldown": "0",
        "ScaleInCooldown": "90", "Namespace": "MyApp/Performance", "DryRun": "true",
    },
    "one-number": {"TargetValue": "100", "MinCapacity": "3", "MaxCapacity": "200"},
    "utilization": {"TargetValue": "0.6", "Metric": "Utilization", "PublishSeconds": "5"},
    "queue-time": {"TargetValue": "50", "Metric": "QueueTime", "WarmupSeconds": "60"},
    "cpu": {"TargetValue": "60", "Signal": "cpu"},
    "queue-depth": {"TargetValue": "10", "Signal": "queue-depth", "Dimensions": "QueueName=jobs"},
    "response-time": {
        "TargetValue": "0.3", "Signal": "response-time",
        "Dimensions": "LoadBalancer=app/web/50dc6,TargetGroup=targetgroup/web/73e2d",
    },
    "jobs-of-the-service": {
        "TargetValue": "5", "Metric": "Waiting", "HalvesWhenTasksDouble": "no", "Statistic": "Sum",
        "Period": "60",
    },
    "math": {
        "TargetValue": "70", "Metric": "Busy", "Expression": "100 * m1 / m2",
        "SecondMetric": "Slots",
    },
    "document": {"Document": '{"ResourceId": "service/prod/document"}'},
    "no-alarm": {"Document": '{"ResourceId": "service/prod/no-alarm"}', "Signal": "none"},
    "schedules": {
        "TargetValue": "100", "OffHoursStart": "cron(0 20 ? * MON-FRI *)",
        "OffHoursEnd": "cron(0 7 ? * MON-FRI *)", "ScheduleTimeZone": "Europe/Berlin",
        "ExpectedTrafficStart": "cron(50 8 ? * MON-FRI *)",
        "ExpectedTrafficEnd": "cron(0 10 ? * MON-FRI *)",
    },
}  # fmt: skip


def variables(given: dict[str, str]) -> dict[str, Any]:
    """Return parameters as the module takes them: numbers, booleans and maps as such."""
    converted: dict[str, Any] = {}
    for name, value in given.items():
        numeric = source(TARGET)["Parameters"][name]["Type"] == "Number" or name == "TargetValue"
        converted[snake(name)] = float(value) if numeric else value
        if value in {"true", "false", "yes", "no"}:
            converted[snake(name)] = value in {"true", "yes"}
        if name == "Dimensions":
            converted[snake(name)] = dict(pair.split("=") for pair in value.split(","))
    return converted


def configuration(targets: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return a root module of a target each, of a service that is called after it."""
    common = {"source": str(MODULES / "target"), "cluster_name": "prod"}
    return {
        "module": {
            name: {**common, "service_name": name, **variables(given)}
            for name, given in targets.items()
        }
    }


ARNS = {
    "Schedule.Arn": "arn:aws:lambda:us-east-1:123456789012:function:quickstep-schedule",
    "SchedulerRole.Arn": "arn:aws:iam::123456789012:role/quickstep-scheduler",
    "UndeliveredEvents.Arn": "arn:aws:sqs:us-east-1:123456789012:quickstep-undelivered-events",
}


def put_scaler(account: Account, region: str) -> None:
    """Store what a scaler's stack says of itself."""
    (parameter,) = STACK.of_type("AWS::SSM::Parameter").values()
    value = parameter["Value"]
    for symbol, arn in ARNS.items():
        value = value.replace(symbol, arn)
    client = account.session.client("ssm", region, endpoint_url=account.endpoint_url)
    client.put_parameter(Name=parameter["Name"], Value=value, Type="String")


@pytest.fixture(scope="module")
def targets(aws: Account, tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """Terraform with a module for each of them, in a Region with a scaler."""
    put_scaler(aws, TARGETS_REGION)
    folder = tmp_path_factory.mktemp("targets")
    return Terraform(folder, configuration(TARGETS), aws.endpoint_url, TARGETS_REGION)


@pytest.fixture(scope="module")
def planned(targets: Terraform) -> dict[str, dict[str, dict[str, Any]]]:
    targets.configure(configuration(TARGETS), TARGETS_REGION)
    return targets.planned()


@needs_terraform
@pytest.mark.parametrize("name", TARGETS)
def test_a_target_is_planned_as_the_template_makes_it(
    name: str, planned: dict[str, dict[str, dict[str, Any]]]
) -> None:
    stack = deploy(TARGET, ClusterName="prod", ServiceName=name, **TARGETS[name])
    resources = {
        f"{TYPES[one['Type']][0]}.{label(logical_id)}": one
        for logical_id, one in stack.resources.items()
    }

    assert planned[name].keys() == resources.keys()
    assert [
        difference
        for address, one in resources.items()
        for key, wanted in one["Properties"].items()
        if key != "Tags"  # each has its own owner
        for difference in differences(
            f"{address}.{key}",
            wanted,
            value_of(one["Type"], key, planned[name][address]),
            lambda text: {text, *(symbol for symbol, arn in ARNS.items() if arn == text)},
        )
    ] == []


def test_a_document_s_owner_is_the_tool_that_made_it() -> None:
    stack = deploy(TARGET, ClusterName="prod", ServiceName="web")
    document = blocks("target", "resource")["aws_ssm_parameter.policy_document_parameter"]

    assert stack.the("AWS::SSM::Parameter")["Tags"] == {TAG: "stack"}
    assert document["tags"] == {TAG: "terraform"}


REFUSED = {
    "by a variable": {
        "cluster_name must be": {"ClusterName": "prod/web"},
        "service_name must be": {"ServiceName": "web service"},
        "target_value must be": {"TargetValue": "0"},
    },
    "by a rule of several": {
        "MaxCapacity must be at least MinCapacity": {"MinCapacity": "5", "MaxCapacity": "4"},
        "go together, or are both empty": {"OffHoursStart": "cron(0 20 ? * MON-FRI *)"},
        "set DryRun in it": {"Document": "{}", "DryRun": "true"},
        "Signal none makes no alarm": {"Signal": "none"},
    },
}
"""Why, and what for. Terraform looks at rules of several variables once each is right by itself."""


@needs_terraform
@pytest.mark.parametrize("kind", REFUSED)
def test_what_the_scaler_could_not_work_with_is_refused_by_the_plan(
    kind: str, targets: Terraform
) -> None:
    refused = dict(zip(TARGETS, REFUSED[kind].values(), strict=False))
    targets.configure(configuration(refused), TARGETS_REGION)

    done = targets.run("plan")

    assert done.returncode == 1
    said = " ".join(done.stderr.replace("│", " ").split())
    assert [why for why in REFUSED[kind] if why not in said] == []


@needs_terraform
def test_a_target_is_not_planned_in_a_region_without_a_scaler(targets: Terraform) -> None:
    targets.configure(configuration({"steps": {}}), EMPTY_REGION)

    (error,) = errors(targets.run("plan").stderr)
    assert "couldn't find resource" in error or "/quickstep-scaler" in error


# --- The scaler, once it is there ----------------------------------------------------------------


def the(made: dict[str, dict[str, Any]], address: str) -> dict[str, Any]:
    """Return the values of a resource; of one for each of several things, the first."""
    return next(
        values for name, values in made.items() if name.split("[")[0] == address or name == address
    )


def symbols(made: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the logical id of each name, URL and ARN that the module's resources have."""
    known: dict[str, str] = {}
    for logical_id, resource in STACK.resources.items():
        values = the(made, next(addresses(STACK, logical_id)))
        kind, plain = resource["Type"], logical_id
        if kind == "AWS::SQS::Queue":
            known |= {values["url"]: plain, values["name"]: f"{plain}.QueueName"}
        if kind in {"AWS::DynamoDB::Table", "AWS::Logs::LogGroup"}:
            known[values["name"]] = plain
        if kind == "AWS::Lambda::Function":
            known[values["function_name"]] = plain
        if kind == "AWS::Lambda::Alias":
            # The embedded AWS resolves an alias when it makes a mapping.
            version = f"{values['arn'].removesuffix(values['name'])}{values['function_version']}"
            known |= {f"{values['function_name']}:{values['name']}": plain, version: plain}
        if "arn" in values and kind != "AWS::Lambda::Version":
            refers = {"AWS::Lambda::Alias", "AWS::Lambda::LayerVersion", "AWS::SNS::Topic"}
            known[values["arn"]] = plain if kind in refers else f"{plain}.Arn"
            known[f"{values['arn']}:*"] = f"{plain}.Arn"
    return known


# What Terraform has no word for, or says in another place.
NOT_SAID = {
    ("AWS::Lambda::Function", "Code"),  # `filename`
    ("AWS::Lambda::Function", "LoggingConfig"),  # the embedded AWS forgets it: see above
    ("AWS::Lambda::Function", "RecursiveLoop"),  # a resource of its own, likewise
    ("AWS::Lambda::Function", "Tags"),  # SAM's
    ("AWS::Lambda::LayerVersion", "Content"),  # `filename`
    ("AWS::Lambda::Version", "Description"),  # `publish` needs none
    ("AWS::SQS::QueuePolicy", "Queues"),  # one resource each
}


@needs_terraform
@pytest.mark.parametrize("logical_id", STACK.resources)
def test_a_resource_of_the_scaler_is_made_as_by_the_template(
    logical_id: str, made: dict[str, dict[str, Any]]
) -> None:
    resource, at = STACK.resources[logical_id], list(addresses(STACK, logical_id))
    known = symbols(made)

    def symbolic(text: str) -> set[str]:
        named = text
        for value in sorted(known, key=len, reverse=True):
            named = named.replace(value, known[value])
        return {text, named}

    kind = resource["Type"]
    assert [
        difference
        for name, wanted in resource["Properties"].items()
        if (kind, name) not in NOT_SAID
        for difference in differences(
            name,
            wanted,
            value_of(kind, name, the(made, at[ELSEWHERE.get((kind, name), 0)])),
            symbolic,
        )
    ] == []


@needs_terraform
def test_the_scaler_says_the_names_that_the_doctor_would_ask_a_stack_for(
    made: dict[str, dict[str, Any]],
) -> None:
    converted = the(made, "aws_ssm_parameter.one_scaler_per_account_and_region")["value"]
    names = json.loads(converted)["Resources"]

    places = {SERVICE, PARAMETER, PATH, EVERYTHING}
    asked = {grant.role for grant in GRANTS} | {grant.resource for grant in GRANTS} - places
    assert asked | {"UndeliveredEvents", "FailedInvocations", "DeadMessages"} <= names.keys()
    for logical_id, name in names.items():
        values = the(made, next(addresses(STACK, logical_id)))
        known = {str(values.get(key)) for key in ("name", "url", "function_name")}
        alias = f"{values.get('function_name')}:{values.get('name')}"
        assert name in known | {alias}, logical_id
