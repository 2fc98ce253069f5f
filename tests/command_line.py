"""The `quickstep` command, called as Typer calls it, in this process."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from quickstep_cli.main import app

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


def terminal(columns: int) -> dict[str, str]:
    """Return the environment of a terminal of so many columns, which knows no colours."""
    return {"TTY_COMPATIBLE": "1", "TERM": "dumb", "COLUMNS": str(columns)}


def run(*arguments: str | Path, **environment: str) -> Result:
    environment = {"COLUMNS": "300", "NO_COLOR": "1", "LC_ALL": "C", **environment}
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)


def refused(*arguments: str | Path) -> str:
    """Return what is said of arguments that are not accepted, without the box around it."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return re.sub(r"[│╭╮╰╯─\s]+", " ", result.stderr)
