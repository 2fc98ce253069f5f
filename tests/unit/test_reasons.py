"""What a decision says of itself: its reason, and what each rule did to the number.

Operators read nothing else of a decision, so the words and the numbers are all held here.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from quickstep.engine.decide import correct, decide, set_capacity
from quickstep.engine.model import (
    Alarm,
    AlarmState,
    Decision,
    Direction,
    Launch,
    MetricScope,
    Observation,
    Pause,
    ScalableTarget,
    State,
)
from tests.builders import (
    BLIND,
    NOW,
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

LOW_FIRING = firing(10.0, threshold=30)
PER_TASK = a_target(
    a_policy(scope=MetricScope.PER_TASK), a_scale_in_policy(scope=MetricScope.PER_TASK)
)
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
                f"Scaled out from 4 to 6: {BY_2}",
                f"steps 4 -> 6: {BY_2}",
                "bounds 6 -> 6: within the policy's 2 to 40",
            ],
            id="a step within the bounds",
        ),
        pytest.param(
            a_target(maximum=6), seen(4, high=firing(160.0)), State(),
            [
                f"Scaled out from 4 to 6: {BY_2}",
                f"steps 4 -> 6: {BY_2}",
                "bounds 6 -> 6: within the policy's 2 to 6",
            ],
            id="up to the maximum exactly",
        ),
        pytest.param(
            a_target(maximum=5), seen(4, high=firing(160.0)), State(),
            [
                f"Scaled out from 4 to 5: {BY_2}; 6 is capped at the policy's maximum 5",
                f"steps 4 -> 6: {BY_2}",
                "bounds 6 -> 5: 6 is capped at the policy's maximum 5",
            ],
            id="beyond the maximum",
        ),
        pytest.param(
            a_target(maximum=4), seen(4, high=firing(160.0)), State(),
            held(
                "Held at 4, at the maximum",
                f"steps 4 -> 6: {BY_2}",
                "bounds 6 -> 4: 6 is capped at the policy's maximum 4",
            ),
            id="at the maximum",
        ),
        pytest.param(
            a_target(maximum=3), seen(4, high=firing(160.0)), State(),
            held(
                "Held at 4, at the maximum",
                f"steps 4 -> 6: {BY_2}",
                ("bounds 6 -> 4: 4 is above the policy's maximum 3; a scale-out leaves that "
                 "as it is"),
            ),
            id="above the maximum",
        ),
        pytest.param(
            a_target(minimum=4), seen(1, high=firing(160.0)), State(),
            [
                f"Scaled out from 1 to 6: {BY_2}",
                "bounds 1 -> 4: 1 is outside 4 to 40: the step counts from 4",
                f"steps 4 -> 6: {BY_2}",
                "bounds 6 -> 6: within the policy's 4 to 40",
            ],
            id="below the minimum: counted from there",
        ),
        pytest.param(
            CAPPED, seen(4, high=firing(160.0)), State(),
            [
                (f"Scaled out from 4 to 5: {BY_2}; 6 is capped at 5, 1 "
                 "(MaxAdjustmentMagnitude) from 4"),
                f"steps 4 -> 6: {BY_2}",
                "largest step 6 -> 5: 6 is capped at 5, 1 (MaxAdjustmentMagnitude) from 4",
                "bounds 5 -> 5: within the policy's 2 to 40",
            ],
            id="beyond the largest step",
        ),
        pytest.param(
            a_target(), seen(4, high=firing(100.0)), State(),
            [
                f"Scaled out from 4 to 5: {over(100, '[0, 50) adds 1')}",
                f"steps 4 -> 5: {over(100, '[0, 50) adds 1')}",
                "bounds 5 -> 5: within the policy's 2 to 40",
            ],
            id="at the threshold",
        ),
        pytest.param(
            a_target(a_policy(steps=((-50, None, 1),))), seen(4, high=firing(99.5)), State(),
            [
                ("Scaled out from 4 to 5: high-request-rate: 99.5 is 0.5 below the "
                 "threshold 100: step [-50, ∞) adds 1"),
                ("steps 4 -> 5: high-request-rate: 99.5 is 0.5 below the threshold 100: "
                 "step [-50, ∞) adds 1"),
                "bounds 5 -> 5: within the policy's 2 to 40",
            ],
            id="a step below the threshold",
        ),
        pytest.param(
            a_target(a_policy(steps=((0, None, 0),))), seen(4, high=firing(160.0)), State(),
            held(
                "Held at 4, no policy asks for a change",
                f"steps 4 -> 4: {over(160, '[0, ∞) adds 0')}",
            ),
            id="a step of nothing",
        ),
        pytest.param(
            TWO, seen(4, rate=firing(120.0), latency=firing(160.0)), State(),
            [
                ("Scaled out from 4 to 6: latency: 160 is 60 above the threshold 100: step "
                 "[50, 100) adds 2"),
                "steps 4 -> 5: rate: 120 is 20 above the threshold 100: step [0, 50) adds 1",
                ("steps 4 -> 6: latency: 160 is 60 above the threshold 100: step [50, 100) "
                 "adds 2"),
                "several policies 6 -> 6: of 5, 6 the largest capacity wins",
                "bounds 6 -> 6: within the policy's 2 to 40",
            ],
            id="several policies",
        ),
        pytest.param(
            a_target(), seen(6, high=firing(160.0)), scaled_out(5, 4, 6),
            held(
                "Held at 6, in cooldown",
                f"steps 6 -> 8: {BY_2}",
                ("cooldown 8 -> 6: scaled out from 4 to 6 at 10:00:07; until 10:00:17 a "
                 "step counts from 4: 6"),
            ),
            id="in a cooldown",
        ),
        pytest.param(
            a_target(), seen(6, high=firing(250.0)), scaled_out(5, 4, 6),
            [
                (f"Scaled out from 6 to 8: {over(250, '[100, ∞) adds 4')}; scaled out from 4 "
                 "to 6 at 10:00:07; until 10:00:17 a step counts from 4: 8"),
                f"steps 6 -> 10: {over(250, '[100, ∞) adds 4')}",
                ("cooldown 10 -> 8: scaled out from 4 to 6 at 10:00:07; until 10:00:17 a "
                 "step counts from 4: 8"),
                "bounds 8 -> 8: within the policy's 2 to 40",
            ],
            id="a larger step in a cooldown",
        ),
        pytest.param(
            PER_TASK, seen(6, high=firing(360.0)), LAUNCHED,
            [
                (f"Scaled out from 6 to 7: {over(360, '[100, ∞) adds 4')}; 2 of 6 tasks serve; "
                 "spread over all of them, expect 120 each: 7 are asked for"),
                f"steps 6 -> 10: {over(360, '[100, ∞) adds 4')}",
                ("capacity on its way 10 -> 7: 2 of 6 tasks serve; spread over all of them, "
                 "expect 120 each: 7 are asked for"),
                "bounds 7 -> 7: within the policy's 2 to 40",
            ],
            id="some of it on its way",
        ),
        pytest.param(
            PER_TASK, seen(6, high=firing(225.0)), LAUNCHED,
            held(
                "Held at 6, enough capacity is on its way",
                f"steps 6 -> 10: {over(225, '[100, ∞) adds 4')}",
                ("capacity on its way 10 -> 6: 2 of 6 tasks serve; spread over all of them, "
                 "expect 75 each: no breach"),
            ),
            id="all of it on its way",
        ),
        pytest.param(
            a_target(), seen(4, high=firing(160.0)), PAUSED,
            held(
                "Held at 4, scaling is paused",
                f"steps 4 -> 6: {BY_2}",
                "pause 6 -> 4: scale-out is paused",
            ),
            id="paused until somebody resumes",
        ),
        pytest.param(
            a_target(), seen(4, high=firing(160.0)), MIGRATION,
            held(
                "Held at 4, scaling is paused",
                f"steps 4 -> 6: {BY_2}",
                "pause 6 -> 4: scale-out is paused until 2026-11-22 10:01:12 UTC: migration",
            ),
            id="paused for a while, and why",
        ),
        pytest.param(
            a_target(dry_run=True), seen(4, high=firing(160.0)), State(),
            [
                f"Would scale from 4 to 6, but this is a dry run: {BY_2}",
                f"steps 4 -> 6: {BY_2}",
                "bounds 6 -> 6: within the policy's 2 to 40",
                "dry run 6 -> 6: capacity is left as it is",
            ],
            id="a dry run",
        ),
    ],
)  # fmt: skip
def test_adding_tasks_is_told_as(
    target: ScalableTarget, observation: Observation, state: State, story: list[str]
) -> None:
    assert trail_lines(decide(target, observation, state, NOW)) == story


@pytest.mark.parametrize(
    ("target", "observation", "state", "story"),
    [
        pytest.param(
            a_target(), seen(4, low=LOW_FIRING), State(),
            [
                f"Scaled in from 4 to 3: {BY_1}",
                f"steps 4 -> 3: {BY_1}",
                "deployment 3 -> 3: no rollout is in progress",
                "bounds 3 -> 3: within the policy's 2 to 40",
            ],
            id="a removal within the bounds",
        ),
        pytest.param(
            a_target(minimum=3), seen(4, low=LOW_FIRING), State(),
            [
                f"Scaled in from 4 to 3: {BY_1}",
                f"steps 4 -> 3: {BY_1}",
                "deployment 3 -> 3: no rollout is in progress",
                "bounds 3 -> 3: within the policy's 3 to 40",
            ],
            id="down to the minimum exactly",
        ),
        pytest.param(
            a_target(BY_THREE, minimum=3), seen(4, low=LOW_FIRING), State(),
            [
                ("Scaled in from 4 to 3: low-request-rate: 10 is 20 below the threshold 30: "
                 "step (-∞, 0] removes 3; 1 is below the policy's minimum 3"),
                ("steps 4 -> 1: low-request-rate: 10 is 20 below the threshold 30: step "
                 "(-∞, 0] removes 3"),
                "deployment 1 -> 1: no rollout is in progress",
                "bounds 1 -> 3: 1 is below the policy's minimum 3",
            ],
            id="beyond the minimum",
        ),
        pytest.param(
            a_target(minimum=4), seen(4, low=LOW_FIRING), State(),
            held(
                "Held at 4, at the minimum",
                f"steps 4 -> 3: {BY_1}",
                "deployment 3 -> 3: no rollout is in progress",
                "bounds 3 -> 4: 3 is below the policy's minimum 4",
            ),
            id="at the minimum",
        ),
        pytest.param(
            a_target(minimum=5), seen(4, low=LOW_FIRING), State(),
            held(
                "Held at 4, at the minimum",
                f"steps 4 -> 3: {BY_1}",
                "deployment 3 -> 3: no rollout is in progress",
                ("bounds 3 -> 4: 4 is below the policy's minimum 5; a scale-in leaves that "
                 "as it is"),
            ),
            id="below the minimum",
        ),
        pytest.param(
            a_target(maximum=10), seen(15, low=LOW_FIRING), State(),
            [
                f"Scaled in from 15 to 9: {BY_1}",
                "bounds 15 -> 10: 15 is outside 2 to 10: the step counts from 10",
                f"steps 10 -> 9: {BY_1}",
                "deployment 9 -> 9: no rollout is in progress",
                "bounds 9 -> 9: within the policy's 2 to 10",
            ],
            id="above the maximum: counted from there",
        ),
        pytest.param(
            a_target(a_scale_in_policy(steps=((None, 0, 0),))), seen(4, low=LOW_FIRING), State(),
            held(
                "Held at 4, no policy asks for a change",
                ("steps 4 -> 4: low-request-rate: 10 is 20 below the threshold 30: step "
                 "(-∞, 0] adds 0"),
            ),
            id="a removal of nothing",
        ),
        pytest.param(
            a_target(), seen(4, low=LOW_FIRING), scaled_in(10, 5, 4),
            held(
                "Held at 4, in cooldown",
                f"steps 4 -> 3: {BY_1}",
                "cooldown 3 -> 4: no scale-in until 10:00:32",
            ),
            id="in its own cooldown",
        ),
        pytest.param(
            PER_TASK, seen(5, low=firing(80.0, threshold=90), high=QUIET), State(),
            held(
                "Held at 5, a smaller fleet would breach again",
                f"steps 5 -> 4: {under(80)}",
                ("would flap 4 -> 5: a load of 400 in all takes 5 tasks to stay below 100 "
                 "each"),
            ),
            id="what would flap",
        ),
        pytest.param(
            PER_TASK, seen(5, low=firing(70.0, threshold=90, recent=NOISY), high=QUIET), State(),
            held(
                "Held at 5, a smaller fleet would breach again",
                f"steps 5 -> 4: {under(70)}",
                ("would flap 4 -> 5: a load of 446.8 in all, noise included, takes 5 tasks "
                 "to stay below 100 each"),
            ),
            id="what would flap for its noise",
        ),
        pytest.param(
            a_target(), in_rollout(seen(4, low=LOW_FIRING)), State(),
            held(
                "Held at 4 during a deployment",
                f"steps 4 -> 3: {BY_1}",
                "deployment 3 -> 4: no task is removed while a rollout is in progress",
            ),
            id="during a rollout",
        ),
        pytest.param(
            a_target(), seen(4, low=LOW_FIRING), UNREADABLE,
            held(
                "Held at 4, scaling is paused",
                f"steps 4 -> 3: {BY_1}",
                ("pause 3 -> 4: no task is removed while this cannot be read: override.min: "
                 "must be a whole number"),
            ),
            id="while something cannot be read",
        ),
        pytest.param(
            a_target(), seen(4, low=LOW_FIRING), PAUSED,
            held(
                "Held at 4, scaling is paused",
                f"steps 4 -> 3: {BY_1}",
                "pause 3 -> 4: scale-in is paused",
            ),
            id="while paused",
        ),
    ],
)  # fmt: skip
def test_removing_tasks_is_told_as(
    target: ScalableTarget, observation: Observation, state: State, story: list[str]
) -> None:
    assert trail_lines(decide(target, observation, state, NOW)) == story


@pytest.mark.parametrize(
    ("target", "observation", "state", "story"),
    [
        pytest.param(
            a_target(), seen(4, high=QUIET, low=QUIET), State(),
            held(
                "Held at 4, no policy asks for a change",
                "steps 4 -> 4: no alarm is in ALARM",
            ),
            id="no alarm fires",
        ),
        pytest.param(
            a_target(a_scale_in_policy()), seen(4, high=None, low=BLIND), State(),
            held(
                "Held at 4, the load cannot be seen",
                "data 4 -> 4: every alarm is in INSUFFICIENT_DATA",
            ),
            id="every alarm is blind",
        ),
        pytest.param(
            a_target(), seen(4, high=None, low=LOW_FIRING), State(),
            held(
                "Held at 4, the load cannot be seen",
                ("data 4 -> 4: high-request-rate has no alarm that is known, so no task is "
                 "removed"),
            ),
            id="a scale-out alarm that is not known",
        ),
        pytest.param(
            a_target(), seen(4, high=BLIND, low=LOW_FIRING), State(),
            held(
                "Held at 4, the load cannot be seen",
                ("data 4 -> 4: high-request-rate is in INSUFFICIENT_DATA, so no task is "
                 "removed"),
            ),
            id="a blind scale-out alarm",
        ),
        pytest.param(
            a_target(), seen(4, high=firing(160.0, muted=True)), State(),
            held(
                "Held at 4, the alarm is muted",
                "muted 4 -> 4: high-request-rate is in ALARM and muted",
            ),
            id="a muted scale-out alarm",
        ),
        pytest.param(
            a_target(), seen(4, low=replace(LOW_FIRING, muted=True)), State(),
            held(
                "Held at 4, the alarm is muted",
                "muted 4 -> 4: low-request-rate is in ALARM and muted",
            ),
            id="a muted scale-in alarm",
        ),
        pytest.param(
            a_target(), seen(4, high=Alarm(AlarmState.ALARM)), State(),
            held(
                "Held at 4, the load cannot be seen",
                ("data 4 -> 4: high-request-rate is in ALARM, but the alarm carries no "
                 "datapoint"),
            ),
            id="a scale-out alarm without a datapoint",
        ),
        pytest.param(
            a_target(), seen(4, low=Alarm(AlarmState.ALARM)), State(),
            held(
                "Held at 4, the load cannot be seen",
                ("data 4 -> 4: low-request-rate is in ALARM, but the alarm carries no "
                 "datapoint"),
            ),
            id="a scale-in alarm without a datapoint",
        ),
        pytest.param(
            a_target(), seen(4, high=firing(90.0)), State(),
            held(
                "Held at 4, no policy asks for a change",
                ("steps 4 -> 4: high-request-rate is in ALARM, but no step matches its "
                 "datapoints"),
            ),
            id="no scale-out step matches",
        ),
        pytest.param(
            a_target(), seen(4, low=firing(40.0, threshold=30)), State(),
            held(
                "Held at 4, no policy asks for a change",
                ("steps 4 -> 4: low-request-rate is in ALARM, but no step matches its "
                 "datapoints"),
            ),
            id="no scale-in step matches",
        ),
    ],
)  # fmt: skip
def test_where_there_is_no_step_to_take_is_told_as(
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
                "Scaled out from 1 to 2: 1 is outside the policy's 2 to 40",
                "bounds 1 -> 2: 1 is outside the policy's 2 to 40",
            ],
            id="to the minimum",
        ),
        pytest.param(
            a_target(), seen(50), State(),
            [
                "Scaled in from 50 to 40: 50 is outside the policy's 2 to 40",
                "bounds 50 -> 40: 50 is outside the policy's 2 to 40",
                "deployment 40 -> 40: no rollout is in progress",
            ],
            id="to the maximum",
        ),
        pytest.param(
            a_target(), in_rollout(seen(50)), State(),
            held(
                "Held at 50 during a deployment",
                "bounds 50 -> 40: 50 is outside the policy's 2 to 40",
                "deployment 40 -> 50: no task is removed while a rollout is in progress",
            ),
            id="held by a rollout",
        ),
        pytest.param(
            a_target(), seen(1), PAUSED,
            held(
                "Held at 1, scaling is paused",
                "bounds 1 -> 2: 1 is outside the policy's 2 to 40",
                "pause 2 -> 1: scale-out is paused",
            ),
            id="held by a pause",
        ),
    ],
)  # fmt: skip
def test_a_correction_into_the_bounds_is_told_as(
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
                "Scaled out from 4 to 8: 8 were asked for",
                "request 4 -> 8: 8 were asked for",
                "bounds 8 -> 8: within the policy's 2 to 40",
            ],
            id="within the bounds",
        ),
        pytest.param(
            4, 100,
            [
                ("Scaled out from 4 to 40: 100 were asked for; 100 is outside the policy's "
                 "2 to 40"),
                "request 4 -> 100: 100 were asked for",
                "bounds 100 -> 40: 100 is outside the policy's 2 to 40",
            ],
            id="beyond the maximum",
        ),
        pytest.param(
            4, 4,
            held(
                "Held at 4, no policy asks for a change",
                "request 4 -> 4: 4 were asked for",
                "request 4 -> 4: 4 were asked for, which it has",
            ),
            id="as many as there are",
        ),
        pytest.param(
            40, 41,
            held(
                "Held at 40, at the maximum",
                "request 40 -> 41: 41 were asked for",
                "bounds 41 -> 40: 41 is outside the policy's 2 to 40",
            ),
            id="at the maximum",
        ),
        pytest.param(
            2, 1,
            held(
                "Held at 2, at the minimum",
                "request 2 -> 1: 1 were asked for",
                "bounds 1 -> 2: 1 is outside the policy's 2 to 40",
            ),
            id="at the minimum",
        ),
    ],
)  # fmt: skip
def test_a_capacity_that_was_asked_for_is_told_as(
    desired: int, capacity: int, story: list[str]
) -> None:
    assert trail_lines(set_capacity(a_target(), seen(desired), State(), NOW, capacity)) == story
