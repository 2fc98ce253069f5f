"""Counts AWS calls from botocore's own events, and prices them in DynamoDB's units.

The embedded AWS answers `ReturnConsumedCapacity` with constants, so units come from the items'
sizes before and after a write, by AWS's rules (`units.py`).
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3

from benchmarks.units import INDEXED, item_size, read_units, write_units
from quickstep_lab.embedded_aws import REGION, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Key = tuple[str, str]
Sizes = dict[Key, int]


class Ledger:
    """The calls made while it runs; `table` is a DynamoDB client that is not counted."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._running = False
        self._sizes: Sizes = {}
        self._clear()

    def _clear(self) -> None:
        self.calls: Counter[str] = Counter()
        self.write_units, self.read_units, self.metrics_read = 0, 0.0, 0

    @contextmanager
    def running(self, sizes: Sizes) -> Iterator[None]:
        """Count the calls in this block, from zero; `sizes` are the items' present sizes."""
        self._clear()
        self._sizes, self._running = sizes, True
        try:
            yield
        finally:
            self._running = False

    def sizes(self) -> Sizes:
        """Return the size of every item in the table."""
        pages = self._table.get_paginator("scan").paginate(TableName=TABLE)
        return {_key(item): item_size(item) for page in pages for item in page["Items"]}

    def session(self) -> boto3.Session:
        """Return a session whose clients' calls are counted.

        Two calls may run at once, at most one of them writing to the table.
        """
        session = boto3.Session("embedded", "embedded", region_name=REGION)
        session.events.register("before-parameter-build", self._asked)
        session.events.register("after-call", self._answered)
        return session

    def _asked(self, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["asked"] = params

    def _answered(
        self, parsed: Mapping[str, Any], model: Any, context: Mapping[str, Any], **_: Any
    ) -> None:
        service, call, asked = model.service_model.service_name, model.name, context["asked"]
        if not self._running or _found_nothing(call, parsed):
            return
        self.calls[f"{service}:{call}"] += 1
        if call == "GetMetricData":
            self.metrics_read += sum("MetricStat" in one for one in asked["MetricDataQueries"])
        elif call in ("GetItem", "Query"):
            items = parsed.get("Items") or [parsed.get("Item") or {}]
            size = sum(map(item_size, items))
            self.read_units += read_units(size, consistent=asked.get("ConsistentRead", False))
        elif service == "dynamodb":
            before, self._sizes = self._sizes, self.sizes()
            self.write_units += sum(
                write_units(before.get(key, 0), self._sizes.get(key, 0), in_transaction=whole)
                for key, whole in _written(call, asked)
            )


def _found_nothing(call: str, parsed: Mapping[str, Any]) -> bool:
    """Return whether it polls an empty queue: Lambda's pollers wait, and count separately."""
    return call == "ReceiveMessage" and not parsed.get("Messages")


def _written(call: str, asked: Mapping[str, Any]) -> Iterator[tuple[Key, bool]]:
    """Yield the key of each item that a call writes, and whether it uses a transaction."""
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


def stored_bytes(sizes: Sizes) -> int:
    """Return the size of a table's decision records, including their index."""
    return sum(size + INDEXED for (_, sort), size in sizes.items() if sort.startswith("decision#"))


def _key(item: Mapping[str, Any]) -> Key:
    return item["pk"]["S"], item["sk"]["S"]
