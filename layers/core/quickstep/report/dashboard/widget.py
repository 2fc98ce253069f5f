"""The protocol of CloudWatch's custom widgets: the dashboard's calls, and the HTML they return.

See *add_custom_widget_dashboard_about*, *..._interactivity* and *..._security* in the CloudWatch
User Guide. A call has the widget's parameters as members, and `widgetContext` in addition. A button
is any element directly followed by a `<cwdb-action>`, whose JSON is the next call's parameters.
CloudWatch removes scripts, `<iframe>` and `<use>`. All of a call is the viewer's, and untrusted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from quickstep.engine.outcome import Outcome
from quickstep.fields import LAST_MOMENT, show
from quickstep.naming import RESOURCE_ID_RULE, parse_resource_id
from quickstep.report.dashboard.html import Markup, element, elements, join, json_text
from quickstep.report.dashboard.page import fragment
from quickstep.report.dashboard.style import Theme, stylesheet
from quickstep.report.dashboard.view import Look, build_view
from quickstep.report.language import ENGLISH, LANGUAGES, language_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from quickstep.report.dashboard.deployed import Deployed
    from quickstep.report.dashboard.html import Child
    from quickstep.report.dashboard.material import Entry

SIZE_LIMIT = 6_291_556
"""Bytes that a function may return (*gettingstarted-limits*, Lambda Developer Guide: 6 MB).

CloudWatch names no limit of its own for a widget.
"""
PAGE_SIZE = 25
_MOST = 1_000_000
_MOST_MILLIS = LAST_MOMENT.timestamp() * 1000
_PADDING = 44  # of the page and of the chart's frame, on both sides

DOCUMENTATION = """\
## Quickstep: scaling decisions of a service
Load against thresholds, every decision with its trail, desired and running tasks.

### Widget parameters
Param | Description
---|---
**service** | The service as `service/<cluster>/<service>`. Without it, the widget asks for one.
**outcome** | Optional: only decisions that ended so, e.g. `SCALED_OUT`.
**all** | Optional: `true` also shows the looks that changed nothing.
**lang** | Optional: `en` or `ko`; without it, the console's language.

### Example parameters
``` yaml
service: service/prod/web
```
"""


@dataclass(frozen=True, slots=True)
class Request:
    """What one call of the widget asks for."""

    service: str
    start: datetime
    end: datetime
    look: Look
    theme: Theme
    problems: tuple[str, ...] = ()


def answer(event: Any, endpoint: str, deployed: Deployed, now: datetime) -> str:
    """Return the answer to one call; `endpoint` is the ARN that buttons call.

    Raises:
        CallFailedError: the decisions cannot be read; CloudWatch shows it in place of the widget.
    """
    if _object(event).get("describe"):
        return DOCUMENTATION
    request = read_request(event, now)
    if not request.service or request.problems:
        return _question(request, endpoint)
    material = deployed.material(request.service, request.start, request.end, now)
    buttons = Buttons(endpoint, request.service)
    shown = fragment(build_view(material, request.look), buttons, theme=request.theme)
    return join(_UNSTYLED, shown)


def read_request(event: Any, now: datetime) -> Request:
    """Read a call. A senseless value is a problem, or treated as missing."""
    event = _object(event)
    context = _object(event.get("widgetContext"))
    forms = _object(_object(context.get("forms")).get("all"))
    given = {**_object(context.get("params")), **forms, **event}
    problems = []
    service = given.get("service") or ""
    service = service.strip() if isinstance(service, str) else show(service)
    if service and parse_resource_id(service) is None:
        problems.append(f"service {RESOURCE_ID_RULE}, not {show(service)}")
        service = service.encode("utf-8", "backslashreplace").decode()
    outcome = given.get("outcome") or None
    if outcome is not None and outcome not in list(Outcome):
        problems.append(f"outcome must be one of {', '.join(Outcome)}, not {show(outcome)}")
        outcome = None
    lang = given.get("lang") or None
    if lang is not None and lang not in list(LANGUAGES):
        problems.append(f"lang must be one of {', '.join(LANGUAGES)}, not {show(lang)}")
    language = language_of(str(context.get("locale") if lang is None else lang))
    start, end = _time_range(_object(context.get("timeRange")), now)
    look = Look(
        outcome=Outcome(outcome) if outcome else None,
        page=_whole(given.get("page"), 1),
        everything=given.get("all") is True,
        width=_whole(context.get("width"), 960 + _PADDING) - _PADDING,
        zone=_zone(_object(context.get("timezone"))),
        page_size=PAGE_SIZE,
        say=language or ENGLISH,
    )
    theme = Theme.DARK if context.get("theme") == "dark" else Theme.LIGHT
    return Request(service, start, end, look, theme, tuple(problems))


@dataclass(frozen=True, slots=True)
class Buttons:
    """The widget's controls: each calls the function again, for the same service."""

    endpoint: str
    service: str

    def control(self, label: Child, look: Look, *, current: bool = False) -> Markup:
        """Return a button, and the call that it makes."""
        parameters = {
            "service": self.service,
            "outcome": look.outcome,
            "all": look.everything,
            "page": look.page,
            "lang": look.say.tag,
        }
        return join(
            element("a", {**_BUTTON, "aria-current": "true" if current else None}, label),
            _call(self.endpoint, parameters),
        )

    def opening(self, entry: Entry, look: Look) -> None:
        """Return nothing: an address in the widget would be one in the console."""


