"""What `prove` stamps, on the emulator, with planted clocks: all of them are found again.

The scaler, its queues, its events and ECS are ministack's and the deployed stack's. The lab plays
CloudWatch's evaluation, and Application Auto Scaling, which ministack has not: two seconds after
its alarm it sets the desired count. It takes a minute of real time, so it is asked for:

    QUICKSTEP_PROOF=1 make emulator ARGS="-k prove"
"""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.aws.decisions import DynamoDecisions
from quickstep.naming import ServiceName
from quickstep_lab.clock import Clock, next_boundary
from quickstep_lab.embedded_aws import create_service, put_policy
from quickstep_lab.prove.clocks import measured
from quickstep_lab.prove.plan import Contender, Plan
from quickstep_lab.prove.result import Result, Surge, document, read_result
from quickstep_lab.prove.sight import Sight
from quickstep_lab.prove.watch import POLL_SECONDS, watch
from quickstep_publisher import Address, SurgeQueue
from tests.emulator.alarm_clock import evaluate_once
from tests.emulator.scene import decisions, invoke, soon
from tests.emulator.server import START_UP

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickstep_lab.embedded_aws import Account
    from tests.emulator.server import Stack

pytestmark = pytest.mark.skipif(
    "QUICKSTEP_PROOF" not in os.environ, reason="it takes a minute: QUICKSTEP_PROOF=1 runs it"
)

CLUSTER = "proof"
VISIBILITY = 3.0
"""Seconds from the first overloaded second until its datapoint can be read."""
EVALUATED = {10: 12.0, 20: 22.0}
"""Seconds until the alarm of a period is evaluated."""
EVENT = 2.0
"""Seconds from the alarm to its event; AAS acts as late."""
PLAN = Plan(surges=1, warm=1, surge=36, rest=1)
EXACT = POLL_SECONDS + 1
"""A polling second; and a second, as ministack stamps alarms and tasks in whole ones."""


@pytest.fixture(scope="module")
def surges(stack: Stack) -> dict[Contender, Surge]:
    """Plant one surge of five services, and watch it; the stack is the session's."""
    account = stack.account
    alarms = {one: make_service(account, one) for one in Contender}
    for one in Contender:
        publish(account, one, datetime.now(UTC) - timedelta(seconds=40), 40, PLAN.rate(0))
    invoke(stack, "ScalerFunction", {"heartbeat": {}})
    own = [ServiceName(CLUSTER, one.value) for one in Contender if one.is_quickstep]
    assert soon(lambda: all(decisions(stack, name) for name in own))
    start = next_boundary(datetime.now(UTC) + timedelta(seconds=3), 20) - timedelta(seconds=1)
    (overloaded,) = PLAN.overloads(start)
    stage = threading.Thread(target=play, args=(stack, overloaded), daemon=True)
    stage.start()
    table = DynamoDecisions(account.client("dynamodb"), stack.outputs["TableName"])
    sight = Sight(CLUSTER, alarms, account.client("ecs"), account.client("cloudwatch"), table)
    time.sleep(max(0.0, (start - datetime.now(UTC)).total_seconds()))
    stamped = watch(PLAN, start, sight, Clock(), lambda: None)
    stage.join()
    result = Result(
        quickstep="0.1.0",
        where="emulator",
        region="us-east-1",
        start=start,
        plan=PLAN,
        surges=stamped,
    )
    assert read_result(json.dumps(document(result))).surges == rounded(stamped)
    return {surge.service: surge for surge in stamped}


def rounded(surges: tuple[Surge, ...]) -> tuple[Surge, ...]:
    """Return surges as they are read back: in whole milliseconds."""
    again = Result(
        quickstep="",
        where="emulator",
        region="",
        start=datetime.now(UTC),
        plan=PLAN,
        surges=surges,
    )
    written: list[dict[str, Any]] = document(again)["surges"]
    return tuple(
        Surge(
            **{
                **one,
                "service": Contender(one["service"]),
                **{
                    key: datetime.fromisoformat(value).astimezone(UTC)
                    for key, value in one.items()
                    if key not in ("service", "number", "before", "after") and value
                },
            }
        )
        for one in written
    )


def make_service(account: Account, contender: Contender) -> str:
    """Make a service of two tasks and the alarm that scales it out; return the alarm's name."""
    name = ServiceName(CLUSTER, contender.value)
    create_service(account, name, PLAN.fewest)
    policy = "request-rate" if contender.period < 20 else "cpu"
    alarm = f"aas/{contender}"
    if contender.is_quickstep:
        alarm = name.alarm(f"{policy}/high")
        bounds = {"MinCapacity": PLAN.fewest, "MaxCapacity": PLAN.most}
        target = {policy: {"TargetValue": PLAN.target}}
        text = {"ResourceId": name.resource_id, **bounds, "TargetTrackingPolicies": target}
        put_policy(account, name, json.dumps({**text, "PublishSeconds": 1}))
    cloudwatch = account.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=alarm,
        Namespace="Proof",
        MetricName="Load",
        Dimensions=[{"Name": "ServiceName", "Value": contender.value}],
        Statistic="Average",
        Period=contender.period,
        EvaluationPeriods=1,
        Threshold=PLAN.target,
        ComparisonOperator="GreaterThanThreshold",
    )
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="calm")
    return alarm


