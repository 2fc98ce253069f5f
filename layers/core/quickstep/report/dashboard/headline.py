"""The current state in one sentence: what a reader wants to know on opening the page."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from quickstep.engine.outcome import Outcome
from quickstep.engine.words import many, tasks
from quickstep.report.dashboard.kinds import words
from quickstep.report.dashboard.plot import number
from quickstep.report.dashboard.times import lasted

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    look, gap = view.newest_look, view.shortfall
    if look is None:
        return Headline(Tone.NOTHING, _without_a_look(view))
    if view.over:
        tone = Tone.ALERT if gap is not None and gap.missing else Tone.CALM
        return Headline(tone, _came_of_it(view))
    if look.outcome.failed:
        return Headline(Tone.ALERT, _failed(look, view))
    return Headline(*next(_aspects(look.outcome, view)))


def _without_a_look(view: View) -> str:
    if view.over:
        return "It ended without a single look at the service."
    if view.start == view.end:
        return "About to begin."
    return "No look yet: Quickstep looks when an alarm of this service changes state."


def _came_of_it(view: View) -> str:
    counts = dict(view.outcomes)
    outs, ins = (counts.get(one, 0) for one in (Outcome.SCALED_OUT, Outcome.SCALED_IN))
    said, gap = f"Ended with {_tasks(view.desired.newest)}", view.shortfall
    if gap is not None:
        said += f" ({gap.tasks:,} of them {'missing' if gap.missing else 'starting'})"
    if view.desired.points:
        said += f", from {view.desired.points[0].value:g} at the start" if outs or ins else ""
    counted = ((outs, "scale-out"), (ins, "scale-in"))
    steps = " and ".join(many(n, what) for n, what in counted if n)
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


def _aspects(outcome: Outcome, view: View) -> Iterator[tuple[Tone, str]]:
    """Yield what there is to say, the most urgent first."""
    gap, change = view.shortfall, view.last_change
    held, load = _tasks(view.desired.newest), _load(view)
    if gap is not None and gap.missing:
        never = f"{tasks(gap.tasks)} of the {gap.desired:g} desired never came"
        yield Tone.ALERT, f"{never}: {gap.running:g} run{load}."
    if outcome is Outcome.HELD_NO_DATA:
        yield Tone.BUSY, f"Holding at {held}: an alarm has no data, so no task is removed."
    if outcome is Outcome.HELD_PAUSED:
        yield Tone.BUSY, f"Paused at {held}{load}."
    if outcome is Outcome.HELD_AT_MAX:
        yield Tone.ALERT, f"At the maximum of {held}{load}."
    if gap is not None:
        start = f"{tasks(gap.tasks)} {'is' if gap.tasks == 1 else 'are'} starting"
        yield Tone.BUSY, f"{start}: {gap.running:g} of {gap.desired:g} run{load}."
    if view.panels and view.panels[0].is_above:
        yield Tone.BUSY, f"{held.capitalize()}{load}."
    ago = f"; the last change was {lasted(view.known_until - change.at)} ago" if change else ""
    yield Tone.CALM, f"Steady at {held}{load}{ago}."


def _load(view: View) -> str:
    """Return e.g. `, and the load of 225 is above the threshold of 100`."""
    panel = view.panels[0] if view.panels else None
    if panel is None or panel.newest is None:
        return ""
    value, ceiling, floor = panel.newest.value, panel.ceiling, panel.floor
    load = f", and the load of {number(value)} is"
    if ceiling is not None and panel.is_above:
        return f"{load} above the threshold of {number(ceiling.value)}"
    if floor is not None and value < floor.value:
        return f"{load} below the threshold of {number(floor.value)}"
    if ceiling is not None:
        return f"{load} within its thresholds"
    return f", with a load of {number(value)}"


def _tasks(count: int | None) -> str:
    return "an unknown number of tasks" if count is None else tasks(count)
