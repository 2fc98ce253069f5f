"""WSGI middleware: Flask, Django and others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickstep_publisher.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from quickstep_publisher._slots import Recorder


class WsgiMiddleware:
    """Count a WSGI application's requests.

    A request lasts from its arrival here until the server closes the response, which it does after
    the last byte, after an error, and when the client is gone, or until the application raises. The
    publisher starts with the first request. Health checks, and other paths that the publisher
    leaves out, pass uncounted.

    Args:
        app: the application.
        publisher: the publisher; by default one configured by the environment.
    """

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        publisher: Publisher | None = None,
    ) -> None:
        self._app = app
        self._publisher = publisher or Publisher()
        self._timer = self._publisher.clock.timer
        self._is_first = True
        self._leave_out = self._publisher.leave_out

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Serve one request."""
        recorder = self._publisher.recorder or self._publisher.start()
        if environ.get("PATH_INFO") in self._leave_out:
            recorder.checks += 1
            return self._app(environ, start_response)
        if recorder.wanted > 0:
            recorder.sample(environ.get("HTTP_X_AMZN_TRACE_ID"))
        if self._is_first:
            self._is_first = False
            self._publisher.load.served_by(environ)
        recorder.begun += 1
        began = self._timer()
        try:
            body = self._app(environ, start_response)
        except BaseException:
            recorder.end(self._timer() - began)
            raise
        return _Body(body, recorder, self._timer, began)


class _Body:
    """The response, which ends when the server closes it."""

    __slots__ = ("_began", "_body", "_recorder", "_timer")

    def __init__(
        self, body: Iterable[bytes], recorder: Recorder, timer: Callable[[], float], began: float
    ) -> None:
        self._body = body
        self._recorder: Recorder | None = recorder
        self._timer = timer
        self._began = began

    def __iter__(self) -> Iterator[bytes]:
        # The application's own iterator: the content does not matter here.
        return iter(self._body)

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._end()

    def __del__(self) -> None:
        # A server that forgets to close a response must not leave it active forever.
        if self._recorder is not None:
            self._end()

    def _end(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.end(self._timer() - self._began)
