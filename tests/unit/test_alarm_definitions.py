"""What an alarm watches, read again: definitions, one request for all of them, and the answer."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from quickstep.alarms.definition import (
    AlarmDefinition,
    definition_dict,
    described_definition,
    event_definition,
    read_definition,
)
from quickstep.alarms.event import read_event
from quickstep.alarms.reading import (
    BEYOND_WINDOW,
    by_interval,
    coarse,
    combined_queries,
    judge,
    read_window,
    recent,
    result_ids,
    sample_queries,
)
from quickstep.engine.model import Alarm, AlarmState, Comparison, Datapoint, Direction
from quickstep.fields import Field, Problems
from tests.builders import (
    DEFINITION,
    EVENTS,
    LOW,
    LOW_DEFINITION,
    NOW,
    ago,
    firing,
    load_event,
    points,
)
from tests.strategies import definitions, json_values, moments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

Query = dict[str, Any]

METRIC = {
    "Namespace": "MyApp/Performance",
    "MetricName": "RequestsPerSecond",
    "Dimensions": [
        {"Name": "ClusterName", "Value": "prod"},
        {"Name": "ServiceName", "Value": "web"},
    ],
}
STAT = {"Metric": METRIC, "Period": 10, "Stat": "Average"}


def a_metric(query_id: str, *, returned: bool = False, **changes: Any) -> Query:
    return {"Id": query_id, "MetricStat": {**STAT, **changes}, "ReturnData": returned}


def an_expression(query_id: str, expression: str, *, returned: bool = True) -> Query:
    return {"Id": query_id, "Expression": expression, "ReturnData": returned}


def defined(*queries: Query, **changes: Any) -> AlarmDefinition:
    return replace(DEFINITION, queries=queries, **changes)


# --- as DescribeAlarms shows them -----------------------------------------------------------------


def described(**changes: Any) -> dict[str, Any]:
    """Return what DescribeAlarms says of a metric alarm; None takes a key away."""
    alarm = {
        "AlarmName": "quickstep/prod/web/high-request-rate",
        "ActionsEnabled": True,
        "StateValue": "OK",
        **METRIC,
        "Statistic": "Average",
        "Period": 10,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 100.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "missing",
        **changes,
    }
    return {key: value for key, value in alarm.items() if value is not None}


NO_METRIC: dict[str, Any] = dict.fromkeys(
    ["Namespace", "MetricName", "Dimensions", "Statistic", "Period"]
)
MATH = [an_expression("e1", "m1 / m2"), a_metric("m1", Stat="Sum"), a_metric("m2")]
INSIGHTS = [{**an_expression("q1", 'SELECT AVG(Rps) FROM "MyApp"'), "Period": 60}]


@pytest.mark.parametrize(
    ("alarm", "expected"),
    [
        pytest.param(
            described(),
            AlarmDefinition((a_metric("m1", returned=True),), 10, 100.0, Comparison.GREATER, 3, 2),
            id="one metric",
        ),
        pytest.param(
            described(DatapointsToAlarm=None),
            defined(a_metric("m1", returned=True), n=3, m=3),
            id="all of N, where M is not given",
        ),
        pytest.param(
            described(Statistic=None, ExtendedStatistic="p95"),
            defined(a_metric("m1", returned=True, Stat="p95"), n=3, m=2),
            id="a percentile",
        ),
        pytest.param(
            described(Unit="Count/Second"),
            defined(a_metric("m1", returned=True, Unit="Count/Second"), n=3, m=2),
            id="datapoints of one unit only",
        ),
        pytest.param(
            described(Dimensions=None),
            defined(
                a_metric(
                    "m1", returned=True, Metric={k: METRIC[k] for k in ("Namespace", "MetricName")}
                ),
                n=3,
                m=2,
            ),
            id="no dimensions",
        ),
        pytest.param(
            described(ComparisonOperator="LessThanOrEqualToThreshold", Threshold=0.0),
            defined(
                a_metric("m1", returned=True),
                threshold=0.0,
                comparison="LessThanOrEqualToThreshold",
                n=3,
                m=2,
            ),
            id="below a threshold of zero",
        ),
        pytest.param(
            described(**NO_METRIC, Metrics=MATH), defined(*MATH, n=3, m=2), id="metric math"
        ),
        pytest.param(
            described(**NO_METRIC, Metrics=INSIGHTS),
            defined(*INSIGHTS, period=60, n=3, m=2),
            id="Metrics Insights, whose period is the query's",
        ),
        pytest.param(
            described(
                **NO_METRIC,
                Metrics=[
                    a_metric("m1", returned=True),
                    an_expression("ad1", "ANOMALY_DETECTION_BAND(m1, 2)"),
                ],
                Threshold=None,
                ThresholdMetricId="ad1",
                ComparisonOperator="GreaterThanUpperThreshold",
            ),
            None,
            id="anomaly detection has no threshold",
        ),
        pytest.param(
            {"AlarmName": "quickstep/prod/web/x", "AlarmRule": "ALARM(a) AND ALARM(b)"},
            None,
            id="composite",
        ),
        pytest.param(
            {"AlarmName": "quickstep/prod/web/x", "EvaluationCriteria": {"PromQLCriteria": {}}},
            None,
            id="PromQL",
        ),
        pytest.param(
            described(**NO_METRIC, Metrics=[an_expression("e1", "TIME_SERIES(5)")]),
            None,
            id="no period anywhere",
        ),
    ],
)
def test_a_described_alarm_has_this_definition(
    alarm: dict[str, Any], expected: AlarmDefinition | None
) -> None:
    assert described_definition(alarm) == expected


# --- as their events show them --------------------------------------------------------------------


def of_event(event: dict[str, Any], direction: Direction = Direction.OUT) -> AlarmDefinition | None:
    transition = read_event(event)
    return event_definition(transition.metrics, transition.alarm, direction)


RULES = {
    "alarm-anomaly": None,
    "alarm-composite": None,
    "alarm-drill": (10, 0.0, 1, 1),
    "alarm-drill-over": None,
    "alarm-duplicate": (10, 100.0, 1, 1),
    "alarm-high-step1": (10, 100.0, 1, 1),
    "alarm-high-step2": (10, 100.0, 1, 1),
    "alarm-high-step3": (10, 100.0, 1, 1),
    "alarm-insights": (60, 100.0, 3, 3),
    "alarm-insufficient-data": None,
    "alarm-logs": None,
    "alarm-low": (10, 30.0, 3, 3),
    "alarm-malformed": None,
    "alarm-metric-math": (10, 100.0, 1, 1),
    "alarm-muted": (10, 100.0, 1, 1),
    "alarm-no-reason-data": None,
    "alarm-ok": (10, 100.0, 1, 1),
    "alarm-suppressed": None,
    "alarm-unknown-target": (10, 100.0, 1, 1),
}
"""Period, threshold, N and M of each sample event; None where it cannot be told."""


def test_every_sample_event_is_in_the_table() -> None:
    assert set(RULES) == {path.stem for path in EVENTS.glob("alarm-*.json")}


@pytest.mark.parametrize("name", [name for name in RULES if name != "alarm-malformed"])
def test_a_sample_event_shows_this_rule(name: str) -> None:
    event = load_event(name)
    direction = Direction.IN if event["detail"]["alarmName"].endswith(LOW) else Direction.OUT

    shown = of_event(event, direction)

    assert (shown and (shown.period, shown.threshold, shown.n, shown.m)) == RULES[name]
    if shown:
        assert_valid(combined_queries({"x": shown}))


def test_an_event_is_read_as_the_metric_that_describe_alarms_names() -> None:
    shown = of_event(load_event("alarm-high-step2"))
    described_one = described_definition(described(EvaluationPeriods=1, DatapointsToAlarm=1))

    assert shown
    assert described_one
    assert combined_queries({"x": shown}) == combined_queries({"x": described_one})
    assert replace(shown, queries=described_one.queries) == described_one


def test_a_metric_of_another_account_is_read_from_that_account() -> None:
    event = load_event("alarm-high-step2")
    event["detail"]["configuration"]["metrics"][0]["accountId"] = "999999999999"
    shown = of_event(event)

    assert shown
    asked = [*combined_queries({"x": shown}), *sample_queries({"x": shown})]
    assert [query["AccountId"] for query in asked] == ["999999999999"] * 2


def test_a_metric_math_event_is_read_with_its_expression() -> None:
    shown = of_event(load_event("alarm-metric-math"))

    assert shown
    tasks, requests = (
        {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions],
        }
        for namespace, name, dimensions in [
            (
                "ECS/ContainerInsights",
                "RunningTaskCount",
                [("ClusterName", "prod"), ("ServiceName", "web")],
            ),
            (
                "AWS/ApplicationELB",
                "RequestCount",
                [("LoadBalancer", "app/web/50dc6c495c0c9188")],
            ),
        ]
    )
    assert shown.queries == (
        {"Id": "e1", "Expression": "requests / tasks", "ReturnData": True},
        a_metric("requests", Metric=requests, Stat="Sum"),
        a_metric("tasks", Metric=tasks),
    )


def test_an_event_s_unit_is_kept() -> None:
    event = load_event("alarm-high-step2")
    event["detail"]["configuration"]["metrics"][0]["metricStat"]["unit"] = "Count/Second"

    shown = of_event(event)

    assert shown
    assert shown.queries[0]["MetricStat"]["Unit"] == "Count/Second"


@pytest.mark.parametrize(
    ("datapoints", "direction", "rule"),
    [
        pytest.param((160.0,), Direction.OUT, (1, 1), id="1 of 1"),
        pytest.param((90.0, 160.0, 120.0), Direction.OUT, (3, 2), id="2 of 3"),
        pytest.param((90.0, 90.0, 20.0), Direction.IN, (3, 3), id="below, for scale-in"),
        pytest.param((100.0,), Direction.OUT, (1, 1), id="at the threshold: at least one"),
        pytest.param((), Direction.OUT, None, id="no datapoints"),
    ],
)
def test_m_and_n_are_taken_from_what_the_event_shows(
    datapoints: tuple[float, ...], direction: Direction, rule: tuple[int, int] | None
) -> None:
    metrics = read_event(load_event("alarm-high-step2")).metrics

    shown = event_definition(metrics, firing(*datapoints), direction)

    assert (shown and (shown.n, shown.m)) == rule


def with_metrics(*metrics: Any) -> dict[str, Any]:
    event = load_event("alarm-high-step2")
    event["detail"]["configuration"]["metrics"] = list(metrics)
    return event


WATCHED = load_event("alarm-high-step2")["detail"]["configuration"]["metrics"][0]
WATCHED_STAT = WATCHED["metricStat"]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(with_metrics(), id="nothing"),
        pytest.param(with_metrics({}), id="no id"),
        pytest.param(with_metrics({"id": "e1", "expression": "1"}), id="no period"),
        pytest.param(with_metrics({"id": "m1", "metricStat": {}}), id="no metric"),
        pytest.param(with_metrics({"id": "m1", "metricStat": "Average"}), id="text for a metric"),
        pytest.param(with_metrics({**WATCHED, "id": 5}), id="a number for an id"),
        pytest.param(
            with_metrics(WATCHED, {"id": "e1", "expression": 5}), id="a number for an expression"
        ),
        pytest.param(
            with_metrics({**WATCHED, "metricStat": {**WATCHED_STAT, "period": "10"}}),
            id="text for a period",
        ),
        pytest.param(
            with_metrics({**WATCHED, "metricStat": {**WATCHED_STAT, "period": 10**9}}),
            id="a period of years",
        ),
        pytest.param(
            with_metrics(WATCHED, {"id": "ad1", "expression": "ANOMALY_DETECTION_BAND(m1, 2)"}),
            id="anomaly detection",
        ),
    ],
)
def test_an_event_that_does_not_show_its_metric_as_documented_defines_nothing(
    event: dict[str, Any],
) -> None:
    assert of_event(event) is None


@given(
    st.dictionaries(st.sampled_from([*WATCHED, "expression", "period"]), json_values),
    st.dictionaries(st.sampled_from([*WATCHED_STAT, "unit"]), json_values),
)
def test_whatever_an_event_shows_defines_nothing_or_something_that_can_be_asked_for(
    changes: dict[str, Any], stat_changes: dict[str, Any]
) -> None:
    metric = {**WATCHED, "metricStat": {**WATCHED_STAT, **stat_changes}, **changes}

    shown = event_definition([metric], firing(160.0), Direction.OUT)

    if shown:
        combined_queries({"x": shown})
        read_window([shown], NOW)


# --- what two alarms have in common ---------------------------------------------------------------


def described_metric(**changes: Any) -> str:
    definition = described_definition(described(**changes))
    assert definition
    return definition.metric


def test_a_metric_goes_by_the_same_name_in_an_event_and_in_describe_alarms() -> None:
    shown = of_event(load_event("alarm-high-step2"))

    assert shown
    assert shown.metric == described_metric()
    assert shown.metric == described_metric(Dimensions=METRIC["Dimensions"][::-1])


def test_the_two_alarms_of_a_target_watch_the_same_metric() -> None:
    high, low = of_event(load_event("alarm-high-step2")), of_event(load_event("alarm-low"))

    assert high
    assert low
    assert high.metric == low.metric
    assert high.threshold != low.threshold


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"MetricName": "Latency"}, id="name"),
        pytest.param({"Namespace": "Other"}, id="namespace"),
        pytest.param({"Dimensions": METRIC["Dimensions"][:1]}, id="dimensions"),
        pytest.param({"Statistic": "Maximum"}, id="statistic"),
        pytest.param({"Period": 60}, id="period"),
        pytest.param({"Unit": "Count/Second"}, id="unit"),
        pytest.param({**NO_METRIC, "Metrics": MATH}, id="metric math over it"),
    ],
)
def test_another_metric_goes_by_another_name(changes: dict[str, Any]) -> None:
    assert described_metric(**changes) != described_metric()


def test_of_metric_math_it_does_not_matter_which_alarm_asks_for_the_data() -> None:
    quiet = [{key: value for key, value in q.items() if key != "ReturnData"} for q in MATH]

    assert defined(*quiet).metric == defined(*MATH).metric
    assert defined(*MATH).metric != defined(an_expression("e1", "m2 / m1"), *MATH[1:]).metric


@pytest.mark.parametrize("threshold", [1e-310, 5e-324])
def test_a_threshold_that_no_load_can_be_divided_by_is_none(threshold: float) -> None:
    described_one = described_definition(described(Threshold=threshold))

    assert described_one
    assert described_one.threshold == 0


# --- one request for all alarms -------------------------------------------------------------------

_REQUEST: Any = Session().get_service_model("cloudwatch").operation_model("GetMetricData")


def assert_valid(queries: Sequence[Query]) -> None:
    """Check a request by botocore's model, and by what the API reference says beyond it."""
    request = {"MetricDataQueries": queries, "StartTime": ago(60), "EndTime": NOW}
    assert ParamValidator().validate(request, _REQUEST.input_shape).generate_report() == ""
    names = [query["Id"] for query in queries]
    assert len(set(names)) == len(names)
    for query in queries:
        assert re.fullmatch(r"[a-z][a-zA-Z0-9_]*", query["Id"])
        assert ("Expression" in query) != ("MetricStat" in query)


