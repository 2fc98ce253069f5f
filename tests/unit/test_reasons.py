"""What a decision says of itself: its reason, and what each rule did to the number.

Operators read nothing else of a decision, so the words and the numbers are all held here.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from quickstep.engine import step_policy
from quickstep.engine.decide import correct, decide, set_capacity
from quickstep.engine.model import (
    Alarm,
    AlarmState,
    Decision,
    Direction,
    Launch,
    Observation,
    Pause,
    ScalableTarget,
    State,
)
from quickstep.engine.proposal import Bounds, Case
from tests.builders import (
    BLIND,
    NOW,
    PER_TASK,
    QUIET,
    a_policy,
    a_scale_in_policy,
    a_target,
    ago,
    firing,
    in_rollout,
    points,
    scaled_in,
    scaled_out,
    seen,
)

BY_2 = "high-request-rate: 160 is 60 above the threshold 100: step [50, 100) adds 2"
BY_1 = "low-request-rate: 10 is 20 below the threshold 30: step (-∞, 0] removes 1"
ADDS_2 = "high-request-rate is at 160, above its threshold of 100: adds 2 tasks"
REMOVES_1 = "low-request-rate is at 10, below its threshold of 30: removes 1 task"

LOW_FIRING = firing(10.0, threshold=30)
CAPPED = replace(a_target(), max_adjustment_magnitude=1)
TWO = a_target(a_policy("rate"), a_policy("latency"))
LAUNCHED = State(launches=(Launch(ago(20), 4),))
NOISY = points(*[68.0, 72.0] * 4, samples=10)
PAUSED = State(pause=Pause(frozenset(Direction)))
MIGRATION = State(pause=Pause(frozenset(Direction), ago(-60), "migration"))
UNREADABLE = State(unreadable="override.min: must be a whole number")
BY_THREE = a_scale_in_policy(steps=((None, 0, -3),))


def over(value: float, step: str) -> str:
    """Return what a scale-out step says whose alarm's threshold is 100."""
    return f"high-request-rate: {value:g} is {value - 100:g} above the threshold 100: step {step}"


def under(value: float) -> str:
    """Return what a scale-in step says whose alarm's threshold is 90."""
    why = f"low-request-rate: {value:g} is {90 - value:g} below the threshold 90"
    return f"{why}: step (-∞, 0] removes 1"


def trail_lines(decision: Decision) -> list[str]:
    """Return the reason of a decision, and its trail line by line."""
    lines = [f"{step.guard} {step.before} -> {step.after}: {step.why}" for step in decision.trail]
    return [decision.reason, *lines]


def held(opening: str, *lines: str) -> list[str]:
    """Return the story of a hold, whose reason is what the last of the rules says."""
    _, why = lines[-1].split(": ", 1)
    return [f"{opening}: {why}", *lines]


