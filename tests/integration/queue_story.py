"""A service that works off queues, by the second: real SQS of the embedded AWS, the real function.

Time passes when a story says so. Tasks are played: each has slots, takes messages, and deletes them
when their job is done.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto.ecs.models import ecs_backends
from moto.sqs.models import sqs_backends

from quickstep.naming import ServiceName
from quickstep_lab.embedded_aws import (
    ACCOUNT,
    QUEUE,
    REGION,
    Account,
    create_queue,
    create_service,
    create_table,
    desired_count,
    put_policy,
    reset,
)
from quickstep_lab.event_source import Queue, deliver, open_queue
from tests.clocks import START, SetClock
from tests.integration.scene import a_door, decisions, invoke

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from quickstep.loop.door import Door

WORKER = ServiceName("prod", "worker")
JOBS = {"QueueName": "jobs", "SecondsPerJob": 2}


@dataclass(frozen=True, slots=True)
class Job:
    """A message that a task works on."""

    url: str
    receipt: str
    done_at: datetime


@dataclass
class QueueStory:
    """A worker's service, its queues, the scaler and the time.

    A task serves `start_seconds` after it was asked for; a job takes `seconds_per_job`.
    """

    account: Account
    time: SetClock
    door: Door
    rechecks: Queue
    start_seconds: int = 5
    seconds_per_job: float = 2
    urls: dict[str, str] = field(default_factory=dict)
    done: int = 0
    _serving: list[tuple[datetime, int]] = field(default_factory=list)
    _jobs: list[Job] = field(default_factory=list)
    _sent: int = 0
    _beat_at: datetime = START

    @property
    def sqs(self) -> Any:
        return self.account.client("sqs")

    @property
    def desired(self) -> int:
        return desired_count(self.account, WORKER)

    @property
    def under_way(self) -> list[Job]:
        """What the tasks work on."""
        return self._jobs

    @property
    def reasons(self) -> list[str]:
        """The sentences of all decisions, oldest first."""
        return [record["reason"] for record in decisions(self.account, WORKER)]

    @property
    def outcomes(self) -> list[str]:
        return [record["outcome"] for record in decisions(self.account, WORKER)]

    def make_queue(self, name: str, **attributes: str) -> str:
        """Create a queue; one whose name ends with .fifo is one."""
        given = {"FifoQueue": "true", **attributes} if name.endswith(".fifo") else attributes
        self.urls[name] = self.sqs.create_queue(QueueName=name, Attributes=given)["QueueUrl"]
        answer = self.sqs.get_queue_attributes(
            QueueUrl=self.urls[name], AttributeNames=["QueueArn"]
        )
        return str(answer["Attributes"]["QueueArn"])

    def add(self, name: ServiceName) -> None:
        """Create another service without a task, with a document and a queue of its own name."""
        create_service(self.account, name, 0)
        self.make_queue(name.service)
        document = {
            "ResourceId": name.resource_id,
            "MinCapacity": 0,
            "MaxCapacity": 40,
            "QueuePolicies": {"jobs": {**JOBS, "QueueName": name.service}},
        }
        put_policy(self.account, name, json.dumps(document))

    def send(self, name: str, count: int, *, groups: int = 0, delay: int = 0) -> None:
        """Send messages to a queue, of so many groups if it is FIFO."""
        for _ in range(count):
            self._sent += 1
            more: dict[str, Any] = {"DelaySeconds": delay} if delay else {}
            if groups:
                group = str(self._sent % groups)
                more = {"MessageGroupId": group, "MessageDeduplicationId": str(self._sent)}
            self.sqs.send_message(QueueUrl=self.urls[name], MessageBody="a job", **more)

    def document(self, policies: Mapping[str, Any] | None = None, **changes: Any) -> None:
        """Store the service's policy document."""
        document = {
            "ResourceId": WORKER.resource_id,
            "MinCapacity": 0,
            "MaxCapacity": 40,
            "QueuePolicies": policies or {"jobs": JOBS},
            **changes,
        }
        put_policy(self.account, WORKER, json.dumps(document))

    def passes(self, seconds: int, *, works: bool = True) -> None:
        """Let time pass: a heartbeat each minute, messages when they are due, tasks at work."""
        for _ in range(seconds):
            if self.time.at >= self._beat_at:
                self._beat_at = self.time.at + timedelta(seconds=60)
                invoke(self.door, {"heartbeat": {}})
            if has_messages(QUEUE):
                deliver(self.rechecks, lambda event: invoke(self.door, event))
            if works:
                self._work()
            self.time.sleep(1)

    def until(self, condition: Any, most: int = 120) -> int:
        """Let time pass until something is so; return after how many seconds it was."""
        for second in range(most):
            if condition():
                return second
            self.passes(1)
        raise AssertionError(f"not within {most} s")

    def _work(self) -> None:
        now = self.time.at
        for job in [job for job in self._jobs if job.done_at <= now]:
            self.sqs.delete_message(QueueUrl=job.url, ReceiptHandle=job.receipt)
            self._jobs.remove(job)
            self.done += 1
        desired = _desired()
        self._serving = [(at, min(count, desired)) for at, count in self._serving]
        if not self._serving or self._serving[-1][1] < desired:
            self._serving.append((now + timedelta(seconds=self.start_seconds), desired))
        serving = max((count for at, count in self._serving if at <= now), default=0)
        for name, url in self.urls.items():
            while len(self._jobs) < min(serving, desired) and has_messages(name):
                answer = self.sqs.receive_message(QueueUrl=url, VisibilityTimeout=60)
                if not (messages := answer.get("Messages")):
                    break
                done_at = now + timedelta(seconds=self.seconds_per_job)
                self._jobs.append(Job(url, messages[0]["ReceiptHandle"], done_at))


def has_messages(queue: str) -> bool:
    """Whether a queue of the embedded AWS has a message that is due; without a request."""
    return bool(sqs_backends[ACCOUNT][REGION].get_queue(queue).messages)


def _desired() -> int:
    """Return the desired count of the worker's service; without a request."""
    (service,) = ecs_backends[ACCOUNT][REGION].describe_services("prod", ["worker"])[0]
    return int(service.desired_count)


def a_story(account: Account, time: SetClock, tasks: int = 0) -> QueueStory:
    """Return a service with a queue `jobs` that the scaler has been told of, and nothing more."""
    reset(account)
    create_table(account)
    create_service(account, WORKER, tasks)
    url = create_queue(account)
    time.at = START
    door = a_door(account, url, time.now)
    story = QueueStory(account, time, door, open_queue(account.client("sqs"), url))
    story.make_queue("jobs")
    story.document()
    return story


def forbid(door: Door, call: str) -> None:
    """Have SQS refuse a call about queues, as IAM does."""
    body = b'{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "not allowed"}'

    def refuse(request: Any, **_: Any) -> AWSResponse:
        headers = HTTPHeaders.from_dict({"x-amzn-query-error": "AccessDenied;Sender"})
        return AWSResponse(request.url, 403, headers, _Raw(body))

    queues: Any = door.cycle.queues
    client = queues._client  # noqa: SLF001
    client.meta.events.register(f"before-send.sqs.{call}", refuse)


@dataclass
class _Raw:
    """What a response's body is read from."""

    body: bytes

    def stream(self, **_: Any) -> Any:
        yield self.body
