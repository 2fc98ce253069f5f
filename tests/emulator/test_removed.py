"""The stack deleted, when all else is done: what is left behind, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.emulator.scene import QUEUE, WEB, decisions
from tests.emulator.server import delete

if TYPE_CHECKING:
    from tests.emulator.server import Stack


def test_deleting_the_stack_leaves_the_table_with_the_records_and_nothing_else(
    stack: Stack,
) -> None:
    account, table = stack.account, stack.outputs["TableName"]
    before = decisions(stack, WEB)

    delete(stack)

    assert account.client("dynamodb").list_tables()["TableNames"] == [table]
    assert decisions(stack, WEB) == before
    assert not account.client("lambda").list_functions()["Functions"]
    assert not account.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert not account.client("events").list_rules()["Rules"]
    assert not account.client("scheduler").list_schedules()["Schedules"]
    roles = {one["RoleName"] for one in account.client("iam").list_roles()["Roles"]}
    assert roles <= {"task"}
    queues = account.client("sqs").list_queues()["QueueUrls"]
    assert all(url.rsplit("/", 1)[-1].startswith(QUEUE) for url in queues)
