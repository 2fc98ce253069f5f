"""Prove that imported policies still mean the same: both versions decide over a grid of cases.

Application Auto Scaling's answer follows its documentation (`aas`). Ours comes from the engine
with its guards off: guards hold and resize on purpose, and without them only the meaning is left.
Target tracking has no documented formula, so it is not compared. Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from math import gcd, prod
from typing import TYPE_CHECKING, Any

from quickstep.alarms.definition import described_definition
from quickstep.config import read_target
from quickstep.engine.decide import decide
from quickstep.engine.model import Alarm, AlarmState, Observation, Service, State
from quickstep.naming import parse_alarm_name
from quickstep_cli import aas
from quickstep_cli.alarm_metric import metric_keys_of
from quickstep_cli.taken import has_threshold

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.engine.model import Decision, ScalableTarget
    from quickstep_cli.taken import TakeOver

MOST_CASES = 6000
MOST_LOOKS = 24_000
"""Cases in a grid. Evaluating the alarms in all of them takes seconds.

A larger grid is sampled at equal distances, so that every axis keeps all its values.
"""

_MOST_DATAPOINTS = 60
"""Longer windows show one value only, which proves as much with fewer datapoints."""

_ALL_CAPACITIES = 24
_SOME = (*range(21), 25, 28, 33, 37, 46, 50, 55, 64, 73, 82, 91, 99, 101, 150, 250, 333, 500, 1000)
"""Capacities above the minimum at which percentages round differently."""

_NOW = datetime(2026, 1, 1, tzinfo=UTC)

_BOUNDS = ("MetricIntervalLowerBound", "MetricIntervalUpperBound")

NO_DATA = "an alarm has no data, for which AAS documents no step"
MIXED = "an alarm's datapoints differ: AAS aggregates all of them, Quickstep those that breach"
DISABLED = "an alarm with disabled actions is in ALARM, which makes Quickstep hold"
UNANSWERED = "an alarm is in ALARM and no step matches, so Quickstep holds every removal"


@dataclass(frozen=True, slots=True)
class Difference:
    """A case with two answers: where AAS and where Quickstep goes from `capacity`."""

    capacity: int
    shown: Mapping[str, Sequence[float]]
    aas: int
    quickstep: int
    why: str

    def __str__(self) -> str:
        """Return one line. Example: `4 tasks, backlog 8: AAS 2, Quickstep 4 (Kept 4 …)`."""
        seen = "; ".join(
            f"{name} {', '.join(f'{value:g}' for value in values) or 'without data'}"
            for name, values in self.shown.items()
        )
        answers = f"AAS {self.aas}, Quickstep {self.quickstep} ({self.why})"
        return f"{self.capacity} tasks, {seen}: {answers}"


@dataclass
class Proof:
    """The result of a grid: how many cases agree, and which do not.

    `announced` counts known differences by cause; `differences` lists the others.
    """

    alike: int = 0
    announced: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        cases = self.alike + sum(self.announced.values()) + len(self.differences)
        if not cases:
            return "Proof: there are no step policies to compare; target tracking has no formula"
        known = sum(self.announced.values())
        return (
            f"Proof: {self.alike:,} of {cases:,} cases match AAS's documentation, {known:,} "
            f"differ in a known way, {len(self.differences):,} differ"
        )


def prove(
    made: TakeOver,
    bounds: tuple[int, int],
    policies: Sequence[Mapping[str, Any]],
    alarms: Mapping[str, Mapping[str, Any]],
) -> Proof:
    """Compare what step policies meant, within AAS's bounds, with what they mean now.

    Raises:
        ConfigError: the resulting document is invalid.
    """
    proof, target = Proof(), _without_guards(read_target(made.document), made.by_steps)
    steps = [policy for policy in policies if policy["PolicyType"] == "StepScaling"]
    linked = {link["AlarmName"] for policy in steps for link in policy.get("Alarms", [])}
    theirs = {name: alarms[name] for name in sorted(linked & alarms.keys())}
    theirs = {name: alarm for name, alarm in theirs.items() if has_threshold(alarm)}
    ours = list(_ours(made))
    if not theirs:
        return proof
    ends = _ends(aas.Case(bounds, steps, theirs, {}), target, ours)
    for capacity, metrics in _grid(bounds, list(theirs.values()), ends):
        shown = {name: metrics[_metric(alarm)] for name, alarm in theirs.items()}
        case = aas.Case(bounds, steps, theirs, shown)
        asked = aas.answer(case, capacity)
        decision = _decided(target, ours, metrics, capacity)
        if decision.granted == asked.capacity:
            proof.alike += 1
        elif known := _known(case, asked, capacity, decision.granted):
            proof.announced[known] = proof.announced.get(known, 0) + 1
        else:
            proof.differences.append(
                Difference(capacity, shown, asked.capacity, decision.granted, decision.reason)
            )
    return proof


def _without_guards(target: ScalableTarget, names: Sequence[str]) -> ScalableTarget:
    """Return the target with only the policies that were made from steps."""
    policies = tuple(policy for policy in target.policies if policy.name in names)
    return replace(target, policies=policies, guards=frozenset(), dry_run=False)


def _metric(alarm: Mapping[str, Any]) -> str:
    """Return the metric an alarm watches, as text: alarms on one metric see the same values."""
    return json.dumps(metric_keys_of(alarm), sort_keys=True)


def _ours(made: TakeOver) -> Iterator[tuple[str, AlarmDefinition, Mapping[str, Any]]]:
    """Yield each step policy's alarm: its name in the policy, its definition, the alarm itself."""
    for alarm in made.alarms:
        named, definition = parse_alarm_name(alarm["AlarmName"]), described_definition(alarm)
        if named and definition and named[1] in made.by_steps:
            yield named[1], definition, alarm


