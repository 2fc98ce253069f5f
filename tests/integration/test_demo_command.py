"""`quickstep demo`'s options: what is refused, and with which words, before anything starts."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from quickstep_cli.main import app

if TYPE_CHECKING:
    from pathlib import Path


def refusal(*arguments: str) -> str:
    """Return the message in one line, without the box around it."""
    result = CliRunner().invoke(app, ["demo", *arguments], env={"COLUMNS": "300"})
    assert result.exit_code == 2
    return " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param(
            ["--scenario", "tsunami"],
            "'tsunami' is not one of 'surge', 'surge-180s', 'ramp', 'flash-crowd', 'sawtooth'",
            id="unknown scenario",
        ),
        pytest.param(
            ["--traffic", "missing.csv"], "file 'missing.csv' does not exist", id="no such file"
        ),
        pytest.param(["--traffic", "."], "file '.' is a directory", id="a directory"),
        pytest.param(["--seconds", "9"], "greater than or equal to 10", id="too short"),
        pytest.param(["--multiply", "0"], "multiply: must be a finite number above 0", id="zero"),
        pytest.param(["--multiply", "nan"], "multiply: must be a finite number above 0", id="NaN"),
        pytest.param(["--start-up", "inf"], "less than or equal to 3600", id="never starts"),
        pytest.param(["--log", "missing/x.log"], "No such file or directory", id="log"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(arguments: list[str], problem: str) -> None:
    assert problem in refusal(*arguments)


def test_traffic_is_a_scenario_or_a_file_not_both(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("second,requests\n0,1\n", encoding="utf-8")
    message = refusal("--traffic", str(file), "--scenario", "ramp")
    assert "give --scenario or --traffic, not both" in message


def test_a_broken_file_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("second,requests\n0,1\n0,2\n", encoding="utf-8")
    assert "trace.csv, line 3: second must be above" in refusal("--traffic", str(file))


def test_help_has_a_sentence_on_every_scenario() -> None:
    text = CliRunner().invoke(app, ["demo", "--help"], env={"COLUMNS": "200"}).output
    for name in ("surge", "ramp", "flash-crowd", "sawtooth", "steady"):
        assert f"{name}: 120 requests/s" in text


def test_the_other_commands_do_not_wait_for_what_the_demo_needs() -> None:
    program = "import sys, quickstep_cli.main; print({'moto', 'boto3', 'flask'} & set(sys.modules))"
    done = subprocess.run(  # noqa: S603 - this interpreter, a constant program
        [sys.executable, "-c", program],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"
