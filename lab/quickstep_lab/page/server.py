"""Serve the page on loopback from its own thread, and open it in a browser."""

from __future__ import annotations

import socket
import time
import webbrowser
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import uvicorn

from quickstep_lab.page.app import HOST, make_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep_lab.page.feed import Feed

_START_SECONDS = 10
_STOP_SECONDS = 2


@contextmanager
def serving(feed: Feed, port: int = 0) -> Iterator[str]:
    """Serve a feed on this machine's loopback until the block ends; yield the page's address.

    Port 0 picks a free one. The feed ends with the block, and open pages learn of it.

    Raises:
        OSError: the port is taken, or may not be used.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
        server = uvicorn.Server(
            uvicorn.Config(
                make_app(feed),
                log_level="error",
                lifespan="off",
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        thread = Thread(
            target=server.run, kwargs={"sockets": [bound]}, name="quickstep-page", daemon=True
        )
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield f"http://{HOST}:{bound.getsockname()[1]}/"
        finally:
            feed.end()
            server.should_exit = True
            thread.join(_STOP_SECONDS + 1)


def _wait_until_started(server: uvicorn.Server, thread: Thread) -> None:
    latest = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > latest:
            raise OSError("the page's server did not start")
        time.sleep(0.01)


def open_in_browser(url: str) -> bool:
    """Open the page if there is a browser with a window; terminal browsers are left alone."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    # The base class itself is for w3m, lynx and the like; browsers with windows are subclasses.
    if type(browser) is webbrowser.GenericBrowser:
        return False
    return browser.open(url)
