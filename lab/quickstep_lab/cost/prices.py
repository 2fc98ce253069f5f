"""Prices: one data file, each with its unit, its source and the day it was read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from quickstep.fields import Field, InvalidDocumentError, Problems, parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = Path(__file__).parent / "prices.json"
_OPTIONAL = ("free", "note")


class Meter(StrEnum):
    """AWS's billing units; the values are the file's keys."""

    HIGH_RESOLUTION_ALARM = "high_resolution_alarm"
    ALARM = "alarm"
    METRIC = "metric"
    VENDED_METRIC = "vended_metric"
    API_REQUEST = "api_request"
    METRIC_READ = "metric_read"
    DASHBOARD = "dashboard"
    LOG_INGESTED = "log_ingested"
    LOG_STORED = "log_stored"
    LAMBDA_REQUEST = "lambda_request"
    LAMBDA_GB_SECOND = "lambda_gb_second"
    SCHEDULE = "schedule"
    AWS_EVENT = "aws_event"
    CUSTOM_EVENT = "custom_event"
    DESTINATION_CALL = "destination_call"
    QUEUE_REQUEST = "queue_request"
    FIFO_REQUEST = "fifo_request"
    WRITE_UNIT = "write_unit"
    READ_UNIT = "read_unit"
    TABLE_STORED = "table_stored"
    TABLE_BACKUP = "table_backup"
    PARAMETER_READ = "parameter_read"
    FARGATE_X86_VCPU = "fargate_x86_vcpu"
    FARGATE_X86_GB = "fargate_x86_gb"
    FARGATE_ARM_VCPU = "fargate_arm_vcpu"
    FARGATE_ARM_GB = "fargate_arm_gb"


class Certainty(StrEnum):
    """Where a price was read: at AWS, at a third party, or nowhere that could be verified."""

    AWS = "aws"
    SECONDARY = "secondary"
    UNVERIFIED = "unverified"


class PricesError(InvalidDocumentError):
    """A price file that breaks a rule; lists every problem found."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for `per` of the unit; if the unit is GB, bytes are counted.

    `free` is the monthly free tier of an account.
    """

    dollars: float
    per: float
    unit: str
    free: float
    source: str
    read: date
    certainty: Certainty
    note: str = ""

    def of(self, quantity: float) -> float:
        """Return a quantity's cost. Example: 518,400 requests at 0.01 per 1,000: 5.184."""
        return quantity / self.per * self.dollars


Prices = dict[Meter, Price]


def read_prices(text: str | None = None, *, base: Mapping[Meter, Price] | None = None) -> Prices:
    """Return the prices in a text of the file's format; by default the file's own.

    Prices that the text omits come from `base`, which has them all.

    Raises:
        PricesError: the text breaks a rule.
    """
    problems = Problems()
    given = FILE.read_text(encoding="utf-8") if text is None else text
    try:
        document = Field(parse_json(given), "", problems)
    except InvalidDocumentError as error:
        raise PricesError(error.problems) from None
    members = document.members(required=("prices",), optional=("region", "currency"))
    problems.raise_any(PricesError)
    known = [str(meter) for meter in Meter]
    required = known if base is None else ()
    entries = members["prices"].members(required=required, optional=() if required else known)
    problems.raise_any(PricesError)
    read = {Meter(name): _price(entry) for name, entry in entries.items()}
    problems.raise_any(PricesError)
    return {**(base or {}), **read}


def _price(entry: Field) -> Price:
    members = entry.members(
        required=("price", "per", "unit", "source", "read", "certainty"), optional=_OPTIONAL
    )
    absent = Field("", "", Problems())
    free = members.get("free")
    return Price(
        dollars=_number(members.get("price", absent), least=0),
        per=_number(members.get("per", absent), least=1e-9),
        unit=members.get("unit", absent).text(),
        free=_number(free, least=0) if free else 0.0,
        source=members.get("source", absent).text(),
        read=_day(members.get("read", absent)),
        certainty=members.get("certainty", absent).choice(Certainty),
        note=members["note"].text() if "note" in members else "",
    )


def _number(field: Field, *, least: float) -> float:
    number = field.number()
    if number < least:
        field.wrong("must be above 0" if least else "must be at least 0")
    return number


def _day(field: Field) -> date:
    try:
        return date.fromisoformat(field.text())
    except ValueError:
        field.wrong("must be a day like 2026-11-22")
        return date.min
