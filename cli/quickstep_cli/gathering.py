"""What `quickstep why` and `quickstep describe` read from AWS; nothing is changed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from quickstep.alarms.definition import described_definition
from quickstep.config import ConfigError, parse_target_of
from quickstep.engine.model import Datapoint, Direction
from quickstep.fields import Field, Problems, write_moment
from quickstep_cli.autoscaling import read_activities
from quickstep_cli.checks.facts import Unknown
from quickstep_cli.evidence import AlarmPast, Evidence, Runs, Said, Transition
from quickstep_cli.facts import described_services, or_unknown
from quickstep_cli.history import entries
from quickstep_cli.operate import show_entry, written_moment
from quickstep_cli.running import metric_query
from quickstep_cli.targets import (
    kept_for,
    record_after,
    record_before,
    records_between,
    versions,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quickstep.engine.model import ScalableTarget
    from quickstep.naming import ServiceName
    from quickstep_cli.aws import Aws
    from quickstep_cli.history import Entry
    from quickstep_cli.targets import Version

BEFORE, AFTER = timedelta(minutes=10), timedelta(minutes=5)
SHOWN = timedelta(minutes=1)
"""How long before and after a moment datapoints are shown."""
RUNS_AROUND = timedelta(minutes=3)
MOST_TRANSITIONS = 50
"""Maximum state changes of an alarm to read back from a moment."""

_KEPT = (
    (timedelta(hours=3), 1),
    (timedelta(days=15), 60),
    (timedelta(days=63), 300),
    (timedelta(days=455), 3600),
)
"""How long CloudWatch keeps datapoints of this many seconds (*GetMetricData*, API reference)."""


def gather(aws: Aws, service: ServiceName, at: datetime, asked_at: datetime, zone: Any) -> Evidence:
    """Read everything that is known about a target around a moment."""
    start, end = at - BEFORE, min(asked_at, at + AFTER)
    history = or_unknown(lambda: versions(aws, service))
    then = _in_force_at(history, at)
    document = _document(service, then)
    last = or_unknown(lambda: record_before(aws, service, start))
    earlier = None if isinstance(last, Unknown) else last
    decided = or_unknown(lambda: entries(list(records_between(aws, service, start, end)), earlier))
    following = or_unknown(lambda: record_after(aws, service, end))
    later = None if isinstance(following, Unknown) else following
    decisions = () if isinstance(decided, Unknown) else decided
    newest = decisions[-1].record if decisions else earlier
    events = or_unknown(lambda: said_by_ecs(aws, service))
    return Evidence(
        service=service,
        at=at,
        asked_at=asked_at,
        start=start,
        end=end,
        zone=zone,
        entries=decided,
        last=entries([earlier])[0] if earlier else None,
        following=entries([later], newest)[0] if later else None,
        known_since=history
        if isinstance(history, Unknown)
        else next((one.at for one in history[:1] if one.number == 1), None),
        bounds=(document.min_capacity, document.max_capacity) if document else None,
        dry_run=document.dry_run if document else False,
        kept=kept_for(aws, service),
        alarms=or_unknown(lambda: pasts(aws, service, at, asked_at)),
        runs=or_unknown(lambda: _runs(aws, at)),
        events=events if isinstance(events, Unknown) else _within(events[0], start, end),
        deployments=events if isinstance(events, Unknown) else _within(events[1], start, end),
        in_force=or_unknown(lambda: _entries(aws, service, zone)),
        acts=[*_requests(decisions), *_written(history, start, end)],
        others=or_unknown(lambda: _activities(aws, service, start, end)),
    )


def _in_force_at(history: Sequence[Version] | Unknown, at: datetime) -> Version | None:
    known = () if isinstance(history, Unknown) else history
    before = [version for version in known if version.at and version.at <= at]
    return before[-1] if before else None


def _document(service: ServiceName, version: Version | None) -> ScalableTarget | None:
    try:
        return parse_target_of(service, version.text) if version else None
    except ConfigError:
        return None


def _within(said: Sequence[Said], start: datetime, end: datetime) -> list[Said]:
    return [one for one in said if start <= one.at <= end]


# --- alarms ---------------------------------------------------------------------------------------


def pasts(aws: Aws, service: ServiceName, at: datetime, asked_at: datetime) -> list[AlarmPast]:
    """Return the target's alarms as they were around a moment."""
    prefix, cloudwatch = service.alarm(""), aws.client("cloudwatch")
    alarms = aws.alarms(AlarmNamePrefix=prefix)
    return [_past(cloudwatch, alarm, prefix, at, asked_at) for alarm in alarms]