@pytest.mark.parametrize(
    ("target", "observation", "state", "story"),
    [
        pytest.param(
            a_target(), seen(4, high=firing(160.0)), State(),
            [
                f"Scaled out from 4 to 6: {ADDS_2}",
                f"steps 4 -> 6: {BY_2}",
                "bounds 6 -> 6: within the policy's bounds of 2 to 40",
            ],
            id="a step within the bounds",
        ),
        pytest.param(
            a_target(maximum=6), seen(4, high=firing(160.0)), State(),
            [
                f"Scaled out from 4 to 6: {ADDS_2}",
                f"steps 4 -> 6: {BY_2}",
                "bounds 6 -> 6: within the policy's bounds of 2 to 6",
            ],
            id="up to the maximum exactly",
        ),
        pytest.param(
            a_target(maximum=5), seen(4, high=firing(160.0)), State(),
            [
                f"Scaled out from 4 to 5: 6 would exceed the policy's maximum of 5 ({ADDS_2})",
                f"steps 4 -> 6: {BY_2}",
                "bounds 6 -> 5: 6 would exceed the policy's maximum of 5",
            ],
            id="beyond the maximum",
        ),
        pytest.param(
            a_target(maximum=4), seen(4, high=firing(160.0)), State(),
            held(
                "Kept 4 tasks, at the maximum",
                f"steps 4 -> 6: {BY_2}",
                "bounds 6 -> 4: 6 would exceed the policy's maximum of 4",
            ),
            id="at the maximum",
        ),
        pytest.param(
            a_target(maximum=3), seen(4, high=firing(160.0)), State(),
            held(
                "Kept 4 tasks, at the maximum",
                f"steps 4 -> 6: {BY_2}",
                "bounds 6 -> 4: 4 is above the policy's maximum of 3, so none is added",
            ),
            id="above the maximum",
        ),
        pytest.param(
            a_target(minimum=4), seen(1, high=firing(160.0)), State(),
            [
                f"Scaled out from 1 to 6: {ADDS_2} to the policy's minimum of 4",
                "bounds 1 -> 4: 1 is below the policy's minimum of 4, so the step counts from 4",
                f"steps 4 -> 6: {BY_2}",
                "bounds 6 -> 6: within the policy's bounds of 4 to 40",
            ],
            id="below the minimum: counted from there",
        ),
        pytest.param(
            CAPPED, seen(4, high=firing(160.0)), State(),
            [
                ("Scaled out from 4 to 5: MaxAdjustmentMagnitude limits a step to 1 task "
                 f"({ADDS_2})"),
                f"steps 4 -> 6: {BY_2}",
                "largest step 6 -> 5: MaxAdjustmentMagnitude limits a step to 1 task",
                "bounds 5 -> 5: within the policy's bounds of 2 to 40",
            ],
            id="beyond the largest step",
        ),
        pytest.param(
            a_target(), seen(4, high=firing(100.0)), State(),
            [
                "Scaled out from 4 to 5: high-request-rate is at 100, its threshold: adds 1 task",
                f"steps 4 -> 5: {over(100, '[0, 50) adds 1')}",
                "bounds 5 -> 5: within the policy's bounds of 2 to 40",
            ],
            id="at the threshold",
        ),
        pytest.param(
            a_target(a_policy(steps=((-50, None, 1),))), seen(4, high=firing(99.5)), State(),
            [
                ("Scaled out from 4 to 5: high-request-rate is at 99.5, below its threshold of "
                 "100: adds 1 task"),
                ("steps 4 -> 5: high-request-rate: 99.5 is 0.5 below the threshold 100: "
                 "step [-50, ∞) adds 1"),
                "bounds 5 -> 5: within the policy's bounds of 2 to 40",
            ],
            id="a step below the threshold",
        ),
        pytest.param(
            a_target(a_policy(steps=((0, None, 0),))), seen(4, high=firing(160.0)), State(),
            [
                ("Kept 4 tasks: high-request-rate is at 160, above its threshold of 100: changes "
                 "nothing"),
                f"steps 4 -> 4: {over(160, '[0, ∞) adds 0')}",
            ],
            id="a step of nothing",
        ),
        pytest.param(
            TWO, seen(4, rate=firing(120.0), latency=firing(160.0)), State(),
            [
                ("Scaled out from 4 to 6: latency is at 160, above its threshold of 100: adds 2 "
                 "tasks"),
                "steps 4 -> 5: rate: 120 is 20 above the threshold 100: step [0, 50) adds 1",
                ("steps 4 -> 6: latency: 160 is 60 above the threshold 100: step [50, 100) "
                 "adds 2"),
                "several policies 6 -> 6: the largest of 5 and 6 wins",
                "bounds 6 -> 6: within the policy's bounds of 2 to 40",
            ],
            id="several policies",
        ),
        pytest.param(
            a_target(), seen(6, high=firing(160.0)), scaled_out(5, 4, 6),
            [
                ("Kept 6 tasks for now: in cooldown until 10:00:17 UTC after scaling out from 4 to "
                 "6, and this step adds no more"),
                f"steps 6 -> 8: {BY_2}",
                ("cooldown 8 -> 6: scaled out from 4 to 6 at 10:00:07 UTC; until 10:00:17 UTC, a "
                 "step counts from 4: 6"),
            ],
            id="in a cooldown",
        ),
        pytest.param(
            a_target(), seen(6, high=firing(250.0)), scaled_out(5, 4, 6),
            [
                ("Scaled out from 6 to 8: in cooldown until 10:00:17 UTC after scaling out from 4 "
                 "to 6, so this step counts from 4 (high-request-rate is at 250, above its "
                 "threshold of 100: adds 4 tasks)"),
                f"steps 6 -> 10: {over(250, '[100, ∞) adds 4')}",
                ("cooldown 10 -> 8: scaled out from 4 to 6 at 10:00:07 UTC; until 10:00:17 UTC, a "
                 "step counts from 4: 8"),
                "bounds 8 -> 8: within the policy's bounds of 2 to 40",
            ],
            id="a larger step in a cooldown",
        ),
        pytest.param(
            PER_TASK, seen(6, high=firing(360.0)), LAUNCHED,
            [
                ("Scaled out from 6 to 7: only 2 of 6 tasks are reporting; spread over all 6, "
                 "expect 120 each (high-request-rate is at 360, above its threshold of 100: adds "
                 "4 tasks)"),
                f"steps 6 -> 10: {over(360, '[100, ∞) adds 4')}",
                ("capacity on its way 10 -> 7: only 2 of 6 tasks are reporting; spread over all "
                 "6, expect 120 each: 7 wanted"),
                "bounds 7 -> 7: within the policy's bounds of 2 to 40",
            ],
            id="some of it on its way",
        ),
        pytest.param(
            PER_TASK, seen(6, high=firing(225.0)), LAUNCHED,
            [
                ("Kept 6 tasks: 4 have yet to report. Once they do, expect 75 per task, below the "
                 "threshold of 100."),
                f"steps 6 -> 10: {over(225, '[100, ∞) adds 4')}",
                ("capacity on its way 10 -> 6: only 2 of 6 tasks are reporting; spread over all "
                 "6, expect 75 each: no breach"),
            ],
            id="all of it on its way",
        ),
        pytest.param(
            a_target(), seen(4, high=firing(160.0)), PAUSED,
            held(
                "Kept 4 tasks while paused",
                f"steps 4 -> 6: {BY_2}",
                "pause 6 -> 4: scale-out is paused",
            ),
            id="paused until somebody resumes",
        ),
        pytest.param(
            a_target(), seen(4, high=firing(160.0)), MIGRATION,
            held(
                "Kept 4 tasks while paused",
                f"steps 4 -> 6: {BY_2}",
                "pause 6 -> 4: scale-out is paused until 2026-11-22 10:01:12 UTC: migration",
            ),
            id="paused for a while, and why",
        ),
        pytest.param(
            a_target(dry_run=True), seen(4, high=firing(160.0)), State(),
            [
                f"Would scale from 4 to 6, but this is a dry run: {ADDS_2}",
                f"steps 4 -> 6: {BY_2}",
                "bounds 6 -> 6: within the policy's bounds of 2 to 40",
                "dry run 6 -> 6: capacity is left as it is",
            ],
            id="a dry run",
        ),
    ],
)  # fmt: skip
def test_adding_tasks_reads_as(
    target: ScalableTarget, observation: Observation, state: State, story: list[str]
) -> None:
    assert trail_lines(decide(target, observation, state, NOW)) == story


