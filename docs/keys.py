# ruff: noqa: INP001 - a folder of documents, not a package
"""Tables for the policy document's keys. Rules and defaults come from the validator itself.

Only the column "meaning" is written here by hand.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from typing import Any

from docs.tables import table
from quickstep.config import PRESETS, ConfigError, Preset, read_target
from quickstep.engine import patience, target_policy
from quickstep.engine.model import Direction, Guard, TargetPolicy

TARGET = "TargetTrackingPolicies.request-rate"
QUEUE = "QueuePolicies.jobs"
POLICY = "ScaleInPolicies.low"  # it has every key of steps
STEP = "ScaleOutPolicies.high.StepAdjustments[0]"
GUARDS = "Guards"
_STEPS = [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]
_STEPS_BACK = [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": -1}]
_SAMPLE: dict[str, Any] = {
    "ResourceId": "service/prod/web",
    "MinCapacity": 0,
    "MaxCapacity": 5000,
    "TargetTrackingPolicies": {"request-rate": {"TargetValue": 100}},
    "QueuePolicies": {"jobs": {"QueueName": "jobs", "SecondsPerJob": 2}},
    "ScaleOutPolicies": {
        "high": {"AdjustmentType": "PercentChangeInCapacity", "StepAdjustments": _STEPS}
    },
    "ScaleInPolicies": {
        "low": {"AdjustmentType": "PercentChangeInCapacity", "StepAdjustments": _STEPS_BACK}
    },
}
_NO_TYPE = object()  # a value of no JSON type: breaks the rule on the type, whatever it is
_HUGE = 10**6
_SHORT = 40
"""Characters of an example that fit into its column."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the policy document: where it ends up, and values that show its rules."""

    name: str
    attribute: str
    example: Any
    meaning: str
    wrong: tuple[Any, ...] = (_NO_TYPE,)


