"""The table: one item per target, which is both lock and memory, and its decision records.

    pk = service/prod/web   sk = #state                            the target's item
    pk = service/prod/web   sk = decision#2026-11-22T10:00:00.123Z#<id>   one per evaluation
    pk = #targets           sk = service/prod/web   queues                one per remembered target

The claim's condition recognises an expired lease. The table's TTL only deletes old decision
records, and may be days late.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from quickstep.alarms.known import known_dict
from quickstep.aws.attributes import from_item, to_item
from quickstep.aws.failures import Kind, calling, failure, kind_of, raising_denials
from quickstep.fields import write_moment
from quickstep.protocol.backlog import backlog_dict
from quickstep.protocol.counts import CLOCKS
from quickstep.protocol.memory import (
    WAITING,
    Claim,
    CorruptItemError,
    Lease,
    memory_dict,
    read_claim,
    read_memory,
)
from quickstep.protocol.operators import is_operators, outlived
from quickstep.protocol.ports import ItemFullError, LeaseLostError, OutOfDate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        TransactWriteItemTypeDef,
        UpdateItemInputTypeDef,
        UpdateTypeDef,
    )

    from quickstep.alarms.known import KnownAlarm
    from quickstep.engine.backlog import Backlog
    from quickstep.protocol.memory import Memory
    from quickstep.protocol.records import DecisionRecord

STATE = "#state"
RETENTION = timedelta(days=30)

TARGETS = "#targets"

_LEASE = ("lease_owner", "lease_since", "lease_until", "waited_since")
_RETIRED = ("changed_at", "spent_before", "last_owner", "last_since", "last_until")
"""Attributes that earlier releases wrote, and nothing reads."""

_CONFLICT_SLEEPS = tuple(timedelta(milliseconds=wait) for wait in (50, 100, 200))
"""A commit's transaction takes milliseconds."""


