"""What the simulated world is like: every modelled number, with where it comes from.

Durations are in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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
        return self.median * math.exp(away * math.log(self.p95 / self.median) / 1.645)


@dataclass(frozen=True, slots=True)
class World:
    """Everything the scalers have in common.

    `start_up` is from a task's launch until it listens; about 30 s on Fargate, and 23 s in AWS's
    own benchmark. It then publishes, and gets requests from its first passing health check on. A
    task whose health check fails `unhealthy_after` times in a row, for want of an answer within
    `health_timeout`, gets none, and is replaced; where all of them fail, all get requests (ALB
    guide, "Health checks for your target groups"). With `full_refuses_checks`, a task whose queue
    is full refuses a check like any request: so it is where one server answers both.

    Tasks are launched at most `launch_rate` a second with bursts of `launch_burst`, the Fargate
    quota of an account in a large Region, and `service_launch_rate`, that of a service. Of those
    that are launched from second `never_come_from` of the traffic on, `never_come_share` never
    run: an image that cannot be pulled, no address left, no Spot capacity.

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

    `jobs` are those of a worker, where the traffic is of jobs and not of requests.

    `outages` are the times in which no metric arrives, as (from, to) in seconds of the traffic.
    """

    server: Server = field(default_factory=Server)
    start_up: Spread = Spread(30, 40)
    health_interval: float = 5.0
    health_timeout: float = 4.0
    unhealthy_after: int = 2
    full_refuses_checks: bool = False
    launch_rate: float = 20.0
    launch_burst: float = 100.0
    service_launch_rate: float = 500 / 60
    never_come_from: float = math.inf
    never_come_share: float = 1.0
    deregistration_delay: float = 300.0
    protected_share: float = 0.0
    protection: float = 7200.0
    publish_seconds: int = 1
    silent_share: float = 0.0
    lost_share: float = 0.0
    visibility: Spread = Spread(1.5, 3.5)
    event: Spread = Spread(0.08, 0.2)
    hop: float = 0.2
    cold_share: float = 0.01
    cold_start: Spread = Spread(0.8, 1.5)
    call: Spread = Spread(0.12, 0.3)
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