_TASKS = (_NO_TYPE, -1, _HUGE)
KEYS = {
    "": (
        Key(
            "ResourceId",
            "resource_id",
            "service/prod/web",
            "the ECS service, as AAS names it",
            (_NO_TYPE, "web"),
        ),
        Key("MinCapacity", "min_capacity", 2, "fewest tasks, see [bounds](#bounds)", _TASKS),
        Key("MaxCapacity", "max_capacity", 40, "most tasks, see [bounds](#bounds)", _TASKS),
        Key(
            "TargetTrackingPolicies",
            "in_direction",
            {"request-rate": {"TargetValue": 100}},
            "policies that size the service in both directions, by name, see "
            "[target policies](#target-policies)",
        ),
        Key(
            "QueuePolicies",
            "in_direction",
            {"jobs": {"QueueName": "jobs", "SecondsPerJob": 2}},
            "queues that the service works through, by name, see [queue policies](#queue-policies)",
        ),
        Key(
            "Preset",
            "preset",
            "aggressive",
            "how much idle capacity target and queue policies may cost, see [presets](#presets)",
        ),
        Key(
            "ScaleOutPolicies",
            "in_direction",
            _SAMPLE["ScaleOutPolicies"],
            "policies that may add tasks, by name",
        ),
        Key("ScaleInPolicies", "in_direction", {}, "policies that may remove tasks, by name"),
        Key(
            "WarmupSeconds",
            "warmup_seconds",
            60,
            "seconds from a task's launch until it serves, see [load](#the-load-of-all-tasks)",
            _TASKS,
        ),
        Key(
            "PublishSeconds",
            "publish_seconds",
            10,
            "seconds between a task's samples, see [load](#the-load-of-all-tasks)",
            _TASKS,
        ),
        Key(
            "DeregistrationDelaySeconds",
            "deregistration_delay_seconds",
            30,
            "seconds that a removed task may drain, as in the target group, see "
            "[load](#the-load-of-all-tasks)",
            (_NO_TYPE, -1, _HUGE),
        ),
        Key(
            "MaxAdjustmentMagnitude",
            "max_adjustment_magnitude",
            20,
            "most tasks that one step adds or removes, see [largest step](#largest-step)",
            (_NO_TYPE, 0, _HUGE),
        ),
        Key("Guards", "guards", {"Deployment": False}, "see [guards](#guards)"),
        Key("DryRun", "dry_run", True, "decide and record, change nothing"),
        Key(
            "$schema",
            "schema",
            "policy.schema.json",
            "ignored; for editors that check a document against a schema",
            (),
        ),
    ),
    TARGET: (
        Key(
            "TargetValue",
            "target_value",
            100,
            "load that one task should carry, in the metric's unit",
            (_NO_TYPE, 0),
        ),
        Key(
            "MetricScope",
            "metric_scope",
            "Total",
            "whether the metric is per task or for the whole service, like a backlog; not in AAS",
        ),
        Key(
            "ScaleOutCooldown",
            "scale_out_cooldown",
            30,
            "seconds from one scale-out to the next, however large the load",
            _TASKS,
        ),
        Key(
            "ScaleInCooldown",
            "scale_in_cooldown",
            60,
            "seconds from one scale-in to the next",
            _TASKS,
        ),
        Key("DisableScaleIn", "disable_scale_in", True, "only ever add tasks"),
        Key(
            "ScaleInWindow",
            "scale_in_window",
            300,
            "shortest time that an idle task is kept, in seconds, see [giving back](#giving-back); "
            "not in AAS",
            (_NO_TYPE, -1, _HUGE),
        ),
    ),
    QUEUE: (
        Key(
            "QueueName",
            "queue_name",
            "jobs",
            "the SQS queue, in the scaler's account and Region",
            (_NO_TYPE, "a/b"),
        ),
        Key(
            "SecondsPerJob",
            "seconds_per_job",
            2,
            "how long one job takes, on average",
            (_NO_TYPE, 0),
        ),
        Key(
            "SlotsPerTask",
            "slots_per_task",
            4,
            "jobs that one task works on at a time",
            (_NO_TYPE, 0, _HUGE),
        ),
        Key(
            "DrainSeconds",
            "drain_seconds",
            60,
            "seconds within which waiting jobs should be worked off",
            (_NO_TYPE, 0, _HUGE),
        ),
        Key(
            "ScaleInWindow",
            "scale_in_window",
            120,
            "shortest time that an idle task is kept, in seconds, see [giving back](#giving-back)",
            (_NO_TYPE, -1, _HUGE),
        ),
    ),
    POLICY: (
        Key(
            "AdjustmentType",
            "adjustment_type",
            "ChangeInCapacity",
            "what a step's number means, see [adjustment types](#adjustment-types)",
        ),
        Key(
            "StepAdjustments",
            "steps",
            _STEPS_BACK,
            "see [steps](#steps)",
            (_NO_TYPE, []),
        ),
        Key("Cooldown", "cooldown", 10, "seconds, see [cooldown](#cooldown)", _TASKS),
        Key(
            "MinAdjustmentMagnitude",
            "min_adjustment_magnitude",
            2,
            "fewest tasks that a percentage moves",
            (_NO_TYPE, 0, _HUGE),
        ),
        Key(
            "MetricAggregationType",
            "aggregation",
            "Maximum",
            "how the datapoints of the alarm's window become one value",
        ),
        Key(
            "MetricScope",
            "metric_scope",
            "PerTask",
            "whether the metric is per task or for the whole service; not in AAS",
        ),
        Key(
            "ScaleInWindow",
            "scale_in_window",
            120,
            "for scale-in: shortest time that an idle task is kept, in seconds, see "
            "[giving back](#giving-back); not in AAS",
            (_NO_TYPE, -1, _HUGE),
        ),
    ),
    STEP: (
        Key(
            "MetricIntervalLowerBound",
            "lower",
            0,
            "where the step begins, relative to the alarm's threshold; unbounded if omitted",
        ),
        Key(
            "MetricIntervalUpperBound",
            "upper",
            50,
            "where the step ends, likewise; unbounded if omitted",
            (_NO_TYPE, 0),
        ),
        Key(
            "ScalingAdjustment",
            "adjustment",
            1,
            "tasks, percent or a capacity, depending on `AdjustmentType`; at most 0 in a scale-in "
            "policy",
            (_NO_TYPE, -1),
        ),
    ),
    GUARDS: (
        Key(Guard.CAPACITY_ON_ITS_WAY, "guards", False, "count starting tasks"),
        Key(Guard.RISING_TREND, "guards", False, "scale for the load at the time new tasks serve"),
        Key(Guard.WOULD_FLAP, "guards", False, "make no removal that would bring the breach back"),
        Key(Guard.DEPLOYMENT, "guards", False, "remove no task during a rollout"),
    ),
}


def known_keys(parent: str) -> list[str]:
    """Return the keys that the validator knows below `parent`, required ones first."""
    (rule,) = rules_broken(_path(parent, "?"), 0)
    return rule.split("known are ")[1].split(", ")


def keys(parent: str) -> str:
    """Return the table of the keys below `parent`."""
    rows = []
    for key in KEYS[parent]:
        path = _path(parent, key.name)
        rules = dict.fromkeys(rule for value in key.wrong for rule in rules_broken(path, value))
        short = "; ".join(rule.removeprefix("must be ").removeprefix("must ") for rule in rules)
        example = json.dumps(key.example)
        rows.append(
            (
                f"`{key.name}`",
                (short or "anything").replace("<", "\\<"),
                _default(parent, key),
                f"`{example}`" if len(example) <= _SHORT else "see above",
                key.meaning,
            )
        )
    return table(("Key", "Must be", "Default", "Example", "Meaning"), rows)


