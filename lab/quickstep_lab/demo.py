"""The demo: a surge of traffic on a modelled service, answered by the real scaler.

    traffic -> service model -> PutMetricData -> alarm evaluation -> event -> scaler -> ECS
                     ^ |                                                 ^    |  ^       |
                     | +-------- a task feels a surge -------------> queue   queue       |
                     +-------------------------- desired count --------------------------+

Everything from PutMetricData to ECS goes over boto3 to an embedded AWS, and so do the messages by
which tasks tell of a surge, and by which the scaler looks again. The loop yields a snapshot a
second; those who show them take no part in what happens.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any

from quickstep.aws.ecs import EcsServices
from quickstep.config import parse_target
from quickstep.naming import ServiceName
from quickstep_lab import demo_view
from quickstep_lab.alarms import MissingData
from quickstep_lab.clock import Clock, next_boundary
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
    EmbeddedAws,
    counted,
    create_queue,
    create_service,
    create_surge_queue,
    create_table,
    put_policy,
)
from quickstep_lab.files import EXAMPLE_POLICY
from quickstep_lab.publishing import TaskPublishers
from quickstep_lab.samples import sample_line, sample_of
from quickstep_lab.scaler import HEARTBEAT, Scaler, embedded_scaler
from quickstep_lab.service_model import FargateService
from quickstep_lab.snapshot import AlarmSnapshot, Plan, Snapshot
from quickstep_publisher.surges import SurgeQueue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from mypy_boto3_cloudwatch.literals import ComparisonOperatorType
    from mypy_boto3_cloudwatch.type_defs import DimensionTypeDef, PutMetricAlarmInputTypeDef
    from rich.console import Console

    from quickstep.engine.model import ScalableTarget
    from quickstep_lab.cloudwatch import Evaluation

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


def _alarm(
    policy: str,
    comparison: ComparisonOperatorType,
    threshold: float,
    periods: int,
    missing_data: MissingData,
) -> PutMetricAlarmInputTypeDef:
    return {
        "AlarmName": SERVICE.alarm(policy),
        "AlarmDescription": f"{METRIC} per task of {SERVICE.resource_id}",
        "Namespace": NAMESPACE,
        "MetricName": METRIC,
        "Dimensions": DIMENSIONS,
        "Statistic": "Average",
        "Period": 10,
        "EvaluationPeriods": periods,
        "DatapointsToAlarm": periods,
        "Threshold": threshold,
        "ComparisonOperator": comparison,
        "TreatMissingData": missing_data.value,
    }


ALARMS = (
    _alarm("high-request-rate", "GreaterThanThreshold", 100, 1, MissingData.MISSING),
    _alarm("low-request-rate", "LessThanThreshold", 30, 3, MissingData.NOT_BREACHING),
)
"""As `templates/scalable-target.yaml` makes them by default; a test holds both together."""


def _nowhere(_snapshots: Sequence[Snapshot]) -> None:
    """Show a run to nobody but the terminal."""


def play_on_embedded_aws(
    plan: Plan, console: Console, log: IO[str], publish: demo_view.Show = _nowhere
) -> Summary:
    """Start an embedded AWS, and play the plan on it in real time; see `play`."""
    with EmbeddedAws() as account:
        prepare(account)
        return play(plan, account, console, Clock(), log, publish=publish)


def play(
    plan: Plan,
    account: Account,
    console: Console,
    clock: Clock,
    log: IO[str],
    *,
    publish: demo_view.Show = _nowhere,
) -> Summary:
    """Run the plan against a prepared account and show it; print the summary and return it.

    `log` gets what was measured in each second beside the scaler's lines. `publish` shows it
    somewhere else, too: it gets all snapshots so far after each second. Ctrl-C
    ends the run, and the summary is of what there was until then.
    """
    start = next_boundary(clock.now(), EVALUATION_SECONDS)
    for line in (
        f"Embedded AWS  {account.endpoint_url}",
        f"Scaler's log  {log.name}",
        f"Starts at     {start:%H:%M:%S} UTC, with CloudWatch's next 10-s period",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    scaler = embedded_scaler(account, clock, log)
    snapshots: list[Snapshot] = []
    try:
        with demo_view.view(console, plan) as show:
            for snapshot in run(plan, account, scaler, clock, start):
                snapshots.append(snapshot)
                measured = sample_line(SERVICE.resource_id, sample_of(snapshot))
                print(json.dumps(measured), file=log, flush=True)
                show(snapshots)
                publish(snapshots)
    except KeyboardInterrupt:
        console.print("Stopped before its end.")
    summary = summarise(snapshots)
    console.print()
    console.print(demo_view.summary_table(summary, plan))
    return summary


def prepare(account: Account) -> None:
    """Create what a deployment would: table, queues, service, policy document and alarms."""
    create_table(account)
    create_queue(account)
    create_surge_queue(account)
    create_service(account, SERVICE, TASKS_AT_START)
    put_policy(account, SERVICE, EXAMPLE_POLICY.read_text(encoding="utf-8"))
    create_alarms(account.client("cloudwatch"), ALARMS)


def run(
    plan: Plan, account: Account, scaler: Scaler, clock: Clock, start: datetime
) -> Iterator[Snapshot]:
    """Play the plan against a prepared account; yield a snapshot at the end of each second.

    `start` is on the grid of CloudWatch's periods. Each task publishes what it received in 5 s,
    stamped with the last second of them; a period of 10 s is evaluated VISIBILITY_DELAY after its
    end:

        second   0    5    10   12   15   20   22
        publish       x    x         x    x
        evaluate                x              x
        sees                    0-10           10-20

    Meanwhile the scaler gets its own messages as they fall due, and the heartbeat once a minute. A
    task that feels a surge publishes its seconds at once, and tells the scaler.
    A task that starts is pending for as long, and one that was removed drains.
    """
    target = parse_target(EXAMPLE_POLICY.read_text(encoding="utf-8"))
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
        target=ALARMS[0]["Threshold"],
    )

    def running() -> int:
        return len(fleet.serving((clock.now() - start).total_seconds()))

    alarms: tuple[AlarmSnapshot, ...] = ()
    with counted(SERVICE, running):
        for second in range(plan.seconds):
            end = second + 1
            at = start + timedelta(seconds=end)
            decisions: list[dict[str, Any]] = []
            for _ in clock.looks_until(at):
                decisions += scaler.on_messages()
            load = fleet.serve(plan.traffic.at(second), second)
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
