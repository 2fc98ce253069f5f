"""What was measured in each second: in the log as on the live page, so that both show the same."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.engine.model import AlarmState, Direction
from quickstep.fields import Field, Problems
from quickstep.report.dashboard.material import Threshold
from quickstep.report.dashboard.page import Printed, parts
from quickstep.report.dashboard.view import Look, build_view
from quickstep_lab.page.sources import LogError, demo_material, read_log
from quickstep_lab.samples import Sample, read_sample, sample_line, sample_of
from quickstep_lab.service_model import FargateService
from quickstep_lab.snapshot import AlarmSnapshot, Plan, Snapshot
from quickstep_lab.traffic import ScenarioName, scenario_traffic
from tests.builders import HIGH, LOW, NOW, WEB, a_scale_out_record

if TYPE_CHECKING:
    from collections.abc import Mapping

START = NOW.replace(microsecond=0)
PLAN = Plan(scenario_traffic(ScenarioName.SURGE, 60), 60)
ALARMS = (
    AlarmSnapshot(HIGH, Direction.OUT, "> 100", 100, AlarmState.ALARM, 225),
    AlarmSnapshot(LOW, Direction.IN, "< 30", 30, AlarmState.OK, None),
)
SAMPLE = Sample(
    START, 6, 2, 450, 150, 225, (Threshold(HIGH, 100, above=True), Threshold(LOW, 30, above=False))
)


def a_run(seconds: int) -> list[Snapshot]:
    """A surge from second 10 on; four more tasks are launched at 22 and serve from 52 on."""
    fleet, shots = FargateService().with_desired(2, -60), []
    for second in range(seconds):
        decisions: tuple[Mapping[str, Any], ...] = ()
        load = fleet.serve(120 if second < 10 else 450, second)
        if second == 21:
            record = a_scale_out_record("the-first", START + timedelta(seconds=21.2))
            decisions = (record.as_dict,)
            fleet = fleet.with_desired(6, second + 1)
        shots.append(
            Snapshot(
                second=second,
                at=START + timedelta(seconds=second + 1),
                load=load,
                desired=len(fleet.tasks),
                serving=len(fleet.serving(second + 1)),
                starting=len(fleet.starting(second + 1)),
                next_serving_in=None,
                alarms=ALARMS,
                decisions=decisions,
            )
        )
    return shots


def logged(shots: list[Snapshot]) -> list[str]:
    lines = []
    for shot in shots:
        lines += [json.dumps({"decision": record}) for record in shot.decisions]
        lines.append(json.dumps(sample_line(WEB.resource_id, sample_of(shot))))
    return lines


def test_a_sample_is_what_the_second_came_to() -> None:
    shot = a_run(30)[-1]

    assert sample_of(shot) == replace(SAMPLE, at=START + timedelta(seconds=30))


def test_a_sample_is_read_as_it_was_written() -> None:
    problems = Problems()
    line = json.loads(json.dumps(sample_line(WEB.resource_id, SAMPLE)))

    assert read_sample(Field(line["sample"], "sample", problems)) == (WEB.resource_id, SAMPLE)
    assert problems.found == []


def test_the_page_of_a_log_is_that_of_the_run_it_is_of() -> None:
    shots = a_run(PLAN.seconds)
    live = demo_material(WEB.resource_id, PLAN, shots)
    (replayed,) = read_log("run.log", logged(shots))

    assert replayed == live
    assert parts(build_view(replayed, Look()), Printed()) == parts(
        build_view(live, Look()), Printed()
    )


def test_tasks_run_in_a_log_from_the_second_in_which_they_did() -> None:
    (replayed,) = read_log("run.log", logged(a_run(PLAN.seconds)))
    running = build_view(replayed, Look()).running.points

    assert [(point.at, point.value) for point in running] == [
        (START + timedelta(seconds=1), 2),
        (START + timedelta(seconds=52), 6),
    ]


def test_half_of_a_run_is_on_the_axis_of_the_whole_and_ends_at_the_present() -> None:
    material = demo_material(WEB.resource_id, PLAN, a_run(30))

    assert (material.start, material.end) == (START, START + timedelta(seconds=60))
    assert material.known_until == START + timedelta(seconds=30)
    assert not material.over


@pytest.mark.parametrize(
    ("sample", "problem"),
    [
        (3, "sample: must be an object, not 3"),
        ({}, "sample.resource_id: is required, but missing"),
        ({"desired": -1}, "sample.desired: must be at least 0, not -1"),
        ({"failed": "many"}, 'sample.failed: must be a number, not "many"'),
        ({"thresholds": [{}]}, "sample.thresholds[0].policy: is required, but missing"),
        ({"at": "soon"}, "sample.at: must be a time like 2026-11-22T10:00:00Z"),
    ],
    ids=str,
)
def test_a_sample_that_cannot_be_read_is_refused_with_its_line(sample: Any, problem: str) -> None:
    good = sample_line(WEB.resource_id, SAMPLE)["sample"]
    bad = {**good, **sample} if isinstance(sample, dict) and sample else sample
    with pytest.raises(LogError) as refused:
        read_log("x.log", [json.dumps({"sample": bad})])

    assert str(refused.value).startswith("x.log, line 1: ")
    assert problem in str(refused.value)


def test_samples_alone_are_no_log_of_decisions() -> None:
    with pytest.raises(LogError, match="must have at least one decision record, but has none"):
        read_log("x.log", [json.dumps(sample_line(WEB.resource_id, SAMPLE))])
