"""Terraform's modules as tests see them: parsed, planned or applied, in the template's words."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hcl2

from tests.builders import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.template.stack import Stack

MODULES = ROOT / "terraform"

PROVIDERS = Path(os.environ.get("QUICKSTEP_TERRAFORM_PROVIDERS", "/opt/tf-plugins"))
"""A folder with the AWS provider, laid out as `terraform providers mirror` does."""

CAN_RUN = shutil.which("terraform") is not None and PROVIDERS.is_dir()
"""Whether Terraform and its provider are here; without a network neither can be fetched."""

TYPES = {
    "AWS::CloudWatch::Alarm": ("aws_cloudwatch_metric_alarm",),
    "AWS::CloudWatch::Dashboard": ("aws_cloudwatch_dashboard",),
    "AWS::DynamoDB::Table": ("aws_dynamodb_table",),
    "AWS::Events::Rule": ("aws_cloudwatch_event_rule", "aws_cloudwatch_event_target"),
    "AWS::IAM::ManagedPolicy": ("aws_iam_policy",),
    "AWS::IAM::Role": ("aws_iam_role", "aws_iam_role_policy"),
    "AWS::Lambda::Alias": ("aws_lambda_alias",),
    "AWS::Lambda::EventInvokeConfig": ("aws_lambda_function_event_invoke_config",),
    "AWS::Lambda::EventSourceMapping": ("aws_lambda_event_source_mapping",),
    "AWS::Lambda::Function": ("aws_lambda_function",),
    "AWS::Lambda::LayerVersion": ("aws_lambda_layer_version",),
    "AWS::Lambda::Permission": ("aws_lambda_permission",),
    "AWS::Lambda::Version": ("aws_lambda_function",),  # `publish = true` makes it
    "AWS::Logs::LogGroup": ("aws_cloudwatch_log_group",),
    "AWS::SNS::Topic": ("aws_sns_topic", "aws_sns_topic_subscription"),
    "AWS::SQS::Queue": ("aws_sqs_queue",),
    "AWS::SQS::QueuePolicy": ("aws_sqs_queue_policy",),
    "AWS::SSM::Parameter": ("aws_ssm_parameter",),
    "AWS::Scheduler::Schedule": ("aws_scheduler_schedule",),
}
"""What each type of CloudFormation's is in Terraform."""

_OF_SAM = {
    "ScalerAlarmStateChange": "alarm_state_change",
    "ScalerAlarmStateChangePermission": "alarm_state_change",
    "ScalerAliaslive": "live",
    "ScalerEventInvokeConfig": "scaler",
    "ScalerHeartbeat": "heartbeat",
    "ScalerRecheck": "recheck",
    "ScalerSurge": "surge",
    "ScalerVersion": "scaler",
    "ScheduleEventInvokeConfig": "schedule",
}
"""The labels of what SAM names itself; all others are the logical id in snake case."""


def snake(name: str) -> str:
    """Return a name of CloudFormation's as Terraform writes it: `MaxCapacity` is `max_capacity`."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def label(logical_id: str) -> str:
    """Return the label of a resource."""
    return _OF_SAM.get(logical_id, snake(logical_id))


def without_hashes(stack: Stack) -> Stack:
    """Return a stack without the hashes that SAM adds to the names of layers and versions."""
    text = re.sub(r"(Layer|Version)[0-9a-f]{10}\b", r"\1", json.dumps(stack.resources))
    return replace(stack, resources=json.loads(text))


def addresses(stack: Stack, logical_id: str) -> Iterator[str]:
    """Yield the addresses of a resource in the module, the main one first."""
    kind = stack.resources[logical_id]["Type"]
    main, *others = (f"{one}.{label(logical_id)}" for one in TYPES[kind])
    if kind == "AWS::CloudWatch::Alarm" and logical_id.endswith("Alarm"):  # one for each of a table
        key = label(logical_id).removesuffix("_alarm").replace("_", "-")
        main = f'aws_cloudwatch_metric_alarm.scaler["{key}"]'
    yield main
    yield from others


# --- Parsed --------------------------------------------------------------------------------------


def parsed(module: str) -> dict[str, list[Any]]:
    """Return the blocks of all files of a module, by their kind."""
    blocks: dict[str, list[Any]] = {}
    for path in sorted((MODULES / module).glob("*.tf")):
        for kind, found in hcl2.loads(path.read_text(encoding="utf-8")).items():
            if isinstance(found, list):
                blocks.setdefault(kind, []).extend(map(unquoted, found))
    return blocks


def blocks(module: str, kind: str) -> dict[str, dict[str, Any]]:
    """Return a module's resources or data sources by address, e.g. `aws_sqs_queue.rechecks`."""
    return {
        f"{type_}.{name}": body
        for one in parsed(module)[kind]
        for type_, named in one.items()
        if not type_.startswith("__")
        for name, body in named.items()
    }