@pytest.mark.parametrize(
    ("expression", "renamed"),
    [
        ("m1 / m2", "a0_1 / a0_2"),
        ("(m1+m2)*100/m1", "(a0_1+a0_2)*100/a0_1"),
        ("m1 + m10", "a0_1 + m10"),
        ("IF(m1 > 1e3, m1, 0)", "IF(a0_1 > 1e3, a0_1, 0)"),
        ("m1 * 2e3", "a0_1 * 2e3"),
        ("FILL(m1, 0) / PERIOD(m1)", "FILL(a0_1, 0) / PERIOD(a0_1)"),
        ("METRICS()", "[a0_1, a0_2, a0_3]"),
        ("SUM(METRICS())", "SUM([a0_1, a0_2, a0_3])"),
        ("SUM(METRICS( ))", "SUM([a0_1, a0_2, a0_3])"),
        ('SUM(METRICS("m"))', "SUM([a0_1, a0_2])"),
        ("SUM(METRICS('m2'))", "SUM([a0_2])"),
        ('AVG(METRICS("m")) / m2', "AVG([a0_1, a0_2]) / a0_2"),
        ("RATE(m1) * METRIC_COUNT(METRICS())", "RATE(a0_1) * METRIC_COUNT([a0_1, a0_2, a0_3])"),
        ('IF(m1 > 0, "m1", m2)', 'IF(a0_1 > 0, "m1", a0_2)'),
        ("e3 AND m1", "a0_4 AND a0_1"),
    ],
)
def test_an_expression_names_the_metrics_of_its_own_alarm(expression: str, renamed: str) -> None:
    definition = defined(
        an_expression("e1", expression),
        a_metric("m1"),
        a_metric("m2"),
        a_metric("q"),
        an_expression("e3", "m1", returned=False),
    )

    queries = combined_queries({"high": definition})

    assert queries[0] == {"Id": "a0", "Expression": renamed, "ReturnData": True}
    assert_valid(queries)


