"""One deployment for all tests of this folder, which run in the order of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quickstep_lab.embedded_aws import Account, create_service
from tests.emulator.scene import QUEUE, WEB, parameters
from tests.emulator.server import NO_EMULATOR, Stack, build, deploy, is_installed, ministack

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """ministack's account, with a service and a queue, and the roles enforced."""
    if not is_installed():
        pytest.skip(NO_EMULATOR)
    with ministack(tmp_path_factory.mktemp("ministack")) as account:
        create_service(account, WEB, 2)
        account.client("sqs").create_queue(QueueName=QUEUE)
        yield account


@pytest.fixture(scope="session")
def stack(account: Account) -> Stack:
    """The scaler, deployed by SAM, with its first service."""
    build()
    return deploy(account, "quickstep", **parameters(account))
