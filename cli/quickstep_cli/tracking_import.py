"""Application Auto Scaling's target tracking as a target policy, or as steps on AAS's clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, assert_never

from quickstep.engine.model import TargetPolicy
from quickstep_cli.alarm_metric import metric_of
from quickstep_cli.taken import left_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from quickstep.naming import ServiceName
    from quickstep_cli.taken import TakeOver

_ECS_METRICS = {
    "ECSServiceAverageCPUUtilization": ("CPUUtilization", 60),
    "ECSServiceAverageMemoryUtilization": ("MemoryUtilization", 60),
    "ECSServiceAverageCPUUtilizationHighResolution": ("CPUUtilization", 20),
    "ECSServiceAverageMemoryUtilizationHighResolution": ("MemoryUtilization", 20),
}
"""For each predefined metric: CloudWatch's name for it, and its period."""
_TRACKING_OUT = ((0.0, 0.1, 10), (0.1, 0.25, 25), (0.25, 0.5, 50), (0.5, None, 100))
"""Shares of the target value: from, to, and the percent of tasks that brings the load back to it.

Percents are truncated, so a small fleet may at first get one task fewer than with tracking.
Example: 10 tasks at 62 % with a target of 50 %: tracking asks for 13, +25 % for 12.
"""
_TRACKING_IN = 0.9
"""AAS removes tasks only when utilization is usually more than 10 % below the target."""
_TRACKING_PERIODS = 3
_TRACKING_IN_PERIODS = 15
"""Datapoints that target tracking's alarms need, to scale out and in."""
_TRACKING_COOLDOWN = 300
"""Seconds: AAS's default for ECS, in both directions."""
_PUBLISHED = {60: 363, 20: 86}
"""Seconds until AAS's target tracking scaled out in AWS's own test (June 2026), by period."""


_BODY_KEYS = {
    *("TargetValue", "ScaleOutCooldown", "ScaleInCooldown", "DisableScaleIn"),
    *("PredefinedMetricSpecification", "CustomizedMetricSpecification"),
}


class Tracking(StrEnum):
    """How to carry target tracking over: as a target policy, or as steps that evaluate like AAS."""

    TARGET = "target"
    STEPS = "steps"


@dataclass(frozen=True, slots=True)
class _Tracked:
    """The metric that a target tracking policy follows, with what an alarm on it needs.

    `fastest` is the shortest period it allows, in seconds, and `usual` the one AAS uses.
    `per_task` means that it is known to be an average over tasks; `slow_because` says why no
    shorter period is allowed.
    """

    queries: dict[str, Any]
    usual: int
    fastest: int
    per_task: bool
    slow_because: str

    def alarm(self, period: int) -> dict[str, Any]:
        """Return the keys of an alarm with this period."""
        if "Metrics" in self.queries:
            return {"Metrics": [_with_period(query, period) for query in self.queries["Metrics"]]}
        return {**self.queries, "Period": period}


def carry_tracking(
    made: TakeOver,
    policy: Mapping[str, Any],
    tracking: Tracking,
    *,
    high_resolution: bool,
) -> None:
    """Convert a target tracking policy, or say why not."""
    body = policy["TargetTrackingScalingPolicyConfiguration"]
    title = policy["PolicyName"]
    metric = _tracked_metric(made.service, body, high_resolution=high_resolution)
    if metric is None:
        made.warnings.append(
            f"{title}: {_named(body)} is not known here; it was not carried over: make a target "
            "policy on the metric you mean"
        )
        return
    made.notes += [f"{title}: its {key} is not carried over" for key in left_out(body, _BODY_KEYS)]
    match tracking:
        case Tracking.TARGET:
            _as_a_target(made, title, body, metric)
        case Tracking.STEPS:
            _as_steps(made, title, body, metric)
        case _:
            assert_never(tracking)
    made.notes += _in_seconds(title, tracking, metric)


def _named(body: Mapping[str, Any]) -> str:
    """Return a warning's name for a metric."""
    predefined = body.get("PredefinedMetricSpecification", {})
    if kind := predefined.get("PredefinedMetricType"):
        label = predefined.get("ResourceLabel")
        bare = " without a ResourceLabel" if kind == "ALBRequestCountPerTarget" else ""
        return f"its metric {kind}{f' of {label}' if label else bare}"
    return "its metric"


