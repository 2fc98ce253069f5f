"""Check whether lines in the embedded metric format suit Quickstep's alarms.

    python -m quickstep_publisher.check < lines
    docker logs task | python -m quickstep_publisher.check --namespace Quickstep/prod/web

For services in other languages: they print a line every 5 s, and this reports what is wrong with
it. Lines in other formats are skipped, because a container's output has those, too.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from quickstep_publisher._points import (
    ACTIVE_CONNECTIONS,
    AVERAGE_RESPONSE_TIME,
    CLUSTER_NAME,
    INTERVAL,
    QUEUE_TIME,
    REQUESTS_PER_SECOND,
    SERVICE_NAME,
    STORAGE_RESOLUTION,
    UTILIZATION,
    own_namespace,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

UNITS = {
    REQUESTS_PER_SECOND: "Count/Second",
    AVERAGE_RESPONSE_TIME: "Milliseconds",
    ACTIVE_CONNECTIONS: "Count",
    UTILIZATION: "None",
    QUEUE_TIME: "Milliseconds",
}
_LARGEST = 2.0**360
_LONGEST_LINE = 256 * 1024
_EARLIEST, _LATEST = 1_000_000_000_000, 10_000_000_000_000
_DIMENSIONS = {CLUSTER_NAME, SERVICE_NAME}
_STATISTICS = {"Min", "Max", "Sum", "Count"}


@dataclass(frozen=True)
class Problem:
    """What is wrong with a line; `line` counts from 1, and is 0 for a problem with all lines."""

    line: int
    message: str

    def __str__(self) -> str:
        """Return it in the command's output format."""
        return f"line {self.line}: {self.message}" if self.line else self.message


def check(lines: Iterable[str], namespace: str | None = None) -> list[Problem]:
    """Return the problems in a task's lines, in order; empty if the lines are right.

    Args:
        lines: a task's output.
        namespace: the namespace that the alarms watch; Quickstep/<cluster>/<service> by default.
    """
    found: list[Problem] = []
    rates: list[tuple[int, int]] = []
    for number, line in enumerate(lines, start=1):
        if '"_aws"' not in line:
            continue
        document, said = _parsed(line)
        if document is None:
            found.append(Problem(number, said))
            continue
        found += [Problem(number, problem) for problem in _of_document(document, namespace)]
        at = document.get("_aws", {}).get("Timestamp") if not said else None
        if REQUESTS_PER_SECOND in document and isinstance(at, int) and _EARLIEST < at < _LATEST:
            rates.append((number, at))
    if not rates and not found:
        found.append(Problem(0, f"no line has {REQUESTS_PER_SECOND}: the alarms see nothing"))
    return found + list(_of_times(rates))


def _parsed(line: str) -> tuple[dict[str, Any] | None, str]:
    if len(line.encode()) > _LONGEST_LINE:
        return None, f"longer than {_LONGEST_LINE} bytes: CloudWatch Logs cuts it off"
    try:
        document = json.loads(line)
    except ValueError as error:
        return None, f"not one JSON object, and nothing else, on one line ({error})"
    if not isinstance(document, dict) or not isinstance(document.get("_aws"), dict):
        return None, "not a JSON object with an object _aws"
    return document, ""


def _of_document(document: dict[str, Any], namespace: str | None) -> Iterator[str]:
    at = document["_aws"].get("Timestamp")
    if not isinstance(at, int) or isinstance(at, bool) or not _EARLIEST < at < _LATEST:
        yield f"_aws.Timestamp must be a whole number of milliseconds since 1970, not {at!r}"
    for name in sorted(_DIMENSIONS):
        if not isinstance(document.get(name), str) or not document[name]:
            yield f"{name} must be a name, at the document's top, not {document.get(name)!r}"
    directives = document["_aws"].get("CloudWatchMetrics")
    if not isinstance(directives, list) or not directives:
        yield f"_aws.CloudWatchMetrics must be a list of directives, not {directives!r}"
        return
    wanted = namespace or own_namespace(
        str(document.get(CLUSTER_NAME)), str(document.get(SERVICE_NAME))
    )
    for directive in directives:
        if not isinstance(directive, dict):
            yield f"a directive must be an object, not {directive!r}"
            continue
        yield from _of_directive(directive, document, wanted)


