"""EventBridge's "CloudWatch Alarm State Change" events, read into what the engine understands.

Shapes: "Alarm events and EventBridge" of the CloudWatch User Guide. `reasonData` is a JSON string
inside the JSON. It is absent for new alarms, SetAlarmState and PromQL; it has no datapoints for
composite and log alarms, and no threshold for anomaly detection. Missing data is a value, not zero:
all of these events are read, and say why they have no number to act on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from quickstep.alarms.definition import event_definition
from quickstep.engine.model import Alarm, AlarmState, Comparison
from quickstep.fields import Field, InvalidDocumentError, Problems, checked_json, parse_json
from quickstep.naming import DRILL, ServiceName, parse_alarm_name, parse_drill_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.engine.model import Direction

MAX_PERIOD = 86_400
LONGEST_REASON = 10_000

_WORDS = (
    ("greater than or equal to the threshold", Comparison.GREATER_OR_EQUAL),
    ("greater than the threshold", Comparison.GREATER),
    ("less than or equal to the threshold", Comparison.LESS_OR_EQUAL),
    ("less than the threshold", Comparison.LESS),
)
"""Phrases in a transition's reason, as far as CloudWatch's examples show them."""
MAX_POINTS = 8_640
"""One every ten seconds in a day, the longest that such an alarm looks back."""

DETAIL_TYPE = "CloudWatch Alarm State Change"


class EventError(InvalidDocumentError):
    """An event that is not a state change of a Quickstep alarm."""


@dataclass(frozen=True, slots=True)
class Home:
    """The account and Region in which the scaler runs; unknown ones are empty."""

    account: str = ""
    region: str = ""


NOWHERE = Home()


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """An alarm's state change: which policy or drill it belongs to, what it saw, and when.

    `newest` is when its newest datapoint's period starts, `metrics` what the alarm watches, in the
    event's form, and `muted_until` the end of the mute window that contains it. `definition` is
    known once its policy is: see `defined`.
    """

    service: ServiceName
    policy: str
    alarm: Alarm
    at: datetime
    newest: datetime | None = None
    metrics: tuple[Mapping[str, Any], ...] = ()
    muted_until: datetime | None = None
    definition: AlarmDefinition | None = None

    def defined(self, direction: Direction) -> AlarmEvent:
        """Return the event with the definition that it shows, for a policy's direction."""
        return replace(self, definition=event_definition(self.metrics, self.alarm, direction))

    @property
    def alarm_name(self) -> str:
        """The CloudWatch alarm's name."""
        return self.service.alarm(self.policy)

    @property
    def is_drill(self) -> bool:
        """Whether the alarm belongs to the service's drill, and not to a policy."""
        return self.policy == DRILL


def read_event(event: Any, home: Home = NOWHERE) -> AlarmEvent:
    """Read one event as EventBridge delivers it to the function at `home`.

    Raises:
        EventError: it is not such an event, or comes from another place; every problem is listed.
    """
    problems = Problems()
    try:
        checked_json(event)
    except InvalidDocumentError as error:
        raise EventError(error.problems) from None
    envelope = Field(event, "", problems).members(required=("source", "detail-type", "detail"))
    _expect(envelope, "source", "aws.cloudwatch")
    _expect(envelope, "detail-type", DETAIL_TYPE)
    if home.account:
        _expect(envelope, "account", home.account)
    if home.region:
        _expect(envelope, "region", home.region)
    problems.raise_any(EventError)
    detail = envelope["detail"].members(required=("alarmName", "state"))
    problems.raise_any(EventError)
    state = detail["state"].members(required=("value", "timestamp"))
    problems.raise_any(EventError)
    name = detail["alarmName"].text()
    named = parse_alarm_name(name) or parse_drill_name(name)
    if named is None:
        rule = "must be quickstep/<cluster>/<service>/<policy>"
        detail["alarmName"].wrong(rule)
    value = state["value"].choice(AlarmState)
    at = state["timestamp"].moment()
    if named is None or problems.found:
        raise EventError(problems.found)
    service, policy = named
    reason, no_data = _reason_data(state)
    muted = "muteDetail" in detail or "actionsSuppressedBy" in state
    seen = Alarm(value, muted=muted, no_data=no_data) if no_data else _alarm(value, reason)
    comparison = _comparison(state["reason"].value if "reason" in state else None)
    return AlarmEvent(
        service,
        policy,
        replace(seen, muted=muted, comparison=comparison),
        at,
        newest=_newest_datapoint(reason),
        metrics=_metrics(detail),
        muted_until=_mute_end(detail),
    )