@raising_denials
class DynamoTargets:
    """The `Targets` port over a DynamoDB client; records expire after `retention`."""

    def __init__(
        self, client: DynamoDBClient, table: str, retention: timedelta = RETENTION
    ) -> None:
        self._client = client
        self._table = table
        self._retention = retention

    def claim(
        self, resource_id: str, lease: Lease, generation: int | None = None
    ) -> Claim | Lease | OutOfDate:
        """Take the lease and return the memory, in one conditional write; see the port."""
        free = (
            "(attribute_not_exists(lease_owner) OR lease_until <= :since OR waited_since <= :ended)"
        )
        values: dict[str, Any] = {
            ":owner": lease.owner,
            ":since": millis(lease.since),
            ":until": millis(lease.until),
            ":ended": millis(lease.since - (lease.until - lease.since)),
        }
        if generation is not None:
            free += " AND generation = :generation"
            values[":generation"] = generation
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key=_key(resource_id, STATE),
                UpdateExpression=(
                    "SET lease_owner = :owner, lease_since = :since, lease_until = :until "
                    "REMOVE waited_since"
                ),
                ConditionExpression=free,
                ExpressionAttributeValues=to_item(values),
                # The item before the write: this saves a second read.
                ReturnValues="ALL_OLD",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "TransactionConflictException":
                # DynamoDB refuses single writes to an item while a transaction writes it.
                return Lease("the evaluation that commits at this moment", lease.since, lease.since)
            if kind_of(error) is Kind.THROTTLED:
                raise failure("UpdateItem", error) from error
            if code != "ConditionalCheckFailedException":
                raise
            item = _refused_by(error)
            if item.get("lease_owner") == lease.owner:
                # The SDK retried: the claim was granted, but the answer was lost.
                return read_claim(item)
            return _refused(item, generation)
        return read_claim(from_item(answer.get("Attributes", {})))

    def postpone(self, resource_id: str, generation: int, check_at: datetime) -> bool:
        """Note that a generation's re-check comes later; see the port."""
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(resource_id, STATE),
                UpdateExpression="SET check_at = :check_at",
                ConditionExpression="generation = :generation",
                ExpressionAttributeValues=to_item(
                    {":check_at": write_moment(check_at), ":generation": generation}
                ),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        except self._client.exceptions.TransactionConflictException:
            return True  # while a transaction writes the item, its generation is unknown
        return True

    def peek(self, resource_id: str) -> tuple[Memory, Lease | None]:
        """Return memory and lease without claiming the target; see the port."""
        answer = self._client.get_item(
            TableName=self._table, Key=_key(resource_id, STATE), ConsistentRead=True
        )
        item = from_item(answer.get("Item", {}))
        return read_memory(item), _lease(item)

    def peek_all(self, resource_ids: Sequence[str]) -> Mapping[str, tuple[Memory, Lease | None]]:
        """Return the memory and lease of many targets; see the port.

        Corrupt items are left out; the heartbeat raises what is wrong with them.
        """
        if not resource_ids:
            return {}
        keys = [_key(resource_id, STATE) for resource_id in resource_ids]
        with calling("BatchGetItem"):
            answer = self._client.batch_get_item(RequestItems={self._table: {"Keys": keys}})
        unread = answer["UnprocessedKeys"].get(self._table)
        left_out = {from_item(key)["pk"] for key in unread["Keys"]} if unread else set()
        items = {
            item["pk"]: item for item in map(from_item, answer["Responses"].get(self._table, []))
        }
        found = {}
        for resource_id in resource_ids:
            item = items.get(resource_id, {})
            with suppress(CorruptItemError):
                if resource_id not in left_out:
                    found[resource_id] = (read_memory(item), _lease(item))
        return found

    def watch(self, resource_id: str, backlog: Backlog) -> None:
        """Write what is known about a target's queues; see the port."""
        with calling("UpdateItem"):
            values = {":backlog": backlog_dict(backlog)}
            self._mark(resource_id, "SET backlog = :backlog", "attribute_exists(pk)", values)

    def wait(
        self,
        resource_id: str,
        holder: str,
        mark: str,
        at: datetime,
        learned: tuple[str, KnownAlarm] | None = None,
    ) -> bool:
        """Leave a mark for the lease's holder, and what an event has shown; see the port."""
        update, condition = "SET mark = :mark", "lease_owner = :holder"
        values: dict[str, Any] = {":holder": holder, ":mark": mark, ":at": millis(at)}
        names = {}
        if learned:
            policy, known = learned
            update += ", #event = :event"
            condition += " AND (attribute_not_exists(#event) OR #event.#at <= :event_at)"
            names = {"#event": f"{WAITING}{policy}", "#at": "at"}
            values |= {":event": known_dict(known), ":event_at": write_moment(known.at)}
        # A time in the future comes from a host whose clock is wrong: then the wait starts now.
        soon = millis(at + CLOCKS)
        right = "(attribute_not_exists(waited_since) OR waited_since <= :soon)"
        since, anew = "waited_since = if_not_exists(waited_since, :at)", "waited_since = :at"
        refused = self._mark(
            resource_id,
            f"{update}, {since}",
            f"{condition} AND {right}",
            {**values, ":soon": soon},
            names,
        )
        if refused and refused.get("waited_since", 0) > soon:
            refused = self._mark(resource_id, f"{update}, {anew}", condition, values, names)
        # If the holder is still the same, a newer event of the same alarm has already left a mark.
        return refused is None or bool(refused.get("lease_owner") == holder)

    def _mark(
        self,
        resource_id: str,
        update: str,
        condition: str,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
    ) -> dict[str, Any] | None:
        """Update a target's item; if the condition does not hold, return the item as it is.

        While a transaction writes the item, DynamoDB refuses the update, too; then the result is
        empty.
        """
        request: UpdateItemInputTypeDef = {
            "TableName": self._table,
            "Key": _key(resource_id, STATE),
            "UpdateExpression": update,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": to_item(values),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if names:
            request["ExpressionAttributeNames"] = names
        try:
            self._client.update_item(**request)
        except self._client.exceptions.ConditionalCheckFailedException as error:
            return _refused_by(error)
        except self._client.exceptions.TransactionConflictException:
            return {}
        return None

    def ask(self, owner: str, resource_id: str, memory: Memory) -> None:
        """Write the memory of a change that is about to be requested; see the port."""
        with _fitting(resource_id):
            try:
                self._client.update_item(**self._remember(owner, resource_id, memory))
            except self._client.exceptions.ConditionalCheckFailedException as error:
                raise _lost(resource_id, owner) from error

    def commit(
        self, owner: str, memory: Memory, record: DecisionRecord, claim: Claim | None = None
    ) -> bool:
        """Write memory and record in one transaction, and release the lease; see the port."""
        resource_id = record.resource_id
        write = self._remember(owner, resource_id, replace(memory, listed=True))
        over = () if memory.incident else ("incident",)  # a smaller item costs fewer units
        write["UpdateExpression"] += f" REMOVE {', '.join((*_LEASE, *_RETIRED, *over))}"
        others: list[TransactWriteItemTypeDef] = [
            {"Put": {"TableName": self._table, "Item": self._record_item(record)}}
        ]
        if not memory.listed or (claim and claim.memory.queues != memory.queues):
            entry = {"pk": TARGETS, "sk": resource_id, "queues": list(memory.queues)}
            others += [{"Put": {"TableName": self._table, "Item": to_item(entry)}}]
        undisturbed = _tidying(write, claim or Claim(memory), record.at)
        with _fitting(resource_id):
            for update in (undisturbed, write):
                try:
                    self._client.transact_write_items(TransactItems=[{"Update": update}, *others])
                except self._client.exceptions.TransactionCanceledException as error:
                    reasons = error.response.get("CancellationReasons", [])
                    if not any(each.get("Code") == "ConditionalCheckFailed" for each in reasons):
                        raise
                    refused = error
                else:
                    return update is write
            raise _lost(resource_id, owner) from refused

    def _remember(self, owner: str, resource_id: str, memory: Memory) -> UpdateTypeDef:
        """Return the write of a memory by the lease's holder."""
        attributes = memory_dict(memory)
        values = {f":{name}": value for name, value in attributes.items()}
        return {
            "TableName": self._table,
            "Key": _key(resource_id, STATE),
            "UpdateExpression": f"SET {', '.join(f'#{name} = :{name}' for name in attributes)}",
            "ConditionExpression": "lease_owner = :owner",
            "ExpressionAttributeNames": {f"#{name}": name for name in attributes},
            "ExpressionAttributeValues": to_item({**values, ":owner": owner}),
        }

    def listed(self) -> Mapping[str, tuple[str, ...]]:
        """Return the remembered targets and their queues; see the port.

        An earlier release's entry has no queues.
        """
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :targets",
            ProjectionExpression="sk, queues",
            ExpressionAttributeValues=to_item({":targets": TARGETS}),
        )
        entries = [from_item(item) for page in pages for item in page["Items"]]
        return {entry["sk"]: tuple(map(str, entry.get("queues", ()))) for entry in entries}

    def unlist(self, resource_id: str, generation: int) -> None:
        """Remove a target from the list; see the port."""
        condition = "attribute_not_exists(lease_owner) AND generation = :generation"
        condition = f"attribute_not_exists(pk) OR ({condition})"
        values = {":generation": generation}
        if self._mark(resource_id, "REMOVE listed", condition, values) is None:
            self._client.delete_item(TableName=self._table, Key=_key(TARGETS, resource_id))

    def record(self, record: DecisionRecord) -> None:
        """Write one record; see the port."""
        self._client.put_item(TableName=self._table, Item=self._record_item(record))

    def _record_item(self, record: DecisionRecord) -> dict[str, Any]:
        expires = record.at + self._retention
        return to_item(
            {
                **record.stored,
                "pk": record.resource_id,
                "sk": f"decision#{write_moment(record.at)}#{record.id}",
                "expires_at": int(expires.timestamp()),
            }
        )