def unquoted(value: Any) -> Any:
    """Return a parsed value without the quotes that the parser leaves on texts and keys."""
    if isinstance(value, str):
        return value.strip('"')
    if isinstance(value, dict):
        return {unquoted(key): unquoted(one) for key, one in value.items()}
    return [unquoted(one) for one in value] if isinstance(value, list) else value


# --- Run -----------------------------------------------------------------------------------------


class Terraform:
    """Terraform in a folder of its own, with an embedded AWS as its provider's endpoint."""

    def __init__(
        self,
        folder: Path,
        configuration: Mapping[str, Any],
        endpoint: str,
        region: str = "us-east-1",
    ) -> None:
        self._folder = folder
        settings = f'provider_installation {{\n  filesystem_mirror {{ path = "{PROVIDERS}" }}\n}}\n'
        (folder / "terraformrc").write_text(settings, encoding="utf-8")
        self._environment = {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": region,
            "CHECKPOINT_DISABLE": "1",
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "TF_CLI_CONFIG_FILE": str(folder / "terraformrc"),
        }
        self.configure(configuration)
        done = self.run("init")
        assert done.returncode == 0, done.stderr

    def configure(self, configuration: Mapping[str, Any], region: str | None = None) -> None:
        """Have another configuration, of the same modules, and perhaps in another Region."""
        (self._folder / "main.tf.json").write_text(json.dumps(configuration), encoding="utf-8")
        self._environment["AWS_REGION"] = region or self._environment["AWS_REGION"]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            **self._command(arguments), capture_output=True, text=True, timeout=500, check=False
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command that others need not wait for; `said` has what it says in the end.

        It says that to a file: a pipe that nobody reads would hold it up.
        """
        with self._said.open("wb") as file:
            return subprocess.Popen(
                **self._command(arguments), stdout=file, stderr=subprocess.STDOUT
            )

    @property
    def said(self) -> str:
        return self._said.read_text(encoding="utf-8")

    @property
    def _said(self) -> Path:
        return self._folder / "said.txt"

    def _command(self, arguments: Sequence[str]) -> dict[str, Any]:
        command = ["terraform", *arguments, "-no-color"]
        return {"args": command, "cwd": self._folder, "env": self._environment}

    def planned(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return the values that would be made, by module and address."""
        done = self.run("plan", "-out=plan")
        assert done.returncode == 0, done.stderr
        return values_of(json.loads(self.run("show", "-json", "plan").stdout)["planned_values"])

    def made(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return the values in the state, by module and address."""
        return values_of(json.loads(self.run("show", "-json").stdout)["values"])


def errors(said: str) -> list[str]:
    """Return the first lines of the errors that a command has ended with."""
    return re.findall(r"^Error: (.*)$", said, re.MULTILINE)


def values_of(shown: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return values as `terraform show -json` has them, by module and address without `[0]`."""
    return {
        module["address"].removeprefix("module."): {
            one["address"].removeprefix(f"{module['address']}.").removesuffix("[0]"): one["values"]
            for one in module["resources"]
            if one["mode"] == "managed"
        }
        for module in shown["root_module"]["child_modules"]
    }


# --- Compared ------------------------------------------------------------------------------------


def _block(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the one block of a name; none is like an empty one."""
    return dict(next(iter(values[name] or []), {}))


def _alarm_dimensions(values: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in values["dimensions"].items()]


def _queries(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    known = []
    for one in values["metric_query"]:
        stat = _block(one, "metric")
        if not stat:
            known.append({"Id": one["id"], "Expression": one["expression"], "ReturnData": True})
            continue
        metric = {
            "Namespace": stat["namespace"],
            "MetricName": stat["metric_name"],
            "Dimensions": _alarm_dimensions(stat),
        }
        of_metric = {"Metric": metric, "Stat": stat["stat"], "Period": stat["period"]}
        known.append({"Id": one["id"], "ReturnData": one["return_data"], "MetricStat": of_metric})
    return sorted(known, key=lambda one: ("Expression" not in one, one["Id"]))


def _schedule_target(values: Mapping[str, Any]) -> dict[str, Any]:
    target = _block(values, "target")
    retry = _block(target, "retry_policy")
    return {
        "Arn": target["arn"],
        "RoleArn": target["role_arn"],
        "Input": json.loads(target["input"]),
        "RetryPolicy": {
            "MaximumEventAgeInSeconds": retry["maximum_event_age_in_seconds"],
            "MaximumRetryAttempts": retry["maximum_retry_attempts"],
        },
        "DeadLetterConfig": {"Arn": _block(target, "dead_letter_config")["arn"]},
    }


def _without_names(value: str) -> str:
    """Return what a parameter holds, less the names that a stack would know without being told."""
    known = json.loads(value)
    known.pop("Resources", None)
    return json.dumps(known)


def _on_failure(values: Mapping[str, Any]) -> dict[str, Any]:
    on_failure = _block(_block(values, "destination_config"), "on_failure")
    return {"OnFailure": {"Destination": on_failure["destination"]}}


PROPERTIES: dict[str, dict[str, Callable[[dict[str, Any]], Any]]] = {
    "AWS::CloudWatch::Alarm": {
        "Dimensions": _alarm_dimensions,
        "Metrics": _queries,
    },
    "AWS::CloudWatch::Dashboard": {"DashboardBody": lambda it: json.loads(it["dashboard_body"])},
    "AWS::DynamoDB::Table": {
        "KeySchema": lambda it: [
            {"AttributeName": it["hash_key"], "KeyType": "HASH"},
            {"AttributeName": it["range_key"], "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": lambda it: [
            {"AttributeName": one["name"], "AttributeType": one["type"]} for one in it["attribute"]
        ],
        "TimeToLiveSpecification": lambda it: {
            "AttributeName": _block(it, "ttl")["attribute_name"],
            "Enabled": _block(it, "ttl")["enabled"],
        },
        "PointInTimeRecoverySpecification": lambda it: {
            "PointInTimeRecoveryEnabled": _block(it, "point_in_time_recovery")["enabled"]
        },
        "SSESpecification": lambda it: {
            "SSEEnabled": _block(it, "server_side_encryption")["enabled"]
        },
    },
    "AWS::Events::Rule": {
        "EventPattern": lambda it: json.loads(it["event_pattern"]),
        "Targets": lambda it: [
            {
                "Arn": it["arn"],
                "Id": "ScalerAlarmStateChangeLambdaTarget",  # a name for EventBridge alone
                "DeadLetterConfig": {"Arn": _block(it, "dead_letter_config")["arn"]},
                "RetryPolicy": {
                    "MaximumEventAgeInSeconds": _block(it, "retry_policy")[
                        "maximum_event_age_in_seconds"
                    ]
                },
            }
        ],
    },
    "AWS::IAM::ManagedPolicy": {"PolicyDocument": lambda it: json.loads(it["policy"])},
    "AWS::IAM::Role": {
        "AssumeRolePolicyDocument": lambda it: json.loads(it["assume_role_policy"]),
        "Policies": lambda it: [
            {"PolicyName": it["name"], "PolicyDocument": json.loads(it["policy"])}
        ],
    },
    "AWS::Lambda::Alias": {  # the newest version, not $LATEST
        "FunctionVersion": lambda it: re.sub(
            r"^\d+$", "ScalerVersion.Version", it["function_version"]
        )
    },
    "AWS::Lambda::EventInvokeConfig": {
        "DestinationConfig": _on_failure,
        "Qualifier": lambda it: it["qualifier"] or "$LATEST",
    },
    "AWS::Lambda::EventSourceMapping": {
        "ScalingConfig": lambda it: {
            "MaximumConcurrency": _block(it, "scaling_config")["maximum_concurrency"]
        },
    },
    "AWS::Lambda::Function": {
        "Environment": lambda it: {"Variables": _block(it, "environment")["variables"]},
        "SnapStart": lambda it: {"ApplyOn": _block(it, "snap_start").get("apply_on", "None")},
    },
    "AWS::Lambda::Permission": {
        "FunctionName": lambda it: f"{it['function_name']}:{it['qualifier']}",
    },
    "AWS::Logs::LogGroup": {"LogGroupName": lambda it: it["name"]},
    "AWS::SNS::Topic": {
        "Subscription": lambda it: [{"Protocol": it["protocol"], "Endpoint": it["endpoint"]}],
    },
    "AWS::SQS::Queue": {
        "MessageRetentionPeriod": lambda it: it["message_retention_seconds"],
        "VisibilityTimeout": lambda it: it["visibility_timeout_seconds"],
        "RedrivePolicy": lambda it: json.loads(it["redrive_policy"]),
    },
    "AWS::SQS::QueuePolicy": {
        "PolicyDocument": lambda it: json.loads(it["policy"]),
    },
    "AWS::SSM::Parameter": {"Value": lambda it: _without_names(it["value"])},
    "AWS::Scheduler::Schedule": {
        "FlexibleTimeWindow": lambda it: {"Mode": _block(it, "flexible_time_window")["mode"]},
        "Target": _schedule_target,
    },
}
"""How a property is read from Terraform's values, where it is not the one of the same name."""

ELSEWHERE = {
    ("AWS::Events::Rule", "Targets"): 1,
    ("AWS::IAM::Role", "Policies"): 1,
    ("AWS::SNS::Topic", "Subscription"): 1,
}
"""Properties that Terraform has as a resource of its own: which of the addresses it is."""


def value_of(kind: str, name: str, values: dict[str, Any]) -> Any:
    """Return a property as Terraform has it.

    Raises:
        KeyError: the module does not say it.
    """
    read = PROPERTIES.get(kind, {}).get(name)
    return read(values) if read else values[snake(name)]


def differences(
    path: str, wanted: Any, found: Any, symbolic: Callable[[str], set[str]]
) -> Iterator[str]:
    """Yield where two values differ; numbers and booleans may be texts, a list of one its element.

    `symbolic` returns a text with the resources that are named in it by their logical ids, as the
    resolved template has them.
    """
    wanted, found = _alike(wanted, found)
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in sorted(wanted.keys() | found.keys()):
            yield from differences(f"{path}.{key}", wanted.get(key), found.get(key), symbolic)
    elif isinstance(wanted, list):
        if path.endswith((".Action", ".Resource")):
            wanted, found = sorted(wanted), sorted(found, key=lambda one: min(symbolic(one)))
        if len(wanted) != len(found):
            yield f"{path}: {found!r}, not {wanted!r}"
        for index, (one, other) in enumerate(zip(wanted, found, strict=False)):
            yield from differences(f"{path}[{index}]", one, other, symbolic)
    elif _text(wanted) not in symbolic(_text(found)):
        yield f"{path}: {found!r}, not {wanted!r}"


def _alike(wanted: Any, found: Any) -> tuple[Any, Any]:
    """Return two values in one form: JSON read, one element as a list, defaults left out."""
    if isinstance(wanted, str) and wanted.lstrip().startswith("{"):
        wanted, found = json.loads(wanted), json.loads(found) if isinstance(found, str) else found
    if isinstance(wanted, list) != isinstance(found, list):
        return [wanted] if isinstance(found, list) else wanted, found if isinstance(
            found, list
        ) else [found]
    if isinstance(wanted, dict) and isinstance(found, dict):
        return _said(wanted), _said(found)
    return wanted, found


def _said(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if (key, value) != ("Effect", "Allow")}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return str(float(value))
    except (TypeError, ValueError):
        return str(value).strip()
