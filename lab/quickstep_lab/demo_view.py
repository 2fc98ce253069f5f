"""Shows a run of the demo in a terminal, as a live view or as plain lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from quickstep.engine.model import AlarmState
from quickstep.engine.outcome import Outcome
from quickstep.naming import parse_alarm_name
from quickstep_lab.clock import LOOK_SECONDS
from quickstep_lab.cloudwatch import VISIBILITY_DELAY
from quickstep_lab.demo_summary import SURGE
from quickstep_lab.race import MODELS, enough, race_of, sentence
from quickstep_lab.snapshot import Plan, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from rich.console import Console, RenderableType

    from quickstep_lab.demo_summary import Answer, Desired, Summary
    from quickstep_lab.race import Lane, Race

Show = Callable[[Sequence[Snapshot]], None]
"""Shows the run so far; called after each second."""

LINE_SECONDS = 5
CHART_HEIGHT = 5
DECISIONS_SHOWN = 5
_WIDE, _NUMBERS = 110, 46
"""Columns of a terminal with room for a scaler's numbers, and how many they take."""
_BLOCKS = " ▁▂▃▄▅▆▇█"
_STATE_STYLES = {
    AlarmState.OK: "green",
    AlarmState.ALARM: "bold red",
    AlarmState.INSUFFICIENT_DATA: "yellow",
}


def view(console: Console, plan: Plan, rivals: Sequence[Lane] = ()) -> AbstractContextManager[Show]:
    """Return the view that suits the console."""
    redraws = console.is_terminal and not console.is_dumb_terminal
    return _live(console, plan, rivals) if redraws else _lines(console)


@contextmanager
def _live(console: Console, plan: Plan, rivals: Sequence[Lane]) -> Iterator[Show]:
    # No thread of its own: it could write into the log while the scaler prints there.
    with Live(console=console, auto_refresh=False) as live:

        def show(snapshots: Sequence[Snapshot]) -> None:
            race = race_of(plan, snapshots, rivals)
            live.update(frame(snapshots, plan, console.width, race), refresh=True)

        yield show


@contextmanager
def _lines(console: Console) -> Iterator[Show]:
    last: Mapping[str, Any] | None = None

    def show(snapshots: Sequence[Snapshot]) -> None:
        nonlocal last
        newest = snapshots[-1]
        for line in lines(newest, last):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        last = newest.decisions[-1] if newest.decisions else last

    yield show


def lines(snapshot: Snapshot, last: Mapping[str, Any] | None = None) -> list[str]:
    """Return the lines for one second: its decisions, and the state every 5 s.

    `last` is the decision before them: a repetition of the same kind is shown in few words.
    """
    load, said = snapshot.load, []
    for record in snapshot.decisions:
        still = f"{_cause(record['trigger'])}: unchanged."
        why = still if last and _repeats(last, record) else _why(record)
        said.append(f"{_clock(snapshot.made_at(record))}  {record['outcome']}  {why}")
        last = record
    if (snapshot.second + 1) % LINE_SECONDS == 0:
        alarms = "  ".join(f"{alarm.policy} {alarm.state}" for alarm in snapshot.alarms)
        said.append(
            f"{_clock(snapshot.second + 1)}  {load.requests:.0f} requests/s, "
            f"{load.per_task:.0f} per task, {load.failed:.0f} failed  "
            f"desired {snapshot.desired}, serving {snapshot.serving}  {alarms}".rstrip()
        )
    return said


def _why(record: Mapping[str, Any]) -> str:
    """Return e.g. `high-request-rate went to OK. Kept 2 ...`: cause, reason, and how fast."""
    latency = record["alarm_to_update_ms"]
    accepted = "" if latency is None else f" UpdateService accepted after {latency} ms."
    return f"{_cause(record['trigger'])}. {record['reason'].removesuffix('.')}.{accepted}"


def _cause(trigger: Mapping[str, Any]) -> str:
    if trigger["kind"] != "alarm":
        return str(trigger["kind"]).capitalize()
    named = parse_alarm_name(trigger["alarm"])
    policy = named[1] if named else trigger["alarm"]
    return f"{policy} went to {trigger['state']}"


