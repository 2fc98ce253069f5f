"""A target beside what scales its service now: what is played, and what the table stands on."""

from __future__ import annotations

import pytest

from quickstep.config import read_target
from quickstep_cli.beside import Beside, busiest, for_tasks, month, play, remarks
from quickstep_lab.cost.month import TaskSize
from quickstep_lab.traffic import Traffic

STEP = Traffic("step", (200.0,) * 60 + (1000.0,) * 240)


def beside(present: str | None, *, tasks: int = 4, value: float = 100, dry: bool = True) -> Beside:
    document = {
        "ResourceId": "service/prod/web",
        "MinCapacity": 2,
        "MaxCapacity": 40,
        "TargetTrackingPolicies": {"request-rate": {"TargetValue": value}},
        "WarmupSeconds": 40,
        "DryRun": dry,
    }
    return Beside(read_target(document), present, tasks, TaskSize())


def test_a_dry_run_is_played_as_it_would_scale() -> None:
    one = play(beside(None), STEP).scalers["quickstep"].medians
    other = play(beside(None, dry=False), STEP).scalers["quickstep"].medians

    assert one == other
    assert one.peak_tasks >= 10


def test_a_task_of_the_model_can_serve_more_than_any_target() -> None:
    small = play(beside(None), STEP).scalers["quickstep"].medians
    large = Traffic("ten times", tuple(10 * requests for requests in STEP.requests))
    same = play(beside(None, value=1000), large).scalers["quickstep"].medians

    assert (small.time_to_trigger_s, small.peak_tasks) == (same.time_to_trigger_s, same.peak_tasks)


RIVALS = {
    "nothing": (
        None,
        "aas-target-tracking-60s",
        "Nothing scales the service now; aas-target-tracking-60s is what it would get by default.",
    ),
    "20 s": ("aas-target-tracking-20s", "aas-target-tracking-20s", None),
    "steps": (
        "aas-step-60s-alarm",
        "aas-step-60s-alarm",
        (
            "aas-step-60s-alarm uses the simulator's own steps: quickstep import and compare play "
            "yours."
        ),
    ),
    "one that cannot watch it": (
        "aas-step-20s-alarm",
        "aas-target-tracking-60s",
        (
            "aas-step-20s-alarm cannot watch the same signal here; aas-target-tracking-60s stands "
            "in its place."
        ),
    ),
}


@pytest.mark.parametrize(("present", "rival", "remark"), RIVALS.values(), ids=RIVALS)
def test_it_is_beside_what_scales_the_service_now(
    present: str | None, rival: str, remark: str | None
) -> None:
    one = beside(present)

    comparison = play(one, STEP)

    assert list(comparison.scalers) == ["quickstep", rival]
    first, second, *_ = [*remarks(one, comparison), ""]
    spare = "A modelled task can serve 1.5 times its target; yours may break earlier."
    assert (first, second) == (remark, spare) if remark else first == spare


def test_a_month_has_a_bill_of_both() -> None:
    one = beside(None)

    standings = month(one, play(one, STEP))

    assert list(standings) == ["quickstep", "aas-target-tracking-60s"]
    assert standings["quickstep"].bill.total > standings["aas-target-tracking-60s"].bill.total > 0


def test_a_scenario_is_as_large_as_the_service() -> None:
    assert for_tasks(STEP, beside(None, tasks=4)).requests[0] == pytest.approx(0.8 * 4 * 100)
    assert for_tasks(Traffic("none", (0.0,) * 20), beside(None)).requests[0] == 0


DAY = Traffic("day", tuple(float(second == 70) for second in range(100)))
HOURS = {
    "around the peak": (20, (60, 80)),
    "at the end": (80, (20, 100)),
    "all of it": (100, (0, 100)),
}


@pytest.mark.parametrize(("seconds", "part"), HOURS.values(), ids=HOURS)
def test_of_a_long_traffic_the_busiest_hours_are_played(
    seconds: int, part: tuple[int, int]
) -> None:
    assert busiest(DAY, seconds).requests == DAY.requests[slice(*part)]
