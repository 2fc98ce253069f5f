"""`quickstep import`: policies as others write them are carried over, by the proof, or named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from quickstep_cli.explain import answer
from tests.builders import ROOT
from tests.command_line import refused, run

POLICIES = ROOT / "tests" / "unit" / "policies"

NO_DATA = "an alarm has no data, for which AAS documents no step"
MIXED = "an alarm's datapoints differ: AAS aggregates all of them, Quickstep those that breach"

WHOLE: dict[str, set[str]] = {
    "alarm-disabled": set(),
    "alarm-with-more-than-is-known": set(),
    "exact-capacity-by-day-of-two-policies": set(),
    "exact-capacity-on-alarm": set(),
    "exact-capacity-on-alarm-and-ok": {NO_DATA},
    "exact-capacity-to-zero-without-data": set(),
    "inverse-free-slots": set(),
    "inverse-free-slots-or-equal": set(),
    "inverse-with-an-ok-action": set(),
    "names-that-have-to-be-cut": set(),
    "names-with-blanks-and-signs": set(),
    "ok-action-after-three-datapoints": {MIXED},
    "ok-action-alone": set(),
    "ok-action-both-ways-in-one-policy": set(),
    "ok-action-of-a-queue": {NO_DATA},
    "ok-action-of-cpu": set(),
    "ok-action-of-two-alarms": set(),
    "saved-with-other-services": set(),
    "saved-with-shortened-arns": set(),
    "step-cpu-high-and-low": set(),
    "step-ladder-of-the-console": set(),
    "step-ladder-of-twenty": set(),
    "step-large-fleet": set(),
    "step-metric-math": set(),
    "step-metric-of-another-account": set(),
    "step-one-policy-of-two-alarms": set(),
    "step-percent-of-the-guide": set(),
    "step-percent-with-a-magnitude": set(),
    "step-response-time-p99": set(),
    "step-three-of-five": {MIXED},
    "step-two-scale-outs-on-cpu-and-memory": set(),
    "tracking-beside-steps": set(),
}
"""Those of steps, and the known differences from AAS that their proofs meet."""

WITHOUT_STEPS = (
    "scheduled-office-hours",
    "scheduled-one-bound-each",
    "tracking-backlog-per-task",
    "tracking-cpu",
    "tracking-cpu-of-twenty-seconds",
    "tracking-custom-with-a-unit",
    "tracking-memory",
    "tracking-requests-per-target",
)

NAMED = {
    "alarm-action-both-ways-in-one-policy": [
        (
            "latency: its step from -∞ to -0.4, -1, is never reached: p99 runs it only on the "
            "other side of the threshold. AAS has never taken it, and it was not carried over; if "
            "you mean it, give it an alarm on that side"
        ),
    ],
    "alarm-composite": [
        (
            "storm: both is a composite alarm, which has no value for steps to count from; it was "
            "not carried over: make an alarm quickstep/prod/web/POLICY on the metric you mean"
        ),
    ],
    "alarm-deleted": [
        (
            "down: its alarm low was not found, so it is unknown what runs it; it was not carried "
            "over: pass the output of describe-alarms that has it, or delete the policy"
        ),
    ],
    "alarm-of-anomaly-detection": [
        (
            "odd: its alarm band has no fixed threshold for steps to count from, like all anomaly "
            "detection and PromQL alarms; it was not carried over: make an alarm "
            "quickstep/prod/web/POLICY on the metric you mean"
        ),
    ],
    "alarm-with-insufficient-data-action": [
        (
            "off: some also runs it in INSUFFICIENT_DATA, where no datapoint selects a step; that "
            "was not carried over. If no data means no load, set TreatMissingData breaching on the "
            "scale-in alarm here"
        ),
    ],
    "policy-of-prediction": [
        (
            "forecast: PredictiveScaling is not carried over: Quickstep has no equivalent. A "
            "schedule can raise the minimum before expected traffic"
        ),
    ],
    "policy-without-a-change": [
        "watch: none of its steps changes capacity; it was not carried over",
    ],
    "policy-without-an-alarm": [
        (
            "forgotten: no alarm runs it, so it has never scaled anything; it was not carried "
            "over, because a policy without a visible load holds every removal"
        ),
    ],
    "tracking-requests-without-a-label": [
        (
            "requests: its metric ALBRequestCountPerTarget without a ResourceLabel is not known "
            "here; it was not carried over: make a target policy on the metric you mean"
        ),
        (
            "policy document: ScaleOutPolicies, ScaleInPolicies, TargetTrackingPolicies and "
            "QueuePolicies: must have 1 to 50 policies in all, not 0"
        ),
    ],
}
"""What is not carried over, in whole sentences."""

BOTH_ON_ONE_SIDE = "alarm-action-both-ways-on-one-side"
NO_ROOM = "names-that-leave-no-room"


def imported(name: str, *options: str) -> tuple[int, dict[str, Any]]:
    result = run(*command(name), *options, "--json", AWS_REGION="", AWS_DEFAULT_REGION="")
    return result.exit_code, json.loads(result.stdout)


def command(name: str) -> tuple[str, ...]:
    file = POLICIES / f"{name}.json"
    target = json.loads(file.read_text(encoding="utf-8"))["ScalableTargets"][0]
    return ("import", "--resource-id", target["ResourceId"], "--from-file", str(file))


def test_every_policy_has_its_place_in_a_table() -> None:
    placed = {*WHOLE, *WITHOUT_STEPS, *NAMED, BOTH_ON_ONE_SIDE, NO_ROOM}

    assert {file.stem for file in POLICIES.glob("*.json")} == placed
    assert len(placed) == 51


@pytest.mark.parametrize("name", WHOLE)
def test_steps_mean_what_they_meant(name: str) -> None:
    code, made = imported(name)

    assert (code, made["warnings"], made["proof"]["differences"]) == (0, [], [])
    assert made["proof"]["alike"] >= 36
    assert set(made["proof"]["announced"]) == WHOLE[name]


@pytest.mark.parametrize("name", WITHOUT_STEPS)
def test_target_tracking_has_no_formula_to_be_compared_with(name: str) -> None:
    code, made = imported(name)

    assert (code, made["warnings"]) == (0, [])
    assert made["proof"] == {"alike": 0, "announced": {}, "differences": []}


@pytest.mark.parametrize("name", NAMED)
def test_what_is_not_carried_over_is_named(name: str) -> None:
    code, made = imported(name)

    assert (code, made["warnings"]) == (1, NAMED[name])
    assert made["proof"] is None or made["proof"]["differences"] == []


def test_steps_that_cannot_be_told_apart_are_named_and_shown_by_the_proof() -> None:
    result = run(*command(BOTH_ON_ONE_SIDE))

    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert (
        "! odd: it adds and removes on the same side of the threshold of cpu; Quickstep removes "
        "nothing while the scale-out alarm is in ALARM, so the steps that remove do nothing: give "
        "them their own alarm with a threshold"
    ) in lines
    assert lines[-12:-10] == [
        ("Proof: 96 of 114 cases match AAS's documentation, 0 differ in a known way, 18 differ"),
        (
            "✗ 3 tasks, cpu 65: AAS 2, Quickstep 3 (Kept 3 tasks: odd-out is at 65%, above its "
            "threshold of 60: changes nothing)"
        ),
    ]
    assert lines[-1] == "✗ and 8 more"


def test_a_proof_that_is_not_wanted_is_not_made() -> None:
    code, made = imported("ok-action-of-cpu", "--no-proof")

    assert (code, made["proof"]) == (0, None)


def test_names_that_leave_no_room_for_a_policy_s_are_refused() -> None:
    result = run(*command(NO_ROOM))

    service = f"{'c' * 120}/{'s' * 130}"
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"✗ service/{service}: an alarm's name takes 255 characters, and quickstep/{service}/ "
        "alone has 262: give the cluster or the service a shorter name\n"
    )


def test_names_are_cut_to_what_an_alarm_s_name_takes() -> None:
    _, made = imported("names-that-have-to-be-cut")

    names = [alarm["AlarmName"] for alarm in made["alarms"]]
    assert [len(name) for name in names] == [250, 250]
    assert [name[-8:] for name in names] == ["ppppp-up", "ppp-down"]
    long, cut = f"{'p' * 110}-up", names[0].rpartition("/")[2]
    assert made["notes"][0] == (
        f"{long} is called {cut} here, because an alarm's name takes 255 characters"
    )


def test_a_queue_s_worker_comes_and_goes_with_its_backlog() -> None:
    _, made = imported("exact-capacity-on-alarm-and-ok")

    assert list(made["policy"]["ScaleOutPolicies"]) == ["backlog-out"]
    assert list(made["policy"]["ScaleInPolicies"]) == ["backlog-in", "backlog-ok-in"]
    rules = {
        alarm["AlarmName"].rpartition("/")[2]: (
            alarm["ComparisonOperator"],
            alarm["TreatMissingData"],
        )
        for alarm in made["alarms"]
    }
    assert rules == {
        "backlog-out": ("GreaterThanThreshold", "notBreaching"),
        "backlog-in": ("GreaterThanThreshold", "notBreaching"),
        "backlog-ok-in": ("LessThanOrEqualToThreshold", "breaching"),
    }


@pytest.mark.parametrize(
    ("backlog", "firing", "before", "after"),
    [
        pytest.param(40, ("backlog-out", "backlog-in"), 0, 4, id="a backlog of 40 takes 4"),
        pytest.param(10, ("backlog-out", "backlog-in"), 4, 2, id="one of 10 takes 2"),
        pytest.param(3, ("backlog-out", "backlog-in"), 2, 1, id="one of 3 takes 1"),
        pytest.param(0, ("backlog-ok-in",), 1, 0, id="nothing takes none"),
    ],
)
def test_a_worker_fleet_of_exact_numbers_follows_its_backlog_both_ways(
    backlog: float, firing: tuple[str, ...], before: int, after: int
) -> None:
    _, made = imported("exact-capacity-on-alarm-and-ok", "--no-dry-run")
    names = ("backlog-out", "backlog-in", "backlog-ok-in")
    case = {
        "target": made["policy"],
        "now": "2026-11-22T10:00:00Z",
        "service": {
            "desired": before,
            "running": before,
            "pending": 0,
            "deployment_in_progress": False,
        },
        "alarms": {
            name: {
                "state": "ALARM" if name in firing else "OK",
                "threshold": 0.5,
                "datapoints": [backlog],
            }
            for name in names
        },
        "history": {"scale_out": None, "scale_in": None},
        "override": None,
        "pause": None,
    }

    decided = answer(json.dumps(case))

    assert (decided["from"], decided["granted"]) == (before, after)


def test_what_no_data_means_is_said() -> None:
    _, made = imported("exact-capacity-to-zero-without-data")

    assert (
        "off: its alarm treats missing data as breaching: without data it takes its smallest step, "
        "and repeats it while that lasts"
    ) in made["notes"]
    assert (
        "off: without data it waits, because up cannot see the load: if no data means no load, set "
        "TreatMissingData notBreaching on that alarm"
    ) in made["notes"]


def test_a_disabled_alarm_stays_disabled() -> None:
    _, made = imported("alarm-disabled")

    assert [alarm.get("ActionsEnabled", True) for alarm in made["alarms"]] == [True, False]
    assert (
        "down: the actions of low are disabled, so AAS never runs it; so are those of its alarm "
        "here: enable-alarm-actions switches it on"
    ) in made["notes"]


def test_what_else_an_alarm_has_is_said() -> None:
    _, made = imported("alarm-with-more-than-is-known")

    assert "up: EvaluationWindow (WallClock) of high is not carried over" in made["notes"]
    assert (
        "up: high also has the actions arn:aws:sns:eu-west-1:111122223333:on-call: keep the alarm "
        "for them"
    ) in made["notes"]


def test_a_large_fleet_may_take_large_steps() -> None:
    _, made = imported("step-large-fleet")

    assert made["policy"]["MaxAdjustmentMagnitude"] == 490


def test_a_unit_is_part_of_a_metric() -> None:
    _, made = imported("tracking-custom-with-a-unit")

    assert made["alarms"][0]["Unit"] == "Count"


def test_all_needs_to_know_of_what() -> None:
    assert "requires --out and --cluster or --tag" in refused("import", "--all")


def test_thresholds_too_close_for_a_removal_are_named() -> None:
    """An OK action has its scale-out's threshold: with guards on, a removal may be held."""
    _, made = imported("ok-action-of-cpu")

    assert (
        "scale_up (75) and scale_down (75) are too close for the step: 3 tasks just below 75 leave "
        "2 at 112.5, so WouldFlap holds it there"
    ) in made["notes"]


