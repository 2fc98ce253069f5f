# ruff: noqa: INP001 - a folder of documents, not a package
"""Worked examples, as the engine decides them: decisions, and each shape of alarm event."""

from __future__ import annotations

import json
from typing import Any

from docs.tables import ROOT, table
from quickstep.alarms.event import read_event
from quickstep.config import read_target
from quickstep.engine.decide import decide
from quickstep.engine.model import Observation, Service, State
from quickstep_cli.explain import answer

EXAMPLES = ROOT / "docs" / "examples"
EXAMPLE_POLICY = ROOT / "examples" / "policies" / "web.json"
_WIDTH = 100


def cases(name: str) -> str:
    """Return the policy document of `docs/examples/NAME.jsonl`, and a table of its decisions."""
    path = EXAMPLES / f"{name}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    targets = [json.loads(line)["target"] for line in lines]
    if any(target != targets[0] for target in targets):
        raise ValueError(f"{path} must have one target")
    rows = [_case(json.loads(line), answer(line)) for line in lines]
    decided = table(("Tasks", "Seen", "Asked for", "Outcome", "Reason"), rows)
    command = f"quickstep explain docs/examples/{path.name}"
    return f"{_document(targets[0])}\n\n{decided}\n\nTo print their trails: `{command}`."


def _document(target: dict[str, Any]) -> str:
    """Return the target's document, or where to find it and in which keys it differs."""
    example = json.loads(EXAMPLE_POLICY.read_text(encoding="utf-8"))
    other = {key: value for key, value in target.items() if value != example.get(key)}
    if len(other) > 1:
        return f"```json\n{_pretty(target)}\n```"
    link = "[`examples/policies/web.json`](../examples/policies/web.json)"
    default = "".join(f", without `{key}`" for key in example if key not in target)
    return f"With {link}{f' and `{json.dumps(other)}`' if other else ''}{default}:"


def _case(case: dict[str, Any], decision: dict[str, Any]) -> tuple[str, ...]:
    seen = [_alarm(name, alarm) for name, alarm in case["alarms"].items()]
    seen += [_queue(name, queue) for name, queue in case.get("queues", {}).items()]
    if case["service"]["deployment_in_progress"]:
        seen.append("a rollout is in progress")
    service = case["service"]
    if service["running"] != service["desired"]:
        seen.append(f"{service['running']} of {service['desired']} tasks running")
    if case.get("draining"):
        seen.append(f"{case['draining']} removed tasks draining")
    launches = case.get("launches", ())
    seen += [f"{launch['count']} launched at {_time(launch['at'])}" for launch in launches]
    for direction, activity in case["history"].items():
        if activity:
            verb = "out" if direction == "scale_out" else "in"
            at = _time(activity["at"])
            seen.append(f"scaled {verb} from {activity['from']} to {activity['to']} at {at}")
    seen += [_remembered(known) for known in case.get("memory", {}).values()]
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


def _queue(name: str, queue: dict[str, Any] | None) -> str:
    """Return a queue's reading in words. Example: `jobs` 120 waiting (empty at 09:59:50)."""
    if queue is None:
        return f"`{name}` unreadable"
    words = {"visible": "waiting", "in_flight": "in flight", "delayed": "delayed"}

    def counts(of: dict[str, Any]) -> str:
        return ", ".join(f"{of[key]} {word}" for key, word in words.items() if of.get(key))

    before = queue.get("before")
    earlier = f" ({counts(before) or 'empty'} at {_time(before['at'])})" if before else ""
    return f"`{name}` {counts(queue) or 'empty'}{earlier}"


def _alarm(name: str, alarm: dict[str, Any] | None) -> str:
    if alarm is None:
        return f"`{name}` not known"
    where = f"`{name}` {alarm['state']}"
    metric = f" of {alarm['metric']}" if "metric" in alarm else ""
    if not alarm["datapoints"] or alarm["threshold"] is None:
        return f"{where}, no datapoint{metric}"
    points = ", ".join(f"{point:g}" for point in alarm["datapoints"])
    before = ", ".join(_datapoint(point) for point in alarm.get("recent", ()))
    recent = f" (recent: {before})" if before else ""
    return f"{where}, {points}{metric} against {alarm['threshold']:g}{recent}"


def _remembered(known: dict[str, Any]) -> str:
    """Return what giving back has learned: needs, and each task's window if it has changed."""
    needs = ", ".join(f"{need['tasks']} at {_time(need['at'])}" for need in known["needs"])
    levels = (
        f"; task {level['top']}, missed {sum(level['missed'])} of the last "
        f"{len(level['missed'])} times, is kept for {level['window']} s"
        for level in known["levels"]
    )
    return f"last needed: {needs}{''.join(levels)}"


def _time(moment: str) -> str:
    return moment.split("T")[1].rstrip("Z")


def _datapoint(point: dict[str, Any]) -> str:
    at = _time(point["at"])
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


# --- alarm shapes ---------------------------------------------------------------------------------

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
    """Return the decision for each shape of alarm event, with the example policy document."""
    target = read_target(json.loads(EXAMPLE_POLICY.read_text(encoding="utf-8")))
    rows = []
    for name, shape in SHAPES.items():
        event = json.loads((ROOT / "events" / name).read_text(encoding="utf-8"))
        transition = read_event(event)
        observation = Observation(Service(4, 4, 0), {transition.policy: transition.alarm})
        decision = decide(target, observation, State(), transition.at)
        link = f"[{name}](../events/{name})"
        rows.append((shape, link, f"`{decision.outcome}`", decision.reason))
    return table(("Alarm", "Event", "Outcome with 4 tasks", "Reason"), rows)
