"""Publish an ECS task's request rate, response time, connections and queue length every 5 s.

    app.add_middleware(AsgiMiddleware)             # Starlette, FastAPI
    app.wsgi_app = WsgiMiddleware(app.wsgi_app)    # Flask
    Publisher().observe(0.025)                     # anything else

A task publishes one value, however many worker processes it has; see the README.
"""

from quickstep_publisher._clock import Clock
from quickstep_publisher._points import Address, Metric, Point, Statistics
from quickstep_publisher._trouble import NotPublishedError
from quickstep_publisher.asgi import AsgiMiddleware
from quickstep_publisher.protection import TaskProtection
from quickstep_publisher.publisher import Publisher
from quickstep_publisher.surges import SurgeQueue, SurgeTransport
from quickstep_publisher.transports import (
    CloudWatchTransport,
    EmfTransport,
    LogsTransport,
    PrintTransport,
    Transport,
)
from quickstep_publisher.wsgi import WsgiMiddleware

__all__ = [
    "Address",
    "AsgiMiddleware",
    "Clock",
    "CloudWatchTransport",
    "EmfTransport",
    "LogsTransport",
    "Metric",
    "NotPublishedError",
    "Point",
    "PrintTransport",
    "Publisher",
    "Statistics",
    "SurgeQueue",
    "SurgeTransport",
    "TaskProtection",
    "Transport",
    "WsgiMiddleware",
    "__version__",
]

__version__ = "0.1.0"
