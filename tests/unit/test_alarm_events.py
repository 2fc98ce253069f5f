"""Alarm events of every shape: what is read from each, and what is refused."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep.alarms.event import EventError, read_event
from quickstep.engine.model import AlarmState
from tests.builders import HIGH, LOW, WEB, load_event


@pytest.mark.parametrize(
    ("name", "policy", "threshold", "datapoints"),
    [
        pytest.param("alarm-high-step2", HIGH, 100.0, (160.0,), id="a single metric"),
        pytest.param("alarm-low", LOW, 30.0, (17.0, 14.5, 12.0), id="several, oldest first"),
        pytest.param("alarm-metric-math", HIGH, 100.0, (160.0,), id="metric math"),
        pytest.param("alarm-insights", HIGH, 100.0, (162.0, 158.0, 160.0), id="Insights"),
        pytest.param("alarm-muted", HIGH, 100.0, (160.0,), id="muted"),
    ],
)
def test_events_with_a_number_to_act_on(
    name: str, policy: str, threshold: float, datapoints: tuple[float, ...]
) -> None:
    transition = read_event(load_event(name))

    assert (transition.service, transition.policy) == (WEB, policy)
    assert transition.at == datetime(2026, 11, 22, 10, 0, 12, 343_000, tzinfo=UTC)
    assert transition.alarm.state is AlarmState.ALARM
    assert transition.alarm.threshold == threshold
    assert transition.alarm.datapoints == datapoints


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("alarm-anomaly", "an anomaly detection alarm has no fixed threshold"),
        ("alarm-composite", "a composite alarm has no datapoints"),
        ("alarm-insufficient-data", "the event has no datapoints"),
        ("alarm-logs", "the event has no threshold"),
        ("alarm-no-reason-data", "the event has no reasonData"),
    ],
)
def test_events_without_one_say_why(name: str, why: str) -> None:
    alarm = read_event(load_event(name)).alarm

    assert not alarm.has_value
    assert alarm.no_data.startswith(why)


@pytest.mark.parametrize("name", ["alarm-muted", "alarm-suppressed"])
def test_a_muted_alarm_is_known_as_such(name: str) -> None:
    assert read_event(load_event(name)).alarm.muted


def with_reason_data(value: Any) -> dict[str, Any]:
    event = load_event("alarm-high-step2")
    event["detail"]["state"]["reasonData"] = value
    return event


@pytest.mark.parametrize(
    "reason_data",
    [
        pytest.param("{", id="not JSON"),
        pytest.param("[]", id="not an object"),
        pytest.param(12, id="not text"),
        pytest.param('{"threshold": "high", "recentDatapoints": [1]}', id="threshold in words"),
        pytest.param('{"threshold": 1, "recentDatapoints": 1}', id="datapoints are no list"),
        pytest.param('{"threshold": 1, "recentDatapoints": ["1"]}', id="a datapoint in words"),
        pytest.param('{"threshold": 1, "recentDatapoints": [NaN]}', id="a datapoint is NaN"),
        pytest.param('{"threshold": 1e999, "recentDatapoints": [1]}', id="an infinite threshold"),
    ],
)
def test_reason_data_that_cannot_be_read_is_no_data(reason_data: Any) -> None:
    alarm = read_event(with_reason_data(reason_data)).alarm

    assert not alarm.has_value
    assert "cannot be read" in alarm.no_data


def test_missing_datapoints_among_others_are_left_out() -> None:
    data = json.dumps({"threshold": 100, "recentDatapoints": [None, 120, 130]})

    assert read_event(with_reason_data(data)).alarm.datapoints == (120.0, 130.0)


def changed(path: str, value: Any) -> dict[str, Any]:
    event = load_event("alarm-high-step2")
    *parents, last = path.split(".")
    place = event
    for parent in parents:
        place = place[parent]
    place[last] = value
    return event


DIRECT_ACTION = {
    "source": "aws.cloudwatch",
    "alarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:x",
    "alarmData": {"alarmName": "x", "state": {"value": "ALARM"}},
}


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        pytest.param(None, "must be an object, not null", id="nothing"),
        pytest.param([], "must be an object, not []", id="a list"),
        pytest.param({}, "detail-type: is required, but missing", id="an empty object"),
        pytest.param(DIRECT_ACTION, "detail: is required", id="a direct alarm action's payload"),
        pytest.param(changed("source", "aws.ecs"), "source: must be aws.cloudwatch", id="source"),
        pytest.param(
            changed("detail-type", "CloudWatch Alarm Configuration Change"),
            "detail-type: must be CloudWatch Alarm State Change",
            id="detail type",
        ),
        pytest.param(changed("detail", "x"), "detail: must be an object", id="detail is text"),
        pytest.param(changed("detail.state", None), "detail.state: must be an object", id="state"),
        pytest.param(
            changed("detail.alarmName", "ServerCpuTooHigh"),
            "detail.alarmName: must be quickstep/<cluster>/<service>/<policy>",
            id="someone else's alarm",
        ),
        pytest.param(
            changed("detail.alarmName", "quickstep/prod/web/../../x"),
            "detail.alarmName: must be",
            id="a name that climbs",
        ),
        pytest.param(changed("detail.alarmName", 5), "detail.alarmName: must be", id="no text"),
        pytest.param(
            changed("detail.state.value", "BREACHING"),
            'detail.state.value: must be one of OK, ALARM, INSUFFICIENT_DATA, not "BREACHING"',
            id="unknown state",
        ),
        pytest.param(
            changed("detail.state.timestamp", "2026-11-22T10:00:12"),
            "detail.state.timestamp: must be a time with an offset",
            id="a time without an offset",
        ),
        pytest.param(
            changed("detail.state.timestamp", 1), "detail.state.timestamp: must be a time", id="1"
        ),
    ],
)
def test_what_is_not_an_alarm_of_ours_is_refused(event: Any, problem: str) -> None:
    with pytest.raises(EventError) as caught:
        read_event(event)

    assert problem in str(caught.value)


def test_a_malformed_event_is_refused_with_all_its_problems() -> None:
    with pytest.raises(EventError) as caught:
        read_event(load_event("alarm-malformed"))

    assert [problem.path for problem in caught.value.problems] == [
        "detail.state.value",
        "detail.state.timestamp",
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
paths = st.sampled_from(
    [
        "source",
        "detail",
        "detail.alarmName",
        "detail.state",
        "detail.state.value",
        "detail.state.timestamp",
        "detail.state.reasonData",
        "detail.muteDetail",
    ]
)


@given(paths, json_values)
def test_whatever_stands_in_an_event_it_is_read_or_refused(path: str, value: Any) -> None:
    with contextlib.suppress(EventError):
        read_event(changed(path, value))
