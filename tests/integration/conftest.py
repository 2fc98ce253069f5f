"""An embedded AWS on loopback, for the tests of adapters and handlers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from quickstep_lab.embedded_aws import (
    Account,
    create_queue,
    create_service,
    create_table,
    embedded_aws,
    put_policy,
    reset,
)
from tests.builders import EXAMPLE_POLICY, WEB
from tests.integration.commands import quickstep
from tests.integration.scene import elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def server() -> Iterator[Account]:
    """One server for all tests; the scaler's table may be `elsewhere`."""
    with embedded_aws() as account:
        yield replace(account, elsewhere=elsewhere())


def remove_tables(account: Account) -> None:
    """Empty the account's DynamoDB, wherever it is."""
    client = account.client("dynamodb")
    for name in client.list_tables()["TableNames"]:
        client.delete_table(TableName=name)


@pytest.fixture
def account(server: Account) -> Account:
    """An account with the scaler's table, and the service `prod/web` of 4 tasks with a policy."""
    reset(server)
    if server.elsewhere:
        remove_tables(server)  # which the reset did not reach
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
