# ruff: noqa: INP001 - a folder of documents, not a package
"""Fill the generated blocks of the documents from the code, or check that they are up to date.

    python -m docs.generate            write them
    python -m docs.generate --check    name the documents that differ, and exit with 1

A block stands between `<!-- generated:NAME -->` and `<!-- /generated:NAME -->`. What the tables say
of keys, limits and defaults is asked of the validator itself, what they say of decisions is asked
of the engine: only the column "meaning" is written here by hand.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import re
import sys
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.explain import answer
from docs import costs
from quickstep import alarm_definitions, cycle, intake, progress, rounds, turns
from quickstep.alarm_events import read_event
from quickstep.aws import cloudwatch, sqs
from quickstep.config import ConfigError, read_target
from quickstep.engine.decide import decide
from quickstep.engine.model import Guards, Observation, Service, State
from quickstep.engine.outcome import Outcome
from quickstep.engine.proposal import RECHECK_SECONDS
from quickstep.wiring import CLIENT_CONFIG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"
EXAMPLE_POLICY = ROOT / "examples" / "policies" / "web.json"
DECISIONS = ROOT / "docs" / "decisions"
LAYER = ROOT / "layers" / "core" / "quickstep"
SIMULATION = ROOT / "tests" / "simulation"
DOCUMENTS = (
    ROOT / "docs" / "architecture.md",
    ROOT / "docs" / "costs.md",
    ROOT / "docs" / "policy-reference.md",
    DECISIONS / "README.md",
)

_BLOCK = re.compile(r"(<!-- generated:(\S+) -->\n).*?(<!-- /generated:\2 -->)", re.DOTALL)
_WIDTH = 100
_SHORT = 40


# --- outcomes -----------------------------------------------------------------------------------

MEANINGS = {
    Outcome.SCALED_OUT: "ECS accepted a larger desired count",
    Outcome.SCALED_IN: "ECS accepted a smaller desired count",
    Outcome.WOULD_SCALE: "the document says `DryRun`; nothing was called",
    Outcome.HELD_COOLDOWN: "an earlier change is still taking effect",
    Outcome.HELD_CAPACITY_ON_ITS_WAY: "with the tasks that are starting there will be enough",
    Outcome.HELD_WOULD_FLAP: "removing tasks would bring the breach back",
    Outcome.HELD_DEPLOYMENT: "no task is removed while a rollout is in progress",
    Outcome.HELD_AT_MAX: "no more tasks are allowed; the load may not be met",
    Outcome.HELD_AT_MIN: "no fewer tasks are allowed",
    Outcome.HELD_NOT_BREACHING: "no alarm in breach, no matching step, or one that changes nothing",
    Outcome.HELD_NO_DATA: "there is no number to act on; see the data rules",
    Outcome.HELD_PAUSED: "an operator stopped this direction, or wrote what cannot be read",
    Outcome.HELD_MUTED: "a mute rule or a suppressor is active, or its actions are disabled",
    Outcome.IGNORED_DUPLICATE: "the same transition of an alarm, or the same request, came twice",
    Outcome.IGNORED_STALE: (
        "a later transition or request was handled, a request is over 60 s old, or the time of "
        "either is over 60 s ahead"
    ),
    Outcome.LOST_RACE: "another evaluation held the lease; what set this one off comes back",
    Outcome.RECOVERED: "the lease's last holder changed capacity and died before its commit",
    Outcome.FAILED_THROTTLED: "AWS throttled all tries of the invocation; tried again later",
    Outcome.FAILED_NOT_FOUND: "no such cluster or service, or it is not ACTIVE",
    Outcome.FAILED_DENIED: "the function's role may not make the call",
    Outcome.FAILED_CONFIG: "the policy document is missing, breaks a rule, or has no such policy",
    Outcome.FAILED_OTHER: "any other error of a call to SSM or ECS; the sentence names it",
}


def outcomes() -> str:
    """Return the table of all outcomes."""
    used = _attributes(path for path in LAYER.rglob("*.py") if path.name != "outcome.py")
    rows = [
        (
            f"`{outcome}`",
            f"`{_template(outcome)}`",
            MEANINGS[outcome] + ("" if outcome.name in used else " (**not produced yet**)"),
        )
        for outcome in Outcome
    ]
    return _table(("Outcome", "Sentence", "Meaning"), rows)


def _template(outcome: Outcome) -> str:
    """Return the outcome's sentence with the names that a decision record uses."""
    sentence: Callable[..., str] = outcome.sentence
    return sentence(before="{from}", granted="{granted}", why="{why}")


