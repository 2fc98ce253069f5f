"""`docs/policy.schema.json` says of a document what the validator says, as far as a schema can."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from quickstep.config import ConfigError, read_target
from tests.builders import ROOT

SCHEMA = json.loads((ROOT / "docs" / "policy.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

# What compares values with each other. A schema cannot, and an editor shows nothing of it.
ACROSS = re.compile(
    r"must be at least MinCapacity"
    r"|must be greater than MetricIntervalLowerBound"
    r"|steps must not (overlap|leave a gap)"
    r"|one step must have no MetricInterval"
    r"|must have its own name"
    r"|must be its own queue"
    r"|must have 1 to 50 policies in all"
    # To a schema 2.0 is a whole number; the validator takes what Python reads as one.
    r"|must be a whole number, not -?\d+(\.0|e\+\d+)$"
)

WHOLE: dict[str, Any] = {
    "$schema": "policy.schema.json",
    "ResourceId": "service/prod/web",
    "MinCapacity": 2,
    "MaxCapacity": 40,
    "Preset": "relaxed",
    "MaxAdjustmentMagnitude": 20,
    "WarmupSeconds": 45,
    "PublishSeconds": 1,
    "DeregistrationDelaySeconds": 30,
    "Guards": {"CapacityOnItsWay": True, "Deployment": False},
    "DryRun": True,
    "TargetTrackingPolicies": {
        "request-rate": {
            "TargetValue": 100,
            "MetricScope": "PerTask",
            "ScaleOutCooldown": 0,
            "ScaleInCooldown": 30,
            "DisableScaleIn": False,
            "ScaleInWindow": 120,
        }
    },
    "QueuePolicies": {
        "jobs": {
            "QueueName": "jobs",
            "SecondsPerJob": 2.5,
            "SlotsPerTask": 1,
            "DrainSeconds": 30,
            "ScaleInWindow": 300,
        }
    },
    "ScaleOutPolicies": {
        "high": {
            "AdjustmentType": "PercentChangeInCapacity",
            "MinAdjustmentMagnitude": 1,
            "Cooldown": 10,
            "MetricAggregationType": "Maximum",
            "MetricScope": "Total",
            "StepAdjustments": [
                {
                    "MetricIntervalLowerBound": 0,
                    "MetricIntervalUpperBound": 50,
                    "ScalingAdjustment": 10,
                },
                {"MetricIntervalLowerBound": 50, "ScalingAdjustment": 30},
            ],
        }
    },
    "ScaleInPolicies": {
        "low": {
            "AdjustmentType": "ExactCapacity",
            "ScaleInWindow": 60,
            "StepAdjustments": [
                {
                    "MetricIntervalLowerBound": None,
                    "MetricIntervalUpperBound": 0,
                    "ScalingAdjustment": 2,
                }
            ],
        }
    },
}


def problems(document: Any) -> list[str]:
    """Return what the validator says; nothing where the document is valid."""
    try:
        read_target(document)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


def agree(document: Any) -> bool:
    """Whether schema and validator say the same, but for what compares values."""
    found, fits = problems(document), VALIDATOR.is_valid(document)
    return all(ACROSS.search(one) for one in found) if fits else bool(found)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of each value in a document."""
    members: Any = ()
    if isinstance(value, dict):
        members = value.items()
    if isinstance(value, list):
        members = enumerate(value)
    return [path, *(inner for key, one in members for inner in places(one, (*path, key)))]


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 90_000)
    | st.floats(-10, 1e10, allow_nan=False)
    | st.sampled_from(["", "web", "service/prod/web", "ExactCapacity", "ChangeInCapacity", "jobs"])
)
KEYS = st.sampled_from(
    sorted({str(key) for path in places(WHOLE) for key in path if isinstance(key, str)})
)
VALUES = st.recursive(
    SCALARS, lambda one: st.lists(one, max_size=3) | st.dictionaries(KEYS, one, max_size=3)
)
CHANGES = st.lists(
    st.tuples(st.sampled_from(places(WHOLE)[1:]), st.just("remove") | VALUES),
    min_size=1,
    max_size=3,
)


def changed(changes: list[tuple[tuple[Any, ...], Any]]) -> Any:
    """Return the whole document with values replaced or removed, where their places still are."""
    document = copy.deepcopy(WHOLE)
    for path, value in changes:
        at: Any = document
        with contextlib.suppress(IndexError, KeyError, TypeError):  # gone by an earlier change
            for key in path[:-1]:
                at = at[key]
            del at[path[-1]]
            if value != "remove" and isinstance(at, list):
                at.insert(path[-1], value)
            elif value != "remove":
                at[path[-1]] = value
    return document


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_a_document_with_every_key_is_one_to_both() -> None:
    assert problems(WHOLE) == []
    assert VALIDATOR.is_valid(WHOLE)


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "policies").glob("*.json")))
def test_an_example_is_a_document_by_the_schema(path: Any) -> None:
    assert agree(json.loads(path.read_text(encoding="utf-8")))


LIMITS = {0, 1, 60, 1000, 3600, 5000, 86_400, 10**9}
EDGES: list[Any] = [
    "remove", None, True, 0.5, "", "x", "PerTask", "service/a/b/c", "jobs.fifo", "a b", [], {},
    *(limit + step for limit in sorted(LIMITS) for step in (-1, 0, 1)),
]  # fmt: skip


@pytest.mark.parametrize("path", places(WHOLE)[1:], ids=lambda path: ".".join(map(str, path)))
def test_schema_and_validator_have_the_same_edges(path: tuple[Any, ...]) -> None:
    assert [edge for edge in EDGES if not agree(changed([(path, edge)]))] == []


@given(CHANGES)
def test_schema_and_validator_agree_on_whatever_is_changed(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    document = changed(changes)

    assert agree(document), problems(document)


@given(VALUES)
def test_schema_and_validator_agree_on_whatever_is_given(value: Any) -> None:
    assert agree(value), problems(value)
