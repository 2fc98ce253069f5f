"""What the simulator expects of a proof's plan, next to the measurements."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quickstep.config import read_target
from quickstep.naming import ServiceName
from quickstep_lab.prove.plan import Contender
from quickstep_lab.prove.result import rounded_median
from quickstep_lab.simulator.compare import Experiment, by_steps, played
from quickstep_lab.simulator.queueing import Server
from quickstep_lab.simulator.scalers.quickstep import Quickstep, with_surge_messages
from quickstep_lab.simulator.scalers.step_scaling import StepScaling
from quickstep_lab.simulator.scalers.target_tracking import TargetTracking
from quickstep_lab.simulator.signals import REQUESTS, cpu
from quickstep_lab.simulator.stage import Setup, Watch
from quickstep_lab.thresholds import default_thresholds
from quickstep_lab.traffic import Traffic

if TYPE_CHECKING:
    from quickstep_lab.prove.plan import Plan
    from quickstep_lab.simulator.stage import Run, Scaler
    from quickstep_lab.simulator.world import World

SEEDS = 20
CPU_TARGET = 60.0
"""Percent of a task's CPU that its target load takes."""
_LEAD = 120
"""Seconds of calm that are played before the surge."""


def predicted(plan: Plan, world: World, seeds: int = SEEDS) -> dict[Contender, float | None]:
    """Return the seconds from the first overloaded second to `UpdateService`: medians of seeds."""
    server = _server(plan)
    calm, surging = plan.rate(0), plan.rate(plan.offsets[0])
    seconds = [calm] * _LEAD + [surging] * plan.surge
    traffic = Traffic("a surge of the plan", tuple(rate * plan.fewest for rate in seconds))
    played_world = replace(world, server=server, publish_seconds=1)
    found: dict[Contender, float | None] = {}
    for one in Contender:
        experiment = Experiment(traffic, setup_of(plan, one), played_world, plan.fewest, seeds)
        scaler = scaler_of(plan, one)
        found[one] = rounded_median(
            _trigger(played(experiment, scaler, seed)) for seed in range(seeds)
        )
    return found


def setup_of(plan: Plan, contender: Contender) -> Setup:
    """Return what is tried of a contender: a target value on what its alarm watches."""
    target = read_target(document_of(plan, "prove", contender))
    signal = cpu(_server(plan)) if contender.watches_cpu else REQUESTS
    thresholds = default_thresholds(target)
    return Setup(target, thresholds, dict.fromkeys(thresholds, Watch(signal)))


def document_of(plan: Plan, cluster: str, contender: Contender) -> dict[str, Any]:
    """Return the policy document that Quickstep scales a contender's service by."""
    value = CPU_TARGET if contender.watches_cpu else float(plan.target)
    return {
        "ResourceId": ServiceName(cluster, contender.value).resource_id,
        "MinCapacity": plan.fewest,
        "MaxCapacity": plan.most,
        "WarmupSeconds": 45,
        "PublishSeconds": 1,
        "TargetTrackingPolicies": {contender.policy: {"TargetValue": value}},
    }


def scaler_of(plan: Plan, contender: Contender) -> Scaler:
    """Return the model of a contender."""
    setup = setup_of(plan, contender)
    match contender:
        case Contender.TRACKING:
            return TargetTracking(setup, "aas-target-tracking-20s")
        case Contender.STEP:
            return StepScaling(by_steps(setup), 10)
        case Contender.SURGE:
            return with_surge_messages(setup)
        case Contender.ALARM | Contender.CPU:
            return Quickstep(setup)


def _server(plan: Plan) -> Server:
    return Server(plan.target * 100 / CPU_TARGET)


def _trigger(run: Run) -> float | None:
    risen = [action.at for action in run.actions if action.after > action.before]
    after = [at - _LEAD for at in risen if at >= _LEAD]
    return after[0] if after else None
