"""The line of throttled targets: one item in the table.

    pk = #turns   sk = #state   taken0, served0, moved0, taken1, ...   three numbers per lane

One atomic write takes a number, and returns the whole line. After a standstill (see `line`), a
different write is needed. The write's condition checks which of the two applies.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from quickstep.aws.attributes import from_item, to_item
from quickstep.aws.dynamodb import STATE, millis
from quickstep.aws.failures import calling
from quickstep.engine.outcome import Outcome
from quickstep.protocol.line import LANES, MAX_NUMBER, STANDSTILL, Lane, Line
from quickstep.protocol.ports import CallFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

TURNS = "#turns"


class DynamoTurns:
    """The `Turns` port over a DynamoDB client."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def take(self, lane: int, now: datetime) -> Line:
        """Take a lane's next number; see the port."""
        moves = " OR ".join(f"moved{each} > :stands_since" for each in range(lane + 1))
        stands_since = {":stands_since": millis(now - STANDSTILL), ":one": 1}
        begins = {**stands_since, ":none": 0, ":now": millis(now)}
        begin = (
            f"SET served{lane} = if_not_exists(taken{lane}, :none), "
            f"taken{lane} = if_not_exists(taken{lane}, :none) + :one, moved{lane} = :now"
        )
        # If the second write finds that others have started the line, the first one will succeed.
        line = (
            self._write(f"ADD taken{lane} :one", moves, stands_since)
            or self._write(begin, f"NOT ({moves})", begins)
            or self._write(f"ADD taken{lane} :one", moves, stands_since)
        )
        if line is None:
            why = f"UpdateItem: the line of lane {lane} stands and moves at once"
            raise CallFailedError(Outcome.FAILED_OTHER, why)
        return line

    def serve(self, lane: int, number: int, now: datetime) -> None:
        """Mark a number as served; see the port."""
        self._write(
            f"SET served{lane} = :number, moved{lane} = :now",
            f"taken{lane} >= :number AND "
            f"(attribute_not_exists(served{lane}) OR served{lane} < :number)",
            {":number": number, ":now": millis(now)},
        )

    def read(self) -> Line:
        """Return the line; see the port."""
        with calling("GetItem"):
            answer = self._client.get_item(TableName=self._table, Key=_KEY)
        return _line(from_item(answer.get("Item", {})))

    def _write(self, update: str, condition: str, values: Mapping[str, Any]) -> Line | None:
        """Write, and return the new line; None if the condition does not hold."""
        with calling("UpdateItem"):
            try:
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=_KEY,
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=to_item(values),
                    ReturnValues="ALL_NEW",
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return None
        return _line(from_item(answer["Attributes"]))


_KEY = to_item({"pk": TURNS, "sk": STATE})
_MOST = MAX_NUMBER  # as milliseconds, the year 6429


def _line(item: Mapping[str, Any]) -> Line:
    return Line(tuple(_lane(item, lane) for lane in range(LANES)))


def _lane(item: Mapping[str, Any], lane: int) -> Lane:
    taken, served, moved = (item.get(f"{name}{lane}", 0) for name in ("taken", "served", "moved"))
    if not all(
        isinstance(number, int) and 0 <= number < _MOST for number in (taken, served, moved)
    ):
        why = f"the item {TURNS} has no numbers in lane {lane}: {taken!r}, {served!r}, {moved!r}"
        raise CallFailedError(Outcome.FAILED_OTHER, why)
    return Lane(taken, served, datetime.fromtimestamp(moved / 1000, UTC) if moved else None)
