"""A comparison as one page for a design document: a sentence, a table with dollars, the charts.

The page is one file that needs no network and no script, and is complete on paper, in dark mode and
on a phone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quickstep.report.dashboard.html import Markup, element, join
from quickstep.report.dashboard.kinds import SHAPES, Kind
from quickstep.report.dashboard.plot import Pin
from quickstep_lab.cost.model import DAYS
from quickstep_lab.cost.month import OURS, WITH_SURGES
from quickstep_lab.lanes import Row, clock, curves, lanes
from quickstep_lab.paper import DESK, PHONE, TABLET, figure, more, noted, paper, remark, row, table
from quickstep_lab.scatter import Axes, Dot, scatter
from quickstep_lab.simulator.measure import needed_task_seconds
from quickstep_lab.simulator.names import called
from quickstep_lab.simulator.scalers.target_tracking import ANNOUNCED, ANNOUNCED_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quickstep_lab.cost.month import Month, Standing
    from quickstep_lab.lanes import Curve
    from quickstep_lab.simulator.compare import Comparison
    from quickstep_lab.simulator.measure import Measures, Summary
    from quickstep_lab.simulator.series import Series
    from quickstep_lab.simulator.stage import Action
    from quickstep_lab.simulator.what_if import Case

SLOW = 1.0
"""Seconds above which an answer is slow."""

_POINTS = {DESK: 240, TABLET: 140, PHONE: 90}
"""Points of a line in a drawing of this width: more would be closer than pixels."""
_LANE, _CURVE = 64, 64
_MOST_CHANGES, _MOST_OF_OTHERS = 40, 12
_MOST_PINS, _MOST_LABELS = 30, 35
_MOST_TEXT = 300


@dataclass(frozen=True, slots=True)
class Made:
    """How a report was made: the command, the policy document, and what is modelled."""

    command: str
    policy: str
    note: str


@dataclass(frozen=True, slots=True)
class Money:
    """What a month's cost is calculated from, and how often a day the traffic comes."""

    month: Month
    times_a_day: float


def report_page(comparison: Comparison, what_ifs: Sequence[Case], money: Money, made: Made) -> str:
    """Return the page as HTML."""
    _, standings = money.month.simulated(comparison, money.times_a_day)
    report = _Report(comparison, standings, money)
    return paper(
        f"Quickstep on {comparison.experiment.traffic.name}",
        element("header", None, element("h1", None, report.title)),
        element("p", {"class": "headline"}, report.headline()),
        report.result(),
        report.said_of_result(),
        element(
            "h2", None, f"{report.them.capitalize()} over time, and those that {report.failed}"
        ),
        report.over_time(),
        element("h2", None, f"How long {report.they_take} over time"),
        report.latencies(),
        element("h2", None, f"Cost against {report.them} that {report.failed}"),
        report.costs(),
        element("h2", None, "Every change, and why"),
        report.changes(),
        *report.what_if(what_ifs),
        element("h2", None, "How it was made"),
        element("pre", None, made.command),
        remark(report.facts()),
        remark(made.note),
        remark(ANNOUNCED_ONLY) if ANNOUNCED & comparison.scalers.keys() else None,
        more("The policy document", element("pre", None, made.policy)),
    )


