"""The search space of `tune`: step ladders, percent ladders and target policies, as documents.

A choice is one value for each dimension of a form. Pure.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, assert_never

from quickstep.config import PRESETS, Preset, read_target
from quickstep.engine.model import Direction, Guard, MetricScope, StepPolicy, TargetPolicy
from quickstep.fields import InvalidDocumentError, Problem
from quickstep_lab.simulator.signals import REQUESTS
from quickstep_lab.simulator.stage import Setup, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from random import Random

    from quickstep.engine.model import ScalableTarget
    from quickstep_lab.simulator.signals import Signal


class Form(StrEnum):
    """The forms of policy to search."""

    STEPS = "steps"
    PERCENT = "percent"
    TARGET = "target"


_CHANGES = (
    ("ChangeInCapacity", (1, 2, 4)),
    ("ChangeInCapacity", (1, 2, 3)),
    ("ChangeInCapacity", (1, 3, 6)),
    ("ChangeInCapacity", (2, 4, 8)),
    ("ChangeInCapacity", (1, 1, 2)),
    ("PercentChangeInCapacity", (10, 25, 50)),
    ("PercentChangeInCapacity", (20, 50, 100)),
    ("PercentChangeInCapacity", (50, 100, 200)),
)
_REMOVALS = (("ChangeInCapacity", -1), ("ChangeInCapacity", -2), ("PercentChangeInCapacity", -10))
_UTILISATION = (0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
_LADDER: Mapping[str, Sequence[Any]] = {
    "utilisation": _UTILISATION,
    "cooldown": (10, 20, 30, 60),
    "scale_in_share": (0.3, 0.4, 0.5, 0.6, 0.7),
    "removal": range(len(_REMOVALS)),
    "scale_in_cooldown": (30, 60, 120, 300),
    "window": (None, 120, 300, 600),
    "guard_off": (None, Guard.RISING_TREND, Guard.CAPACITY_ON_ITS_WAY, Guard.WOULD_FLAP),
}
SPACE: Mapping[Form, Mapping[str, Sequence[Any]]] = {
    Form.STEPS: {**_LADDER, "step": (0.25, 0.5, 1.0), "changes": range(len(_CHANGES))},
    Form.PERCENT: {**_LADDER, "rungs": (5, 10, 19), "end": (1.0, 0.5, 0.0)},
    Form.TARGET: {
        "utilisation": _UTILISATION,
        "preset": (Preset.NORMAL, Preset.RELAXED, Preset.AGGRESSIVE),
        "window": (None, 60, 180, 300, 600, 1200),
        "scale_in_cooldown": (None, 10, 60, 120),
        "guard_off": (None, Guard.RISING_TREND),
    },
}
"""The search space by form. `utilisation` is the scale-out threshold, or the target value, as a
share of a task's capacity; `step` is a step's width and `scale_in_share` the scale-in threshold, as
a share of that threshold; `end` is which end of its interval a percent step is right for. None
leaves a number to the preset, gives a ladder no window, and keeps every guard on. The first value
of each dimension is the usual one."""

MOST_GROWTH = 10
"""A percent ladder's last step is for this multiple of the threshold, and more."""


_MOST_SHOWN = 5
"""Maximum steps of a ladder to list one by one."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One value for each dimension of a form's space, in order."""

    form: Form
    values: tuple[Any, ...]


def check_tunable(setup: Setup) -> None:
    """Refuse what the search cannot vary.

    Raises:
        InvalidDocumentError: the document has neither one policy in each direction nor a single
            target policy, with MetricScope PerTask.
    """
    policies = setup.target.policies
    kinds = [(type(policy), policy.direction, policy.metric_scope) for policy in policies]
    per_task = MetricScope.PER_TASK
    steps = [(StepPolicy, direction, per_task) for direction in Direction]
    if sorted(kinds, key=str) in (
        sorted(steps, key=str),
        [(TargetPolicy, Direction.OUT, per_task)],
    ):
        return
    rule = (
        "must have one scale-out and one scale-in policy, or one target policy, all with "
        "MetricScope PerTask, to be tuned"
    )
    names = ", ".join(policy.name for policy in policies)
    where = "ScaleOutPolicies, ScaleInPolicies and TargetTrackingPolicies"
    raise InvalidDocumentError([Problem(where, rule, names)])