def test_ids_of_different_alarms_do_not_meet() -> None:
    """Both alarms call their metrics m1 and m2, and the result e1."""
    high = defined(*MATH)
    low = defined(an_expression("e1", "m2 - m1"), a_metric("m2", Stat="Minimum"), a_metric("m1"))

    queries = combined_queries({"high": high, "low": low})

    assert_valid(queries)
    assert {query["Id"]: query.get("Expression") for query in queries} == {
        "a0": "a0_1 / a0_2",
        "a0_1": None,
        "a0_2": None,
        "a1": "a1_1 - a1_2",
        "a1_1": None,
        "a1_2": None,
    }
    assert [query["MetricStat"]["Stat"] for query in queries if "MetricStat" in query] == [
        "Sum",
        "Average",
        "Minimum",
        "Average",
    ]
    assert result_ids({"high": high, "low": low}) == {"a0": "high", "a1": "low"}


def test_only_the_one_that_the_alarm_watches_returns_data() -> None:
    """As in a definition whose metrics do not say what is returned: the first one is."""
    quiet = defined({"Id": "m1", "MetricStat": STAT}, {"Id": "m2", "MetricStat": STAT})

    queries = combined_queries({"math": defined(*reversed(MATH)), "quiet": quiet})

    assert [query["Id"] for query in queries if query["ReturnData"]] == ["a0", "a1"]


