"""What AWS does by itself around a proof and ministack does not, on planted clocks.

The tasks of the proof's services run here, from their own task definitions and in their own role:
all but the burning of CPU. ECS's CPU metric follows from the same load; CloudWatch's evaluation and
Application Auto Scaling are the lab's models, the latter by the policies that the stack declares.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from quickstep.config import read_target
from quickstep.naming import ServiceName
from quickstep_lab.clock import next_boundary
from quickstep_lab.cloudwatch import EVALUATION_SECONDS, evaluate_alarms
from quickstep_lab.embedded_aws import Account
from quickstep_lab.prove.plan import Contender
from quickstep_lab.simulator.queueing import Server
from quickstep_lab.simulator.scalers.step_scaling import StepScaling
from quickstep_lab.simulator.scalers.target_tracking import TargetTracking
from quickstep_lab.simulator.signals import REQUESTS, cpu
from quickstep_lab.simulator.stage import START, Setup, Stage, Watch
from quickstep_lab.simulator.world import Spread, World
from tests.emulator.alarm_clock import put_event
from tests.emulator.server import session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from quickstep_lab.cloudwatch import Evaluation
    from quickstep_lab.simulator.stage import Scaler

CALM_CPU = 60.0
"""Percent of its CPU that a task's target load takes, as its load burns it."""
LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Planted:
    """Seconds that AWS takes; none is a whole number, which a polling second would hide.

    `visibility` is from PutMetricData until a datapoint can be read, `cpu` from the end of a period
    of ECS's metric until then. `phase` is when CloudWatch evaluates, after each tenth second.
    `event` is from an alarm to its event, or to the action of AAS; `message` is what a message of a
    task takes.
    """

    visibility: float = 2.5
    cpu: float = 1.5
    phase: float = 2.0
    event: float = 2.5
    message: float = 3.5


def utc_now() -> datetime:
    return datetime.now(UTC)


class Over(SystemExit):
    """Ends a thread, quietly."""


