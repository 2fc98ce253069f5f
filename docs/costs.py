# ruff: noqa: INP001 - a folder of documents, not a package
"""The tables in `docs/costs.md`: counts, prices and bills, from the data files and the model.

Each block is a function that returns rows, the table's head first.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from quickstep_cli.cost import charge_cells, price_cell
from quickstep_cli.experiment import an_experiment, read_setup
from quickstep_lab.cost.bill import bill
from quickstep_lab.cost.counts import LOG_EVENT, Case, read_counts
from quickstep_lab.cost.model import (
    HOURS,
    Part,
    Transport,
    Usage,
    lines_of,
    publishing,
)
from quickstep_lab.cost.month import OURS, Month, TaskSize
from quickstep_lab.cost.prices import Meter, read_prices
from quickstep_lab.files import EXAMPLE_POLICY
from quickstep_lab.simulator.compare import all_scalers, compare
from quickstep_lab.simulator.scalers.target_tracking import labelled
from quickstep_lab.simulator.world import World
from quickstep_lab.traffic import SCENARIOS, ScenarioName, scenario_traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickstep_lab.cost.month import Standing

Rows = list[tuple[str, ...]]

SCENARIO = ScenarioName.STEP_X10
BREACHES, MINUTES = 6, 3
TASKS = (2, 8, 40, 200, 1000)
DRILLS = (5, 15, 60)
SERVICES = (1, 10, 100)


def _month(**changes: float | Transport) -> Month:
    usage = Usage(**changes)  # type: ignore[arg-type] # whatever a usage has
    return Month(usage=usage, size=TaskSize(), prices=read_prices(), counted=read_counts())


@cache
def _typical() -> dict[str, Standing]:
    return _month().with_breaches(BREACHES, MINUTES)[1]


@cache
def _simulated() -> dict[str, Standing]:
    traffic = scenario_traffic(SCENARIO, SCENARIOS[SCENARIO].seconds)
    setup = read_setup(EXAMPLE_POLICY, None)
    comparison = compare(an_experiment(traffic, setup, World(), None, 1), all_scalers(setup))
    return _month().simulated(comparison, 1)[1]


def typical() -> Rows:
    """Return the bill of a typical service, line by line."""
    ours = _typical()[OURS].bill
    rows: Rows = [("Part", "For", "Quantity", "Price, $", "$ per month")]
    for part in sorted(Part, key=lambda part: -ours.of(part)):
        charges = [charge_cells(charge) for charge in ours.charges if charge.line.part is part]
        rows += [(str(part), *cells) for cells in charges if cells[-1] != "0.00"]
    rest = sum(charge.dollars for charge in ours.charges if f"{charge.dollars:.2f}" == "0.00")
    rows.append(("", "everything below half a cent", "", "", f"{rest:.2f}"))
    rows.append(("**Sum**", "", "", "", f"**{ours.total:.2f}**"))
    return rows


def by_services() -> Rows:
    """Return what each service costs when several share the scaler."""
    rows: Rows = [("Services in the account", *(f"`{way}`, $ each" for way in Transport))]
    for services in SERVICES:
        totals = [
            _month(services=services, transport=transport)
            .with_breaches(BREACHES, MINUTES)[1][OURS]
            .bill.total
            for transport in Transport
        ]
        rows.append((f"{services}", *(f"{total:.2f}" for total in totals)))
    return rows


def transports() -> Rows:
    """Return what publishing costs by the number of tasks."""
    counted, prices = read_counts(), read_prices()
    rows: Rows = [("Tasks", *(f"`{way}`, $" for way in Transport), "Calls in one second of five")]
    for tasks in TASKS:
        usages = [Usage(tasks=tasks, transport=transport) for transport in Transport]
        paid = (bill(publishing(usage, counted), prices).of(Part.PUBLISHING) for usage in usages)
        rows.append((f"{tasks:,}", *(f"{dollars:,.2f}" for dollars in paid), f"{tasks:,}"))
    return rows


def published() -> Rows:
    """Return what a task's call carries, the basis of the table above."""
    counted = read_counts()
    call, prices = counted.published, read_prices()
    lines, size = lines_of(Usage(), counted)
    _, more = lines_of(Usage(metrics=5), counted)
    _, means = lines_of(Usage(publish_seconds=call.seconds), counted)
    return [
        ("What", "Value"),
        ("a task's calls per month", f"{Usage(tasks=1).calls:,.0f}, one every {call.seconds} s"),
        ("metrics per call", f"{call.metrics}, 2 of them for each second"),
        (
            "bytes in its EMF lines",
            f"{size:,}, plus {LOG_EVENT} from CloudWatch Logs for each of {lines} lines",
        ),
        ("with `Utilization` and `QueueTime`", f"{more:,}"),
        ("with means of 5 s (`QUICKSTEP_SECONDS=0`)", f"{means}, in one line"),
        ("bytes per further gauge", f"{call.gauge_bytes}"),
        (
            "bytes at which a line costs as much as a call",
            f"{prices[Meter.API_REQUEST].of(1) / prices[Meter.LOG_INGESTED].of(1):,.0f}",
        ),
    ]