@dataclass(frozen=True, slots=True)
class _Report:
    comparison: Comparison
    standings: Mapping[str, Standing]
    money: Money

    # --- words ------------------------------------------------------------------------------------

    @property
    def jobs(self) -> bool:
        return self.comparison.experiment.world.jobs is not None

    @property
    def them(self) -> str:
        return "jobs" if self.jobs else "requests"

    @property
    def failed(self) -> str:
        return "were late" if self.jobs else "failed"

    @property
    def they_take(self) -> str:
        return "jobs wait" if self.jobs else "answers take"

    @property
    def title(self) -> str:
        """What is compared, and on which traffic."""
        name = self.comparison.experiment.traffic.name
        beside = " next to AWS's scalers" if len(self.comparison.scalers) > 1 else ""
        return f"{name}: {'Quickstep' if self.main in _OURS else called(self.main)}{beside}"

    @property
    def main(self) -> str:
        """The report's main scaler: Quickstep with surge messages, if it is there."""
        names = self.comparison.scalers
        return next((name for name in (WITH_SURGES, OURS) if name in names), next(iter(names)))

    @property
    def rival(self) -> str | None:
        """AWS's best shipped scaler: the one with the fewest failures, then the cheapest."""
        shipped = [n for n in self.comparison.scalers if n.startswith("aas") and n not in ANNOUNCED]
        others = [name for name in shipped if name != self.main]
        return min(others, key=self._order, default=None)

    @property
    def surged(self) -> bool:
        """Whether there was a surge that any scaler answered in full."""
        summaries = self.comparison.scalers.values()
        return any(one.medians.time_to_capacity_s is not None for one in summaries)

    def _order(self, name: str) -> tuple[float, float]:
        return self._medians(name).failed, self.standings[name].total

    def _medians(self, name: str) -> Measures:
        return self.comparison.scalers[name].medians

    def headline(self) -> str:
        """Return the result in one sentence.

        Example: `Quickstep, with surge messages, fails 4.21% of the requests, has enough tasks in
        78 s and costs $265 a month, while the best that AWS ships, its step policy in percent, 10-s
        alarm, fails 6.25%, takes 111 s and costs $259.`
        """
        mine = self._did(self.main, "has enough tasks in {}", "never has enough tasks")
        said = f"{called(self.main)}, {mine}"
        if self.rival is None:
            return f"{said}."
        theirs = self._did(self.rival, "takes {}", "never has enough tasks", short=True)
        name = called(self.rival).replace("AWS ", "its ", 1)
        return f"{said}, while the best that AWS ships, {name}, {theirs}."

    def _did(self, name: str, took: str, never: str, *, short: bool = False) -> str:
        measures = self._medians(name)
        share = f"{1 - measures.success_rate:.2%}"
        of = "" if short else f" of the {self.them}"
        failed = f"is late for {share}{of}" if self.jobs else f"fails {share}{of}"
        costs = f"costs ${self.standings[name].total:,.0f} a month"
        if not self.surged:
            return f"{failed} and {costs}"
        seconds = measures.time_to_capacity_s
        enough = never if seconds is None else took.format(f"{seconds:.0f} s")
        return f"{failed}, {enough} and {costs}"

    # --- table ------------------------------------------------------------------------------------

    def result(self) -> Markup:
        """Return the scalers in figures, numbered as in the charts."""
        head = (
            "Scaler",
            "Surge to enough tasks",
            "Late" if self.jobs else "Failed",
            f"Slow, over {self._slow:g} s",
            "p50 / p95 / p99",
            "Task-hours",
            "Dollars per month",
            "Changes / reversals",
        )
        names = self.comparison.scalers
        return table(head, (self._row(n, name) for n, name in enumerate(names, start=1)))

    def _row(self, number: int, name: str) -> Markup:
        summary, standing = self.comparison.scalers[name], self.standings[name]
        medians = summary.medians
        code = f"{name}, announced, not shipped" if name in ANNOUNCED else name
        failed = noted(
            f"{1 - medians.success_rate:.2%}", self._spread(summary, "failed", "{:,.0f}".format)
        )
        dollars = f"{standing.tasks:,.2f} tasks + {standing.bill.total:,.2f} scaling"
        return row(
            noted(f"{number}. {called(name)}", code),
            (
                noted(
                    self._enough(medians.time_to_capacity_s),
                    self._spread(summary, "time_to_capacity_s", self._enough),
                ),
                element("td", {"class": "lost"}, failed),
                f"{self._slow_for(self.comparison.series[name]):,.0f} s",
                " / ".join(_wait(medians.latency_ms[p]) for p in ("p50", "p95", "p99")),
                noted(_hours(medians.task_seconds), self._spread(summary, "task_seconds", _hours)),
                noted(f"{standing.total:,.2f}", dollars),
                f"{medians.scale_actions:,} / {medians.reversals:,}",
            ),
            "mine" if name == self.main else None,
        )

    def _enough(self, seconds: float | None) -> str:
        if seconds is not None:
            return f"{seconds:.0f} s"
        return "never" if self.surged else "-"

    def _spread(self, summary: Summary, key: str, write: Any) -> str:
        """Return the seeds' range; for one seed, the number itself."""
        low, high = summary.ranges[key]
        return write(low) if low == high else f"{write(low)} to {write(high)}"

    @property
    def _slow(self) -> float:
        jobs = self.comparison.experiment.world.jobs
        return jobs.late_after if jobs else SLOW

    def _slow_for(self, series: Series) -> float:
        """Return the seconds in which at least one answer in a hundred was slow."""
        slow = (
            p99 is not None and p99 > self._slow
            for p99 in (step.percentile(0.99) for step in series.latencies)
        )
        return float(sum(slow) * series.latency_step)

    def said_of_result(self) -> Markup:
        """Return what the table's figures mean."""
        experiment, month = self.comparison.experiment, self.money.month
        least = needed_task_seconds(experiment.traffic, experiment.setup) / 3600
        size, times = month.size, self.money.times_a_day
        step = next(iter(self.comparison.series.values())).latency_step
        return remark(
            f"Medians of {experiment.seeds} seeds, with their range below. Theoretical minimum: "
            f"{least:,.2f} task-hours. Dollars are for a month of {DAYS} days in which this "
            f"traffic comes {_often(times)} and {month.usage.tasks:g} tasks run otherwise: tasks "
            f"of {size.vcpu:g} vCPU and {size.memory:g} GB on {size.architecture}, and scaling "
            "itself (alarms, metrics, Lambda), at us-east-1 prices without the free tier. Slow: "
            f"time in which one answer in a hundred took longer, in steps of {step} s, with the "
            "first seed."
        )

    # --- charts -----------------------------------------------------------------------------------

    def over_time(self) -> Markup:
        """Return a row for each scaler: arrivals, failures, and its tasks' target load."""
        seconds = len(self.comparison.experiment.traffic.requests)

        def draw(width: int) -> Markup:
            points = _POINTS[width]
            rows = [
                self._lane(n, name, series, points)
                for n, (name, series) in enumerate(self.comparison.series.items(), start=1)
            ]
            label = f"{self.them.capitalize()} per second and those that {self.failed}, by scaler."
            return lanes(
                rows,
                seconds=seconds,
                width=width,
                height=_LANE,
                label=f"{label} {self.headline()}",
                keys=(
                    f"{self.them} per second",
                    "late" if self.jobs else "failed",
                    "the serving tasks' target load",
                ),
            )

        return join(
            figure(draw),
            remark(
                "The first seed. Triangles are changes of the desired count; each links to its "
                "reason."
            ),
        )

    def _lane(self, number: int, name: str, series: Series, points: int) -> Row:
        threshold = self.comparison.experiment.setup.load_per_task
        medians = self._medians(name)
        every = max(1, -(-len(series.load) // points))
        starts = range(0, len(series.load), every)
        wide = points == _POINTS[DESK]
        return Row(
            f"{number}. {called(name)}",
            f"{1 - medians.success_rate:.2%} {self.failed.removeprefix('were ')}, enough tasks: "
            f"{self._enough(medians.time_to_capacity_s)}",
            came=[(i * series.step, _mean(series.load[i : i + every])) for i in starts],
            failed=[(i * series.step, _mean(series.failed[i : i + every])) for i in starts],
            target=[
                (i * series.step, series.serving[i : i + every][-1] * threshold) for i in starts
            ],
            pins=_pins(series.actions, len(self.comparison.experiment.traffic.requests))
            if name == self.main and wide
            else (),
        )

    def latencies(self) -> Markup:
        """Return a row for each scaler: percentiles over time."""
        seconds = len(self.comparison.experiment.traffic.requests)
        world = self.comparison.experiment.world

        def draw(width: int) -> Markup:
            rows = [
                (
                    f"{n}. {called(name)}",
                    [
                        _curve(series, share, css, every=1 if width >= DESK else 2)
                        for share, css in _PERCENTILES
                    ],
                )
                for n, (name, series) in enumerate(self.comparison.series.items(), start=1)
            ]
            return curves(
                rows,
                seconds=seconds,
                width=width,
                height=_CURVE,
                unit="s",
                label=f"How long {self.they_take}: p50, p95 and p99 over time, by scaler.",
            )

        limit = (
            f"A task holds at most {world.server.limit:g} requests, so none waits much longer than "
            f"{world.server.limit / world.server.capacity:.1f} s: any more are refused, and fail."
        )
        return join(figure(draw), remark(limit if not self.jobs else "Until a job starts."))

    def costs(self) -> Markup:
        """Return each scaler's monthly cost against its failures."""
        dots = [
            Dot(
                self.standings[name].total,
                100 * (1 - summary.medians.success_rate),
                "mine" if name in _OURS else "announced" if name in ANNOUNCED else "theirs",
                f"{number}. {called(name)}: ${self.standings[name].total:,.0f} per month, "
                f"{1 - summary.medians.success_rate:.2%} {self.failed.removeprefix('were ')}",
                number,
            )
            for number, (name, summary) in enumerate(self.comparison.scalers.items(), start=1)
        ]
        axes = Axes(
            lambda dollars: f"${dollars:,.0f}",
            "US dollars per month",
            f"{'Late jobs' if self.jobs else 'Failed requests'}, %",
        )
        label = f"Cost against {self.them} that {self.failed}: lower and further left is better."
        return join(
            figure(lambda width: scatter(dots, axes, width=width, label=label)),
            remark("Numbers as in the table. Lower and further left is better."),
        )

    # --- changes ----------------------------------------------------------------------------------

    def changes(self) -> Markup:
        """Return each scaler's changes of the desired count with reasons, for the first seed."""
        return join(
            *(
                more(
                    f"{n}. {called(name)}: {len(series.actions):,} changes",
                    self._listed(series, anchored=name == self.main),
                    is_open=name == self.main,
                )
                for n, (name, series) in enumerate(self.comparison.series.items(), start=1)
            )
        )

    def _listed(self, series: Series, *, anchored: bool) -> Markup:
        seconds = len(self.comparison.experiment.traffic.requests)
        shown = series.actions[: _MOST_CHANGES if anchored else _MOST_OF_OTHERS]
        rows = (
            element(
                "tr",
                {"id": f"change-{n}" if anchored else None},
                element("th", {"scope": "row"}, clock(round(action.at, 1), seconds)),
                element("td", None, f"{action.before} → {action.after}"),
                element("td", {"class": "words"}, action.why[:_MOST_TEXT]),
            )
            for n, action in enumerate(shown)
        )
        left = len(series.actions) - len(shown)
        return join(
            table(("Time", "Tasks", element("span", {"class": "words"}, "Why")), rows),
            remark(f"{left:,} more not shown.") if left else None,
        )

    def what_if(self, cases: Sequence[Case]) -> Iterator[Markup]:
        """Yield the results with other thresholds and other start-up times."""
        if not cases:
            return
        starts = list(dict.fromkeys(case.start_up for case in cases))
        by_place = {(case.times, case.start_up): case for case in cases}
        yield element("h2", None, "What if")
        heads = (f"Tasks start in {start:g} s" for start in starts)
        name = "Queue" if self.jobs else "Threshold"
        yield table(
            (name, *heads),
            (
                row(
                    self._threshold(by_place[times, starts[0]]),
                    (self._outcome(by_place[times, start]) for start in starts),
                )
                for times in dict.fromkeys(case.times for case in cases)
            ),
        )
        seeds = cases[0].comparison.experiment.seeds
        yield remark(
            f"{called(self.main)}, medians of {seeds} seed{'s' if seeds > 1 else ''}: what "
            f"{self.failed}, and dollars per month including scaling."
        )

    def _threshold(self, case: Case) -> str:
        if self.jobs:
            return "unchanged"
        own = ", unchanged" if case.times == 1 else ""
        return f"{case.load_per_task:g} {self.them}/s per task{own}"

    def _outcome(self, case: Case) -> Markup:
        (summary,) = case.comparison.scalers.values()
        _, standings = self.money.month.simulated(case.comparison, self.money.times_a_day)
        own = case.times == 1 and case.start_up == self.comparison.experiment.world.start_up.median
        return element(
            "td",
            {"class": "own" if own else None},
            f"{1 - summary.medians.success_rate:.2%}",
            element("small", None, f"${standings[OURS].total:,.0f}"),
        )

    def facts(self) -> str:
        """Return a description of the simulated world."""
        experiment = self.comparison.experiment
        world, server = experiment.world, experiment.world.server
        task = (
            f"{server.capacity:g} requests a second, takes {server.service_seconds * 1000:g} ms "
            f"for one when idle, holds at most {server.limit:g}"
        )
        if world.jobs:
            task = (
                f"{world.jobs.per_second:g} jobs a second, {world.jobs.seconds:g} s each in "
                f"{world.jobs.slots} slots, which are late after {world.jobs.late_after:g} s"
            )
        return (
            f"{len(experiment.traffic.requests):,} seconds of traffic, {experiment.seeds} seeds. A "
            f"task serves {task}, and is launched in {world.start_up.median:g} s (median). "
            f"Scale-out begins above {experiment.setup.load_per_task:g} {self.them} per second and "
            f"task; the service starts with {experiment.tasks} tasks."
        )


_OURS = (OURS, WITH_SURGES)
_PERCENTILES = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))


