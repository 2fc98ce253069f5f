"""What a decision was based on, as its record keeps it: small, as records are paid by the kilobyte.

Times are milliseconds before the decision, and each kind is one flat list.

    {"scale_out": [12000, 4, 6],                  how long ago, from, to; "scale_in" likewise
     "launches": [12000, 2, 4, 52000, 1, null],   how long ago, how many, from (null: not known)
     "removals": [90000, 1],                      how long ago, how many
     "patience": {"web": {...}},                  as the item keeps it, if tasks were removed
     "override": {...}, "pause": {...}, "override:night": {...}}

Empty lists and objects are left out.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from quickstep.engine.model import Launch, Removal, ScalingActivity, State
from quickstep.protocol.operators import entries_dict, is_operators, read_operators
from quickstep.protocol.patience import patience_dict, read_patiences

if TYPE_CHECKING:
    from datetime import datetime

    from quickstep.fields import Field

_MILLISECOND = timedelta(milliseconds=1)
_LONGEST_AGO = 4 * 10**12
"""Milliseconds: over a century, which is older than any memory."""


def remembered_dict(state: State, now: datetime, *, patience: bool) -> dict[str, Any]:
    """Return a state as a record keeps it; with `patience`, also what removing tasks has taught."""

    def ago(at: datetime) -> int:
        return round((now - at) / _MILLISECOND)

    def activity(done: ScalingActivity | None) -> list[int]:
        return [ago(done.at), done.before, done.after] if done else []

    kept: dict[str, Any] = {
        "scale_out": activity(state.scale_out),
        "scale_in": activity(state.scale_in),
        "launches": [
            part for one in state.launches for part in (ago(one.at), one.count, one.before)
        ],
        "removals": [part for one in state.removals for part in (ago(one.at), one.count)],
        "patience": {policy: patience_dict(known) for policy, known in state.patience.items()}
        if patience
        else {},
        **entries_dict(state),
    }
    return {name: value for name, value in kept.items() if value}


def read_remembered(field: Field, now: datetime) -> State:
    """Read what `remembered_dict` wrote; note what is unreadable."""
    members = field.members()
    entries = {name: each.value for name, each in members.items() if is_operators(name)}
    state = read_operators(entries)
    if state.unreadable:
        field.wrong(f"must hold entries that can be read: {state.unreadable}", seen=False)
    launches = _groups(members.get("launches"), 3)
    return replace(
        state,
        scale_out=_activity(members.get("scale_out"), now),
        scale_in=_activity(members.get("scale_in"), now),
        launches=tuple(
            Launch(_moment(at, now), count.integer(0), before.optional_integer(0))
            for at, count, before in launches
        ),
        removals=tuple(
            Removal(_moment(at, now), count.integer(0))
            for at, count in _groups(members.get("removals"), 2)
        ),
        patience=read_patiences(members.get("patience")),
    )


def _activity(field: Field | None, now: datetime) -> ScalingActivity | None:
    for at, before, after in _groups(field, 3):
        return ScalingActivity(_moment(at, now), before.integer(0), after.integer(0))
    return None


def _moment(field: Field, now: datetime) -> datetime:
    return now - field.integer(-_LONGEST_AGO, _LONGEST_AGO) * _MILLISECOND


def _groups(field: Field | None, size: int) -> list[list[Field]]:
    """Return a flat list's fields in groups of `size`; none if the list does not divide evenly."""
    items = field.items() if field else []
    if field and len(items) % size:
        field.wrong(f"must have {size} numbers of each", seen=False)
        return []
    return [items[start : start + size] for start in range(0, len(items), size)]
