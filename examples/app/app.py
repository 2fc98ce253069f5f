"""A service to scale: each request waits about 20 ms and works for 2 ms."""

import asyncio
import logging
import time

from fastapi import FastAPI

from quickstep_publisher import AsgiMiddleware

logging.basicConfig(level=logging.INFO)

WORK_SECONDS = 0.002
WAIT_SECONDS = 0.020

app = FastAPI(title="Quickstep example")
app.add_middleware(AsgiMiddleware)  # the whole integration


@app.get("/")
async def index() -> dict[str, str]:
    """Respond like a service that queries a database and renders a page."""
    await asyncio.sleep(WAIT_SECONDS)
    until = time.perf_counter() + WORK_SECONDS
    while time.perf_counter() < until:
        pass
    return {"hello": "world"}


@app.get("/health")
async def health() -> dict[str, str]:
    """Respond to the load balancer's health check."""
    return {"status": "ok"}