def test_an_insights_query_is_left_as_it_is() -> None:
    query = "SELECT AVG(m1) FROM SCHEMA(\"MyApp\", Service) WHERE Service = 'm1'"
    definition = defined({**an_expression("m1", query), "Period": 60}, period=60)

    queries = combined_queries({"x": definition})

    assert queries == [{"Id": "a0", "Expression": query, "Period": 60, "ReturnData": True}]
    assert_valid(queries)


def test_the_id_that_an_event_makes_up_for_its_metric_is_not_sent() -> None:
    """A single metric's is a UUID with dashes in events, which GetMetricData refuses."""
    shown = of_event(load_event("alarm-high-step2"))

    assert shown
    assert "-" in shown.queries[0]["Id"]
    assert_valid(combined_queries({"x": shown}))


@given(st.dictionaries(st.text(), definitions, min_size=1, max_size=4))
def test_any_alarms_make_one_valid_request_that_answers_for_each(
    alarms: dict[str, AlarmDefinition],
) -> None:
    queries = combined_queries(alarms)

    assert_valid([*queries, *sample_queries(alarms)])
    answers = result_ids(alarms)
    assert [query["Id"] for query in queries if query["ReturnData"]] == list(answers)
    assert list(answers.values()) == list(alarms)
    for query in queries:
        own = query["Id"].split("_")[0]
        used = re.findall(r"\ba\d+(?:_\w+)?\b", query.get("Expression", ""))
        assert {name.split("_")[0] for name in used} <= {own}
        assert set(used) <= {other["Id"] for other in queries if "MetricStat" in other}


