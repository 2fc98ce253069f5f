"""An embedded AWS on loopback, for the tests of adapters and handlers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from quickstep_lab.embedded_aws import (
    Account,
    EmbeddedAws,
    create_queue,
    create_service,
    create_table,
    put_policy,
    reset,
)
from tests.builders import EXAMPLE_POLICY, WEB
from tests.integration.commands import quickstep

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def server() -> Iterator[Account]:
    """One server for all tests."""
    with EmbeddedAws() as account:
        yield account


@pytest.fixture
def account(server: Account) -> Account:
    """An account with the scaler's table, and the service `prod/web` of 4 tasks with a policy."""
    reset(server)
    create_table(server)
    create_service(server, WEB, 4)
    put_policy(server, WEB, EXAMPLE_POLICY.read_text(encoding="utf-8"))
    return server


@pytest.fixture
def queue_url(account: Account) -> str:
    """The scaler's queue."""
    return create_queue(account)


@pytest.fixture
def run(account: Account, queue_url: str) -> Any:
    """The `quickstep` command on that account."""
    return partial(quickstep, account, queue_url)
