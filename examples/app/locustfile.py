"""A surge: a few users for 60 s, many for 120 s, and a few again for 120 s.

    locust -f examples/app/locustfile.py --headless --host http://<load balancer>

Each user sends about two requests a second. Change the surge with QUIET, SURGE (users) and LENGTH
(a factor for the seconds): LENGTH=0.05 is a trial of 15 s.
"""

from __future__ import annotations

import os

from locust import HttpUser, LoadTestShape, constant_throughput, task

QUIET = int(os.environ.get("QUIET", "50"))
SURGE = int(os.environ.get("SURGE", "400"))
LENGTH = float(os.environ.get("LENGTH", "1"))
STAGES = ((60, QUIET), (180, SURGE), (300, QUIET))
"""The end of each stage in seconds, and its number of users."""


class Visitor(HttpUser):
    """A user who sends two requests a second, however long the responses take."""

    wait_time = constant_throughput(2)

    @task
    def index(self) -> None:
        """Ask for the page."""
        self.client.get("/")


class Surge(LoadTestShape):
    """Users over time."""

    def tick(self) -> tuple[int, float] | None:
        """Return how many users should be active now, and how many may start per second."""
        now = self.get_run_time() / LENGTH
        return next(((users, max(users, 1)) for until, users in STAGES if now < until), None)
