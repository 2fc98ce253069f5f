"""Shows a run of the demo in a terminal: a live view, or plain lines where there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from lab.cloudwatch import VISIBILITY_DELAY
from lab.snapshot import Plan, Snapshot
from quickstep.engine.model import AlarmState
from quickstep.engine.outcome import Outcome
from quickstep.naming import parse_alarm_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from rich.console import Console, RenderableType

    from lab.demo_summary import Summary

Show = Callable[[Sequence[Snapshot]], None]
"""Shows a run so far; called after each second."""

LINE_SECONDS = 5
CHART_HEIGHT = 5
DECISIONS_SHOWN = 5
_BLOCKS = " ▁▂▃▄▅▆▇█"
_STATE_STYLES = {
    AlarmState.OK: "green",
    AlarmState.ALARM: "bold red",
    AlarmState.INSUFFICIENT_DATA: "yellow",
}


def view(console: Console, plan: Plan) -> AbstractContextManager[Show]:
    """Return the view that suits the console."""
    redraws = console.is_terminal and not console.is_dumb_terminal
    return _live(console, plan) if redraws else _lines(console)


@contextmanager
def _live(console: Console, plan: Plan) -> Iterator[Show]:
    # Without a thread of its own: it could write into the log while the scaler prints to that.
    with Live(console=console, auto_refresh=False) as live:
        yield lambda snapshots: live.update(frame(snapshots, plan, console.width), refresh=True)


@contextmanager
def _lines(console: Console) -> Iterator[Show]:
    def show(snapshots: Sequence[Snapshot]) -> None:
        for line in lines(snapshots[-1]):
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    yield show


def lines(snapshot: Snapshot) -> list[str]:
    """Return what to say of one second: its decisions, and every 5 s how things stand."""
    at, load = _clock(snapshot.second + 1), snapshot.load
    said = []
    if (snapshot.second + 1) % LINE_SECONDS == 0:
        alarms = "  ".join(f"{alarm.policy} {alarm.state}" for alarm in snapshot.alarms)
        said.append(
            f"{at}  {load.requests:.0f} requests/s, {load.per_task:.0f} per task, "
            f"{load.failed:.0f} failed  desired {snapshot.desired}, serving {snapshot.serving}  "
            f"{alarms}".rstrip()
        )
    made = [f"{at}  {record['outcome']}  {_why(record)}" for record in snapshot.decisions]
    return said + made


def _why(record: Mapping[str, Any]) -> str:
    """Return e.g. `high-request-rate is in OK. Held at 2, ...`: alarm, reason, and how fast."""
    alarm, latency = record["alarm"], record["alarm_to_update_ms"]
    named = parse_alarm_name(alarm["name"])
    policy = named[1] if named else alarm["name"]
    accepted = "" if latency is None else f" UpdateService accepted after {latency} ms."
    return f"{policy} went to {alarm['state']}. {record['reason']}.{accepted}"


def _clock(seconds: int) -> str:
    return f"{seconds // 60:02}:{seconds % 60:02}"


def frame(snapshots: Sequence[Snapshot], plan: Plan, width: int) -> RenderableType:
    """Return the live view of a run so far, for a terminal `width` columns wide."""
    newest = snapshots[-1]
    title = f"{plan.traffic.name}  {_clock(newest.second + 1)} of {_clock(plan.seconds)}"
    chart = _load_chart(snapshots, width - 4)
    return Group(
        Panel(Group(chart, _tasks(newest)), title=title, border_style="dim"),
        _alarms(newest),
        Text(),
        _decisions(snapshots),
    )


def _load_chart(snapshots: Sequence[Snapshot], width: int) -> Text:
    """Return the load per task, one column a second, with the thresholds as lines."""
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
    return text


def _alarms(snapshot: Snapshot) -> RenderableType:
    table = Table.grid(padding=(0, 3))
    for alarm in snapshot.alarms:
        newest = "no data" if alarm.newest is None else f"saw {alarm.newest:.0f}"
        state = Text(str(alarm.state), _STATE_STYLES[alarm.state])
        table.add_row(f" {alarm.policy}", alarm.condition, newest, state)
    return table


def _decisions(snapshots: Sequence[Snapshot]) -> RenderableType:
    """Return the newest decisions first, so that it is the oldest that a low terminal crops."""
    table = Table.grid(padding=(0, 1))
    made = [(shot, record) for shot in snapshots for record in shot.decisions]
    for shot, record in made[: -DECISIONS_SHOWN - 1 : -1]:
        outcome = Text(record["outcome"], _outcome_style(Outcome(record["outcome"])))
        table.add_row(Text(f" {_clock(shot.second + 1)}", "dim"), outcome, Text(_why(record)))
    return table


def _outcome_style(outcome: Outcome) -> str:
    if outcome.failed:
        return "bold red"
    return "bold green" if outcome.changes_capacity else "yellow"


def summary_table(summary: Summary, plan: Plan) -> Table:
    """Return the summary: figures first, then what of it is real and what is modelled."""
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
    yield "Desired count", " → ".join(str(count) for count in summary.desired)
    counts = f"{summary.requests:,.0f}, of which {summary.served:,.0f} were served"
    yield "Requests", f"{counts} and {summary.failed:,.0f} failed ({share:.1%})"
    yield "Real", _REAL
    tasks = f"A task serves {plan.start_up:g} s after its launch, {plan.capacity:g} requests/s"
    yield "Modelled", f"{tasks} at most. {_MODELLED}"


_REAL = (
    "The scaler, from its handler on, and all calls of boto3 from PutMetricData to UpdateService. "
    "An emulator on this machine answers them; AWS adds its network."
)
_MODELLED = (
    f"CloudWatch evaluates its alarms {VISIBILITY_DELAY} s after the end of a period. EventBridge "
    "delivers at once, and once per change of state."
)


def _answer(summary: Summary) -> Iterator[tuple[str, str]]:
    answer, surge_at = summary.answer, summary.surge_at
    if surge_at is None:
        yield "Surge", "none that filled a period of 10 s and was evaluated"
        return
    if answer is None:
        yield "Surge", f"from second {surge_at}, NOT ANSWERED: no task was added"
        return
    evaluated = f"when seconds {answer.period_end - 10} to {answer.period_end} were evaluated"
    waited = f"{answer.alarm_at - surge_at:.1f} s after second {surge_at}"
    yield "Surge to alarm", f"{waited}, {evaluated}"
    yield "Alarm to UpdateService", f"{answer.alarm_to_update_ms} ms until ECS had accepted it"
    served = (
        "not all of them served before the end"
        if answer.serving_at is None
        else f"all of them served from second {answer.serving_at}"
    )
    yield "Tasks", f"{answer.tasks_before} before, {answer.tasks_after} after; {served}"
