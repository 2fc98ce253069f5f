"""What every command that asks AWS has in common: its options, its clients, and its errors.

Exit codes, of all of them:

    0  done, or the answer is yes
    1  done, and the answer is no: a problem was found, documents differ, a request was refused
    2  the command line is wrong
    3  AWS is unreachable, or does not know the caller: credentials, Region, network
    4  AWS knows the caller, and does not allow the call
    5  the target, stack, table or service does not exist
    6  it changed in the meantime: nothing was written
    7  written and sent, but the scaler has not answered in time

boto3 takes most of a second to import, so it is imported when a command needs it: `explain`,
`validate` and the others do not wait for it.
"""

from __future__ import annotations

import functools
import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from threading import RLock
from typing import TYPE_CHECKING, Annotated, Any

import typer
from botocore import exceptions as botocore
from botocore.config import Config
from rich.console import Console
from rich.markup import escape

from quickstep.aws.failures import Kind, kind_of
from quickstep.naming import RESOURCE_ID_RULE, ServiceName, parse_resource_id
from quickstep.protocol.ports import CallFailedError
from quickstep_cli.options import made_of_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import boto3

    from quickstep.aws.dynamodb import DynamoOperators
    from quickstep.aws.ecs import EcsServices
    from quickstep.aws.sqs import SqsMessages
    from quickstep.protocol.memory import Lease, Memory

CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard"})


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
    """Why a command cannot go on, and the code to exit with."""

    def __init__(self, code: Exit, message: str) -> None:
        self.code = code
        super().__init__(message)


PANEL = "AWS"
SCALER = "/quickstep-scaler"
"""The SSM parameter that the scaler's stack makes: one per account and Region."""


def read_target(text: str) -> ServiceName:
    """Return the service that an argument names.

    Raises:
        typer.BadParameter: it names none.
    """
    named = parse_resource_id(text if text.startswith("service/") else f"service/{text}")
    if named is None:
        raise typer.BadParameter(f"{RESOURCE_ID_RULE}, or without service/, not {text!r}")
    return named


