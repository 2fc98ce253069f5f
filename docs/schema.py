# ruff: noqa: INP001 - a folder of documents, not a package
"""`docs/policy.schema.json`: the policy document as a JSON Schema, for editors.

Limits, choices and patterns are the validator's own. What compares two values is not in it, such as
MinCapacity with MaxCapacity, or the ends of steps: `quickstep validate` knows those.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from docs.keys import KEYS
from quickstep import config
from quickstep.engine.model import AdjustmentType, Guard, MetricAggregationType, MetricScope
from quickstep.engine.patience import LONGEST_WINDOW
from quickstep.naming import POLICY_NAME, QUEUE_NAME, RESOURCE_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from enum import StrEnum

Schema = dict[str, Any]

_BOOLEAN: Schema = {"type": "boolean"}
_TARGET = "TargetTrackingPolicies"
_QUEUE = "QueuePolicies"


def schema() -> str:
    """Return the schema as it is checked in."""
    groups = {
        _TARGET: _target(),
        _QUEUE: _queue(),
        "ScaleOutPolicies": _steps(lowest=0),
        "ScaleInPolicies": _steps(highest=0),
    }
    document = _object(
        {
            "$schema": {},
            "ResourceId": _text(RESOURCE_ID),
            "MinCapacity": _integer(0, config.MAX_TASKS),
            "MaxCapacity": _integer(0, config.MAX_TASKS),
            **{name: _by_name(one) for name, one in groups.items()},
            "Preset": _choice(config.Preset),
            "MaxAdjustmentMagnitude": _integer(1, config.MAX_TASKS),
            "WarmupSeconds": _integer(0, config.MAX_SECONDS),
            "PublishSeconds": _integer(1, config.MAX_PUBLISH_SECONDS),
            "DeregistrationDelaySeconds": _integer(0, config.MAX_DEREGISTRATION_DELAY),
            "Guards": _object({str(guard): _BOOLEAN for guard in Guard}),
            "DryRun": _BOOLEAN,
        },
        required=("ResourceId", "MinCapacity", "MaxCapacity"),
    )
    document["properties"][_QUEUE]["maxProperties"] = config.MAX_QUEUES
    document["anyOf"] = [
        {"required": [name], "properties": {name: {"minProperties": 1}}} for name in groups
    ]
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Quickstep's policy document of an ECS service",
    }
    return json.dumps(head | _described(document), indent=2) + "\n"


def _target() -> Schema:
    return _object(
        {
            "TargetValue": _positive(config.MAX_TARGET),
            "MetricScope": _choice(MetricScope),
            "ScaleOutCooldown": _integer(0, config.MAX_SECONDS),
            "ScaleInCooldown": _integer(0, config.MAX_SECONDS),
            "DisableScaleIn": _BOOLEAN,
            "ScaleInWindow": _integer(0, LONGEST_WINDOW),
        },
        required=("TargetValue",),
    )


def _queue() -> Schema:
    return _object(
        {
            "QueueName": _text(QUEUE_NAME),
            "SecondsPerJob": _positive(config.MAX_SECONDS),
            "SlotsPerTask": _integer(1, config.MAX_SLOTS),
            "DrainSeconds": _integer(1, config.MAX_SECONDS),
            "ScaleInWindow": _integer(0, LONGEST_WINDOW),
        },
        required=("QueueName", "SecondsPerJob"),
    )


def _steps(**sign: int) -> Schema:
    """Return a policy of steps, none of which goes below `lowest`, or above `highest`."""
    bound = {"type": ["number", "null"]}
    step = _object(
        {
            "MetricIntervalLowerBound": bound,
            "MetricIntervalUpperBound": bound,
            "ScalingAdjustment": {"type": "integer"},
        },
        required=("ScalingAdjustment",),
    )
    step["anyOf"] = [
        {"required": [end], "properties": {end: {"type": "number"}}}
        for end in ("MetricIntervalLowerBound", "MetricIntervalUpperBound")
    ]
    members = {
        "AdjustmentType": _choice(AdjustmentType),
        "StepAdjustments": {
            "type": "array",
            "items": step,
            "minItems": 1,
            "maxItems": config.MAX_STEPS,
        },
        "Cooldown": _integer(0, config.MAX_SECONDS),
        "MinAdjustmentMagnitude": _integer(1, config.MAX_TASKS),
        "MetricAggregationType": _choice(MetricAggregationType),
        "MetricScope": _choice(MetricScope),
    }
    if "highest" in sign:
        members["ScaleInWindow"] = _integer(0, LONGEST_WINDOW)
    policy = _object(members, required=("AdjustmentType", "StepAdjustments"))
    exact = {"properties": {"AdjustmentType": {"const": str(AdjustmentType.EXACT_CAPACITY)}}}
    policy["if"] = exact
    policy["then"] = _each_step({"minimum": 0})
    policy["else"] = _each_step(
        {"minimum" if key == "lowest" else "maximum": value for key, value in sign.items()}
    )
    percent = str(AdjustmentType.PERCENT_CHANGE_IN_CAPACITY)
    policy["dependentSchemas"] = {
        "MinAdjustmentMagnitude": {"properties": {"AdjustmentType": {"const": percent}}}
    }
    return policy


def _each_step(adjustment: Schema) -> Schema:
    step = {"properties": {"ScalingAdjustment": adjustment}}
    return {"properties": {"StepAdjustments": {"items": step}}}


def _described(document: Schema) -> Schema:
    """Return the schema with the reference's meanings, which an editor shows."""
    for key in KEYS[""]:
        document["properties"][key.name]["description"] = key.meaning.split(", see [")[0]
    return document


def _object(properties: Mapping[str, Schema], required: Iterable[str] = ()) -> Schema:
    made: Schema = {"type": "object", "properties": dict(properties)}
    if required:
        made["required"] = list(required)
    return made | {"additionalProperties": False}


def _by_name(policy: Schema) -> Schema:
    return {
        "type": "object",
        "propertyNames": _text(POLICY_NAME),
        "additionalProperties": policy,
        "maxProperties": config.MAX_POLICIES,
    }


def _text(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


def _integer(lowest: int, highest: int) -> Schema:
    return {"type": "integer", "minimum": lowest, "maximum": highest}


def _positive(highest: float) -> Schema:
    return {"type": "number", "exclusiveMinimum": 0, "maximum": int(highest)}


def _choice(options: type[StrEnum]) -> Schema:
    return {"enum": [str(option) for option in options]}
