"""Keep ECS from stopping a task during work that must not be cut off."""

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
"""Seconds for ECS's agent to respond; after that a job begins unprotected."""
_LONGEST = 2880
_logger = logging.getLogger("quickstep_publisher")


class TaskProtection:
    """Protect the task from scale-in and deployments while jobs run in it.

    Protection begins with the first of several jobs and ends after the last. It also expires after
    `minutes`; a job that begins when half of that time has passed renews it. The task's role needs
    ecs:UpdateTaskProtection. Each process counts for itself: with several worker processes, the
    first idle one would end the protection for all.

    No method raises: failures are logged once to `quickstep_publisher`. Outside ECS nothing
    happens.

    Args:
        minutes: 1 to 2880; how long a job takes at most.
        environment: where ECS names its agent.
        monotonic: the clock, in seconds.

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
        # The agent is link-local: a proxy from the environment cannot reach it.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=TIMEOUT):
                return True
        except OSError as error:  # includes HTTPError and URLError
            if not self._said:
                self._said = True
                _logger.warning(
                    "The task is not protected from scale-in: %s. "
                    "Its role needs ecs:UpdateTaskProtection.",
                    error,
                )
            return False