def with_five_metrics() -> Rows:
    """Return what a typical service costs with every metric the publisher can send."""
    rows: Rows = [("The tasks publish", *(f"`{way}`, $" for way in Transport))]
    for what, usage in (
        ("three metrics", {"metrics": 3}),
        ("plus `Utilization` and `QueueTime`", {"metrics": 5}),
        ("three metrics as means of 5 s", {"publish_seconds": 5}),
    ):
        totals = [
            _month(transport=way, **usage).with_breaches(BREACHES, MINUTES)[1][OURS].bill.total
            for way in Transport
        ]
        rows.append((what, *(f"{total:.2f}" for total in totals)))
    return rows


def drills() -> Rows:
    """Return what a drill costs, by how often it runs."""
    rows: Rows = [("A drill every", "Drills per month", "$ per month")]
    without = _typical()[OURS].bill.total
    for minutes in DRILLS:
        month = _month(drill_minutes=minutes).with_breaches(BREACHES, MINUTES)[1]
        number = f"{HOURS * 60 / minutes:,.0f}"
        rows.append((f"{minutes} minutes", number, f"{month[OURS].bill.total - without:.2f}"))
    return rows


def calls() -> Rows:
    """Return what each case takes."""
    head = ("What", "AWS calls", "WRU", "RRU", "Metrics read", "Log lines", "Log bytes", "Stored")
    rows: Rows = [head]
    for case, counts in read_counts().cases.items():
        names = (call.split(":")[1] + (f" ×{n}" if n > 1 else "") for call, n in _called(case))  # noqa: RUF001
        rows.append(
            (
                str(case),
                ", ".join(names),
                f"{counts.write_units}",
                f"{counts.read_units:g}",
                f"{counts.metrics_read}",
                f"{counts.log_lines}",
                f"{counts.log_bytes:,}",
                f"{counts.stored:,}",
            )
        )
    return rows


def _called(case: Case) -> list[tuple[str, int]]:
    return list(read_counts().cases[case].calls.items())


def beside() -> Rows:
    """Return each scaler's month, with the same tasks."""
    rows: Rows = [("Scaler", "Scaling, $", "More than Quickstep, $")]
    standings = _typical()
    ours = standings[OURS].bill.total
    for name, standing in standings.items():
        more = standing.bill.total - ours
        rows.append((_shown(name), f"{standing.bill.total:.2f}", f"{more:+.2f}"))
    return rows


def _shown(name: str) -> str:
    """Return a scaler's name for a table. Example: `aas-…-20s-custom` (announced)."""
    return f"`{name}`{labelled(name).removeprefix(name)}"


def simulated() -> Rows:
    """Return each scaler's month with simulated traffic."""
    standings = _simulated()
    ours = standings[OURS]
    head = ("Scaler", "Task-hours", "Tasks, $", "Scaling, $", "More than Quickstep, $", "Success")
    rows: Rows = [head]
    for name, standing in standings.items():
        rows.append(
            (
                _shown(name),
                f"{standing.task_hours:,.1f}",
                f"{standing.tasks:,.2f}",
                f"{standing.bill.total:.2f}",
                f"{standing.total - ours.total:+.2f}",
                f"{standing.success:.1%}",
            )
        )
    return rows


def prices() -> Rows:
    """Return every price with its source."""
    rows: Rows = [("Price", "$", "Unit", "Free per month", "Source", "Read", "Certainty")]
    for meter, price in read_prices().items():
        free = price.free / (price.per if price.unit.startswith("GB") else 1)
        note = f"; {price.note}" if price.note else ""
        certainty = "**unverified**" if price.certainty == "unverified" else str(price.certainty)
        rows.append(
            (
                f"`{meter}`",
                price_cell(price),
                price.unit,
                f"{free:,.0f}" if free else "",
                f"{price.source}{note}",
                f"{price.read}",
                certainty,
            )
        )
    return rows


BLOCKS: dict[str, Callable[[], Rows]] = {
    "costs-typical": typical,
    "costs-services": by_services,
    "costs-transports": transports,
    "costs-published": published,
    "costs-metrics": with_five_metrics,
    "costs-drills": drills,
    "costs-calls": calls,
    "costs-beside": beside,
    "costs-simulated": simulated,
    "costs-prices": prices,
}