def _as_a_target(made: TakeOver, title: str, body: Mapping[str, Any], metric: _Tracked) -> None:
    name = made.name(title)
    given = ("ScaleOutCooldown", "ScaleInCooldown", "DisableScaleIn")
    made.document["TargetTrackingPolicies"][name] = {
        "TargetValue": body["TargetValue"],
        "MetricScope": "PerTask",  # target tracking requires a metric that tasks share
        **{key: body[key] for key in given if body.get(key) is not None},
    }
    threshold = float(body["TargetValue"])
    _add_alarm(made, f"{name}/high", metric.alarm(metric.fastest), 1, threshold, out=True)
    usual = TargetPolicy(name, 1.0)
    here = {
        "ScaleOutCooldown": usual.scale_out_cooldown,
        "ScaleInCooldown": usual.scale_in_cooldown,
    }
    made.notes += [
        f"{name}: no {key} is given, which means {_TRACKING_COOLDOWN} s to AAS and {seconds} s here"
        for key, seconds in here.items()
        if body.get(key) is None and not (key == "ScaleInCooldown" and body.get("DisableScaleIn"))
    ]
    if body.get("DisableScaleIn"):
        made.notes.append(f"{name}: DisableScaleIn is carried over: it never removes a task")
    else:
        made.notes.append(
            f"{name}: AAS removes tasks after {_TRACKING_IN_PERIODS} minutes below "
            f"{_TRACKING_IN:.0%} of the target; here a task goes once it has been idle for "
            f"{usual.scale_in_window} s (ScaleInWindow), and later if it was soon needed again"
        )


