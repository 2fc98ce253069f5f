"""A proof's result: every raw timestamp, the figures that follow from them, and a digest.

    {"format": 1, "quickstep": "0.1.0", "where": "aws", "region": "eu-west-1", "start": "…",
     "plan": {…}, "surges": [{"service": "quickstep-surge", "number": 0, "overloaded": "…",
       "readable": "…", "alarm": "…", "event": "…", "update": "…", "first_running": "…",
       "last_running": "…", "before": 2, "after": 6}, …],
     "figures": {…}, "digest": "sha256:…"}

The digest is over all but itself and the figures; it shows that a file was changed by mistake or by
hand. Anyone can compute it for a forged file, so trusting a file means trusting its sender.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from quickstep.fields import (
    Field,
    InvalidDocumentError,
    Problem,
    Problems,
    parse_json,
    write_moment,
)
from quickstep_lab.prove.plan import Contender, Plan
from quickstep_lab.simulator.measure import median_of_known

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORMAT = 1
STEPS = ("readable", "alarm", "event", "update", "first_running", "last_running")
"""What is stamped after the first overloaded second, in the order in which it happens.

`readable`: the first datapoint above the target could be read. `alarm`: CloudWatch's own stamp of
the alarm's change. `event`: the scaler acts: Quickstep's function began, by its own record, or a
scaling activity of AAS, by its StartTime. `update`: the desired count rose. `first_running`,
`last_running`: of the new tasks, by ECS's stamp.
"""
AWS_TRIGGER, AWS_CAPACITY = 86.0, 109.0
"""Seconds that AWS published for target tracking on 20-s metrics, June 2026: trigger, and with the
new tasks running."""
MOST_SURGES = 20


class ResultError(InvalidDocumentError):
    """A result file that cannot be used, or does not hold together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surge:
    """What was stamped of one surge of one service; None where it never happened."""

    service: Contender
    number: int
    overloaded: datetime
    readable: datetime | None = None
    alarm: datetime | None = None
    event: datetime | None = None
    update: datetime | None = None
    first_running: datetime | None = None
    last_running: datetime | None = None
    before: int
    after: int

    def after_overload(self, step: str) -> float | None:
        """Return the seconds from the first overloaded second to a step."""
        at: datetime | None = getattr(self, step)
        return None if at is None else (at - self.overloaded).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A proof: where and when it ran, by which plan, and what was stamped."""

    quickstep: str
    where: str
    region: str
    start: datetime
    plan: Plan
    surges: tuple[Surge, ...]


def figures(surges: Iterable[Surge]) -> dict[str, dict[str, float | int | None]]:
    """Return each service's medians: seconds from the first overloaded second to each step.

    `surges` counts those that were answered by a risen desired count.
    """
    found = list(surges)
    table: dict[str, dict[str, float | int | None]] = {}
    for service in Contender:
        own = [surge for surge in found if surge.service is service]
        if own:
            row: dict[str, float | int | None] = {
                step: rounded_median(surge.after_overload(step) for surge in own) for step in STEPS
            }
            answered = sum(surge.update is not None for surge in own)
            table[service.value] = {"surges": len(own), "answered": answered, **row}
    return table


def rounded_median(values: Iterable[float | None]) -> float | None:
    """Return the median of what is known, in tenths; None without any."""
    middle = median_of_known(values)
    return None if middle is None else round(middle, 1)


def segments(row: Mapping[str, float | int | None]) -> list[tuple[str, float]]:
    """Return the seconds from each step to the next that was stamped; the first is from overload.

    They are in the order of their times: a task's message is answered before the alarm. An alarm
    that changes after the desired count has risen is on no way, and left out.

    Example: readable 12, alarm 14, update 15: `[("readable", 12), ("alarm", 2), ("update", 1)]`.
    """
    reached, parts = 0.0, []
    stamped = {step: value for step in STEPS if (value := row[step]) is not None}
    if stamped.get("alarm", 0) > stamped.get("update", math.inf):
        del stamped["alarm"]
    for step, value in sorted(stamped.items(), key=lambda one: one[1]):
        parts.append((step, round(value - reached, 1)))
        reached = value
    return parts


def document(result: Result) -> dict[str, Any]:
    """Return a result as JSON-ready data, with its figures and its digest."""
    raw = {
        "format": FORMAT,
        "quickstep": result.quickstep,
        "where": result.where,
        "region": result.region,
        "start": write_moment(result.start),
        "plan": asdict(result.plan),
        "surges": [
            {
                name: write_moment(value) if isinstance(value, datetime) else value
                for name, value in asdict(surge).items()
            }
            for surge in result.surges
        ],
    }
    return {**raw, "figures": figures(result.surges), "digest": digest(raw)}


def digest(raw: Mapping[str, Any]) -> str:
    """Return the digest of a document without its figures and digest, however it is laid out."""
    text = json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def read_result(text: str) -> Result:
    """Return the result of a file that holds together; every figure is computed again.

    Raises:
        ResultError: a member is missing or breaks a rule, the digest is another one, a figure does
            not follow from the timestamps, or these are in no possible order.
    """
    problems = Problems()
    try:
        whole = parse_json(text)
        root = Field(whole, "", problems)
    except InvalidDocumentError as error:
        raise ResultError(error.problems) from None
    members = root.members(
        required=(
            *("format", "quickstep", "where", "region", "start", "plan", "surges"),
            *("figures", "digest"),
        ),
        optional=("$schema",),
    )
    problems.raise_any(ResultError)
    members["format"].integer(FORMAT, FORMAT)
    result = Result(
        quickstep=members["quickstep"].text(),
        where=members["where"].text("aws|emulator", "must be aws or emulator"),
        region=members["region"].text(),
        start=members["start"].moment(),
        plan=_read_plan(members["plan"]),
        surges=tuple(
            _read_surge(each)
            for each in members["surges"].items(at_most=MOST_SURGES * len(Contender))
        ),
    )
    problems.raise_any(ResultError)
    raw = {key: whole[key] for key in whole if key not in ("$schema", "figures", "digest")}
    if digest(raw) != whole["digest"]:
        members["digest"].wrong(f"must be that of the raw data, {digest(raw)}")
    for service, row in figures(result.surges).items():
        claimed = whole["figures"].get(service) if isinstance(whole["figures"], dict) else None
        if claimed != row:
            rule = f"must follow from the timestamps: {json.dumps(row)}"
            members["figures"].child(service, claimed).wrong(rule)
    problems.raise_any(ResultError)
    _check_moments(result)
    return result


def _check_moments(result: Result) -> None:
    """Refuse timestamps that cannot have been: before their surge, or out of the plan.

    Raises:
        ResultError: all of them are listed.
    """
    found = []
    expected = result.plan.overloads(result.start)
    for index, surge in enumerate(result.surges):
        where = f"surges[{index}]"
        if not (surge.number < len(expected) and surge.overloaded == expected[surge.number]):
            found.append(Problem(f"{where}.overloaded", "must be when the plan has this surge"))
        for step in STEPS:
            seconds = surge.after_overload(step)
            if seconds is not None and not 0 <= seconds <= result.plan.whole:
                rule = "must lie after the first overloaded second, within the plan's time"
                found.append(Problem(f"{where}.{step}", rule, f"{seconds:g} s after it"))
    if found:
        raise ResultError(found)


def _read_plan(field: Field) -> Plan:
    names = [each.name for each in fields(Plan)]
    members = field.members(required=names)
    given: dict[str, Any] = {}
    for name, member in members.items():
        real = isinstance(getattr(Plan(), name), float)
        given[name] = member.number() if real else member.integer(1, 100_000)
    return Plan(**given)


def _read_surge(field: Field) -> Surge:
    members = field.members(required=("service", "number", "overloaded", *STEPS, "before", "after"))
    absent = Field(None, "", Problems())

    def member(name: str) -> Field:
        return members.get(name, absent)

    stamps = {
        step: None if (given := member(step).optional()) is None else given.moment()
        for step in STEPS
    }
    return Surge(
        service=member("service").choice(Contender),
        number=member("number").integer(0, MOST_SURGES - 1),
        overloaded=member("overloaded").moment(),
        before=member("before").integer(0, 5000),
        after=member("after").integer(0, 5000),
        **stamps,
    )
