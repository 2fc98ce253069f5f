"""The settings in a function's environment, read and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from quickstep.alarms.event import NOWHERE, Home
from quickstep.fields import Field, InvalidDocumentError, Problems
from quickstep.loop.announcing import ANNOUNCEABLE, KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickstep.engine.outcome import Outcome

A_CENTURY = 36_525 * 86_400
"""Seconds: events kept in a repository are tried out years later."""


class SettingsError(InvalidDocumentError):
    """An environment variable that is missing or breaks a rule."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in the scaler's environment."""

    table: str
    queue_url: str
    policy_max_age: int
    max_event_age: timedelta
    retention: timedelta
    home: Home = NOWHERE
    announced: frozenset[Outcome] = frozenset()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables that `template.yaml` sets.

        Raises:
            SettingsError: variables are missing or break a rule; all of them are listed.
        """
        problems = Problems()
        given = Field(dict(environment), "", problems).whole(
            "TABLE_NAME",
            "QUEUE_URL",
            "POLICY_MAX_AGE_SECONDS",
            "MAX_EVENT_AGE_SECONDS",
            "RETENTION_DAYS",
            optional=("EVENT_OUTCOMES",),
        )
        settings = cls(
            given["TABLE_NAME"].text(),
            given["QUEUE_URL"].text(),
            _whole(given["POLICY_MAX_AGE_SECONDS"], 86_400),
            timedelta(seconds=_whole(given["MAX_EVENT_AGE_SECONDS"], A_CENTURY)),
            timedelta(days=_whole(given["RETENTION_DAYS"], 36_500)),
            _home(given["QUEUE_URL"].text()),
            _announced(given["EVENT_OUTCOMES"]),
        )
        problems.raise_any(SettingsError)
        return settings


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """The settings in the environment of the function for scheduled actions."""

    table: str
    queue_url: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ScheduleSettings:
        """Read the variables that `template.yaml` sets.

        Raises:
            SettingsError: one is missing.
        """
        problems = Problems()
        given = Field(dict(environment), "", problems).whole("TABLE_NAME", "QUEUE_URL")
        problems.raise_any(SettingsError)
        return cls(given["TABLE_NAME"].text(), given["QUEUE_URL"].text())


def _whole(field: Field, most: int) -> int:
    text = field.text("[0-9]{1,10}", "must be a whole number")
    number = int(text) if re.fullmatch("[0-9]{1,10}", text) else 0
    if number > most:
        field.wrong(f"must be at most {most}")
    return min(number, most)


def _announced(field: Field) -> frozenset[Outcome]:
    """Return the outcomes to announce. Example: `CHANGES,FAILED_DENIED`."""
    named = {**KINDS, **{str(outcome): (outcome,) for outcome in ANNOUNCEABLE}}
    names = [name.strip() for name in field.text().split(",") if name.strip()]
    for name in names:
        if name not in named:
            field.wrong(f"must be names of {', '.join(named)}; {name} is none", seen=False)
    return frozenset(outcome for name in names for outcome in named.get(name, ()))


def _home(queue_url: str) -> Home:
    """Return the account and Region that a queue's URL names; none for an emulator's.

    Example: `https://sqs.eu-west-1.amazonaws.com/123456789012/Rechecks`.
    """
    named = re.match(r"https://sqs\.([a-z0-9-]+)\.amazonaws\.com[a-z.]*/([0-9]{12})/", queue_url)
    return Home(account=named[2], region=named[1]) if named else NOWHERE
