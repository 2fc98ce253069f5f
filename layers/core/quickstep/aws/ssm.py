"""Policy documents: in SSM parameters, and as copies in the table.

    pk = service/prod/web   sk = #document   text, problem, modified, expires_at

A copy is valid until `expires_at`; the table's TTL deletes it some time later.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from quickstep.aws.attributes import from_item, to_item
from quickstep.aws.failures import calling
from quickstep.fields import write_moment
from quickstep.naming import DOCUMENTS, parse_parameter
from quickstep.protocol.documents import MISSING, Copy, Document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import PutItemInputTypeDef
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_ssm.type_defs import ParameterTypeDef

    from quickstep.naming import ServiceName

COPY = "#document"
PAGE = 10  # the most that GetParametersByPath returns


class SsmParameters:
    """The `Parameters` port over an SSM client."""

    def __init__(self, client: SSMClient) -> None:
        self._client = client

    def parameters(self, services: Sequence[ServiceName]) -> Mapping[ServiceName, Document]:
        """Read documents in one call; see the port."""
        with calling("GetParameters"):
            answer = self._client.get_parameters(Names=[name.parameter for name in services])
        found = {parameter["Name"]: _document(parameter) for parameter in answer["Parameters"]}
        return {service: found.get(service.parameter, MISSING) for service in services}

    def survey(self, token: str | None) -> tuple[Mapping[ServiceName, Document], str | None]:
        """Return a page of documents, ten at most, and the next page's token; see the port."""
        more: Any = {"NextToken": token} if token else {}
        with calling("GetParametersByPath"):
            answer = self._client.get_parameters_by_path(
                Path=DOCUMENTS, Recursive=True, MaxResults=PAGE, **more
            )
        found = {
            name: _document(parameter)
            for parameter in answer["Parameters"]
            if (name := parse_parameter(parameter["Name"]))
        }
        return found, answer.get("NextToken")


class DynamoCopies:
    """The `Copies` port over a DynamoDB client."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, service: ServiceName) -> Copy | None:
        """Return a target's copy; see the port."""
        with calling("GetItem"):
            answer = self._client.get_item(TableName=self._table, Key=to_item(_key(service)))
        item = from_item(answer.get("Item", {}))
        if not item:
            return None
        document = Document(item["text"], item["problem"], item["modified"])
        return Copy(document, datetime.fromtimestamp(item["expires_at"], UTC))

    def write(self, service: ServiceName, copy: Copy) -> None:
        """Write a target's copy; see the port."""
        document = copy.document
        item = {
            **_key(service),
            "text": document.text,
            "problem": document.problem,
            "modified": document.modified,
            "expires_at": int(copy.until.timestamp()),
        }
        put: PutItemInputTypeDef = {"TableName": self._table, "Item": to_item(item)}
        if document.modified:
            put["ConditionExpression"] = "attribute_not_exists(pk) OR modified <= :modified"
            put["ExpressionAttributeValues"] = to_item({":modified": document.modified})
        with calling("PutItem"):
            try:
                self._client.put_item(**put)
            except self._client.exceptions.ConditionalCheckFailedException:
                return  # someone has read a newer one


def _key(service: ServiceName) -> dict[str, Any]:
    return {"pk": service.resource_id, "sk": COPY}


def _document(parameter: ParameterTypeDef) -> Document:
    if parameter["Type"] != "String":
        return Document(problem=f"must be a String parameter, not {parameter['Type']}")
    return Document(
        parameter["Value"], modified=write_moment(parameter["LastModifiedDate"].astimezone(UTC))
    )
