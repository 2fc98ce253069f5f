"""What the simulated world is like: its clocks, limits and problems.

Each number is one of `constants`, which says where it comes from; problems are off.

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
"""Seconds between two calls of a publisher that carry whole seconds; a test holds it to its own."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A log-normal duration: half are below `median`, 95 % below `p95`."""

    median: float
    p95: float

    def draw(self, random: Random) -> float:
        """Return one duration. Example: median 30, p95 40: sigma is ln(40/30)/1.645 = 0.175."""
        # Drawn in any case: what comes after it is then the same in all worlds.
        away = random.gauss(0, 1)
        if self.median <= 0:
            return 0.0
        return self.median * math.exp(away * math.log(self.p95 / self.median) / _P95)


_P95 = NormalDist().inv_cdf(0.95)
"""Standard deviations within which 95 % of normal numbers lie, from below."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything the scalers have in common.

    `start_up` is from a task's launch until it listens. It then publishes, and gets requests from
    its first passing health check on. A task whose health check fails `unhealthy_after` times in a
    row, for want of an answer within `health_timeout`, gets none; where all of them fail, all get
    requests (ALB guide, "Health checks for your target groups"). ECS launches another in its place
    first, and stops it once that serves (ECS guide, "Amazon ECS services"). With
    `full_refuses_checks`, a task refuses as many of its checks as of its requests: so it is where
    one server answers both.

    Tasks are launched at most `launch_rate` a second with bursts of `launch_burst`, the Fargate
    quota of an account in a large Region, and `service_launch_rate`, that of a service. None
    that is launched from second `never_come_from` of the traffic on ever runs: an image that cannot
    be pulled, no address left, no Spot capacity.

    A task that is to go leaves the load balancer first and is stopped `deregistration_delay` later:
    ALB's default is 300 s ("Deregistration delay"). Until then it costs and publishes 0, and ECS no
    longer counts it as running. Of the tasks, `protected_share` protect themselves after they
    listen, for `protection` seconds, as task scale-in protection does by default: ECS stops
    others first, and runs more than are desired rather than stop these.

    With `publish_seconds` of 1, a task calls every 5 s, in the last second of the interval; each
    call carries the seconds that are over, as the publisher does it. With more, it calls as often,
    in any phase, and carries their mean. A document's `PublishSeconds` says the same of its tasks.

    `silent_share` of the tasks have no publisher. `lost_share` of what publishers send never
    arrives, as of a process that gets no CPU.

    `visibility` is from PutMetricData until an alarm can see the datapoint: "a few seconds" is all
    that is known. `event` is from an alarm's transition to the function's start, `cold_start` is
    added to `cold_share` of the invocations, `call` is from there until ECS has accepted. A task's
    message takes `hop` through its queue, and then as long as an event.

    `aas_action` is from an alarm's action until Application Auto Scaling has called UpdateService;
    `tracking_delay_60s` and `tracking_delay_20s` are what its target tracking takes on top, by
    metrics of 60 s and of 20 s.

    `jobs` are those of a worker, where the traffic is of jobs and not of requests.

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
        """Seconds from one call of a task to its next."""
        return CALL_SECONDS if self.publish_seconds == 1 else self.publish_seconds

    def invocation(self, random: Random) -> float:
        """Return the seconds from an alarm's transition, or a message, to UpdateService."""
        cold = self.cold_start.draw(random) if random.random() < self.cold_share else 0.0
        return self.event.draw(random) + cold + self.call.draw(random)