def _as_steps(made: TakeOver, title: str, body: Mapping[str, Any], metric: _Tracked) -> None:
    value, alarm = float(body["TargetValue"]), metric.alarm(metric.usual)
    made.notes.append(
        f"{title}: target tracking has no steps, and its alarms are AAS's own. Two things cannot "
        "be carried over: a capacity proportional to the load at every value, and alarms that "
        "AAS keeps up to date. The steps here are a proposal; try them with `quickstep compare` "
        "on your own traffic"
    )
    name = made.name(f"{title}-out")
    steps = [
        {
            "MetricIntervalLowerBound": round(low * value, 6),
            **({} if high is None else {"MetricIntervalUpperBound": round(high * value, 6)}),
            "ScalingAdjustment": percent,
        }
        for low, high, percent in _TRACKING_OUT
    ]
    scope = {"MetricScope": "PerTask"} if metric.per_task else {}
    made.document["ScaleOutPolicies"][name] = {
        "AdjustmentType": "PercentChangeInCapacity",
        "MinAdjustmentMagnitude": 1,
        "Cooldown": body.get("ScaleOutCooldown", _TRACKING_COOLDOWN),
        "StepAdjustments": steps,
        **scope,
    }
    _add_alarm(made, name, alarm, _TRACKING_PERIODS, value, out=True)
    if body.get("DisableScaleIn"):
        made.notes.append(f"{title}: DisableScaleIn, so there is no scale-in policy for it")
        return
    name = made.name(f"{title}-in")
    made.document["ScaleInPolicies"][name] = {
        "AdjustmentType": "PercentChangeInCapacity",
        "Cooldown": body.get("ScaleInCooldown", _TRACKING_COOLDOWN),
        "StepAdjustments": [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": -10}],
        **scope,
    }
    threshold = round(value * _TRACKING_IN, 6)
    _add_alarm(made, name, alarm, _TRACKING_IN_PERIODS, threshold, out=False)


def _add_alarm(
    made: TakeOver,
    name: str,
    metric: Mapping[str, Any],
    periods: int,
    threshold: float,
    *,
    out: bool,
) -> None:
    made.alarms.append(
        {
            "AlarmName": made.service.alarm(name),
            **metric,
            "EvaluationPeriods": periods,
            "Threshold": threshold,
            "ComparisonOperator": "GreaterThanThreshold" if out else "LessThanThreshold",
            "TreatMissingData": "missing" if out else "notBreaching",
        }
    )


VISIBLE = 1.5
"""Seconds until CloudWatch shows a datapoint. AWS publishes no figure: modelled, as in the lab."""


def seen_after(period: int, datapoints: int) -> tuple[float, float, float]:
    """Return when an alarm sees a surge: at the earliest, on average and at the latest. Modelled.

    The load goes from half the target to twice the target at any moment of a period. The period's
    average is above the target if at least a third of it is surge. The last datapoint must be
    complete and visible, and is evaluated in any phase: every 10 s, or each minute for periods of a
    minute.

    Example: 1 datapoint of 60 s is complete 20 to 80 s after the surge begins; visible 1.5 s and
    evaluated up to 60 s later: 21.5 to 141.5 s, 81.5 s on average. 3 of them: 120 s more.
    """
    evaluated = 10 if period < 60 else 60  # noqa: PLR2004 - CloudWatch's rule
    first = (datapoints - 1) * period + period / 3 + VISIBLE
    return first, first + (period + evaluated) / 2, first + period + evaluated


def _in_seconds(title: str, tracking: Tracking, metric: _Tracked) -> Iterator[str]:
    """Yield how long each form takes to see a surge, the chosen one first."""
    target = (Tracking.TARGET, metric.fastest, 1)
    steps = (Tracking.STEPS, metric.usual, _TRACKING_PERIODS)
    made, other = (target, steps) if tracking is Tracking.TARGET else (steps, target)
    yield (
        f"{title}: twice the target's load is seen after {_seen(made)}; with --tracking "
        f"{other[0]} after {_seen(other)}. Both are modelled"
    )
    if metric.usual in _PUBLISHED:
        yield (
            f"{title}: AAS itself scaled out after {_PUBLISHED[metric.usual]} s in AWS's own test "
            f"of {metric.usual}-s metrics, June 2026"
        )
    if metric.slow_because:
        yield f"{title}: {metric.slow_because}"


def _seen(form: tuple[Tracking, int, int]) -> str:
    _, period, datapoints = form
    first, mean, last = seen_after(period, datapoints)
    of = f"{datapoints} of {datapoints} datapoints of {period} s"
    return f"{mean:.0f} s ({first:.0f} to {last:.0f} s; {of})"


def _tracked_metric(
    service: ServiceName, body: Mapping[str, Any], *, high_resolution: bool
) -> _Tracked | None:
    """Return a target tracking policy's metric; None if unknown."""
    predefined = body.get("PredefinedMetricSpecification", {})
    kind = predefined.get("PredefinedMetricType")
    if kind in _ECS_METRICS:
        name, period = _ECS_METRICS[kind]
        dimensions = {"ClusterName": service.cluster, "ServiceName": service.service}
        why = _NO_HIGH_RESOLUTION if period == _MINUTE else ""
        queries = metric_of("AWS/ECS", name, dimensions, "Average")
        return _Tracked(queries, period, period, per_task=True, slow_because=why)
    label = re.fullmatch(
        r"(app/[^/]+/[^/]+)/(targetgroup/[^/]+/[^/]+)", predefined.get("ResourceLabel", "")
    )
    if kind == "ALBRequestCountPerTarget" and label:
        dimensions = {"LoadBalancer": label[1], "TargetGroup": label[2]}
        queries = metric_of("AWS/ApplicationELB", "RequestCountPerTarget", dimensions, "Sum")
        return _Tracked(queries, _MINUTE, _MINUTE, per_task=True, slow_because=_BY_THE_MINUTE)
    custom = body.get("CustomizedMetricSpecification", {})
    if "Metrics" in custom:
        queries = {"Metrics": custom["Metrics"]}
        statistics = {q["MetricStat"]["Stat"] for q in custom["Metrics"] if "MetricStat" in q}
    elif "MetricName" in custom:
        dimensions = {one["Name"]: one["Value"] for one in custom.get("Dimensions", [])}
        statistics = {custom["Statistic"]}
        queries = metric_of(custom["Namespace"], custom["MetricName"], dimensions, *statistics)
        if custom.get("Unit"):
            queries["Unit"] = custom["Unit"]
    else:
        return None
    if sums := sorted(statistics & {"Sum", "SampleCount"}):
        why = f"a {sums[0]} over 10 s differs from one over 60 s, so its alarm stays at 60 s"
        return _Tracked(queries, _MINUTE, _MINUTE, per_task=False, slow_because=why)
    fastest, why = (10, "") if high_resolution else (_MINUTE, _ASK_FOR_RESOLUTION)
    return _Tracked(queries, _MINUTE, fastest, per_task=False, slow_because=why)


_MINUTE = 60
_NO_HIGH_RESOLUTION = (
    "once the service's 20-s metrics are switched on (monitoring.metricConfigurations), its alarm "
    "can have a period of 20 s"
)
_BY_THE_MINUTE = "the load balancer publishes once a minute; no alarm on it is faster"
_ASK_FOR_RESOLUTION = (
    "if its metric is published with StorageResolution 1, --high-resolution gives its alarm 10 s"
)


def _with_period(query: Mapping[str, Any], period: int) -> dict[str, Any]:
    if "Expression" in query:
        return {**query, "Period": period}
    return {**query, "MetricStat": {**query["MetricStat"], "Period": period}}
