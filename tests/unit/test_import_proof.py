"""The proof finds what an import gets wrong: each bug that is planted shows as a difference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.naming import parse_resource_id
from quickstep_cli.import_proof import MIXED, NO_DATA, UNANSWERED, Proof, prove
from quickstep_cli.takeover import take_over
from tests.builders import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickstep_cli.taken import TakeOver

FOLDER = ROOT / "tests" / "unit" / "policies"


def saved(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return document


def proved(found: dict[str, Any], spoil: Callable[[TakeOver], object] = str) -> Proof:
    """Return the proof of an import that somebody has spoilt."""
    target = found["ScalableTargets"][0]
    service = parse_resource_id(target["ResourceId"])
    assert service is not None
    alarms = {alarm["AlarmName"]: alarm for alarm in found["MetricAlarms"]}
    made = take_over(service, target, found["ScalingPolicies"], alarms, dry_run=True)
    spoil(made)
    bounds = (target["MinCapacity"], target["MaxCapacity"])
    return prove(made, bounds, found["ScalingPolicies"], alarms)


def forget(group: str, name: str) -> Callable[[TakeOver], object]:
    def spoil(made: TakeOver) -> None:
        made.document[group].pop(name)
        made.document[group] or made.document.pop(group)
        made.alarms = [alarm for alarm in made.alarms if not alarm["AlarmName"].endswith(name)]

    return spoil


def alarm_of(name: str, **changes: Any) -> Callable[[TakeOver], object]:
    def spoil(made: TakeOver) -> None:
        (alarm,) = [one for one in made.alarms if one["AlarmName"].endswith(f"/{name}")]
        alarm.update(changes)

    return spoil


def body_of(group: str, name: str, **changes: Any) -> Callable[[TakeOver], object]:
    return lambda made: made.document[group][name].update(changes)


def step_of(group: str, name: str, number: int, **changes: Any) -> Callable[[TakeOver], object]:
    return lambda made: made.document[group][name]["StepAdjustments"][number].update(changes)


OUT, IN = "ScaleOutPolicies", "ScaleInPolicies"
EXACT, CPU, PERCENT = (
    "exact-capacity-on-alarm-and-ok",
    "ok-action-of-cpu",
    "step-percent-of-the-guide",
)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        pytest.param(CPU, forget(IN, "scale_down"), id="an OK action is forgotten"),
        pytest.param(EXACT, forget(IN, "backlog-in"), id="exact numbers only go up"),
        pytest.param(EXACT, forget(IN, "backlog-ok-in"), id="nothing goes back to zero"),
        pytest.param(
            CPU,
            alarm_of("scale_down", Threshold=74.5),
            id="an opposite alarm that leaves a gap",
        ),
        pytest.param(CPU, alarm_of("scale_up", Threshold=76.0), id="another threshold"),
        pytest.param(CPU, alarm_of("scale_up", MetricName="Memory"), id="another metric"),
        pytest.param(
            "ok-action-after-three-datapoints",
            alarm_of("scale_down", DatapointsToAlarm=3),
            id="an opposite alarm that waits for all datapoints",
        ),
        pytest.param(PERCENT, step_of(OUT, "out", 1, ScalingAdjustment=11), id="another percent"),
        pytest.param(
            PERCENT,
            body_of(OUT, "out", AdjustmentType="ChangeInCapacity"),
            id="percents are taken for tasks",
        ),
        pytest.param(
            "step-percent-with-a-magnitude",
            body_of(IN, "in", MinAdjustmentMagnitude=1),
            id="another magnitude",
        ),
        pytest.param(
            "inverse-free-slots-or-equal",
            alarm_of("more", ComparisonOperator="LessThanThreshold"),
            id="a bound that is not included",
        ),
        pytest.param(
            "step-large-fleet",
            lambda made: made.document.pop("MaxAdjustmentMagnitude"),
            id="a step is capped",
        ),
        pytest.param(
            "alarm-disabled",
            alarm_of("down", ActionsEnabled=True),
            id="a disabled alarm is enabled",
        ),
        pytest.param(CPU, lambda made: made.document.update(MaxCapacity=9), id="another maximum"),
    ],
)
def test_a_bug_is_a_difference(name: str, spoil: Callable[[TakeOver], object]) -> None:
    assert proved(saved(name)).differences == []

    assert proved(saved(name), spoil).differences


def test_a_difference_is_said_with_what_was_seen_and_what_came_of_it() -> None:
    proof = proved(saved(CPU), alarm_of("scale_up", Threshold=76.0))

    assert str(proof.differences[0]) == (
        "2 tasks, cpu 75: AAS 3, Quickstep 2 (Kept 2 tasks: no alarm is in ALARM)"
    )
    assert proof.sentence == (
        "Proof: 38 of 54 cases match AAS's documentation, 0 differ in a known way, 16 differ"
    )


@pytest.mark.parametrize(
    ("name", "changes", "known"),
    [
        pytest.param(EXACT, {}, NO_DATA, id="no data"),
        pytest.param("step-three-of-five", {}, MIXED, id="some datapoints breach"),
    ],
)
def test_a_known_difference_is_counted_by_what_it_comes_of(
    name: str, changes: dict[str, Any], known: str
) -> None:
    proof = proved({**saved(name), **changes})

    assert set(proof.announced) == {known}
    assert proof.announced[known] > 0


def test_a_scale_out_alarm_without_a_step_that_matches_holds_removals_which_is_known() -> None:
    found = saved("step-two-scale-outs-on-cpu-and-memory")
    (step,) = found["ScalingPolicies"][1]["StepScalingPolicyConfiguration"]["StepAdjustments"]
    step["MetricIntervalLowerBound"] = 10

    proof = proved(found)

    assert (set(proof.announced), proof.differences) == ({UNANSWERED}, [])


def test_many_alarms_make_no_large_grid() -> None:
    found = saved("step-ladder-of-twenty")
    ((policy,), (alarm,)) = found["ScalingPolicies"], found["MetricAlarms"]
    names = [f"alarm-{number}" for number in range(30)]
    policy["Alarms"] = [{"AlarmName": name} for name in names]
    found["MetricAlarms"] = [{**alarm, "AlarmName": name, "Namespace": name} for name in names]

    proof = proved(found)

    assert proof.differences == []
    assert 600 <= proof.alike <= 800
