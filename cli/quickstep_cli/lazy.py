"""Commands imported when they run: `quickstep --help` reads a table and imports no module.

The commands' modules import the simulator, boto3 or the engine, which takes most of a second of CPU
in all. The table holds what the list of commands shows of each; a test compares the two.
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
    """A command's text in the list of commands, and its location.

    `place` is `module:function` below this package, unless both are called like the command;
    `epilog` locates a text in the same form.
    """

    help: str
    panel: str | None = None
    epilog: str | None = None
    place: str = ""

    def load(self, name: str) -> Any:
        """Import the command, and return it as Typer makes it."""
        alone = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
        made = _at(self.place or f"{name}:{name}")
        epilog = _at(self.epilog) if self.epilog else None
        alone.command(name, epilog=epilog, rich_help_panel=self.panel)(made)
        return typer.main.get_command(alone)

    def listed(self, name: str) -> TyperCommand:
        """Return a placeholder for the command until it runs."""
        return TyperCommand(name, help=self.help, rich_help_panel=self.panel)


def _at(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"quickstep_cli.{module}"), name)


def group_of(commands: Mapping[str, Lazy]) -> type[TyperGroup]:
    """Return a group class with these commands, in this order."""

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
