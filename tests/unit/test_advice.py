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


PER_TASK = "uses a value per task, which nothing publishes while no task runs"
FIRST = (
    "it never adds the first task: set MinCapacity to 1, or add a policy with MetricScope Total on "
    "a metric that exists without tasks, such as a queue's depth; a schedule or an override can "
    "also raise the minimum"
)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({**out((0, None, 1), MetricScope="Total")}, id="a number of the service"),
        pytest.param(
            {"TargetTrackingPolicies": {"backlog": {"TargetValue": 20, "MetricScope": "Total"}}},
            id="another policy that can",
        ),
        pytest.param(
            {"QueuePolicies": {"jobs": {"QueueName": "jobs", "SecondsPerJob": 2}}},
            id="a queue that is read",
        ),
        pytest.param(
            {**out((0, None, 3), AdjustmentType="ExactCapacity", MetricScope="Total")},
            id="an exact number",
        ),
    ],
)
def test_a_service_that_something_takes_from_zero_gives_no_warning_of_it(
    changes: dict[str, Any],
) -> None:
    assert not [line for line in warnings_of(MinCapacity=0, **changes) if "first one" in line]


def test_the_example_gives_no_warning() -> None:
    assert warnings_of() == []


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        pytest.param({"MaxCapacity": 2}, "nothing ever scales", id="one size"),
        pytest.param({"ScaleInPolicies": {}}, "there are no ScaleInPolicies", id="one way"),
        pytest.param(
            {"MinCapacity": 0},
            f"MinCapacity is 0, and high-request-rate {PER_TASK}, so {FIRST}",
            id="from zero",
        ),
        pytest.param(
            {
                "MinCapacity": 0,
                **out((0, None, 50), AdjustmentType="PercentChangeInCapacity", MetricScope="Total"),
            },
            "MinCapacity is 0, and high-request-rate uses a percentage, and any percentage of 0 "
            f"tasks is 0, so {FIRST}",
            id="a percentage of zero",
        ),
        pytest.param(out((0, None, 0)), "no step ever changes capacity", id="no step"),
        pytest.param(
            out((None, 0, 1), (0, None, 2)), "(-∞, 0) adds 1 is never reached", id="below an out"
        ),
        pytest.param(into((None, 0, -1), (0, None, 0)), "is never reached", id="above an in"),
        pytest.param(
            into((None, -50, -2), (-50, 0, -1)), "would need a negative load", id="below zero"
        ),
        pytest.param(out((20, None, 1)), "a breach of less than 20 has no step", id="gap"),
        pytest.param(into((None, -10, -1)), "a breach of less than 10 has no step", id="gap below"),
        pytest.param(out((0, None, 39)), "there are only 38", id="beyond max"),
        pytest.param(
            out((0, None, 50), AdjustmentType="ExactCapacity"),
            "outside the bounds 2 to 40",
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


# --- ladders --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        pytest.param(
            {"MaxCapacity": 180},
            "high-request-rate: from 60 to 180 tasks takes 81 looks, which is 14 min or more; "
            '"TargetTrackingPolicies": {"request-rate": {"TargetValue": 100}} takes one',
            id="a third of the maximum, tripled",
        ),
        pytest.param(
            {"MaxCapacity": 69},
            "high-request-rate: from 23 to 69 tasks takes 31 looks, which is 5 min or more; "
            '"TargetTrackingPolicies": {"request-rate": {"TargetValue": 100}} takes one',
            id="the fewest that are too many",
        ),
        pytest.param(
            {"MinCapacity": 100, "MaxCapacity": 160},
            "high-request-rate: from 100 to 160 tasks takes 56 looks, which is 9 min or more; "
            '"TargetTrackingPolicies": {"request-rate": {"TargetValue": 100}} takes one',
            id="from the minimum to the maximum, where that is less",
        ),
        pytest.param(
            {
                **out((0, None, 100), AdjustmentType="PercentChangeInCapacity"),
                "MinCapacity": 100,
                "MaxCapacity": 1000,
                "MaxAdjustmentMagnitude": 20,
            },
            "high-request-rate: from 333 to 999 tasks takes 34 looks, which is 6 min or more; "
            '"TargetTrackingPolicies": {"request-rate": {"TargetValue": 100}} takes one',
            id="by the largest step",
        ),
    ],
)
def test_a_ladder_that_cannot_follow_the_fleet_names_what_can(
    changes: dict[str, Any], warning: str
) -> None:
    assert [line for line in warnings_of(**changes) if "looks" in line] == [warning]