@pytest.mark.parametrize(
    ("target", "observation", "state", "story"),
    [
        pytest.param(
            a_target(), seen(4, low=LOW_FIRING), State(),
            [
                f"Scaled in from 4 to 3: {REMOVES_1}",
                f"steps 4 -> 3: {BY_1}",
                "deployment 3 -> 3: no rollout is in progress",
                "bounds 3 -> 3: within the policy's bounds of 2 to 40",
            ],
            id="a removal within the bounds",
        ),
        pytest.param(
            a_target(minimum=3), seen(4, low=LOW_FIRING), State(),
            [
                f"Scaled in from 4 to 3: {REMOVES_1}",
                f"steps 4 -> 3: {BY_1}",
                "deployment 3 -> 3: no rollout is in progress",
                "bounds 3 -> 3: within the policy's bounds of 3 to 40",
            ],
            id="down to the minimum exactly",
        ),
        pytest.param(
            a_target(BY_THREE, minimum=3), seen(4, low=LOW_FIRING), State(),
            [
                ("Scaled in from 4 to 3: 1 would be below the policy's minimum of 3 "
                 "(low-request-rate is at 10, below its threshold of 30: removes 3 tasks)"),
                ("steps 4 -> 1: low-request-rate: 10 is 20 below the threshold 30: step "
                 "(-∞, 0] removes 3"),
                "deployment 1 -> 1: no rollout is in progress",
                "bounds 1 -> 3: 1 would be below the policy's minimum of 3",
            ],
            id="beyond the minimum",
        ),
        pytest.param(
            a_target(minimum=4), seen(4, low=LOW_FIRING), State(),
            held(
                "Kept 4 tasks, at the minimum",
                f"steps 4 -> 3: {BY_1}",
                "deployment 3 -> 3: no rollout is in progress",
                "bounds 3 -> 4: 3 would be below the policy's minimum of 4",
            ),
            id="at the minimum",
        ),
        pytest.param(
            a_target(minimum=5), seen(4, low=LOW_FIRING), State(),
            held(
                "Kept 4 tasks, at the minimum",
                f"steps 4 -> 3: {BY_1}",
                "deployment 3 -> 3: no rollout is in progress",
                "bounds 3 -> 4: 4 is below the policy's minimum of 5, so none is removed",
            ),
            id="below the minimum",
        ),
        pytest.param(
            a_target(maximum=10), seen(15, low=LOW_FIRING), State(),
            [
                f"Scaled in from 15 to 9: {REMOVES_1} from the policy's maximum of 10",
                ("bounds 15 -> 10: 15 is above the policy's maximum of 10, so the step counts "
                 "from 10"),
                f"steps 10 -> 9: {BY_1}",
                "deployment 9 -> 9: no rollout is in progress",
                "bounds 9 -> 9: within the policy's bounds of 2 to 10",
            ],
            id="above the maximum: counted from there",
        ),
        pytest.param(
            a_target(a_scale_in_policy(steps=((None, 0, 0),))), seen(4, low=LOW_FIRING), State(),
            [
                ("Kept 4 tasks: low-request-rate is at 10, below its threshold of 30: changes "
                 "nothing"),
                ("steps 4 -> 4: low-request-rate: 10 is 20 below the threshold 30: step "
                 "(-∞, 0] adds 0"),
            ],
            id="a removal of nothing",
        ),
        pytest.param(
            a_target(), seen(4, low=LOW_FIRING), scaled_in(10, 5, 4),
            held(
                "Kept 4 tasks for now",
                f"steps 4 -> 3: {BY_1}",
                "cooldown 3 -> 4: in cooldown, no scale-in until 10:00:32 UTC",
            ),
            id="in its own cooldown",
        ),
        pytest.param(
            PER_TASK, seen(5, low=firing(80.0, threshold=90), high=QUIET), State(),
            held(
                "Kept 5 tasks, as fewer would breach again",
                f"steps 5 -> 4: {under(80)}",
                "would flap 4 -> 5: a load of 400 needs 5 tasks to stay below 100 each",
            ),
            id="what would flap",
        ),
        pytest.param(
            PER_TASK, seen(5, low=firing(70.0, threshold=90, recent=NOISY), high=QUIET), State(),
            [
                ("Kept 5 tasks, as fewer would breach again: a load of 447, noise included, needs "
                 "5 tasks to stay below 100 each"),
                f"steps 5 -> 4: {under(70)}",
                ("would flap 4 -> 5: a load of 446.842, noise included, needs 5 tasks to stay "
                 "below 100 each"),
            ],
            id="what would flap for its noise",
        ),
        pytest.param(
            a_target(), in_rollout(seen(4, low=LOW_FIRING)), State(),
            held(
                "Kept 4 tasks during a deployment",
                f"steps 4 -> 3: {BY_1}",
                "deployment 3 -> 4: no task is removed until the rollout is complete",
            ),
            id="during a rollout",
        ),
        pytest.param(
            a_target(), seen(4, low=LOW_FIRING), UNREADABLE,
            held(
                "Kept 4 tasks while paused",
                f"steps 4 -> 3: {BY_1}",
                ("pause 3 -> 4: no task is removed while an operator's entry is unreadable: "
                 "override.min: must be a whole number"),
            ),
            id="while something cannot be read",
        ),
        pytest.param(
            a_target(), seen(4, low=LOW_FIRING), PAUSED,
            held(
                "Kept 4 tasks while paused",
                f"steps 4 -> 3: {BY_1}",
                "pause 3 -> 4: scale-in is paused",
            ),
            id="while paused",
        ),
    ],
)  # fmt: skip
def test_removing_tasks_reads_as(
    target: ScalableTarget, observation: Observation, state: State, story: list[str]
) -> None:
    assert trail_lines(decide(target, observation, state, NOW)) == story


