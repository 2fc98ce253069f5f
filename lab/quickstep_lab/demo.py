"""The demo: a surge of traffic on a modelled service, answered by the real scaler.

    traffic -> service model -> PutMetricData -> alarm evaluation -> event -> scaler -> ECS
                     ^ |                                                 ^    |  ^       |
                     | +-------- a task feels a surge -------------> queue   queue       |
                     +-------------------------- desired count --------------------------+

Everything from PutMetricData to ECS goes over boto3 to an embedded AWS, including the messages by
which tasks report a surge and the scaler schedules its next look. The loop yields one snapshot per
second; the views only show them.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from itertools import count, islice
from typing import IO, TYPE_CHECKING, Any

from quickstep.aws.ecs import EcsServices
from quickstep.config import parse_target
from quickstep.engine.model import Direction
from quickstep.naming import ServiceName
from quickstep_lab import demo_view
from quickstep_lab.alarms import MissingData
from quickstep_lab.clock import CatchUpClock, Clock, next_boundary, period_start
from quickstep_lab.cloudwatch import (
    EVALUATION_SECONDS,
    VISIBILITY_DELAY,
    create_alarms,
    evaluate_alarms,
)
from quickstep_lab.demo_summary import Summary, summarise
from quickstep_lab.embedded_aws import (
    SURGES,
    Account,
    counted,
    create_queue,
    create_service,
    create_table,
    embedded_aws,
    living_by,
    put_policy,
    put_scaler,
)
from quickstep_lab.files import EXAMPLE_POLICY
from quickstep_lab.publishing import TaskPublishers
from quickstep_lab.race import race_of, rivals_of
from quickstep_lab.samples import sample_line, sample_of
from quickstep_lab.scaler import HEARTBEAT, Scaler, embedded_scaler
from quickstep_lab.service_model import FargateService
from quickstep_lab.snapshot import AlarmSnapshot, Plan, Snapshot
from quickstep_lab.thresholds import default_threshold
from quickstep_publisher.surges import SurgeQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from datetime import datetime
    from pathlib import Path

    from mypy_boto3_cloudwatch.type_defs import DimensionTypeDef, PutMetricAlarmInputTypeDef
    from rich.console import Console

    from quickstep.engine.model import Policy, ScalableTarget
    from quickstep_lab.cloudwatch import Evaluation
    from quickstep_lab.race import Lane, Race

SERVICE = ServiceName("prod", "web")
TASKS_AT_START = 2

NAMESPACE = f"Quickstep/{SERVICE.cluster}/{SERVICE.service}"
METRIC = "RequestsPerSecond"
DIMENSIONS: list[DimensionTypeDef] = [
    {"Name": "ClusterName", "Value": SERVICE.cluster},
    {"Name": "ServiceName", "Value": SERVICE.service},
]

HEARTBEAT_SECONDS = 60
FIRST_HEARTBEAT = 5
"""The second of the first heartbeat: the scaler knows its alarms before the first can fire."""


SURGE_SECONDS = 15
"""How long a surge runs in real time, while it is answered. Everything else runs faster."""


def alarms_of(target: ScalableTarget) -> tuple[PutMetricAlarmInputTypeDef, ...]:
    """Return a document's alarms as `templates/scalable-target.yaml` makes them by default.

    A test compares the two.
    """
    return tuple(_alarm(policy) for policy in target.policies)


def _alarm(policy: Policy) -> PutMetricAlarmInputTypeDef:
    out = policy.direction is Direction.OUT
    periods = 1 if out else 3
    missing = MissingData.MISSING if out else MissingData.NOT_BREACHING
    return {
        "AlarmName": SERVICE.alarm(policy.alarm),
        "AlarmDescription": f"{METRIC} per task of {SERVICE.resource_id}",
        "Namespace": NAMESPACE,
        "MetricName": METRIC,
        "Dimensions": DIMENSIONS,
        "Statistic": "Average",
        "Period": 10,
        "EvaluationPeriods": periods,
        "DatapointsToAlarm": periods,
        "Threshold": default_threshold(policy),
        "ComparisonOperator": "GreaterThanThreshold" if out else "LessThanThreshold",
        "TreatMissingData": missing.value,
    }


def play_on_embedded_aws(
    plan: Plan,
    console: Console,
    log: IO[str],
    publish: Callable[[Sequence[Snapshot], Race], None],
    invite: Callable[[str, Sequence[Snapshot]], None] | None,
) -> Summary:
    """Start an embedded AWS, and play the plan on it next to AWS's scalers; see `play`.

    It starts in the past by its own length and catches up with the present: the start of the surge
    runs in real time, everything else faster. `invite` keeps the service up until Ctrl-C. It is
    called once the clock shows the real time, with the endpoint and the run so far.
    """
    target = parse_target(plan.policy.read_text(encoding="utf-8"))
    real = Clock()
    begins = period_start(real.now() - timedelta(seconds=plan.seconds), EVALUATION_SECONDS)
    pace = CatchUpClock(real.now() - begins, real)
    pace.hurry(True)
    rivals = rivals_of(plan, TASKS_AT_START)
    threshold = min(default_threshold(policy) for policy in target.in_direction(Direction.OUT))

    def publish_paced(snapshots: Sequence[Snapshot]) -> None:
        publish(snapshots, race_of(plan, snapshots, rivals))
        newest = snapshots[-1]
        next_ = plan.traffic.at(newest.second + 1)
        since = sum(shot.load.per_task > threshold for shot in snapshots)
        overloaded = next_ > threshold * newest.serving
        pace.hurry(not (overloaded and since < SURGE_SECONDS))

    pacing = f"the first {SURGE_SECONDS} s of the surge in real time, the rest as fast as it goes"
    console.print(f"Pace          {pacing}", markup=False, highlight=False, soft_wrap=True)
    with embedded_aws() as account, living_by(pace.now):
        prepare(account, plan.policy)
        invited = False

        def stay(snapshots: Sequence[Snapshot]) -> None:
            nonlocal invited
            publish(snapshots, race_of(plan, snapshots, rivals))
            pace.hurry(True)
            if invite and not invited and pace.behind < timedelta(seconds=1):
                invite(account.endpoint_url, snapshots)
                invited = True

        return play(
            plan,
            account,
            console,
            pace.clock,
            log,
            publish=publish_paced,
            rivals=rivals,
            stay=stay if invite else None,
        )


def play(
    plan: Plan,
    account: Account,
    console: Console,
    clock: Clock,
    log: IO[str],
    *,
    publish: demo_view.Show = lambda _: None,
    rivals: Sequence[Lane] = (),
    stay: demo_view.Show | None = None,
) -> Summary:
    """Run the plan against a prepared account and show it; print the summary and return it.

    `log` gets each second's measurements next to the scaler's lines. `publish` shows the run
    somewhere else as well: after each second it gets all snapshots so far. With `stay`, the service
    continues under the traffic's last second until Ctrl-C, and `stay` gets the snapshots then. An
    earlier Ctrl-C ends the run, and the summary covers it up to there.
    """
    start = next_boundary(clock.now(), EVALUATION_SECONDS)
    for line in (
        f"Embedded AWS  {account.endpoint_url}",
        f"Scaler's log  {log.name}",
        f"Starts at     {start:%H:%M:%S} UTC, with one of CloudWatch's 10-s periods",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    scaler = embedded_scaler(account, clock, log)
    snapshots: list[Snapshot] = []
    second_by_second = run(plan, account, scaler, clock, start, stays=stay is not None)
    stopped = False
    try:
        with demo_view.view(console, plan, rivals) as show:
            for snapshot in islice(second_by_second, plan.seconds):
                snapshots.append(snapshot)
                measured = sample_line(SERVICE.resource_id, sample_of(snapshot))
                print(json.dumps(measured), file=log, flush=True)
                show(snapshots)
                publish(snapshots)
    except KeyboardInterrupt:
        console.print("Stopped early.")
        stopped = True
    summary = summarise(snapshots)
    console.print()
    demo_view.print_end(console, plan, summary, race_of(plan, snapshots, rivals))
    if stay and not stopped:
        with suppress(KeyboardInterrupt):
            for snapshot in second_by_second:
                snapshots.append(snapshot)
                stay(snapshots)
    second_by_second.close()
    return summary


def prepare(account: Account, policy: Path = EXAMPLE_POLICY) -> None:
    """Create what a deployment would: table, queues, service, policy document and alarms."""
    document = policy.read_text(encoding="utf-8")
    create_table(account)
    put_scaler(account, create_queue(account))
    create_queue(account, SURGES)
    create_service(account, SERVICE, TASKS_AT_START)
    put_policy(account, SERVICE, document)
    create_alarms(account.client("cloudwatch"), alarms_of(parse_target(document)))


def run(
    plan: Plan,
    account: Account,
    scaler: Scaler,
    clock: Clock,
    start: datetime,
    *,
    stays: bool = False,
) -> Generator[Snapshot]:
    """Play the plan against a prepared account; yield a snapshot at the end of each second.

    If it `stays`, it continues after the plan's end with the requests of its last second.

    `start` is on the grid of CloudWatch's periods. Each task publishes what it received in 5 s,
    stamped with the last of those seconds; a period of 10 s is evaluated VISIBILITY_DELAY after its
    end:

        second   0    5    10   12   15   20   22
        publish       x    x         x    x
        evaluate                x              x
        sees                    0-10           10-20

    Meanwhile the scaler gets its own messages as they fall due, and the heartbeat once a minute. A
    task that feels a surge publishes its seconds at once, and notifies the scaler. A starting task
    is pending until it serves, and a removed one drains.
    """
    target = parse_target(plan.policy.read_text(encoding="utf-8"))
    cloudwatch = account.client("cloudwatch")
    client = account.client("ecs")
    ecs = EcsServices(client, client)
    desired = ecs.describe(SERVICE).desired
    fleet = FargateService(
        plan.start_up, plan.capacity, target.deregistration_delay_seconds
    ).with_desired(desired, -plan.start_up)
    publishers = TaskPublishers(
        cloudwatch,
        SERVICE,
        NAMESPACE,
        start,
        surges=_surge_queue(account) if plan.surges else None,
        target=min(default_threshold(policy) for policy in target.in_direction(Direction.OUT)),
    )

    def running() -> int:
        return len(fleet.serving((clock.now() - start).total_seconds()))

    alarms: tuple[AlarmSnapshot, ...] = ()
    with counted(SERVICE, running):
        for second in count() if stays else range(plan.seconds):
            end = second + 1
            at = start + timedelta(seconds=end)
            decisions: list[dict[str, Any]] = []
            for _ in clock.looks_until(at):
                decisions += scaler.on_messages()
            load = fleet.serve(plan.traffic.at(min(second, plan.seconds - 1)), second)
            publishers.publish(load)
            if end % EVALUATION_SECONDS == VISIBILITY_DELAY:
                evaluated = []
                for evaluation in evaluate_alarms(cloudwatch, SERVICE.alarm(""), clock.now):
                    evaluated.append(_alarm_snapshot(evaluation, target))
                    if event := evaluation.event():
                        decisions += scaler.on_event(event)
                alarms = tuple(evaluated)
            if end % HEARTBEAT_SECONDS == FIRST_HEARTBEAT:
                decisions += scaler.on_event(HEARTBEAT)
            decisions += scaler.on_messages()
            desired = ecs.describe(SERVICE).desired
            fleet = fleet.with_desired(desired, end)
            starting = fleet.starting(end)
            yield Snapshot(
                second=second,
                at=at,
                load=load,
                desired=desired,
                serving=len(fleet.serving(end)),
                starting=len(starting),
                next_serving_in=min((task.serves_from - end for task in starting), default=None),
                alarms=alarms,
                decisions=tuple(decisions),
            )


def _surge_queue(account: Account) -> SurgeQueue:
    client = account.client("sqs")
    return SurgeQueue(client.get_queue_url(QueueName=SURGES)["QueueUrl"], client)


def _alarm_snapshot(evaluation: Evaluation, target: ScalableTarget) -> AlarmSnapshot:
    definition = evaluation.definition
    name = definition.name.removeprefix(SERVICE.alarm(""))
    policy = target.policy(name)
    assert policy is not None  # noqa: S101 - the demo's alarms are named like its policies
    return AlarmSnapshot(
        policy=name,
        direction=policy.direction,
        condition=definition.condition,
        threshold=definition.threshold,
        state=evaluation.status.state,
        newest=evaluation.newest,
    )
