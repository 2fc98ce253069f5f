"""The extra `lab`: packages that most commands do without."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from quickstep_cli.failures import Exit, fail

if TYPE_CHECKING:
    from quickstep_cli.options import Command

DISTRIBUTION, PUBLISHER = "quickstep-ecs", "quickstep-ecs-publisher"
"""What pip knows the command and the publisher as; on PyPI `quickstep` is somebody else's."""
INSTALL = f"pip install '{DISTRIBUTION}[lab]'"
_LAB = ("aws_lambda_powertools", "moto")


def has_lab() -> bool:
    """Return whether the extra is installed."""
    return all(find_spec(name) for name in _LAB)


def needs_lab(command: Command) -> Command:
    """Return a command that says so where the extra is not installed; its --help always works."""

    @functools.wraps(command)
    def run(*args: Any, **given: Any) -> None:
        if not has_lab():
            fail(Exit.USAGE, f"{command.__name__} needs the extra lab: {INSTALL}")
        command(*args, **given)

    return run