@pytest.mark.parametrize(
    ("target", "observation", "state", "story"),
    [
        pytest.param(
            a_target(), seen(4, high=QUIET, low=QUIET), State(),
            held(
                "Kept 4 tasks",
                "steps 4 -> 4: no alarm is in ALARM",
            ),
            id="no alarm fires",
        ),
        pytest.param(
            a_target(a_scale_in_policy()), seen(4, high=None, low=BLIND), State(),
            held(
                "Kept 4 tasks, load unknown",
                "data 4 -> 4: every alarm is in INSUFFICIENT_DATA",
            ),
            id="every alarm is blind",
        ),
        pytest.param(
            a_target(), seen(4, high=None, low=LOW_FIRING), State(),
            held(
                "Kept 4 tasks, load unknown",
                ("data 4 -> 4: high-request-rate has no known alarm, so no task is "
                 "removed"),
            ),
            id="a scale-out alarm that is not known",
        ),
        pytest.param(
            a_target(), seen(4, high=BLIND, low=LOW_FIRING), State(),
            held(
                "Kept 4 tasks, load unknown",
                ("data 4 -> 4: high-request-rate is in INSUFFICIENT_DATA, so no task is "
                 "removed"),
            ),
            id="a blind scale-out alarm",
        ),
        pytest.param(
            a_target(), seen(4, high=firing(160.0, muted=True)), State(),
            held(
                "Kept 4 tasks while the alarm is muted",
                "muted 4 -> 4: high-request-rate is in ALARM but muted",
            ),
            id="a muted scale-out alarm",
        ),
        pytest.param(
            a_target(), seen(4, low=replace(LOW_FIRING, muted=True)), State(),
            held(
                "Kept 4 tasks while the alarm is muted",
                "muted 4 -> 4: low-request-rate is in ALARM but muted",
            ),
            id="a muted scale-in alarm",
        ),
        pytest.param(
            a_target(), seen(4, high=Alarm(AlarmState.ALARM)), State(),
            held(
                "Kept 4 tasks, load unknown",
                ("data 4 -> 4: high-request-rate is in ALARM, but the alarm carries no "
                 "datapoint"),
            ),
            id="a scale-out alarm without a datapoint",
        ),
        pytest.param(
            a_target(), seen(4, low=Alarm(AlarmState.ALARM)), State(),
            held(
                "Kept 4 tasks, load unknown",
                ("data 4 -> 4: low-request-rate is in ALARM, but the alarm carries no "
                 "datapoint"),
            ),
            id="a scale-in alarm without a datapoint",
        ),
        pytest.param(
            a_target(), seen(4, high=firing(90.0)), State(),
            held(
                "Kept 4 tasks",
                ("steps 4 -> 4: high-request-rate is in ALARM, but no step matches its "
                 "datapoints"),
            ),
            id="no scale-out step matches",
        ),
        pytest.param(
            a_target(), seen(4, low=firing(40.0, threshold=30)), State(),
            held(
                "Kept 4 tasks",
                ("steps 4 -> 4: low-request-rate is in ALARM, but no step matches its "
                 "datapoints"),
            ),
            id="no scale-in step matches",
        ),
    ],
)  # fmt: skip
def test_no_step_to_take_reads_as(
    target: ScalableTarget, observation: Observation, state: State, story: list[str]
) -> None:
    decision = decide(target, observation, state, NOW)

    assert trail_lines(decision) == story
    assert (decision.wanted, decision.granted) == (4, 4)


