"""What Application Auto Scaling does with step policies, from its documentation alone.

A second reading of the engine's sources that uses no code of the engine: if both reach the same
capacity, a converted policy means what it meant. Pure.

Sources: "Step scaling policies overview" (Application Auto Scaling User Guide); StepAdjustment,
StepScalingPolicyConfiguration and PutScalingPolicy (its API reference); "Using Amazon CloudWatch
alarms" for the states of an alarm. What these do not say is marked *derived*.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"
_ACTIONS = {ALARM: "AlarmActions", OK: "OKActions", INSUFFICIENT: "InsufficientDataActions"}


@dataclass(frozen=True, slots=True)
class Answer:
    """The capacity that AAS sets, and the policies that ran but found no step for their value."""

    capacity: int
    unmatched: tuple[str, ...] = ()


def state_of(alarm: Mapping[str, Any], values: Sequence[float]) -> str:
    """Return an alarm's state after it has seen its newest datapoints, or none.

    M of the newest N must breach. Without data, TreatMissingData decides; `ignore` keeps the
    state, which is assumed to be OK.

    Example: 2 of 3 above 100, and 120, 80, 130: ALARM.
    """
    n = int(alarm.get("EvaluationPeriods") or 1)
    m = int(alarm.get("DatapointsToAlarm") or n)
    newest = values[-n:]
    if not newest:
        missing = {"breaching": ALARM, "notBreaching": OK, "ignore": OK}
        return missing.get(alarm.get("TreatMissingData", "missing"), INSUFFICIENT)
    beyond = sum(_breaches(alarm, value) for value in newest)
    return ALARM if beyond >= min(m, len(newest)) else OK


def _breaches(alarm: Mapping[str, Any], value: float) -> bool:
    threshold, way = alarm["Threshold"], alarm["ComparisonOperator"]
    if "OrEqual" in way and value == threshold:
        return True
    return bool(value > threshold) if way.startswith("Greater") else bool(value < threshold)


@dataclass(frozen=True, slots=True)
class Case:
    """A target's bounds, its step ScalingPolicies, its alarms, and their datapoints.

    `shown` has each alarm's datapoints by its name, oldest first.
    """

    bounds: tuple[int, int]
    policies: Sequence[Mapping[str, Any]]
    alarms: Mapping[str, Mapping[str, Any]]
    shown: Mapping[str, Sequence[float]]


def answer(case: Case, capacity: int, *, by_side: bool = False) -> Answer:
    """Return the capacity that AAS sets after its alarms have seen their datapoints.

    Every policy that an alarm runs is evaluated; the largest resulting capacity is provided.
    AAS counts all datapoints; with `by_side`, only those on the side of the alarm's state count,
    as in Quickstep.

    Example: at 10, one policy with +3 and one with +200 % run: 30.
    """
    capacities, unmatched = [], []
    for policy, alarm, state in _running(case):
        n = int(alarm.get("EvaluationPeriods") or 1)
        values = case.shown[alarm["AlarmName"]][-n:]
        if by_side:
            values = [one for one in values if _breaches(alarm, one) is (state == ALARM)] or values
        step = _matching(policy, alarm, state, values) if values else None
        if step is None:
            unmatched.append(str(policy["PolicyName"]))
            continue
        asked = _adjusted(policy["StepScalingPolicyConfiguration"], step, capacity)
        capacities.append(max(case.bounds[0], min(case.bounds[1], asked)))
    return Answer(max(capacities, default=capacity), tuple(unmatched))


def _running(case: Case) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], str]]:
    """Yield the policies that alarms run, with the alarm and its state."""
    for policy in case.policies:
        for name in (link["AlarmName"] for link in policy.get("Alarms", [])):
            alarm = case.alarms.get(name, {"ActionsEnabled": False})
            if not alarm.get("ActionsEnabled", True):
                continue
            state = state_of(alarm, case.shown[name])
            if state in states_that_run(policy, alarm):
                yield policy, alarm, state


def states_that_run(policy: Mapping[str, Any], alarm: Mapping[str, Any]) -> set[str]:
    """Return the states in which an alarm runs a policy: those whose actions have its ARN.

    A saved ARN that lost the policy's name may be any policy's. An alarm without actions of its
    policy is assumed to run it in ALARM, since the policy lists it.
    """
    found = set()
    for state, key in _ACTIONS.items():
        for arn in alarm.get(key) or []:
            owner, _, name = arn.partition(":policyName/")
            whole = name == policy["PolicyName"] and owner.endswith("/" + policy["ResourceId"])
            shortened = ":scalingPolicy:" in arn and not name
            if arn == policy.get("PolicyARN") or whole or shortened:
                found.add(state)
    return found or {ALARM}


def _matching(
    policy: Mapping[str, Any], alarm: Mapping[str, Any], state: str, values: Sequence[float]
) -> Mapping[str, Any] | None:
    """Return the step that contains the aggregated value's distance from the threshold.

    "If the metric value is above the breach threshold, the lower bound is inclusive and the upper
    bound is exclusive. If the metric value is below the breach threshold, the lower bound is
    exclusive and the upper bound is inclusive." At the threshold itself, *derived*: a value is on
    the side that its alarm's state stands for.
    """
    body = policy["StepScalingPolicyConfiguration"]
    kind = body.get("MetricAggregationType") or "Average"
    value = {"Minimum": min, "Maximum": max}.get(kind, _average)(values)
    distance = value - alarm["Threshold"]
    fires_above = alarm["ComparisonOperator"].startswith("Greater")
    above = distance > 0 or (distance == 0 and fires_above == (state == ALARM))
    for step in body["StepAdjustments"]:
        low = _bound(step.get("MetricIntervalLowerBound"), "-inf")
        high = _bound(step.get("MetricIntervalUpperBound"), "inf")
        if low <= distance < high if above else low < distance <= high:
            return dict(step)
    return None


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _bound(given: float | None, otherwise: str) -> float:
    return float(otherwise if given is None else given)


def _adjusted(body: Mapping[str, Any], step: Mapping[str, Any], capacity: int) -> int:
    """Return the capacity that a step asks for, before the target's bounds.

    Percentages: 12.7 is 12, 0.67 is 1, -0.58 is -1, -6.67 is -6; at least MinAdjustmentMagnitude,
    so that +25 % of 4 with a minimum of 2 is 6. 0 % stays 0, *derived*.
    """
    number = int(step["ScalingAdjustment"])
    if body["AdjustmentType"] == "ExactCapacity":
        return number
    if body["AdjustmentType"] == "ChangeInCapacity":
        return capacity + number
    exact = Fraction(capacity * number, 100)
    if exact == 0:
        return capacity
    tasks = max(int(abs(exact)), 1, int(body.get("MinAdjustmentMagnitude") or 1))
    return capacity + (tasks if exact > 0 else -tasks)
