"""The simulated world: its clocks, limits and problems.

Each number is one of `constants`, which gives its source; problems are off.

Durations are in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING

from quickstep_lab.simulator import constants
from quickstep_lab.simulator.queueing import Server

if TYPE_CHECKING:
    from random import Random

    from quickstep_lab.simulator.jobs import Jobs


CALL_SECONDS = 5
"""Seconds between a publisher's calls that carry whole seconds; a test compares the publisher's."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A log-normal duration: half are below `median`, 95 % below `p95`."""

    median: float
    p95: float

    def draw(self, random: Random) -> float:
        """Return one duration. Example: median 30, p95 40: sigma is ln(40/30)/1.645 = 0.175."""
        # Always drawn, so that everything after it is the same in all worlds.
        away = random.gauss(0, 1)
        if self.median <= 0:
            return 0.0
        return self.median * math.exp(away * math.log(self.p95 / self.median) / _P95)


_P95 = NormalDist().inv_cdf(0.95)
"""Standard deviations below which 95 % of normal numbers lie."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything the scalers have in common.

    `start_up` runs from a task's launch until it listens. It then publishes, and gets requests
    after its first passing health check. A task gets none once its health check has failed
    `unhealthy_after` times in a row, for lack of an answer within `health_timeout`; if all tasks
    fail, all get requests (ALB guide, "Health checks for your target groups"). ECS launches a
    replacement first, and stops the unhealthy task once that serves (ECS guide, "Amazon ECS
    services"). With `full_refuses_checks`, a task refuses the same share of checks as of requests,
    as if one server answered both.

    Tasks launch at `launch_rate` a second at most with bursts of `launch_burst`, the Fargate quota
    of an account in a large Region, and at `service_launch_rate`, a service's quota. Tasks launched
    from second `never_come_from` of the traffic on never run: an image that cannot be pulled, no
    free address, no Spot capacity.

    A removed task leaves the load balancer first and stops `deregistration_delay` later:
    ALB's default is 300 s ("Deregistration delay"). Until then it costs and publishes 0, and ECS no
    longer counts it as running. `protected_share` of the tasks protect themselves once they
    listen, for `protection` seconds, by default as task scale-in protection does: ECS stops
    others first, and runs more than the desired count rather than stop these.

    With `publish_seconds` of 1, a task calls every 5 s, in the interval's last second; each call
    carries the seconds that are over, as in the publisher. With more, it calls as often, in any
    phase, and carries their mean. A document's `PublishSeconds` says the same of its tasks.

    `silent_share` of the tasks have no publisher. `lost_share` of what publishers send never
    arrives, as when a process gets no CPU.

    `visibility` runs from PutMetricData until an alarm can see the datapoint: only "a few seconds"
    is known. `event` runs from an alarm's transition to the function's start, `cold_start` is
    added to `cold_share` of the invocations, `call` runs from there until ECS has accepted. A
    task's message takes `hop` through its queue, and then as long as an event.

    `aas_action` runs from an alarm's action until Application Auto Scaling has called
    UpdateService; `tracking_delay_60s` and `tracking_delay_20s` are what its target tracking adds,
    with metrics of 60 s and of 20 s.

    `jobs` are a worker's, for traffic of jobs instead of requests.

    `outages` are the times in which no metric arrives, as (from, to) in seconds of the traffic.
    """

    server: Server = field(default_factory=Server)
    start_up: Spread = Spread(constants.START_UP.value, constants.START_UP_P95.value)
    health_interval: float = constants.HEALTH_INTERVAL.value
    health_timeout: float = constants.HEALTH_TIMEOUT.value
    unhealthy_after: int = constants.UNHEALTHY_AFTER.whole
    full_refuses_checks: bool = False
    launch_rate: float = constants.LAUNCH_RATE.value
    launch_burst: float = constants.LAUNCH_BURST.value
    service_launch_rate: float = constants.SERVICE_LAUNCHES.value / 60
    never_come_from: float = math.inf
    deregistration_delay: float = constants.DEREGISTRATION_DELAY.value
    protected_share: float = 0.0
    protection: float = constants.PROTECTION.value
    publish_seconds: int = 1
    silent_share: float = 0.0
    lost_share: float = 0.0
    visibility: Spread = Spread(constants.VISIBILITY.value, constants.VISIBILITY_P95.value)
    event: Spread = Spread(constants.EVENT.value, constants.EVENT_P95.value)
    hop: float = constants.HOP.value
    cold_share: float = constants.COLD_SHARE.value
    cold_start: Spread = Spread(constants.COLD_START.value, constants.COLD_START_P95.value)
    call: Spread = Spread(constants.CALL.value, constants.CALL_P95.value)
    aas_action: Spread = Spread(constants.AAS_ACTION.value, constants.AAS_ACTION_P95.value)
    tracking_delay_60s: float = constants.TRACKING_DELAY_60S.value
    tracking_delay_20s: float = constants.TRACKING_DELAY_20S.value
    jobs: Jobs | None = None
    outages: tuple[tuple[int, int], ...] = ()

    @property
    def publish_interval(self) -> int:
        """Seconds from one of a task's calls to the next."""
        return CALL_SECONDS if self.publish_seconds == 1 else self.publish_seconds

    def invocation(self, random: Random) -> float:
        """Return the seconds from an alarm's transition, or a message, to UpdateService."""
        cold = self.cold_start.draw(random) if random.random() < self.cold_share else 0.0
        return self.event.draw(random) + cold + self.call.draw(random)