@pytest.mark.parametrize(
    ("target", "observation", "state", "story"),
    [
        pytest.param(
            a_target(), seen(1), State(),
            [
                "Scaled out from 1 to 2: 1 is below the policy's minimum of 2",
                "bounds 1 -> 2: 1 is below the policy's minimum of 2",
            ],
            id="to the minimum",
        ),
        pytest.param(
            a_target(), seen(50), State(),
            [
                "Scaled in from 50 to 40: 50 is above the policy's maximum of 40",
                "bounds 50 -> 40: 50 is above the policy's maximum of 40",
                "deployment 40 -> 40: no rollout is in progress",
            ],
            id="to the maximum",
        ),
        pytest.param(
            a_target(), in_rollout(seen(50)), State(),
            held(
                "Kept 50 tasks during a deployment",
                "bounds 50 -> 40: 50 is above the policy's maximum of 40",
                "deployment 40 -> 50: no task is removed until the rollout is complete",
            ),
            id="held by a rollout",
        ),
        pytest.param(
            a_target(), seen(1), PAUSED,
            held(
                "Kept 1 task while paused",
                "bounds 1 -> 2: 1 is below the policy's minimum of 2",
                "pause 2 -> 1: scale-out is paused",
            ),
            id="held by a pause",
        ),
    ],
)  # fmt: skip
def test_a_correction_into_the_bounds_reads_as(
    target: ScalableTarget, observation: Observation, state: State, story: list[str]
) -> None:
    decision = correct(target, observation, state, NOW)

    assert decision is not None
    assert trail_lines(decision) == story


