"""The one composition root: real clients, adapters and clock put together into a cycle."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import boto3
from botocore.config import Config

from quickstep.aws.dynamodb import DynamoTargets
from quickstep.aws.ecs import EcsServices
from quickstep.aws.ssm import SsmPolicyDocuments
from quickstep.cycle import Cycle
from quickstep.fields import Field, InvalidDocumentError, Problems

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quickstep.ports import Together

_A = TypeVar("_A")
_B = TypeVar("_B")

CLIENT_CONFIG = Config(
    # All retries of a call fit into the function's timeout: 3 x 3 s, and jittered pauses of less
    # than a second. The platform's own retry would come a minute later.
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 3},
)


class SettingsError(InvalidDocumentError):
    """An environment variable of the function that is missing or breaks a rule."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the function's environment says."""

    table: str
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
                "POLICY_MAX_AGE_SECONDS",
                "MAX_EVENT_AGE_SECONDS",
                "RETENTION_DAYS",
            )
        )
        problems.raise_any(SettingsError)
        settings = cls(
            members["TABLE_NAME"].text(),
            _whole(members["POLICY_MAX_AGE_SECONDS"]),
            timedelta(seconds=_whole(members["MAX_EVENT_AGE_SECONDS"])),
            timedelta(days=_whole(members["RETENTION_DAYS"])),
        )
        problems.raise_any(SettingsError)
        return settings


def _whole(field: Field) -> int:
    text = field.text(r"[0-9]{1,10}", "must be a whole number")
    return int(text) if text.isdecimal() else 0


def make_cycle(
    settings: Settings, session: boto3.Session | None = None, endpoint_url: str | None = None
) -> Cycle:
    """Return a cycle over AWS. Clients are made here, once, and shared by all evaluations.

    `session` and `endpoint_url` point it somewhere else than the function's own account.
    """
    session = session or boto3.Session()
    return Cycle(
        policies=SsmPolicyDocuments(
            session.client("ssm", config=CLIENT_CONFIG, endpoint_url=endpoint_url),
            settings.policy_max_age,
        ),
        services=EcsServices(
            session.client("ecs", config=CLIENT_CONFIG, endpoint_url=endpoint_url)
        ),
        targets=DynamoTargets(
            session.client("dynamodb", config=CLIENT_CONFIG, endpoint_url=endpoint_url),
            settings.table,
            settings.retention,
        ),
        together=in_threads(ThreadPoolExecutor(max_workers=1, thread_name_prefix="quickstep")),
        clock=lambda: datetime.now(UTC),
        new_id=lambda: uuid.uuid4().hex,
        max_event_age=settings.max_event_age,
    )


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
