"""Applications for real servers; their points go into the file that LINES names, a line each."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

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
        values = {
            m.name: m.value.count if isinstance(m.value, Statistics) else m.value
            for m in point.metrics
        }
        line = {"pid": os.getpid(), "of": str(address), "at": point.timestamp.timestamp(), **values}
        with open(os.environ["LINES"], "a", encoding="utf-8") as file:  # noqa: PTH123 - see below
            file.write(json.dumps(line) + "\n")  # one write: lines of processes do not mix


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