def _attributes(paths: Iterable[Path]) -> set[str]:
    """Return the name of every attribute that the modules use, e.g. `HELD_AT_MAX`, `cooldown`."""
    return {
        node.attr
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }


# --- keys of the policy document ----------------------------------------------------------------

POLICY = "ScaleOutPolicies.high"
STEP = f"{POLICY}.StepAdjustments[0]"
GUARDS = "Guards"
_STEPS = [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]
_SAMPLE: dict[str, Any] = {
    "ResourceId": "service/prod/web",
    "MinCapacity": 0,
    "MaxCapacity": 5000,
    "ScaleOutPolicies": {
        "high": {"AdjustmentType": "PercentChangeInCapacity", "StepAdjustments": _STEPS}
    },
}
_NO_TYPE = object()  # a value of no JSON type: breaks the rule on the type, whatever it is
_HUGE = 10**6


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
            "seconds until a new task serves, see [load](#the-load-of-all-tasks)",
            _TASKS,
        ),
        Key(
            "PublishSeconds",
            "publish_seconds",
            10,
            "seconds between two samples of a task, see [load](#the-load-of-all-tasks)",
            _TASKS,
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
    ),
    POLICY: (
        Key(
            "AdjustmentType",
            "adjustment_type",
            "ChangeInCapacity",
            "what a step's number is, see [adjustment types](#adjustment-types)",
        ),
        Key(
            "StepAdjustments",
            "steps",
            _STEPS,
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
            "whether the metric is a value per task or of the whole service; not a key of AAS",
        ),
    ),
    STEP: (
        Key(
            "MetricIntervalLowerBound",
            "lower",
            0,
            "where the step begins, counted from the alarm's threshold; none: unbounded",
        ),
        Key(
            "MetricIntervalUpperBound",
            "upper",
            50,
            "where the step ends, counted likewise; none: unbounded",
            (_NO_TYPE, 0),
        ),
        Key(
            "ScalingAdjustment",
            "adjustment",
            1,
            "tasks, percent or a capacity, by `AdjustmentType`; at most 0 in a scale-in policy",
            (_NO_TYPE, -1),
        ),
    ),
    GUARDS: (
        Key("CapacityOnItsWay", "capacity_on_its_way", False, "count tasks that are starting"),
        Key("RisingTrend", "rising_trend", False, "scale for the load when new tasks serve"),
        Key("WouldFlap", "would_flap", False, "no removal that brings the breach back"),
        Key("Deployment", "deployment", False, "no removal during a rollout"),
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
                short.replace("<", "\\<"),
                _default(parent, key),
                f"`{example}`" if len(example) <= _SHORT else "see above",
                key.meaning,
            )
        )
    return _table(("Key", "Must be", "Default", "Example", "Meaning"), rows)


def _path(parent: str, key: str) -> str:
    return f"{parent}.{key}" if parent else key


def _default(parent: str, key: Key) -> str:
    if rules_broken(_path(parent, key.name), None, remove=True):
        return "required"
    if key.attribute == "in_direction":
        return "none"
    target = read_target(_SAMPLE)
    policy = target.policies[0]
    owners: dict[str, Any] = {POLICY: policy, STEP: policy.steps[0], GUARDS: target.guards}
    if parent == STEP:  # the sample has a lower bound, which is no default
        return "none"
    value = getattr(owners.get(parent, target), key.attribute)
    if isinstance(value, Guards):
        return "all on" if all(asdict(value).values()) else "some on"
    return "none" if value is None else f"`{json.dumps(value)}`"


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


# --- worked examples ----------------------------------------------------------------------------


