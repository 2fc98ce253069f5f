"""Convert Application Auto Scaling step policies to Quickstep policies, one per direction.

AAS runs a policy in each alarm state whose actions name it, and a step may add or remove.
A Quickstep policy moves capacity one way while its alarm is in ALARM. So each direction in each
state becomes a policy with its own alarm, which is in ALARM exactly when the original is in that
state.

    backlog > 100   AlarmActions: up     up      backlog > 100, ALARM
                    OKActions:    down   down    backlog <= 100, ALARM
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quickstep.engine.model import AlarmState, Comparison, Direction
from quickstep_cli.advice import m_of_n
from quickstep_cli.taken import carried_alarm, has_threshold, left_out, other_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from quickstep_cli.taken import TakeOver

Step = dict[str, Any]

_PER_TASK = {("AWS/ECS", "CPUUtilization"), ("AWS/ECS", "MemoryUtilization")}
_LOWER, _UPPER, _NUMBER = (
    "MetricIntervalLowerBound",
    "MetricIntervalUpperBound",
    "ScalingAdjustment",
)
_BODY_KEYS = {
    *("AdjustmentType", "StepAdjustments", "MinAdjustmentMagnitude", "Cooldown"),
    "MetricAggregationType",
}
_ACTIONS = {
    AlarmState.ALARM: "AlarmActions",
    AlarmState.OK: "OKActions",
    AlarmState.INSUFFICIENT_DATA: "InsufficientDataActions",
}
_OPPOSITE = {
    Comparison.GREATER: Comparison.LESS_OR_EQUAL,
    Comparison.GREATER_OR_EQUAL: Comparison.LESS,
    Comparison.LESS: Comparison.GREATER_OR_EQUAL,
    Comparison.LESS_OR_EQUAL: Comparison.GREATER,
}
_OTHER_MISSING = {"breaching": "notBreaching", "notBreaching": "breaching"}
_MINUTE = 60
_COOLDOWN = 300
"""Seconds: AAS's default for a step policy."""
_LARGEST_STEP = 100
"""Tasks: the default of MaxAdjustmentMagnitude."""
_DESCRIPTION = 1024
"""Maximum length of an alarm's description, in characters."""


@dataclass(frozen=True, slots=True)
class _Way:
    """One direction in which an alarm, in one of its states, makes a policy scale."""

    alarm: Mapping[str, Any]
    state: AlarmState
    direction: Direction
    steps: tuple[Step, ...]

    @property
    def suffix(self) -> str:
        """The suffix of a policy's name if the original has several directions."""
        of = "ok-" if self.state is AlarmState.OK else ""
        return f"{of}{'out' if self.direction is Direction.OUT else 'in'}"


def carry_steps(
    made: TakeOver,
    policy: Mapping[str, Any],
    alarms: Mapping[str, Mapping[str, Any]],
    composites: Collection[str],
) -> None:
    """Convert a step policy, or say why not."""
    name, body = policy["PolicyName"], policy["StepScalingPolicyConfiguration"]
    made.notes += [f"{name}: its {key} is not carried over" for key in left_out(body, _BODY_KEYS)]
    linked = [alarm["AlarmName"] for alarm in policy.get("Alarms", [])]
    usable, problems = _usable(made, linked, alarms, composites)
    made.warnings += [f"{name}: {why}" for why in problems]
    runs_in = [(alarm, state) for alarm in usable for state in _states(made, policy, alarm)]
    ways = [way for alarm, state in runs_in for way in _ways(policy, alarm, state)]
    for way in ways:
        _add(made, policy, way, _title(policy, way, ways))
    said = [*_never_removing(policy, ways), *_never_reached(policy, runs_in)]
    if not any(step[_NUMBER] for step in _steps(policy)) and not ways:
        said.append("none of its steps changes capacity; it was not carried over")
    made.warnings += [f"{name}: {why}" for why in said]