def forms_for(target: ScalableTarget) -> tuple[Form, ...]:
    """Return the forms that can replace a target's policies.

    Steps scale in, so they cannot replace a target policy that must not.
    """
    keeps = any(isinstance(p, TargetPolicy) and p.disable_scale_in for p in target.policies)
    return (Form.TARGET,) if keeps else (Form.TARGET, Form.PERCENT, Form.STEPS)


def form_of(document: Mapping[str, Any]) -> Form:
    """Return a tunable document's form."""
    if "TargetTrackingPolicies" in document:
        return Form.TARGET
    bodies = document.get("ScaleOutPolicies", {}).values()
    percent = any(body["AdjustmentType"] == "PercentChangeInCapacity" for body in bodies)
    return Form.PERCENT if percent else Form.STEPS


def described(document: Mapping[str, Any]) -> str:
    """Describe a tunable document by what distinguishes it from others with the same thresholds.

    Examples: `target, aggressive, ScaleInWindow 600, no RisingTrend` and `steps +1/+2/+4 from
    0/50/100 on, -1, cooldowns 10 s and 30 s`.
    """
    form = form_of(document)
    parts: list[str] = [form]
    if form is Form.TARGET:
        (body,) = document["TargetTrackingPolicies"].values()
        parts += [document["Preset"]] if "Preset" in document else []
        own = ("ScaleInWindow", "ScaleInCooldown")
        parts += [f"{key} {body[key]}" for key in own if key in body]
    else:
        (body,) = document["ScaleOutPolicies"].values()
        (in_,) = document["ScaleInPolicies"].values()
        parts = [f"{form} {_numbers(body)} from {_bounds(body)} on", _numbers(in_)]
        waits = [f"{one['Cooldown']} s" for one in (body, in_) if "Cooldown" in one]
        parts += [f"cooldowns {' and '.join(waits)}"] if waits else []
        parts += [f"ScaleInWindow {in_['ScaleInWindow']}"] if "ScaleInWindow" in in_ else []
    parts += [f"no {guard}" for guard, on in document.get("Guards", {}).items() if not on]
    return ", ".join(parts)


def _numbers(policy: Mapping[str, Any]) -> str:
    """Return a step policy's adjustments, e.g. `+1/+2/+4`, `-10%` or `+6% to +900%`."""
    unit = "%" if policy["AdjustmentType"] == "PercentChangeInCapacity" else ""
    return _few([f"{step['ScalingAdjustment']:+d}{unit}" for step in policy["StepAdjustments"]])


def _bounds(policy: Mapping[str, Any]) -> str:
    lower = (step.get("MetricIntervalLowerBound", 0) for step in policy["StepAdjustments"])
    return _few([f"{bound:g}" for bound in lower])


def _few(numbers: Sequence[str]) -> str:
    """Return a few numbers in full, or the first and last of many."""
    return "/".join(numbers) if len(numbers) <= _MOST_SHOWN else f"{numbers[0]} to {numbers[-1]}"


def usual(form: Form, utilisation: float) -> Choice:
    """Return a form's defaults at a utilisation, where its search begins."""
    space = {**SPACE[form], "utilisation": (utilisation,)}
    return Choice(form, tuple(values[0] for values in space.values()))


def drawn(form: Form, random: Random) -> Choice:
    """Return a random choice of a form."""
    return Choice(form, tuple(random.choice(values) for values in SPACE[form].values()))


