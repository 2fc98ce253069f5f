"""A view as HTML. The parts of a page have names, so that a live page can renew them one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from quickstep.report.dashboard.chart import timeline
from quickstep.report.dashboard.headline import headline
from quickstep.report.dashboard.html import Markup, element, elements, join
from quickstep.report.dashboard.kinds import SHAPES, Kind, kind_of, words
from quickstep.report.dashboard.material import read_details
from quickstep.report.dashboard.plot import number
from quickstep.report.dashboard.style import Theme, stylesheet
from quickstep.report.dashboard.times import clock, local, localised, moment, moments_in, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import tzinfo

    from quickstep.report.dashboard.html import Child
    from quickstep.report.dashboard.material import Details, Entry
    from quickstep.report.dashboard.times import Written
    from quickstep.report.dashboard.view import Group, Look, View
    from quickstep.report.language import Language


class Place(Protocol):
    """Where the HTML is shown: what a control looks like that leads to another look."""

    def control(self, label: Child, look: Look, *, current: bool = False) -> Markup:
        """Return a link or button to another look: other decisions, or another page of them."""
        ...

    def opening(self, entry: Entry, look: Look) -> str | None:
        """Return the address at which a decision is open, or None."""
        ...


class Printed:
    """Nowhere to go: a saved file, in which counts and pages are only told.

    A pin leads to its row all the same: a browser opens the row that an address is in.
    """

    def control(self, label: Child, look: Look, *, current: bool = False) -> Markup:
        """Return the label alone; all looks are in the file, and a switch shows them."""
        if not look.everything or look.outcome is not None or current is False:
            return element("span", {"class": "chip"}, label)
        switch = element("input", {"type": "checkbox", "class": "all-looks"})
        return element("label", {"class": "chip"}, switch, label)

    def opening(self, entry: Entry, look: Look) -> str | None:
        """Return the address of the row."""
        del look
        return f"#{anchor(entry)}"


def anchor(entry: Entry) -> str:
    """Return the id of what is inside a decision's row; a hostile one is as good as any."""
    return f"decision-{quote(entry.id, safe='', errors='backslashreplace')}"


def parts(view: View, place: Place, *, live: bool = False) -> Mapping[str, Markup]:
    """Return the parts of the page by name, in their order."""
    return {
        "head": _head(view, live=live),
        "figures": _figures(view),
        "chart": element("div", {"class": "chart"}, timeline(view, place)),
        "notes": _notes(view),
        "filters": _filters(view, place),
        "rows": _rows(view),
        "pager": _pager(view, place),
        "told": _told(view),
    }


def fragment(
    view: View, place: Place, *, theme: Theme, live: bool = False, narrow: View | None = None
) -> Markup:
    """Return the view with its style sheet, to stand inside another page.

    Where nobody draws again for another width, `narrow` is the view that a phone shows instead.
    """
    shown = dict(parts(view, place, live=live))
    language = view.look.say.tag
    if narrow is not None:
        small = element("div", {"class": "chart"}, timeline(narrow, place))
        shown["chart"] = join(
            element("div", {"class": "on-wide"}, shown["chart"]),
            element("div", {"class": "on-narrow"}, small),
        )
    return join(
        element("style", None, Markup(stylesheet(theme))),
        element(
            "div",
            {"class": "qs", "lang": language},
            *(element("div", {"data-part": name}, part) for name, part in shown.items()),
        ),
    )


