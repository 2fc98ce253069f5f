"""Decisions as HTML rows, grouped by incident; an opened row explains the decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING
from urllib.parse import quote

from quickstep.engine.words import many
from quickstep.report.dashboard.html import Markup, element, elements, join
from quickstep.report.dashboard.kinds import SHAPES, Kind, words
from quickstep.report.dashboard.material import read_details
from quickstep.report.dashboard.plot import number
from quickstep.report.dashboard.times import clock, local, moment, moments_in, span

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

    from quickstep.report.dashboard.html import Child
    from quickstep.report.dashboard.material import Details, Entry
    from quickstep.report.dashboard.times import Written
    from quickstep.report.dashboard.view import Group, View
    from quickstep.report.language import Language


def anchor(entry: Entry) -> str:
    """Return the id of the content in a decision's row; a hostile id is as good as any."""
    return f"decision-{quote(entry.id, safe='', errors='backslashreplace')}"


def rows_of(view: View) -> Markup:
    """Return the decisions of a page; if it has none, why it is empty."""
    if not view.groups:
        empty = element("p", {"class": "empty"}, view.look.say(_why_none(view)))
        return element("div", {"class": "rows"}, empty)
    return element("div", {"class": "rows"}, *(_group(group, view) for group in view.groups))


def _why_none(view: View) -> str:
    if not view.total:
        return "No decision yet. One appears when an alarm of this service changes state."
    if view.look.outcome is not None:
        return "No decision with this outcome."
    return f"Nothing has changed, and nothing has failed, in {many(view.total, 'look')}."


def _group(group: Group, view: View) -> Markup:
    incident = group.incident
    head = None
    if incident is not None:
        zone, say = view.look.zone, view.look.say
        head = element(
            "h3",
            {"class": "incident", "title": say(span(incident.start, incident.end, UTC))},
            element("span", {"class": "muted"}, f"{local(incident.start, zone)} "),
            say(incident.summary),
        )
    rows = (_row(entry, view) for entry in group.entries)
    quiet = " quiet" if all(entry.kind.is_quiet for entry in group.entries) else ""
    of_one = " of-one" if incident is not None else ""
    return element("section", {"class": f"group{of_one}{quiet}"}, head, *rows)


