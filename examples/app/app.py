"""A service to scale: each request takes about 20 ms of waiting and 2 ms of work."""

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
    """Answer as a service does that asks a database and renders something."""
    await asyncio.sleep(WAIT_SECONDS)
    until = time.perf_counter() + WORK_SECONDS
    while time.perf_counter() < until:
        pass
    return {"hello": "world"}


@app.get("/health")
async def health() -> dict[str, str]:
    """Answer the load balancer."""
    return {"status": "ok"}
