"""Every call of an evaluation fails in every way, and nothing is lost or done twice.

A proxy that speaks AWS's protocols stands before the embedded AWS. The load is too much for 4 tasks
and little for 8, and a breach adds 4: whoever answers it twice ends at 12.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from quickstep import wiring
from quickstep.engine.outcome import Outcome
from quickstep.loop.capacity import RETRY_SLEEPS
from quickstep.loop.cycle import LEASE
from quickstep.loop.looks import recheck_look
from quickstep.protocol.counts import Counts
from quickstep.protocol.line import Turn
from quickstep.protocol.memory import Memory
from quickstep.protocol.messages import Recheck
from quickstep.protocol.ports import CallFailedError, LeaseLostError
from quickstep_lab.embedded_aws import (
    Account,
    create_queue,
    create_service,
    create_table,
    put_policy,
    reset,
)
from tests.builders import HIGH, WEB, a_document, a_lease, a_record
from tests.integration.fault_proxy import FaultProxy, fault_proxy
from tests.integration.scene import (
    NO_GUARDS,
    a_door,
    an_event,
    at,
    last_period,
    on_call,
    outcomes,
    recreate_table,
    remembered,
    scale_out_policy,
    set_tasks,
    targets_of,
    tasks,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep.loop.door import Door

LOAD = 620.0
DOCUMENT = json.dumps(
    a_document(Guards=NO_GUARDS, ScaleOutPolicies={HIGH: scale_out_policy(4)}, ScaleInPolicies={})
)
NAMESPACE = "MyApp/Performance"
READ_TIMEOUT = 1.5  # seconds; the deployed function waits longer, in the same way

FAULTS: dict[str, dict[str, Any]] = {
    "is throttled": {"error": {"code": "ThrottlingException", "status": 400}},
    "breaks": {"error": {"code": "InternalServerError", "status": 500}},
    "is reset": {"reset": True},
    "hangs": {"timeout_ms": 6_000},
    "is done but its answer lost": {"response": {"abort_bytes": 0}},
    "is denied": {"error": {"code": "AccessDeniedException", "status": 400}},
}


@dataclass(frozen=True)
class End:
    """How an evaluation ends: its outcome, or None where it raises; and what it leaves."""

    outcome: str | None
    tasks: int = 4
    lease_left: bool = False


THROTTLED, FAILED, BLIND = End("FAILED_THROTTLED"), End("FAILED_OTHER"), End("HELD_NO_DATA")
DENIED, RAISES = End("FAILED_DENIED"), End(None)
SCALED = End("SCALED_OUT", tasks=8)

ENDS = {  # by call, in the order of FAULTS
    "GetParameters": (THROTTLED, FAILED, FAILED, FAILED, FAILED, DENIED),
    "PutItem": (SCALED,) * 6,  # of the document's copy
    "UpdateItem": (THROTTLED, RAISES, RAISES, RAISES, replace(RAISES, lease_left=True), DENIED),
    "DescribeServices": (THROTTLED, FAILED, FAILED, FAILED, FAILED, DENIED),
    "UpdateService": (THROTTLED, FAILED, FAILED, FAILED, SCALED, DENIED),
    "TransactWriteItems": (
        *[End(None, tasks=8, lease_left=True)] * 4,
        End(None, tasks=8),
        End(None, tasks=8, lease_left=True),
    ),
    "SendMessage": (End(None, tasks=8),) * 6,
    "DescribeAlarms": (RAISES,) * 6,
    "GetItem": (THROTTLED, FAILED, FAILED, FAILED, FAILED, DENIED),
    "GetMetricData": (*[BLIND] * 5, DENIED),
}
CASES = [
    pytest.param(call, fault, end, id=f"{call} {fault}")
    for call, ends in ENDS.items()
    for fault, end in zip(FAULTS, ends, strict=True)
]
OF_THE_HEARTBEAT = ("DescribeAlarms", "GetMetricData")
RAISED = (ClientError, BotoCoreError, CallFailedError, ExceptionGroup)


@dataclass(frozen=True)
class Scene:
    """A breach of now, a scaler behind the proxy, and one that nothing stands in the way of."""

    account: Account
    proxy: FaultProxy
    behind: Door
    direct: Door
    metric: str
    now: datetime

    def deliver(self, call: str) -> list[str]:
        """Set the scaler behind the proxy off by something that makes it call `call`."""
        event = {"heartbeat": {}} if call in OF_THE_HEARTBEAT else self.event()
        records = at(self.behind, lambda: self.now).on_event(event)
        return [str(record.outcome) for record in records]

    def event(self) -> dict[str, Any]:
        event = an_event(self.now, values=(LOAD / 4,))
        stat = event["detail"]["configuration"]["metrics"][0]["metricStat"]
        stat["metric"] = {"namespace": NAMESPACE, "name": self.metric, "dimensions": {}}
        return event

    def later(self, seconds: float) -> Door:
        """Return the scaler that works, after a time in which the load has stayed as it is."""
        moment = self.now + timedelta(seconds=seconds)
        self.publish_load(moment)
        return at(self.direct, lambda: moment)

    def publish_load(self, moment: datetime) -> None:
        """Publish the load per task of the last whole period."""
        self.account.client("cloudwatch").put_metric_data(
            Namespace=NAMESPACE,
            MetricData=[
                {
                    "MetricName": self.metric,
                    "Timestamp": last_period(moment),
                    "Value": LOAD / tasks(self.account),
                    "StorageResolution": 1,
                }
            ],
        )

    def check_that_all_is_well(self) -> None:
        """Assert that the breach is answered, once, and that nothing is left to do."""
        memory, lease = remembered(self.account)
        assert (tasks(self.account), memory.desired, lease) == (8, 8, None)
        assert len({"SCALED_OUT", "RECOVERED"} & set(outcomes(self.account))) == 1


@pytest.fixture(scope="module")
def settled(server: Account) -> Account:
    """An account with a service of 4 tasks, its policy, and a queue that nobody receives from."""
    reset(server)
    create_table(server)
    create_queue(server)
    create_service(server, WEB, 4)
    put_policy(server, WEB, DOCUMENT)
    return server


@pytest.fixture(scope="module")
def proxy(settled: Account) -> Iterator[FaultProxy]:
    """A proxy that has seen every call: of each service it reads the protocol at its first one."""
    with fault_proxy(settled.endpoint_url) as running:
        patient = behind_proxy(settled, running, tries=1, read_timeout=60)
        scene = breach(settled, running, patient, patient)
        assert scene.deliver("GetMetricData") == ["SCALED_OUT"]
        yield running


@pytest.fixture(scope="module")
def behind(settled: Account, proxy: FaultProxy) -> Door:
    """The scaler behind the proxy; a call of it is tried once."""
    return behind_proxy(settled, proxy, tries=1)


@pytest.fixture(scope="module")
def trying_twice(settled: Account, proxy: FaultProxy) -> Door:
    """The scaler behind the proxy; a call of it is tried again, once, as the SDK does."""
    return behind_proxy(settled, proxy, tries=2)


@pytest.fixture(scope="module")
def patient(settled: Account, proxy: FaultProxy) -> Door:
    """The scaler behind the proxy; it waits for answers that take long."""
    return behind_proxy(settled, proxy, tries=1, read_timeout=60)


@pytest.fixture(scope="module")
def direct(settled: Account) -> Door:
    return a_door(settled, create_queue(settled), now)


@pytest.fixture
def scene(settled: Account, proxy: FaultProxy, behind: Door, direct: Door) -> Iterator[Scene]:
    yield breach(settled, proxy, behind, direct)
    proxy.inject()


@pytest.fixture
def second_try(scene: Scene, trying_twice: Door) -> Scene:
    return replace(scene, behind=trying_twice)


def now() -> datetime:
    return datetime.now(UTC)


def behind_proxy(
    account: Account, proxy: FaultProxy, tries: int, read_timeout: float = READ_TIMEOUT
) -> Door:
    """Make the scaler behind the proxy, with so many tries a call; its own sleeps take no time."""
    retries: Any = {"mode": "standard", "total_max_attempts": tries}
    config = wiring.CLIENT_CONFIG.merge(Config(read_timeout=read_timeout, retries=retries))
    once = wiring.ONE_ATTEMPT.merge(Config(read_timeout=read_timeout))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "CLIENT_CONFIG", config)
        patch.setattr(wiring, "ONE_ATTEMPT", once)
        door = a_door(account, create_queue(account), now, proxy.endpoint_url)
    return replace(door, cycle=replace(door.cycle, sleep=lambda _: None))


def breach(account: Account, proxy: FaultProxy, behind: Door, direct: Door) -> Scene:
    """Let the alarm of a metric of its own go to ALARM, at 4 tasks that the scaler knows of."""
    recreate_table(account)
    set_tasks(account, 4)
    targets = targets_of(account)
    targets.claim(WEB.resource_id, a_lease())
    targets.commit("me", Memory(counts=Counts(4)), a_record("earlier", Outcome.HELD_NOT_BREACHING))
    metric = f"RequestsPerSecond-{uuid.uuid4().hex}"
    account.client("cloudwatch").put_metric_alarm(
        AlarmName=WEB.alarm(HIGH),
        Namespace=NAMESPACE,
        MetricName=metric,
        Period=10,
        EvaluationPeriods=1,
        Threshold=100,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Average",
    )
    account.client("cloudwatch").set_alarm_state(
        AlarmName=WEB.alarm(HIGH), StateValue="ALARM", StateReason="a test's"
    )
    scene = Scene(account, proxy, behind, direct, metric, now())
    scene.publish_load(scene.now)
    return scene


@pytest.mark.parametrize(("call", "fault", "end"), CASES)
def test_a_call_that_fails_ends_as_designed_and_is_made_good_a_lease_later(
    call: str, fault: str, end: End, scene: Scene
) -> None:
    scene.proxy.inject({"service": "*", "operation": call, **FAULTS[fault]})

    if end.outcome:
        assert scene.deliver(call) == [end.outcome]
    else:
        with pytest.raises(RAISED) as raised:
            scene.deliver(call)
        assert not isinstance(raised.value, ExceptionGroup) or raised.value.split(RAISED)[1] is None

    assert set(scene.proxy.fired()) == {call}
    _, lease = remembered(scene.account)
    assert (tasks(scene.account), lease is not None) == (end.tasks, end.lease_left)
    assert lease is None or lease.until == lease.since + LEASE
    scene.proxy.inject()
    after_the_lease = scene.later(LEASE.total_seconds() + 1)
    after_the_lease.on_event({"heartbeat": {}})
    scene.check_that_all_is_well()
    after_the_lease.on_event(scene.event())  # as the platform does with an event that failed
    scene.check_that_all_is_well()


@pytest.mark.parametrize("call", ["UpdateItem", "UpdateService", "SendMessage"])
def test_a_lost_answer_is_asked_for_again_within_the_evaluation(
    call: str, second_try: Scene
) -> None:
    lost = FAULTS["is done but its answer lost"]
    second_try.proxy.inject({"service": "*", "operation": call, "times": 1, **lost})

    assert second_try.deliver(call) == ["SCALED_OUT"]

    assert second_try.proxy.fired() == [call]
    second_try.check_that_all_is_well()
    assert outcomes(second_try.account) == ["HELD_NOT_BREACHING", "SCALED_OUT"]


def test_a_commit_that_is_repeated_carries_the_first_one_s_token(second_try: Scene) -> None:
    tokens = []
    targets: Any = second_try.behind.cycle.targets
    targets._client.meta.events.register(  # noqa: SLF001
        "before-send.dynamodb.TransactWriteItems",
        lambda request, **_: tokens.append(json.loads(request.body)["ClientRequestToken"]),
    )
    lost = FAULTS["is done but its answer lost"]
    second_try.proxy.inject({"service": "*", "operation": "TransactWriteItems", "times": 1, **lost})

    with pytest.raises(LeaseLostError):  # DynamoDB knows a token again; the embedded one does not
        second_try.deliver("TransactWriteItems")

    first, second, *_ = tokens
    assert first == second
    second_try.check_that_all_is_well()


def test_a_change_whose_answer_was_lost_is_neither_repeated_nor_made_twice(
    second_try: Scene,
) -> None:
    second_try.proxy.inject(
        {"operation": "UpdateService", "times": 1, **FAULTS["is done but its answer lost"]},
        {"operation": "UpdateService", **FAULTS["is throttled"]},
    )
    second_try.deliver("UpdateService")
    assert second_try.proxy.fired() == ["UpdateService"], "described as granted: not repeated"
    assert tasks(second_try.account) == 8
    second_try.proxy.inject()

    memory, _ = remembered(second_try.account)
    soon = at(second_try.direct, lambda: second_try.now + timedelta(seconds=2))
    soon.cycle.evaluate(
        recheck_look(Recheck(WEB, memory.generation, attempt=1, turn=Turn(second_try.now)))
    )

    assert tasks(second_try.account) == 8


def test_a_change_of_which_nothing_is_known_is_found_out_by_the_next_look(scene: Scene) -> None:
    lost = {"operation": "UpdateService", **FAULTS["is done but its answer lost"]}
    blind = {"operation": "DescribeServices", **FAULTS["breaks"]}
    door = behind_proxy(scene.account, scene.proxy, tries=1)
    on_call(door, "before-call", "UpdateService", lambda: scene.proxy.inject(lost, blind))

    assert replace(scene, behind=door).deliver("UpdateService") == ["FAILED_OTHER"]

    assert scene.proxy.fired() == ["UpdateService", "DescribeServices"]
    memory, lease = remembered(scene.account)
    assert (tasks(scene.account), memory.desired, lease) == (8, 4, None)
    assert memory.counts.asked is not None
    scene.proxy.inject()
    scene.later(LEASE.total_seconds() + 1).on_event({"heartbeat": {}})
    scene.check_that_all_is_well()


def test_a_change_that_is_executed_after_its_time_out_is_not_made_twice(
    scene: Scene, patient: Door
) -> None:
    late = {"service": "ecs", "latency": 1_500 * READ_TIMEOUT}
    scene.proxy.inject(
        {"operation": "UpdateService", "times": len(RETRY_SLEEPS), "reset": True},
        {"operation": "UpdateService", **late},
    )
    scene.deliver("UpdateService")
    scene.proxy.inject({"operation": "DescribeServices", **late})
    patient.cycle.services.describe(WEB)  # no sooner than the change
    scene.proxy.inject()

    at(scene.direct, lambda: scene.now + timedelta(seconds=2)).on_event({"heartbeat": {}})

    assert tasks(scene.account) == 8
