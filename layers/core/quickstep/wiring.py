"""The one composition root: builds real clients, adapters and clocks, and connects them."""

from __future__ import annotations

import random
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from botocore.config import Config
from botocore.session import get_session

from quickstep.aws.cloudwatch import CloudWatchAlarms, CloudWatchMetrics
from quickstep.aws.dynamodb import DynamoOperators, DynamoTargets
from quickstep.aws.ecs import EcsServices
from quickstep.aws.queues import READERS, SqsQueues
from quickstep.aws.sqs import SqsMessages
from quickstep.aws.ssm import DynamoCopies, SsmParameters
from quickstep.aws.surges import DynamoSurgeLooks
from quickstep.aws.turns import DynamoTurns
from quickstep.loop.announcing import Announcer
from quickstep.loop.cycle import Cycle
from quickstep.loop.documents import KeptDocuments
from quickstep.loop.door import Door
from quickstep.loop.schedules import Schedules

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickstep.protocol.ports import Together
    from quickstep.report.dashboard.deployed import Deployed
    from quickstep.settings import ScheduleSettings, Settings

_A = TypeVar("_A")
_B = TypeVar("_B")

CLIENT_CONFIG = Config(
    # All attempts of a call that is never answered fit into the function's timeout: 3 x 1.5 s, plus
    # jittered pauses of at most 1 and 2 s. The platform's own retry would come a minute later.
    connect_timeout=1,
    read_timeout=1.5,
    retries={"mode": "standard", "total_max_attempts": 3},
)

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

    bus = EventBridgeEvents(client("events", config=ONE_ATTEMPT))
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