@pytest.mark.parametrize(
    ("definition", "counted"),
    [
        pytest.param(DEFINITION, True, id="a plain average"),
        pytest.param(defined(a_metric("m1", Stat="Maximum")), False, id="a maximum"),
        pytest.param(defined(a_metric("m1", Stat="p95")), False, id="a percentile"),
        pytest.param(defined(*MATH), False, id="metric math"),
        pytest.param(defined(*INSIGHTS, period=60), False, id="Metrics Insights"),
    ],
)
def test_the_samples_of_a_plain_average_are_counted_beside_it(
    definition: AlarmDefinition, *, counted: bool
) -> None:
    alarms = {"first": defined(*MATH), "second": definition}
    queries, counts = combined_queries(alarms), sample_queries(alarms)

    assert_valid([*queries, *counts])
    assert [query["Id"] for query in counts] == (["a1_samples"] if counted else [])
    if counted:
        (watched,) = (query for query in queries if query["Id"] == "a1")
        stat = {**watched["MetricStat"], "Stat": "SampleCount"}
        assert counts == [{"Id": "a1_samples", "MetricStat": stat, "ReturnData": True}]


# --- from when to when ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alarms", "start"),
    [
        pytest.param([(10, 1)], "09:57:00", id="1 of 10 s: three minutes, and to the minute"),
        pytest.param([(10, 3)], "09:57:00", id="3 of 10 s: the same, for the load before"),
        pytest.param([(10, 18)], "09:56:00", id="18 of 10 s: 210 s, which is longer"),
        pytest.param([(60, 3)], "09:54:00", id="3 of a minute"),
        pytest.param([(10, 1), (60, 3)], "09:54:00", id="the longer window wins"),
        pytest.param([(60, 3), (10, 1)], "09:54:00", id="in any order"),
        pytest.param([(300, 1)], "09:40:00", id="5 minutes: on their grid"),
        pytest.param([(120, 1), (180, 1)], "09:48:00", id="2 and 3 minutes: on both grids"),
    ],
)
def test_the_window_asked_for(alarms: list[tuple[int, int]], start: str) -> None:
    asked = [replace(DEFINITION, period=period, n=n) for period, n in alarms]

    begin, end = read_window(asked, NOW)

    assert (f"{begin:%H:%M:%S}", end) == (start, NOW)


