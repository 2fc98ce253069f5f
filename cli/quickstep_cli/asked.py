"""Questions about many services, asked together so that each service finds its answer.

A service's checks ask on their own, as if it were the only one, through clients that ask each
question once (`once.py`). If one AWS call can answer for many services, it is made here first, and
each service then finds its question answered. A question missing here is asked later, which costs
time but nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from quickstep.aws.attributes import to_item
from quickstep.aws.dynamodb import STATE
from quickstep_cli.autoscaling import CALLS, DIMENSION, scaling_answers, scaling_question

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quickstep.naming import ServiceName
    from quickstep_cli.aws import Aws

_SERVICES = 10
"""DescribeServices' maximum."""
_ITEMS = 100
"""BatchGetItem's maximum."""
_ALARMS = 100
"""DescribeAlarms' maximum per page; its default is 50."""


def ask_together(aws: Aws, documents: Mapping[ServiceName, str]) -> None:
    """Ask about many services in as few calls as AWS allows, and remember each one's answer.

    `aws` asks once. If a call is refused, each service asks for itself, and reports why it has no
    answer.
    """
    services = list(documents)
    _remember_documents(aws, documents)
    for ask in (_services, _alarms, _autoscaling, _items):
        try:
            ask(aws, services)
        except (ClientError, BotoCoreError):
            continue


def _remember_documents(aws: Aws, documents: Mapping[ServiceName, str]) -> None:
    client = aws.client("ssm")
    for service, text in documents.items():
        answer = {"Parameter": {"Name": service.parameter, "Value": text}}
        client.remember("get_parameter", {"Name": service.parameter}, answer)


def _services(aws: Aws, services: Sequence[ServiceName]) -> None:
    client = aws.client("ecs")
    for cluster, names in by_cluster(services):
        answer = client.describe_services(cluster=cluster, services=names)
        failures = [(it.get("arn", "").rpartition("/")[2], it) for it in answer["failures"]]
        for name in names:
            alone = {
                "services": [it for it in answer["services"] if it["serviceName"] == name],
                "failures": [it for failed, it in failures if failed == name],
            }
            question = {"cluster": cluster, "services": [name]}
            client.remember("describe_services", question, alone)


def _alarms(aws: Aws, services: Sequence[ServiceName]) -> None:
    client = aws.client("cloudwatch")
    of: dict[str, list[Any]] = {service.alarm(""): [] for service in services}
    question = {"AlarmNamePrefix": "quickstep/", "PaginationConfig": {"PageSize": _ALARMS}}
    for page in client.pages("describe_alarms", question):
        for alarm in page["MetricAlarms"]:
            prefix = "/".join(alarm["AlarmName"].split("/")[:3]) + "/"
            of.get(prefix, []).append(alarm)
    for prefix, alarms in of.items():
        question = {"AlarmNamePrefix": prefix}
        client.remember_pages("describe_alarms", question, [{"MetricAlarms": alarms}])


def _autoscaling(aws: Aws, services: Sequence[ServiceName]) -> None:
    client = aws.client("application-autoscaling")
    for key, call in CALLS.items():
        found: dict[str, list[Any]] = {service.resource_id: [] for service in services}
        for one in scaling_answers(aws, key):
            if one["ScalableDimension"] == DIMENSION:
                found.get(one["ResourceId"], []).append(one)
        for service in services:
            answer = [{key: found[service.resource_id]}]
            client.remember_pages(call, scaling_question(key, service), answer)


def _items(aws: Aws, services: Sequence[ServiceName]) -> None:
    client, table = aws.client("dynamodb"), aws.table
    keys = {service.resource_id: _key(service) for service in services}
    for some in parts(list(keys), _ITEMS):
        wanted = {"Keys": [keys[one] for one in some], "ConsistentRead": True}
        answer = client.batch_get_item(RequestItems={table: wanted})
        found = {item["pk"]["S"]: item for item in answer["Responses"].get(table, [])}
        unread = answer["UnprocessedKeys"].get(table, {}).get("Keys", [])
        for one in some:
            if keys[one] not in unread:
                item = {"Item": found[one]} if one in found else {}
                question = {"TableName": table, "Key": keys[one], "ConsistentRead": True}
                client.remember("get_item", question, item)


def _key(service: ServiceName) -> dict[str, Any]:
    return to_item({"pk": service.resource_id, "sk": STATE})


def by_cluster(services: Sequence[ServiceName]) -> Iterator[tuple[str, list[str]]]:
    """Yield clusters with their services' names, as many as one DescribeServices takes."""
    clusters: dict[str, list[str]] = {}
    for service in services:
        clusters.setdefault(service.cluster, []).append(service.service)
    for cluster, names in clusters.items():
        for some in parts(names, _SERVICES):
            yield cluster, some


def parts(names: list[str], most: int) -> Iterator[list[str]]:
    """Yield names in lists of at most `most`."""
    for start in range(0, len(names), most):
        yield names[start : start + most]
