"""What ASGI middleware counts, and that it changes nothing for application and server."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket  # noqa: TC002 - FastAPI reads the annotation

from quickstep_publisher import AsgiMiddleware, Statistics
from tests.publisher.fakes import Kept, Time, a_publisher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from starlette.requests import Request

Message = MutableMapping[str, Any]
BODY = "http.response.body"
SCOPE: Message = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "GET",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "headers": [],
    "scheme": "http",
    "server": ("localhost", 80),
    "client": ("127.0.0.1", 1),
    "root_path": "",
}


class Server:
    """Calls an application as a server does, with a publisher around it."""

    def __init__(self, app: Any) -> None:
        self.time, self.kept = Time(), Kept()
        self.publisher = a_publisher(self.time, self.kept)
        self.app = AsgiMiddleware(app, self.publisher)
        self.sent: list[Message] = []
        self.active_while_sending: list[float] = []

    def call(
        self,
        scope: Message | None = None,
        received: Iterable[Message] = ({"type": "http.request"},),
    ) -> None:
        asyncio.run(self.serve(SCOPE if scope is None else scope, received))

    async def serve(self, scope: Message, received: Iterable[Message]) -> None:
        messages = iter(received)

        async def receive() -> Message:
            return next(messages)

        async def send(message: Message) -> None:
            self.sent.append(message)

        await self.app(scope, receive, send)

    def published(self) -> tuple[float, float, list[float | Statistics]]:
        """Rate, active connections and response times of one point, 10 s after the start.

        It is that of two ticks, of which the first was missed.
        """
        self.time.pass_(10 - self.time.seconds)
        self.publisher.publish()
        ((rate, _), (active, _)) = (
            self.kept.values("RequestsPerSecond"),
            self.kept.values("ActiveConnections"),
        )
        assert not isinstance(rate, Statistics)
        assert not isinstance(active, Statistics)
        return rate * 10, active, self.kept.values("AverageResponseTime")


def took(*seconds: float) -> list[float | Statistics]:
    times = [1000 * each for each in seconds]
    return [Statistics(len(times), sum(times), min(times), max(times))]


def test_a_response_counts_with_its_time_and_passes_unchanged() -> None:
    messages = [
        {"type": "http.response.start", "status": 200, "headers": []},
        {"type": BODY, "body": b"hello"},
    ]

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        server.time.pass_(0.25)
        for message in messages:
            await send(message)

    server = Server(app)
    server.call()

    assert server.sent == messages
    assert all(sent is message for sent, message in zip(server.sent, messages, strict=True))
    assert server.published() == (1, 0, took(0.25))


def test_a_streamed_response_counts_to_its_last_byte_and_no_further() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for more in (True, True, False):
            server.time.pass_(1)
            await send({"type": BODY, "body": b"x", "more_body": more})
        server.time.pass_(5)  # what a background task does

    server = Server(app)
    server.call()

    assert server.published() == (1, 0, took(3))


@pytest.mark.parametrize(
    ("messages", "seconds"),
    [
        pytest.param([{"type": "http.response.pathsend", "path": "/x"}], 1, id="path"),
        pytest.param(
            [
                {"type": "http.response.zerocopysend", "file": 3, "more_body": True},
                {"type": "http.response.zerocopysend", "file": 3},
            ],
            2,
            id="zero copy",
        ),
        pytest.param(
            [{"type": BODY}, {"type": "http.response.trailers", "headers": []}], 1, id="trailers"
        ),
        pytest.param([], 9, id="nothing at all, so until it returns"),
        pytest.param([{"type": BODY}, {"type": BODY}], 1, id="a body too many"),
    ],
)
def test_each_way_to_end_a_response_counts_once(messages: list[Message], seconds: float) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in messages:
            server.time.pass_(1)
            await send(message)
        server.time.pass_(9 - server.time.seconds)

    server = Server(app)
    server.call()

    assert server.published() == (1, 0, took(seconds))


def test_an_exception_is_counted_and_passes() -> None:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        server.time.pass_(2)
        raise KeyError("lost")

    server = Server(app)
    with pytest.raises(KeyError, match="lost"):
        server.call()

    assert server.published() == (1, 0, took(2))


def test_a_request_that_is_cancelled_as_its_client_is_gone_is_counted() -> None:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        server.time.pass_(1)
        await asyncio.Event().wait()

    async def serve() -> None:
        serving = asyncio.ensure_future(server.serve(SCOPE, ()))
        await asyncio.sleep(0)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    server = Server(app)
    asyncio.run(serve())

    assert server.published() == (1, 0, took(1))


def test_a_client_that_disconnects_in_the_middle_is_counted_once() -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            server.time.pass_(1)
            await send({"type": BODY, "body": b"x", "more_body": True})

    server = Server(app)
    server.call(received=[{"type": "http.request"}] * 3 + [{"type": "http.disconnect"}])

    assert server.published() == (1, 0, took(3))


def test_a_server_that_refuses_a_body_is_an_error_of_the_request() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        server.time.pass_(1)
        await send({"type": BODY})

    async def serve() -> None:
        async def send(_message: Message) -> None:
            server.time.pass_(1)  # after the last byte was handed over
            raise OSError("gone")

        async def receive() -> Message:
            return {"type": "http.request"}

        await server.app(SCOPE, receive, send)

    server = Server(app)
    with pytest.raises(OSError, match="gone"):
        asyncio.run(serve())

    assert server.published() == (1, 0, took(1))


def test_requests_under_way_are_active_connections() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        server.time.pass_(5 - server.time.seconds)
        server.publisher.publish()
        await send({"type": BODY})

    server = Server(app)
    server.call()

    assert server.kept.values("ActiveConnections") == [1]


def test_a_websocket_is_an_active_connection_and_no_request() -> None:
    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        server.time.pass_(5)
        server.publisher.publish()
        raise ConnectionError

    server = Server(app)
    with pytest.raises(ConnectionError):
        server.call({**SCOPE, "type": "websocket"}, [{"type": "websocket.connect"}])
    server.time.pass_(5)
    server.publisher.publish()

    assert server.kept.values("ActiveConnections") == [1, 0]
    assert server.kept.values("RequestsPerSecond") == [0, 0]
    assert server.kept.values("AverageResponseTime") == []


@pytest.mark.parametrize("end", ["complete", "failed"])
def test_lifespan_passes_and_the_rest_is_published_before_its_end_is_sent(end: str) -> None:
    told: list[tuple[str, int]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope is lifespan
        await receive()
        await send({"type": "lifespan.startup.complete"})
        server.publisher.observe(0.5)
        await receive()
        await send({"type": f"lifespan.shutdown.{end}"})

    async def serve() -> None:
        async def receive() -> Message:
            return {"type": "lifespan"}

        async def send(message: Message) -> None:
            told.append((message["type"], len(server.kept.points)))

        await server.app(lifespan, receive, send)

    lifespan = {"type": "lifespan", "state": {}}
    server = Server(app)
    asyncio.run(serve())

    assert told == [("lifespan.startup.complete", 0), (f"lifespan.shutdown.{end}", 1)]


def test_what_is_neither_http_nor_websocket_passes_uncounted() -> None:
    scope = {"type": "of the future"}
    seen = []

    async def app(*arguments: Any) -> None:
        seen.append(arguments)

    server = Server(app)
    server.call(scope)

    assert seen[0][0] is scope
    assert server.published() == (0, 0, [])


# With frameworks


INBOX: dict[str, list[Message]] = {
    "http": [{"type": "http.request", "body": b""}],
    "websocket": [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hi"}],
}


async def _fails(_request: Request) -> None:
    raise RuntimeError("a bug of the application")


async def _echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()


async def _chunks() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b"chunk"


def starlette() -> Starlette:
    async def plain(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello", background=BackgroundTask(lambda: None))

    async def streams(_request: Request) -> StreamingResponse:
        return StreamingResponse(_chunks())

    return Starlette(
        routes=[
            Route("/plain", plain),
            Route("/streams", streams),
            Route("/fails", _fails),
            WebSocketRoute("/socket", _echo),
        ]
    )


def fastapi() -> FastAPI:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/plain")
    def plain() -> str:
        return "hello"

    @app.get("/streams")
    def streams() -> StreamingResponse:
        return StreamingResponse(_chunks())

    @app.get("/fails")
    def fails() -> None:
        raise RuntimeError("a bug of the application")

    app.websocket("/socket")(_echo)
    return app


@pytest.mark.parametrize("framework", [starlette, fastapi], ids=lambda made: made.__name__)
def test_one_line_counts_what_a_framework_serves(framework: Callable[[], Any]) -> None:
    time, kept = Time(), Kept()
    publisher = a_publisher(time, kept)
    app = framework()
    app.add_middleware(AsgiMiddleware, publisher=publisher)
    statuses = []

    async def call(path: str, kind: str = "http") -> None:
        waiting = iter(INBOX[kind])

        async def receive() -> Message:
            for message in waiting:
                return message
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Message) -> None:
            statuses.append(message.get("status", message["type"]))

        scope = {**SCOPE, "path": path, "raw_path": path.encode(), "type": kind}
        await app(scope, receive, send)

    for path in ("/plain", "/streams", "/missing"):
        asyncio.run(call(path))
    with pytest.raises(RuntimeError, match="a bug of the application"):
        asyncio.run(call("/fails"))
    asyncio.run(call("/socket", "websocket"))
    time.pass_(5)
    publisher.publish()

    assert [status for status in statuses if isinstance(status, int)] == [200, 200, 404, 500]
    assert "websocket.send" in statuses
    (times,) = kept.values("AverageResponseTime")
    assert isinstance(times, Statistics)
    assert (times.count, kept.values("RequestsPerSecond")) == (4, [0.8])
    assert kept.values("ActiveConnections") == [0]
