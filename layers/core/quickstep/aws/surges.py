"""How many surges an account looks at in a second: the table has one item for each such second.

    pk = #surges   sk = 2026-11-22T10:00:12.000Z   taken, expires_at

One conditional write takes a look. Seconds without a surge have no item.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.aws.attributes import to_item
from quickstep.aws.failures import calling
from quickstep.fields import write_moment
from quickstep.protocol.ports import MOST_SURGES_A_SECOND

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

SURGES = "#surges"
KEPT = timedelta(hours=1)
"""Far longer than clocks differ; the table's TTL takes days in any case."""


class DynamoSurgeLooks:
    """The `SurgeLooks` port over a DynamoDB client."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def take(self, now: datetime) -> bool:
        """Take one of the second's looks; see the port."""
        second = now.replace(microsecond=0)
        expires_at = int((second + KEPT).timestamp())
        with calling("UpdateItem"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=to_item({"pk": SURGES, "sk": write_moment(second)}),
                    UpdateExpression="SET expires_at = :expires_at ADD taken :one",
                    ConditionExpression="attribute_not_exists(taken) OR taken < :most",
                    ExpressionAttributeValues=to_item(
                        {":expires_at": expires_at, ":one": 1, ":most": MOST_SURGES_A_SECOND}
                    ),
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True