def _decided(
    target: ScalableTarget,
    ours: Sequence[tuple[str, AlarmDefinition, Mapping[str, Any]]],
    metrics: Mapping[str, Sequence[float]],
    capacity: int,
) -> Decision:
    alarms = {
        name: _seen(definition, alarm, metrics[_metric(alarm)]) for name, definition, alarm in ours
    }
    service = Service(capacity, capacity, 0)
    return decide(target, Observation(service, alarms), State(), _NOW)


def _seen(definition: AlarmDefinition, alarm: Mapping[str, Any], values: Sequence[float]) -> Alarm:
    """Return an alarm as the engine sees it, in the state it would have on AWS."""
    newest = tuple(values[-definition.n :])
    return Alarm(
        AlarmState(aas.state_of(alarm, newest)),
        definition.threshold,
        newest,
        muted=not alarm.get("ActionsEnabled", True),
        comparison=definition.comparison,
        metric=definition.metric,
        missing_breaches=definition.missing_breaches,
    )


def _known(case: aas.Case, asked: aas.Answer, capacity: int, granted: int) -> str:
    """Return the known difference that leads to exactly this answer; empty if none does."""
    held = granted == capacity
    blind = [alarm for name, alarm in case.alarms.items() if not case.shown[name]]
    if blind:
        # Either alarm may decide what no data means: with `notBreaching`, the OK action runs.
        meant = {"breaching", "notBreaching"} & {alarm.get("TreatMissingData") for alarm in blind}
        return NO_DATA if held or (meant and granted < capacity) else ""
    if granted == aas.answer(case, capacity, by_side=True).capacity:
        return MIXED
    if held and any(_would_run(case, name) for name in case.alarms):
        return DISABLED
    return UNANSWERED if held and asked.unmatched else ""


def _would_run(case: aas.Case, name: str) -> bool:
    """Return whether an alarm with disabled actions is in a state that would run a policy."""
    alarm = case.alarms[name]
    state = aas.state_of(alarm, case.shown[name])
    running = (state in aas.states_that_run(policy, alarm) for policy in case.policies)
    return not alarm.get("ActionsEnabled", True) and any(running)