def _usable(
    made: TakeOver,
    linked: list[str],
    alarms: Mapping[str, Mapping[str, Any]],
    composites: Collection[str],
) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Return the alarms whose thresholds steps can count from, and why others are refused."""
    usable, problems = [], []
    instead = f"make an alarm {made.service.alarm('POLICY')} on the metric you mean"
    if not linked:
        problems.append(
            "no alarm runs it, so it has never scaled anything; it was not carried over, because "
            "a policy without a visible load holds every removal"
        )
    for name in linked:
        alarm = alarms.get(name)
        if name in composites:
            problems.append(
                f"{name} is a composite alarm, which has no value for steps to count from; "
                f"it was not carried over: {instead}"
            )
        elif alarm is None:
            problems.append(
                f"its alarm {name} was not found, so it is unknown what runs it; it was not "
                "carried over: pass the output of describe-alarms that has it, or delete the policy"
            )
        elif not has_threshold(alarm):
            problems.append(
                f"its alarm {name} has no fixed threshold for steps to count from, like all "
                f"anomaly detection and PromQL alarms; it was not carried over: {instead}"
            )
        else:
            usable.append(alarm)
    return usable, problems


def _ways(policy: Mapping[str, Any], alarm: Mapping[str, Any], state: AlarmState) -> Iterator[_Way]:
    steps = _within(_steps(policy), above=_above(alarm, state))
    for direction, chosen in _each_way(policy, steps):
        yield _Way(alarm, state, direction, tuple(chosen))


def _states(
    made: TakeOver, policy: Mapping[str, Any], alarm: Mapping[str, Any]
) -> list[AlarmState]:
    """Return the states in which an alarm runs a policy and has a value: its actions name it."""
    named = [
        state
        for state, key in _ACTIONS.items()
        if any(runs(action, policy) for action in alarm.get(key) or ())
    ]
    if not named:
        made.notes.append(
            f"{policy['PolicyName']}: no action of {alarm['AlarmName']} names it; assuming that "
            "ALARM runs it"
        )
    if AlarmState.INSUFFICIENT_DATA in named:
        named.remove(AlarmState.INSUFFICIENT_DATA)
        made.warnings.append(
            f"{policy['PolicyName']}: {alarm['AlarmName']} also runs it in INSUFFICIENT_DATA, "
            "where no datapoint selects a step; that was not carried over. If no data means no "
            "load, set TreatMissingData breaching on the scale-in alarm here"
        )
        return named
    return named or [AlarmState.ALARM]


def runs(action: str, policy: Mapping[str, Any]) -> bool:
    """Return whether an alarm's action runs a policy; a shortened ARN may be any of its alarm's."""
    if ":scalingPolicy:" not in action:
        return False
    _, named, name = action.partition(":policyName/")
    if not named:
        return True
    own = f"/{policy['ResourceId']}:" in action and name == policy["PolicyName"]
    return own or action == policy.get("PolicyARN")


def _above(alarm: Mapping[str, Any], state: AlarmState) -> bool:
    """Return whether an alarm's values are above its threshold in a state."""
    return Comparison(alarm["ComparisonOperator"]).upward is (state is AlarmState.ALARM)


def _steps(policy: Mapping[str, Any]) -> list[Step]:
    keys = (_LOWER, _UPPER, _NUMBER)
    steps = policy["StepScalingPolicyConfiguration"]["StepAdjustments"]
    return [{key: step[key] for key in keys if step.get(key) is not None} for step in steps]


def _within(steps: list[Step], *, above: bool) -> list[Step]:
    """Return the parts of steps on one side of the threshold.

    Example: (-inf, 0], [0, 5) and [5, inf) above it are [0, 5) and [5, inf).
    """
    if above:
        kept = [step for step in steps if step.get(_UPPER) is None or step[_UPPER] > 0]
        return [{**step, _LOWER: max(step.get(_LOWER, 0), 0)} for step in kept]
    kept = [step for step in steps if step.get(_LOWER) is None or step[_LOWER] < 0]
    return [{**step, _UPPER: min(step.get(_UPPER, 0), 0)} for step in kept]


