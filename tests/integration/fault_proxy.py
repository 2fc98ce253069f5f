"""microburst in front of the embedded AWS: a proxy that speaks AWS's protocols, and breaks them."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTING = Retry(total=60, backoff_factor=0.05, backoff_max=0.5)


@dataclass(frozen=True, slots=True)
class FaultProxy:
    """A running proxy; clients are given its `endpoint_url`."""

    endpoint_url: str
    _session: requests.Session

    def inject(self, *rules: dict[str, Any]) -> None:
        """Replace all faults by these, and forget which have fired."""
        self._control("POST", "rules", list(rules))
        self._control("DELETE", "fired")

    def fired(self) -> list[str]:
        """Return the calls that have met a fault, in order."""
        return [fault["operation"] for fault in self._control("GET", "fired")]

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.endpoint_url}/_microburst/{path}"
        answer = self._session.request(method, url, json=body, timeout=5)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """Run a proxy before `upstream`; it answers once this returns."""
    port = _free_port()
    command = [sys.executable, "-m", "microburst", "--upstream", upstream, "--port", str(port)]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with requests.Session() as session:
            session.mount("http://", HTTPAdapter(max_retries=STARTING))
            proxy = FaultProxy(f"http://127.0.0.1:{port}", session)
            proxy.inject()
            yield proxy
    finally:
        process.kill()
        process.wait(timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