def test_a_document_that_no_parameter_takes_is_named(tmp_path: Path) -> None:
    saved = json.loads((POLICIES / "step-ladder-of-twenty.json").read_text(encoding="utf-8"))
    (policy,), (alarm,) = saved["ScalingPolicies"], saved["MetricAlarms"]
    names = [f"alarm-{number}" for number in range(6)]
    policy["Alarms"] = [{"AlarmName": name} for name in names]
    saved["MetricAlarms"] = [{**alarm, "AlarmName": name} for name in names]
    file = tmp_path / "saved.json"
    file.write_text(json.dumps(saved))

    result = run("import", "--resource-id", "prod/web", "--from-file", file, "--json")

    assert json.loads(result.stdout)["warnings"] == [
        (
            "policy document: it has 10673 bytes, and an SSM parameter takes 8192: drop redundant "
            "policies, or use a target policy instead of steps"
        )
    ]


@pytest.mark.parametrize(
    ("name", "tried"),
    [
        pytest.param("ok-action-of-cpu", True, id="a value per task"),
        pytest.param("ok-action-of-a-queue", False, id="a queue's depth, which has no model"),
    ],
)
def test_what_can_be_simulated_is_to_be_tried(tmp_path: Path, name: str, *, tried: bool) -> None:
    result = run(*command(name), "--out", tmp_path)

    assert ("Try it first: quickstep compare" in result.stdout) is tried


@pytest.mark.parametrize("name", [*WHOLE, *WITHOUT_STEPS])
def test_each_alarm_is_an_input_of_put_metric_alarm(name: str) -> None:
    _, made = imported(name, "--no-proof")
    shape = Session().get_service_model("cloudwatch").operation_model("PutMetricAlarm").input_shape
    assert shape is not None

    for alarm in made["alarms"]:
        assert ParamValidator().validate(alarm, shape).generate_report() == ""


def test_the_templates_are_what_cloudformation_takes(tmp_path: Path) -> None:
    names = (
        "scheduled-office-hours",
        "scheduled-one-bound-each",
        "alarm-disabled",
        "step-metric-math",
    )
    for name in names:
        run(*command(name), "--no-proof", "--out", tmp_path / name)
    lint = Path(sys.executable).with_name("cfn-lint")

    checked = subprocess.run(  # noqa: S603 - the project's own tool
        [lint, *(tmp_path / name / "template.json" for name in names)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stdout) == (0, "")
