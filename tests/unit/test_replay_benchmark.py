"""The benchmark that holds the simulator against itself."""

from __future__ import annotations

import pytest

from benchmarks.replay import Both, Sums, _differences, counted
from quickstep_lab.traffic import ScenarioName, scenario_traffic


def both(fluid: float, single: float) -> Both:
    latencies = (50.0, 60.0, 2000.0)
    return Both(Sums(fluid, fluid * 10, latencies), Sums(single, single * 10, latencies))


@pytest.mark.parametrize(
    ("fluid", "single", "differs", "kept"),
    [
        pytest.param(109, 100, 9, [True, False], id="above"),
        pytest.param(89, 100, 11, [False, False], id="below"),
        pytest.param(101, 101.5, 0.49, [True, True], id="hardly"),
        pytest.param(1, 0, 100, [False, False], id="something instead of nothing"),
        pytest.param(0, 0, 0, [True, True], id="nothing on both sides"),
    ],
)
def test_failures_may_differ_by_a_tenth_and_task_seconds_by_a_hundredth(
    fluid: float, single: float, differs: float, kept: list[bool]
) -> None:
    failed, task_seconds, *latencies = _differences("surge: x", [both(fluid, single)])
    for figure in (failed, task_seconds):
        assert figure.measured.value == pytest.approx(differs, abs=0.01)
    assert [failed.kept, task_seconds.kept] == kept
    assert [figure.goal for figure in latencies] == [None] * 3


def test_runs_above_and_below_even_out() -> None:
    failed, *_ = _differences("surge: x", [both(110, 100), both(90, 100)])
    assert failed.cells()[0] == "surge: x: failed 100, request by request 100: differs by"
    assert failed.measured.value == pytest.approx(0)


def test_a_counted_scenario_has_whole_requests_that_vary_as_chance_does() -> None:
    seen = counted(ScenarioName.STEADY, 4000)
    mean = sum(seen.requests) / 4000
    variance = sum((count - mean) ** 2 for count in seen.requests) / 4000
    usual = scenario_traffic(ScenarioName.STEADY, 1).requests[0]
    assert mean == pytest.approx(usual, rel=0.02)
    assert variance == pytest.approx(usual, rel=0.1)
    assert all(count == round(count) for count in seen.requests)
    assert counted(ScenarioName.STEADY, 4000) == seen