def _past(
    cloudwatch: Any, alarm: Mapping[str, Any], prefix: str, at: datetime, asked_at: datetime
) -> AlarmPast:
    name = alarm["AlarmName"]
    end = min(asked_at, at + AFTER)
    items = cloudwatch.describe_alarm_history(
        AlarmName=name,
        HistoryItemType="StateUpdate",
        EndDate=end,
        MaxRecords=MOST_TRANSITIONS,
        ScanBy="TimestampDescending",
    )["AlarmHistoryItems"]
    changes = sorted(map(_transition, items), key=lambda change: change[0].at)
    began = changes[0][1] if changes else None
    if not changes and alarm["StateUpdatedTimestamp"] <= at:
        began = alarm["StateValue"]
    period, points = _points(cloudwatch, alarm, at, asked_at)
    upward = str(alarm.get("ComparisonOperator", "")).startswith("Greater")
    return AlarmPast(
        name.removeprefix(prefix),
        Direction.OUT if upward else Direction.IN,
        alarm.get("Threshold"),
        tuple(change for change, _ in changes),
        began,
        tuple(points),
        period,
    )


def _transition(item: Mapping[str, Any]) -> tuple[Transition, str | None]:
    """Return a state change from DescribeAlarmHistory, and the state before it."""
    problems = Problems()
    try:
        data = json.loads(item.get("HistoryData") or "{}")
    except ValueError:
        data = {}
    members = Field(data, "", problems).members()
    new = members["newState"].members() if "newState" in members else {}
    old = members["oldState"].members() if "oldState" in members else {}
    state = new["stateValue"].text() if "stateValue" in new else ""
    reason = new["stateReason"].text() if "stateReason" in new else ""
    before = old["stateValue"].text() if "stateValue" in old else None
    summary = str(item.get("HistorySummary", ""))
    return Transition(item["Timestamp"], state or summary.rpartition(" ")[2], reason), before


