"""The folder that `quickstep init` writes: everything needed to deploy a target and continue.

Pure: a proposal in, texts by file name out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quickstep_cli.extra import PUBLISHER
from quickstep_cli.proposal import App, Signal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from quickstep.naming import ServiceName
    from quickstep_cli.proposal import Proposal

POLICY, TEMPLATE, TERRAFORM, README = "policy.json", "template.json", "main.tf", "README.md"

_NOT_LINTED = ["W2001", "E3615"]
"""Nothing uses Scaler, and cfn-lint does not yet know that an alarm may have 20 s."""

_LINES = {
    App.ASGI: (
        "python",
        "from quickstep_publisher import AsgiMiddleware\n\napp.add_middleware(AsgiMiddleware)",
    ),
    App.WSGI: (
        "python",
        (
            "from quickstep_publisher import WsgiMiddleware\n\n"
            "app.wsgi_app = WsgiMiddleware(app.wsgi_app)  # Flask\n"
            "application = WsgiMiddleware(get_wsgi_application())  # or Django's wsgi.py"
        ),
    ),
}


def file_names(*, terraform: bool) -> tuple[str, ...]:
    """Return the names of the files to write."""
    return POLICY, TERRAFORM if terraform else TEMPLATE, README


def files_of(
    service: ServiceName, proposal: Proposal, commands: Sequence[str], module: str | None
) -> dict[str, str]:
    """Return the texts by file name: for Terraform if the target module's source is given."""
    template = {TEMPLATE: _json(template_of(service, proposal))}
    return {
        POLICY: _json(proposal.document),
        **(template if module is None else {TERRAFORM: terraform_of(service, proposal, module)}),
        README: _readme(service, proposal, commands),
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def template_of(service: ServiceName, proposal: Proposal) -> dict[str, Any]:
    """Return a CloudFormation template of the document and its alarm.

    DryRun is a parameter, so that a deployment after `quickstep promote` can say the same. Nothing
    uses Scaler: it makes CloudFormation refuse a Region without a scaler.
    """
    document = json.dumps({**proposal.document, "DryRun": "${DryRun}"}, indent=2)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Quickstep: what {service.resource_id} needs to be scaled",
        "Metadata": {"cfn-lint": {"config": {"ignore_checks": _NOT_LINTED}}},
        "Parameters": {
            "DryRun": {
                "Type": "String",
                "Default": "true",
                "AllowedValues": ["true", "false"],
                "Description": "Whether to record decisions without carrying them out.",
            },
            "Scaler": {
                "Type": "AWS::SSM::Parameter::Value<String>",
                "Default": "/quickstep-scaler",
                "Description": "SSM parameter of the scaler's stack, which must be deployed first.",
            },
        },
        "Resources": {
            "PolicyDocument": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {
                    "Name": service.parameter,
                    "Type": "String",
                    "Tags": {"quickstep:owner": "stack"},
                    "Value": {"Fn::Sub": document.replace('"${DryRun}"', "${DryRun}")},
                },
            },
            "AboveTarget": {"Type": "AWS::CloudWatch::Alarm", "Properties": proposal.alarm},
        },
    }


def terraform_of(service: ServiceName, proposal: Proposal, module: str) -> str:
    """Return the inputs of the module `terraform/target`: the alarm by signal, the whole document.

    With a document given, the module has no input for DryRun: it is set inside the document.
    """
    value = proposal.alarm["Threshold"]
    inputs = [
        ("source", json.dumps(module)),
        ("cluster_name", json.dumps(service.cluster)),
        ("service_name", json.dumps(service.service)),
        ("target_value", json.dumps(value)),
        *_signal_inputs(proposal),
        (
            "document",
            (
                f'jsonencode(merge(jsondecode(file("${{path.module}}/{POLICY}")), '
                "{ DryRun = var.dry_run }))"
            ),
        ),
    ]
    widest = max(len(name) for name, _ in inputs)
    lines = [f"  {name.ljust(widest)} = {text}" for name, text in inputs]
    return (
        'variable "dry_run" {\n'
        '  description = "Whether to record decisions without carrying them out."\n'
        "  type        = bool\n"
        "  default     = true\n"
        "}\n\n"
        'module "quickstep" {\n' + "\n".join(lines) + "\n}\n"
    )


def _signal_inputs(proposal: Proposal) -> list[tuple[str, str]]:
    match proposal.signal:
        case Signal.REQUESTS:
            return []
        case Signal.CPU:
            return [("signal", json.dumps("cpu"))]
        case Signal.BALANCER:
            (group,) = proposal.alarm["Dimensions"]
            dimensions = f"{{ {group['Name']} = {json.dumps(group['Value'])} }}"
            return [("signal", json.dumps("requests-per-target")), ("dimensions", dimensions)]


def deploying(service: ServiceName, folder: Path, *, terraform: bool) -> str:
    """Return the command that deploys the folder."""
    if terraform:
        return f"terraform -chdir={folder} init && terraform -chdir={folder} apply"
    return (
        f"sam deploy --template-file {folder / TEMPLATE} "
        f"--stack-name quickstep-{service.cluster}-{service.service}"
    )


def publishing(service: ServiceName, app: App | None) -> str:
    """Return what the application needs to publish, in Markdown; empty if nothing."""
    if app in (None, App.NONE):
        return ""
    namespace = f"Quickstep/{service.cluster}/{service.service}"
    right = {
        "Effect": "Allow",
        "Action": "cloudwatch:PutMetricData",
        "Resource": "*",
        "Condition": {"StringEquals": {"cloudwatch:namespace": namespace}},
    }
    if app in _LINES:
        language, line = _LINES[app]
        install = (
            f"`pip install {PUBLISHER}` (until it is on PyPI, `pip install ./publisher` in a "
            "clone), and in the application:"
        )
        how = f"{install}\n\n```{language}\n{line}\n```"
    else:
        line = json.dumps(_emf(service, namespace))
        how = (
            "Every second, one line on standard output with the requests that arrived in it:\n\n"
            f"```json\n{line}\n```\n\nThe awslogs driver carries it, and the task role needs no "
            "permission. A sidecar can also send it (docs/other-languages.md)."
        )
        return f"## The line that publishes\n\n{how}\n"
    role = f"The task role needs one permission:\n\n```json\n{json.dumps(right, indent=2)}\n```"
    return f"## The line that publishes\n\n{how}\n\n{role}\n"


def _emf(service: ServiceName, namespace: str) -> dict[str, Any]:
    metric = {"Name": "RequestsPerSecond", "Unit": "Count/Second", "StorageResolution": 1}
    directive = {
        "Namespace": namespace,
        "Dimensions": [["ClusterName", "ServiceName"]],
        "Metrics": [metric],
    }
    return {
        "_aws": {"Timestamp": 1795341600000, "CloudWatchMetrics": [directive]},
        "ClusterName": service.cluster,
        "ServiceName": service.service,
        "RequestsPerSecond": 124.0,
    }


def _readme(service: ServiceName, proposal: Proposal, commands: Sequence[str]) -> str:
    reasons = "\n".join(f"- {reason}" for reason in proposal.reasons)
    steps = "\n".join(commands)
    parts = [
        f"# {service.resource_id}, scaled by Quickstep\n",
        f"Proposed by `quickstep init`; `{POLICY}` is the policy, a dry run.\n",
        f"{reasons}\n",
        publishing(service, proposal.app),
        f"## Next\n\n```sh\n{steps}\n```\n",
    ]
    return "\n".join(part for part in parts if part)
