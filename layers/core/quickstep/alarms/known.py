"""What is known about an alarm from one look to the next, as DescribeAlarms reports it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from quickstep.alarms.definition import definition_dict, read_definition
from quickstep.engine.model import AlarmState
from quickstep.fields import write_moment, write_optional_moment

if TYPE_CHECKING:
    from datetime import datetime

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.fields import Field


@dataclass(frozen=True, slots=True)
class KnownAlarm:
    """What is known about a policy's alarm: its newest transition, and how to read its metric.

    `acted_on` is the newest datapoint that has changed capacity, which no datapoint does twice.
    `muted` holds until `muted_until`, or, if that is None, until the next transition. `disabled`
    says that the alarm's actions are switched off.
    """

    state: AlarmState
    at: datetime
    definition: AlarmDefinition | None = None
    acted_on: datetime | None = None
    muted: bool = False
    muted_until: datetime | None = None
    disabled: bool = False

    def after(self, begins: datetime) -> KnownAlarm:
        """Return it after a datapoint, or seconds, that began at this time changed capacity."""
        return replace(self, acted_on=max(begins, self.acted_on or begins))

    def silenced(self, now: datetime) -> bool:
        """Whether an operator wants the alarm to be ignored at `now`."""
        return self.disabled or (
            self.muted and (self.muted_until is None or now < self.muted_until)
        )


def known_dict(known: KnownAlarm) -> dict[str, Any]:
    """Return what is known about an alarm as JSON-ready data."""
    return {
        "state": str(known.state),
        "at": write_moment(known.at),
        "definition": definition_dict(known.definition) if known.definition else None,
        "acted_on": write_optional_moment(known.acted_on),
        "muted": known.muted,
        "muted_until": write_optional_moment(known.muted_until),
        "disabled": known.disabled,
    }


def read_known(field: Field) -> KnownAlarm:
    """Read what `known_dict` wrote; note what is unreadable."""
    optional = ("definition", "acted_on", "muted", "muted_until", "disabled")
    members = field.whole("state", "at", optional=optional)
    definition = members["definition"].optional()
    return KnownAlarm(
        state=members["state"].choice(AlarmState),
        at=members["at"].moment(),
        definition=read_definition(definition) if definition else None,
        acted_on=members["acted_on"].optional_moment(),
        muted=members["muted"].boolean(),
        muted_until=members["muted_until"].optional_moment(),
        disabled=members["disabled"].boolean(),
    )