def cases(name: str) -> str:
    """Return the policy document of `docs/examples/NAME.jsonl`, and a table of its decisions."""
    path = EXAMPLES / f"{name}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    targets = [json.loads(line)["target"] for line in lines]
    if any(target != targets[0] for target in targets):
        raise ValueError(f"{path} must have one target")
    rows = [_case(json.loads(line), answer(line)) for line in lines]
    table = _table(("Tasks", "Seen", "Asked for", "Outcome", "Reason"), rows)
    command = f"quickstep explain docs/examples/{path.name}"
    return f"{_document(targets[0])}\n\n{table}\n\nEach of them with its trail: `{command}`."


def _document(target: dict[str, Any]) -> str:
    """Return the target's document, or where to find it and in which keys it differs."""
    example = json.loads(EXAMPLE_POLICY.read_text(encoding="utf-8"))
    other = {key: value for key, value in target.items() if value != example.get(key)}
    if len(other) > 1:
        return f"```json\n{_pretty(target)}\n```"
    link = "[`examples/policies/web.json`](../examples/policies/web.json)"
    return f"With {link}{f' and `{json.dumps(other)}`' if other else ''}:"


def _case(case: dict[str, Any], decision: dict[str, Any]) -> tuple[str, ...]:
    seen = [_alarm(name, alarm) for name, alarm in case["alarms"].items()]
    if case["service"]["deployment_in_progress"]:
        seen.append("a rollout is in progress")
    service = case["service"]
    if service["running"] != service["desired"]:
        seen.append(f"{service['running']} of {service['desired']} tasks run")
    for direction, activity in case["history"].items():
        if activity:
            verb = "out" if direction == "scale_out" else "in"
            at = activity["at"].split("T")[1].rstrip("Z")
            seen.append(f"scaled {verb} from {activity['from']} to {activity['to']} at {at}")
    operators = [what for what in ("override", "pause") if case[what]]
    seen += [f"{what} `{json.dumps(case[what])}`" for what in operators]
    before, granted = decision["from"], decision["granted"]
    tasks = f"{before}" if before == granted else f"{before} → {granted}"
    return (
        tasks,
        "; ".join(seen),
        f"{decision['wanted']}",
        f"`{decision['outcome']}`",
        decision["reason"],
    )


def _alarm(name: str, alarm: dict[str, Any]) -> str:
    where = f"`{name}` {alarm['state']}"
    if not alarm["datapoints"] or alarm["threshold"] is None:
        return f"{where}, no datapoint"
    points = ", ".join(f"{point:g}" for point in alarm["datapoints"])
    metric = f" of {alarm['metric']}" if "metric" in alarm else ""
    before = ", ".join(_datapoint(point) for point in alarm.get("recent", ()))
    recent = f" (recent: {before})" if before else ""
    return f"{where}, {points}{metric} against {alarm['threshold']:g}{recent}"


def _datapoint(point: dict[str, Any]) -> str:
    at = point["at"].split("T")[1].rstrip("Z")
    samples = f" \N{MULTIPLICATION SIGN} {point['samples']:g}" if "samples" in point else ""
    return f"{at} {point['value']:g}{samples}"


