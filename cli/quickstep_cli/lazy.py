"""Commands that are imported when they are run: `quickstep --help` reads a table, and no module.

A command's module imports the simulator, boto3 or the engine, most of a second of CPU in all. What
the list of commands shows of each is in the table; a test holds it to what the command says itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a command is, and what the list of commands says of it.

    `place` is `module:function` below this package; `epilog` is a text's place in the same form.
    """

    place: str
    help: str
    panel: str | None = None
    epilog: str | None = None

    def load(self, name: str) -> Any:
        """Import the command, and return it as Typer makes it."""
        alone = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
        epilog = _at(self.epilog) if self.epilog else None
        alone.command(name, epilog=epilog, rich_help_panel=self.panel)(_at(self.place))
        return typer.main.get_command(alone)

    def listed(self, name: str) -> TyperCommand:
        """Return what stands for the command until it is run."""
        return TyperCommand(name, help=self.help, rich_help_panel=self.panel)


def _at(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"quickstep_cli.{module}"), name)


def group_of(commands: Mapping[str, Lazy]) -> type[TyperGroup]:
    """Return a class of group that has these commands, in this order."""

    class LazyGroup(TyperGroup):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self.commands = {name: one.listed(name) for name, one in commands.items()}

        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
            name, command, rest = super().resolve_command(ctx, args)
            if name is not None and name in commands:
                command = commands[name].load(name)
            return name, command, rest

    return LazyGroup