_ONE_WAY: dict[Direction, Callable[[int], bool]] = {
    Direction.OUT: lambda number: number > 0,
    Direction.IN: lambda number: number < 0,
}


def _each_way(
    policy: Mapping[str, Any], steps: list[Step]
) -> Iterator[tuple[Direction, list[Step]]]:
    """Yield the directions in which steps move capacity.

    An exact capacity is above some numbers of tasks and below others: it goes both ways.
    """
    for direction, goes in _ONE_WAY.items():
        if _is_exact(policy):
            if direction is Direction.IN or any(step[_NUMBER] for step in steps):
                yield direction, steps
        elif any(goes(step[_NUMBER]) for step in steps):
            others = ({**step, _NUMBER: 0} for step in steps)
            pairs = zip(steps, others, strict=True)
            yield direction, [step if goes(step[_NUMBER]) else none for step, none in pairs]


def _is_exact(policy: Mapping[str, Any]) -> bool:
    kind: str = policy["StepScalingPolicyConfiguration"]["AdjustmentType"]
    return kind == "ExactCapacity"


def _title(policy: Mapping[str, Any], way: _Way, ways: list[_Way]) -> str:
    """Return the name of a direction: the policy's own if it is the only one."""
    parts = [policy["PolicyName"]]
    if any(other.alarm is not way.alarm for other in ways):
        parts.append(way.alarm["AlarmName"])
    if sum(other.alarm is way.alarm for other in ways) > 1:
        parts.append(way.suffix)
    return "-".join(parts)


def _add(made: TakeOver, policy: Mapping[str, Any], way: _Way, title: str) -> None:
    body, alarm = policy["StepScalingPolicyConfiguration"], way.alarm
    name = made.name(title)
    carried = {
        "AdjustmentType": body["AdjustmentType"],
        "Cooldown": body.get("Cooldown", _COOLDOWN),
        "StepAdjustments": list(way.steps),
    }
    percent = body["AdjustmentType"] == "PercentChangeInCapacity"
    if percent and body.get("MinAdjustmentMagnitude"):
        carried["MinAdjustmentMagnitude"] = body["MinAdjustmentMagnitude"]
    if body.get("MetricAggregationType"):
        carried["MetricAggregationType"] = body["MetricAggregationType"]
    metric = (alarm.get("Namespace"), alarm.get("MetricName"))
    if metric in _PER_TASK and alarm.get("Statistic") == "Average":
        carried["MetricScope"] = "PerTask"
    else:
        made.notes.append(
            f"{name}: MetricScope is Total, so that no guard changes what AAS would do; if its "
            "metric is a value per task, set PerTask to turn the guards on"
        )
    group = "ScaleOutPolicies" if way.direction is Direction.OUT else "ScaleInPolicies"
    made.document[group][name] = carried
    made.by_steps.append(name)
    _give_room(made)
    made.alarms.append({"AlarmName": made.service.alarm(name), **_alarm(way)})
    made.notes += [f"{name}: {note}" for note in _of_the_alarm(way)]


def _give_room(made: TakeOver) -> None:
    """Allow a step to be as large as the bounds allow, as AAS does."""
    room = made.document["MaxCapacity"] - made.document["MinCapacity"]
    if room > _LARGEST_STEP:
        made.document["MaxAdjustmentMagnitude"] = room


def _alarm(way: _Way) -> dict[str, Any]:
    """Return the alarm that is in ALARM while the direction's own is in the direction's state.

    Example: 3 of 5 above 100 is OK when 3 of 5 are not: as soon as no 3 of them are above.
    """
    alarm = carried_alarm(way.alarm)
    if not way.alarm.get("ActionsEnabled", True):
        alarm["ActionsEnabled"] = False
    if way.state is AlarmState.ALARM:
        return alarm
    n = alarm["EvaluationPeriods"]
    m = alarm.get("DatapointsToAlarm") or n
    missing = alarm.get("TreatMissingData", "missing")
    described = alarm.get("AlarmDescription", "")
    return {
        **alarm,
        "AlarmDescription": f"OK of {way.alarm['AlarmName']} {described}".strip()[:_DESCRIPTION],
        "DatapointsToAlarm": n - m + 1,
        "ComparisonOperator": str(_OPPOSITE[Comparison(alarm["ComparisonOperator"])]),
        "TreatMissingData": _OTHER_MISSING.get(missing, missing),
    }