def _pretty(value: Any, indent: int = 0) -> str:
    """Return JSON with whatever fits on a line on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if (indent and len(line) + indent <= _WIDTH) or not isinstance(value, dict | list):
        return line
    pad, end = " " * (indent + 2), " " * indent
    if isinstance(value, dict):
        members = [f"{pad}{json.dumps(k)}: {_pretty(v, indent + 2)}" for k, v in value.items()]
        return "{\n" + ",\n".join(members) + f"\n{end}}}"
    items = [f"{pad}{_pretty(item, indent + 2)}" for item in value]
    return "[\n" + ",\n".join(items) + f"\n{end}]"


# --- alarm shapes -------------------------------------------------------------------------------

SHAPES = {
    "alarm-high-step2.json": "single metric",
    "alarm-metric-math.json": "metric math",
    "alarm-insights.json": "Metrics Insights query",
    "alarm-anomaly.json": "anomaly detection",
    "alarm-composite.json": "composite",
    "alarm-logs.json": "log alarm",
    "alarm-no-reason-data.json": "no `reasonData` (`SetAlarmState`, a new alarm)",
    "alarm-insufficient-data.json": "single metric, no data",
    "alarm-muted.json": "muted by a mute rule",
    "alarm-suppressed.json": "composite, actions suppressed",
    "alarm-ok.json": "single metric, back to OK",
}


def shapes() -> str:
    """Return what each shape of alarm event comes to, with the example policy document."""
    target = read_target(json.loads(EXAMPLE_POLICY.read_text(encoding="utf-8")))
    rows = []
    for name, shape in SHAPES.items():
        event = json.loads((ROOT / "events" / name).read_text(encoding="utf-8"))
        transition = read_event(event)
        observation = Observation(Service(4, 4, 0), {transition.policy: transition.alarm})
        decision = decide(target, observation, State(), transition.at)
        link = f"[{name}](../events/{name})"
        rows.append((shape, link, f"`{decision.outcome}`", decision.reason))
    return _table(("Alarm", "Event", "Outcome with 4 tasks", "Reason"), rows)


# --- limits of the protocol -----------------------------------------------------------------------


def limits() -> str:
    """Return the table of the protocol's clocks and bounds, as code and template have them."""
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")

    calls: Any = CLIENT_CONFIG
    retries = calls.retries

    def set_to(key: str) -> int:
        (value,) = set(re.findall(rf"^ +{key}: (\d+)\b", template, re.MULTILINE))
        return int(value)

    rows = (
        ("function's timeout", set_to("Timeout"), "`template.yaml`"),
        ("attempts of a call", f"{retries['total_max_attempts']}", "`wiring.CLIENT_CONFIG`"),
        ("waiting for a connection", calls.connect_timeout, "`wiring.CLIENT_CONFIG`"),
        ("waiting for an answer", calls.read_timeout, "`wiring.CLIENT_CONFIG`"),
        ("lease, from the start of an evaluation", cycle.LEASE, "`cycle.LEASE`"),
        ("oldest event whose datapoints count", cycle.MAX_EVENT_AGE, "`MAX_EVENT_AGE_SECONDS`"),
        ("next look in a scale-out breach", RECHECK_SECONDS, "`proposal.RECHECK_SECONDS`"),
        ("next look for a newer datapoint", progress.NEWER_DATAPOINT, "`progress.NEWER_DATAPOINT`"),
        ("such looks in a row", f"{progress.MAX_LOOKS}", "`progress.MAX_LOOKS`"),
        ("a metric is read back", alarm_definitions.HISTORY, "`alarm_definitions.HISTORY`"),
        ("longest pause after a throttle", progress.LONGEST_BACKOFF, "`progress.LONGEST_BACKOFF`"),
        (
            "re-checks in a row after throttles",
            f"{progress.MAX_THROTTLES}",
            "`progress.MAX_THROTTLES`",
        ),
        (
            "longest pause before the line is looked at again",
            turns.LONGEST_WAIT,
            "`turns.LONGEST_WAIT`",
        ),
        ("a line that has not moved holds nobody up after", turns.STANDSTILL, "`turns.STANDSTILL`"),
        ("longest time in the line", turns.LONGEST_LINE, "`turns.LONGEST_LINE`"),
        ("races that a message may lose", f"{intake.MAX_RACES}", "`intake.MAX_RACES`"),
        ("a re-check counts as dead after its time by", progress.OVERDUE, "`progress.OVERDUE`"),
        ("alarms in a page", f"{cloudwatch.PAGE}", "`cloudwatch.PAGE`"),
        ("pages in one invocation", f"{rounds.PAGES}", "`rounds.PAGES`"),
        ("pause between pages", rounds.PAGE_PAUSE, "`rounds.PAGE_PAUSE`"),
        ("targets before the queue is used", f"{rounds.INLINE_TARGETS}", "`rounds.INLINE_TARGETS`"),
        ("time before the queue is used", rounds.INLINE_TIME, "`rounds.INLINE_TIME`"),
        ("DescribeServices of a heartbeat", f"{rounds.CALLS}", "`rounds.CALLS`"),
        ("longest delay of a message", sqs.LONGEST_DELAY, "`sqs.LONGEST_DELAY`"),
        ("a message that failed comes back after", set_to("VisibilityTimeout"), "`template.yaml`"),
        ("deliveries of a message", f"{set_to('maxReceiveCount')}", "`template.yaml`"),
    )
    return _table(("What", "Value", "Where"), ((a, _value(b), c) for a, b, c in rows))


