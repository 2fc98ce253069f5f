"""The demo's run next to models of AWS's scalers: same traffic, same model of tasks. Pure.

The simulator's models decide what AWS's scalers do, and when. The demo's own model of tasks then
works out how all scalers' requests end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quickstep.config import parse_target
from quickstep_lab.service_model import FargateService
from quickstep_lab.simulator.compare import by_steps
from quickstep_lab.simulator.queueing import Server
from quickstep_lab.simulator.scalers.step_scaling import StepScaling
from quickstep_lab.simulator.scalers.target_tracking import TargetTracking
from quickstep_lab.simulator.stage import Setup, play
from quickstep_lab.simulator.world import Spread, World
from quickstep_lab.thresholds import default_thresholds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickstep.engine.model import ScalableTarget
    from quickstep_lab.service_model import Load
    from quickstep_lab.simulator.stage import Action, Scaler
    from quickstep_lab.snapshot import Plan, Snapshot

SEEDS = 21
"""Runs of each model, spread over the phases of CloudWatch's clocks; the median is shown."""

THERE = 0.9
"""A surge lasts while at least this share of its peak arrives; only then can tasks be enough."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One scaler's result: for each second, the requests, the failed ones, and the tasks."""

    name: str
    requests: tuple[float, ...]
    failed: tuple[float, ...]
    serving: tuple[int, ...]

    @classmethod
    def of(cls, name: str, loads: Sequence[Load]) -> Lane:
        """Return a lane from a model's loads, one per second."""
        return cls(
            name,
            tuple(load.requests for load in loads),
            tuple(load.failed for load in loads),
            tuple(len(load.tasks) for load in loads),
        )

    @property
    def lost(self) -> float:
        """All requests that failed."""
        return sum(self.failed)

    def until(self, second: int) -> Lane:
        """Return the result up to a second."""
        return replace(
            self,
            requests=self.requests[:second],
            failed=self.failed[:second],
            serving=self.serving[:second],
        )


@dataclass(frozen=True, slots=True)
class Race:
    """The scalers side by side, Quickstep first. A task should carry `target` requests a second.

    `seconds` is the race's full length, of which the lanes may cover a part.
    """

    lanes: tuple[Lane, ...]
    target: float
    seconds: int

    @property
    def surge_at(self) -> int | None:
        """The first overloaded second; all lanes start alike, so it is the same for all."""
        lane = self.lanes[0]
        seconds = zip(lane.requests, lane.serving, strict=True)
        return next(
            (n for n, (load, tasks) in enumerate(seconds) if load > self.target * tasks), None
        )

    def enough_after(self, lane: Lane) -> int | None:
        """Return the seconds from the first overloaded one until enough tasks served, or None.

        Example: 750 requests/s from second 10 on, a target of 100, 8 tasks from second 43 on: 33.
        None if the load went away first.
        """
        for after, second in enumerate(self._surge()):
            if lane.requests[second] <= self.target * lane.serving[second]:
                return after
        return None

    def lasted(self) -> int:
        """Return how many seconds the surge lasted, or has lasted so far."""
        return len(self._surge())

    def _surge(self) -> list[int]:
        """Return the surge's seconds: those with at least THERE of its peak so far."""
        if self.surge_at is None:
            return []
        peak, found = 0.0, []
        requests = self.lanes[0].requests
        for second in range(self.surge_at, len(requests)):
            peak = max(peak, requests[second])
            if requests[second] >= THERE * peak:
                found.append(second)
        return found


def race_of(plan: Plan, snapshots: Sequence[Snapshot], rivals: Sequence[Lane]) -> Race:
    """Return the race so far, from a run and the rivals that `rivals_of` found for its plan."""
    shown = snapshots[: plan.seconds]
    own = Lane.of("Quickstep", [shot.load for shot in shown])
    return Race(
        (own, *(rival.until(len(shown)) for rival in rivals)),
        _setup(_target(plan)).scale_out_threshold,
        plan.seconds,
    )


def rivals_of(plan: Plan, tasks: int) -> tuple[Lane, ...]:
    """Return what AWS's scalers would do on a plan, starting with this many tasks.

    Each uses the document's own target. Its clocks, such as its alarm's evaluation, have their own
    phase in each run, so failures differ; the median run is shown.
    """
    setup = _setup(_target(plan))
    world = World(
        server=Server(capacity=plan.capacity),
        start_up=Spread(plan.start_up, plan.start_up),
        deregistration_delay=setup.target.deregistration_delay_seconds,
        publish_seconds=setup.target.publish_seconds,
    )

    def median(name: str, scaler: Scaler) -> Lane:
        runs = (play(scaler, plan.traffic, world, tasks, seed) for seed in range(SEEDS))
        lanes = [_lane(name, plan, tasks, run.actions, setup.target) for run in runs]
        return sorted(lanes, key=lambda lane: lane.lost)[SEEDS // 2]

    steps = StepScaling(by_steps(setup), period=10)
    return (
        median("AWS's step policy on a 10-s alarm", steps),
        median("AWS's 20-s target tracking", TargetTracking(setup, "aas-target-tracking-20s")),
    )


def _lane(
    name: str, plan: Plan, tasks: int, actions: Sequence[Action], target: ScalableTarget
) -> Lane:
    """Return the result of a plan's traffic with these changes of the desired count."""
    fleet = FargateService(
        plan.start_up, plan.capacity, target.deregistration_delay_seconds
    ).with_desired(tasks, -plan.start_up)
    ahead, loads = list(actions), []
    for second in range(plan.seconds):
        loads.append(fleet.serve(plan.traffic.at(second), second))
        while ahead and ahead[0].at <= second + 1:
            fleet = fleet.with_desired(ahead.pop(0).after, second + 1)
    return Lane.of(name, loads)


def _target(plan: Plan) -> ScalableTarget:
    return parse_target(plan.policy.read_text(encoding="utf-8"))


def _setup(target: ScalableTarget) -> Setup:
    return Setup(target, default_thresholds(target))


MODELS = (
    "AWS's scalers are the simulator's models: of "
    f"{SEEDS} runs, the one with the median number of failed requests. All use the same "
    "model of tasks."
)
"""What a race models; a page that shows one says so."""


def enough(race: Race, lane: Lane) -> str:
    """Return when tasks were enough: `33 s`, or `not within 180 s`."""
    after = race.enough_after(lane)
    return f"{after} s" if after is not None else f"not within {race.lasted()} s"


def sentence(race: Race) -> str:
    """Return the race's result.

    Example: `Quickstep had enough tasks in 33 s and failed 14,850 requests, while AWS's step policy
    on a 10-s alarm took 165 s and failed 21,778, and AWS's 20-s target tracking did not have enough
    within 180 s and failed 70,266.`
    """
    if race.surge_at is None:
        return "No second was overloaded, so there was nothing to answer."
    own, *others = race.lanes
    after = race.enough_after(own)
    said = f"had enough tasks in {after} s" if after is not None else _short(race)
    rivals = ", and ".join(f"{lane.name} {_did(race, lane)}" for lane in others)
    return f"{own.name} {said} and failed {own.lost:,.0f} requests, while {rivals}."


def _did(race: Race, lane: Lane) -> str:
    after = race.enough_after(lane)
    said = f"took {after} s" if after is not None else _short(race)
    return f"{said} and failed {lane.lost:,.0f}"


def _short(race: Race) -> str:
    return f"did not have enough within {race.lasted()} s"
