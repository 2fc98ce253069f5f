"""The page over HTTP: a document, a stream of what changes in it, and one script.

    GET /          the whole page; filters and pages are links, so it works without the script
    GET /events    server-sent events: the parts of the page, whenever there is a newer edition
    GET /page.js   replaces those parts
    GET /race      the same for the demo next to AWS's scalers, with /race/events

Each event carries everything shown. So a tab that was paused, or whose connection broke, catches up
with the first event it gets. Its `Last-Event-ID` only says whether it needs one.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, available_timezones

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import FileResponse, HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from quickstep.engine.outcome import Outcome
from quickstep.report.dashboard.html import Markup, element
from quickstep.report.dashboard.page import FRAME_STYLE, document, parts
from quickstep.report.dashboard.rows import anchor
from quickstep.report.dashboard.style import Theme, stylesheet
from quickstep.report.dashboard.view import Look, build_view
from quickstep.report.language import preferred
from quickstep_lab.page.race import race_page, race_parts
from quickstep_lab.paper import paper_style

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from quickstep.report.dashboard.html import Child
    from quickstep.report.dashboard.material import Entry
    from quickstep_lab.page.feed import Edition, Feed

HOST = "127.0.0.1"
LOOK_SECONDS = 0.1
"""How often a stream looks for a newer edition."""
KEEP_ALIVE_SECONDS = 15
"""After this time without an edition, a comment checks whether the tab is still there."""
_SCRIPT = Path(__file__).with_name("page.js")
_MOST_PAGE, _MOST_WIDTH = 1_000_000, 10_000


def make_app(feed: Feed) -> Starlette:
    """Return the application over a feed. It answers only to this machine's names."""

    async def page(request: Request) -> Response:
        edition, look = feed.edition, _look(request)
        view = build_view(edition.material(), look)
        return HTMLResponse(document(view, Links(), live=edition.live, script="/page.js"))

    async def events(request: Request) -> Response:
        look = _look(request)

        def parts_of(edition: Edition) -> Mapping[str, Markup]:
            view = build_view(edition.material(), look)
            return parts(view, Links(), live=edition.live)

        return _stream(request, feed, parts_of)

    async def race(_request: Request) -> Response:
        edition = feed.edition
        return HTMLResponse(race_page(edition.race, live=edition.live))

    async def race_events(request: Request) -> Response:
        width = read_look(request.query_params).width

        def parts_of(edition: Edition) -> Mapping[str, Markup]:
            return race_parts(edition.race, live=edition.live, width=width)

        return _stream(request, feed, parts_of)

    async def script(_request: Request) -> Response:
        return FileResponse(_SCRIPT, media_type="text/javascript")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/events", events),
            Route("/page.js", script),
            Route("/race", race),
            Route("/race/events", race_events),
        ],
        middleware=[
            Middleware(_Headers),
            # Stops DNS rebinding: another site whose name resolves to this machine.
            Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
        ],
    )


class Links:
    """The page's controls: links to itself. The script adds the viewer's zone and width."""

    def control(self, label: Child, look: Look, *, current: bool = False) -> Markup:
        """Return a link."""
        return element(
            "a", {"href": _address(look), "aria-current": "true" if current else None}, label
        )

    def opening(self, entry: Entry, look: Look) -> str | None:
        """Return the address of the page with the decision open, scrolled to its row."""
        return f"{_address(replace(look, page=1, opened=entry.id))}#{anchor(entry)}"


def _address(look: Look) -> str:
    """Return e.g. `?outcome=SCALED_OUT&page=2`; `read_look` reads it back."""
    query = {"outcome": str(look.outcome)} if look.outcome else {}
    if look.everything:
        query["all"] = "1"
    if look.page > 1:
        query["page"] = str(look.page)
    if look.opened is not None:
        query["open"] = look.opened
    return f"?{urlencode(query, errors='backslashreplace')}" if query else "/"


def _look(request: Request) -> Look:
    """Read the viewer's settings, in the language that the browser prefers."""
    say = preferred(request.headers.get("accept-language", ""))
    return replace(read_look(request.query_params), say=say)


def read_look(query: Mapping[str, str]) -> Look:
    """Read the viewer's settings from the address; invalid ones are ignored."""
    outcome, zone = query.get("outcome", ""), query.get("zone", "")
    standard = Look()
    return Look(
        outcome=Outcome(outcome) if outcome in Outcome.__members__ else None,
        page=_whole(query.get("page", ""), standard.page, _MOST_PAGE),
        width=_whole(query.get("width", ""), standard.width, _MOST_WIDTH),
        zone=ZoneInfo(zone) if zone in _zones() else standard.zone,
        everything=query.get("all") == "1",
        opened=query.get("open"),
    )


@cache
def _zones() -> set[str]:
    return available_timezones()


def _whole(text: str, default: int, most: int) -> int:
    fits = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    return int(text) if fits and 0 < int(text) <= most else default


def _stream(
    request: Request, feed: Feed, parts_of: Callable[[Edition], Mapping[str, Markup]]
) -> Response:
    stream = _events(feed, parts_of, request.headers.get("last-event-id"))
    return StreamingResponse(stream, media_type="text/event-stream")


async def _events(
    feed: Feed, parts_of: Callable[[Edition], Mapping[str, Markup]], last: str | None
) -> AsyncIterator[str]:
    """Yield the newest edition unless the tab has it, then each newer one, until the last."""
    seen = int(last) if last and last.isascii() and last.isdecimal() else 0
    waited = 0.0
    yield "retry: 1000\n\n"
    while True:
        edition = feed.edition
        if edition.number != seen:
            seen, waited = edition.number, 0.0
            yield _event(edition, parts_of(edition))
        if not edition.live:
            return
        await asyncio.sleep(LOOK_SECONDS)
        waited += LOOK_SECONDS
        if waited >= KEEP_ALIVE_SECONDS:
            waited = 0.0
            yield ": still here\n\n"


def _event(edition: Edition, parts: Mapping[str, Markup]) -> str:
    data = json.dumps({"live": edition.live, "parts": parts})
    return f"id: {edition.number}\ndata: {data}\n\n"  # JSON has no line break that would end it


class _Headers:
    """Adds headers that stop the browser from loading anything elsewhere or running inline code."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_security_headers()]
            await send(message)

        await self._app(scope, receive, with_headers)


@cache
def _security_headers() -> list[tuple[bytes, bytes]]:
    styles = " ".join(map(_hash, (FRAME_STYLE, stylesheet(Theme.AUTO), paper_style())))
    policy = (
        f"default-src 'none'; script-src 'self'; style-src {styles}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