def _row(entry: Entry, view: View) -> Markup:
    zone, say = view.look.zone, view.look.say
    at, details = say(moment(entry.at, zone)), read_details(entry)
    said = _Said(entry, zone, say)
    return element(
        "details",
        {
            "data-id": entry.id,
            "class": "quiet" if entry.kind.is_quiet else None,
            "open": "" if entry.id == view.look.opened else None,
        },
        element(
            "summary",
            None,
            element(
                "time",
                {"datetime": entry.at.isoformat(), "title": at},
                local(entry.at, zone),
            ),
            element("span", {"class": "outcome"}, icon(entry.kind), say(words(entry.outcome))),
            element("span", {"class": "change"}, _change(entry)),
            element("span", {"class": "reason"}, said(entry.reason)),
        ),
        element(
            "div",
            {"class": "trail", "id": anchor(entry)},
            _problems(details, say),
            _seen(entry, say),
            _alarms(details, say),
            _trail(details, said),
            _facts(entry, details, at, say),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """Writes a record's texts in the viewer's language and zone, with UTC on hover."""

    entry: Entry
    zone: tzinfo
    say: Language

    def __call__(self, reason: str) -> Markup:
        return join(
            *(
                part if isinstance(part, str) else self._time(part)
                for part in moments_in(self.say(reason), self.entry.at)
            )
        )

    def _time(self, written: Written) -> Markup:
        title = self.say(moment(written.at, self.zone))
        attributes = {"datetime": written.at.isoformat(), "title": title}
        return element("time", attributes, self.say(clock(written.at, self.entry.at, self.zone)))


def _change(entry: Entry) -> str:
    if entry.granted is None or entry.before is None:
        return ""
    same = entry.granted == entry.before
    return f"{entry.before}" if same else f"{entry.before} → {entry.granted}"


def icon(kind: Kind) -> Markup:
    """Return the shape for a kind of decision, in its colour."""
    return element(
        "svg",
        {"class": "icon", "viewBox": "-8 -8 16 16", "aria-hidden": "true"},
        element("path", {"class": kind, "d": SHAPES[kind]}),
    )


def _problems(details: Details, say: Language) -> Markup | None:
    if not details.problems:
        return None
    said = say(f"The rest of this record cannot be read: {details.problems}")
    return element("ul", {"class": "notes"}, element("li", None, said))


def _seen(entry: Entry, say: Language) -> Markup:
    service = entry.service
    if service is None:
        none = say("This decision did not look at the service.")
        return _block(say("Service"), element("p", None, none))
    facts = [f"desired {service.desired}", f"running {service.running}"]
    facts.append(f"pending {service.pending}")
    if service.deployment_in_progress:
        facts.append("a deployment is in progress")
    return _block(say("Service"), _listed(map(say, facts)))


def _alarms(details: Details, say: Language) -> Markup | None:
    if not details.seen:
        return None
    rows = (
        (
            seen.policy,
            say(f"{seen.state}, muted") if seen.muted else seen.state,
            say("not seen") if seen.threshold is None else number(seen.threshold),
            ", ".join(map(number, seen.datapoints)) or say("not seen"),
        )
        for seen in details.seen
    )
    head = map(say, ("Policy", "State", "Threshold", "Datapoints"))
    return _block(say("Alarms"), _table(say("Alarms"), head, rows))


def _trail(details: Details, said: _Said) -> Markup:
    say = said.say
    if not details.trail:
        return _block(say("Trail"), element("p", None, say("No rule was asked.")))
    rows = (
        (
            say(line.guard),
            element("b", None, f"{line.before} → {line.after}")
            if line.before != line.after
            else line.before,
            said(line.why),
        )
        for line in details.trail
    )
    table = _table(say("Trail"), map(say, ("Rule", "Tasks", "Why")), rows)
    return _block(say("Trail: what each rule did to the number of tasks"), table)


def _facts(entry: Entry, details: Details, at: str, say: Language) -> Markup:
    facts = [details.cause or "Cause unknown", at]
    if details.wanted is not None and details.wanted != entry.granted:
        facts.append(f"the policies asked for {details.wanted}")
    if entry.alarm_to_update_ms is not None:
        facts.append(f"UpdateService accepted {entry.alarm_to_update_ms:,} ms after the alarm")
    if entry.surge_to_update_ms is not None:
        took = f"{entry.surge_to_update_ms:,} ms after a task felt the surge"
        facts.append(f"UpdateService accepted {took}")
    if details.waited_ms is not None:
        facts.append(f"throttles cost {details.waited_ms:,} ms before")
    if details.next_check_in is not None:
        facts.append(f"next look in {details.next_check_in} s")
    known = (*map(say, facts), f"{entry.outcome}", f"id {entry.id}")
    return _block(say("Cause and time"), _listed(known))


def _block(title: str, content: Markup) -> Markup:
    return element("section", None, element("h3", None, title), content)


def _listed(facts: Iterable[str]) -> Markup:
    return element("ul", {"class": "facts"}, elements("li", facts))


def _table(title: str, head: Iterable[str], rows: Iterable[tuple[Child, ...]]) -> Markup:
    """Return a table whose last column is the widest."""
    heads = (element("th", {"scope": "col"}, each) for each in head)
    lines = (
        element("tr", None, elements("td", first), element("td", {"class": "why"}, why))
        for *first, why in rows
    )
    return element(
        "div",
        # A table that is too wide scrolls, and must be focusable so that the keyboard can scroll
        # it.
        {"class": "scroll", "tabindex": 0, "role": "group", "aria-label": title},
        element(
            "table",
            None,
            element("thead", None, element("tr", None, *heads)),
            element("tbody", None, *lines),
        ),
    )
