"""Small worlds for the simulator's tests: what a test is about is an argument."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from quickstep.config import read_target
from quickstep_lab.simulator.fleet import Fleet
from quickstep_lab.simulator.metric import Metric
from quickstep_lab.simulator.queueing import Latencies, Server
from quickstep_lab.simulator.stage import Run, Scaler, Setup, Stage, play
from quickstep_lab.simulator.world import Spread, World
from quickstep_lab.traffic import Traffic
from tests.builders import HIGH, LOW, a_document

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quickstep_lab.simulator.fleet import Second

PROMPT = Spread(0, 0)
"""No delay at all."""


def exactly(seconds: float) -> Spread:
    """Return a duration that is always the same."""
    return Spread(seconds, seconds)


def a_setup(scale_out: float = 100, scale_in: float = 30, **changes: Any) -> Setup:
    """Return the example's policies, with top-level keys of the document replaced."""
    return Setup(read_target(a_document(**changes)), {HIGH: scale_out, LOW: scale_in})


def a_surge(factor: float, *, before: int = 60, during: int = 400, after: int = 0) -> Traffic:
    """Return 120 requests a second, `factor` times that for a while, and 120 again."""
    calm, high = 120.0, 120.0 * factor
    return Traffic("surge", (calm,) * before + (high,) * during + (calm,) * after)


def a_run(
    scaler: Scaler, traffic: Traffic, *, world: World | None = None, tasks: int = 2, seed: int = 0
) -> Run:
    return play(scaler, traffic, world or World(), tasks, seed)


def a_random(seed: int = 0) -> Random:
    return Random(seed)  # noqa: S311 - repeatable, not secret


def a_fleet(tasks: int, *, seed: int = 0, **world: Any) -> Fleet:
    """Return a fleet whose new tasks take 30 s to start, and whose tasks stop at once."""
    made = World(**{"start_up": exactly(30), "deregistration_delay": 0, **world})
    return Fleet(made, tasks, a_random(seed))


def serve_for(fleet: Fleet, requests: float, seconds: Iterable[int]) -> list[Second]:
    """Send as many requests in each of the seconds."""
    latencies = Latencies(Server())
    return [fleet.serve(requests, second, latencies) for second in seconds]


def a_stage(tasks: int = 2, *, seed: int = 0, **world: Any) -> Stage:
    random = a_random(seed)
    made = World(**{"visibility": exactly(1), **world})
    return Stage(made, random, Fleet(made, tasks, random), Metric(made, random))


def play_loads(stage: Stage, loads: Iterable[float]) -> None:
    """Play one second after the other, each task being sent as many requests as `loads` says."""
    for second, load in enumerate(loads, start=round(stage.now)):
        stage.play_until(second)
        serve_for(stage.fleet, load * stage.fleet.serving, [second])
        stage.metric.record(stage.fleet, load, second)
