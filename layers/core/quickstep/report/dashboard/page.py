"""A view as HTML. The parts of a page have names, so that a live page can renew them one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from quickstep.report.dashboard.chart import number, timeline
from quickstep.report.dashboard.html import Markup, element, elements, join
from quickstep.report.dashboard.kinds import SHAPES, Kind, kind_of, words
from quickstep.report.dashboard.material import read_details
from quickstep.report.dashboard.style import Theme, stylesheet
from quickstep.report.dashboard.times import day, local, moment, offset_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickstep.engine.outcome import Outcome
    from quickstep.report.dashboard.html import Child
    from quickstep.report.dashboard.material import Details, Entry
    from quickstep.report.dashboard.view import View


class Place(Protocol):
    """Where the HTML is shown: what a control looks like that leads to another look."""

    def control(
        self, label: Child, outcome: Outcome | None, page: int, *, current: bool = False
    ) -> Markup:
        """Return a link or button to the decisions of `outcome`, from that page on."""
        ...


class Printed:
    """Nowhere to go: a saved file, in which counts and pages are only told."""

    def control(
        self, label: Child, outcome: Outcome | None, page: int, *, current: bool = False
    ) -> Markup:
        """Return the label alone."""
        del outcome, page, current
        return element("span", {"class": "chip"}, label)


def parts(view: View, place: Place, *, live: bool = False) -> Mapping[str, Markup]:
    """Return the parts of the page by name, in their order."""
    return {
        "head": _head(view, live=live),
        "figures": _figures(view),
        "chart": element("div", {"class": "chart"}, timeline(view)),
        "notes": _notes(view),
        "filters": _filters(view, place),
        "rows": _rows(view),
        "pager": _pager(view, place),
        "told": _told(view),
    }


def fragment(view: View, place: Place, *, theme: Theme, live: bool = False) -> Markup:
    """Return the view with its style sheet, to stand inside another page."""
    return join(
        element("style", None, Markup(stylesheet(theme))),
        element(
            "div",
            {"class": "qs"},
            *(
                element("div", {"data-part": name}, part)
                for name, part in parts(view, place, live=live).items()
            ),
        ),
    )


def document(view: View, place: Place, *, live: bool = False, script: str | None = None) -> str:
    """Return the view as a whole page; `script` is the address of the one script it may have."""
    head = join(
        element("meta", {"charset": "utf-8"}),
        element("meta", {"name": "viewport", "content": "width=device-width,initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("link", {"rel": "icon", "href": "data:,"}),
        element("title", None, f"{view.resource_id} · Quickstep"),
        element("style", None, Markup(FRAME_STYLE)),
        element("script", {"src": script, "defer": ""}) if script else None,
    )
    body = element("main", None, fragment(view, place, theme=Theme.AUTO, live=live))
    return f"<!doctype html>{element('html', {'lang': 'en'}, element('head', None, head), body)}\n"


# As wide as is good to read, on a ground of the same colour.
FRAME_STYLE = (
    "body{margin:0}main{max-width:1200px;margin:0 auto}html{background:#fff}"
    "@media(prefers-color-scheme:dark){html{background:#10161d}}"
)


# --- parts ----------------------------------------------------------------------------------------


def _head(view: View, *, live: bool) -> Markup:
    zone = view.look.zone
    days = day(view.start, zone)
    if days != day(view.end, zone):
        days = f"{days} to {day(view.end, zone)}"
    spoken = f"{local(view.start, zone)} to {local(view.end, zone)} {offset_name(view.end, zone)}"
    return element(
        "header",
        None,
        element("h1", None, view.resource_id),
        element(
            "p",
            {"class": "muted"},
            element("span", {"class": "live"}, "● live ") if live else None,
            f"{days}, {spoken}",
        ),
    )


def _figures(view: View) -> Markup:
    changed = sum(count for outcome, count in view.outcomes if outcome.changes_capacity)
    failed = sum(count for outcome, count in view.outcomes if outcome.failed)
    desired, running = view.desired.points, view.running.points
    listed: list[tuple[str, str, str]] = [
        ("Desired tasks", f"{desired[-1].value:g}" if desired else "?", ""),
        ("Running tasks", f"{running[-1].value:g}" if running else "?", ""),
    ]
    if view.panels and view.panels[0].lines and view.panels[0].lines[0].parts:
        panel = view.panels[0]
        above = [threshold.value for threshold in panel.thresholds if threshold.above]
        limit = f"threshold {number(min(above))}" if above else ""
        listed.append(("Load, newest", number(panel.lines[0].parts[-1][-1].value), limit))
    noted = [f"{changed:,} changes" if changed else "", f"{failed:,} failed" if failed else ""]
    listed.append(("Decisions", f"{view.total:,}", ", ".join(filter(None, noted))))
    if view.latency_ms is not None:
        listed.append(("Alarm to UpdateService", f"{view.latency_ms:,.0f} ms", "median"))
    return element(
        "dl",
        {"class": "figures"},
        *(
            element(
                "div",
                {"class": "figure"},
                element("dt", None, name),
                element("dd", None, value, element("small", None, more) if more else None),
            )
            for name, value, more in listed
        ),
    )


def _notes(view: View) -> Markup:
    return element("ul", {"class": "notes"}, elements("li", view.notes)) if view.notes else join()


def _filters(view: View, place: Place) -> Markup:
    chosen = view.look.outcome
    listed = [outcome for outcome, _ in view.outcomes]
    if chosen is not None and chosen not in listed:
        listed.append(chosen)
    counts = dict(view.outcomes)
    everything = place.control(f"All {view.total:,}", None, 1, current=chosen is None)
    return join(
        element("div", {"class": "decisions-head"}, element("h2", None, "Decisions")),
        element(
            "ul",
            {"class": "filters", "aria-label": "Filter by outcome"},
            element("li", None, everything),
            *(
                element(
                    "li",
                    None,
                    place.control(
                        join(_icon(kind_of(one)), f"{words(one)} {counts.get(one, 0):,}"),
                        one,
                        1,
                        current=one is chosen,
                    ),
                )
                for one in listed
            ),
        ),
    )


def _rows(view: View) -> Markup:
    if not view.rows:
        why = (
            "No decision yet. One appears when an alarm of this service changes state."
            if not view.total
            else "No decision with this outcome."
        )
        return element("div", {"class": "rows"}, element("p", {"class": "empty"}, why))
    return element("div", {"class": "rows"}, *(_row(entry, view) for entry in view.rows))


def _row(entry: Entry, view: View) -> Markup:
    zone = view.look.zone
    at, details = moment(entry.at, zone), read_details(entry)
    return element(
        "details",
        {"data-id": entry.id},
        element(
            "summary",
            None,
            element(
                "time",
                {"datetime": entry.at.isoformat(), "title": at},
                local(entry.at, zone),
            ),
            element("span", {"class": "outcome"}, _icon(entry.kind), words(entry.outcome)),
            element("span", {"class": "change"}, _change(entry)),
            element("span", {"class": "reason"}, entry.reason),
        ),
        element(
            "div",
            {"class": "trail"},
            _problems(details),
            _seen(entry),
            _alarms(details),
            _trail(details),
            _facts(entry, details, at),
        ),
    )


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


def _problems(details: Details) -> Markup | None:
    if not details.problems:
        return None
    said = f"The rest of this record cannot be read: {details.problems}"
    return element("ul", {"class": "notes"}, element("li", None, said))


def _seen(entry: Entry) -> Markup:
    service = entry.service
    if service is None:
        return _block("Seen", element("p", None, "The service was not seen."))
    facts = [f"desired {service.desired}", f"running {service.running}"]
    facts.append(f"pending {service.pending}")
    if service.deployment_in_progress:
        facts.append("a deployment is in progress")
    return _block("Seen of the service", _listed(facts))


def _alarms(details: Details) -> Markup | None:
    if not details.seen:
        return None
    return _block(
        "Seen of its alarms",
        _table(
            ("Policy", "State", "Threshold", "Datapoints"),
            [
                (
                    element("td", None, seen.policy),
                    element("td", None, seen.state + (", muted" if seen.muted else "")),
                    element(
                        "td",
                        None,
                        "not seen" if seen.threshold is None else number(seen.threshold),
                    ),
                    element(
                        "td",
                        {"class": "why"},
                        ", ".join(map(number, seen.datapoints)) or "not seen",
                    ),
                )
                for seen in details.seen
            ],
        ),
    )


def _trail(details: Details) -> Markup:
    if not details.trail:
        return _block("Trail", element("p", None, "No rule was asked."))
    return _block(
        "Trail: what each rule did to the number of tasks",
        _table(
            ("Rule", "Tasks", "Why"),
            [
                (
                    element("td", None, line.guard),
                    element(
                        "td",
                        None,
                        element("b", None, f"{line.before} → {line.after}")
                        if line.before != line.after
                        else f"{line.before}",
                    ),
                    element("td", {"class": "why"}, line.why),
                )
                for line in details.trail
            ],
        ),
    )


def _facts(entry: Entry, details: Details, at: str) -> Markup:
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
    return _block("Cause and time", _listed([*facts, f"{entry.outcome}", f"id {entry.id}"]))


def _block(title: str, content: Markup) -> Markup:
    return element("section", None, element("h3", None, title), content)


def _listed(facts: list[str]) -> Markup:
    return element("ul", {"class": "facts"}, elements("li", facts))


def _table(head: tuple[str, ...], rows: list[tuple[Markup, ...]]) -> Markup:
    return element(
        "div",
        {"class": "scroll"},
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
    outcome, page = view.look.outcome, view.page
    return element(
        "nav",
        {"class": "pager", "aria-label": "Pages"},
        place.control("← Newer", outcome, page - 1) if page > 1 else None,
        element("span", {"class": "muted"}, f"Page {page:,} of {view.pages:,}"),
        place.control("Older →", outcome, page + 1) if page < view.pages else None,
    )


def _told(view: View) -> Markup:
    newest = view.newest
    said = f"{local(newest.at, view.look.zone)}: {newest.reason}" if newest else ""
    return element("p", {"class": "hidden", "role": "status"}, said)