def _of_the_alarm(way: _Way) -> Iterator[str]:
    """Yield what a user should know about a direction's alarm."""
    theirs, alarm = way.alarm, _alarm(way)
    name = theirs["AlarmName"]
    if way.state is AlarmState.OK:
        yield (
            f"{name} runs it in OK, so its alarm here is the opposite: "
            f"{alarm['ComparisonOperator']} {alarm['Threshold']:g}"
        )
    if not alarm.get("ActionsEnabled", True):
        yield (
            f"the actions of {name} are disabled, so AAS never runs it; so are those of its alarm "
            "here: enable-alarm-actions switches it on"
        )
    if some := m_of_n(alarm):
        yield f"its alarm {some}"
    elif way.state is AlarmState.OK and alarm["EvaluationPeriods"] > 1:
        yield "AAS chooses the step from all of its alarm's datapoints, Quickstep from the OK ones"
    if alarm.get("TreatMissingData") == "breaching":
        what = (
            "adds none, because no value selects a step, and holds every removal"
            if way.direction is Direction.OUT
            else "takes its smallest step, and repeats it while that lasts"
        )
        yield f"its alarm treats missing data as breaching: without data it {what}"
    if int(alarm.get("Period") or _MINUTE) >= _MINUTE:
        yield (
            f"its alarm keeps its period of {alarm.get('Period') or _MINUTE} s; 10 s reacts "
            "sooner if the metric is published with StorageResolution 1"
        )
    yield from (f"{key} of {name} is not carried over" for key in other_keys(theirs))
    actions = (action for key in _ACTIONS.values() for action in theirs.get(key) or ())
    if others := sorted({action for action in actions if ":scalingPolicy:" not in action}):
        yield f"{name} also has the actions {', '.join(others)}: keep the alarm for them"


def _never_removing(policy: Mapping[str, Any], ways: Sequence[_Way]) -> Iterator[str]:
    """Yield the alarms with steps that add and steps that remove on one side of the threshold.

    An exact capacity does so too, and leaves the removal to its scale-in policy.
    """
    out = [(way.alarm["AlarmName"], way.state) for way in ways if way.direction is Direction.OUT]
    for way in ways:
        name = way.alarm["AlarmName"]
        if way.direction is Direction.IN and (name, way.state) in out and not _is_exact(policy):
            yield (
                f"it adds and removes on the same side of the threshold of {name}; Quickstep "
                "removes nothing while the scale-out alarm is in ALARM, so the steps that remove "
                "do nothing: give them their own alarm with a threshold"
            )


def _never_reached(
    policy: Mapping[str, Any], runs_in: Sequence[tuple[Mapping[str, Any], AlarmState]]
) -> Iterator[str]:
    """Yield the steps on a side of the threshold where no alarm runs the policy, if one runs it.

    Example: a step (-inf, 0] of a policy that runs only above the threshold.
    """
    sides = {_above(alarm, state) for alarm, state in runs_in}
    names = ", ".join(sorted({alarm["AlarmName"] for alarm, _ in runs_in}))
    for step in _steps(policy):
        reached = any(_within([step], above=side) for side in sides)
        if sides and step[_NUMBER] and not reached:
            low, high = step.get(_LOWER), step.get(_UPPER)
            ends = (
                f"{'-∞' if low is None else f'{low:g}'} to {'∞' if high is None else f'{high:g}'}"
            )
            yield (
                f"its step from {ends}, {step[_NUMBER]:+d}, is never reached: {names} runs it only "
                "on the other side of the threshold. AAS has never taken it, and it was not "
                "carried over; if you mean it, give it an alarm on that side"
            )