def changed(choice: Choice, random: Random) -> Choice:
    """Return the choice with one dimension changed."""
    values = choice.values
    index = random.randrange(len(values))
    value = random.choice(tuple(SPACE[choice.form].values())[index])
    return replace(choice, values=(*values[:index], value, *values[index + 1 :]))


def policy_of(
    given: Mapping[str, Any], choice: Choice, capacity: float
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return a choice as a policy document, with its alarms' thresholds.

    `capacity` is a full task's signal: the requests it can serve, or 100 % of CPU. The document
    `given` is kept, except its policies, what the presets fill in, and the searched guards.

    Example: a utilisation of 0.7 at a capacity of 150: a threshold, or a target, of 105.
    """
    values = dict(zip(SPACE[choice.form], choice.values, strict=True))
    threshold = _rounded(values["utilisation"] * capacity)
    document = copy.deepcopy(dict(given))
    names = _names(given)
    bodies = {name: body for group in _GROUPS for name, body in document.pop(group, {}).items()}
    document.pop("Preset", None)
    off = values["guard_off"]
    if off is not None or "Guards" in document:
        searched = {guard: guard is not off for guard in _SEARCHED_GUARDS}
        document["Guards"] = {**document.get("Guards", {}), **searched}
    match choice.form:
        case Form.TARGET:
            kept = {
                key: body[key] for body in bodies.values() for key in _TARGET_KEYS & body.keys()
            }
            return _target(document, names.target, kept, values, threshold)
        case Form.PERCENT | Form.STEPS:
            percent = choice.form is Form.PERCENT
            rungs = _proportional(values, threshold) if percent else _rungs(values, threshold)
            return _ladder(document, names, bodies, values, threshold, rungs)
        case _:
            assert_never(choice.form)


def setup_of(
    document: Mapping[str, Any], thresholds: Mapping[str, float], signal: Signal = REQUESTS
) -> Setup:
    """Return a document and its alarms' thresholds on a signal, ready to play."""
    return Setup(read_target(document), thresholds, dict.fromkeys(thresholds, Watch(signal)))


_GROUPS = ("ScaleOutPolicies", "ScaleInPolicies", "TargetTrackingPolicies")
_SEARCHED_GUARDS = (Guard.RISING_TREND, Guard.CAPACITY_ON_ITS_WAY, Guard.WOULD_FLAP)
_TARGET_KEYS = {"MetricScope", "ScaleOutCooldown", "DisableScaleIn"}
_LONGEST_NAME = 120


@dataclass(frozen=True, slots=True)
class _Names:
    out: str
    in_: str
    target: str


def _names(document: Mapping[str, Any]) -> _Names:
    """Return each form's policy names, derived from the given ones.

    Example: high-request-rate and low-request-rate become request-rate, and the other way round.
    """
    for name in document.get("TargetTrackingPolicies", {}):
        return _Names(f"high-{name[:_LONGEST_NAME]}", f"low-{name[:_LONGEST_NAME]}", name)
    ((out, _),) = document["ScaleOutPolicies"].items()
    ((in_, _),) = document["ScaleInPolicies"].items()
    return _Names(out, in_, out.removeprefix("high-") or out)


def _target(
    document: dict[str, Any],
    name: str,
    kept: Mapping[str, Any],
    values: Mapping[str, Any],
    threshold: float,
) -> tuple[dict[str, Any], dict[str, float]]:
    own = {"ScaleInWindow": values["window"], "ScaleInCooldown": values["scale_in_cooldown"]}
    usual_ = PRESETS[values["preset"]]
    same = {
        "ScaleInWindow": usual_.scale_in_window,
        "ScaleInCooldown": usual_.scale_in_cooldown,
    }
    said = {k: v for k, v in own.items() if v is not None and v != same[k]}
    if values["preset"] is not Preset.NORMAL:
        document["Preset"] = str(values["preset"])
    document["TargetTrackingPolicies"] = {name: {"TargetValue": threshold, **kept, **said}}
    return document, {f"{name}/high": float(threshold)}


Rung = tuple[float, float | None, int]
"""A step's bounds above the threshold, and its adjustment."""


def _rungs(values: Mapping[str, Any], threshold: float) -> tuple[str, list[Rung]]:
    """Return three steps. Example: a threshold of 105 and steps of half of it: 52 and 104."""
    width = _rounded(threshold * values["step"])
    kind, (small, middle, large) = _CHANGES[values["changes"]]
    rungs = [(0, width, small), (width, 2 * width, middle), (2 * width, None, large)]
    return kind, rungs


def _proportional(values: Mapping[str, Any], threshold: float) -> tuple[str, list[Rung]]:
    """Return a ladder that follows load / threshold, in rungs of equal ratio up to MOST_GROWTH.

    Example: 5 rungs up to 10 times the threshold: each 10^(1/5) = 1.58 times the one before. From
    1 to 1.58 times it takes at most 58 % more tasks, from 1.58 to 2.51 times at most 151 %. By the
    lower ends, that is 0 (so 1) and 58 %.
    """
    ratios = [MOST_GROWTH ** (number / values["rungs"]) for number in range(values["rungs"] + 1)]
    rungs: list[Rung] = []
    for low, high in zip(ratios, [*ratios[1:], None], strict=True):
        ends = low if high is None else low + (high - low) * values["end"]
        bounds = (threshold * (low - 1), None if high is None else threshold * (high - 1))
        lower, upper = (None if bound is None else float(f"{bound:.4g}") for bound in bounds)
        rungs.append((lower or 0, upper, max(1, round(100 * (ends - 1)))))
    return "PercentChangeInCapacity", rungs


def _ladder(  # noqa: PLR0917 - a document's parts
    document: dict[str, Any],
    names: _Names,
    bodies: Mapping[str, Any],
    values: Mapping[str, Any],
    threshold: float,
    rungs: tuple[str, list[Rung]],
) -> tuple[dict[str, Any], dict[str, float]]:
    kind, steps = rungs
    removal_kind, removal = _REMOVALS[values["removal"]]
    document["ScaleOutPolicies"] = {
        names.out: _body(bodies.get(names.out), kind, values["cooldown"], list(_steps(steps)))
    }
    document["ScaleInPolicies"] = {
        names.in_: _body(
            bodies.get(names.in_),
            removal_kind,
            values["scale_in_cooldown"],
            [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": removal}],
        )
    }
    if values["window"] is not None:
        document["ScaleInPolicies"][names.in_]["ScaleInWindow"] = values["window"]
    thresholds = {names.out: threshold, names.in_: _rounded(threshold * values["scale_in_share"])}
    return document, {name: float(value) for name, value in thresholds.items()}


def _steps(rungs: Sequence[Rung]) -> Iterator[dict[str, float]]:
    for lower, upper, adjustment in rungs:
        bounds = {"MetricIntervalLowerBound": lower, "MetricIntervalUpperBound": upper}
        known = {key: bound for key, bound in bounds.items() if bound is not None}
        yield {**known, "ScalingAdjustment": adjustment}


def _body(
    given: Mapping[str, Any] | None, kind: str, cooldown: int, steps: list[dict[str, float]]
) -> dict[str, Any]:
    """Return a policy's body: new numbers, and its other keys."""
    given = given or {"MetricScope": str(MetricScope.PER_TASK)}
    kept = {key: given[key] for key in ("MetricAggregationType", "MetricScope") if key in given}
    percent = {"MinAdjustmentMagnitude": 1} if kind == "PercentChangeInCapacity" else {}
    return {
        "AdjustmentType": kind,
        **percent,
        "Cooldown": cooldown,
        **kept,
        "StepAdjustments": steps,
    }


def _rounded(value: float) -> float:
    """Round to a whole number; a small one keeps three digits, so that 0.4 does not become 0."""
    return round(value) if value >= 10 else float(f"{value:.3g}")  # noqa: PLR2004 - small
