"""Counts what goes to AWS, from botocore's own events, and prices it in DynamoDB's units.

The embedded AWS answers `ReturnConsumedCapacity` with constants, so units come from the sizes of
the items before and after a write, by AWS's rules (`units.py`).
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
    """What has been called while it was running; `table` is a client of DynamoDB not counted."""

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
        """Count what is called in this block, from zero on; `sizes` are those of the items now."""
        self._clear()
        self._sizes, self._running = sizes, True
        try:
            yield
        finally:
            self._running = False

    def sizes(self) -> Sizes:
        """Return the size of every item of the table."""
        pages = self._table.get_paginator("scan").paginate(TableName=TABLE)
        return {_key(item): item_size(item) for page in pages for item in page["Items"]}

    def session(self) -> boto3.Session:
        """Return a session whose clients' calls are counted.

        Two may be under way at once, of which one writes to the table at most.
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
    """Whether it is a look at an empty queue: Lambda's pollers wait, and are counted apart."""
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


def stored_bytes(sizes: Sizes) -> int:
    """Return what the decision records of a table take, their index included."""
    return sum(size + INDEXED for (_, sort), size in sizes.items() if sort.startswith("decision#"))


def _key(item: Mapping[str, Any]) -> Key:
    return item["pk"]["S"], item["sk"]["S"]
