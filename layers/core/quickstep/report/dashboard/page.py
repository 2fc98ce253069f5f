"""A view as HTML. The parts of a page have names, so that a live page can update each alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, Protocol

from quickstep.report.dashboard.chart import Opener, timeline
from quickstep.report.dashboard.headline import headline
from quickstep.report.dashboard.html import Markup, element, elements, join
from quickstep.report.dashboard.kinds import kind_of, words
from quickstep.report.dashboard.plot import number
from quickstep.report.dashboard.rows import anchor, icon, rows_of
from quickstep.report.dashboard.style import Theme, stylesheet
from quickstep.report.dashboard.times import local, localised, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from quickstep.report.dashboard.html import Child
    from quickstep.report.dashboard.material import Entry
    from quickstep.report.dashboard.view import Look, View


class Place(Opener, Protocol):
    """Where the HTML is shown: determines what a control for another look is."""

    def control(self, label: Child, look: Look, *, current: bool = False) -> Markup:
        """Return a link or button to another look: other decisions, or another page of them."""
        ...


class Printed:
    """A saved file, which cannot navigate: counts and pages are only labels.

    A pin still leads to its row, because browsers open the row that an address names.
    """

    def control(self, label: Child, look: Look, *, current: bool = False) -> Markup:
        """Return only the label; all looks are in the file, and a switch shows them."""
        if not look.everything or look.outcome is not None or current is False:
            return element("span", {"class": "chip"}, label)
        switch = element("input", {"type": "checkbox", "class": "all-looks"})
        return element("label", {"class": "chip"}, switch, label)

    def opening(self, entry: Entry, look: Look) -> str | None:
        """Return the row's address."""
        del look
        return f"#{anchor(entry)}"


def parts(view: View, place: Place, *, live: bool = False) -> Mapping[str, Markup]:
    """Return the parts of the page by name, in their order."""
    return {
        "head": _head(view, live=live),
        "figures": _figures(view),
        "chart": element("div", {"class": "chart"}, timeline(view, place)),
        "notes": _notes(view),
        "filters": _filters(view, place),
        "rows": rows_of(view),
        "pager": _pager(view, place),
        "told": _status(view),
    }


def fragment(
    view: View, place: Place, *, theme: Theme, live: bool = False, narrow: View | None = None
) -> Markup:
    """Return the view with its style sheet, for embedding in another page.

    If nobody redraws it for other widths, `narrow` is the view that a phone shows instead.
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
    """Return the view as a whole page; `script` is the address of its only script, if any."""
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


# As wide as is good to read, on a background of the same colour.
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
    # The script shows when the connection is lost, and when it is back.
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
    """Yield each figure's name, value, remark and CSS class."""
    desired, running, gap = view.desired.newest, view.running.newest, view.shortfall
    yield "Desired tasks", "?" if desired is None else f"{desired:,}", "", ""
    short = "" if gap is None else f"{gap.tasks:,} {'missing' if gap.missing else 'starting'}"
    alarming = "bad" if gap is not None and gap.missing else ""
    yield "Running tasks", "?" if running is None else f"{running:,}", short, alarming
    panel = view.panels[0] if view.panels else None
    if panel is not None and panel.newest is not None:
        limit = f"threshold {number(panel.ceiling.value)}" if panel.ceiling else ""
        above = "bad" if panel.is_above else ""
        yield "Load, newest", number(panel.newest.value), limit, above
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
                join(icon(kind_of(one)), f"{say(words(one))} {counts.get(one, 0):,}"),
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


def _status(view: View) -> Markup:
    newest = view.newest
    zone = view.look.zone
    said = ""
    if newest is not None:
        reason = view.look.say(newest.reason)
        said = f"{local(newest.at, zone)}: {localised(reason, newest.at, zone, view.look.say)}"
    return element("p", {"class": "hidden", "role": "status"}, said)
