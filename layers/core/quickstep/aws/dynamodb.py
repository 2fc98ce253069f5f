"""The table: one item per target, which is lock and memory at once, and its decision records.

    pk = service/prod/web   sk = #state                            the target's item
    pk = service/prod/web   sk = decision#2026-11-22T10:00:00.123Z#<id>   one per evaluation

An expired lease is recognised by the condition of the claim; the table's TTL only clears away old
decision records, and may be days late.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from quickstep.aws.attributes import from_item, to_item
from quickstep.aws.failures import Kind, failure, kind_of
from quickstep.fields import write_moment
from quickstep.protocol.memory import Claim, Lease, memory_dict, read_memory
from quickstep.protocol.operators import is_operators
from quickstep.protocol.ports import LeaseLostError, OutOfDate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import PutTypeDef, UpdateItemInputTypeDef, UpdateTypeDef

    from quickstep.protocol.memory import Memory
    from quickstep.protocol.records import DecisionRecord

STATE = "#state"
RETENTION = timedelta(days=30)

_LEASE = [f"{which}_{part}" for which in ("lease", "last") for part in ("owner", "since", "until")]

_CONFLICT_SLEEPS = tuple(timedelta(milliseconds=wait) for wait in (50, 100, 200))
"""A commit's transaction takes milliseconds."""


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
        free = "(attribute_not_exists(lease_owner) OR lease_until <= :since)"
        values: dict[str, Any] = {
            ":nobody": "",
            ":never": 0,
            ":owner": lease.owner,
            ":since": _millis(lease.since),
            ":until": _millis(lease.until),
        }
        if generation is not None:
            free += " AND generation = :generation"
            values[":generation"] = generation
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key=_key(resource_id, STATE),
                UpdateExpression=(
                    "SET lease_owner = :owner, lease_since = :since, lease_until = :until, "
                    # The lease that is taken over, for a claim that has to be repeated.
                    "last_owner = if_not_exists(lease_owner, :nobody), "
                    "last_since = if_not_exists(lease_since, :never), "
                    "last_until = if_not_exists(lease_until, :never)"
                ),
                ConditionExpression=free,
                ExpressionAttributeValues=to_item(values),
                # The item as it was: its memory and its last lease, without a second read.
                ReturnValues="ALL_OLD",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "TransactionConflictException":
                # DynamoDB refuses single writes to an item while a transaction writes it.
                return Lease("whoever commits at this moment", lease.since, lease.since)
            if kind_of(error) is Kind.THROTTLED:
                raise failure("UpdateItem", error) from error
            if code != "ConditionalCheckFailedException":
                raise
            response: Mapping[str, Any] = error.response
            item = from_item(response.get("Item", {}))
            if item.get("lease_owner") == lease.owner:
                # A retry of the SDK's: the claim was granted, but the answer was lost.
                return Claim(read_memory(item), _lease(item, "last"))
            return _refused(item, generation)
        item = from_item(answer.get("Attributes", {}))
        return Claim(read_memory(item), _lease(item))

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
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # While a transaction writes the item, nothing is known of its generation.
            if code not in ("ConditionalCheckFailedException", "TransactionConflictException"):
                raise
            return code == "TransactionConflictException"
        return True

    def peek(self, resource_id: str) -> tuple[Memory, Lease | None]:
        """Return memory and lease without claiming the target; see the port."""
        answer = self._client.get_item(
            TableName=self._table, Key=_key(resource_id, STATE), ConsistentRead=True
        )
        item = from_item(answer.get("Item", {}))
        return read_memory(item), _lease(item)

    def commit(self, owner: str, memory: Memory, record: DecisionRecord) -> None:
        """Write memory and record in one transaction, and release the lease; see the port."""
        resource_id = record.resource_id
        attributes = memory_dict(memory)
        names = {f"#{name}": name for name in attributes}
        values = {f":{name}": value for name, value in attributes.items()}
        assignments = ", ".join(f"#{name} = :{name}" for name in attributes)
        release = f"REMOVE {', '.join(_LEASE)}"
        update: UpdateTypeDef = {
            "TableName": self._table,
            "Key": _key(resource_id, STATE),
            "UpdateExpression": f"SET {assignments} {release}",
            "ConditionExpression": "lease_owner = :owner",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": to_item({**values, ":owner": owner}),
        }
        put: PutTypeDef = {"TableName": self._table, "Item": self._record_item(record)}
        try:
            self._client.transact_write_items(TransactItems=[{"Update": update}, {"Put": put}])
        except self._client.exceptions.TransactionCanceledException as error:
            reasons = error.response.get("CancellationReasons", [])
            if any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons):
                why = f"the lease of {resource_id} is no longer {owner}'s"
                raise LeaseLostError(why) from error
            raise

    def record(self, record: DecisionRecord) -> None:
        """Write one record; see the port."""
        self._client.put_item(TableName=self._table, Item=self._record_item(record))

    def _record_item(self, record: DecisionRecord) -> dict[str, Any]:
        expires = record.at + self._retention
        return to_item(
            {
                **record.as_dict(),
                "pk": record.resource_id,
                "sk": f"decision#{write_moment(record.at)}#{record.id}",
                "expires_at": int(expires.timestamp()),
            }
        )


class DynamoOperators:
    """The `Operators` port over a DynamoDB client.

    Each write is one conditional UpdateItem of one attribute, beside whoever holds the lease: a
    claim and a commit touch other attributes, so neither can undo the other. An item that does not
    exist yet is made, without a lease: it is free to be claimed.
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
        """Write a schedule's entry unless there is a later one; see the port."""
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
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code == "ConditionalCheckFailedException":
                    return False
                # DynamoDB refuses single writes to an item while a transaction writes it.
                if code != "TransactionConflictException" or wait is None:
                    raise
                self._sleep(wait)
            else:
                break
        return True


def _refused(item: Mapping[str, Any], generation: int | None) -> Lease | OutOfDate:
    held = _lease(item)
    current = item.get("generation", 0)
    if held is None or (generation is not None and generation != current):
        return OutOfDate(current)
    return held


def _lease(item: Mapping[str, Any], which: str = "lease") -> Lease | None:
    if not item.get(f"{which}_owner"):
        return None
    since, until = _moment(item[f"{which}_since"]), _moment(item[f"{which}_until"])
    return Lease(item[f"{which}_owner"], since, until)


def _key(pk: str, sk: str) -> dict[str, Any]:
    return to_item({"pk": pk, "sk": sk})


def _millis(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _moment(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
