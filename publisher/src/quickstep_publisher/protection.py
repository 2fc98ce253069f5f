"""Keeping ECS from stopping a task while it works on something that must not be cut off."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

AGENT = "ECS_AGENT_URI"
TIMEOUT = 2
"""Seconds that ECS's agent has to answer; a job begins unprotected after them."""
_LONGEST = 2880
_logger = logging.getLogger("quickstep_publisher")


class TaskProtection:
    """Protects the task from scale-in and deployments while jobs run in it.

    With the first of several jobs the task is protected, and after the last one no more. Protection
    ends by itself after `minutes`; a job that begins when half of these are over renews it. The
    task's role needs ecs:UpdateTaskProtection. Each process counts for itself: of several worker
    processes, the first one that is idle would end the protection of all.

    Never raises: what fails is said in the log of `quickstep_publisher`, once. Outside ECS it does
    nothing.

    Args:
        minutes: 1 to 2880; how long a job takes at most.
        environment: where ECS names its agent.
        monotonic: the time, in seconds.

    Raises:
        ValueError: `minutes` is out of bounds.
    """

    def __init__(
        self,
        minutes: int = 60,
        environment: Mapping[str, str] = os.environ,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 1 <= minutes <= _LONGEST:
            raise ValueError(f"minutes must be 1 to {_LONGEST}, not {minutes!r}")
        self._minutes, self._monotonic = minutes, monotonic
        agent = environment.get(AGENT, "")
        self._url = f"{agent}/task-protection/v1/state" if agent.startswith("http://") else None
        self._lock = threading.Lock()
        self._jobs = 0
        self._until = 0.0
        self._said = False

    @contextmanager
    def job(self) -> Iterator[None]:
        """Protect the task while the block runs."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def begin(self) -> None:
        """Begin a job."""
        with self._lock:
            self._jobs += 1
            now = self._monotonic()
            if self._until - now < self._minutes * 60 / 2 and self._put(protected=True):
                self._until = now + self._minutes * 60

    def end(self) -> None:
        """End a job that `begin` began."""
        with self._lock:
            self._jobs -= 1
            if self._jobs == 0 and self._until and self._put(protected=False):
                self._until = 0.0

    def _put(self, *, protected: bool) -> bool:
        if self._url is None:
            return False
        content: dict[str, object] = {"ProtectionEnabled": protected}
        if protected:
            content["ExpiresInMinutes"] = self._minutes
        request = urllib.request.Request(  # noqa: S310 - http:// was checked
            self._url,
            json.dumps(content).encode(),
            {"Content-Type": "application/json"},
            method="PUT",
        )
        # The agent is link-local: a proxy that the environment names cannot reach it.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=TIMEOUT):
                return True
        except OSError as error:  # HTTPError and URLError are ones
            if not self._said:
                self._said = True
                _logger.warning(
                    "The task is not protected from scale-in: %s. "
                    "Its role needs ecs:UpdateTaskProtection.",
                    error,
                )
            return False