def _value(value: timedelta | float | str) -> str:
    if isinstance(value, str):
        return value
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    return f"{seconds:g} s"


# --- the fault simulation -------------------------------------------------------------------------


def invariants() -> str:
    """Return what the simulation checks after each run, from the names of its checks."""
    names = (
        name.strip("_").replace("_", " ").replace("ecs", "ECS") for name in _called("violations")
    )
    return "\n".join(f"- {name}" for name in names)


def _called(name: str) -> list[str]:
    """Return which private functions a function of the simulation's invariants calls, in order."""
    tree = ast.parse((SIMULATION / "invariants.py").read_text(encoding="utf-8"))
    (function,) = (
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name
    )
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return [call.id for call in calls if isinstance(call, ast.Name) and call.id.startswith("_")]


def planted_bugs() -> str:
    """Return the bugs that the simulation has to find."""
    tree = ast.parse((SIMULATION / "mutations.py").read_text(encoding="utf-8"))
    (bugs,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "MUTATIONS"
    )
    assert isinstance(bugs, ast.Dict)  # noqa: S101 - else the simulation has none
    return "\n".join(f"- {ast.literal_eval(key)}" for key in bugs.keys if key)


# --- decision records ---------------------------------------------------------------------------


def adr_index() -> str:
    """Return the table of the decision records, by number."""
    rows = []
    for path in sorted(DECISIONS.glob("[0-9]*.md")):
        text = path.read_text(encoding="utf-8")
        number, title = text.splitlines()[0].removeprefix("# ").split(" ", 1)
        status = re.search(r"^- Status: (.+)$", text, re.MULTILINE)
        date = re.search(r"^- Date: (.+)$", text, re.MULTILINE)
        if not status or not date:
            raise ValueError(f"{path} must have a status and a date")
        rows.append((number, f"[{title}]({path.name})", status[1], date[1]))
    return _table(("No.", "Decision", "Status", "Date"), rows)


# --- costs --------------------------------------------------------------------------------------


def _tabled(rows: Callable[[], list[tuple[str, ...]]]) -> str:
    """Return the table of rows of which the first is the head."""
    head, *others = rows()
    return _table(head, others)


# --- blocks -------------------------------------------------------------------------------------

BLOCKS: dict[str, Callable[[], str]] = {
    "outcomes": outcomes,
    "keys-document": partial(keys, ""),
    "keys-policy": partial(keys, POLICY),
    "keys-step": partial(keys, STEP),
    "keys-guards": partial(keys, GUARDS),
    "shapes": shapes,
    "decisions": adr_index,
    "limits": limits,
    "invariants": invariants,
    "planted-bugs": planted_bugs,
    **{name: partial(_tabled, rows) for name, rows in costs.BLOCKS.items()},
    **{f"cases:{path.stem}": partial(cases, path.stem) for path in EXAMPLES.glob("*.jsonl")},
}


def filled(text: str) -> str:
    """Return a document's text with every generated block up to date."""
    return _BLOCK.sub(lambda block: f"{block[1]}\n{BLOCKS[block[2]]()}\n\n{block[3]}", text)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> int:
    """Write the blocks, or with --check name the documents in which they differ."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 on drift")
    check = parser.parse_args().check
    drifted = 0
    for path in DOCUMENTS:
        before = path.read_text(encoding="utf-8")
        after = filled(before)
        if before == after:
            continue
        drifted += 1
        if not check:
            path.write_text(after, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)} {'differs' if check else 'written'}\n")
    return 1 if check and drifted else 0


if __name__ == "__main__":
    sys.exit(main())