@dataclass
class Surroundings:
    """All that goes on around one cluster, in threads; what one of them raises is kept."""

    account: Account
    cluster: str
    planted: Planted
    over: threading.Event = field(default_factory=threading.Event)
    errors: list[BaseException] = field(default_factory=list)
    loads: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The program of each task that runs, by the task's ARN."""
    services: dict[str, Contender] = field(default_factory=dict)

    def sleep(self, seconds: float) -> None:
        if self.over.wait(max(0.0, seconds)):
            raise Over

    def until(self, moment: datetime) -> None:
        self.sleep((moment - utc_now()).total_seconds())

    def begin(self, act: Callable[[], Any]) -> None:
        def guarded() -> None:
            try:
                act()
            except Over:
                pass
            except BaseException as error:  # noqa: BLE001 - raised in the test
                self.errors.append(error)

        threading.Thread(target=guarded, daemon=True).start()

    def later(self, seconds: float, act: Callable[[], Any]) -> None:
        due = utc_now() + timedelta(seconds=seconds)

        def wait() -> None:
            self.until(due)
            act()

        self.begin(wait)

    # --- tasks ------------------------------------------------------------------------------------

    def run_tasks(self) -> None:
        """Run each task that ECS runs, from the moment when it says so."""
        ecs = self.account.client("ecs")
        role = None
        while True:
            for one in Contender:
                listed = ecs.list_tasks(cluster=self.cluster, serviceName=one.value)["taskArns"]
                found = listed and ecs.describe_tasks(cluster=self.cluster, tasks=listed)["tasks"]
                for task in found:
                    arn = task["taskArn"]
                    if task["lastStatus"] == "RUNNING" and arn not in self.loads:
                        definition = ecs.describe_task_definition(
                            taskDefinition=task["taskDefinitionArn"]
                        )["taskDefinition"]
                        role = role or self._assume(definition["taskRoleArn"])
                        self.services[arn] = one
                        self.loads[arn] = program = self._load(definition, role)
                        self.begin(program["main"])
            self.sleep(LOOK_SECONDS)

    def _assume(self, role: str) -> Account:
        answer = self.account.client("sts").assume_role(RoleArn=role, RoleSessionName="task")
        given = answer["Credentials"]
        keys = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        return Account(session(*keys), self.account.endpoint_url)

    def _load(self, definition: Mapping[str, Any], role: Account) -> dict[str, Any]:
        """Return what a task's command defines, with clients whose calls take their time."""
        (container,) = definition["containerDefinitions"]
        environment = {one["name"]: one["value"] for one in container["environment"]}
        program: dict[str, Any] = {"__name__": "load", "ENVIRONMENT": environment}
        calls = SimpleNamespace(client=lambda name: self._slow(role.client(name)))
        clock = SimpleNamespace(time=time.time, sleep=self.sleep)
        (command,) = container["command"]
        exec(command.replace("os.environ", "ENVIRONMENT"), program)  # noqa: S102 - our own
        program |= {"boto3": calls, "time": clock, "burn": lambda: None}
        return program

    def _slow(self, client: Any) -> Any:
        planted = self.planted
        return SimpleNamespace(
            put_metric_data=lambda **data: self.later(
                planted.visibility, partial(client.put_metric_data, **data)
            ),
            send_message=lambda **message: self.later(
                planted.message, partial(client.send_message, **message)
            ),
        )

    # --- metrics and alarms -----------------------------------------------------------------------

    def publish_cpu(self) -> None:
        """Publish ECS's CPU of each task, once a period has ended and its time has passed."""
        client, period = self.account.client("cloudwatch"), Contender.CPU.period
        while True:
            end = next_boundary(utc_now(), period)
            self.until(end + timedelta(seconds=self.planted.cpu))
            for arn, program in list(self.loads.items()):
                start = end.timestamp() - period
                busy = [
                    100.0
                    if program["surging"](start + second)
                    else CALM_CPU * program["PLAN"]["calm"]
                    for second in range(period)
                ]
                names = {"ClusterName": self.cluster, "ServiceName": self.services[arn].value}
                datum = {
                    "MetricName": "CPUUtilization",
                    "Dimensions": [{"Name": key, "Value": name} for key, name in names.items()],
                    "Timestamp": end - timedelta(seconds=period),
                    "Value": sum(busy) / period,
                    "StorageResolution": 1,
                }
                if self.services[arn].period == period:
                    client.put_metric_data(Namespace="AWS/ECS", MetricData=[datum])

    def evaluate(self) -> None:
        """Evaluate the alarms every ten seconds; their events and actions take their time."""
        client, scalers = self.account.client("cloudwatch"), self._auto_scaling()
        prefixes = ("quickstep/{}/", "{}-", "TargetTracking-service/{}/")
        while True:
            at = next_boundary(utc_now(), EVALUATION_SECONDS)
            self.until(at + timedelta(seconds=self.planted.phase))
            for prefix in prefixes:
                for one in evaluate_alarms(client, prefix.format(self.cluster), utc_now):
                    self.later(self.planted.event, partial(put_event, self.account, one))
                    for contender, scaler in scalers.items():
                        if contender.value in one.definition.name:
                            scaler.saw(one)

    def _auto_scaling(self) -> dict[Contender, AutoScaling]:
        scalers = {
            one: AutoScaling(self.account, ServiceName(self.cluster, one.value), self.planted)
            for one in Contender
            if not one.is_quickstep
        }
        for scaler in scalers.values():
            self.begin(partial(self._play, scaler))
        return scalers

    def _play(self, scaler: AutoScaling) -> None:
        while True:
            scaler.play()
            self.sleep(0.02)