class DynamoOperators:
    """The `Operators` port over a DynamoDB client.

    Each write is one conditional UpdateItem of one attribute, regardless of the lease. Claims and
    commits touch other attributes, so neither can undo the other. A write to a missing item creates
    it without a lease, free to be claimed.
    """

    def __init__(
        self, client: DynamoDBClient, table: str, sleep: Callable[[timedelta], None]
    ) -> None:
        self._client = client
        self._table = table
        self._sleep = sleep

    def entries(self, resource_id: str) -> Mapping[str, Any]:
        """Return what was written, by attribute; see the port."""
        answer = self._client.get_item(
            TableName=self._table, Key=_key(resource_id, STATE), ConsistentRead=True
        )
        item = from_item(answer.get("Item", {}))
        return {name: value for name, value in item.items() if is_operators(name)}

    def replace(self, resource_id: str, name: str, seen: Any, entry: Any) -> bool:
        """Replace an entry that is still the one seen; see the port."""
        condition = "attribute_not_exists(#entry)" if seen is None else "#entry = :seen"
        update = "REMOVE #entry" if entry is None else "SET #entry = :entry"
        values = {":seen": seen, ":entry": entry}
        given = {key: value for key, value in values.items() if value is not None}
        return self._update(resource_id, (update, condition), {"#entry": name}, given)

    def schedule(self, resource_id: str, name: str, entry: Mapping[str, Any]) -> bool:
        """Write a schedule's entry unless a later one exists; see the port."""
        condition = "attribute_not_exists(#entry.#at) OR #entry.#at <= :at"
        return self._update(
            resource_id,
            ("SET #entry = :entry", condition),
            {"#entry": name, "#at": "at"},
            {":entry": entry, ":at": entry["at"]},
        )

    def _update(
        self,
        resource_id: str,
        expressions: tuple[str, str],
        names: Mapping[str, str],
        values: Mapping[str, Any],
    ) -> bool:
        update, condition = expressions
        request: UpdateItemInputTypeDef = {
            "TableName": self._table,
            "Key": _key(resource_id, STATE),
            "UpdateExpression": update,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
        }
        if values:
            request["ExpressionAttributeValues"] = to_item(values)
        for wait in (*_CONFLICT_SLEEPS, None):
            try:
                self._client.update_item(**request)
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
            except self._client.exceptions.TransactionConflictException:
                # DynamoDB refuses single writes to an item while a transaction writes it.
                if wait is None:
                    raise
                self._sleep(wait)
            else:
                break
        return True


