"""How a command fails: one line on stderr, and an exit code.

Exit codes of all commands:

    0  done, or the answer is yes
    1  done, and the answer is no: a problem was found, documents differ, a request was refused
    2  the command line is wrong
    3  AWS is unreachable, or does not know the caller: credentials, Region, network
    4  AWS knows the caller, but does not allow the call
    5  the target, stack, table or service does not exist
    6  it has changed in the meantime: nothing was written
    7  written and sent, but the scaler has not answered in time
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING

import typer
from botocore import exceptions as botocore
from rich.console import Console
from rich.markup import escape

from quickstep.aws.failures import Kind, kind_of
from quickstep.protocol.ports import CallFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Exit(IntEnum):
    """The exit codes; see above."""

    NO = 1
    USAGE = 2
    UNREACHABLE = 3
    DENIED = 4
    NOT_FOUND = 5
    CHANGED = 6
    NO_ANSWER = 7


class CommandError(Exception):
    """Why a command cannot continue, and its exit code."""

    def __init__(self, code: Exit, message: str) -> None:
        self.code = code
        super().__init__(message)


@contextmanager
def explained() -> Iterator[None]:
    """Turn AWS errors into a line on stderr and an exit code."""
    try:
        yield
    except CallFailedError as error:
        cause = error.__cause__ or error.__context__
        code, why = explain_error(cause) if cause else (Exit.NOT_FOUND, error.why)
        fail(code, why)
    except (CommandError, botocore.ClientError, botocore.BotoCoreError) as error:
        fail(*explain_error(error))


def explain_error(error: BaseException) -> tuple[Exit, str]:
    """Return the exit code and the sentence for what stops a command."""
    match error:
        case CommandError():
            return error.code, str(error)
        case CallFailedError():
            return Exit.NO, error.why
        case botocore.ClientError():
            return _explain_refusal(error)
        case botocore.NoCredentialsError() | botocore.PartialCredentialsError():
            why = "no AWS credentials: run `aws configure` or `aws sso login`, or pass --profile"
        case (
            botocore.CredentialRetrievalError()
            | botocore.SSOError()
            | botocore.TokenRetrievalError()
        ):
            why = f"cannot load AWS credentials: {error}; has the login expired?"
        case botocore.ProfileNotFound() | botocore.NoRegionError():
            why = str(error)
        case botocore.HTTPClientError() | botocore.ConnectionError():
            why = f"cannot reach AWS: {error}"
        case _:
            return Exit.NO, str(error)
    return Exit.UNREACHABLE, why


def _explain_refusal(error: botocore.ClientError) -> tuple[Exit, str]:
    code = error.response["Error"]["Code"]
    message = error.response["Error"].get("Message", "")
    message = "" if message.lstrip().startswith("<") else message  # a proxy's error page
    call = error.operation_name
    match kind_of(error):
        case Kind.UNKNOWN_CALLER:
            why = f"{call}: the credentials are invalid or have expired: {message}"
            return Exit.UNREACHABLE, why
        case Kind.DENIED:
            return Exit.DENIED, f"{call} is not allowed: {message}"
        case Kind.NO_SERVICE | Kind.NOT_FOUND:
            return Exit.NOT_FOUND, f"{call}: {message or code}"
        case Kind.UNREACHABLE:
            return Exit.UNREACHABLE, f"{call}: AWS failed: {_said(code, message)}"
        case Kind.THROTTLED | Kind.OTHER:
            return Exit.NO, f"{call}: {_said(code, message)}"


def _said(code: str, message: str) -> str:
    return f"{code}: {message}" if message else code


def shown(text: object) -> str:
    """Return untrusted text for a terminal, without control characters."""
    return "".join(one if one.isprintable() or one == "\n" else "\ufffd" for one in str(text))


def fail(code: Exit, why: str) -> None:
    """Print the reason, and exit.

    Raises:
        typer.Exit: always.
    """
    Console(stderr=True, highlight=False).print(f"[red]✗[/] {escape(shown(why))}", soft_wrap=True)
    raise typer.Exit(code)
