"""What WSGI middleware counts, and that it changes nothing for application and server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import django  # type: ignore[import-untyped]
import pytest
from django.conf import settings  # type: ignore[import-untyped]
from django.http import HttpResponse, StreamingHttpResponse  # type: ignore[import-untyped]
from django.urls import path  # type: ignore[import-untyped]
from flask import Flask, Response
from werkzeug.test import Client

from quickstep_publisher import Statistics, WsgiMiddleware
from tests.publisher.fakes import Kept, Time, a_publisher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Server:
    """Calls an application as a server does, with a publisher around it."""

    def __init__(self, app: Any) -> None:
        self.time, self.kept = Time(), Kept()
        self.publisher = a_publisher(self.time, self.kept)
        self.app = WsgiMiddleware(app, self.publisher)
        self.written: list[bytes] = []

    def begin(self) -> Iterable[bytes]:
        environ: dict[str, Any] = {}
        setup_testing_defaults(environ)
        return self.app(environ, lambda *_: self.written.append)

    def call(self) -> bytes:
        body = self.begin()
        try:
            return b"".join([*self.written, *body])
        finally:
            body.close()  # type: ignore[attr-defined]

    def active(self) -> float | Statistics:
        self.time.pass_(5)
        self.publisher.publish()
        return self.kept.values("ActiveConnections")[-1]

    def counted(self) -> list[float | Statistics]:
        self.time.pass_(5)
        self.publisher.publish()
        return self.kept.values("AverageResponseTime")


def took(seconds: float) -> list[Statistics]:
    return [Statistics(1, 1000 * seconds, 1000 * seconds, 1000 * seconds)]


def test_a_response_counts_until_it_is_closed() -> None:
    def app(_environ: Any, start_response: Any) -> list[bytes]:
        server.time.pass_(1)
        start_response("200 OK", [])
        return [b"hel", b"lo"]

    server = Server(app)
    body = server.begin()
    assert b"".join(body) == b"hello"
    server.time.pass_(1)
    body.close()  # type: ignore[attr-defined]

    assert server.counted() == took(2)


def test_an_exception_is_counted_and_passes() -> None:
    def app(_environ: Any, _start_response: Any) -> list[bytes]:
        server.time.pass_(1)
        raise KeyError("lost")

    server = Server(app)
    with pytest.raises(KeyError, match="lost"):
        server.call()

    assert server.counted() == took(1)
    assert server.active() == 0


class Body:
    """A response that knows whether it was closed, and may fail on the way."""

    def __init__(self, chunks: Iterable[bytes], error: Exception | None = None) -> None:
        self.chunks, self.error, self.closed = chunks, error, 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks
        if self.error:
            raise self.error

    def close(self) -> None:
        self.closed += 1


def test_the_applications_own_iterator_is_closed_once() -> None:
    body = Body([b"x"])
    server = Server(lambda *_: body)

    assert server.call() == b"x"
    assert body.closed == 1
    assert len(server.counted()) == 1


def test_an_exception_while_iterating_is_counted_once_and_passes() -> None:
    body = Body([b"x"], KeyError("lost"))
    server = Server(lambda *_: body)

    with pytest.raises(KeyError, match="lost"):
        server.call()

    assert body.closed == 1
    assert server.active() == 0
    assert len(server.counted()) == 1


def test_an_error_in_close_passes_and_the_request_is_over() -> None:
    class Clumsy(Body):
        def close(self) -> None:
            raise OSError("disk")

    server = Server(lambda *_: Clumsy([]))
    with pytest.raises(OSError, match="disk"):
        server.call()

    assert server.active() == 0


def test_a_generator_that_is_never_iterated_is_counted_when_it_is_closed() -> None:
    started: list[int] = []

    def chunks() -> Iterator[bytes]:
        started.append(1)
        yield b"x"

    server = Server(lambda *_: chunks())
    server.begin().close()  # type: ignore[attr-defined]

    assert (server.active(), started) == (0, [])
    assert len(server.kept.values("AverageResponseTime")) == 1


def test_a_response_that_a_server_forgets_to_close_does_not_stay_active() -> None:
    server = Server(lambda *_: [b"x"])
    body = server.begin()
    assert server.active() == 1

    del body

    assert server.active() == 0


def test_an_application_is_called_when_it_is_and_iterated_as_far_as_the_server_wants() -> None:
    taken: list[int] = []

    def chunks() -> Iterator[bytes]:
        for n in range(3):
            taken.append(n)
            yield b"x"

    server = Server(lambda *_: chunks())
    body = iter(server.begin())
    assert taken == []
    next(body)

    assert taken == [0]


def test_write_reaches_the_server() -> None:
    def app(_environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        write(b"old ")
        return [b"style"]

    server = Server(app)

    assert server.call() == b"old style"
    assert len(server.counted()) == 1


# With frameworks


def flask() -> Any:
    app = Flask(__name__)

    @app.get("/plain")
    def plain() -> str:
        return "hello"

    @app.get("/streams")
    def streams() -> Response:
        return Response(iter([b"chunk"] * 3))

    @app.get("/fails")
    def fails() -> str:
        raise RuntimeError("a bug of the application")

    return app


def _fails(_request: Any) -> HttpResponse:
    raise RuntimeError("a bug of the application")


urlpatterns = [
    path("plain", lambda _request: HttpResponse("hello")),
    path("streams", lambda _request: StreamingHttpResponse(iter([b"chunk"] * 3))),
    path("fails", _fails),
]


def django_app() -> Any:
    if not settings.configured:
        settings.configure(ROOT_URLCONF=__name__, SECRET_KEY="x", ALLOWED_HOSTS=["*"])  # noqa: S106
        django.setup()
    from django.core.wsgi import (  # type: ignore[import-untyped]  # noqa: PLC0415 - after setup
        get_wsgi_application,
    )

    return get_wsgi_application()


@pytest.mark.parametrize("framework", [flask, django_app], ids=["flask", "django"])
def test_one_line_counts_what_a_framework_serves(framework: Callable[[], Any]) -> None:
    server = Server(framework())
    client = Client(server.app)

    statuses = [
        client.get(path, buffered=True).status_code
        for path in ("/plain", "/streams", "/missing", "/fails")
    ]

    assert statuses == [200, 200, 404, 500]
    (times,) = server.counted()
    assert isinstance(times, Statistics)
    assert times.count == 4
    assert server.active() == 0