TargetArgument = Annotated[
    ServiceName,
    typer.Argument(
        metavar="TARGET", parser=read_target, help="service/CLUSTER/SERVICE, or CLUSTER/SERVICE."
    ),
]
OptionalTargetArgument = Annotated[
    ServiceName | None,
    typer.Argument(
        metavar="TARGET", parser=read_target, help="Only this service.", show_default="all"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@dataclass(frozen=True)
class Aws:
    """An account and Region, with the clients that have been asked for and the scaler's stack."""

    session: boto3.Session
    endpoint_url: str | None
    stack: str | None
    given: dict[str, str | None]
    config: Config = CONFIG
    wrap: Callable[[Any], Any] = lambda client: client
    _lock: RLock = field(default_factory=RLock)
    _clients: dict[str, Any] = field(default_factory=dict)
    _resources: dict[str, str] = field(default_factory=dict)
    _scaler: dict[str, str] = field(default_factory=dict)

    def client(self, name: str) -> Any:
        """Return the client of a service, made once.

        Raises:
            CommandError: there is no Region.
        """
        with self._lock:  # a session may not be used from several threads, clients may
            if name not in self._clients:
                make: Any = self.session.client
                self._clients[name] = self.wrap(
                    make(
                        name,
                        region_name=self.region,
                        endpoint_url=self.endpoint_url,
                        config=self.config,
                    )
                )
            return self._clients[name]

    def patient(self, threads: int = 1) -> Aws:
        """Return the same for many calls, from so many threads: throttled, they slow down."""
        patience = Config(
            retries={"mode": "adaptive", "max_attempts": 10}, max_pool_connections=threads
        )
        return replace(self, config=CONFIG.merge(patience), _lock=RLock(), _clients={})

    def asking_once(self) -> Aws:
        """Return the same, for reading only: each call is made once."""
        from quickstep_cli.once import Once  # noqa: PLC0415 - see above

        return replace(self, wrap=Once, _lock=RLock(), _clients={})

    def checking(self, check: Callable[[], None]) -> Aws:
        """Return the same: before each call it checks, and what that raises, the call raises."""

        def checked(client: Any) -> Any:
            client.meta.events.register("before-call", lambda **_: check())
            return client

        return replace(self, wrap=checked, _lock=RLock(), _clients={})

    @property
    def scaler(self) -> Mapping[str, str]:
        """What the scaler's parameter says of it: its stack, table and queue.

        Raises:
            CommandError: there is no such parameter, or something else is in it.
        """
        if not self._scaler:
            client = self.client("ssm")
            try:
                text = client.get_parameter(Name=SCALER)["Parameter"]["Value"]
            except client.exceptions.ParameterNotFound as error:
                why = (
                    f"no scaler in {self.region}: there is no SSM parameter {SCALER}. Deploy "
                    "template.yaml, name its stack with --stack, or give --table and --queue-url"
                )
                raise CommandError(Exit.NOT_FOUND, why) from error
            named, resources = _read_scaler(text)
            self._scaler.update(named)
            if not self.stack:
                self._resources.update(resources)
        return self._scaler

    def resource(self, logical_id: str) -> str:
        """Return the physical id of a resource of the scaler, as it says itself, or its stack.

        Raises:
            CommandError: there is no such stack, or it has no such resource.
        """
        stack = self.stack or self.scaler["Stack"]
        if logical_id not in self._resources:
            try:
                answer = self.client("cloudformation").describe_stack_resource(
                    StackName=stack, LogicalResourceId=logical_id
                )
            except botocore.ClientError as error:
                if error.response["Error"]["Code"] not in {"ValidationError", "ResourceNotFound"}:
                    raise
                why = (
                    f"no stack {stack} with a resource {logical_id} in {self.region}: name it "
                    "with --stack, or give --table and --queue-url"
                )
                raise CommandError(Exit.NOT_FOUND, why) from error
            found = answer["StackResourceDetail"]["PhysicalResourceId"]
            self._resources[logical_id] = found
        return self._resources[logical_id]

    @property
    def region(self) -> str:
        """The Region to call.

        Raises:
            CommandError: none is set.
        """
        found: str | None = self.session.region_name
        if not found:
            why = "no AWS Region: give --region, or set AWS_REGION or a profile that has one"
            raise CommandError(Exit.UNREACHABLE, why)
        return found

    @property
    def table(self) -> str:
        """The scaler's table."""
        return self.given["table"] or self._of_the_scaler("Table")

    @property
    def caller(self) -> str:
        """Who asks, as an ARN."""
        return str(self.client("sts").get_caller_identity()["Arn"])

    @property
    def account(self) -> str:
        """The account's number."""
        return self.caller.split(":")[4]

    @property
    def operators(self) -> DynamoOperators:
        """What operators have written to targets' items."""
        from quickstep.aws.dynamodb import DynamoOperators  # noqa: PLC0415 - see above

        return DynamoOperators(self.client("dynamodb"), self.table, wait_for)

    @property
    def messages(self) -> SqsMessages:
        """The scaler's queue."""
        from quickstep.aws.sqs import SqsMessages  # noqa: PLC0415 - see above

        return SqsMessages(
            self.client("sqs"), self.given["queue_url"] or self._of_the_scaler("Rechecks")
        )

    def _of_the_scaler(self, name: str) -> str:
        return self.resource(name) if self.stack else self.scaler[name]

    @property
    def services(self) -> EcsServices:
        """The ECS services."""
        from quickstep.aws.ecs import EcsServices  # noqa: PLC0415 - see above

        return EcsServices(self.client("ecs"), self.client("ecs"))

    def peek(self, service: ServiceName) -> tuple[Memory, Lease | None]:
        """Return what a target's item remembers, and its lease."""
        from quickstep.aws.dynamodb import DynamoTargets  # noqa: PLC0415 - see above

        return DynamoTargets(self.client("dynamodb"), self.table).peek(service.resource_id)


def _read_scaler(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return what a scaler says of itself, and the names of its resources if it has no stack."""
    wrong = f"{SCALER} must be what the scaler's stack wrote, with Stack, Table and Rechecks"
    try:
        found = json.loads(text)
    except ValueError as error:
        raise CommandError(Exit.NO, f"{wrong}, not {text[:100]!r}") from error
    names = ("Stack", "Table", "Rechecks")
    if not isinstance(found, dict) or not all(isinstance(found.get(one), str) for one in names):
        raise CommandError(Exit.NO, f"{wrong}, not {text[:100]!r}")
    resources = found.get("Resources", {})
    if not isinstance(resources, dict) or not all(isinstance(o, str) for o in resources.values()):
        raise CommandError(Exit.NO, f"{SCALER}: Resources must be names by logical id")
    return {name: found[name] for name in names}, resources


def now() -> datetime:
    """Return the time: the one clock of the commands."""
    return datetime.now(UTC)


def wait_for(duration: timedelta) -> None:
    """Wait."""
    time.sleep(duration.total_seconds())


def connect(
    *,
    profile: Annotated[
        str | None, typer.Option(help="Profile of ~/.aws/config.", rich_help_panel=PANEL)
    ] = None,
    region: Annotated[str | None, typer.Option(help="AWS Region.", rich_help_panel=PANEL)] = None,
    endpoint_url: Annotated[
        str | None,
        typer.Option(help="Endpoint for all calls, for emulators.", rich_help_panel=PANEL),
    ] = None,
    stack: Annotated[
        str | None,
        typer.Option(
            envvar="QUICKSTEP_STACK",
            help="The scaler's stack.",
            show_default=f"that of {SCALER}",
            rich_help_panel=PANEL,
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            envvar="QUICKSTEP_TABLE",
            help="The scaler's table, if no stack made it.",
            show_default="the scaler's",
            rich_help_panel=PANEL,
        ),
    ] = None,
    queue_url: Annotated[
        str | None,
        typer.Option(
            envvar="QUICKSTEP_QUEUE_URL",
            help="The scaler's queue, if no stack made it.",
            show_default="the scaler's",
            rich_help_panel=PANEL,
        ),
    ] = None,
) -> Aws:
    """Return the account and Region that the options name; nothing is called yet.

    AWS_REGION counts as it does with the AWS CLI: boto3 itself reads AWS_DEFAULT_REGION alone.
    """
    import boto3  # noqa: PLC0415 - see above

    given = region or os.environ.get("AWS_REGION") or None
    session = boto3.Session(profile_name=profile, region_name=given)
    endpoint = endpoint_url or os.environ.get("AWS_ENDPOINT_URL") or None
    return Aws(session, endpoint, stack or None, {"table": table, "queue_url": queue_url})


def on_aws(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the options of `connect`, whose answer becomes its first argument.

    Whatever AWS refuses becomes one line on stderr and an exit code.
    """
    connected = made_of_options(connect)(command)

    @functools.wraps(connected)
    def run(*args: Any, **given: Any) -> None:
        with explained():
            connected(*args, **given)

    return run


@contextmanager
def explained() -> Iterator[None]:
    """Turn what goes wrong with AWS into a line on stderr and an exit code."""
    try:
        yield
    except CommandError as error:
        fail(error.code, str(error))
    except CallFailedError as error:
        cause = error.__cause__ or error.__context__
        code, why = explain_error(cause) if cause else (Exit.NOT_FOUND, error.why)
        fail(code, why)
    except botocore.ClientError as error:
        fail(*explain_error(error))
    except botocore.BotoCoreError as error:
        fail(*explain_error(error))


def explain_error(error: BaseException) -> tuple[Exit, str]:
    """Return the exit code and the sentence for an error of boto3."""
    match error:
        case botocore.ClientError():
            return _explain_refusal(error)
        case botocore.NoCredentialsError() | botocore.PartialCredentialsError():
            why = "no AWS credentials: run `aws configure` or `aws sso login`, or give --profile"
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
    message = "" if message.lstrip().startswith("<") else message  # a page of who is in between
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
    """Return foreign text for a terminal, without control characters."""
    return "".join(one if one.isprintable() or one == "\n" else "\ufffd" for one in str(text))


def fail(code: Exit, why: str) -> None:
    """Say why, and exit.

    Raises:
        typer.Exit: always.
    """
    Console(stderr=True, highlight=False).print(f"[red]✗[/] {escape(shown(why))}", soft_wrap=True)
    raise typer.Exit(code)
