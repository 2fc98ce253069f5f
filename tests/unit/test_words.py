"""How a decision's reason says numbers, times and units."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quickstep.engine.decide import decide
from quickstep.engine.model import Alarm, MetricScope, Override, State
from quickstep.engine.words import beside, compared, limit, needs, number, tasks, unit_of
from tests.builders import NOW, a_policy, a_target, firing, seen

REQUESTS = '[{"MetricStat":{"Metric":{"MetricName":"RequestsPerSecond"},"Stat":"Average"}}]'
COMPUTED = '[{"Expression":"m1/2"},{"MetricStat":{"Metric":{"MetricName":"RequestsPerSecond"}}}]'


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param(2384.7, "2,385", id="thousands"),
        pytest.param(112.5, "113", id="halves go up"),
        pytest.param(93.75, "94", id="whole ones from ten on"),
        pytest.param(16.1292, "16", id="no six digits"),
        pytest.param(9.75, "9.8", id="two digits below ten"),
        pytest.param(0.289, "0.29", id="parts of one"),
        pytest.param(0.0, "0", id="none"),
    ],
)
def test_a_number_is_said_as(value: float, said: str) -> None:
    assert number(value) == said


@pytest.mark.parametrize(
    ("value", "threshold", "said"),
    [
        pytest.param(16.1292, 30, "at 16, below its threshold of 30", id="below"),
        pytest.param(250, 100, "at 250, above its threshold of 100", id="above"),
        pytest.param(100, 100, "at 100, its threshold", id="at it"),
        pytest.param(99.5, 100, "at 99.5, below its threshold of 100", id="just below"),
        pytest.param(100.004, 100, "at 100.004, above its threshold of 100", id="a hair above"),
        pytest.param(0.596, 0.6, "at 0.596, below its threshold of 0.6", id="of a small one"),
        pytest.param(1200, 1000, "at 1,200, above its threshold of 1,000", id="of thousands"),
    ],
)
def test_a_value_beside_its_threshold_never_reads_as_the_threshold(
    value: float, threshold: float, said: str
) -> None:
    assert compared(value, threshold) == said


def test_no_value_is_too_close_to_be_told_apart() -> None:
    assert beside(100.00000001, 100) == "100.00000001"


@pytest.mark.parametrize(
    ("count", "said"),
    [
        pytest.param(0, "0 tasks", id="none"),
        pytest.param(1, "1 task", id="one"),
        pytest.param(2385, "2,385 tasks", id="many"),
    ],
)
def test_tasks_are_counted_as(count: int, said: str) -> None:
    assert tasks(count) == said


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        pytest.param(REQUESTS, " requests/s", id="the publisher's"),
        pytest.param("CPUUtilization", "%", id="a percentage"),
        pytest.param("Utilization", "", id="a share of one"),
        pytest.param(COMPUTED, "", id="a computed one"),
        pytest.param("", "", id="an unknown one"),
    ],
)
def test_a_metric_has_the_unit(metric: str, unit: str) -> None:
    assert unit_of(metric) == unit


@pytest.mark.parametrize(
    ("value", "metric", "said"),
    [
        pytest.param(2385, REQUESTS, "2,385 requests/s need", id="requests"),
        pytest.param(1, "ApproximateNumberOfMessagesVisible", "1 message needs", id="a message"),
        pytest.param(960, "", "a load of 960 needs", id="of no known unit"),
        pytest.param(240, "CPUUtilization", "a load of 240 needs", id="percents do not add up"),
    ],
)
def test_a_load_needs_tasks_in_the_words(value: float, metric: str, said: str) -> None:
    assert needs(value, metric) == said


def test_a_number_that_somebody_has_chosen_is_never_rounded() -> None:
    assert [limit(value) for value in (1000, 0.75, 12.345)] == ["1,000", "0.75", "12.345"]


def test_a_reason_has_the_unit_of_its_metric() -> None:
    alarm = replace(firing(160.4), metric=REQUESTS)

    decision = decide(a_target(), seen(4, high=alarm), State(), NOW)

    assert decision.reason == (
        "Scaled out from 4 to 6: high-request-rate is at 160 requests/s, above its threshold of "
        "100: adds 2 tasks"
    )


@pytest.mark.parametrize(
    "alarm",
    [
        pytest.param(firing(160.0), id="a step that comes back to the bound"),
        pytest.param(replace(firing(450.0), metric=REQUESTS), id="whatever the step"),
    ],
)
def test_the_bound_that_moved_the_number_speaks_first(alarm: Alarm) -> None:
    target = a_target(a_policy(scope=MetricScope.PER_TASK))
    state = State(override=Override(min_capacity=200, max_capacity=None))

    decision = decide(target, seen(6, high=alarm), state, NOW)

    assert (decision.before, decision.granted) == (6, 200)
    first, policy = decision.reason.removesuffix(")").split(" (")
    assert first == "Scaled out from 6 to 200: 6 is below the override's minimum of 200"
    assert policy.startswith("high-request-rate is at ")
    assert policy.endswith(" to the override's minimum of 200")
