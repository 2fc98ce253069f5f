"""Where the page's material comes from: a saved log, a deployed table, its metrics."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from quickstep.alarms.known import KnownAlarm
from quickstep.aws.attributes import to_item
from quickstep.aws.decisions import DynamoDecisions
from quickstep.aws.series import MOST_POINTS, CloudWatchSeries
from quickstep.engine.model import AlarmState
from quickstep.engine.outcome import Outcome
from quickstep.protocol.memory import Memory
from quickstep.protocol.ports import CallFailedError
from quickstep.report.dashboard.deployed import Deployed
from quickstep.report.dashboard.material import Metric, Point, Threshold
from quickstep_lab.page.sources import LogError, read_log
from tests.builders import DEFINITION, HIGH, LOW, LOW_DEFINITION, NOW, WEB, a_scale_out_record, ago

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from quickstep.alarms.definition import AlarmDefinition


# A saved log


def a_line(at: datetime = NOW, service: str = WEB.resource_id) -> dict[str, Any]:
    return a_scale_out_record(f"{at:%H%M%S}", at).as_dict | {"resource_id": service}


def lines(*data: Any) -> list[str]:
    return [json.dumps(one) for one in data]


def test_a_log_is_read_a_record_a_line_or_a_log_line_a_record() -> None:
    metric = {"_aws": {"Timestamp": 1}, "Decisions": [1.0]}
    warm = {"level": "INFO", "message": "warm"}
    logged = {"level": "INFO", "decision": a_line(ago(9))}
    (material,) = read_log("x.log", [*lines(metric, a_line(NOW), warm, logged), "", "\n"])

    assert [entry.at for entry in material.entries] == [ago(9), NOW]
    assert material.start < ago(9)
    assert material.end > NOW
    assert material.resource_id == WEB.resource_id


def test_services_of_one_log_are_told_apart_those_most_decided_first() -> None:
    other = "service/prod/api"
    found = read_log("x.log", lines(a_line(ago(3), other), a_line(ago(2)), a_line(ago(1))))

    assert [(one.resource_id, len(one.entries)) for one in found] == [
        (WEB.resource_id, 2),
        (other, 1),
    ]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("{", "x.log, line 2: must be JSON"),
        ("[1]", "x.log, line 2: must be a JSON object, not [1]"),
        (json.dumps(a_line() | {"at": "soon"}), "at: must be a time like 2026-11-22T10:00:00Z"),
        (json.dumps(a_line() | {"resource_id": None}), "line 2: resource_id must be a string"),
    ],
    ids=["no JSON", "no object", "no record", "no service"],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_refused_with_its_number(bad: str, problem: str) -> None:
    with pytest.raises(LogError) as refused:
        read_log("x.log", [json.dumps(a_line()), bad])

    assert problem in str(refused.value)


def test_a_log_without_a_decision_is_refused() -> None:
    with pytest.raises(LogError, match="must have at least one decision record, but has none"):
        read_log("x.log", lines({"_aws": {}}))


# A deployed table


def an_item(at: datetime, number: int = 0) -> dict[str, Any]:
    record = a_scale_out_record(f"{number}", at).as_dict
    keys = {"pk": WEB.resource_id, "sk": f"decision#{record['at']}#{number}", "expires_at": 1}
    return to_item(record | keys)


def queried(*pages: list[dict[str, Any]]) -> tuple[DynamoDecisions, Stubber]:
    client = boto3.client("dynamodb")
    stub = Stubber(client)
    for number, items in enumerate(pages, start=1):
        last = {"LastEvaluatedKey": items[-1]} if number < len(pages) else {}
        stub.add_response("query", {"Items": items, **last})
    stub.activate()
    return DynamoDecisions(client, "table"), stub


def test_records_are_read_page_by_page_until_one_before_the_time() -> None:
    newest, middle, oldest, before = (an_item(ago(n)) for n in (1, 2, 3, 100))
    decisions, stub = queried([newest, middle], [oldest, before, an_item(ago(200))], [])
    found = decisions.between(WEB.resource_id, ago(60), NOW, 10)

    assert [record["at"] for record in found.records] == [
        record["at"]["S"] for record in (newest, middle, oldest)
    ]
    assert found.earlier is not None
    assert found.earlier["at"] == before["at"]["S"]
    assert found.complete
    with pytest.raises(AssertionError, match="1 responses remaining"):
        stub.assert_no_pending_responses()


def test_records_beyond_the_limit_are_mentioned() -> None:
    decisions, _ = queried([an_item(ago(n), n) for n in range(5)])
    found = decisions.between(WEB.resource_id, ago(60), NOW, 3)

    assert (len(found.records), found.complete) == (3, False)


def test_a_target_without_a_record_has_none() -> None:
    decisions, _ = queried([])
    found = decisions.between(WEB.resource_id, ago(60), NOW, 3)

    assert (found.records, found.earlier, found.complete) == ((), None, True)


def test_a_table_that_may_not_be_read_is_a_failed_call() -> None:
    client = boto3.client("dynamodb")
    with Stubber(client) as stub:
        stub.add_client_error("query", "AccessDeniedException", "no")
        with pytest.raises(CallFailedError, match="Query: AccessDeniedException: no"):
            DynamoDecisions(client, "table").between(WEB.resource_id, ago(60), NOW, 3)


# Metrics


class CloudWatch:
    """Answers GetMetricData, and remembers what was asked."""

    def __init__(self, *values: float) -> None:
        self.values = values
        self.asked: list[dict[str, Any]] = []

    def get_metric_data(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        return {
            "MetricDataResults": [
                {
                    "Id": query["Id"],
                    "Timestamps": [ago(len(self.values) - n) for n in range(len(self.values))],
                    "Values": list(self.values),
                }
                for query in request["MetricDataQueries"]
                if query.get("ReturnData", True)
            ]
        }


def series(cloudwatch: Any) -> CloudWatchSeries:
    return CloudWatchSeries(cloudwatch)


def test_alarms_that_watch_the_same_metric_are_one_series_with_two_thresholds() -> None:
    cloudwatch = CloudWatch(120, 130)
    low = replace(LOW_DEFINITION, queries=DEFINITION.queries)
    found = series(cloudwatch).read({HIGH: DEFINITION, LOW: low}, ago(60), NOW, NOW)

    assert found == (
        Metric(
            "RequestsPerSecond, Average",
            (Point(ago(2), 120), Point(ago(1), 130)),
            (
                Threshold(HIGH, DEFINITION.threshold, above=True),
                Threshold(LOW, low.threshold, above=False),
            ),
            per_task=True,
        ),
    )
    assert len(cloudwatch.asked) == 1


def test_without_alarms_nothing_is_asked() -> None:
    cloudwatch = CloudWatch()

    assert series(cloudwatch).read({}, ago(60), NOW, NOW) == ()
    assert cloudwatch.asked == []


@pytest.mark.parametrize(
    ("hours", "ago_hours", "period"),
    [
        pytest.param(1, 1, 10, id="an hour"),
        pytest.param(3, 3, 30, id="three hours: fewer points"),
        pytest.param(1, 5, 60, id="older than three hours: 10 s is not kept"),
        pytest.param(24, 24, 300, id="a day"),
        pytest.param(1, 24 * 20, 300, id="older than 15 days"),
        pytest.param(24 * 90, 24 * 90, 21_600, id="90 days"),
    ],
)
def test_the_period_gives_few_enough_points_and_is_still_kept(
    hours: float, ago_hours: float, period: int
) -> None:
    cloudwatch = CloudWatch()
    start = NOW - timedelta(hours=ago_hours)
    span = timedelta(hours=hours)
    series(cloudwatch).read({HIGH: DEFINITION}, start, start + span, NOW)
    (query,) = cloudwatch.asked[0]["MetricDataQueries"]

    assert query["MetricStat"]["Period"] == period
    assert span.total_seconds() / period <= MOST_POINTS
    assert DEFINITION.queries[0]["MetricStat"]["Period"] == 10, "the alarm's own is left alone"


def test_an_alarm_on_metric_math_is_called_after_its_policy() -> None:
    math: AlarmDefinition = replace(
        DEFINITION,
        queries=(
            {**DEFINITION.queries[0], "Id": "m1", "ReturnData": False},
            {"Id": "e1", "Expression": "m1 / 2", "ReturnData": True},
        ),
    )
    (metric,) = series(CloudWatch(1.5)).read({HIGH: math}, ago(60), NOW, NOW)

    assert (metric.name, [point.value for point in metric.points]) == (HIGH, [1.5])


# Both together


class Decisions:
    """A table with one decision, and another before the time that is asked for."""

    complete = True
    alarms: Mapping[str, KnownAlarm] = {HIGH: KnownAlarm(AlarmState.OK, NOW, DEFINITION)}

    def between(self, *_: Any) -> Any:
        found = [a_scale_out_record("now", ago(5)).as_dict]
        earlier = a_scale_out_record("before", ago(900)).as_dict
        complete = self.complete

        class Found:
            records = found

        Found.earlier = earlier  # type: ignore[attr-defined]
        Found.complete = complete  # type: ignore[attr-defined]
        return Found

    def memory(self, _: str) -> Memory:
        return Memory(alarms=self.alarms)


def test_a_deployed_target_is_its_decisions_and_what_its_alarms_watch() -> None:
    deployed = Deployed(Decisions(), series(CloudWatch(50)))
    material = deployed.material(WEB.resource_id, ago(60), NOW, NOW)

    assert [entry.id for entry in material.entries] == ["now"]
    assert material.earlier is not None
    assert material.earlier.id == "before"
    assert [metric.name for metric in material.metrics] == ["RequestsPerSecond, Average"]
    assert material.notes == ()


def test_unreadable_metrics_are_mentioned_and_the_decisions_are_shown() -> None:
    class Refused:
        def read(self, *_: Any) -> Any:
            raise CallFailedError(Outcome.FAILED_DENIED, "GetMetricData: AccessDenied")

    material = Deployed(Decisions(), Refused()).material(WEB.resource_id, ago(60), NOW, NOW)

    assert len(material.entries) == 1
    assert material.notes == (
        "Cannot read the metrics: FAILED_DENIED: GetMetricData: AccessDenied",
    )


def test_omitted_decisions_are_mentioned() -> None:
    decisions = Decisions()
    decisions.complete = False
    material = Deployed(decisions, series(CloudWatch()), most=1).material(
        WEB.resource_id, ago(60), NOW, NOW
    )

    assert material.notes == (
        "Only the newest 1 decisions are shown; a shorter time has them all.",
    )
