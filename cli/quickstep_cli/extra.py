"""The extra `lab`: packages that most commands do not need."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from quickstep_cli.failures import Exit, fail

if TYPE_CHECKING:
    from quickstep_cli.options import Command

DISTRIBUTION, PUBLISHER = "quickstep-ecs", "quickstep-ecs-publisher"
"""pip's name for the command and the publisher; on PyPI, `quickstep` is another project's."""
INSTALL = f"pip install '{DISTRIBUTION}[lab]'"
_LAB = ("aws_lambda_powertools", "moto")


def has_lab() -> bool:
    """Return whether the extra is installed."""
    return all(find_spec(name) for name in _LAB)


def needs_lab(command: Command) -> Command:
    """Return a command that fails with a hint if the extra is missing; --help always works."""

    @functools.wraps(command)
    def run(*args: Any, **given: Any) -> None:
        if not has_lab():
            fail(Exit.USAGE, f"{command.__name__} needs the extra lab: {INSTALL}")
        command(*args, **given)

    return run