def _points(
    cloudwatch: Any, alarm: Mapping[str, Any], at: datetime, asked_at: datetime
) -> tuple[int, list[Datapoint]]:
    """Return an alarm's datapoints around a moment, at the finest period still kept."""
    definition = described_definition(alarm)
    kept = [seconds for age, seconds in _KEPT if asked_at - at <= age]
    if definition is None or not kept:
        return 60, []
    period = max(definition.period, kept[0])
    period = -(-period // kept[0]) * kept[0]
    queries = [_at_period(query, period) for query in definition.queries]
    start = datetime.fromtimestamp((at - SHOWN).timestamp() // period * period, at.tzinfo)
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=queries,
        StartTime=start,
        EndTime=min(asked_at, at + SHOWN + timedelta(seconds=period)),
        ScanBy="TimestampAscending",
    )
    return period, [
        Datapoint(moment, value)
        for result in answer["MetricDataResults"][:1]
        for moment, value in zip(result["Timestamps"], result["Values"], strict=True)
    ]


def _at_period(query: Mapping[str, Any], period: int) -> dict[str, Any]:
    changed: dict[str, Any] = {"Period": period} if "Period" in query else {}
    if "MetricStat" in query:
        changed["MetricStat"] = {**query["MetricStat"], "Period": period}
    return {**query, **changed}


def _runs(aws: Aws, at: datetime) -> Runs:
    """Return how often the scaler's function ran around a moment; AWS counts per minute."""
    function = aws.resource("Scaler")
    start = (at - RUNS_AROUND).replace(second=0, microsecond=0)
    queries = [
        metric_query(name.lower(), "AWS/Lambda", name, "Sum", {"FunctionName": function})
        for name in ("Invocations", "Errors")
    ]
    answer = aws.client("cloudwatch").get_metric_data(
        MetricDataQueries=queries, StartTime=start, EndTime=at + RUNS_AROUND
    )
    sums = {result["Id"]: sum(result["Values"]) for result in answer["MetricDataResults"]}
    return Runs(int(sums.get("invocations", 0)), int(sums.get("errors", 0)))


# --- ECS, operators, others -----------------------------------------------------------------------


def said_by_ecs(aws: Aws, service: ServiceName) -> tuple[list[Said], list[Said]]:
    """Return ECS's messages about the service, and its deployments, oldest first.

    ECS keeps the newest hundred events, and deployments until they are over.
    """
    found = described_services(aws.client("ecs"), service)
    events = [
        Said(one["createdAt"], str(one.get("message", "")))
        for each in found
        for one in each.get("events", [])
    ]
    deployments = [
        Said(one["createdAt"], _deployment(one))
        for each in found
        for one in each.get("deployments", [])
        if one.get("createdAt")
    ]
    at = attrgetter("at")
    return sorted(events, key=at), sorted(deployments, key=at)


def _deployment(one: Mapping[str, Any]) -> str:
    definition = str(one.get("taskDefinition", "")).rpartition("/")[2] or "?"
    state = one.get("rolloutState") or one.get("status", "?")
    running = f"{one.get('runningCount', 0)} of {one.get('desiredCount', 0)} running"
    return f"{definition}, {state}, {running}"


def _entries(aws: Aws, service: ServiceName, zone: Any) -> list[Said]:
    """Return the overrides and pauses in a target's item, which keeps ended ones for a day."""
    found = []
    for name, entry in aws.operators.entries(service.resource_id).items():
        members = entry if isinstance(entry, dict) else {}
        begins = written_moment(members.get("from")) or written_moment(members.get("at"))
        if begins:
            schedule = name.partition(":")[2]
            kind = "an override: " if name == "override" else ""
            kind = f"the schedule {schedule}: " if schedule else kind
            said = f"{kind}{show_entry(entry, zone)}"
            by = str(members.get("by", ""))
            found.append(Said(begins, said, by, written_moment(members.get("until"))))
    return found


def _requests(decided: Sequence[Entry]) -> list[Said]:
    """Return the requests of operators and schedules, as recorded with decisions."""
    return [
        Said(entry.at, str(entry.record["trigger"].get("what")))
        for entry in decided
        if entry.record["trigger"]["kind"] == "request"
    ]


def _written(history: Sequence[Version] | Unknown, start: datetime, end: datetime) -> list[Said]:
    known = () if isinstance(history, Unknown) else history
    return [
        Said(one.at, f"version {one.number} of the policy document", one.by)
        for one in known
        if one.at and start <= one.at <= end
    ]


def _activities(aws: Aws, service: ServiceName, start: datetime, end: datetime) -> list[Said]:
    return [
        Said(
            one.at,
            f"to {'?' if one.to is None else one.to} tasks by {one.why} ({one.status})",
        )
        for one in read_activities(aws, service, start)
        if one.at <= end
    ]


def as_json(seen: Evidence, text: str) -> dict[str, Any]:
    """Return the evidence as JSON-ready data; times are ISO 8601 in UTC."""

    def said(part: Sequence[Said] | Unknown) -> Any:
        if isinstance(part, Unknown):
            return {"unknown": part.why}
        return [{"at": write_moment(one.at), "what": one.what, "by": one.by} for one in part]

    decided = seen.entries
    return {
        "resource_id": seen.service.resource_id,
        "at": write_moment(seen.at),
        "why": text,
        "tasks": seen.tasks,
        "decisions": {"unknown": decided.why}
        if isinstance(decided, Unknown)
        else [entry.record for entry in decided],
        "alarms": {"unknown": seen.alarms.why}
        if isinstance(seen.alarms, Unknown)
        else {
            alarm.name: {
                "state": alarm.at(seen.at)[0],
                "threshold": alarm.threshold,
                "transitions": [
                    {"at": write_moment(one.at), "state": one.state, "reason": one.reason}
                    for one in alarm.transitions
                    if seen.start <= one.at <= seen.end
                ],
                "period": alarm.period,
                "datapoints": [
                    {"at": write_moment(point.at), "value": point.value} for point in alarm.points
                ],
            }
            for alarm in seen.alarms
        },
        "events": said(seen.events),
        "deployments": said(seen.deployments),
        "in_force": said(seen.in_force),
        "acts": said(seen.acts),
        "application_auto_scaling": said(seen.others),
    }
