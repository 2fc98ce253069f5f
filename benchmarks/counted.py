"""A trivial application in several frameworks, and the code that counts its requests.

For benchmarks/publisher.py: BENCHMARK_APP names the application, BENCHMARK_KIND the counter.
"""

from __future__ import annotations

import os
import sys
import time
from types import ModuleType
from typing import TYPE_CHECKING, Any

from quickstep_publisher import AsgiMiddleware, WsgiMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable

BODY = "hello"
LENGTH = {"Content-Length": str(len(BODY))}
"""Without it Django sends chunks, and the client waits for the body alone."""


def app() -> Any:
    """Return the application with the counter that the environment names."""
    made, is_asgi = APPS[os.environ["BENCHMARK_APP"]]
    counted = ASGI if is_asgi else WSGI
    return counted[os.environ["BENCHMARK_KIND"]](made())


def _starlette() -> Any:
    from starlette.applications import Starlette  # noqa: PLC0415 - one framework a process
    from starlette.responses import PlainTextResponse  # noqa: PLC0415
    from starlette.routing import Route  # noqa: PLC0415

    async def hello(_request: Any) -> PlainTextResponse:
        return PlainTextResponse(BODY)

    return Starlette(routes=[Route("/", hello)])


def _fastapi() -> Any:
    from fastapi import FastAPI  # noqa: PLC0415
    from fastapi.responses import PlainTextResponse  # noqa: PLC0415

    application = FastAPI()

    @application.get("/", response_class=PlainTextResponse)
    async def hello() -> str:
        return BODY

    return application


def _flask() -> Any:
    from flask import Flask  # noqa: PLC0415

    application = Flask("benchmark")
    application.add_url_rule("/", view_func=lambda: BODY)
    return application


def _django(view: Any) -> None:
    import django  # type: ignore[import-untyped]  # noqa: PLC0415
    from django.conf import settings  # type: ignore[import-untyped]  # noqa: PLC0415
    from django.urls import path  # type: ignore[import-untyped]  # noqa: PLC0415

    urls = ModuleType("benchmarks_counted_urls")
    urls.urlpatterns = [path("", view)]  # type: ignore[attr-defined]
    sys.modules[urls.__name__] = urls
    settings.configure(ROOT_URLCONF=urls.__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="benchmark")  # noqa: S106
    django.setup()


def _django_wsgi() -> Any:
    from django.core.wsgi import get_wsgi_application  # type: ignore[import-untyped]  # noqa: PLC0415
    from django.http import HttpResponse  # type: ignore[import-untyped]  # noqa: PLC0415

    _django(lambda _request: HttpResponse(BODY, headers=LENGTH))
    return get_wsgi_application()


def _django_asgi() -> Any:
    from django.core.asgi import get_asgi_application  # type: ignore[import-untyped]  # noqa: PLC0415
    from django.http import HttpResponse  # noqa: PLC0415

    async def hello(_request: Any) -> HttpResponse:
        return HttpResponse(BODY, headers=LENGTH)

    _django(hello)
    return get_asgi_application()


APPS = {
    "starlette": (_starlette, True),
    "fastapi": (_fastapi, True),
    "django_asgi": (_django_asgi, True),
    "flask": (_flask, False),
    "django_wsgi": (_django_wsgi, False),
}


class _Prometheus:
    """The two metrics that most middleware for prometheus_client keeps."""

    def __init__(self) -> None:
        from prometheus_client import Counter, Histogram  # noqa: PLC0415

        self._requests = Counter("requests", "Requests", ["method", "status"])
        self._times = Histogram("request_seconds", "Response times", ["method", "path"])

    def count(self, method: str, path: str, status: str, seconds: float) -> None:
        self._requests.labels(method, status).inc()
        self._times.labels(method, path).observe(seconds)


def _prometheus_asgi(application: Any) -> Any:
    metrics = _Prometheus()

    async def counted(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        began, status = time.perf_counter(), "500"

        async def see(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await application(scope, receive, see)
        finally:
            took = time.perf_counter() - began
            metrics.count(scope["method"], scope["path"], status, took)

    return counted


def _prometheus_wsgi(application: Any) -> Any:
    metrics = _Prometheus()

    def counted(environ: dict[str, Any], start_response: Any) -> Any:
        began, status = time.perf_counter(), "500"

        def see(line: str, *rest: Any) -> Any:
            nonlocal status
            status = line[:3]
            return start_response(line, *rest)

        try:
            return application(environ, see)
        finally:
            took = time.perf_counter() - began
            metrics.count(environ["REQUEST_METHOD"], environ["PATH_INFO"], status, took)

    return counted


def _meters() -> Any:
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415

    return MeterProvider([InMemoryMetricReader()])


def _opentelemetry_asgi(application: Any) -> Any:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware  # noqa: PLC0415

    return OpenTelemetryMiddleware(application, meter_provider=_meters())


def _opentelemetry_wsgi(application: Any) -> Any:
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware  # noqa: PLC0415

    return OpenTelemetryMiddleware(application, meter_provider=_meters())


ASGI: dict[str, Callable[[Any], Any]] = {
    "plain": lambda application: application,
    "quickstep": AsgiMiddleware,
    "prometheus": _prometheus_asgi,
    "opentelemetry": _opentelemetry_asgi,
}
WSGI: dict[str, Callable[[Any], Any]] = {
    "plain": lambda application: application,
    "quickstep": WsgiMiddleware,
    "prometheus": _prometheus_wsgi,
    "opentelemetry": _opentelemetry_wsgi,
}