def _expect(members: dict[str, Field], key: str, value: str) -> None:
    if key in members and members[key].value != value:
        members[key].wrong(f"must be {value}")


def _reason_data(state: dict[str, Field]) -> tuple[dict[str, Any], str]:
    """Return the contents of reasonData; if it has none, also why."""
    if "reasonData" not in state:
        return {}, "the event has no reasonData"
    value = state["reasonData"].value
    try:
        decoded = parse_json(value) if isinstance(value, str) else value
    except InvalidDocumentError as error:
        return {}, f"its reasonData cannot be read: {error}"
    if not isinstance(decoded, dict):
        return {}, "its reasonData cannot be read: must be a JSON object in a string"
    return decoded, ""


def _alarm(value: AlarmState, reason: dict[str, Any]) -> Alarm:
    if "triggeringAlarms" in reason:
        return Alarm(value, no_data="a composite alarm has no datapoints")
    problems = Problems()
    threshold, points = reason.get("threshold"), reason.get("recentDatapoints", [])
    number = Field(threshold, "threshold", problems).number() if threshold is not None else None
    listed = Field(points, "recentDatapoints", problems).items(at_most=MAX_POINTS)
    datapoints = tuple(point.number() for point in listed if point.value is not None)
    if problems.found:
        unreadable = InvalidDocumentError(problems.found)
        return Alarm(value, no_data=f"its reasonData cannot be read: {unreadable}")
    if number is None:
        return Alarm(value, datapoints=datapoints, no_data=_no_threshold(reason))
    return Alarm(value, number, datapoints, no_data="the event has no datapoints")


def _comparison(reason: Any) -> Comparison | None:
    """Return how the alarm compares, which only the words of its reason state.

    Example: `... [160.0 (22/11/26 10:00:00)] was not greater than or equal to the threshold ...`.
    """
    text = reason[:LONGEST_REASON] if isinstance(reason, str) else ""
    return next((named for words, named in _WORDS if words in text), None)


def _newest_datapoint(reason: dict[str, Any]) -> datetime | None:
    """Return when the newest datapoint's period begins; None if the event does not show it.

    `evaluatedDatapoints` contains it, newest first; entries without a value were missing.
    Otherwise, it follows from the first one's start, as recentDatapoints has one per period.

    Example: startDate 10:00:00, period 10 and three datapoints: 10:00:20.
    """
    problems = Problems()
    evaluated = reason.get("evaluatedDatapoints")
    if isinstance(evaluated, list):
        moments = [
            Field(point.get("timestamp"), "timestamp", problems).moment()
            for point in evaluated[:MAX_POINTS]
            if isinstance(point, dict) and point.get("value") is not None
        ]
        if moments and not problems.found:
            return max(moments)
    problems = Problems()
    start = Field(reason.get("startDate"), "startDate", problems).moment()
    period = Field(reason.get("period"), "period", problems).integer(1, MAX_PERIOD)
    count = len(Field(reason.get("recentDatapoints"), "recentDatapoints", problems).items())
    if problems.found or not 0 < count <= MAX_POINTS:
        return None
    return start + timedelta(seconds=period * (count - 1))


def _metrics(detail: dict[str, Field]) -> tuple[Mapping[str, Any], ...]:
    """Return what the alarm watches; empty if the event's configuration is not as documented."""
    configuration = detail["configuration"].value if "configuration" in detail else None
    metrics = configuration.get("metrics") if isinstance(configuration, dict) else None
    if not isinstance(metrics, list) or not all(isinstance(metric, dict) for metric in metrics):
        return ()
    return tuple(metrics)


def _mute_end(detail: dict[str, Field]) -> datetime | None:
    mute = detail["muteDetail"].value if "muteDetail" in detail else None
    if not isinstance(mute, dict):
        return None
    problems = Problems()
    end = Field(mute.get("muteWindowEnd"), "muteWindowEnd", problems).moment()
    return None if problems.found else end


def _no_threshold(reason: dict[str, Any]) -> str:
    if "recentUpperThresholds" in reason:
        return "an anomaly detection alarm has no fixed threshold for steps to count from"
    return "the event has no threshold"