@given(st.lists(definitions, min_size=1, max_size=4), moments)
def test_the_window_begins_on_every_grid_and_holds_every_alarm_s_datapoints(
    asked: list[AlarmDefinition], now: datetime
) -> None:
    begin, end = read_window(asked, now)

    assert end == now
    for definition in asked:
        assert begin.timestamp() % definition.period == 0
        assert end - begin >= timedelta(seconds=definition.period * (definition.n + BEYOND_WINDOW))


# --- what the answer says -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanThreshold", [101.0]),
        ("GreaterThanOrEqualToThreshold", [100.0, 101.0]),
        ("LessThanThreshold", [99.0]),
        ("LessThanOrEqualToThreshold", [99.0, 100.0]),
    ],
)
def test_a_breach_is_what_the_alarm_calls_one(comparison: str, breaching: list[float]) -> None:
    definition = replace(DEFINITION, comparison=Comparison(comparison))

    assert [v for v in (99.0, 100.0, 101.0) if definition.breached_by(v)] == breaching


NEWEST = points(160.0)  # from 12.5 s to 2.5 s ago


@pytest.mark.parametrize(
    ("read", "m", "n", "datapoints", "state"),
    [
        pytest.param(points(160.0), 1, 1, (160.0,), "ALARM", id="the newest breaches"),
        pytest.param(points(160.0, 90.0), 1, 1, (90.0,), "OK", id="the newest does not"),
        pytest.param(points(100.0), 1, 1, (100.0,), "OK", id="at the threshold is no breach"),
        pytest.param(
            [*points(160.0), *points(900.0, newest=9.9)],
            1,
            1,
            (160.0,),
            "ALARM",
            id="a period that has not ended does not count",
        ),
        pytest.param(
            [*points(90.0), *points(160.0, newest=10)],
            1,
            1,
            (160.0,),
            "ALARM",
            id="a period that ends now does",
        ),
        pytest.param(
            points(160.0, 90.0, 160.0), 2, 3, (160.0, 90.0, 160.0), "ALARM", id="2 of 3 breach"
        ),
        pytest.param(
            points(160.0, 90.0, 90.0), 2, 3, (160.0, 90.0, 90.0), "OK", id="1 of 2 of 3 breaches"
        ),
        pytest.param(
            points(160.0, 160.0, 90.0, 90.0, 160.0),
            2,
            3,
            (90.0, 90.0, 160.0),
            "OK",
            id="what lies before the newest N does not count",
        ),
        pytest.param(
            [*points(160.0, newest=42.5), *points(160.0)],
            2,
            2,
            (160.0, 160.0),
            "ALARM",
            id="periods without data are passed over",
        ),
        pytest.param(
            points(160.0), 2, 3, (160.0,), "OK", id="fewer datapoints than M cannot breach"
        ),
    ],
)
def test_m_of_the_newest_n_complete_datapoints_decide(
    read: list[Datapoint], m: int, n: int, datapoints: tuple[float, ...], state: str
) -> None:
    reading = judge(replace(DEFINITION, m=m, n=n), read, None, NOW)

    assert reading.alarm == Alarm(
        AlarmState(state),
        100.0,
        datapoints,
        metric=DEFINITION.metric,
        comparison=Comparison.GREATER,
    )
    assert reading.newest == next(p.at for p in reversed(read) if p.value == datapoints[-1])