_BUTTON: Mapping[str, Child] = {"role": "button", "tabindex": 0}
# Opts out of CloudWatch's own styles for links, tables and the like.
_UNSTYLED = element("span", {"class": "cwdb-no-default-styles"})


def _call(endpoint: str, parameters: Mapping[str, Any]) -> Markup:
    return element(
        "cwdb-action", {"action": "call", "endpoint": endpoint}, json_text(dict(parameters))
    )


def _question(request: Request, endpoint: str) -> str:
    """Return a form that asks for the service; CloudWatch passes its fields to the next call."""
    say = request.look.say
    field = {"name": "service", "value": request.service, "placeholder": "service/prod/web"}
    return join(
        _UNSTYLED,
        element("style", None, Markup(stylesheet(request.theme))),
        element(
            "div",
            {"class": "qs", "lang": say.tag},
            element("ul", {"class": "notes"}, elements("li", request.problems)),
            element(
                "form",
                None,
                element(
                    "label", None, f"{say('Service')} ", element("input", {**field, "size": 40})
                ),
            ),
            element(
                "p",
                {"class": "pager"},
                element("a", _BUTTON, say("Show its decisions")),
                _call(endpoint, {"lang": say.tag}),
            ),
        ),
    )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _whole(value: Any, default: int) -> int:
    """Return a number of pages or pixels, if it is one."""
    return value if type(value) is int and 0 < value < _MOST else default


def _time_range(given: Mapping[str, Any], now: datetime) -> tuple[datetime, datetime]:
    """Return the time span to show: the zoomed part, if any, or else the last hour."""
    shown = _object(given.get("zoom")) or given
    first, last = _moment(shown.get("start")), _moment(shown.get("end"))
    if first is None or last is None or first >= last:
        return now - timedelta(hours=1), now
    return first, last


def _moment(millis: Any) -> datetime | None:
    if type(millis) not in (int, float) or not 0 <= millis <= _MOST_MILLIS:
        return None
    return datetime.fromtimestamp(millis / 1000, UTC)


def _zone(given: Mapping[str, Any]) -> tzinfo:
    """Return the console's zone, of which only the present offset is known: e.g. `+09:00`."""
    match = re.fullmatch(r"([+-])([01]\d|2[0-3]):([0-5]\d)", str(given.get("offsetISO")))
    if match is None:
        return UTC
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-offset if match[1] == "-" else offset)
