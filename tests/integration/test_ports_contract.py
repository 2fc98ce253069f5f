"""One suite for each port, over the in-memory stand-in and over the real adapter on moto."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from lab.embedded_aws import TABLE, Account, put_policy
from quickstep.aws.dynamodb import DynamoTargets
from quickstep.aws.ecs import EcsServices
from quickstep.aws.ssm import SsmPolicyDocuments
from quickstep.config import ConfigError, parse_target
from quickstep.engine.model import AlarmState, ScalingActivity, Service, State
from quickstep.engine.outcome import Outcome
from quickstep.naming import ServiceName
from quickstep.ports import (
    CallFailedError,
    HeldBy,
    LeaseLostError,
    PolicyDocuments,
    Services,
    Targets,
)
from quickstep.records import Memory, SeenTransition
from tests.builders import EXAMPLE_POLICY, HIGH, NOW, WEB, a_record, ago
from tests.fakes import InMemoryPolicies, InMemoryServices, InMemoryTargets

if TYPE_CHECKING:
    from collections.abc import Callable

SOON = NOW + timedelta(seconds=15)
NOWHERE = ServiceName("prod", "nowhere")


@pytest.fixture(params=["in memory", "DynamoDB"])
def targets(request: pytest.FixtureRequest) -> Targets:
    if request.param == "in memory":
        return InMemoryTargets()
    account: Account = request.getfixturevalue("account")
    return DynamoTargets(
        account.session.client("dynamodb", endpoint_url=account.endpoint_url), TABLE
    )


@pytest.fixture(params=["in memory", "ECS"])
def services(request: pytest.FixtureRequest) -> Services:
    if request.param == "in memory":
        return InMemoryServices({WEB: Service(4, 4, 0)})
    account: Account = request.getfixturevalue("account")
    return EcsServices(account.session.client("ecs", endpoint_url=account.endpoint_url))


@pytest.fixture(params=["in memory", "SSM"])
def documents(
    request: pytest.FixtureRequest,
) -> tuple[PolicyDocuments, Callable[[ServiceName, str], None]]:
    """The port, and how to store a document behind it."""
    if request.param == "in memory":
        fake = InMemoryPolicies()
        return fake, lambda name, text: fake.documents.update({name.parameter: text})
    account: Account = request.getfixturevalue("account")
    port = SsmPolicyDocuments(
        account.session.client("ssm", endpoint_url=account.endpoint_url), max_age=0
    )
    return port, lambda name, text: put_policy(account, name, text)


# --- targets --------------------------------------------------------------------------------------


def test_a_target_claimed_for_the_first_time_remembers_nothing(targets: Targets) -> None:
    assert targets.claim(WEB.resource_id, "me", NOW, SOON) == Memory()


def test_what_one_commits_the_next_claimant_remembers(targets: Targets) -> None:
    memory = Memory(
        state=State(ScalingActivity(ago(1), 4, 6), ScalingActivity(ago(90), 5, 4)),
        alarms={HIGH: SeenTransition(AlarmState.ALARM, ago(2))},
        changed_at=ago(0.5),
    )
    targets.claim(WEB.resource_id, "me", NOW, SOON)
    targets.commit("me", memory, a_record())

    assert targets.claim(WEB.resource_id, "you", NOW, SOON) == memory


def test_a_claim_is_refused_while_another_lease_is_good(targets: Targets) -> None:
    targets.claim(WEB.resource_id, "me", NOW, SOON)

    held = targets.claim(WEB.resource_id, "you", SOON - timedelta(seconds=1), SOON)

    assert held == HeldBy("me", SOON)


def test_a_claim_whose_answer_was_lost_can_be_repeated(targets: Targets) -> None:
    targets.claim(WEB.resource_id, "me", NOW, SOON)

    assert isinstance(targets.claim(WEB.resource_id, "me", NOW, SOON), Memory)


def test_a_lease_that_has_ended_is_taken_over(targets: Targets) -> None:
    targets.claim(WEB.resource_id, "me", NOW, SOON)

    assert isinstance(targets.claim(WEB.resource_id, "you", SOON, SOON), Memory)


def test_leases_of_different_targets_do_not_meet(targets: Targets) -> None:
    targets.claim(WEB.resource_id, "me", NOW, SOON)

    assert isinstance(targets.claim(NOWHERE.resource_id, "you", NOW, SOON), Memory)


def test_a_commit_without_the_lease_is_refused_and_writes_nothing(targets: Targets) -> None:
    targets.claim(WEB.resource_id, "me", NOW, SOON)
    targets.claim(WEB.resource_id, "you", SOON, SOON + timedelta(seconds=15))

    with pytest.raises(LeaseLostError):
        targets.commit("me", Memory(changed_at=NOW), a_record())

    targets.commit("you", Memory(), a_record("decision-2"))
    assert targets.claim(WEB.resource_id, "them", NOW, SOON) == Memory()


def test_a_commit_without_any_claim_is_refused(targets: Targets) -> None:
    with pytest.raises(LeaseLostError):
        targets.commit("me", Memory(), a_record())


def test_a_record_needs_no_lease_and_leaves_the_item_alone(targets: Targets) -> None:
    targets.claim(WEB.resource_id, "me", NOW, SOON)

    targets.record(a_record())

    assert targets.claim(WEB.resource_id, "you", NOW, SOON) == HeldBy("me", SOON)


# --- services -------------------------------------------------------------------------------------


def test_a_service_is_described(services: Services) -> None:
    assert services.describe(WEB).desired == 4


def test_a_desired_count_that_was_set_is_described(services: Services) -> None:
    services.set_desired_count(WEB, 7)

    assert services.describe(WEB).desired == 7


@pytest.mark.parametrize(
    "missing", [NOWHERE, ServiceName("gone", "web")], ids=["no such service", "no such cluster"]
)
@pytest.mark.parametrize("call", ["describe", "set_desired_count"])
def test_what_does_not_exist_is_not_found(
    services: Services, missing: ServiceName, call: str
) -> None:
    calls: dict[str, Callable[[], object]] = {
        "describe": lambda: services.describe(missing),
        "set_desired_count": lambda: services.set_desired_count(missing, 3),
    }

    with pytest.raises(CallFailedError) as caught:
        calls[call]()

    assert caught.value.outcome is Outcome.FAILED_NOT_FOUND
    assert caught.value.why


# --- policy documents -----------------------------------------------------------------------------

Documents = tuple[PolicyDocuments, "Callable[[ServiceName, str], None]"]


def test_a_stored_document_is_loaded(documents: Documents) -> None:
    port, store = documents
    text = EXAMPLE_POLICY.read_text(encoding="utf-8")
    store(WEB, text)

    assert port.load(WEB) == parse_target(text)


def test_a_document_that_is_not_there_is_a_config_error(documents: Documents) -> None:
    port, _ = documents

    with pytest.raises(ConfigError, match="/quickstep/prod/nowhere: is missing"):
        port.load(NOWHERE)


def test_a_document_that_breaks_a_rule_is_a_config_error(documents: Documents) -> None:
    port, store = documents
    store(WEB, '{"ResourceId": "service/prod/web"}')

    with pytest.raises(ConfigError, match="MinCapacity: is required"):
        port.load(WEB)


def test_a_document_of_another_target_is_a_config_error(documents: Documents) -> None:
    port, store = documents
    store(NOWHERE, EXAMPLE_POLICY.read_text(encoding="utf-8"))

    with pytest.raises(ConfigError, match="must be service/prod/nowhere"):
        port.load(NOWHERE)