def presets() -> str:
    """Return the table of what each preset sets, as the validator gives it to a target policy."""
    rows = []
    for preset in PRESETS:
        (policy,) = _tracking(preset)
        rows.append(
            (
                f"`{preset}`",
                f"{policy.scale_in_window} s",
                f"{policy.scale_in_cooldown} s",
                f"{policy.kept_share:.0%}".replace("%", " %"),
                f"{policy.tolerance:.0%}".replace("%", " %"),
            )
        )
    head = (
        "`Preset`",
        "`ScaleInWindow`",
        "`ScaleInCooldown`",
        "share of the peak kept",
        "excess over the target that is ignored",
    )
    return table(head, rows)


def queue_presets() -> str:
    """Return the table of what each preset sets of a queue policy, as the validator gives it."""
    rows = []
    for preset in PRESETS:
        (policy,) = read_target(sample_with("Preset", preset)).queues
        share = f"{policy.kept_share:.0%}".replace("%", " %")
        times = f"{policy.drain_seconds} s", f"{policy.scale_in_window} s"
        rows.append((f"`{preset}`", *times, share))
    return table(("`Preset`", "`DrainSeconds`", "`ScaleInWindow`", "share of the peak kept"), rows)


def numbers() -> str:
    """Return the table of the numbers behind sizing and giving back that no key sets."""
    fine, step = patience.FINE_LEVELS, f"{patience.LEVEL_STEP - 1:.0%}".replace("%", " %")
    rows = (
        ("the last minute", f"{target_policy.STEADY_SECONDS} s", "STEADY_SECONDS"),
        (
            "excess in its mean that is ignored",
            f"{target_policy.STEADY_TOLERANCE:.0%}".replace("%", " %"),
            "STEADY_TOLERANCE",
        ),
        ("differences in which a rise must show", f"{target_policy.RISES}", "RISES"),
        (
            "excess over what tasks should carry, in standard deviations of the load's noise",
            f"{target_policy.SURE:g}",
            "SURE",
        ),
        (
            "most growth from a signal that saturates at a full task",
            f"{target_policy.MOST_RATIO:g} times",
            "MOST_RATIO",
        ),
        ("longest window", f"{patience.LONGEST_WINDOW} s", "LONGEST_WINDOW"),
        ("a task is missed soon if needed again within", f"{patience.SOON} windows", "SOON"),
        ("if missed later, its window becomes", f"{patience.SHRINK:g} times as long", "SHRINK"),
        ("how long a share of the peak stays", f"{patience.PEAK_SECONDS} s", "PEAK_SECONDS"),
        ("task numbers that learn alone", f"1 to {fine}", "FINE_LEVELS"),
        ("above, numbers share what they learn within", step, "LEVEL_STEP"),
    )
    modules = {True: "patience", False: "target_policy"}
    return table(
        ("What", "Value", "Where"),
        [(what, value, f"`{modules[hasattr(patience, n)]}.{n}`") for what, value, n in rows],
    )


def _tracking(preset: Preset | None = None) -> list[TargetPolicy]:
    """Return the target policies of the sample document, with a preset or with none."""
    document = sample_with("Preset", preset, remove=preset is None)
    every = read_target(document).policies
    return [policy for policy in every if isinstance(policy, TargetPolicy)]


def _path(parent: str, key: str) -> str:
    return f"{parent}.{key}" if parent else key


def _default(parent: str, key: Key) -> str:
    if rules_broken(_path(parent, key.name), None, remove=True):
        return "required"
    if key.attribute in ("in_direction", "schema") or parent == STEP:
        return "none"  # also of a step: the sample has a lower bound, which is no default
    target = read_target(_SAMPLE)
    if parent == GUARDS:
        return f"`{json.dumps(key.name in target.guards)}`"
    value = _preset() if key.attribute == "preset" else getattr(_owner(parent), key.attribute)
    if key.attribute == "guards":
        return "all on" if value == frozenset(Guard) else "some on"
    return "none" if value is None else f"`{json.dumps(value)}`"


def _owner(parent: str) -> Any:
    """Return what the sample document's keys below `parent` end up in."""
    target = read_target(_SAMPLE)
    steps = next(one for one in target.step_policies if one.direction is Direction.IN)
    owners = {POLICY: steps, TARGET: _tracking()[0], QUEUE: target.queues[0]}
    return owners.get(parent, target)


def _preset() -> Preset:
    """Return the preset that a document without one has."""
    (same,) = (one for one in Preset if _tracking(one) == _tracking())
    return same


def sample_with(path: str, value: Any, *, remove: bool = False) -> dict[str, Any]:
    """Return the sample document with one value set, or one key removed."""
    document = copy.deepcopy(_SAMPLE)
    *parents, last = re.findall(r"[^.\[\]]+", path)
    at: Any = document
    for part in parents:
        at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
    if remove:
        at.pop(last, None)
    else:
        at[last] = value
    return document


def rules_broken(path: str, value: Any, *, remove: bool = False) -> list[str]:
    """Return what the validator says of `path` when it holds `value`, or is missing."""
    try:
        read_target(sample_with(path, value, remove=remove))
    except ConfigError as error:
        return [problem.rule for problem in error.problems if problem.path == path]
    return []
