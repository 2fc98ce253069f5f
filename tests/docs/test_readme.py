"""README.md in both languages: it stays short, fits its column, and its figures are computed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from docs import consoles
from quickstep_lab.files import ONE_NUMBER_POLICY
from quickstep_lab.race import Lane, Race, enough, rivals_of
from quickstep_lab.snapshot import Plan
from quickstep_lab.traffic import ScenarioName, scenario_traffic
from tests.builders import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGLISH = ROOT / "README.md"
READMES = {"english": ENGLISH, "korean": ROOT / "README.ko.md"}
COMPARE = "quickstep compare --scenario step-x10"

PLAN = Plan(scenario_traffic(ScenarioName.SURGE_180S, 210), 210, policy=ONE_NUMBER_POLICY)
SURGE_AT = 20
SERVING_AFTER = {"surge messages": 32, "the alarm alone": 42}
"""What the demo comes to without and with `--no-surge`: tests/integration/test_demo.py."""


IN_EACH_LANGUAGE = pytest.mark.parametrize(
    "text", [path.read_text(encoding="utf-8") for path in READMES.values()], ids=[*READMES]
)


@IN_EACH_LANGUAGE
def test_it_has_fewer_than_250_lines(text: str) -> None:
    assert len(text.splitlines()) < 250


@IN_EACH_LANGUAGE
def test_no_line_of_code_is_wider_than_its_column(text: str) -> None:
    blocks = re.findall(r"^```(?!mermaid)\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)

    assert [line for block in blocks for line in block.splitlines() if len(line) > 80] == []


def _serving(after: int) -> Lane:
    """Return Quickstep's lane: 2 tasks until `after` seconds into the surge, then 8."""
    load = PLAN.traffic.requests
    tasks = tuple(2 if second < SURGE_AT + after else 8 for second in range(len(load)))
    failed = tuple(max(0.0, came - 150 * n) for came, n in zip(load, tasks, strict=True))
    return Lane("Quickstep", load, failed, tasks)


def _claims() -> Iterator[tuple[str, str]]:
    """Yield when each scaler of the race has enough tasks, and how many requests fail."""
    own = [_serving(after) for after in SERVING_AFTER.values()]
    lanes = (*own, *rivals_of(PLAN, 2))
    race = Race(lanes, 100, 210)
    for lane in lanes:
        yield enough(race, lane), f"{lane.lost:,.0f}"


def test_the_first_figures_are_those_of_the_race() -> None:
    first = " ".join(ENGLISH.read_text(encoding="utf-8").split("\n## ")[0].split())
    said = [
        re.search(r"tasks serving (\d+ s) after .*?, and ([\d,]+) requests fail", first),
        re.search(r"alarm alone it takes (\d+ s) and fails ([\d,]+)", first),
        re.search(r"step policy on a 10-s alarm takes (\d+ s) and fails ([\d,]+)", first),
        re.search(r"falls short after (\d+ s) and fails ([\d,]+)", first),
    ]

    figures = [(took.removeprefix("not within "), failed) for took, failed in _claims()]
    assert [claim and claim.groups() for claim in said] == figures


def test_the_comparison_is_the_one_that_the_command_prints() -> None:
    """`tests/docs/test_docs.py` runs the command for the table in docs/tuning.md."""
    tuning = (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")
    printed = dict(consoles.commands(tuning))[COMPARE]
    medians = (
        r"^(quickstep|quickstep-surge|aas-\S+)( \*)? +(\d+ s) +\d+ s +(\d+ s) +([\d,]+)\n"
        r"  from-to +\S+ +\S+ +(\d+)-(\d+) "
    )
    expected = [
        f"| `{name}`{mark} | {trigger} | {enough_after} | {low} to {high} s | {failed} |"
        for name, mark, trigger, enough_after, failed, low, high in re.findall(
            medians, printed, re.MULTILINE
        )
    ]
    shown = re.findall(
        r"^\| `(?:quickstep|aas)-?\S*` .*\|$", ENGLISH.read_text("utf-8"), re.MULTILINE
    )

    assert sorted(row for row in shown if row.count("|") == 6) == sorted(expected)
