"""The ports by which queues are found, read and remembered: in memory, and real on moto."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.aws.dynamodb import DynamoTargets
from quickstep.aws.queues import READERS, SqsQueues
from quickstep.aws.ssm import SsmParameters
from quickstep.engine.backlog import Backlog, Queue, QueueReading
from quickstep.engine.outcome import Outcome
from quickstep.engine.patience import Need
from quickstep.naming import ServiceName
from quickstep.protocol.memory import Claim, Memory
from quickstep.protocol.ports import CallFailedError, Parameters, Queues, Targets
from quickstep_lab.embedded_aws import TABLE, Account, put_policy
from quickstep_lab.in_memory.account import InMemoryAws
from tests.builders import NOW, WEB, a_lease, a_record, ago

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# --- queues ---------------------------------------------------------------------------------------


@dataclass
class Fleet:
    """The port, how a queue is made that holds messages, and how one goes."""

    port: Queues
    put: Callable[[str, QueueReading], None]
    delete: Callable[[str], None]


def in_memory() -> Fleet:
    fake = InMemoryAws().queues
    return Fleet(
        fake,
        lambda name, reading: fake.readings.update({name: reading}),
        fake.readings.__delitem__,
    )


def on_sqs(account: Account, executor: ThreadPoolExecutor) -> Fleet:
    client = account.client("sqs")

    def put(name: str, reading: QueueReading) -> None:
        fifo = name.endswith(".fifo")
        attributes: dict[Any, str] = {"FifoQueue": "true"} if fifo else {}
        if reading.dead_letters:
            dead = client.create_queue(QueueName=reading.dead_letters)["QueueUrl"]
            got = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
            arn = got["Attributes"]["QueueArn"]
            redrive = {"deadLetterTargetArn": arn, "maxReceiveCount": 3}
            attributes["RedrivePolicy"] = json.dumps(redrive)
        url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        for number in range(reading.jobs + reading.delayed):
            more: dict[str, Any] = {"DelaySeconds": 60} if number >= reading.jobs else {}
            if fifo:
                more = {"MessageGroupId": str(number), "MessageDeduplicationId": str(number)}
            client.send_message(QueueUrl=url, MessageBody="a job", **more)
        for _ in range(reading.in_flight):
            client.receive_message(QueueUrl=url, VisibilityTimeout=60)

    def delete(name: str) -> None:
        client.delete_queue(QueueUrl=client.get_queue_url(QueueName=name)["QueueUrl"])

    return Fleet(SqsQueues(client, executor), put, delete)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(READERS) as threads:
        yield threads


@pytest.fixture(params=["in memory", "SQS"])
def fleet(request: pytest.FixtureRequest) -> Fleet:
    if request.param == "in memory":
        return in_memory()
    return on_sqs(request.getfixturevalue("account"), request.getfixturevalue("executor"))


@pytest.mark.parametrize(
    ("name", "reading"),
    [
        pytest.param("jobs", QueueReading(0), id="empty"),
        pytest.param("jobs", QueueReading(3), id="waiting"),
        pytest.param("jobs", QueueReading(2, 3), id="in flight"),
        pytest.param("jobs", QueueReading(1, 0, 2), id="delayed"),
        pytest.param("jobs.fifo", QueueReading(2, 1), id="FIFO"),
        pytest.param("jobs", QueueReading(1, dead_letters="dead"), id="with a dead-letter queue"),
    ],
)
def test_a_queue_is_read(fleet: Fleet, name: str, reading: QueueReading) -> None:
    fleet.put(name, reading)

    assert fleet.port.read([name]) == {name: reading}


def test_one_queue_that_is_not_there_does_not_cost_the_others(fleet: Fleet) -> None:
    fleet.put("jobs", QueueReading(1))
    fleet.put("mails", QueueReading(2))

    read = fleet.port.read(["jobs", "gone", "mails"])

    gone = read["gone"]
    assert isinstance(gone, CallFailedError)
    assert gone.why.startswith("GetQueueUrl of gone: AWS.SimpleQueueService.NonExistentQueue: The ")
    assert (read["jobs"], read["mails"]) == (QueueReading(1), QueueReading(2))


def test_a_queue_that_is_made_anew_is_read_again(fleet: Fleet) -> None:
    fleet.put("jobs", QueueReading(1))
    fleet.port.read(["jobs"])
    fleet.delete("jobs")
    assert isinstance(fleet.port.read(["jobs"])["jobs"], CallFailedError)

    fleet.put("jobs", QueueReading(2))

    assert fleet.port.read(["jobs"]) == {"jobs": QueueReading(2)}


def test_no_queue_at_all_is_read_at_once(fleet: Fleet) -> None:
    assert fleet.port.read([]) == {}


def test_more_queues_than_threads_are_all_read(fleet: Fleet) -> None:
    names = [f"jobs-{n}" for n in range(2 * READERS)]
    for number, name in enumerate(names):
        fleet.put(name, QueueReading(number % 2))

    assert fleet.port.read(names) == {n: QueueReading(i % 2) for i, n in enumerate(names)}


@dataclass
class _Hanging:
    """A client whose answer for one queue never comes."""

    released: Event

    def get_queue_url(self, *, QueueName: str) -> dict[str, str]:  # noqa: N803 - SQS's own
        return {"QueueUrl": QueueName}

    def get_queue_attributes(self, *, QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        if QueueUrl == "hangs":
            self.released.wait()
        kinds = ("", "NotVisible", "Delayed")
        return {"Attributes": {f"ApproximateNumberOfMessages{kind}": "7" for kind in kinds}}


def test_a_queue_that_does_not_answer_costs_a_bounded_time_and_itself() -> None:
    released = Event()
    hanging: Any = _Hanging(released)
    with ThreadPoolExecutor(2) as threads:
        read = SqsQueues(hanging, threads, timedelta(seconds=0.2)).read(["hangs", "jobs"])
        released.set()

    late = read["hangs"]
    assert isinstance(late, CallFailedError)
    assert (late.outcome, late.why) == (
        Outcome.FAILED_OTHER,
        "GetQueueAttributes: hangs was not read within 0.2 s",
    )
    assert read["jobs"] == QueueReading(7, 7, 7)


# --- documents ------------------------------------------------------------------------------------

Store = tuple[Parameters, "Callable[[ServiceName, str], None]"]


@pytest.fixture(params=["in memory", "SSM"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "in memory":
        fake = InMemoryAws()
        return fake, lambda name, text: fake.documents.update({name.parameter: text})
    account: Account = request.getfixturevalue("account")
    ssm = account.client("ssm")
    ssm.delete_parameters(Names=[WEB.parameter])
    return SsmParameters(ssm), lambda name, text: put_policy(account, name, text)


@pytest.mark.parametrize("count", [0, 1, 10, 11, 25])
def test_a_survey_finds_every_document_page_by_page(store: Store, count: int) -> None:
    parameters, put = store
    names = [ServiceName(f"cluster-{n % 2}", f"web-{n}") for n in range(count)]
    for name in names:
        put(name, f'{{"of": "{name.service}"}}')

    found, token, pages = {}, None, 0
    while pages == 0 or token:
        page, token = parameters.survey(token)
        assert len(page) <= 10
        found.update({name: document.text for name, document in page.items()})
        pages += 1

    assert found == {name: f'{{"of": "{name.service}"}}' for name in names}


# --- what targets remember of queues --------------------------------------------------------------

SEEN = Backlog({"jobs": Queue(ago(10), QueueReading(3, 4), 2.5)}, (Need(ago(10), 5),))


@pytest.fixture(params=["in memory", "DynamoDB"])
def targets(request: pytest.FixtureRequest) -> Targets:
    if request.param == "in memory":
        return InMemoryAws().targets
    return DynamoTargets(request.getfixturevalue("account").client("dynamodb"), TABLE)


def remembered(targets: Targets, memory: Memory) -> None:
    claim = targets.claim(WEB.resource_id, a_lease())
    assert isinstance(claim, Claim)
    targets.commit("me", memory, a_record("by-me"), claim)


def test_what_a_poll_has_seen_is_remembered_beside_the_rest(targets: Targets) -> None:
    remembered(targets, Memory(generation=4))

    targets.watch(WEB.resource_id, SEEN)

    assert targets.peek(WEB.resource_id)[0] == Memory(generation=4, listed=True, backlog=SEEN)


def test_a_poll_does_not_disturb_the_lease_s_holder(targets: Targets) -> None:
    remembered(targets, Memory())
    claim = targets.claim(WEB.resource_id, a_lease("holder", NOW))
    assert isinstance(claim, Claim)

    targets.watch(WEB.resource_id, SEEN)
    waited = targets.commit("holder", Memory(generation=1), a_record("by-holder"), claim)

    assert not waited


def test_a_target_that_is_not_remembered_is_not_made_by_a_poll(targets: Targets) -> None:
    targets.watch(WEB.resource_id, SEEN)

    assert targets.peek(WEB.resource_id) == (Memory(), None)


def test_the_list_has_the_queues_as_of_the_last_commit(targets: Targets) -> None:
    remembered(targets, Memory(listed=True, queues=("jobs", "mails.fifo")))
    assert targets.listed() == {WEB.resource_id: ("jobs", "mails.fifo")}

    claim = targets.claim(WEB.resource_id, a_lease())
    assert isinstance(claim, Claim)
    changed = replace(claim.memory, queues=("others",))
    targets.commit("me", changed, a_record("the-next"), claim)

    assert targets.listed() == {WEB.resource_id: ("others",)}


def test_many_targets_are_looked_at_at_once(targets: Targets) -> None:
    remembered(targets, Memory(backlog=SEEN))
    lease = a_lease("holder", NOW)
    targets.claim(WEB.resource_id, lease)
    others = [ServiceName("prod", f"other-{n}").resource_id for n in range(99)]

    seen = targets.peek_all([WEB.resource_id, *others])

    assert seen[WEB.resource_id] == (Memory(listed=True, backlog=SEEN), lease)
    assert {name: seen[name] for name in others} == dict.fromkeys(others, (Memory(), None))
    assert targets.peek_all([]) == {}


def test_one_item_that_is_spoilt_does_not_cost_the_others(account: Account) -> None:
    client = account.client("dynamodb")
    targets = DynamoTargets(client, TABLE)
    remembered(targets, replace(Memory(), generation=3))
    spoilt = {"pk": {"S": "service/prod/spoilt"}, "sk": {"S": "#state"}, "backlog": {"S": "?"}}
    client.put_item(TableName=TABLE, Item=spoilt)

    seen = targets.peek_all([WEB.resource_id, "service/prod/spoilt"])

    assert list(seen) == [WEB.resource_id]