@pytest.mark.parametrize(
    ("read", "why"),
    [
        pytest.param(
            [], "CloudWatch has no complete datapoint since 09:59:32 UTC", id="none at all"
        ),
        pytest.param(
            points(160.0, newest=5),
            "CloudWatch has no complete datapoint since 09:59:32 UTC",
            id="none that is complete",
        ),
        pytest.param(
            points(160.0, 160.0, newest=40.1),
            "CloudWatch has no complete datapoint since 09:59:32 UTC",
            id="none that speaks for the present",
        ),
    ],
)
def test_no_datapoint_is_no_number_and_not_zero(read: list[Datapoint], why: str) -> None:
    reading = judge(DEFINITION, read, None, NOW)

    assert reading.alarm.no_data == why
    assert not reading.alarm.has_value
    assert reading.newest is None


@pytest.mark.parametrize(
    ("seconds_ago", "kept"),
    [
        pytest.param(180, True, id="3 minutes old"),
        pytest.param(180.1, False, id="older"),
        pytest.param(10, True, id="its period ends now"),
        pytest.param(9.9, False, id="its period has not ended"),
    ],
)
def test_the_load_before_is_that_of_the_last_three_minutes(
    seconds_ago: float, *, kept: bool
) -> None:
    point = Datapoint(ago(seconds_ago), 160.0, 8)

    assert recent(DEFINITION, [point], NOW) == ((point,) if kept else ())


def test_a_reading_tells_how_often_its_alarm_is_evaluated_and_how_it_compares() -> None:
    minute = replace(LOW_DEFINITION, period=60)

    alarm = judge(minute, points(10.0, newest=60), None, NOW).alarm

    assert (alarm.alarm_period, alarm.comparison) == (60, Comparison.LESS)


@pytest.mark.parametrize(
    ("change", "period"),
    [
        pytest.param({}, 5, id="as it is published"),
        pytest.param({"period": 60}, 60, id="not of a minute, whose metric may be no finer"),
        pytest.param({"queries": tuple(MATH)}, 10, id="nor of an expression"),
    ],
)
def test_a_metric_is_read_as_fine_as_it_can_be_put_together_again(
    change: dict[str, Any], period: int
) -> None:
    assert replace(DEFINITION, **change).fine(5).period == period


def test_what_was_read_finely_is_put_together_for_its_alarm() -> None:
    fine = [
        Datapoint(ago(12.5), 100.0, 4),
        Datapoint(ago(7.5), 130.0, 8),
        Datapoint(ago(2.5), 90.0, 4),
    ]

    assert coarse(fine, 10) == [Datapoint(ago(12.5), 120.0, 12), Datapoint(ago(2.5), 90.0, 4)]


def seconds_of(*samples: float | None, newest: float = 3.0) -> list[Datapoint]:
    """Return seconds with so many samples each, the last of which began `newest` seconds ago."""
    return [
        Datapoint(ago(newest + age), 100.0, count)
        for age, count in zip(range(len(samples) - 1, -1, -1), samples, strict=True)
        if count is not None
    ]


@pytest.mark.parametrize(
    ("every", "period", "count"),
    [(1, 5, 5), (2, 6, 3), (3, 6, 2), (4, 8, 2), (5, 5, 1), (7, 7, 1), (10, 10, 1)],
)
def test_in_an_interval_each_task_has_published_equally_often(
    every: int, period: int, count: int
) -> None:
    published = [4.0 if n % every == 0 else None for n in range(60)]

    seen = by_interval(seconds_of(*published), every, NOW, newest=True)

    assert seen["period"] == period
    assert {point.samples for point in seen["recent"][1:]} == {4.0 * count}


def test_an_interval_of_the_newest_ends_with_the_newest_second_and_others_lie_as_periods_do() -> (
    None
):
    seconds = seconds_of(*[4.0] * 12)

    newest = by_interval(seconds, 1, NOW, newest=True)
    periods = by_interval(seconds, 1, NOW, newest=False)

    assert [(p.at, p.samples) for p in newest["recent"]] == [
        (ago(17), 20),
        (ago(12), 20),
        (ago(7), 20),
    ]
    assert newest["recent"][-1].at + timedelta(seconds=5) == seconds[-1].at + timedelta(seconds=1)
    assert {p.at.timestamp() % 5 for p in periods["recent"]} == {0}
    assert all(p.at + timedelta(seconds=5) <= NOW for p in periods["recent"])
    assert newest["seconds"] == periods["seconds"] == tuple(seconds)


def test_a_second_that_waits_for_its_call_counts_as_no_second_without_tasks() -> None:
    begins = NOW.replace(second=10, microsecond=0)
    four = [Datapoint(begins + timedelta(seconds=n), 100.0, 3) for n in range(4)]

    assert [point.samples for point in coarse(four, 5, each=True)] == [15]
    assert [point.samples for point in coarse(four, 5)] == [12]


