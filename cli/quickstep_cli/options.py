"""Options that several commands share."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from quickstep.fields import InvalidDocumentError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_T = TypeVar("_T")

Command = Any
"""A function that Typer calls, with its own parameters."""

file_option = functools.partial(typer.Option, exists=True, dir_okay=False)
"""An option that names a file to read."""

MAX_EXPORT = 2**26
"""Bytes of AWS's answers in a file; about 1,000 alarms take one or two million."""


def made_of_options(make: Callable[..., Any]) -> Callable[[Command], Command]:
    """Return a decorator for commands whose first argument `make` builds from its own options.

    Typer reads a command's options from its signature, so those of `make` are added to it.

    Example: with `make` taking `region`, `command(aws, name)` becomes `command(name, *, region)`.
    """
    shared = inspect.signature(make, eval_str=True).parameters.values()

    def decorate(command: Command) -> Command:
        first, *own = inspect.signature(command, eval_str=True).parameters.values()

        @functools.wraps(command)
        def run(**given: Any) -> None:
            made = make(**{option.name: given.pop(option.name) for option in shared})
            command(**{first.name: made}, **given)

        arguments = [one for one in shared if one.kind is not one.KEYWORD_ONLY]
        others = [one for one in shared if one.kind is one.KEYWORD_ONLY]
        options = sorted([*arguments, *own, *others], key=lambda option: option.kind)
        wrapped: Command = run
        wrapped.__signature__ = inspect.Signature(options)
        wrapped.__annotations__ = {option.name: option.annotation for option in options}
        return wrapped

    return decorate


def read_file(file: Path, read: Callable[[str], _T], option: str) -> _T:
    """Apply `read` to the text of the file that an option names.

    Raises:
        typer.BadParameter: the file cannot be read, is not UTF-8, or breaks a rule.
    """
    try:
        return read(file.read_text(encoding="utf-8"))
    except InvalidDocumentError as error:
        why = "\n" + "\n".join(str(problem) for problem in error.problems)
    except UnicodeDecodeError:
        why = " must be UTF-8"
    except OSError as error:
        why = f" {error.strerror}"
    raise typer.BadParameter(f"{file}:{why}", param_hint=option)
