"""`quickstep tune`: what it prints, what it writes, how it exits, and what it refuses."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from quickstep.config import parse_target
from quickstep_cli.main import app
from quickstep_cli.tune import deployment
from quickstep_lab.simulator.tune import Candidate, Score
from tests.builders import HIGH, LOW, a_document, example_document
from tests.command_line import refused, run

if TYPE_CHECKING:
    from pathlib import Path


# Both parts are just long enough.
SHORT = ("--scenario", "sawtooth", "--to", "1200", "--hold-out", "0.5")
QUICK = ("--candidates", "4", "--seeds", "1", "--jobs", "1")


def test_it_prints_the_policies_worth_a_look_and_a_document_that_validate_accepts() -> None:
    result = run("tune", *SHORT, *QUICK, "--floor", "0")
    assert result.exit_code == 0
    table, _, document = result.stdout.partition("{")
    assert re.search(r"\d policies tried on 0\.2 h, 0\.2 h held out", table)
    assert re.search(r"chosen *\n", table)
    assert re.search(r"100 +30 .* yours", table)
    thresholds = re.search(r"Alarm thresholds, in .* and task: (.*)", table)
    assert thresholds is not None
    target = parse_target("{" + document)
    assert target.resource_id == "service/prod/web"
    shown = dict(re.findall(r"([\w/-]+) ([\d.]+)", thresholds[1]))
    assert [policy.alarm for policy in target.policies] == list(shown)
    assert min(map(float, shown.values())) > 0


def test_a_document_is_written_instead_of_printed(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    result = run("tune", *SHORT, *QUICK, "--floor", "0", "--out", file)
    assert result.exit_code == 0
    assert f"Policy document: {file}" in result.stdout
    assert "{" not in result.stdout
    validated = CliRunner().invoke(app, ["validate", str(file)])
    assert validated.exit_code == 0


def test_json_is_one_object_and_all_there_is_on_stdout() -> None:
    result = run("tune", *SHORT, *QUICK, "--floor", "0", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert list(document) == [
        "traffic",
        "floor",
        "reached",
        "holds",
        "candidates",
        "chosen",
        "baseline",
        "front",
        "traffics",
        "reasons",
        "deploy",
    ]
    assert (document["traffic"], document["floor"]) == ("sawtooth", 0)
    assert (document["reached"], document["holds"]) == (True, True)
    assert document["baseline"]["document"] == example_document()
    assert set(document["chosen"]["tuned"]) == {"success_rate", "task_hours"}
    assert set(document["chosen"]["held_out"]) == {"success_rate", "task_hours"}
    assert document["chosen"]["tuned"] in [candidate["tuned"] for candidate in document["front"]]


def test_a_target_policy_is_tuned_as_well(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    document = a_document(ScaleOutPolicies=None, ScaleInPolicies=None)
    file.write_text(
        json.dumps({**document, "TargetTrackingPolicies": {"request-rate": {"TargetValue": 100}}})
    )
    result = run("tune", *SHORT, *QUICK, "--floor", "0", "--policy", file, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["baseline"]["thresholds"] == {"request-rate/high": 100}
    assert list(found["chosen"]["thresholds"]) in (
        ["request-rate/high"],
        ["high-request-rate", "low-request-rate"],
    )


def test_several_files_are_one_search(tmp_path: Path) -> None:
    files: list[str | Path] = []
    for name, high in (("calm.csv", 300), ("busy.csv", 900)):
        rows = "".join(f"{n},{120 if n % 600 < 300 else high}\n" for n in range(1200))
        (tmp_path / name).write_text(f"second,requests\n{rows}")
        files += ["--traffic", tmp_path / name]
    shared = ("--hold-out", "0.5", *QUICK, "--floor", "0")

    both = json.loads(run("tune", *files, *shared, "--json").stdout)
    busy = json.loads(run("tune", *files[2:], *shared, "--json").stdout)

    assert both["traffic"] == "calm.csv, busy.csv"
    assert both["traffics"] == ["calm.csv", "busy.csv"]
    one, other = (found["baseline"]["tuned"] for found in (both, busy))
    assert one["success_rate"] == other["success_rate"] < 1
    assert one["task_hours"] > other["task_hours"]
    table = run("tune", *files, *shared).stdout
    assert re.search(r"\d policies tried on 0\.3 h, 0\.3 h held out", table)


def test_of_several_files_the_one_that_tests_no_surge_is_named(tmp_path: Path) -> None:
    files: list[str | Path] = []
    for name, late in (("calm.csv", 120), ("busy.csv", 900)):
        rows = "".join(
            f"{n},{120 if n % 600 < 300 else 900 if n < 600 else late}\n" for n in range(1200)
        )
        (tmp_path / name).write_text(f"second,requests\n{rows}")
        files += ["--traffic", tmp_path / name]
    said = run("tune", *files, "--hold-out", "0.5", *QUICK, "--floor", "0").stderr
    assert "The held-out part of calm.csv peaks at less than half of the tuned part" in said
    assert "busy.csv" not in said


@pytest.mark.parametrize("saved", [True, False], ids=["to a file", "printed"])
def test_why_yours_loses_and_how_to_deploy_what_was_found_are_said(
    tmp_path: Path, *, saved: bool
) -> None:
    file = tmp_path / "my policy.json"
    options = ("--out", file) if saved else ()
    arguments = ("tune", *SHORT, *QUICK, "--floor", "0", *options)
    found = json.loads(run(*arguments, "--json").stdout)
    said = run(*arguments).stdout

    assert found["reasons"]
    for line in found["reasons"]:
        assert line in said
    command = found["deploy"]
    assert command.startswith(
        f"quickstep apply '{file}' --alarms" if saved else "quickstep apply tuned.json --alarms"
    )
    once = "" if saved else " after saving it as tuned.json"
    assert f"Deploy it{once}: {command}\n" in said


@pytest.mark.parametrize(
    ("thresholds", "command"),
    [
        pytest.param(
            {"request-rate/high": 98.0}, "quickstep apply tuned.json --alarms", id="one number"
        ),
        pytest.param(
            {HIGH: 98.5, LOW: 29.0},
            f"quickstep apply tuned.json --alarms --threshold {HIGH}=98.5 --threshold {LOW}=29",
            id="steps",
        ),
    ],
)
def test_the_command_has_the_thresholds_that_the_document_has_not(
    thresholds: dict[str, float], command: str
) -> None:
    assert deployment(Candidate({}, thresholds, Score(1, 1)), None) == command


def test_a_floor_that_no_policy_reaches_is_said_and_is_an_error_to_a_script() -> None:
    surge = ("--scenario", "surge", "--to", "1200", "--hold-out", "0.5")
    result = run("tune", *surge, *QUICK, "--floor", "1")
    assert result.exit_code == 1
    assert "No policy reached a success rate of 1; this came closest." in result.stderr
    assert "less than half of the tuned part: it does not test a surge" in result.stderr
    assert result.stdout.rstrip().endswith("}")


def test_a_floor_that_is_missed_on_the_part_held_out_only_is_said_too(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    rows = "".join(f"{n},{120 if n < 600 or n % 300 < 200 else 1500}\n" for n in range(1200))
    file.write_text(f"second,requests\n{rows}")
    arguments = ("--traffic", file, "--hold-out", "0.5", *QUICK)

    result = run("tune", *arguments)
    assert result.exit_code == 1
    assert "It misses the success rate on the held-out part" in result.stderr

    result = run("tune", *arguments, "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["reached"], document["holds"]) == (True, False)


def test_a_report_is_written_also_where_the_floor_was_missed(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = run("tune", *SHORT, *QUICK, "--floor", "1", "--report", page, "--json")
    assert result.exit_code == 1
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("capacity", ["1", "3"])
def test_weak_tasks_can_be_tuned_for_as_well(capacity: str) -> None:
    result = run(
        "tune",
        *SHORT,
        *QUICK,
        "--task-capacity",
        capacity,
        "--multiply",
        "0.01",
        "--floor",
        "0",
        "--json",
    )
    assert result.exit_code == 0
    thresholds = list(json.loads(result.stdout)["chosen"]["thresholds"].values())
    assert min(thresholds) > 0
    assert thresholds == sorted(set(thresholds), reverse=True)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param(
            ["--to", "1200"],
            "--hold-out: both parts of the 1200 seconds must have at least 600, not 400",
            id="too short",
        ),
        pytest.param(
            ["--to", "1", "--hold-out", "0.1"],
            "--hold-out: both parts of the 1 seconds must have at least 600, not 0",
            id="one second",
        ),
        pytest.param(["--hold-out", "0.95"], "'--hold-out'", id="nearly all held out"),
        pytest.param(["--hold-out", "nan"], "'--hold-out'", id="NaN held out"),
        pytest.param(["--floor", "99.9"], "'--floor'", id="a floor in per cent"),
        pytest.param(["--floor", "nan"], "'--floor'", id="no floor"),
        pytest.param(["--candidates", "3"], "'--candidates'", id="too few candidates"),
        pytest.param(["--seeds", "0"], "'--seeds'", id="no seed"),
        pytest.param(
            ["--threshold", "nope=3"], "--threshold: must name one of the policies", id="no policy"
        ),
        pytest.param(
            ["--scenario", "steady", "--traffic", __file__],
            "give --scenario or --traffic, not both",
            id="two traffics",
        ),
        pytest.param(
            ["--from", "9", "--to", "5"], "--to: must be above --from, 9, not 5", id="backwards"
        ),
        pytest.param(
            ["--out", "nowhere/policy.json"],
            "nowhere/policy.json: its directory must exist",
            id="document in a directory that is not there",
        ),
        pytest.param(
            ["--report", "nowhere/page.html"],
            "nowhere/page.html: its directory must exist",
            id="report in a directory that is not there",
        ),
        pytest.param(["--out", "."], ".: must be a file, not a directory", id="a directory"),
    ],
)
def test_wrong_arguments_are_refused_with_the_rule_that_they_break(
    arguments: list[str], problem: str
) -> None:
    assert problem in refused("tune", *arguments)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param(
            {"ScaleInPolicies": None},
            "all with MetricScope PerTask, to be tuned",
            id="none to scale in",
        ),
        pytest.param(
            {"MinCapacity": -1}, "MinCapacity: must be at least 0, not -1", id="not valid"
        ),
    ],
)
def test_a_document_that_cannot_be_tuned_is_refused(
    changes: dict[str, object], problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(a_document(**changes)))
    said = refused("tune", "--policy", file)
    assert "--policy" in said
    assert problem in said


def test_a_scale_in_policy_on_the_total_cannot_be_tuned(tmp_path: Path) -> None:
    document = a_document()
    document["ScaleInPolicies"][LOW]["MetricScope"] = "Total"
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(document))
    assert "all with MetricScope PerTask, to be tuned" in refused("tune", "--policy", file)
