"""The one composition root: builds real clients, adapters and clocks, and connects them."""

from __future__ import annotations

import random
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from botocore.config import Config
from botocore.session import get_session

from quickstep.alarms.event import NOWHERE, Home
from quickstep.aws.cloudwatch import CloudWatchAlarms, CloudWatchMetrics
from quickstep.aws.dynamodb import DynamoOperators, DynamoTargets
from quickstep.aws.ecs import EcsServices
from quickstep.aws.queues import READERS, SqsQueues
from quickstep.aws.sqs import SqsMessages
from quickstep.aws.ssm import DynamoCopies, SsmParameters
from quickstep.aws.surges import DynamoSurgeLooks
from quickstep.aws.turns import DynamoTurns
from quickstep.fields import Field, InvalidDocumentError, Problems
from quickstep.loop.announcing import ANNOUNCEABLE, KINDS, Announcer
from quickstep.loop.cycle import Cycle
from quickstep.loop.documents import KeptDocuments
from quickstep.loop.door import Door
from quickstep.loop.schedules import Schedules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quickstep.engine.outcome import Outcome
    from quickstep.protocol.ports import Together
    from quickstep.report.dashboard.deployed import Deployed

_A = TypeVar("_A")
_B = TypeVar("_B")

CLIENT_CONFIG = Config(
    # All attempts of a call that is never answered fit into the function's timeout: 3 x 1.5 s, plus
    # jittered pauses of at most 1 and 2 s. The platform's own retry would come a minute later.
    connect_timeout=1,
    read_timeout=1.5,
    retries={"mode": "standard", "total_max_attempts": 3},
)


A_CENTURY = 36_525 * 86_400
"""Seconds: events kept in a repository are tried out years later."""

ONE_ATTEMPT = CLIENT_CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))


QUEUE_CONFIG = ONE_ATTEMPT.merge(Config(max_pool_connections=READERS))


class MakeClient(Protocol):
    """Makes clients the way a botocore or boto3 session does."""

    def __call__(self, service: str, /, *, config: Config) -> Any:
        """Return a client of an AWS service, e.g. `ecs`."""
        ...


def own_account() -> MakeClient:
    """Return the function that makes clients for the function's own account.

    It avoids boto3: importing that adds a seventh to the scaler's cold start, for features that
    nothing here uses. The clients are the same.
    """
    make: MakeClient = get_session().create_client
    return make


