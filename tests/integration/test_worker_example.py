"""`examples/worker`: its own code works off a real queue, scaled by its own policy."""

from __future__ import annotations

import json
import runpy
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from quickstep.config import parse_target
from quickstep.naming import ServiceName
from quickstep_lab.embedded_aws import (
    create_queue,
    create_service,
    create_table,
    desired_count,
    put_policy,
    reset,
)
from quickstep_lab.event_source import deliver, open_queue
from quickstep_publisher import Publisher
from quickstep_publisher.sqs import Queue
from tests.builders import ROOT
from tests.integration.scene import a_door, decisions, invoke
from tests.template.stack import deploy

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from quickstep_lab.embedded_aws import Account

EXAMPLE = ROOT / "examples" / "worker"
TEMPLATE = EXAMPLE / "template.yaml"
WORKER = ServiceName("quickstep-worker", "worker")


def the_document() -> str:
    """Return the policy document that the stack makes."""
    parameter = deploy(
        TEMPLATE, Image="worker", PublicSubnets="subnet-1", SecurityGroup="sg-1"
    ).the("AWS::SSM::Parameter")
    assert parameter["Name"] == WORKER.parameter
    return str(parameter["Value"]).replace("Jobs.QueueName", "worker-jobs")


def test_the_stack_s_policy_is_valid_and_goes_down_to_no_task() -> None:
    target = parse_target(the_document())

    (policy,) = target.queues
    assert (target.resource_id, target.min_capacity) == (WORKER.resource_id, 0)
    assert (policy.queue_name, policy.seconds_per_job, policy.slots_per_task) == (
        "worker-jobs",
        2.0,
        1,
    )


def test_the_role_of_a_task_reaches_its_own_queue_only() -> None:
    stack = deploy(TEMPLATE, Image="worker", PublicSubnets="subnet-1", SecurityGroup="sg-1")
    (policy,) = stack.of_type("AWS::IAM::Role")["TaskRole"]["Policies"]

    about_queues = [
        one for one in policy["PolicyDocument"]["Statement"] if "sqs:" in str(one["Action"])
    ]
    assert [one["Resource"] for one in about_queues] == ["Jobs.Arn"]


class Unread:
    """Where what the tasks publish goes: a queue policy needs none of it."""

    def send(self, _address: Any, _point: Any) -> None:
        pass


@dataclass
class Tasks:
    """Worker threads, as many as ECS wants: each runs the example's own loop."""

    account: Account
    url: str
    loop: Any
    running: list[tuple[threading.Thread, threading.Event]] = field(default_factory=list)

    def become(self, desired: int) -> None:
        """Start tasks, or tell the last ones to stop, as ECS does."""
        while len(self.running) < desired:
            stop, unread = threading.Event(), Publisher(transport=Unread(), thread=False)
            queue = Queue(self.account.client("sqs"), self.url, unread)
            thread = threading.Thread(target=self.loop, args=(queue, stop, 0), daemon=True)
            thread.start()
            self.running.append((thread, stop))
        for _, stop in self.running[desired:]:
            stop.set()
        del self.running[desired:]


@contextmanager
def tasks(account: Account, url: str, loop: Any) -> Iterator[Tasks]:
    """Yield tasks that are stopped in the end."""
    made = Tasks(account, url, loop)
    try:
        yield made
    finally:
        stopped = list(made.running)
        made.become(0)
        for thread, _ in stopped:
            thread.join(timeout=10)


def test_its_load_test_is_worked_off_by_tasks_that_the_policy_asks_for(
    server: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real threads and real SQS; only the seconds between polls, and of a job, are shorter."""
    monkeypatch.setenv("WORK_SECONDS", "0.02")
    worker = runpy.run_path(str(EXAMPLE / "worker.py"))
    load = runpy.run_path(str(EXAMPLE / "load.py"))
    reset(server)
    create_table(server)
    create_service(server, WORKER, 0)
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName="worker-jobs")["QueueUrl"]
    put_policy(server, WORKER, the_document())
    now = [datetime.now(UTC)]
    door = a_door(server, create_queue(server), lambda: now[0])
    rechecks = open_queue(sqs, door.cycle.messages._queue_url)  # type: ignore[attr-defined] # noqa: SLF001

    with tasks(server, url, worker["run"]) as fleet:

        def ten_seconds_pass(_second: float = 0) -> None:
            invoke(door, {"heartbeat": {}})
            deliver(rechecks, lambda event: invoke(door, event))
            now[0] += timedelta(seconds=10)
            fleet.become(desired_count(server, WORKER))

        ten_seconds_pass()
        capsys.readouterr()
        sent = load["run"](sqs, url, iter([0, 30, 120, 120, 30, 0]), ten_seconds_pass)
        said = capsys.readouterr().out
        most = max(record["granted"] for record in decisions(server, WORKER))
        for _ in range(600):
            left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            counts = [
                int(left[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible")
            ]
            if not any(counts):
                break
            fleet.running[0][0].join(timeout=0.05)

    assert sent == 300
    assert "   1 s: 30 sent, " in said
    assert most > 8
    assert counts == [0, 0]
    assert json.loads(the_document())["MinCapacity"] == 0
