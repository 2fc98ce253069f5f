"""Applications for real servers; their points go into the file that LINES names, a line each."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from quickstep_publisher import AsgiMiddleware, Publisher, Statistics, WsgiMiddleware

if TYPE_CHECKING:
    from starlette.requests import Request

    from quickstep_publisher import Address, Point


class Lines:
    """A transport that says which process published what, and when it is stamped."""

    def send(self, address: Address, point: Point) -> None:
        lines = ""
        for at in sorted({m.at or point.timestamp for m in point.metrics}):
            values = {
                m.name: m.value.count if isinstance(m.value, Statistics) else m.value
                for m in point.metrics
                if (m.at or point.timestamp) == at
            }
            line = {"pid": os.getpid(), "of": str(address), "at": at.timestamp(), **values}
            lines += json.dumps(line) + "\n"
        with open(os.environ["LINES"], "a", encoding="utf-8") as file:  # noqa: PTH123 - see below
            file.write(lines)  # one write: lines of processes do not mix


publisher = Publisher(
    cluster="prod", service="web", transport=Lines(), phase=float(os.environ.get("PHASE", "0"))
)


def _pid(_request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(os.getpid()))


asgi = Starlette(routes=[Route("/", _pid)])
asgi.add_middleware(AsgiMiddleware, publisher=publisher)

flask = Flask(__name__)


@flask.get("/")
def pid() -> str:
    return str(os.getpid())


wsgi = WsgiMiddleware(flask, publisher)


# What takes 20 ms: a thread that waits, and an event loop that computes.


def waiting(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer after 20 ms."""
    time.sleep(0.02)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


async def computing(_scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Answer after 5 ms of work."""
    end = time.perf_counter() + 0.005
    while time.perf_counter() < end:
        pass
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


wsgi_waiting = WsgiMiddleware(waiting, publisher)
asgi_computing = AsgiMiddleware(computing, publisher)