class SettingsError(InvalidDocumentError):
    """An environment variable that is missing or breaks a rule."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in the scaler's environment."""

    table: str
    queue_url: str
    policy_max_age: int
    max_event_age: timedelta
    retention: timedelta
    home: Home = NOWHERE
    announced: frozenset[Outcome] = frozenset()
    bus: str = "default"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables that `template.yaml` sets.

        Raises:
            SettingsError: variables are missing or break a rule; all of them are listed.
        """
        problems = Problems()
        members = Field(dict(environment), "", problems).members(
            required=(
                "TABLE_NAME",
                "QUEUE_URL",
                "POLICY_MAX_AGE_SECONDS",
                "MAX_EVENT_AGE_SECONDS",
                "RETENTION_DAYS",
            )
        )
        problems.raise_any(SettingsError)
        settings = cls(
            members["TABLE_NAME"].text(),
            members["QUEUE_URL"].text(),
            _whole(members["POLICY_MAX_AGE_SECONDS"], 86_400),
            timedelta(seconds=_whole(members["MAX_EVENT_AGE_SECONDS"], A_CENTURY)),
            timedelta(days=_whole(members["RETENTION_DAYS"], 36_500)),
            _home(members["QUEUE_URL"].text()),
            _announced(members["EVENT_OUTCOMES"]) if "EVENT_OUTCOMES" in members else frozenset(),
            members["EVENT_BUS"].text() if "EVENT_BUS" in members else "default",
        )
        problems.raise_any(SettingsError)
        return settings


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """The settings in the environment of the function for scheduled actions."""

    table: str
    queue_url: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ScheduleSettings:
        """Read the variables that `template.yaml` sets.

        Raises:
            SettingsError: one is missing.
        """
        problems = Problems()
        members = Field(dict(environment), "", problems).members(
            required=("TABLE_NAME", "QUEUE_URL")
        )
        problems.raise_any(SettingsError)
        return cls(members["TABLE_NAME"].text(), members["QUEUE_URL"].text())


def _whole(field: Field, most: int) -> int:
    text = field.text("[0-9]{1,10}", "must be a whole number")
    number = int(text) if re.fullmatch("[0-9]{1,10}", text) else 0
    if number > most:
        field.wrong(f"must be at most {most}")
    return min(number, most)


def _announced(field: Field) -> frozenset[Outcome]:
    """Return the outcomes to announce. Example: `CHANGES,FAILED_DENIED`."""
    named = {**KINDS, **{str(outcome): (outcome,) for outcome in ANNOUNCEABLE}}
    names = [name.strip() for name in field.text().split(",") if name.strip()]
    for name in names:
        if name not in named:
            field.wrong(f"must be names of {', '.join(named)}; {name} is none", seen=False)
    return frozenset(outcome for name in names for outcome in named.get(name, ()))


def _home(queue_url: str) -> Home:
    """Return the account and Region that a queue's URL names; none for an emulator's.

    Example: `https://sqs.eu-west-1.amazonaws.com/123456789012/Rechecks`.
    """
    named = re.match(r"https://sqs\.([a-z0-9-]+)\.amazonaws\.com[a-z.]*/([0-9]{12})/", queue_url)
    return Home(account=named[2], region=named[1]) if named else NOWHERE


def make_door(settings: Settings, client: MakeClient | None = None) -> Door:
    """Return the scaler on AWS. All evaluations share the clients made here.

    `client` makes clients for a place other than the function's own account.
    """
    client = client or own_account()
    cloudwatch = client("cloudwatch", config=CLIENT_CONFIG)
    dynamodb = client("dynamodb", config=CLIENT_CONFIG)
    messages = SqsMessages(client("sqs", config=CLIENT_CONFIG), settings.queue_url)
    parameters = SsmParameters(client("ssm", config=CLIENT_CONFIG))
    readers = ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="queues")
    # The system's random source: a seed would be the same in all functions restored from one
    # snapshot.
    jitter = random.SystemRandom().random
    cycle = Cycle(
        policies=KeptDocuments(
            parameters,
            DynamoCopies(dynamodb, settings.table),
            timedelta(seconds=settings.policy_max_age),
            _now,
        ),
        services=EcsServices(
            client("ecs", config=CLIENT_CONFIG), updates=client("ecs", config=ONE_ATTEMPT)
        ),
        targets=DynamoTargets(dynamodb, settings.table, settings.retention),
        turns=DynamoTurns(dynamodb, settings.table),
        metrics=CloudWatchMetrics(cloudwatch),
        queues=SqsQueues(client("sqs", config=QUEUE_CONFIG), readers),
        messages=messages,
        together=in_threads(ThreadPoolExecutor(max_workers=2, thread_name_prefix="quickstep")),
        clock=_now,
        new_id=_new_id,
        jitter=jitter,
        sleep=_sleep,
        max_event_age=settings.max_event_age,
    )
    return Door(
        cycle=cycle,
        alarms=CloudWatchAlarms(cloudwatch),
        parameters=parameters,
        messages=messages,
        surges=DynamoSurgeLooks(dynamodb, settings.table),
        sleep=_sleep,
        jitter=jitter,
        home=settings.home,
        announcer=_announcer(settings, client),
    )


def _announcer(settings: Settings, client: MakeClient) -> Announcer:
    """Return the announcer; without outcomes to announce, it needs no client."""
    if not settings.announced:
        return Announcer()
    # Imported here, so that only those who ask for announcements pay for them at a cold start.
    from quickstep.aws.events import EventBridgeEvents  # noqa: PLC0415

    bus = EventBridgeEvents(client("events", config=ONE_ATTEMPT), settings.bus)
    return Announcer(bus, settings.announced)


def make_schedules(settings: ScheduleSettings, client: MakeClient | None = None) -> Schedules:
    """Return the parts that carry out scheduled actions; arguments as for `make_door`."""
    client = client or own_account()
    dynamodb = client("dynamodb", config=CLIENT_CONFIG)
    return Schedules(
        operators=DynamoOperators(dynamodb, settings.table, _sleep),
        messages=SqsMessages(client("sqs", config=CLIENT_CONFIG), settings.queue_url),
        clock=_now,
        new_id=_new_id,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


def _sleep(duration: timedelta) -> None:
    time.sleep(duration.total_seconds())


def in_threads(executor: ThreadPoolExecutor) -> Together:
    """Return a `Together` that runs the second call in `executor` while the first runs here."""

    def together(first: Callable[[], _A], second: Callable[[], _B]) -> tuple[_A, _B]:
        other = executor.submit(second)
        try:
            mine = first()
        finally:
            wait([other])
        return mine, other.result()

    return together


def make_dashboard(table: str, client: MakeClient | None = None) -> Deployed:
    """Return what the dashboard reads from AWS. It shares only the table with the scaler.

    `client` makes clients for a place other than the function's own account.
    """
    # Imported here, so that the scaler's cold start does not pay for what only the dashboard needs.
    from quickstep.aws.decisions import DynamoDecisions  # noqa: PLC0415
    from quickstep.aws.series import CloudWatchSeries  # noqa: PLC0415
    from quickstep.report.dashboard.deployed import Deployed  # noqa: PLC0415

    client = client or own_account()
    dynamodb = client("dynamodb", config=CLIENT_CONFIG)
    cloudwatch = client("cloudwatch", config=CLIENT_CONFIG)
    return Deployed(DynamoDecisions(dynamodb, table), CloudWatchSeries(cloudwatch))
