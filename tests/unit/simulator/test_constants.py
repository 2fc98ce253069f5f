"""The table of modelled numbers: each has a source, and none stands anywhere else."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import quickstep_lab
from benchmarks.sensitivity import varied
from quickstep_lab.simulator.constants import TABLE, Constant
from quickstep_lab.simulator.world import Spread, World

if TYPE_CHECKING:
    from collections.abc import Iterator

LAB = Path(quickstep_lab.__file__).parent
MODELS = (
    "alarms.py",
    "cloudwatch.py",
    "service_model.py",
    *(
        f"simulator/{name}.py"
        for name in ("fleet", "jobs", "metric", "queueing", "signals", "stage")
    ),
    *(f"simulator/{name}.py" for name in ("surges", "workers", "world")),
    "../../benchmarks/single_requests.py",
    "simulator/scalers/application_auto_scaling.py",
    "simulator/scalers/quickstep.py",
    "simulator/scalers/step_scaling.py",
    "simulator/scalers/target_tracking.py",
)
"""What is modelled, of everybody who plays it."""

ARITHMETIC = {0, 1, 2, 60, 100}
"""Numbers that count, halve, or turn minutes and per cent into something else."""

NOT_MODELLED = {
    ("alarms.py", 5): "CloudWatch's evaluation range as its guide's example has it",
    ("alarms.py", 10): "a period that CloudWatch allows",
    ("alarms.py", 20): "a period that CloudWatch allows",
    ("alarms.py", 30): "a period that CloudWatch allows",
    ("simulator/fleet.py", 0.5): "requests by which queues may differ that are taken as one",
    ("simulator/fleet.py", 5): "an irrational number",
    ("simulator/fleet.py", 7): "an irrational number",
    ("simulator/jobs.py", 1e-9): "rounding",
    ("simulator/jobs.py", 0.1): "the shortest step",
    ("simulator/metric.py", 2000): "seconds that are kept",
    ("simulator/queueing.py", 0.02): "a bin of latencies",
    ("simulator/queueing.py", 1e-6): "the shortest wait that has a logarithm",
    ("simulator/queueing.py", 1.5): "where a queue counts as settled",
    ("simulator/queueing.py", 3): "the published formula's",
    ("simulator/queueing.py", 4): "of a quadratic equation",
    ("simulator/queueing.py", 40): "halvings until a percentile is exact",
    ("../../benchmarks/single_requests.py", 10_000): "bins of waits",
    ("../../benchmarks/single_requests.py", 1e-3): "the shortest time until the next launch",
    ("simulator/stage.py", 3): "the template's alarm for scale-in",
    ("simulator/stage.py", 10): "seconds before the traffic",
    ("simulator/stage.py", 90): "steps in which latencies are shown over time",
    ("simulator/stage.py", 2026): "a year",
    ("simulator/world.py", 0.95): "what a 95th percentile is",
    ("simulator/world.py", 5): "the publisher's calls, which a test compares",
}
"""Other numbers of these modules, and what they are instead."""


def numbers(module: str) -> Iterator[float]:
    """Yield the numbers that a module's text has."""
    tree = ast.parse((LAB / module).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            yield node.value  # type: ignore[misc] # it is one of both


@pytest.mark.parametrize("module", MODELS)
def test_no_modelled_number_stands_outside_of_the_table(module: str) -> None:
    known = {number for name, number in NOT_MODELLED if name == module}
    assert set(numbers(module)) - ARITHMETIC == known


def test_every_number_has_a_part_a_meaning_and_a_source() -> None:
    assert [one for one in TABLE if not (one.part and one.what and one.source)] == []
    assert len({(one.part, one.what) for one in TABLE}) > 50


def name(constant: Constant) -> str:
    return constant.field


def value_at(field: str) -> object:
    """Return what a world has in a place such as start_up.median."""
    found: object = World()
    for name in field.split("."):
        found = getattr(found, name)
    return found


VARIED = [one for one in TABLE if one.varied]


@pytest.mark.parametrize("constant", VARIED, ids=name)
def test_a_varied_number_is_the_worlds_and_lies_in_its_range(constant: Constant) -> None:
    assert constant.low is not None
    assert constant.high is not None
    assert value_at(constant.field) == constant.value
    assert constant.low <= constant.value <= constant.high
    assert constant.low < constant.high
    assert varied(World(), constant, constant.value) == World()
    assert varied(World(), constant, constant.low) != varied(World(), constant, constant.high)


def test_every_clock_of_the_world_is_varied() -> None:
    fields = {one.field.split(".")[0] for one in VARIED}
    clocks = {name for name in World.__slots__ if isinstance(getattr(World(), name), Spread)}
    assert clocks <= fields


def test_a_spreads_median_takes_its_percentile_along() -> None:
    (start_up,) = (one for one in TABLE if one.field == "start_up.median")
    (late,) = (one for one in TABLE if one.field == "visibility.p95")
    assert varied(World(), start_up, 60).start_up == Spread(60, 80)
    assert varied(World(), late, 0.5).visibility == Spread(0.5, 0.5)


def test_the_page_plays_each_varied_number() -> None:
    page = (LAB.parents[1] / "docs" / "model.md").read_text(encoding="utf-8")
    block = page.split("<!-- measured:sensitivity -->")[1]
    rows = re.findall(r"^\| (\w[^|]*) \|", block, re.MULTILINE)[1:]
    assert rows == [f"{one.part}: {one.what}" for one in VARIED]
