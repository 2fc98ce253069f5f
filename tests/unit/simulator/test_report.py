"""The pages: each one file that needs no network, whatever the names in it are."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest

from quickstep.config import read_target
from quickstep_lab.simulator.compare import Comparison, Experiment, all_scalers, compare
from quickstep_lab.simulator.jobs import Jobs
from quickstep_lab.simulator.report import report_page
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.scalers.target_tracking import ANNOUNCED, ANNOUNCED_ONLY, labelled
from quickstep_lab.simulator.series import Mark
from quickstep_lab.simulator.stage import Action, Setup
from quickstep_lab.simulator.tune import Candidate, Score, Tuning
from quickstep_lab.simulator.tuning_report import tuning_page
from quickstep_lab.simulator.world import World
from tests.builders import HIGH, LOW, a_document
from tests.unit.simulator.worlds import a_setup, a_surge

HOSTILE = (
    "</script></title><script>alert(1)</script><img src=//evil.example/x onerror=\"alert('2')\">"
)
SETUP = a_setup()


class Page(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.text = ""
        self._open = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self._open = tag
        if tag == "script":
            self.scripts.append("")
        if tag == "style":
            self.styles.append("")

    def handle_endtag(self, _tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "script":
            self.scripts[-1] += data
        elif self._open == "style":
            self.styles[-1] += data
        else:
            self.text += data

    @property
    def data(self) -> str:
        """The scripts but plotly.js, which is the long one."""
        return "\n".join(script for script in self.scripts if len(script) < 1_000_000)


@cache
def a_comparison() -> Comparison:
    experiment = Experiment(a_surge(5, during=100), SETUP, World(), 2, seeds=2)
    return compare(experiment, all_scalers(SETUP))


def a_candidate(success: float, policy: str = HIGH) -> Candidate:
    score = Score(success, 4.0)
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
                series,
                actions=(Action(1.0, 2, 3, HOSTILE),),
                marks=(Mark(1.0, "SCALED_OUT", HOSTILE, "re-check"),),
            )
            for name, series in comparison.series.items()
        },
    )


PAGES = {
    "comparison": lambda: (
        report_page(a_comparison(), "a note"),
        report_page(hostile_comparison(), f"a note {HOSTILE}"),
    ),
    "tuning": lambda: (
        tuning_page(a_tuning(), "my traffic"),
        tuning_page(a_tuning(HOSTILE), HOSTILE),
    ),
}


@cache
def pages(kind: str) -> tuple[Page, Page]:
    """Return a page, and the same one with hostile names."""
    harmless, hostile = PAGES[kind]()
    return Page(harmless), Page(hostile)


kinds = pytest.mark.parametrize("kind", PAGES)


@kinds
def test_a_page_needs_no_network(kind: str) -> None:
    page, _ = pages(kind)
    addresses = [name for name, _ in page.attributes if name in ("src", "href", "srcset", "data")]
    assert addresses == []
    assert not {"link", "iframe", "img", "object", "embed", "base"} & set(page.tags)
    for text in (*page.styles, *(value for name, value in page.attributes if name == "style")):
        assert not re.search(r"@import|url\(", text)
    assert "http" not in page.data.replace("http://www.w3.org/", "")
    assert any(len(script) > 1_000_000 for script in page.scripts), "plotly.js is not in the page"


@kinds
def test_hostile_names_are_text_and_nothing_else(kind: str) -> None:
    harmless, hostile = pages(kind)
    assert hostile.tags == harmless.tags
    assert [name for name, _ in hostile.attributes] == [name for name, _ in harmless.attributes]
    assert len(hostile.scripts) == len(harmless.scripts)
    assert HOSTILE in hostile.text
    # Charts take some markup in their texts: none of it is left in them.
    assert "alert" in hostile.data
    assert "<img" not in hostile.data
    assert "\\u003cimg" not in hostile.data


def test_the_table_has_every_scaler_and_the_charts_every_one_of_their_lines() -> None:
    page, _ = pages("comparison")
    for name in a_comparison().scalers:
        assert name in page.text
        mark = "announced, not shipped" if name in ANNOUNCED else ""
        assert re.search(rf"{name}{mark}(never|\d)", page.text)
        assert f'"{labelled(name)}"' in page.data, "no line of its own"
    assert "a note" in page.text
    assert "never" in page.text
    assert "Time to 95 %" in page.text
    assert ANNOUNCED_ONLY in page.text


def test_a_page_without_an_announced_scaler_does_not_speak_of_them() -> None:
    experiment = Experiment(a_surge(5, during=30), SETUP, World(), 2, seeds=1)
    page = Page(report_page(compare(experiment, [Quickstep(SETUP)]), ""))
    assert ANNOUNCED_ONLY not in page.text


def test_every_scaler_has_a_colour_of_its_own() -> None:
    page, _ = pages("comparison")
    colours = set(re.findall(r'"color":"(#[0-9A-F]{6})","shape":"hv","width":2', page.data))
    assert len(colours) == len(a_comparison().scalers)


def test_the_table_of_a_search_shows_both_parts_and_which_policies_are_chosen_and_yours() -> None:
    page, _ = pages("tuning")
    assert "1, chosen" not in page.text
    assert "2, chosen" in page.text
    assert "3, yours" in page.text
    assert page.text.count("99.900%") == 2
    assert "3 policies were tried" in page.text


def test_the_page_of_a_search_says_why_yours_loses_and_what_form_each_policy_has() -> None:
    yours, *_ = a_tuning().tried
    score = Score(0.999, 4.5)
    document = {"TargetTrackingPolicies": {"load": {"TargetValue": 98}}}
    chosen = Candidate(document, {"load/high": 98.0}, score, score)
    page = Page(tuning_page(Tuning(yours, (chosen,), chosen, (yours, chosen), 0.995), "mine"))
    fails = "Yours fails 10.000% of the requests in its worst run, the chosen policy 0.100%."
    assert fails in page.text
    cells = re.sub(r"\s+", "", page.text)
    assert "1,chosentarget98-99.900%4.50" in cells
    assert "2,yourssteps+1/+2/+4,cooldowns10sand30s1003090.000%4.00" in cells
    assert "target: load\\u002fhigh 98" in page.data


def test_a_long_reason_is_cut_and_broken_into_lines() -> None:
    comparison = a_comparison()
    long = "word " * 200
    series = replace(comparison.series["quickstep"], actions=(Action(1.0, 2, 3, long),))
    page = Page(report_page(replace(comparison, series={"quickstep": series}), ""))
    assert 50 < page.data.count("word ") + page.data.count("word\\u003cbr") < 62


def test_a_page_of_a_worker_speaks_of_jobs_that_are_late() -> None:
    document = {
        "ResourceId": "service/prod/worker",
        "MinCapacity": 0,
        "MaxCapacity": 40,
        "QueuePolicies": {"jobs": {"QueueName": "jobs", "SecondsPerJob": 2}},
    }
    setup, world = Setup(read_target(document), {}), World(jobs=Jobs(2))
    experiment = Experiment(a_surge(2, during=60), setup, world, 0, 1)

    page = report_page(compare(experiment, [Quickstep(setup)]), "modelled")

    assert '<th scope="col">Late</th><th scope="col">On time</th>' in page
    assert "A task serves 0.5 jobs a second, 2 s each in 1 slots, which are late after 30 s" in page
    assert "Late jobs per second" in page
    assert "Failed" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
