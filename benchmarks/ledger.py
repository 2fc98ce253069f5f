"""Counts what goes to AWS, from botocore's own events, and prices it in DynamoDB's units.

The embedded AWS answers `ReturnConsumedCapacity` with constants, so units come from the sizes of
the items before and after a write, by AWS's rules (`lab.cost.units`).
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3

from lab.cost.units import INDEXED, item_size, read_units, write_units
from lab.embedded_aws import REGION, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lab.embedded_aws import Account

Key = tuple[str, str]
Sizes = dict[Key, int]


@dataclass(slots=True)
class Ledger:
    """What has been called while it was running."""

    calls: Counter[str] = field(default_factory=Counter)
    write_units: int = 0
    read_units: float = 0.0
    metrics_read: int = 0
    open: bool = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what is called in this block, from zero on."""
        self.calls, self.write_units, self.read_units, self.metrics_read = Counter(), 0, 0.0, 0
        self.open = True
        try:
            yield
        finally:
            self.open = False


def counted_session(account: Account, ledger: Ledger) -> boto3.Session:
    """Return a session whose clients' calls are entered into the ledger.

    Two calls may be under way at once, of which one writes to the table at most.
    """
    session = boto3.Session("embedded", "embedded", region_name=REGION)
    # Of the account's own session, so that nothing that is asked here is counted.
    table: Any = account.session.client("dynamodb", endpoint_url=account.endpoint_url)

    def before(params: Mapping[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        context["asked"] = params
        if ledger.open and model.service_model.service_name == "dynamodb":
            context["before"] = table_sizes(table)

    def after(parsed: Mapping[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        service, call = model.service_model.service_name, model.name
        if not ledger.open or _found_nothing(call, parsed):
            return
        ledger.calls[f"{service}:{call}"] += 1
        asked = context["asked"]
        if call == "GetMetricData":
            ledger.metrics_read += sum("MetricStat" in one for one in asked["MetricDataQueries"])
        elif call in ("GetItem", "Query"):
            items = parsed.get("Items") or [parsed.get("Item") or {}]
            size = sum(map(item_size, items))
            ledger.read_units += read_units(size, consistent=asked.get("ConsistentRead", False))
        elif service == "dynamodb":
            sizes = table_sizes(table)
            ledger.write_units += sum(
                write_units(context["before"].get(key, 0), sizes.get(key, 0), in_transaction=whole)
                for key, whole in _written(call, asked)
            )

    session.events.register("before-parameter-build", before)
    session.events.register("after-call", after)
    return session


def _found_nothing(call: str, parsed: Mapping[str, Any]) -> bool:
    """Whether it is a receive that ends a test's look at the queue; Lambda's pollers wait for it."""
    return call == "ReceiveMessage" and not parsed.get("Messages")


def _written(call: str, asked: Mapping[str, Any]) -> Iterator[tuple[Key, bool]]:
    """Yield the key of each item that a call writes, and whether it does in a transaction."""
    match call:
        case "UpdateItem":
            yield _key(asked["Key"]), False
        case "PutItem":
            yield _key(asked["Item"]), False
        case "TransactWriteItems":
            for action in asked["TransactItems"]:
                ((_, one),) = action.items()
                yield _key(one.get("Key") or one["Item"]), True
        case _:
            raise ValueError(f"there is no rule for the units of {call}")


def table_sizes(client: Any) -> Sizes:
    """Return the size of every item of the table."""
    pages = client.get_paginator("scan").paginate(TableName=TABLE)
    return {_key(item): item_size(item) for page in pages for item in page["Items"]}


def stored_bytes(sizes: Sizes) -> int:
    """Return what the decision records of a table take, their index included."""
    return sum(size + INDEXED for (_, sort), size in sizes.items() if sort.startswith("decision#"))


def _key(item: Mapping[str, Any]) -> Key:
    return item["pk"]["S"], item["sk"]["S"]
