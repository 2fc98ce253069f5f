"""What all commands that call AWS share: options, clients and a clock.

boto3 takes most of a second to import, so it is imported on use: `explain`, `validate` and other
local commands do not wait for it.
"""

from __future__ import annotations

import functools
import json
import os
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING, Annotated, Any

import typer
from botocore import exceptions as botocore
from botocore.config import Config

from quickstep.naming import RESOURCE_ID_RULE, ServiceName, parse_resource_id
from quickstep_cli.failures import CommandError, Exit, explained
from quickstep_cli.options import made_of_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import boto3

    from quickstep.aws.dynamodb import DynamoOperators
    from quickstep.aws.ecs import EcsServices
    from quickstep.aws.sqs import SqsMessages
    from quickstep.protocol.memory import Lease, Memory

CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard"})


_option = functools.partial(typer.Option, rich_help_panel="AWS")
SCALER = "/quickstep-scaler"
"""The SSM parameter that the scaler's stack creates: one per account and Region."""


def read_target(text: str) -> ServiceName:
    """Return the service that an argument names.

    Raises:
        typer.BadParameter: it names none.
    """
    named = parse_resource_id(text if text.startswith("service/") else f"service/{text}")
    if named is None:
        raise typer.BadParameter(f"{RESOURCE_ID_RULE}, or without service/, not {text!r}")
    return named


_argument = functools.partial(typer.Argument, metavar="TARGET", parser=read_target)
_NAMES = "service/CLUSTER/SERVICE, or CLUSTER/SERVICE."
TargetArgument = Annotated[ServiceName, _argument(help=_NAMES)]
OptionalTargetArgument = Annotated[
    ServiceName | None, _argument(help="Only this service.", show_default="all")
]
UnlessAllArgument = Annotated[
    ServiceName | None, _argument(help=_NAMES, show_default="none: pass --all")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


@dataclass(frozen=True)
class Aws:
    """An account and Region, with its clients and the scaler's stack."""

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
        """Return a service's client, made once.

        Raises:
            CommandError: there is no Region.
        """
        with self._lock:  # clients are thread-safe, sessions are not
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
        """Return a copy for many calls from several threads: it slows down when throttled."""
        patience = Config(
            retries={"mode": "adaptive", "max_attempts": 10}, max_pool_connections=threads
        )
        return replace(self, config=CONFIG.merge(patience), _lock=RLock(), _clients={})

    def asking_once(self) -> Aws:
        """Return a read-only copy that makes each call once."""
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
        """The contents of the scaler's parameter: its stack, table and queue.

        Raises:
            CommandError: there is no such parameter, or its contents are invalid.
        """
        if not self._scaler:
            client = self.client("ssm")
            try:
                text = client.get_parameter(Name=SCALER)["Parameter"]["Value"]
            except client.exceptions.ParameterNotFound as error:
                why = (
                    f"no scaler in {self.region}: there is no SSM parameter {SCALER}. Deploy "
                    "template.yaml, name its stack with --stack, or pass --table and --queue-url"
                )
                raise CommandError(Exit.NOT_FOUND, why) from error
            named, resources = _read_scaler(text)
            self._scaler.update(named)
            if not self.stack:
                self._resources.update(resources)
        return self._scaler

    def resource(self, logical_id: str) -> str:
        """Return the physical ID of a scaler's resource, from its parameter or its stack.

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
                    "with --stack, or pass --table and --queue-url"
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
            why = "no AWS Region: pass --region, or set AWS_REGION or a profile that has one"
            raise CommandError(Exit.UNREACHABLE, why)
        return found

    @property
    def table(self) -> str:
        """The scaler's table."""
        return self.given["table"] or self._of_the_scaler("Table")

    @property
    def caller(self) -> str:
        """The caller's ARN."""
        return str(self.client("sts").get_caller_identity()["Arn"])

    @property
    def account(self) -> str:
        """The account number."""
        return self.caller.split(":")[4]

    @property
    def operators(self) -> DynamoOperators:
        """What operators wrote to targets' items."""
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

    def alarms(self, **which: str) -> list[Mapping[str, Any]]:
        """Return the metric alarms that DescribeAlarms finds."""
        pages = self.client("cloudwatch").get_paginator("describe_alarms").paginate(**which)
        return [alarm for page in pages for alarm in page["MetricAlarms"]]

    def peek(self, service: ServiceName) -> tuple[Memory, Lease | None]:
        """Return what a target's item remembers, and its lease."""
        from quickstep.aws.dynamodb import DynamoTargets  # noqa: PLC0415 - see above

        return DynamoTargets(self.client("dynamodb"), self.table).peek(service.resource_id)


def _read_scaler(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return a scaler's parameter, and its resources' names if it has no stack."""
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
    """Return the time: the commands' only clock."""
    return datetime.now(UTC)


def wait_for(duration: timedelta) -> None:
    """Wait."""
    time.sleep(duration.total_seconds())


def connect(
    *,
    profile: Annotated[str | None, _option(help="Profile of ~/.aws/config.")] = None,
    region: Annotated[str | None, _option(help="AWS Region.")] = None,
    endpoint_url: Annotated[
        str | None, _option(help="Endpoint for all calls, for emulators.")
    ] = None,
    stack: Annotated[
        str | None,
        _option(
            envvar="QUICKSTEP_STACK",
            help="The scaler's stack.",
            show_default=f"that of {SCALER}",
        ),
    ] = None,
    table: Annotated[
        str | None,
        _option(
            envvar="QUICKSTEP_TABLE",
            help="The scaler's table, if no stack made it.",
            show_default="the scaler's",
        ),
    ] = None,
    queue_url: Annotated[
        str | None,
        _option(
            envvar="QUICKSTEP_QUEUE_URL",
            help="The scaler's queue, if no stack made it.",
            show_default="the scaler's",
        ),
    ] = None,
) -> Aws:
    """Return the account and Region that the options name; nothing is called yet.

    AWS_REGION counts as with the AWS CLI; boto3 on its own reads only AWS_DEFAULT_REGION.
    """
    import boto3  # noqa: PLC0415 - see above

    given = region or os.environ.get("AWS_REGION") or None
    session = boto3.Session(profile_name=profile, region_name=given)
    endpoint = endpoint_url or os.environ.get("AWS_ENDPOINT_URL") or None
    return Aws(session, endpoint, stack or None, {"table": table, "queue_url": queue_url})


def on_aws(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the options of `connect`, whose result becomes its first argument.

    AWS errors become one line on stderr and an exit code.
    """
    connected = made_of_options(connect)(command)

    @functools.wraps(connected)
    def run(*args: Any, **given: Any) -> None:
        with explained():
            connected(*args, **given)

    return run