def document(
    view: View,
    place: Place,
    *,
    live: bool = False,
    script: str | None = None,
    narrow: View | None = None,
) -> str:
    """Return the view as a whole page; `script` is the address of the one script it may have."""
    head = join(
        element("meta", {"charset": "utf-8"}),
        element("meta", {"name": "viewport", "content": "width=device-width,initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("link", {"rel": "icon", "href": "data:,"}),
        element("title", None, f"{_name(view)} · Quickstep"),
        element("style", None, Markup(FRAME_STYLE)),
        element("script", {"src": script, "defer": ""}) if script else None,
    )
    body = element("main", None, fragment(view, place, theme=Theme.AUTO, live=live, narrow=narrow))
    html = element("html", {"lang": view.look.say.tag}, element("head", None, head), body)
    return f"<!doctype html>{html}\n"


# As wide as is good to read, on a ground of the same colour.
FRAME_STYLE = (
    "body{margin:0}main{max-width:1440px;margin:0 auto}html{background:#fff}"
    "@media(prefers-color-scheme:dark){html{background:#10161d}}"
)


# --- parts ----------------------------------------------------------------------------------------


def _name(view: View) -> str:
    """Return a service as people call it: `prod/web`."""
    return view.resource_id.removeprefix("service/")


def _head(view: View, *, live: bool) -> Markup:
    zone, say = view.look.zone, view.look.say
    # The script says it when the connection is lost, and when it is there again.
    words_of = {"data-live": say("● live"), "data-lost": say("○ not connected")}
    state = element("span", {"class": "live", **words_of}, say("● live")) if live else None
    if state is None and view.over:
        ended = say(f"■ ended {local(view.known_until, zone)}")
        state = element("span", {"class": "ended"}, ended)
    in_utc = say(span(view.start, view.end, UTC))
    stands = headline(view)
    return join(
        element(
            "header",
            None,
            element("p", {"class": "brand"}, "Quickstep"),
            element("h1", {"title": view.resource_id}, _name(view)),
            element(
                "p",
                {"class": "muted when"},
                state,
                element("span", {"title": in_utc}, say(span(view.start, view.end, zone))),
            ),
        ),
        element("p", {"class": f"headline {stands.tone}"}, say(stands.said)),
    )


def _figures(view: View) -> Markup:
    say = view.look.say
    return element(
        "dl",
        {"class": "figures"},
        *(
            element(
                "div",
                {"class": "figure"},
                element("dt", None, say(name)),
                element(
                    "dd",
                    {"class": css or None},
                    value,
                    element("small", None, say(more)) if more else None,
                ),
            )
            for name, value, more, css in _listed_figures(view)
        ),
    )


def _listed_figures(view: View) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, value, what is said beside it, and a class."""
    desired, running, gap = view.desired.newest, view.running.newest, view.shortfall
    yield "Desired tasks", "?" if desired is None else f"{desired:,}", "", ""
    short = "" if gap is None else f"{gap.tasks:,} {'missing' if gap.missing else 'starting'}"
    alarming = "bad" if gap is not None and gap.missing else ""
    yield "Running tasks", "?" if running is None else f"{running:,}", short, alarming
    panel = view.panels[0] if view.panels else None
    if panel is not None and panel.newest is not None:
        ceiling = panel.ceiling
        limit = f"threshold {number(ceiling.value)}" if ceiling else ""
        above = ceiling is not None and panel.newest.value > ceiling.value
        yield "Load, newest", number(panel.newest.value), limit, "bad" if above else ""
    demand = view.demand
    if demand is not None and demand.total.newest is not None:
        about = "" if demand.requests is not None else "about, per second"
        yield "Whole service", number(demand.total.newest.value), about or "requests/s", ""
        if demand.lost is not None and demand.requests:
            share = f"{demand.lost / demand.requests:.1%}"
            yield "Failed requests", f"{demand.lost:,.0f}", share, "bad" if demand.lost >= 1 else ""
    failed = sum(count for outcome, count in view.outcomes if outcome.failed)
    changed = sum(count for outcome, count in view.outcomes if outcome.changes_capacity)
    noted = f"{failed:,} failed, " if failed else ""
    yield "Changes", f"{changed:,}", f"{noted}{view.total:,} looks", "bad" if failed else ""
    if view.latency_ms is not None:
        yield "Alarm to update", f"{view.latency_ms:,.0f} ms", "median", ""


def _notes(view: View) -> Markup:
    notes = map(view.look.say, view.notes)
    return element("ul", {"class": "notes"}, elements("li", notes)) if view.notes else join()


def _filters(view: View, place: Place) -> Markup:
    look, say = view.look, view.look.say
    first = replace(look, outcome=None, page=1, opened=None, everything=False)
    quiet_too = look.everything
    listed = [one for one, _ in view.outcomes if quiet_too or not kind_of(one).is_quiet]
    if look.outcome is not None and look.outcome not in listed:
        listed.append(look.outcome)
    counts = dict(view.outcomes)
    chips: list[tuple[Child, Look]] = [
        (say(f"Changes {view.changes:,}"), first),
        (say(f"All looks {view.total:,}"), replace(first, everything=True)),
        *(
            (
                join(_icon(kind_of(one)), f"{say(words(one))} {counts.get(one, 0):,}"),
                replace(first, outcome=one, everything=look.everything),
            )
            for one in listed
        ),
    ]
    current = replace(look, page=1, opened=None)
    return join(
        element("div", {"class": "decisions-head"}, element("h2", None, say("Decisions"))),
        element(
            "ul",
            {"class": "filters", "aria-label": say("Which decisions are shown")},
            *(
                element("li", None, place.control(label, to, current=to == current))
                for label, to in chips
            ),
        ),
    )


def _rows(view: View) -> Markup:
    if not view.groups:
        empty = element("p", {"class": "empty"}, view.look.say(_why_none(view)))
        return element("div", {"class": "rows"}, empty)
    return element("div", {"class": "rows"}, *(_group(group, view) for group in view.groups))


def _why_none(view: View) -> str:
    if not view.total:
        return "No decision yet. One appears when an alarm of this service changes state."
    if view.look.outcome is not None:
        return "No decision with this outcome."
    looks = "1 look" if view.total == 1 else f"{view.total:,} looks"
    return f"Nothing has changed, and nothing has failed, in {looks}."


def _group(group: Group, view: View) -> Markup:
    incident = group.incident
    head = None
    if incident is not None:
        zone, say = view.look.zone, view.look.say
        head = element(
            "h3",
            {"class": "incident", "title": say(span(incident.start, incident.end, UTC))},
            element("span", {"class": "muted"}, f"{local(incident.start, zone)} "),
            say(incident.told),
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
            element("span", {"class": "outcome"}, _icon(entry.kind), say(words(entry.outcome))),
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
    """Says what a record says in the viewer's language and on their clock, UTC where one points."""

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


def _icon(kind: Kind) -> Markup:
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
    return _block(
        say("Alarms"),
        _table(
            say("Alarms"),
            map(say, ("Policy", "State", "Threshold", "Datapoints")),
            [
                (
                    element("td", None, seen.policy),
                    element("td", None, say(f"{seen.state}, muted") if seen.muted else seen.state),
                    element(
                        "td",
                        None,
                        say("not seen") if seen.threshold is None else number(seen.threshold),
                    ),
                    element(
                        "td",
                        {"class": "why"},
                        ", ".join(map(number, seen.datapoints)) or say("not seen"),
                    ),
                )
                for seen in details.seen
            ],
        ),
    )


def _trail(details: Details, said: _Said) -> Markup:
    say = said.say
    if not details.trail:
        return _block(say("Trail"), element("p", None, say("No rule was asked.")))
    return _block(
        say("Trail: what each rule did to the number of tasks"),
        _table(
            say("Trail"),
            map(say, ("Rule", "Tasks", "Why")),
            [
                (
                    element("td", None, say(line.guard)),
                    element(
                        "td",
                        None,
                        element("b", None, f"{line.before} → {line.after}")
                        if line.before != line.after
                        else f"{line.before}",
                    ),
                    element("td", {"class": "why"}, said(line.why)),
                )
                for line in details.trail
            ],
        ),
    )


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


def _table(title: str, head: Iterable[str], rows: list[tuple[Markup, ...]]) -> Markup:
    return element(
        "div",
        # Where it is too wide it scrolls, and the keyboard has to reach it for that.
        {"class": "scroll", "tabindex": 0, "role": "group", "aria-label": title},
        element(
            "table",
            None,
            element(
                "thead",
                None,
                element("tr", None, *(element("th", {"scope": "col"}, h) for h in head)),
            ),
            element("tbody", None, *(element("tr", None, *cells) for cells in rows)),
        ),
    )


def _pager(view: View, place: Place) -> Markup:
    if view.pages == 1:
        return join()
    look, say = replace(view.look, opened=None), view.look.say
    newer, older = (replace(look, page=view.page + n) for n in (-1, 1))
    return element(
        "nav",
        {"class": "pager", "aria-label": say("Pages")},
        place.control(say("← Newer"), newer) if view.page > 1 else None,
        element("span", {"class": "muted"}, say(f"Page {view.page:,} of {view.pages:,}")),
        place.control(say("Older →"), older) if view.page < view.pages else None,
    )


def _told(view: View) -> Markup:
    newest = view.newest
    zone = view.look.zone
    said = ""
    if newest is not None:
        reason = view.look.say(newest.reason)
        said = f"{local(newest.at, zone)}: {localised(reason, newest.at, zone, view.look.say)}"
    return element("p", {"class": "hidden", "role": "status"}, said)
