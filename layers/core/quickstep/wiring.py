"""The one composition root: real clients, adapters and clock put together."""

from __future__ import annotations

import random
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import boto3
from botocore.config import Config

from quickstep.aws.cloudwatch import CloudWatchAlarms, CloudWatchMetrics
from quickstep.aws.dynamodb import DynamoOperators, DynamoTargets
from quickstep.aws.ecs import EcsServices
from quickstep.aws.sqs import SqsMessages
from quickstep.aws.ssm import SsmPolicyDocuments
from quickstep.cycle import Cycle
from quickstep.fields import Field, InvalidDocumentError, Problems
from quickstep.intake import Intake
from quickstep.scheduled import Schedules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quickstep.dashboard.deployed import Deployed
    from quickstep.ports import Together

_A = TypeVar("_A")
_B = TypeVar("_B")

CLIENT_CONFIG = Config(
    # All attempts of a call that is never answered fit into the function's timeout: 3 x 1.5 s, and
    # jittered pauses of at most 1 and 2 s. The platform's own retry would come a minute later.
    connect_timeout=1,
    read_timeout=1.5,
    retries={"mode": "standard", "total_max_attempts": 3},
)


ONE_ATTEMPT = CLIENT_CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))


class SettingsError(InvalidDocumentError):
    """An environment variable of the function that is missing or breaks a rule."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the function's environment says."""

    table: str
    queue_url: str
    policy_max_age: int
    max_event_age: timedelta
    retention: timedelta

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables that `template.yaml` sets.

        Raises:
            SettingsError: one is missing or breaks a rule; all of them are listed.
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
            _whole(members["POLICY_MAX_AGE_SECONDS"]),
            timedelta(seconds=_whole(members["MAX_EVENT_AGE_SECONDS"])),
            timedelta(days=_whole(members["RETENTION_DAYS"])),
        )
        problems.raise_any(SettingsError)
        return settings


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """What the environment of the function for scheduled actions says."""

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


def _whole(field: Field) -> int:
    text = field.text(r"[0-9]{1,10}", "must be a whole number")
    return int(text) if text.isdecimal() else 0


def make_intake(
    settings: Settings, session: boto3.Session | None = None, endpoint_url: str | None = None
) -> Intake:
    """Return the scaler over AWS. Clients are made here, once, and shared by all evaluations.

    `session` and `endpoint_url` point it somewhere else than the function's own account.
    """
    session = session or boto3.Session()
    ecs = session.client("ecs", config=CLIENT_CONFIG, endpoint_url=endpoint_url)
    ecs_once = session.client("ecs", config=ONE_ATTEMPT, endpoint_url=endpoint_url)
    ssm = session.client("ssm", config=CLIENT_CONFIG, endpoint_url=endpoint_url)
    sqs = session.client("sqs", config=CLIENT_CONFIG, endpoint_url=endpoint_url)
    dynamodb = session.client("dynamodb", config=CLIENT_CONFIG, endpoint_url=endpoint_url)
    cloudwatch = session.client("cloudwatch", config=CLIENT_CONFIG, endpoint_url=endpoint_url)
    messages = SqsMessages(sqs, settings.queue_url)
    # Spread in time, not secrecy, is what this randomness is for.
    jitter = random.Random().random  # noqa: S311
    cycle = Cycle(
        policies=SsmPolicyDocuments(ssm, settings.policy_max_age),
        services=EcsServices(ecs, ecs_once),
        targets=DynamoTargets(dynamodb, settings.table, settings.retention),
        metrics=CloudWatchMetrics(cloudwatch),
        messages=messages,
        together=in_threads(ThreadPoolExecutor(max_workers=2, thread_name_prefix="quickstep")),
        clock=_now,
        new_id=_new_id,
        jitter=jitter,
        pause=_pause,
        max_event_age=settings.max_event_age,
    )
    return Intake(
        cycle=cycle,
        alarms=CloudWatchAlarms(cloudwatch),
        messages=messages,
        pause=_pause,
        jitter=jitter,
    )


def make_schedules(
    settings: ScheduleSettings,
    session: boto3.Session | None = None,
    endpoint_url: str | None = None,
) -> Schedules:
    """Return what carries out scheduled actions; arguments as those of `make_intake`."""
    session = session or boto3.Session()
    dynamodb = session.client("dynamodb", config=CLIENT_CONFIG, endpoint_url=endpoint_url)
    sqs = session.client("sqs", config=CLIENT_CONFIG, endpoint_url=endpoint_url)
    return Schedules(
        operators=DynamoOperators(dynamodb, settings.table, _pause),
        messages=SqsMessages(sqs, settings.queue_url),
        clock=_now,
        new_id=_new_id,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


def _pause(duration: timedelta) -> None:
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


def make_dashboard(
    table: str, session: boto3.Session | None = None, endpoint_url: str | None = None
) -> Deployed:
    """Return what the dashboard reads of AWS. It shares nothing with the scaler but the table.

    `session` and `endpoint_url` point it somewhere else than the function's own account.
    """
    # Here, so that the scaler's cold start does not pay for what only the dashboard needs.
    from quickstep.aws.decisions import DynamoDecisions  # noqa: PLC0415
    from quickstep.aws.series import CloudWatchSeries  # noqa: PLC0415
    from quickstep.dashboard.deployed import Deployed  # noqa: PLC0415

    session = session or boto3.Session()
    dynamodb = session.client("dynamodb", config=CLIENT_CONFIG, endpoint_url=endpoint_url)
    cloudwatch = session.client("cloudwatch", config=CLIENT_CONFIG, endpoint_url=endpoint_url)
    return Deployed(DynamoDecisions(dynamodb, table), CloudWatchSeries(cloudwatch))