def _repeats(before: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Return whether a record only repeats that an earlier look changed nothing.

    Such looks are re-checks and surges. If capacity changed in between, their results differ.
    """
    kinds = {one["trigger"]["kind"] for one in (before, record)}
    return (
        kinds in ({"re-check"}, {SURGE})
        and before["outcome"] == record["outcome"]
        and not Outcome(record["outcome"]).changes_capacity
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """A decision for display: when it was made, and how many before it said the same."""

    at: float
    record: Mapping[str, Any]
    repeated: int = 0


def _newest(snapshots: Sequence[Snapshot], most: int) -> list[_Shown]:
    """Return the newest decisions, newest first; repetitions are represented by the newest."""
    shown: list[_Shown] = []
    for shot in reversed(snapshots):
        for record in reversed(shot.decisions):
            if shown and _repeats(record, shown[-1].record):
                shown[-1] = replace(shown[-1], repeated=shown[-1].repeated + 1)
            elif len(shown) == most:
                return shown
            else:
                shown.append(_Shown(shot.made_at(record), record))
    return shown


def _clock(at: float) -> str:
    seconds = int(at)
    return f"{seconds // 60:02}:{seconds % 60:02}"


def frame(snapshots: Sequence[Snapshot], plan: Plan, width: int, race: Race) -> RenderableType:
    """Return the live view of the run so far, for a terminal `width` columns wide."""
    newest = snapshots[-1]
    title = f"{plan.traffic.name}  {_clock(newest.second + 1)} of {_clock(plan.seconds)}"
    chart = _load_chart(snapshots, width - 4)
    return Group(
        Panel(Group(chart, _tasks(newest)), title=title, border_style="dim"),
        _race(race, width),
        _alarms(newest),
        Text(),
        _decisions(snapshots),
    )


def _load_chart(snapshots: Sequence[Snapshot], width: int) -> Text:
    """Return the load per task, one column per second, with the thresholds as lines."""
    shown = snapshots[-width:]
    newest = shown[-1]
    values = [shot.load.per_task for shot in shown]
    styles = ["red" if shot.load.failed else "cyan" for shot in shown]
    thresholds = [alarm.threshold for alarm in newest.alarms]
    top = max([*values, *(1.2 * threshold for threshold in thresholds), 1.0])
    load = newest.load
    chart = Text(no_wrap=True, overflow="crop")
    chart.append(f"{load.per_task:.0f} requests/s per task", "bold")
    chart.append(f"   {load.requests:.0f} in all")
    if load.failed:
        chart.append(f", {load.failed:.0f} of them fail", "red")
    marked = {int(threshold / top * CHART_HEIGHT): threshold for threshold in thresholds}
    for row in reversed(range(CHART_HEIGHT)):
        chart.append("\n")
        empty = "┄" if row in marked else " "
        for value, style in zip(values, styles, strict=True):
            eighths = min(8, max(0, round((value / top * CHART_HEIGHT - row) * 8)))
            chart.append(*((_BLOCKS[eighths], style) if eighths else (empty, "dim")))
        label = f" {marked[row]:g} " if row in marked else ""
        chart.append(label.ljust(width - len(values), empty)[: width - len(values)], "dim")
    return chart


def _tasks(snapshot: Snapshot) -> Text:
    text = Text(f"desired {snapshot.desired}   serving {snapshot.serving} ")
    text.append("●" * snapshot.serving, "green")
    if snapshot.next_serving_in is not None:
        text.append(f"   starting {snapshot.starting} ")
        text.append("○" * snapshot.starting, "yellow")
        text.append(f" the next serves in {snapshot.next_serving_in:.0f} s")
    if draining := len(snapshot.load.draining):
        text.append(f"   draining {draining}")
    return text


def _race(race: Race, width: int) -> RenderableType:
    """Return one row per scaler on a shared axis: failed requests in red, and their sum."""
    if len(race.lanes) == 1:
        return Group()
    names = max(len(lane.name) for lane in race.lanes)
    numbers = [_numbers(race, lane, short=width < _WIDE) for lane in race.lanes]
    columns = max(4, width - names - max(map(len, numbers)) - 4)
    top = max((load for lane in race.lanes for load in lane.requests), default=0.0)
    table = Table.grid(padding=(0, 1))
    for lane, said in zip(race.lanes, numbers, strict=True):
        table.add_row(f" {lane.name}", _strip(race, lane, columns, top), said)
    return Group(table, Text(" AWS's scalers: the simulator's models, on the same traffic.", "dim"))


def _strip(race: Race, lane: Lane, columns: int, top: float) -> Text:
    """Return a strip of failures relative to the highest load, one column for several seconds."""
    text = Text(no_wrap=True, overflow="crop")
    for column in range(columns):
        first, last = (race.seconds * (column + n) // columns for n in (0, 1))
        failed = lane.failed[first : max(last, first + 1)]
        if not failed:
            text.append("┄", "dim")
        elif share := max(failed) / top if top else 0:
            text.append(_BLOCKS[min(8, max(1, round(share * 8)))], "red")
        else:
            text.append("▁", "green")
    return text


def _numbers(race: Race, lane: Lane, *, short: bool) -> str:
    failed = f"{lane.lost:>7,.0f} failed"
    if short or race.surge_at is None:
        return failed
    return f"{failed}, enough tasks: {enough(race, lane)}".ljust(_NUMBERS)


def _alarms(snapshot: Snapshot) -> RenderableType:
    table = Table.grid(padding=(0, 3))
    for alarm in snapshot.alarms:
        newest = "no data" if alarm.newest is None else f"saw {alarm.newest:.0f}"
        state = Text(str(alarm.state), _STATE_STYLES[alarm.state])
        table.add_row(f" {alarm.policy}", alarm.condition, newest, state)
    return table


def _decisions(snapshots: Sequence[Snapshot]) -> RenderableType:
    """Return the decisions newest first, so that a short terminal crops the oldest."""
    table = Table.grid(padding=(0, 1))
    for shown in _newest(snapshots, DECISIONS_SHOWN):
        outcome = Outcome(shown.record["outcome"])
        times = f" x{shown.repeated + 1}" if shown.repeated else ""
        said = Text(f"{outcome}{times}", _outcome_style(outcome))
        said.append(f"  {_why(shown.record)}", "default not bold")
        table.add_row(Text(f" {_clock(shown.at)}", "dim"), said)
    return table


def _outcome_style(outcome: Outcome) -> str:
    if outcome.failed:
        return "bold red"
    return "bold green" if outcome.changes_capacity else "yellow"


def print_end(console: Console, plan: Plan, summary: Summary, race: Race) -> None:
    """Print what was measured, what is modelled, and then the race's result."""
    console.print(summary_table(summary, plan))
    console.print()
    if len(race.lanes) > 1:
        console.print(_result(race))
        console.print(sentence(race), markup=False, highlight=False, style="bold")


def _result(race: Race) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("", no_wrap=True)
    table.add_column("Surge to enough tasks", justify="right")
    table.add_column("Failed requests", justify="right", style="red")
    for lane in race.lanes:
        table.add_row(lane.name, enough(race, lane), f"{lane.lost:,.0f}")
    return table


def summary_table(summary: Summary, plan: Plan) -> Table:
    """Return the run in figures, with what is real and what is modelled."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, text in _figures(summary, plan):
        table.add_row(name, text)
    return table


def _figures(summary: Summary, plan: Plan) -> Iterator[tuple[str, str]]:
    share = summary.failed / summary.requests if summary.requests else 0
    yield "Traffic", f"{plan.traffic.name}, {summary.seconds} s"
    yield from _answer(summary)
    yield "Desired count", " → ".join(_desired(summary.desired))
    yield "Evaluations", _evaluations(summary.evaluations)
    counts = f"{summary.requests:,.0f}, of which {summary.served:,.0f} were served"
    last = f", none after second {summary.last_failed}" if summary.last_failed else ""
    yield "Requests", f"{counts} and {summary.failed:,.0f} failed ({share:.1%}){last}"
    yield "Real", _REAL
    serving = f"A task starts serving {plan.start_up:g} s after its launch"
    tasks = f"{serving}, at most {plan.capacity:g} requests/s"
    yield "Modelled", f"{tasks}. {_MODELLED} {MODELS}"


_REAL = (
    "The scaler's code from its handler on, and every boto3 call from PutMetricData to "
    "UpdateService. An emulator on this machine answers them; real AWS adds network time."
)
_MODELLED = (
    f"CloudWatch evaluates its alarms {VISIBILITY_DELAY} s after the end of a period. EventBridge "
    "delivers each state change at once, and once. Lambda polls its queues every "
    f"{LOOK_SECONDS:g} s. A task reports a surge a second after it feels it. Its metrics are "
    "visible at once; in CloudWatch it takes a second or more."
)


_WHO = {
    SURGE: "a task's surge message",
    "alarm": "the alarm's event",
    "re-check": "a re-check",
    "heartbeat": "the heartbeat",
}
"""What answered a surge, by the first scale-out's trigger."""


def _desired(counts: Sequence[Desired]) -> Iterator[str]:
    for n, desired in enumerate(counts):
        yield f"{desired.count} ({desired.since} s)" if n else f"{desired.count}"


def _evaluations(made: Mapping[str, int]) -> str:
    count = Counter(made)
    return (
        f"{count.total()}: {count[SURGE]} at a surge, "
        f"{count['alarm']} after an alarm changed state, "
        f"{count['re-check']} re-checks, {count['heartbeat']} by the heartbeat"
    )


def _answer(summary: Summary) -> Iterator[tuple[str, str]]:
    answer, surge_at = summary.answer, summary.surge_at
    if surge_at is None:
        yield "Surge", "none long enough for an alarm period of 10 s"
        return
    if answer is None:
        yield "Surge", f"from second {surge_at}, NOT ANSWERED: no task was added"
        return
    yield "Surge", f"from second {surge_at}"
    began = "after the surge began"
    yield "First scale-out", f"{answer.accepted_at - surge_at:.1f} s {began}, by {_WHO[answer.by]}"
    if answer.alarm_at is not None:
        yield "Alarm", f"fired {answer.alarm_at - surge_at:.1f} s {began}"
    trigger = "Message" if answer.by == SURGE else "Alarm"
    yield f"{trigger} to UpdateService", _latency(answer)
    served = (
        "not all of them served before the end"
        if answer.serving_at is None
        else f"all of them served from second {answer.serving_at}"
    )
    steps = "1 step" if answer.steps == 1 else f"{answer.steps} steps"
    yield "Tasks", f"{answer.tasks_before} before, {answer.tasks_after} after {steps}; {served}"


def _latency(answer: Answer) -> str:
    if answer.to_update_ms is None:
        return f"{_WHO[answer.by]} added the first tasks, not the alarm's own event"
    return f"{answer.to_update_ms} ms until ECS had accepted the first step"