def _curve(series: Series, share: float, css: str, *, every: int) -> Curve:
    steps = list(enumerate(series.latencies))[::every]
    return css, [(n * series.latency_step, step.percentile(share)) for n, step in steps]


def _pins(actions: Sequence[Action], seconds: int) -> tuple[Pin, ...]:
    """Return the changes as pins; if there are very many, only the first. A number needs space."""
    shown, labelled = actions[:_MOST_PINS], float(-seconds)
    labels = []
    for action in shown:
        has_room = action.at - labelled > seconds / _MOST_LABELS
        labels.append(
            f"{action.after - action.before:+d}".replace("-", "\u2212") if has_room else ""
        )
        labelled = action.at if has_room else labelled
    return tuple(
        Pin(
            action.at,
            SHAPES[Kind.OUT if action.after > action.before else Kind.IN],
            Kind.OUT if action.after > action.before else Kind.IN,
            labels[n],
            f"{clock(round(action.at, 1), seconds)}: {action.before} to {action.after} tasks. "
            f"{action.why[:_MOST_TEXT]}",
            leads_to=f"#change-{n}",
        )
        for n, action in enumerate(shown)
    )


def _often(times_a_day: float) -> str:
    return "once a day" if times_a_day == 1 else f"{times_a_day:.3g} times a day"


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 2)


def _hours(seconds: float | None) -> str:
    return f"{(seconds or 0) / 3600:,.2f}"


def _wait(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    seconds = milliseconds / 1000
    return f"{milliseconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
