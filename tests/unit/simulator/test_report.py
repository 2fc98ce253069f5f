"""The pages: each one file that needs no network and no script, whatever the names in it are."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest

from quickstep.config import read_target
from quickstep_lab.cost.counts import read_counts
from quickstep_lab.cost.model import Usage
from quickstep_lab.cost.month import Month, TaskSize
from quickstep_lab.cost.prices import read_prices
from quickstep_lab.simulator.compare import Comparison, Experiment, all_scalers, compare
from quickstep_lab.simulator.jobs import Jobs
from quickstep_lab.simulator.names import called
from quickstep_lab.simulator.report import Made, Money, report_page
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.scalers.target_tracking import ANNOUNCED, ANNOUNCED_ONLY
from quickstep_lab.simulator.stage import Action, Setup
from quickstep_lab.simulator.tune import Candidate, Score, Tuning
from quickstep_lab.simulator.tuning_report import tuning_page
from quickstep_lab.simulator.what_if import Case, cases_of, what_if
from quickstep_lab.simulator.world import World
from tests.builders import HIGH, LOW, a_document
from tests.unit.simulator.worlds import a_setup, a_surge

HOSTILE = (
    "</script></title></style><script>alert(1)</script>"
    "<img src=//evil.example/x onerror=\"alert('2')\">"
)
SETUP = a_setup()
MADE = Made("quickstep compare --report x.html", '{"ResourceId": "service/prod/web"}', "a note")
AN_HOUR = 0.04
MOST_BYTES = 300_000


class Page(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.styles: list[str] = []
        self.text = ""
        self._open = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self._open = tag
        if tag == "style":
            self.styles.append("")

    def handle_endtag(self, _tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "style":
            self.styles[-1] += data
        else:
            self.text += data


def money() -> Money:
    month = Month(
        usage=Usage(tasks=2), size=TaskSize(), prices=read_prices(), counted=read_counts()
    )
    return Money(month, 1)


@cache
def a_comparison() -> Comparison:
    experiment = Experiment(a_surge(5, during=100), SETUP, World(), 2, seeds=2)
    return compare(experiment, all_scalers(SETUP))


@cache
def what_ifs() -> tuple[Case, ...]:
    experiment = replace(a_comparison().experiment, seeds=1)
    return what_if(cases_of(experiment), surges=True)


def report(comparison: Comparison, made: Made = MADE) -> str:
    return report_page(comparison, what_ifs(), money(), made)


def a_candidate(success: float, policy: str = HIGH) -> Candidate:
    score = Score(success, 4.0 + success)
    document = a_document(MaxCapacity=round(success * 1000))
    return Candidate(document, {policy: 100.0, LOW: 30.0}, score, score)


def a_tuning(policy: str = HIGH) -> Tuning:
    tried = tuple(a_candidate(success, policy) for success in (0.9, 0.99, 0.999))
    return Tuning(tried[0], tried[1:], tried[2], tried, 0.995)


def hostile_comparison() -> Comparison:
    comparison = a_comparison()
    experiment = comparison.experiment
    return replace(
        comparison,
        experiment=replace(experiment, traffic=replace(experiment.traffic, name=HOSTILE)),
        series={
            name: replace(
                series, actions=tuple(replace(one, why=HOSTILE) for one in series.actions)
            )
            for name, series in comparison.series.items()
        },
    )


HOSTILE_MADE = Made(HOSTILE, HOSTILE, HOSTILE)
PAGES = {
    "comparison": lambda: (report(a_comparison()), report(hostile_comparison(), HOSTILE_MADE)),
    "tuning": lambda: (
        tuning_page(a_tuning(), "my traffic", MADE, AN_HOUR),
        tuning_page(a_tuning(HOSTILE), HOSTILE, HOSTILE_MADE, AN_HOUR),
    ),
}


@cache
def texts(kind: str) -> tuple[str, str]:
    """Return a page, and the same one with hostile names."""
    return PAGES[kind]()


def pages(kind: str) -> tuple[Page, Page]:
    harmless, hostile = texts(kind)
    return Page(harmless), Page(hostile)


kinds = pytest.mark.parametrize("kind", PAGES)


@kinds
def test_a_page_needs_no_network_and_no_script(kind: str) -> None:
    page, _ = pages(kind)
    addresses = [v for name, v in page.attributes if name in ("src", "href", "srcset", "data")]
    assert {address for address in addresses if not address.startswith("#")} == {"data:,"}
    assert not {"script", "iframe", "img", "object", "embed", "base"} & set(page.tags)
    for text in (*page.styles, *(value for name, value in page.attributes if name == "style")):
        assert not re.search(r"@import|url\(|expression", text)


@kinds
def test_hostile_names_are_text_and_nothing_else(kind: str) -> None:
    harmless, hostile = pages(kind)
    assert hostile.tags == harmless.tags
    assert [name for name, _ in hostile.attributes] == [name for name, _ in harmless.attributes]
    assert hostile.styles == harmless.styles
    assert HOSTILE in hostile.text


@kinds
def test_a_page_follows_the_reader_s_theme_and_can_be_printed(kind: str) -> None:
    page, _ = pages(kind)
    rules = "".join(page.styles)
    assert "@media(prefers-color-scheme:dark)" in rules
    assert "@media print" in rules


@kinds
def test_the_command_and_the_policy_that_made_it_stand_in_it(kind: str) -> None:
    page, _ = pages(kind)
    for part in (MADE.command, MADE.policy, MADE.note):
        assert part in page.text


def test_a_page_is_small_however_noisy_its_traffic() -> None:
    noisy = tuple(100.0 + 37 * n % 101 for n in range(1200))
    traffic = replace(a_surge(5), requests=noisy)
    experiment = Experiment(traffic, SETUP, World(), 2, seeds=1)
    assert len(report(compare(experiment, all_scalers(SETUP)))) < MOST_BYTES


def test_the_headline_says_what_fails_and_costs_beside_the_best_that_aws_ships() -> None:
    page, _ = pages("comparison")
    assert re.search(
        r"Quickstep, with surge messages, fails \d+\.\d\d% of the requests, has enough tasks in "
        r"\d+ s and costs \$\d+ a month, while the best that AWS ships, its [\w -]+, [\w -]+, "
        r"fails \d+\.\d\d%, (takes \d+ s|never has enough tasks) and costs \$\d+ a month\.",
        page.text,
    )


def test_table_and_charts_have_every_scaler_and_say_which_is_only_announced() -> None:
    page, _ = pages("comparison")
    for number, name in enumerate(a_comparison().scalers, start=1):
        row = f"{number}. {called(name)}"
        assert page.text.count(row) >= 4, "table, two charts and changes"
        mark = ", announced, not shipped" if name in ANNOUNCED else ""
        assert f"{row}{name}{mark}" in page.text
    assert page.tags.count("circle") == 3 * len(a_comparison().scalers)
    assert ANNOUNCED_ONLY in page.text


def test_a_page_without_an_announced_scaler_does_not_speak_of_them() -> None:
    experiment = Experiment(a_surge(5, during=30), SETUP, World(), 2, seeds=1)
    page = Page(report(compare(experiment, [Quickstep(SETUP)])))
    assert ANNOUNCED_ONLY not in page.text
    assert "while the best" not in page.text


def test_each_pin_leads_to_the_reason_of_its_change() -> None:
    page, _ = pages("comparison")
    actions = a_comparison().series["quickstep-surge"].actions
    led = {value for name, value in page.attributes if name == "href" and value[0] == "#"}
    there = {f"#{value}" for name, value in page.attributes if name == "id"}
    assert led == there == {f"#change-{n}" for n in range(len(actions))}
    assert all(action.why in page.text for action in actions)


def test_a_long_reason_is_cut() -> None:
    comparison = a_comparison()
    long = "word " * 200
    series = replace(comparison.series["quickstep"], actions=(Action(1.0, 2, 3, long),))
    page = Page(report(replace(comparison, series={**comparison.series, "quickstep": series})))
    assert page.text.count("word ") == 60


def test_what_if_plays_each_threshold_with_each_start_up() -> None:
    page, _ = pages("comparison")
    for head in ("Tasks start in 15 s", "Tasks start in 30 s", "Tasks start in 60 s"):
        assert head in page.text
    for threshold in ("75 requests/s", "100 requests/s per task, unchanged", "125 requests/s"):
        assert threshold in page.text
    failed = {
        (case.load_per_task, case.start_up): next(
            iter(case.comparison.scalers.values())
        ).medians.failed
        for case in what_ifs()
    }
    assert len(failed) == 9
    assert failed[100, 15] < failed[100, 30] < failed[100, 60]


def test_latencies_over_time_are_those_of_the_whole_run() -> None:
    series = a_comparison().series["quickstep"]
    assert len(series.latencies) == 80, "160 seconds in steps of 2"
    worst = max(p for p in (step.percentile(0.99) for step in series.latencies) if p is not None)
    assert worst > 1 > (series.latencies[0].percentile(0.99) or 0)


def test_the_rows_of_a_search_can_be_told_apart_and_say_which_is_chosen_and_which_yours() -> None:
    yours, *_ = a_tuning().tried
    score = Score(0.999, 4.5)
    document = {"TargetTrackingPolicies": {"load": {"TargetValue": 98}}}
    chosen = Candidate(document, {"load/high": 98.0}, score, score)
    tuning = Tuning(yours, (chosen,), chosen, (yours, chosen), 0.995)
    page = Page(tuning_page(tuning, "mine", MADE, AN_HOUR))
    cells = re.sub(r"\s+", "", page.text)
    assert "1.targetchosen98-0.100%4.500.180.100%4.50" in cells
    assert (
        "2.steps+1/+2/+4from0/50/100on,-1,cooldowns10sand30syours1003010.000%4.900.2010.000%4.90"
    ) in cells
    assert (
        "Policy 1 fails 0.100% of the requests in its worst run for 4.50 task-hours ($0.18), yours "
        "10.000% for 4.90."
    ) in page.text
    assert "Yours fails 10.000% of the requests in its worst run, the chosen policy 0.100%" in (
        page.text
    )
    assert page.tags.count("circle") == 3 * 2, "both, in three widths"


def test_a_search_that_reached_nothing_says_so_first() -> None:
    tuning = replace(a_tuning(), floor=0.9999)
    page = Page(tuning_page(tuning, "mine", MADE, AN_HOUR))
    assert "No policy kept failures within 0.01%, and policy 2 came closest: it fails 0.100%" in (
        page.text
    )


def test_a_page_of_a_worker_speaks_of_jobs_that_are_late() -> None:
    document = {
        "ResourceId": "service/prod/worker",
        "MinCapacity": 0,
        "MaxCapacity": 40,
        "QueuePolicies": {"jobs": {"QueueName": "jobs", "SecondsPerJob": 2}},
    }
    setup, world = Setup(read_target(document), {}), World(jobs=Jobs(2))
    experiment = Experiment(a_surge(2, during=60), setup, world, 0, 1)
    cases = what_if(cases_of(experiment), surges=False)

    page = Page(
        report_page(compare(experiment, [Quickstep(setup)]), cases, money(), replace(MADE, note=""))
    )

    assert "A task serves 0.5 jobs a second, 2 s each in 1 slots, which are late after 30 s" in (
        page.text
    )
    assert "Jobs over time, and those that were late" in page.text
    assert len(cases) == 3, "a queue has no threshold"
    assert "ailed" not in page.text


def test_without_a_surge_no_scaler_is_called_late() -> None:
    experiment = Experiment(a_surge(1, during=60), SETUP, World(), 2, seeds=1)
    page = Page(report(compare(experiment, all_scalers(SETUP))))
    assert "enough tasks in" not in page.text
    assert "never" not in page.text
    assert re.search(
        r"with surge messages, fails 0\.00% of the requests and costs \$\d+ a", page.text
    )
