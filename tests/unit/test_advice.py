"""What is allowed in a document and probably not meant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from quickstep.config import read_target
from quickstep_cli.advice import advice
from quickstep_cli.main import app
from tests.builders import EXAMPLE_POLICY, HIGH, LOW, a_document

if TYPE_CHECKING:
    from pathlib import Path

THRESHOLDS = {HIGH: 100.0, LOW: 30.0}


def a_body(*steps: tuple[float | None, float | None, int], **changes: Any) -> dict[str, Any]:
    keys = ("MetricIntervalLowerBound", "MetricIntervalUpperBound", "ScalingAdjustment")
    return {
        "AdjustmentType": "ChangeInCapacity",
        "MetricScope": "PerTask",
        "StepAdjustments": [
            {key: value for key, value in zip(keys, step, strict=True) if value is not None}
            for step in steps
        ],
        **changes,
    }


def warnings_of(thresholds: dict[str, float] | None = None, **changes: Any) -> list[str]:
    return advice(read_target(a_document(**changes)), thresholds or THRESHOLDS)


def out(*steps: tuple[float | None, float | None, int], **changes: Any) -> dict[str, Any]:
    return {"ScaleOutPolicies": {HIGH: a_body(*steps, **changes)}}


def into(*steps: tuple[float | None, float | None, int], **changes: Any) -> dict[str, Any]:
    return {"ScaleInPolicies": {LOW: a_body(*steps, **changes)}}


def test_the_example_gives_no_warning() -> None:
    assert warnings_of() == []


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        pytest.param({"MaxCapacity": 2}, "nothing ever scales", id="one size"),
        pytest.param({"ScaleInPolicies": {}}, "there are no ScaleInPolicies", id="one way"),
        pytest.param({"MinCapacity": 0}, "never scales out from 0", id="from zero"),
        pytest.param(out((0, None, 0)), "no step ever changes a capacity", id="no step"),
        pytest.param(
            out((None, 0, 1), (0, None, 2)), "(-∞, 0) adds 1 is never reached", id="below an out"
        ),
        pytest.param(into((None, 0, -1), (0, None, 0)), "is never reached", id="above an in"),
        pytest.param(
            into((None, -50, -2), (-50, 0, -1)), "would take a negative load", id="below zero"
        ),
        pytest.param(out((20, None, 1)), "a breach of less than 20 has no step", id="gap"),
        pytest.param(into((None, -10, -1)), "a breach of less than 10 has no step", id="gap below"),
        pytest.param(out((0, None, 39)), "there are only 38", id="beyond max"),
        pytest.param(
            out((0, None, 50), AdjustmentType="ExactCapacity"),
            "outside of the bounds 2 to 40",
            id="exact beyond max",
        ),
        pytest.param(
            {**out((0, None, 5)), "MaxAdjustmentMagnitude": 4}, "lets it move 4", id="beyond cap"
        ),
        pytest.param({"Guards": {"CapacityOnItsWay": False}}, "it will add too many", id="hasty"),
        pytest.param(
            into((None, 0, -20), AdjustmentType="ChangeInCapacity"),
            "so WouldFlap holds it there",
            id="too large a removal",
        ),
        pytest.param(
            {**into((None, 0, -20)), "Guards": {"WouldFlap": False}},
            "so it flaps: out again at once",
            id="and nothing holds it",
        ),
        pytest.param(out((0, None, 20)), "so it flaps: in again", id="too large an addition"),
    ],
)
def test_a_document_is_warned_about(changes: dict[str, Any], warning: str) -> None:
    assert any(warning in line for line in warnings_of(**changes)), warnings_of(**changes)


def test_thresholds_that_are_too_close_flap() -> None:
    close = {HIGH: 100.0, LOW: 70.0}

    assert any("3 tasks just below 70 leave 2 at 105" in line for line in warnings_of(close))


def test_a_scale_in_above_the_scale_out_fires_at_once_with_it() -> None:
    assert any("both fire at once" in line for line in warnings_of({HIGH: 50.0, LOW: 60.0}))


def test_without_thresholds_nothing_is_said_of_them() -> None:
    assert advice(read_target(a_document()), {}) == []


# --- quickstep validate ---------------------------------------------------------------------------


def validate(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["validate", *arguments], env={"COLUMNS": "300"})


def test_a_warning_does_not_fail_unless_it_is_asked_to(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(a_document(**out((0, None, 20)))))

    lenient, strict = validate(str(file)), validate(str(file), "--strict")

    assert (lenient.exit_code, strict.exit_code) == (0, 1)
    assert "! " in lenient.stderr
    assert "too close for the step" in lenient.stderr


def test_the_thresholds_are_those_that_are_given() -> None:
    result = validate(str(EXAMPLE_POLICY), "--threshold", f"{LOW}=70", "--strict")

    assert result.exit_code == 1
    assert "3 tasks just below 70 leave 2 at 105" in result.stderr
    assert validate(str(EXAMPLE_POLICY), "--strict").exit_code == 0


@pytest.mark.parametrize(
    ("threshold", "why"),
    [
        ("low", "must be POLICY=VALUE"),
        ("low=x", "must be POLICY=VALUE"),
        ("low=-1", "must be POLICY=VALUE"),
        ("nobody=5", "nobody: no valid document has such a policy"),
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused(threshold: str, why: str) -> None:
    result = validate(str(EXAMPLE_POLICY), "--threshold", threshold)

    assert result.exit_code == 2
    assert why in result.stderr
