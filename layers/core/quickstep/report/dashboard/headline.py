"""The current state in one sentence: what a reader wants to know on opening the page."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from quickstep.engine.outcome import Outcome
from quickstep.report.dashboard.kinds import words
from quickstep.report.dashboard.plot import number
from quickstep.report.dashboard.times import lasted

if TYPE_CHECKING:
    from quickstep.report.dashboard.loads import Panel
    from quickstep.report.dashboard.material import Entry
    from quickstep.report.dashboard.view import View


class Tone(StrEnum):
    """How urgent the state is; the value is a CSS class."""

    CALM = "calm"
    BUSY = "busy"
    ALERT = "alert"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Headline:
    """The sentence, and how urgent it is."""

    tone: Tone
    said: str


def headline(view: View) -> Headline:
    """Return the state at the end of what is known; the most urgent aspect comes first."""
    look = view.newest_look
    if look is None:
        return _without_a_look(view)
    if view.over:
        gap = view.shortfall
        tone = Tone.ALERT if gap is not None and gap.missing else Tone.CALM
        return Headline(tone, _came_of_it(view))
    if look.outcome.failed:
        return Headline(Tone.ALERT, _failed(look, view))
    for asked in (_missing, _unseen, _paused, _at_max, _starting, _above):
        found = asked(look, view)
        if found is not None:
            return found
    return Headline(Tone.CALM, _calm(view))


def _without_a_look(view: View) -> Headline:
    if view.over:
        return Headline(Tone.NOTHING, "It ended without a single look at the service.")
    if view.start == view.end:
        return Headline(Tone.NOTHING, "About to begin.")
    return Headline(
        Tone.NOTHING, "No look yet: Quickstep looks when an alarm of this service changes state."
    )


def _came_of_it(view: View) -> str:
    counts = dict(view.outcomes)
    outs, ins = (counts.get(one, 0) for one in (Outcome.SCALED_OUT, Outcome.SCALED_IN))
    said, gap = f"Ended with {_tasks(view.desired.newest)}", view.shortfall
    if gap is not None:
        said += f" ({gap.tasks:,} of them {'missing' if gap.missing else 'starting'})"
    if view.desired.points:
        said += f", from {view.desired.points[0].value:g} at the start" if outs or ins else ""
    counted = ((outs, "scale-out"), (ins, "scale-in"))
    steps = " and ".join(_many(n, what) for n, what in counted if n)
    said += f", after {steps}" if steps else ", without a change"
    return f"{said}{_lost(view)}."


def _lost(view: View) -> str:
    demand = view.demand
    if demand is None or demand.requests is None or demand.lost is None:
        return ""
    if demand.lost < 1:
        return f"; none of {demand.requests:,.0f} requests failed"
    share = demand.lost / demand.requests
    return f"; {demand.lost:,.0f} of {demand.requests:,.0f} requests failed ({share:.1%})"


def _failed(look: Entry, view: View) -> str:
    why = words(look.outcome).partition(": ")[2]
    stays = view.desired.newest
    held = "" if stays is None else f", and the service stays at {_tasks(stays)}"
    return f"The newest look failed ({why}){held}."


def _missing(_look: Entry, view: View) -> Headline | None:
    gap = view.shortfall
    if gap is None or not gap.missing:
        return None
    never = "1 task" if gap.tasks == 1 else f"{gap.tasks:,} tasks"
    said = f"{never} of the {gap.desired:g} desired never came: {gap.running:g} run{_load(view)}."
    return Headline(Tone.ALERT, said)


def _unseen(look: Entry, view: View) -> Headline | None:
    if look.outcome is not Outcome.HELD_NO_DATA:
        return None
    held = _tasks(view.desired.newest)
    said = f"Holding at {held}: an alarm has no data, so no task is removed."
    return Headline(Tone.BUSY, said)


def _paused(look: Entry, view: View) -> Headline | None:
    if look.outcome is not Outcome.HELD_PAUSED:
        return None
    return Headline(Tone.BUSY, f"Paused at {_tasks(view.desired.newest)}{_load(view)}.")


def _at_max(look: Entry, view: View) -> Headline | None:
    if look.outcome is not Outcome.HELD_AT_MAX:
        return None
    said = f"At the maximum of {_tasks(view.desired.newest)}{_load(view)}."
    return Headline(Tone.ALERT, said)


def _starting(_look: Entry, view: View) -> Headline | None:
    gap = view.shortfall
    if gap is None:
        return None
    start = "1 task is" if gap.tasks == 1 else f"{gap.tasks:,} tasks are"
    said = f"{start} starting: {gap.running:g} of {gap.desired:g} run{_load(view)}."
    return Headline(Tone.BUSY, said)


def _above(_look: Entry, view: View) -> Headline | None:
    panel = view.panels[0] if view.panels else None
    if panel is None or panel.newest is None or panel.ceiling is None:
        return None
    if panel.newest.value <= panel.ceiling.value:
        return None
    return Headline(Tone.BUSY, f"{_tasks(view.desired.newest).capitalize()}{_load(view)}.")


def _calm(view: View) -> str:
    ago, change = "", view.last_change
    if change is not None:
        ago = f"; the last change was {lasted(view.known_until - change.at)} ago"
    return f"Steady at {_tasks(view.desired.newest)}{_load(view)}{ago}."


def _load(view: View) -> str:
    """Return e.g. `, and the load of 225 is above the threshold of 100`."""
    panel: Panel | None = view.panels[0] if view.panels else None
    if panel is None or panel.newest is None:
        return ""
    value, ceiling, floor = panel.newest.value, panel.ceiling, panel.floor
    if ceiling is not None and value > ceiling.value:
        return (
            f", and the load of {number(value)} is above the threshold of {number(ceiling.value)}"
        )
    if floor is not None and value < floor.value:
        return f", and the load of {number(value)} is below the threshold of {number(floor.value)}"
    if ceiling is not None:
        return f", and the load of {number(value)} is within its thresholds"
    return f", with a load of {number(value)}"


def _tasks(count: int | None) -> str:
    if count is None:
        return "an unknown number of tasks"
    return _many(count, "task")


def _many(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"