def _tidying(write: UpdateTypeDef, claim: Claim, now: datetime) -> UpdateTypeDef:
    """Extend a commit's write to remove what the claim has shown and nothing needs any more.

    Its conditions check that none of that has changed since.
    """
    gone = outlived(claim.entries, now)
    waited = [f"{WAITING}{policy}" for policy in claim.waiting]
    names = {f"#gone{i}": name for i, name in enumerate([*gone, *waited])}
    seen: dict[str, Any] = {f":gone{i}": claim.entries[name] for i, name in enumerate(gone)}
    conditions = [f"#{placeholder[1:]} = {placeholder}" for placeholder in seen]
    conditions.append("mark = :mark" if claim.mark else "attribute_not_exists(mark)")
    if claim.mark:
        seen[":mark"] = claim.mark
    return {
        **write,
        "UpdateExpression": ", ".join([write["UpdateExpression"], "mark", *names]),
        "ConditionExpression": " AND ".join([write["ConditionExpression"], *conditions]),
        "ExpressionAttributeNames": {**write["ExpressionAttributeNames"], **names},
        "ExpressionAttributeValues": {**write["ExpressionAttributeValues"], **to_item(seen)},
    }


@contextmanager
def _fitting(resource_id: str) -> Iterator[None]:
    """Report a write that is refused because an item would become too large."""
    try:
        yield
    except ClientError as error:
        # A transaction's error names no cause; the reasons of its parts do.
        reasons = error.response.get("CancellationReasons", [])
        if not any("size" in said for said in (str(error), *map(str, reasons))):
            raise
        why = f"the item of {resource_id} has no room for what is to be remembered: {error}"
        raise ItemFullError(why) from error


def _lost(resource_id: str, owner: str) -> LeaseLostError:
    return LeaseLostError(f"the lease of {resource_id} is no longer {owner}'s")


def _refused_by(error: ClientError) -> dict[str, Any]:
    """Return the item whose condition did not hold."""
    response: Mapping[str, Any] = error.response
    return from_item(response.get("Item", {}))


def _refused(item: Mapping[str, Any], generation: int | None) -> Lease | OutOfDate:
    held = _lease(item)
    current = item.get("generation", 0)
    if held is None or (generation is not None and generation != current):
        return OutOfDate(current)
    return held


def _lease(item: Mapping[str, Any]) -> Lease | None:
    if not item.get("lease_owner"):
        return None
    since, until = _moment(item["lease_since"]), _moment(item["lease_until"])
    return Lease(item["lease_owner"], since, until)


def _key(pk: str, sk: str) -> dict[str, Any]:
    return to_item({"pk": pk, "sk": sk})


def millis(moment: datetime) -> int:
    """Return a time in milliseconds, the unit in which the table compares times."""
    return round(moment.timestamp() * 1000)


def _moment(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