SLOW = {"high-request-rate": a_body((0, None, 1))}
FAST = {"very-high": a_body((0, None, 100), AdjustmentType="PercentChangeInCapacity")}
TRACKING: dict[str, Any] = {"TargetTrackingPolicies": {"request-rate": {"TargetValue": 100}}}


@pytest.mark.parametrize(
    ("changes", "thresholds"),
    [
        pytest.param({"MaxCapacity": 68}, THRESHOLDS, id="29 looks, from 22 to 66"),
        pytest.param({"MaxCapacity": 600, **TRACKING}, THRESHOLDS, id="a target beside it"),
        pytest.param(
            {"MaxCapacity": 600, "ScaleOutPolicies": {**SLOW, **FAST}},
            {**THRESHOLDS, "very-high": 100.0},
            id="another ladder that follows",
        ),
        pytest.param({"MaxCapacity": 600}, {LOW: 30.0}, id="no threshold is known"),
        pytest.param(
            {"MaxCapacity": 600, **out((0, None, 1), MetricScope="Total")},
            THRESHOLDS,
            id="nothing per task",
        ),
        pytest.param(
            {"MaxCapacity": 600, **out((200, None, 1))}, THRESHOLDS, id="one that is never climbed"
        ),
    ],
)
def test_of_a_ladder_that_follows_or_is_not_known_nothing_is_said(
    changes: dict[str, Any], thresholds: dict[str, float]
) -> None:
    assert [line for line in warnings_of(thresholds, **changes) if "looks" in line] == []


# --- target policies ------------------------------------------------------------------------------


def tracking(scope: str = "PerTask", /, **changes: Any) -> list[str]:
    """Return the warnings about a document of one target policy, and of what `changes` says."""
    document = {key: changes.pop(key) for key in ("MinCapacity", "WarmupSeconds") if key in changes}
    body = {"TargetValue": 100, "MetricScope": scope, **changes}
    return advice(
        read_target(
            {
                "ResourceId": "service/prod/web",
                "MinCapacity": 2,
                "MaxCapacity": 200,
                "TargetTrackingPolicies": {"request-rate": body},
                **document,
            }
        ),
        {},
    )


@pytest.mark.parametrize("preset", ["relaxed", "normal", "aggressive"])
def test_one_number_gives_no_warning(preset: str) -> None:
    document = {
        "ResourceId": "service/prod/web",
        "MinCapacity": 2,
        "MaxCapacity": 200,
        "Preset": preset,
        "TargetTrackingPolicies": {"request-rate": {"TargetValue": 100}},
    }

    assert advice(read_target(document), {}) == []


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        pytest.param(
            {"MinCapacity": 0},
            f"MinCapacity is 0, and request-rate {PER_TASK}, so {FIRST}",
            id="from zero",
        ),
        pytest.param(
            {"DisableScaleIn": True},
            "there are no ScaleInPolicies, and request-rate has DisableScaleIn: capacity only ever "
            "goes the other way",
            id="one way",
        ),
        pytest.param(
            {"ScaleOutCooldown": 300},
            "request-rate: its ScaleOutCooldown (300 s) holds growth even when the load grows "
            "further; tasks on their way are counted anyway, so 0 is safe",
            id="a cooldown as of AAS",
        ),
        pytest.param(
            {"ScaleInWindow": 40},
            "request-rate: its ScaleInWindow (40 s) ends before a new task would serve (45 s): "
            "tasks are removed in lulls shorter than their return",
            id="hasty",
        ),
        pytest.param(
            {"ScaleInWindow": 120, "ScaleInCooldown": 121},
            "request-rate: its ScaleInWindow (120 s) is shorter than its ScaleInCooldown (121 s), "
            "which every removal but the first waits for instead",
            id="a window that the cooldown outlasts",
        ),
    ],
)
def test_a_target_policy_is_warned_about(changes: dict[str, Any], warning: str) -> None:
    assert tracking(**changes) == [warning]