def _of_directive(
    directive: dict[str, Any], document: dict[str, Any], wanted: str
) -> Iterator[str]:
    if directive.get("Namespace") != wanted:
        named = directive.get("Namespace")
        yield f"Namespace must be {wanted!r}, which the alarms watch, not {named!r}"
    sets = directive.get("Dimensions")
    if not isinstance(sets, list) or not any(
        isinstance(each, list)
        and len(each) == len(_DIMENSIONS)
        and set(map(str, each)) == _DIMENSIONS
        for each in sets
    ):
        yield (
            f"Dimensions must have the set [{CLUSTER_NAME!r}, {SERVICE_NAME!r}] with nothing"
            f" beside: a metric with others is another metric; not {sets!r}"
        )
    metrics = directive.get("Metrics")
    if not isinstance(metrics, list):
        yield f"Metrics must be a list, not {metrics!r}"
        return
    for metric in metrics:
        if not isinstance(metric, dict) or not isinstance(metric.get("Name"), str):
            yield f"a metric must be an object with a Name, not {metric!r}"
            continue
        yield from _of_metric(metric, document)


def _of_metric(metric: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    name = metric["Name"]
    if metric.get("StorageResolution") != STORAGE_RESOLUTION:
        yield (
            f"{name}: StorageResolution must be {STORAGE_RESOLUTION}, not"
            f" {metric.get('StorageResolution')!r}: an alarm of 10 s cannot see it"
        )
    unit = UNITS.get(name)
    if unit is not None and metric.get("Unit", "None") != unit:
        yield f"{name}: Unit must be {unit!r}, not {metric.get('Unit')!r}"
    if name not in document:
        yield f"{name}: has no value at the document's top"
        return
    value = document[name]
    if name == AVERAGE_RESPONSE_TIME and isinstance(value, dict):
        if set(value) != _STATISTICS or not all(map(_is_number, value.values())):
            yield f"{name}: a statistic set has Min, Max, Sum and Count, not {value!r}"
    elif isinstance(value, list):
        yield f"{name}: must be one number, as each value of a list counts as its own sample"
    elif not _is_number(value):
        yield f"{name}: must be a number, not {value!r}"
    elif value < 0:
        yield f"{name}: must not be negative, as {value!r} is"
    elif name == UTILIZATION and value > 1:
        yield f"{name}: must be a share of 1, not {value!r}"


def _is_number(value: Any) -> bool:
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    return known and math.isfinite(value) and abs(value) <= _LARGEST


def _of_times(rates: list[tuple[int, int]]) -> Iterator[Problem]:
    seen: set[int] = set()
    gaps = []
    for (_, before), (number, at) in pairwise(rates):
        gaps.append(at - before)
        if at < before:
            yield Problem(number, "is older than the line before")
    for number, at in rates:
        if at // 1000 in seen:
            said = "is a second value for its second: a task has one, whatever its processes"
            yield Problem(number, said)
        seen.add(at // 1000)
    typical = sorted(gaps)[len(gaps) // 2] / 1000 if gaps else INTERVAL
    if round(typical) not in {1, INTERVAL}:
        said = f"lines are {typical:g} s apart: an alarm of 10 s needs one every {INTERVAL} s"
        yield Problem(0, f"{said}, or one for each second")


def main(arguments: list[str] | None = None) -> int:
    """Check lines from standard input or files; return 1 if any is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m quickstep_publisher.check",
        description="Say what is wrong with a task's lines of the embedded metric format.",
    )
    parser.add_argument("files", nargs="*", help="files with lines; standard input by default")
    parser.add_argument("--namespace", help="the one that the alarms watch")
    given = parser.parse_args(arguments)
    lines: list[str] = []
    try:
        for name in given.files:
            with open(name, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                lines += file
    except OSError as error:
        parser.error(str(error))
    found = check(lines if given.files else sys.stdin, given.namespace)
    for problem in found:
        print(problem)  # noqa: T201 - the command's output
    if not found:
        print("These lines are right.")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
