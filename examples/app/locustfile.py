"""A surge: 60 s of a few users, 120 s of many, 120 s of a few again.

    locust -f examples/app/locustfile.py --headless --host http://<load balancer>

Each user sends about two requests a second. QUIET, SURGE (users) and LENGTH (a factor for the
seconds) change it: LENGTH=0.05 is a trial of 15 s.
"""

from __future__ import annotations

import os

from locust import HttpUser, LoadTestShape, constant_throughput, task

QUIET = int(os.environ.get("QUIET", "50"))
SURGE = int(os.environ.get("SURGE", "400"))
LENGTH = float(os.environ.get("LENGTH", "1"))
STAGES = ((60, QUIET), (180, SURGE), (300, QUIET))
"""Until when (seconds), and how many users."""


class Visitor(HttpUser):
    """Somebody who asks twice a second, whatever the answers take."""

    wait_time = constant_throughput(2)

    @task
    def index(self) -> None:
        """Ask for the page."""
        self.client.get("/")


class Surge(LoadTestShape):
    """Users over time."""

    def tick(self) -> tuple[int, float] | None:
        """Return how many users there are to be now, and how many may start in a second."""
        now = self.get_run_time() / LENGTH
        return next(((users, max(users, 1)) for until, users in STAGES if now < until), None)