def play(stack: Stack, overloaded: datetime) -> None:
    """Do what the planted clocks say, at its time."""
    account = stack.account
    for contender in Contender:
        publish(account, contender, overloaded - timedelta(seconds=20), 20, PLAN.rate(0))
    acts: list[tuple[float, Callable[[], Any]]] = [
        (VISIBILITY, lambda: surge_data(account, overloaded)),
        (VISIBILITY + 0.5, lambda: tell(stack, overloaded)),
    ]
    for period, at in EVALUATED.items():
        aas = [one for one in Contender if one.period == period and not one.is_quickstep]
        acts += [(at, partial(evaluate, account)), (at + EVENT, partial(scale, account, aas))]
    for seconds, act in sorted(acts, key=lambda one: one[0]):
        until = (overloaded + timedelta(seconds=seconds) - datetime.now(UTC)).total_seconds()
        time.sleep(max(0.0, until))
        threading.Thread(target=act, daemon=True).start()
    time.sleep(EVENT + START_UP)


def publish(account: Account, contender: Contender, at: datetime, n: int, value: float) -> None:
    account.client("cloudwatch").put_metric_data(
        Namespace="Proof",
        MetricData=[
            {
                "MetricName": "Load",
                "Dimensions": [{"Name": "ServiceName", "Value": contender.value}],
                "Timestamp": at + timedelta(seconds=second),
                "Value": value,
                "StorageResolution": 1,
            }
            for second in range(n)
            for _ in range(PLAN.fewest)
        ],
    )


def surge_data(account: Account, overloaded: datetime) -> None:
    for contender in Contender:
        publish(account, contender, overloaded, 3, PLAN.rate(PLAN.offsets[0]))


def tell(stack: Stack, overloaded: datetime) -> None:
    queue = SurgeQueue(stack.outputs["SurgeQueue"], stack.account.client("sqs"))
    at = overloaded + timedelta(seconds=VISIBILITY)
    queue.tell(Address("Proof", CLUSTER, Contender.SURGE.value), at)


def evaluate(account: Account) -> None:
    for prefix in (f"quickstep/{CLUSTER}/", "aas/"):
        threading.Thread(target=evaluate_once, args=(account, prefix, EVENT), daemon=True).start()


def scale(account: Account, contenders: list[Contender]) -> None:
    for one in contenders:
        account.client("ecs").update_service(
            cluster=CLUSTER, service=one.value, desiredCount=PLAN.most
        )


@pytest.mark.parametrize("contender", Contender)
def test_the_planted_visibility_is_found(
    surges: dict[Contender, Surge], contender: Contender
) -> None:
    seconds = surges[contender].after_overload("readable")

    assert seconds == pytest.approx(VISIBILITY, abs=EXACT)


@pytest.mark.parametrize("contender", [one for one in Contender if one is not Contender.SURGE])
def test_the_planted_evaluation_is_found(
    surges: dict[Contender, Surge], contender: Contender
) -> None:
    seconds = surges[contender].after_overload("alarm")

    assert seconds == pytest.approx(EVALUATED[contender.period], abs=EXACT)


@pytest.mark.parametrize("contender", [Contender.ALARM, Contender.CPU])
def test_the_planted_delay_of_the_event_is_found(
    surges: dict[Contender, Surge], contender: Contender
) -> None:
    surge = surges[contender]
    assert surge.event
    assert surge.alarm

    assert (surge.event - surge.alarm).total_seconds() == pytest.approx(EVENT, abs=EXACT)


@pytest.mark.parametrize("contender", Contender)
def test_the_planted_start_up_is_found(
    surges: dict[Contender, Surge], contender: Contender
) -> None:
    surge = surges[contender]
    assert surge.first_running
    assert surge.update

    start_up = (surge.first_running - surge.update).total_seconds()
    assert start_up == pytest.approx(START_UP, abs=EXACT)
    assert surge.after > surge.before


def test_the_surge_message_is_answered_before_any_alarm(
    stack: Stack, surges: dict[Contender, Surge]
) -> None:
    seconds = surges[Contender.SURGE].after_overload("update")

    assert seconds is not None
    assert seconds < EVALUATED[10], [
        (one["at"], one["trigger"], one["reason"])
        for one in decisions(stack, ServiceName(CLUSTER, Contender.SURGE.value))
    ]


def test_the_simulator_gets_the_planted_clocks(surges: dict[Contender, Surge]) -> None:
    clocks = measured(
        Result(
            quickstep="0.1.0",
            where="emulator",
            region="us-east-1",
            start=datetime.now(UTC),
            plan=PLAN,
            surges=tuple(surges.values()),
        )
    )

    assert clocks.start_up
    assert clocks.start_up.median == pytest.approx(START_UP, abs=EXACT)
    assert clocks.event
    assert clocks.event.median == pytest.approx(EVENT, abs=EXACT)