def test_seconds_are_known_only_where_each_task_publishes_them() -> None:
    assert by_interval(seconds_of(4.0), 5, NOW, newest=True)["seconds"] == ()


def test_a_longer_window_of_another_alarm_brings_no_old_load_back() -> None:
    """One request serves both alarms, so the 10-s metric comes with what it was 25 minutes ago."""
    begin, _ = read_window([DEFINITION, replace(DEFINITION, period=300, n=3)], NOW)
    read = [Datapoint(begin + timedelta(seconds=10 * step), 160.0) for step in range(12)]

    assert not judge(DEFINITION, read, None, NOW).alarm.has_value


@pytest.mark.parametrize(
    ("acted_on", "acts"),
    [
        pytest.param(None, True, id="none has changed capacity yet"),
        pytest.param(ago(22.5), True, id="the one before it has"),
        pytest.param(ago(12.5), False, id="it has itself"),
        pytest.param(ago(12), False, id="all have that begin before a later moment"),
    ],
)
def test_a_datapoint_acts_once(acted_on: datetime | None, *, acts: bool) -> None:
    reading = judge(DEFINITION, points(150.0, 160.0), acted_on, NOW)

    assert (reading.alarm.state, reading.alarm.has_value) == (AlarmState.ALARM, acts)
    assert reading.newest == ago(12.5)
    if not acts:
        why = "its newest datapoint, of 10:00:00 UTC, was already acted on"
        assert reading.alarm.no_data == why


# --- as plain data --------------------------------------------------------------------------------


def read_back(data: Any) -> tuple[AlarmDefinition | None, list[str]]:
    problems = Problems()
    definition = read_definition(Field(data, "", problems))
    return definition, [str(problem) for problem in problems.found]


@given(definitions)
def test_a_definition_that_is_written_is_read_back(definition: AlarmDefinition) -> None:
    assert read_back(definition_dict(definition)) == (definition, [])


def written(**changes: Any) -> dict[str, Any]:
    return {**definition_dict(DEFINITION), **changes}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "must be an object, not null"),
        ({}, "queries: is required, but missing"),
        (written(comparison="GreaterThan"), "comparison: must be one of GreaterThanThreshold"),
        (written(comparison=None), "comparison: must be one of GreaterThanThreshold"),
        (written(threshold="100"), 'threshold: must be a number, not "100"'),
        (written(queries=[]), "queries: must have at least 1 and at most 50 entries"),
        (written(queries=["m1"]), 'queries[0]: must be an object, not "m1"'),
        (written(queries=[{"Id": 1}]), "queries[0].Id: must be a string, not 1"),
        (
            written(queries=[{"Id": "e", "Expression": 5}]),
            "queries[0].Expression: must be a string, not 5",
        ),
        (
            written(queries=[{"Id": "m", "MetricStat": []}]),
            "queries[0].MetricStat: must be an object, not []",
        ),
        (written(period=0), "period: must be at least 1, not 0"),
        (written(period=10**9), "period: must be at most 604800, not 1000000000"),
        (written(n=0), "n: must be at least 1, not 0"),
        (written(period=86_400, n=8), "n: must be at most 7, not 8"),
        (written(m=2), "m: must be at most 1, not 2"),
    ],
)
def test_a_definition_that_breaks_a_rule_is_refused(data: Any, problem: str) -> None:
    _, problems = read_back(data)

    assert problems
    assert problems[0].startswith(problem)


@given(st.dictionaries(st.sampled_from([*definition_dict(DEFINITION)]), json_values))
def test_whatever_is_read_can_be_asked_for(changes: Mapping[str, Any]) -> None:
    definition, problems = read_back(written(**changes))

    if definition and not problems:
        combined_queries({"x": definition})
        read_window([definition], NOW)
        judge(definition, NEWEST, None, NOW)


@pytest.mark.parametrize("blanks", [" ", "METRICS( ", "METRICS('", "'\""])
def test_an_expression_is_read_in_a_time_that_grows_with_its_length(blanks: str) -> None:
    """16,000 blanks behind `METRICS(` took seconds, under the lease."""
    endless = defined(an_expression("e1", "METRICS(" + blanks * 16_000), *MATH[1:])

    start = time.thread_time()
    combined_queries({"x": endless})

    assert time.thread_time() - start < 0.1