# --- the grid -------------------------------------------------------------------------------------


def _grid(
    bounds: tuple[int, int],
    alarms: Sequence[Mapping[str, Any]],
    ends: Mapping[str, set[float]],
) -> Iterator[tuple[int, dict[str, Sequence[float]]]]:
    """Yield capacities and metric values: at each end, next to it, and between the ends."""
    values = {
        metric: _windows(
            max((_periods(a) for a in alarms if _metric(a) == metric), default=1),
            sorted(found),
        )
        for metric, found in ends.items()
    }
    axes: list[Sequence[Any]] = [_capacities(*bounds), *values.values()]
    sizes = [len(axis) for axis in axes]
    cases = prod(sizes)
    stride = -(-cases // min(MOST_CASES, max(1, MOST_LOOKS // len(alarms))))
    while any(gcd(stride, size) > 1 for size in sizes):
        stride += 1
    for number in range(0, cases, stride):
        capacity, *shown = _picked(axes, number)
        yield capacity, dict(zip(values, shown, strict=True))


def _picked(axes: Sequence[Sequence[Any]], number: int) -> list[Any]:
    """Return one member of each axis: `number` written in digits whose bases are the axes' sizes.

    Example: case 5 of axes with 2 and 3 members: 5 is 1 + 2 * 2, so the second and the third.
    """
    picked = []
    for axis in axes:
        number, at = divmod(number, len(axis))
        picked.append(axis[at])
    return picked


def _periods(alarm: Mapping[str, Any]) -> int:
    return int(alarm.get("EvaluationPeriods") or 1)


def _capacities(minimum: int, maximum: int) -> list[int]:
    """Return all capacities within the bounds; if there are many, those that round differently."""
    if maximum - minimum < _ALL_CAPACITIES:
        return list(range(minimum, maximum + 1))
    some = {minimum + above for above in _SOME} | {maximum - 1, maximum}
    return sorted(capacity for capacity in some if capacity <= maximum)


def _windows(n: int, ends: Sequence[float]) -> list[Sequence[float]]:
    """Return what one metric may show its alarms in n datapoints.

    No data; the same value throughout; and, for n above 1, two alternating values.
    """
    shown = min(n, _MOST_DATAPOINTS)
    span = max(1.0, ends[-1] - ends[0])
    between = [(low + high) / 2 for low, high in pairwise(ends)]
    values = sorted({ends[0] - span, *ends, *between, ends[-1] + span})
    pairs = [*pairwise(values), (values[0], values[-1]), (values[-1], values[0])]
    mixed = [tuple(new if (n - at) % 2 else old for at in range(shown)) for old, new in pairs]
    return [(), *((value,) * shown for value in values), *(mixed if 1 < n == shown else [])]


def _ends(
    case: aas.Case,
    target: ScalableTarget,
    ours: Sequence[tuple[str, AlarmDefinition, Mapping[str, Any]]],
) -> dict[str, set[float]]:
    """Return the values of each metric at which AAS's answer or ours changes.

    These are the thresholds, and the step bounds that count from them.
    """
    ends: dict[str, set[float]] = {}
    for alarm in case.alarms.values():
        found = ends.setdefault(_metric(alarm), {float(alarm["Threshold"])})
        found.add(float(alarm["Threshold"]))
        for policy in case.policies:
            if alarm["AlarmName"] in {link["AlarmName"] for link in policy.get("Alarms", [])}:
                steps = policy["StepScalingPolicyConfiguration"]["StepAdjustments"]
                bounds = (step.get(key) for step in steps for key in _BOUNDS)
                found |= {alarm["Threshold"] + bound for bound in bounds if bound is not None}
    steps_of = {policy.name: policy.steps for policy in target.step_policies}
    for name, definition, alarm in ours:
        bounds = (bound for step in steps_of[name] for bound in (step.lower, step.upper))
        found = {definition.threshold + bound for bound in bounds if bound is not None}
        ends.setdefault(_metric(alarm), set()).update({definition.threshold, *found})
    return ends
