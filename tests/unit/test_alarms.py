"""CloudWatch's evaluation of an alarm, against the truth tables of its guide; and the event."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep.alarms.event import read_event
from quickstep.engine.model import AlarmState
from quickstep_lab.alarms import (
    INITIAL_REASON,
    AlarmDefinition,
    AlarmStatus,
    Datapoint,
    MissingData,
    UnmodelledAlarmError,
    alarm_event,
    evaluate,
    evaluation_range,
    next_state,
    read_definition,
)
from quickstep_lab.clock import next_boundary, period_start
from tests.builders import EVENTS, HIGH, WEB

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricAlarmTypeDef

OK, ALARM, INSUFFICIENT = AlarmState.OK, AlarmState.ALARM, AlarmState.INSUFFICIENT_DATA
RETAIN = None
"""In the tables: the state stays as it was."""

AT = datetime(2026, 11, 22, 10, 0, 12, 343_000, tzinfo=UTC)
ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:quickstep/prod/web/high-request-rate"


def a_definition(
    needed: int = 1,
    window: int = 1,
    missing: MissingData = MissingData.MISSING,
    comparison: str = "GreaterThanThreshold",
) -> AlarmDefinition:
    return AlarmDefinition(
        name=WEB.alarm(HIGH),
        arn=ARN,
        description="Requests per second and task of service web in cluster prod",
        namespace="MyApp/Performance",
        metric="RequestsPerSecond",
        dimensions={"ClusterName": "prod", "ServiceName": "web"},
        statistic="Average",
        period=10,
        threshold=100.0,
        comparison=comparison,
        evaluation_periods=window,
        datapoints_to_alarm=needed,
        missing_data=missing,
    )


def values(picture: str) -> list[float | None]:
    """Return datapoints as the guide draws them: 0 within, X breaching, - missing; newest last."""
    return [{"0": 50.0, "X": 250.0, "-": None}[mark] for mark in picture.split()]


def points(picture: str) -> list[Datapoint]:
    seen = values(picture)
    first = period_start(AT, 10) - timedelta(seconds=10 * len(seen))
    return [Datapoint(first + timedelta(seconds=10 * n), value) for n, value in enumerate(seen)]


# Rows: datapoints, then the state under missing, ignore, breaching and notBreaching.
Row = tuple[str, AlarmState | None, AlarmState | None, AlarmState | None, AlarmState | None]

THREE_OF_THREE: list[Row] = [
    ("0 - X - X", OK, OK, OK, OK),
    ("0 - - - -", OK, OK, OK, OK),
    ("- - - - -", INSUFFICIENT, RETAIN, ALARM, OK),
    ("0 X X - X", ALARM, ALARM, ALARM, ALARM),
    ("- - X - -", ALARM, RETAIN, ALARM, OK),
]
TWO_OF_THREE: list[Row] = [
    ("0 - X - X", ALARM, ALARM, ALARM, ALARM),
    ("0 0 X 0 X", ALARM, ALARM, ALARM, ALARM),
    ("0 - X - -", OK, OK, ALARM, OK),
    ("- - - - 0", OK, OK, ALARM, OK),
    ("- - - X -", ALARM, RETAIN, ALARM, OK),
]
TREATMENTS = (
    MissingData.MISSING,
    MissingData.IGNORE,
    MissingData.BREACHING,
    MissingData.NOT_BREACHING,
)


@pytest.mark.parametrize("previous", AlarmState)
@pytest.mark.parametrize(
    ("needed", "picture", "missing", "state"),
    [
        pytest.param(needed, row[0], missing, state, id=f"{needed} of 3: {row[0]} {missing}")
        for needed, table in ((3, THREE_OF_THREE), (2, TWO_OF_THREE))
        for row in table
        for missing, state in zip(TREATMENTS, row[1:], strict=True)
    ],
)
def test_the_state_is_that_of_the_guides_truth_tables(
    needed: int,
    picture: str,
    missing: MissingData,
    state: AlarmState | None,
    previous: AlarmState,
) -> None:
    definition = a_definition(needed, 3, missing)
    assert next_state(definition, values(picture), previous) is (state or previous)


@pytest.mark.parametrize("previous", AlarmState)
@pytest.mark.parametrize(
    ("needed", "picture", "state"),
    [
        pytest.param(3, "- - - - X", RETAIN, id="one breach may be a false alarm"),
        pytest.param(3, "- - - X -", RETAIN, id="nor is it believed after one silent period"),
        pytest.param(3, "- - X - -", ALARM, id="it is believed once it is M periods old"),
        pytest.param(3, "- - - X 0", OK, id="a good datapoint takes it back"),
        pytest.param(3, "- X - 0 -", OK, id="whenever it came"),
        pytest.param(2, "- X - - X", ALARM, id="M real breaches are enough"),
    ],
)
def test_what_is_known_too_little_of_does_not_raise_an_alarm_prematurely(
    needed: int, picture: str, state: AlarmState | None, previous: AlarmState
) -> None:
    assert next_state(a_definition(needed, 3), values(picture), previous) is (state or previous)


@pytest.mark.parametrize(
    ("picture", "state"),
    [
        pytest.param("0 0 X", ALARM, id="the newest datapoint decides"),
        pytest.param("X X 0", OK, id="older ones do not"),
        pytest.param("0 X -", ALARM, id="a late datapoint is waited for"),
        pytest.param("X - -", ALARM, id="over the whole evaluation range"),
        pytest.param("- - -", INSUFFICIENT, id="but not beyond"),
    ],
)
def test_an_alarm_of_one_period_re_evaluates_its_last_datapoint_for_a_while(
    picture: str, state: AlarmState
) -> None:
    assert next_state(a_definition(), values(picture), OK) is state


@given(
    st.lists(st.floats(0, 500), min_size=5, max_size=5),
    st.integers(1, 3),
    st.sampled_from(AlarmState),
)
def test_with_all_datapoints_there_the_treatment_of_missing_ones_makes_no_difference(
    seen: list[float], needed: int, previous: AlarmState
) -> None:
    expected = ALARM if sum(value > 100 for value in seen[-3:]) >= needed else OK
    for missing in MissingData:
        assert next_state(a_definition(needed, 3, missing), seen, previous) is expected


@pytest.mark.parametrize(
    ("comparison", "below", "equal", "above"),
    [
        ("GreaterThanThreshold", False, False, True),
        ("GreaterThanOrEqualToThreshold", False, True, True),
        ("LessThanThreshold", True, False, False),
        ("LessThanOrEqualToThreshold", True, True, False),
    ],
)
def test_a_datapoint_breaches_by_the_alarms_comparison(
    comparison: str, below: bool, equal: bool, above: bool
) -> None:
    definition = a_definition(comparison=comparison)
    breached = [definition.breached_by(value) for value in (99.9, 100.0, 100.1)]
    assert breached == [below, equal, above]


def test_the_evaluation_range_goes_back_beyond_the_window_and_ends_with_the_last_whole_period() -> (
    None
):
    starts = evaluation_range(a_definition(3, 3), AT)
    assert [f"{start:%H:%M:%S}" for start in starts] == [
        "09:59:20",
        "09:59:30",
        "09:59:40",
        "09:59:50",
        "10:00:00",
    ]


def test_the_grid_of_periods_is_that_of_the_clock() -> None:
    assert period_start(AT, 10) == datetime(2026, 11, 22, 10, 0, 10, tzinfo=UTC)
    assert next_boundary(AT, 10) == datetime(2026, 11, 22, 10, 0, 20, tzinfo=UTC)
    assert next_boundary(period_start(AT, 10), 10) == period_start(AT, 10)


def described(**changes: Any) -> MetricAlarmTypeDef:
    alarm: dict[str, Any] = {
        "AlarmName": WEB.alarm(HIGH),
        "AlarmArn": ARN,
        "Namespace": "MyApp/Performance",
        "MetricName": "RequestsPerSecond",
        "Dimensions": [
            {"Name": "ClusterName", "Value": "prod"},
            {"Name": "ServiceName", "Value": "web"},
        ],
        "Statistic": "Average",
        "Period": 10,
        "EvaluationPeriods": 3,
        "Threshold": 100.0,
        "ComparisonOperator": "GreaterThanThreshold",
        **changes,
    }
    return {key: value for key, value in alarm.items() if value is not None}  # type: ignore[return-value]


def test_what_describe_alarms_leaves_out_has_cloudwatchs_defaults() -> None:
    definition = read_definition(described())
    assert (definition.datapoints_to_alarm, definition.evaluation_periods) == (3, 3)
    assert definition.missing_data is MissingData.MISSING
    assert definition.dimensions == {"ClusterName": "prod", "ServiceName": "web"}
    assert definition.condition == "> 100, 3 of 3 x 10 s"


def test_what_describe_alarms_says_is_kept() -> None:
    definition = read_definition(
        described(DatapointsToAlarm=2, TreatMissingData="notBreaching", AlarmDescription="High")
    )
    assert definition.datapoints_to_alarm == 2
    assert definition.missing_data is MissingData.NOT_BREACHING
    assert definition.description == "High"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param(
            {"Metrics": [{"Id": "m1"}]},
            "must watch one metric with a Statistic and a Period",
            id="metric math",
        ),
        pytest.param(
            {"Statistic": None, "ExtendedStatistic": "p99"},
            "must watch one metric with a Statistic and a Period",
            id="percentile",
        ),
        pytest.param(
            {"ComparisonOperator": "GreaterThanUpperThreshold"},
            "ComparisonOperator must be one of GreaterThanThreshold, "
            "GreaterThanOrEqualToThreshold, LessThanThreshold, LessThanOrEqualToThreshold, "
            "not GreaterThanUpperThreshold",
            id="anomaly detection",
        ),
        pytest.param(
            {"Period": 7}, "Period must be 10, 20, 30 or a multiple of 60, not 7", id="period"
        ),
    ],
)
def test_an_alarm_without_rules_here_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(UnmodelledAlarmError) as error:
        read_definition(described(**changes))
    assert str(error.value) == f"quickstep/prod/web/high-request-rate: {problem}"


def a_status(state: AlarmState = OK) -> AlarmStatus:
    return AlarmStatus(state, AT - timedelta(minutes=30), INITIAL_REASON)


def evaluated(
    definition: AlarmDefinition, seen: list[Datapoint], previous: AlarmState = OK
) -> AlarmStatus:
    queried_at = AT - timedelta(milliseconds=3)
    return evaluate(definition, seen, a_status(previous), queried_at=queried_at, now=AT)


def test_an_evaluation_that_changes_nothing_leaves_the_status_as_it_is() -> None:
    assert evaluated(a_definition(), points("X X 0")) == a_status()


def test_recent_datapoints_are_oldest_first_and_evaluated_ones_newest_first() -> None:
    seen = [Datapoint(p.at, n * 100.0 or None, 4.0) for n, p in enumerate(points("- X X X X"))]
    seen[3] = Datapoint(seen[3].at, None)
    status = evaluated(a_definition(3, 3, MissingData.BREACHING), seen[:1] + seen[2:])
    data = json.loads(status.reason_data or "")
    assert data["recentDatapoints"] == [200, 400]
    assert data["startDate"] == "2026-11-22T09:59:40.000+0000"
    assert data["evaluatedDatapoints"] == [
        {"timestamp": "2026-11-22T10:00:00.000+0000", "sampleCount": 4.0, "value": 400.0},
        {"timestamp": "2026-11-22T09:59:50.000+0000"},
        {"timestamp": "2026-11-22T09:59:40.000+0000", "sampleCount": 4.0, "value": 200.0},
    ]


@pytest.mark.parametrize(
    ("needed", "missing", "picture", "previous", "reason"),
    [
        pytest.param(
            1,
            MissingData.MISSING,
            "0 0 X",
            OK,
            "Threshold Crossed: 1 out of the last 1 datapoints [250.0 (22/11/26 10:00:00)] was "
            "greater than the threshold (100.0) (minimum 1 datapoint for OK -> ALARM transition).",
            id="1 of 1 in breach",
        ),
        pytest.param(
            3,
            MissingData.MISSING,
            "- - X X 0",
            ALARM,
            "Threshold Crossed: 1 out of the last 3 datapoints [50.0 (22/11/26 10:00:00)] was "
            "not greater than the threshold (100.0) (minimum 1 datapoint for ALARM -> OK "
            "transition).",
            id="3 of 3 no more",
        ),
        pytest.param(
            2,
            MissingData.MISSING,
            "0 0 X 0 X",
            OK,
            "Threshold Crossed: 2 out of the last 3 datapoints [250.0 (22/11/26 10:00:00), 250.0 "
            "(22/11/26 09:59:40)] were greater than the threshold (100.0) (minimum 2 datapoints "
            "for OK -> ALARM transition).",
            id="2 of 3 in breach",
        ),
        pytest.param(
            1,
            MissingData.MISSING,
            "- - -",
            OK,
            "Insufficient Data: 1 datapoint was unknown.",
            id="no data",
        ),
        pytest.param(
            1,
            MissingData.NOT_BREACHING,
            "- - -",
            ALARM,
            "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint "
            "was treated as [NonBreaching].",
            id="no data is good",
        ),
        pytest.param(
            3,
            MissingData.BREACHING,
            "- - - - X",
            OK,
            "Threshold Crossed: 1 datapoint [250.0 (22/11/26 10:00:00)] was greater than the "
            "threshold (100.0) and 2 missing datapoints were treated as [Breaching].",
            id="some missing are bad",
        ),
    ],
)
def test_the_reason_says_what_was_seen(
    needed: int, missing: MissingData, picture: str, previous: AlarmState, reason: str
) -> None:
    definition = a_definition(needed, 1 if needed == 1 else 3, missing)
    assert evaluated(definition, points(picture), previous).reason == reason


def test_without_data_there_is_no_start_date() -> None:
    data = json.loads(evaluated(a_definition(), points("- - -")).reason_data or "")
    assert data["recentDatapoints"] == []
    assert "startDate" not in data
    assert data["evaluatedDatapoints"] == [{"timestamp": "2026-11-22T10:00:00.000+0000"}]


def test_the_event_is_exactly_the_sample_event() -> None:
    sample = json.loads((EVENTS / "alarm-high-step3.json").read_text(encoding="utf-8"))
    seen = [*points("0 0"), Datapoint(period_start(AT, 10) - timedelta(seconds=10), 250.0, 4.0)]
    previous = sample["detail"]["previousState"]
    before = AlarmStatus(
        OK,
        datetime.fromisoformat(previous["timestamp"]),
        previous["reason"],
        previous["reasonData"],
    )
    definition = a_definition()
    status = evaluate(definition, seen, before, queried_at=AT - timedelta(milliseconds=3), now=AT)
    event = alarm_event(definition, status, before, sample["id"])
    (metric,) = event["detail"]["configuration"]["metrics"]
    metric["id"] = sample["detail"]["configuration"]["metrics"][0]["id"]
    assert event == sample


def test_the_event_of_a_new_alarm_has_a_previous_state_without_data() -> None:
    definition = a_definition()
    status = evaluated(definition, points("0 0 0"), INSUFFICIENT)
    event = alarm_event(definition, status, a_status(INSUFFICIENT), "event-1")
    assert event["detail"]["previousState"] == {
        "value": "INSUFFICIENT_DATA",
        "reason": "Unchecked: Initial alarm creation",
        "timestamp": "2026-11-22T09:30:12.343+0000",
    }
    assert "INSUFFICIENT_DATA -> OK transition" in event["detail"]["state"]["reason"]


@pytest.mark.parametrize("picture", ["X", "0 X", "- - X", "- - -", "X X X X X", "0 - - - -"])
def test_the_scaler_reads_every_event_and_sees_the_evaluated_datapoints(picture: str) -> None:
    for needed, window in ((1, 1), (2, 3), (3, 3)):
        for missing in MissingData:
            for previous in AlarmState:
                definition = a_definition(needed, window, missing)
                seen = points(picture)
                status = evaluated(definition, seen, previous)
                if status.state is previous:
                    continue
                event = alarm_event(definition, status, a_status(previous), "event-1")
                transition = read_event(json.loads(json.dumps(event)))
                real = [point.value for point in seen if point.value is not None]
                assert transition.alarm_name == definition.name
                assert transition.at == AT
                assert transition.alarm.state is status.state
                assert transition.alarm.threshold == 100.0
                assert list(transition.alarm.datapoints) == real[-window:]
