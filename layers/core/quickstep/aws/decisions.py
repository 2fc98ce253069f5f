"""The table for readers: a target's decision records, and what it watches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickstep.aws.attributes import from_item, to_item
from quickstep.aws.dynamodb import STATE
from quickstep.aws.failures import calling
from quickstep.fields import write_moment
from quickstep.protocol.memory import read_memory
from quickstep.report.dashboard.deployed import Found

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

    from quickstep.protocol.memory import Memory

PAGE = 500
"""Records per request; DynamoDB returns at most 1 MB of them."""


class DynamoDecisions:
    """Targets' decision records and memory, over a DynamoDB client; it only reads."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def between(self, resource_id: str, start: datetime, end: datetime, most: int) -> Found:
        """Return the newest records from `start` to `end`, at most `most`.

        Raises:
            CallFailedError: DynamoDB refused a page, or could not be reached.
        """
        values = {
            ":target": resource_id,
            ":first": "decision#",
            # Only its own `#<id>` sorts between a moment and this end of the range.
            ":last": f"decision#{write_moment(end)}#~",
        }
        since = f"decision#{write_moment(start)}"
        found: list[dict[str, Any]] = []
        following: dict[str, Any] = {}
        while True:
            with calling("Query"):
                answer = self._client.query(
                    TableName=self._table,
                    KeyConditionExpression="pk = :target AND sk BETWEEN :first AND :last",
                    ExpressionAttributeValues=to_item(values),
                    ScanIndexForward=False,
                    Limit=PAGE,
                    **following,
                )
            for item in map(from_item, answer["Items"]):
                # The record before the span shows how many tasks there were when it began.
                if str(item["sk"]) < since:
                    return Found(tuple(found), item, complete=True)
                if len(found) == most:
                    return Found(tuple(found), item, complete=False)
                found.append(item)
            if "LastEvaluatedKey" not in answer:
                return Found(tuple(found), None, complete=True)
            following = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def memory(self, resource_id: str) -> Memory:
        """Return what is remembered about a target: its alarms, and what they watch.

        Raises:
            CallFailedError: DynamoDB refused the call, or could not be reached.
            CorruptItemError: the item is not what this version writes.
        """
        with calling("GetItem"):
            answer = self._client.get_item(
                TableName=self._table, Key=to_item({"pk": resource_id, "sk": STATE})
            )
        return read_memory(from_item(answer.get("Item", {})))
