"""The list of commands: it is read without them, and says what they say."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from quickstep_cli.main import COMMANDS, app


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_it_says_itself(name: str) -> None:
    command = COMMANDS[name].load(name)

    first, *_ = inspect.cleandoc(command.help).split("\n\n")
    assert COMMANDS[name].help == " ".join(first.split())
    assert command.name == name


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_is_listed_with_its_panel(option: str) -> None:
    result = CliRunner().invoke(app, [option], env={"COLUMNS": "150"})

    assert result.exit_code == 0
    assert [one for one in COMMANDS.values() if one.help not in result.stdout] == []
    assert "Operate deployed targets" in result.stdout


def test_to_list_the_commands_none_of_them_is_imported() -> None:
    program = """
import sys
from quickstep_cli.main import app
try:
    app(["--help"])
finally:
    print({"boto3", "quickstep", "quickstep_lab", "moto"} & set(sys.modules))
"""
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )

    assert done.stdout.endswith("set()\n")


def test_a_command_s_own_help_has_its_epilog() -> None:
    assert "step-x10: " in CliRunner().invoke(app, ["cost", "-h"], env={"COLUMNS": "150"}).stdout


def test_a_name_that_is_nearly_one_is_put_right() -> None:
    result = CliRunner().invoke(app, ["validat"])

    assert result.exit_code == 2
    assert "No such command 'validat'. Did you mean 'validate'?" in result.stderr