@pytest.mark.parametrize(
    ("desired", "capacity", "story"),
    [
        pytest.param(
            4, 8,
            [
                "Scaled out from 4 to 8: an operator asked for 8 tasks",
                "request 4 -> 8: an operator asked for 8 tasks",
                "bounds 8 -> 8: within the policy's bounds of 2 to 40",
            ],
            id="within the bounds",
        ),
        pytest.param(
            4, 100,
            [
                ("Scaled out from 4 to 40: 100 is above the policy's maximum of 40 (an operator "
                 "asked for 100 tasks)"),
                "request 4 -> 100: an operator asked for 100 tasks",
                "bounds 100 -> 40: 100 is above the policy's maximum of 40",
            ],
            id="beyond the maximum",
        ),
        pytest.param(
            4, 4,
            held(
                "Kept 4 tasks",
                "request 4 -> 4: an operator asked for 4 tasks",
                "request 4 -> 4: an operator asked for 4 tasks, and that many are desired",
            ),
            id="as many as there are",
        ),
        pytest.param(
            40, 41,
            held(
                "Kept 40 tasks, at the maximum",
                "request 40 -> 41: an operator asked for 41 tasks",
                "bounds 41 -> 40: 41 is above the policy's maximum of 40",
            ),
            id="at the maximum",
        ),
        pytest.param(
            2, 1,
            held(
                "Kept 2 tasks, at the minimum",
                "request 2 -> 1: an operator asked for 1 task",
                "bounds 1 -> 2: 1 is below the policy's minimum of 2",
            ),
            id="at the minimum",
        ),
    ],
)  # fmt: skip
def test_a_requested_capacity_reads_as(desired: int, capacity: int, story: list[str]) -> None:
    assert trail_lines(set_capacity(a_target(), seen(desired), State(), NOW, capacity)) == story


def test_a_base_that_no_bound_has_moved_is_no_correction() -> None:
    """As in a cooldown, in which a step counts from the capacity before the last scale-out."""
    policy, alarm = a_policy(), firing(160.0)
    target, observation = a_target(policy), seen(6, high=alarm)
    bounds = Bounds.in_force(target, State(), NOW)

    proposal = step_policy._from_step(  # noqa: SLF001 - the sentence is this function's
        Case(target, observation, State(), NOW, bounds), policy, alarm, 4
    )

    assert proposal is not None
    assert [(line.guard, line.after) for line in proposal.trail] == [("steps", 6)]