def test_a_window_of_steps_is_warned_about_as_well() -> None:
    hasty = (
        "low-request-rate: its ScaleInWindow (20 s) ends before a new task would serve (45 s): "
        "tasks are removed in lulls shorter than their return"
    )
    outlasted = (
        "low-request-rate: its ScaleInWindow (20 s) is shorter than its Cooldown (30 s), which "
        "every removal but the first waits for instead"
    )

    assert warnings_of(**into((None, 0, -1), ScaleInWindow=20, Cooldown=30)) == [hasty, outlasted]
    assert warnings_of(**into((None, 0, -1), ScaleInWindow=45, Cooldown=45)) == []


def test_a_window_of_steps_needs_a_value_per_task() -> None:
    body = a_body((None, 0, -1), ScaleInWindow=60, Cooldown=30, MetricScope="Total")

    (warning,) = warnings_of(ScaleInPolicies={LOW: body})

    assert warning == (
        "low-request-rate: its ScaleInWindow needs to know how many tasks were needed, which only "
        "a metric per task tells, and MetricScope is Total"
    )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"ScaleInWindow": 45, "ScaleInCooldown": 45}, id="just long enough"),
        pytest.param({"ScaleInWindow": 0, "WarmupSeconds": 0, "ScaleInCooldown": 0}, id="all at 0"),
    ],
)
def test_of_a_window_that_is_long_enough_nothing_is_said(changes: dict[str, Any]) -> None:
    assert tracking(**changes) == []


def test_a_metric_of_the_whole_service_may_scale_from_zero() -> None:
    assert tracking("Total", MinCapacity=0) == []


def test_without_scale_in_its_window_does_not_matter() -> None:
    assert len(tracking(DisableScaleIn=True, ScaleInWindow=0)) == 1


def test_a_target_policy_that_scales_in_is_one_way_back_for_steps_that_scale_out() -> None:
    assert warnings_of(ScaleInPolicies={}, **TRACKING) == []


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
        ("nobody=5", "nobody: no valid document has a step policy of that name"),
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused(threshold: str, why: str) -> None:
    result = validate(str(EXAMPLE_POLICY), "--threshold", threshold)

    assert result.exit_code == 2
    assert why in result.stderr


JOBS = {"QueueName": "jobs", "SecondsPerJob": 2}


@pytest.mark.parametrize(
    ("body", "changes", "warnings"),
    [
        pytest.param(JOBS, {}, [], id="as it should be"),
        pytest.param(
            {**JOBS, "SecondsPerJob": 120},
            {},
            [
                (
                    "jobs: one job takes longer (120 s) than the whole backlog may take "
                    "(DrainSeconds, 30 s): each waiting job gets its own slot"
                )
            ],
            id="long jobs",
        ),
        pytest.param(
            {**JOBS, "ScaleInWindow": 30},
            {},
            [
                (
                    "jobs: its ScaleInWindow (30 s) ends before a new task would serve (45 s): "
                    "tasks are removed in lulls shorter than their return"
                )
            ],
            id="a short window",
        ),
        pytest.param(
            JOBS,
            {"ScaleInPolicies": None},
            [
                (
                    "with steps in the document, queues remove tasks only while a step of "
                    "ScaleInPolicies asks for it, and the document has no such step: capacity only "
                    "ever grows"
                )
            ],
            id="beside steps that never remove",
        ),
        pytest.param(
            JOBS,
            {"ScaleInPolicies": None, "ScaleOutPolicies": None, "MinCapacity": 0},
            [],
            id="queues alone, from zero",
        ),
    ],
)
def test_queues(body: dict[str, Any], changes: dict[str, Any], warnings: list[str]) -> None:
    assert warnings_of(QueuePolicies={"jobs": body}, **changes) == warnings


def test_steps_on_the_other_side_of_the_threshold_are_for_an_alarm_that_fires_there() -> None:
    free = a_body((-5, 0, 1), (None, -5, 3), MetricScope="Total")
    spare = a_body((0, 5, -1), (5, None, -3), MetricScope="Total")

    assert warnings_of({}, ScaleOutPolicies={HIGH: free}, ScaleInPolicies={LOW: spare}) == []
