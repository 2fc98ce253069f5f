"""`quickstep simulate` and `quickstep compare`: tables, JSON, pages, and what is refused."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from quickstep_cli.compare import _ends
from quickstep_cli.trials import Trial
from quickstep_lab.simulator.world import World
from tests.builders import HIGH, a_document
from tests.command_line import refused, run, terminal

if TYPE_CHECKING:
    from pathlib import Path


SHORT = ("--to", "150", "--jobs", "1", "--seeds", "1")
ANNOUNCED = ["aas-target-tracking-20s-custom", "aas-target-tracking-10s-custom"]
SCALERS = [
    "quickstep",
    "quickstep-surge",
    "textbook",
    "aas-step-10s-alarm",
    "aas-step-60s-alarm",
    "aas-target-tracking-60s",
    "aas-target-tracking-20s",
    "aas-percent-10s-alarm",
    *ANNOUNCED,
]
both = pytest.mark.parametrize("command", ["simulate", "compare"])


# --- the world that is played ---------------------------------------------------------------------


def test_the_options_describe_the_world() -> None:
    trial = Trial(
        deregistration_delay=15,
        silent_share=0.2,
        protected_share=0.1,
        lost_share=0.3,
        never_come_from=60,
        refuse_checks=True,
    )
    world = trial.world(trial.setup())
    assert (world.deregistration_delay, world.never_come_from) == (15, 60)
    assert (world.silent_share, world.protected_share, world.lost_share) == (0.2, 0.1, 0.3)
    assert world.full_refuses_checks


def test_by_default_tasks_drain_as_the_policy_says_and_nothing_else_is_wrong(
    tmp_path: Path,
) -> None:
    document = tmp_path / "policy.json"
    document.write_text(json.dumps(a_document(DeregistrationDelaySeconds=20)), encoding="utf-8")
    trial = Trial(policy=document)
    assert trial.world(trial.setup()) == replace(World(), deregistration_delay=20)


# --- what is shown --------------------------------------------------------------------------------


def test_simulate_shows_what_was_done_and_why_and_what_it_came_to() -> None:
    result = run("simulate", *SHORT)
    assert result.exit_code == 0
    assert "step-x10: 0.0 h, 1 seed" in result.stdout
    assert re.search(
        r"\n +\d+\.\d +2 → \d+ +Scaled out from 2 to \d+: high-request-rate", result.stdout
    )
    assert "Everything is modelled but Quickstep's own code." in result.stdout
    assert "363 s with 60-s metrics and 86 s with 20-s metrics" in result.stdout
    assert "textbook" not in result.stdout


def test_a_dry_run_is_played_as_it_would_scale(tmp_path: Path) -> None:
    def played(*, dry_run: bool) -> str:
        file = tmp_path / "policy.json"
        file.write_text(json.dumps(a_document(DryRun=dry_run)))
        return run("simulate", *SHORT, "--policy", file, "--json").stdout

    assert played(dry_run=True) == played(dry_run=False)


def test_simulate_plays_the_scaler_that_is_asked_for() -> None:
    result = run("simulate", "--scaler", "aas-step-10s-alarm", *SHORT, "--json")
    assert list(json.loads(result.stdout)["scalers"]) == ["aas-step-10s-alarm"]


def test_compare_shows_every_scaler_in_a_row() -> None:
    result = run("compare", *SHORT)
    assert result.exit_code == 0
    for name in SCALERS:
        shown = re.escape(f"{name} *" if name in ANNOUNCED else name)
        assert len(re.findall(rf"^ ?{shown} +[-\d]", result.stdout, re.MULTILINE)) == 1, name
    assert "Medians over the seeds; -: never happened." in result.stdout
    assert "worst" not in result.stdout
    assert "* Announced by AWS, not shipped: target tracking on high-res" in result.stdout


def test_with_several_seeds_the_range_of_each_measure_stands_below_its_median() -> None:
    arguments = ("--scenario", "step-x10", "--to", "150", "--jobs", "1", "--seeds", "2")
    printed = run("simulate", *arguments).stdout
    document = json.loads(run("simulate", *arguments, "--json").stdout)
    medians, ranges = document["scalers"]["quickstep"], document["ranges"]["quickstep"]
    rows = re.findall(r"^ ?(quickstep|  from-to) +(.*)$", printed, re.MULTILINE)
    assert [name.strip() for name, _ in rows] == ["quickstep", "from-to"]
    assert f"{medians['failed']:,.0f}" in rows[0][1]
    assert f"{medians['success_rate']:.2%}" in rows[0][1]
    low, high = ranges["failed"]
    assert f"{low / 1000:.0f}k-{high / 1000:.0f}k" in rows[1][1].split()
    low, high = (100 * share for share in ranges["success_rate"])
    assert f"{low:.1f}-{high:.1f}" in rows[1][1].split()
    low, high = (seconds / 3600 for seconds in ranges["task_seconds"])
    assert f"{low:.2f}-{high:.2f}" in rows[1][1].split()
    assert "each above its range" in printed


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        pytest.param((9999, 10_000), "9,999-10k", id="from five digits on in thousands"),
        pytest.param((1_234_000, 1_235_000), "1,234k-1,235k", id="however many"),
        pytest.param((12, 12), "12", id="alike"),
        pytest.param((12.2, 12.4), "12", id="shown alike"),
        pytest.param((12, None), "12-never", id="never"),
        pytest.param((None, None), "never", id="none ever"),
    ],
)
def test_both_ends_of_a_range_are_brief(
    ends: tuple[float | None, float | None], shown: str
) -> None:
    assert _ends(ends) == shown


@pytest.mark.parametrize("columns", [40, 80, 160])
def test_no_number_is_cut_or_folded_however_narrow_the_terminal_is(columns: int) -> None:
    arguments = ("compare", *SHORT, "--seeds", "2", "--multiply", "1000")
    narrow, piped = run(*arguments, **terminal(columns)).stdout, run(*arguments).stdout
    cells = re.findall(r"(?<!\S)[\d,.]+(?: m?s|%)?(?!\S)", piped.partition("Theoretical")[0])
    assert [cell for cell in cells if cell not in narrow] == []
    assert "…" not in narrow


def test_the_tables_of_usual_numbers_fit_80_columns() -> None:
    printed = run("compare", *SHORT, "--seeds", "2", **terminal(80)).stdout
    assert max(map(len, printed.splitlines())) <= 80


@both
def test_json_is_one_object_and_all_there_is_on_stdout(command: str) -> None:
    result = run(command, *SHORT, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert (document["traffic"], document["seconds"], document["seeds"]) == ("step-x10", 150, 1)
    assert list(document["scalers"]) == (SCALERS if command == "compare" else ["quickstep"])


def test_progress_on_a_terminal_is_in_the_way_of_no_json() -> None:
    result = run("simulate", *SHORT, "--json", FORCE_COLOR="1")
    assert "Playing step-x10" in result.stderr
    assert result.stdout.startswith("{")
    assert result.stdout.endswith("}\n")


@both
def test_a_report_is_written_and_named(command: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = run(command, *SHORT, "--report", page)
    assert result.exit_code == 0
    assert f"Charts: {page}" in result.stdout
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_report_leaves_json_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = run("simulate", *SHORT, "--json", "--report", page)
    assert json.loads(result.stdout)["traffic"] == "step-x10"
    assert page.exists()


def test_recorded_traffic_is_played_from_and_to_the_seconds_given(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv.gz"
    rows = "".join(f"{second},{10 * second}\n" for second in range(100))
    file.write_bytes(gzip.compress(f"second,requests\n{rows}".encode()))
    arguments = ("--traffic", file, "--from", "10", "--to", "20", "--multiply", "2", "--json")
    document = json.loads(run("simulate", *arguments, "--jobs", "1").stdout)
    assert (document["traffic"], document["seconds"]) == ("mine.csv.gz", 10)
    assert document["scalers"]["quickstep"]["requests"] == 2 * sum(range(100, 200, 10))


def test_the_options_reach_the_model() -> None:
    def peak(*options: str) -> int:
        result = run("simulate", *SHORT, "--json", *options)
        return int(json.loads(result.stdout)["scalers"]["quickstep"]["peak_tasks"])

    assert peak("--threshold", f"{HIGH}=1000") == 2
    assert peak("--outage", "0-150") == 2
    assert peak("--tasks", "20") > 10
    assert peak() > 2


def test_slower_tasks_fail_more() -> None:
    def failed(*options: str) -> float:
        result = run("simulate", *SHORT, "--json", *options)
        return float(json.loads(result.stdout)["scalers"]["quickstep"]["failed"])

    usual = failed()
    assert failed("--task-capacity", "100") > usual
    assert failed("--start-up", "60") > usual
    assert failed("--queue-limit", "10") > usual
    assert failed("--time-out", "0.1") > usual


def test_a_traffic_of_one_second_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "one.csv"
    file.write_text("second,requests\n0,5\n")
    result = run("compare", "--traffic", file, "--jobs", "1")
    assert result.exit_code == 0


def test_without_a_request_nothing_fails(tmp_path: Path) -> None:
    file = tmp_path / "none.csv"
    file.write_text("second,requests\n30,0\n")
    result = run("simulate", "--traffic", file, "--jobs", "1", "--json")
    measures = json.loads(result.stdout)["scalers"]["quickstep"]
    assert (measures["requests"], measures["failed"], measures["success_rate"]) == (0, 0, 1)
    assert measures["latency_ms"]["p99"] is None


def test_hostile_names_of_traffic_are_shown_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "[bold]mine[red].csv"
    file.write_text("second,requests\n0,5\n")
    result = run("simulate", "--traffic", file, "--jobs", "1")
    assert result.exit_code == 0
    assert "[bold]mine[red].csv: 0.0 h, 1 seed" in result.stdout


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param(
            ["--threshold", "nope=3"],
            f"--threshold: must name one of the policies {HIGH}, low-request-rate, not nope",
            id="a policy that is not there",
        ),
        pytest.param(
            ["--threshold", f"{HIGH}=much"],
            f"--threshold: must be POLICY=VALUE, with a number above 0, not '{HIGH}=much'",
            id="no number",
        ),
        pytest.param(
            ["--threshold", HIGH],
            f"--threshold: must be POLICY=VALUE, with a number above 0, not '{HIGH}'",
            id="no value",
        ),
        *(
            pytest.param(
                ["--threshold", f"{HIGH}={value}"],
                f"--threshold: must be POLICY=VALUE, with a number above 0, not '{HIGH}={value}'",
                id=f"threshold {value}",
            )
            for value in ("0", "-1", "nan", "inf")
        ),
        *(
            pytest.param(
                ["--outage", outage],
                "--outage: must be FROM-TO in whole seconds, the first below the second, "
                f"not '{outage}'",
                id=f"outage {outage}",
            )
            for outage in ("5", "9-5", "5-5", "1.5-3", "a-b", "-5-3", "²-3", "1-2-3")
        ),
        pytest.param(
            ["--scenario", "steady", "--traffic", __file__],
            "give --scenario or --traffic, not both",
            id="two traffics",
        ),
        pytest.param(["--scenario", "nope"], "'nope' is not one of", id="no such scenario"),
        pytest.param(
            ["--from", "100", "--to", "100"],
            "--to: must be above --from, 100, not 100",
            id="ends before it starts",
        ),
        pytest.param(["--to", "0"], "'--to'", id="ends at 0"),
        pytest.param(["--to", "999999999"], "'--to'", id="ends in thirty years"),
        pytest.param(["--from", "999999999"], "'--from'", id="starts in thirty years"),
        pytest.param(["--from", "-1"], "'--from'", id="starts before 0"),
        pytest.param(
            ["--multiply", "0"], "multiply: must be a finite number above 0", id="times 0"
        ),
        pytest.param(
            ["--multiply", "nan"], "multiply: must be a finite number above 0", id="times NaN"
        ),
        pytest.param(["--policy", "nowhere.json"], "'nowhere.json' does not exist", id="no policy"),
        pytest.param(["--traffic", "nowhere.csv"], "'nowhere.csv' does not exist", id="no traffic"),
        pytest.param(
            ["--report", "nowhere/page.html"],
            "nowhere/page.html: its directory must exist",
            id="report in a directory that is not there",
        ),
        pytest.param(["--report", "."], ".: must be a file, not a directory", id="a directory"),
        *(
            pytest.param([option, value], f"'{option}'", id=f"{option} {value}")
            for option, values in {
                "--task-capacity": ("0", "nan", "inf", "x"),
                "--service-time": ("-1", "nan"),
                "--queue-limit": ("0", "nan"),
                "--time-out": ("0", "nan"),
                "--start-up": ("-1", "nan", "inf"),
                "--tasks": ("0", "9999"),
                "--seeds": ("0", "1.5"),
                "--jobs": ("0",),
            }.items()
            for value in values
        ),
    ],
)
def test_wrong_arguments_are_refused_with_the_rule_that_they_break(
    arguments: list[str], problem: str
) -> None:
    assert problem in refused("compare", *arguments)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        pytest.param("{", ["must be JSON"], id="no JSON"),
        pytest.param(
            json.dumps(a_document(MinCapacity=-1, DryRun="[bold]")),
            [
                "MinCapacity: must be at least 0, not -1",
                'DryRun: must be true or false, not "[bold]"',
            ],
            id="all problems at once",
        ),
        pytest.param(
            json.dumps(a_document(ScaleOutPolicies=None)),
            ["must have a scale-out policy with MetricScope PerTask to be simulated"],
            id="nothing to scale out",
        ),
    ],
)
def test_a_policy_document_that_cannot_be_played_is_refused(
    text: str, problems: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "policy.json"
    file.write_text(text)
    said = refused("simulate", "--policy", file)
    for problem in problems:
        assert problem in said


def test_scale_out_policies_on_the_total_only_cannot_be_played(tmp_path: Path) -> None:
    document = a_document()
    document["ScaleOutPolicies"][HIGH]["MetricScope"] = "Total"
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(document))
    said = refused("simulate", "--policy", file)
    assert "must have a scale-out policy with MetricScope PerTask" in said


def test_a_policy_document_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_bytes(b"\xff\xfe")
    assert "policy.json: must be UTF-8" in refused("simulate", "--policy", file)


def test_the_first_broken_rule_of_a_recorded_traffic_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("second,requests\n0,-1\n")
    said = refused("simulate", "--traffic", file)
    assert "mine.csv, line 2: requests must be a number from 0" in said


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--to", "9"], "to: must be from 1 to the 2 seconds of mine.csv, not 9"),
        (["--from", "2"], "from: must be less than the 2 seconds of mine.csv, not 2"),
    ],
)
def test_a_part_that_recorded_traffic_does_not_have_is_refused(
    arguments: list[str], problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("second,requests\n0,1\n1,2\n")
    assert problem in refused("simulate", "--traffic", file, *arguments)


def test_how_often_traffic_comes_goes_with_a_report_that_has_dollars(tmp_path: Path) -> None:
    assert "requires --report, which shows dollars" in refused("compare", "--times-a-day", "2")
    report = tmp_path / "report.html"
    options = ("--scenario", "step-x3", "--to", "600", "--report", report)
    often = refused("compare", *options, "--times-a-day", "145")
    assert "must be at most 144: 600 s fit into a day that often, not 145" in often
    assert not report.exists()