class AutoScaling:
    """The lab's model of Application Auto Scaling, on a service and the policy declared for it."""

    def __init__(self, account: Account, service: ServiceName, planted: Planted) -> None:
        self._values: dict[float, float | None] = {}
        self._lock = threading.Lock()
        world = World(
            aas_action=Spread(planted.event, planted.event),
            tracking_delay_20s=0.0,
            server=Server(100),
        )
        fleet: Any = _Fleet(account, service)
        metric: Any = SimpleNamespace(read=lambda start, *_: (self._values.get(start), 0.0))
        self._stage = _EventStage(world, Random(0), fleet, metric)  # noqa: S311 - not secret
        _declared(account, service).start(self._stage)

    def saw(self, evaluation: Evaluation) -> None:
        """Take in what CloudWatch has seen in an evaluation: the model's alarm sees the same."""
        with self._lock:
            for each in evaluation.datapoints:
                self._values[(each.at - START).total_seconds()] = each.value
            self._stage.now = _now()
            for look in self._stage.looks:
                look()

    def play(self) -> None:
        """Do what is planned for now."""
        with self._lock:
            self._stage.play_until(_now())


def _now() -> float:
    return (utc_now() - START).total_seconds()


@dataclass
class _Fleet:
    """A service's tasks, by ECS."""

    account: Account
    name: ServiceName

    def _described(self) -> Mapping[str, Any]:
        ecs = self.account.client("ecs")
        asked = {"cluster": self.name.cluster, "services": [self.name.service]}
        (found,) = ecs.describe_services(**asked)["services"]
        return dict(found)

    def running(self, _now: float) -> int:
        return int(self._described()["runningCount"])

    @property
    def desired(self) -> int:
        return int(self._described()["desiredCount"])

    def set_desired(self, desired: int, _now: float) -> None:
        ecs = self.account.client("ecs")
        ecs.update_service(
            cluster=self.name.cluster, service=self.name.service, desiredCount=desired
        )


class _EventStage(Stage):
    """A stage in real time, whose alarms are evaluated when CloudWatch's are."""

    def every(self, _seconds: float, _first: float, action: Callable[[], None]) -> None:
        self.looks = [*getattr(self, "looks", []), action]


def _declared(account: Account, service: ServiceName) -> Scaler:
    """Return the model of the policy that a stack declares for a service."""
    client, asked = account.client("application-autoscaling"), {"ServiceNamespace": "ecs"}
    resource_id = service.resource_id
    (target,) = client.describe_scalable_targets(ResourceIds=[resource_id], **asked)[
        "ScalableTargets"
    ]
    (policy,) = client.describe_scaling_policies(ResourceId=resource_id, **asked)["ScalingPolicies"]
    bounds = {name: target[name] for name in ("MinCapacity", "MaxCapacity")}
    steps = policy.get("StepScalingPolicyConfiguration")
    if steps:
        names = ("AdjustmentType", "Cooldown", "StepAdjustments")
        kept = {name: steps[name] for name in names} | {"MetricScope": "PerTask"}
        document = {"ScaleOutPolicies": {"steps": kept}}
        alarm = f"{service.cluster}-{service.service}"
        (found,) = account.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
        threshold, signal = found["Threshold"], REQUESTS
    else:
        threshold = policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"]
        document = {"TargetTrackingPolicies": {"cpu": {"TargetValue": threshold}}}
        signal = cpu(Server(100))
    read = read_target({"ResourceId": resource_id, **bounds, **document})
    name = read.policies[0].alarm
    setup = Setup(read, {name: threshold}, {name: Watch(signal)})
    return StepScaling(setup, 10) if steps else TargetTracking(setup, "aas-target-tracking-20s")


@contextmanager
def surroundings(account: Account, cluster: str, planted: Planted) -> Iterator[Surroundings]:
    """Have all of it go on, from the moment when the proof's services are there."""
    around = Surroundings(account, cluster, planted)

    def when_there() -> None:
        ecs = account.client("ecs")
        while cluster not in "".join(ecs.list_clusters()["clusterArns"]) or len(
            ecs.describe_services(cluster=cluster, services=list(Contender))["services"]
        ) < len(Contender):
            around.sleep(LOOK_SECONDS)

    def begin() -> None:
        when_there()
        around.begin(around.run_tasks)
        around.begin(around.publish_cpu)
        around.sleep(2)  # AAS's policies come after their services
        around.begin(around.evaluate)

    around.begin(begin)
    try:
        yield around
    finally:
        around.over.set()
    if around.errors:
        raise around.errors[0]
