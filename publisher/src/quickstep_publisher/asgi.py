"""ASGI middleware: Starlette, FastAPI, Django's asgi.py and others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickstep_publisher.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import TypeAlias

    from quickstep_publisher._slots import Recorder

    Message: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Send: TypeAlias = Callable[[Message], Awaitable[None]]
    # Any: frameworks type these three slightly differently, and all are right.
    App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

_ENDS = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed"})
_LAST = frozenset({"http.response.body", "http.response.zerocopysend", "http.response.pathsend"})
"""Messages that end a response, unless they announce `more_body`."""


class AsgiMiddleware:
    """Count an ASGI application's requests and connections.

    An HTTP request lasts from its arrival here until the last byte of the response is handed to the
    server, or until the application ends in another way: it returned, raised, or was cancelled.
    Work after the last byte (background tasks) is not response time.

    Health checks, and other paths that the publisher leaves out, pass uncounted.

    A WebSocket is an active connection for as long as it lasts, but not a request: it may last for
    hours.

    Lifespan messages pass unchanged. The publisher starts with the lifespan, and publishes the rest
    before its end is reported, because a server may kill its process right afterwards, as uvicorn
    does. Without lifespan it starts with the first request.

    Args:
        app: the application.
        publisher: the publisher; by default one configured by the environment.
    """

    def __init__(self, app: App, publisher: Publisher | None = None) -> None:
        self._app = app
        self._publisher = publisher or Publisher()
        self._timer = self._publisher.clock.timer
        self._watched: Recorder | None = None
        self._leave_out = self._publisher.leave_out

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        recorder = self._publisher.recorder or self._publisher.start()
        if scope["type"] != "http":
            await self._other(recorder, scope, receive, send)
            return
        if scope.get("path") in self._leave_out:
            recorder.checks += 1
            await self._app(scope, receive, send)
            return
        if recorder.wanted > 0:
            recorder.sample_asgi(scope.get("headers", ()))
        if self._watched is not recorder:
            self._watched = recorder
            self._publisher.load.watch_loop()
        recorder.begun += 1
        timer = self._timer
        began = timer()
        active = True

        # Not a coroutine: each would cost as much as everything else here.
        def send_and_see(message: Message) -> Awaitable[None]:
            nonlocal active
            if active and message["type"] in _LAST and not message.get("more_body"):
                active = False
                recorder.end(timer() - began)
            return send(message)

        try:
            await self._app(scope, receive, send_and_see)
        finally:
            if active:
                active = False
                recorder.end(timer() - began)

    async def _other(
        self, recorder: Recorder, scope: Message, receive: Receive, send: Send
    ) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._closing(send))
            return
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        recorder.connect()
        try:
            await self._app(scope, receive, send)
        finally:
            recorder.disconnect()

    def _closing(self, send: Send) -> Send:
        async def close_and_send(message: Message) -> None:
            if message["type"] in _ENDS:
                # This blocks the event loop, for 2 s at most: nothing is left to serve.
                self._publisher.close()
            await send(message)

        return close_and_send
