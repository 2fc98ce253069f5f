"""What `tune` searches: every choice is a valid policy, and says what it is meant to."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise, product
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep.config import MAX_BYTES, Preset, read_target
from quickstep.engine.model import Direction, Guard, MetricScope, TargetPolicy
from quickstep.fields import InvalidDocumentError
from quickstep_lab.simulator.stage import Setup
from quickstep_lab.simulator.tuning_space import (
    SPACE,
    Choice,
    Form,
    changed,
    check_tunable,
    described,
    drawn,
    form_of,
    forms_for,
    policy_of,
    setup_of,
    usual,
)
from tests.builders import HIGH, LOW, a_document, a_policy, a_scale_in_policy, a_target

PER_TASK = MetricScope.PER_TASK
FORMS = pytest.mark.parametrize("form", Form)


def a_target_document(name: str = "request-rate", **body: Any) -> dict[str, Any]:
    """Return the example's document with one number instead of steps."""
    document = a_document(ScaleOutPolicies=None, ScaleInPolicies=None)
    return {**document, "TargetTrackingPolicies": {name: {"TargetValue": 100, **body}}}


def a_choice(form: Form, **values: Any) -> Choice:
    """Return the usual choice of a form, with some of its values changed."""
    made = dict(zip(SPACE[form], usual(form, 0.7).values, strict=True))
    assert values.keys() <= made.keys()
    return Choice(form, tuple({**made, **values}.values()))


def choices(form: Form) -> st.SearchStrategy[Choice]:
    values = st.tuples(*[st.sampled_from(tuple(values)) for values in SPACE[form].values()])
    return values.map(lambda chosen: Choice(form, chosen))


def check_policy(given_: dict[str, Any], choice: Choice, capacity: float) -> None:
    document, thresholds = policy_of(given_, choice, capacity)
    target = read_target(document)
    assert [policy.alarm for policy in target.policies] == list(thresholds)
    assert all(policy.metric_scope is PER_TASK for policy in target.policies)
    assert form_of(document) in {choice.form, Form.PERCENT}
    assert 0 < min(thresholds.values()) <= max(thresholds.values()) < capacity
    for policy in target.step_policies:
        assert policy.steps
    if choice.form is not Form.TARGET:
        out, in_ = thresholds.values()
        assert in_ < out
    setup = setup_of(document, thresholds)
    check_tunable(setup)
    assert setup.scale_out_threshold == max(thresholds.values())


RELATED = {
    Form.STEPS: ("utilisation", "step", "scale_in_share"),
    Form.PERCENT: ("utilisation", "rungs", "end", "scale_in_share"),
    Form.TARGET: ("utilisation", "preset", "window"),
}
"""Numbers that depend on each other, by form."""


@FORMS
@pytest.mark.parametrize("capacity", [1, 2.5, 7, 150, 1e6])
def test_every_number_of_the_space_makes_a_valid_policy(form: Form, capacity: float) -> None:
    related, space = RELATED[form], SPACE[form]
    for number, chosen in enumerate(product(*(space[name] for name in related))):
        rest = {name: values[number % len(values)] for name, values in space.items()}
        values = {**rest, **dict(zip(related, chosen, strict=True))}
        check_policy(a_document(), Choice(form, tuple(values[n] for n in space)), capacity)


@given(choice=st.sampled_from(Form).flatmap(choices), of_a_target=st.booleans())
def test_any_choice_of_the_space_is_a_valid_policy(choice: Choice, *, of_a_target: bool) -> None:
    check_policy(a_target_document() if of_a_target else a_document(), choice, 150)


@given(st.integers(), st.sampled_from(Form))
def test_what_is_drawn_or_changed_is_of_the_space(seed: int, form: Form) -> None:
    random = Random(seed)  # noqa: S311 - repeatable, not secret
    choice = drawn(form, random)
    other = changed(choice, random)
    for one in (choice, other):
        assert one.form is form
        for value, values in zip(one.values, SPACE[form].values(), strict=True):
            assert value in values
    pairs = zip(choice.values, other.values, strict=True)
    assert sum(before != after for before, after in pairs) <= 1


@FORMS
def test_what_the_document_says_otherwise_is_kept(form: Form) -> None:
    changes = {"MaxCapacity": 17, "WarmupSeconds": 20, "DryRun": True}
    for given_ in (a_document(**changes), {**a_target_document(), **changes}):
        before = deepcopy(given_)
        document, _ = policy_of(given_, usual(form, 0.7), 150)
        assert {key: document[key] for key in changes} == changes
        assert document["Guards"] == a_document()["Guards"]
        assert given_ == before


@pytest.mark.parametrize(
    ("guards", "off", "then"),
    [
        pytest.param(None, None, None, id="nothing said, nothing off"),
        pytest.param(
            None,
            Guard.RISING_TREND,
            {"RisingTrend": False, "CapacityOnItsWay": True, "WouldFlap": True},
            id="one off",
        ),
        pytest.param(
            {"Deployment": False, "RisingTrend": False},
            None,
            {
                "Deployment": False,
                "RisingTrend": True,
                "CapacityOnItsWay": True,
                "WouldFlap": True,
            },
            id="those that traffic does not try are kept, the others are searched",
        ),
    ],
)
def test_guards_are_searched_one_at_a_time(guards: Any, off: Any, then: Any) -> None:
    given_ = a_document(Guards=guards)
    document, _ = policy_of(given_, a_choice(Form.STEPS, guard_off=off), 150)
    assert document.get("Guards") == then


# --- percent ladders ------------------------------------------------------------------------------


def rungs(**values: Any) -> list[tuple[float, float | None, int]]:
    document, _ = policy_of(a_document(), a_choice(Form.PERCENT, **values), 150)
    steps = document["ScaleOutPolicies"][HIGH]["StepAdjustments"]
    return [
        (
            step["MetricIntervalLowerBound"],
            step.get("MetricIntervalUpperBound"),
            step["ScalingAdjustment"],
        )
        for step in steps
    ]


@pytest.mark.parametrize(
    ("end", "percents"),
    [
        pytest.param(1.0, [58, 151, 298, 531, 900, 900], id="enough at the top of each step"),
        pytest.param(0.0, [1, 58, 151, 298, 531, 900], id="enough at the bottom"),
        pytest.param(0.5, [29, 105, 225, 415, 715, 900], id="enough in the middle"),
    ],
)
def test_a_percent_ladder_follows_load_over_threshold(end: float, percents: list[int]) -> None:
    # Five steps up to ten times a threshold of 105, each 10^(1/5) = 1.585 times the one before.
    assert rungs(end=end) == [
        (0, 61.41, percents[0]),
        (61.41, 158.7, percents[1]),
        (158.7, 313, percents[2]),
        (313, 557.5, percents[3]),
        (557.5, 945, percents[4]),
        (945, None, percents[5]),
    ]


@pytest.mark.parametrize("count", [5, 10, 19])
def test_a_finer_ladder_is_nearer_the_proportional_one_and_fits_in_a_document(count: int) -> None:
    made = rungs(rungs=count)
    assert len(made) == count + 1 <= 20
    # At the top of a step, its percent of the tasks takes the load back to the threshold.
    for _, upper, percent in made[:-1]:
        assert upper is not None
        assert percent == pytest.approx(100 * upper / 105, abs=0.6)
    assert all(a[1] == b[0] for a, b in pairwise(made))
    document, _ = policy_of(a_document(), a_choice(Form.PERCENT, rungs=count), 150)
    assert len(str(document)) < MAX_BYTES


@pytest.mark.parametrize("form", [Form.STEPS, Form.PERCENT])
@pytest.mark.parametrize("window", [None, 600])
def test_a_ladder_has_the_window_of_its_choice_and_not_the_given_one(
    form: Form, window: int | None
) -> None:
    given_ = a_document()
    given_["ScaleInPolicies"][LOW]["ScaleInWindow"] = 77
    document, _ = policy_of(given_, a_choice(form, window=window), 150)
    (scale_in,) = read_target(document).in_direction(Direction.IN)
    assert scale_in.scale_in_window == window


# --- target policies ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "document", "body"),
    [
        pytest.param({}, {}, {}, id="the usual one is a number alone"),
        pytest.param(
            {"preset": Preset.RELAXED, "window": 300},
            {"Preset": "relaxed"},
            {"ScaleInWindow": 300},
            id="a preset, and what differs from it",
        ),
        pytest.param(
            {"preset": Preset.AGGRESSIVE, "window": 300, "scale_in_cooldown": 10},
            {"Preset": "aggressive"},
            {"ScaleInCooldown": 10},
            id="what the preset says anyway is left out",
        ),
    ],
)
def test_a_target_policy_says_no_more_than_it_has_to(
    values: dict[str, Any], document: dict[str, Any], body: dict[str, Any]
) -> None:
    made, thresholds = policy_of(a_target_document(), a_choice(Form.TARGET, **values), 150)
    assert made == {
        **a_target_document(),
        **document,
        "TargetTrackingPolicies": {"request-rate": {"TargetValue": 105, **body}},
    }
    assert thresholds == {"request-rate/high": 105}


def test_a_target_policy_keeps_what_is_not_searched() -> None:
    body: dict[str, Any] = {"DisableScaleIn": True, "ScaleOutCooldown": 20, "ScaleInCooldown": 77}
    made, _ = policy_of({**a_target_document(**body), "Preset": "relaxed"}, usual_target(), 150)
    assert made["TargetTrackingPolicies"]["request-rate"] == {
        "TargetValue": 105,
        "ScaleOutCooldown": 20,
        "DisableScaleIn": True,
    }
    assert "Preset" not in made


def usual_target() -> Choice:
    return usual(Form.TARGET, 0.7)


@pytest.mark.parametrize(
    ("document", "form", "alarms"),
    [
        pytest.param(a_document(), Form.TARGET, ["request-rate/high"], id="steps to a target"),
        pytest.param(a_target_document(), Form.STEPS, [HIGH, LOW], id="a target to steps"),
        pytest.param(a_target_document("cpu"), Form.TARGET, ["cpu/high"], id="the same form"),
        pytest.param(
            a_target_document("x" * 128),
            Form.PERCENT,
            [f"high-{'x' * 120}", f"low-{'x' * 120}"],
            id="as long as names may be",
        ),
    ],
)
def test_names_go_well_with_the_given_ones(
    document: dict[str, Any], form: Form, alarms: list[str]
) -> None:
    made, thresholds = policy_of(document, usual(form, 0.7), 150)
    assert list(thresholds) == alarms
    assert [policy.alarm for policy in read_target(made).policies] == alarms


@pytest.mark.parametrize(
    ("document", "forms"),
    [
        pytest.param(a_document(), [Form.TARGET, Form.PERCENT, Form.STEPS], id="steps"),
        pytest.param(a_target_document(), [Form.TARGET, Form.PERCENT, Form.STEPS], id="a target"),
        pytest.param(
            a_target_document(DisableScaleIn=True), [Form.TARGET], id="one that never scales in"
        ),
    ],
)
def test_where_nothing_is_to_scale_in_no_ladder_stands_in(
    document: dict[str, Any], forms: list[Form]
) -> None:
    assert list(forms_for(read_target(document))) == forms


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        pytest.param(a_choice(Form.TARGET), "target", id="the usual target"),
        pytest.param(
            a_choice(
                Form.TARGET,
                preset=Preset.AGGRESSIVE,
                window=600,
                scale_in_cooldown=10,
                guard_off=Guard.RISING_TREND,
            ),
            "target, aggressive, ScaleInWindow 600, ScaleInCooldown 10, no RisingTrend",
            id="another one",
        ),
        pytest.param(
            a_choice(Form.STEPS, window=300, guard_off=Guard.WOULD_FLAP),
            "steps +1/+2/+4 from 0/26/52 on, -1, cooldowns 10 s and 30 s, ScaleInWindow 300, "
            "no WouldFlap",
            id="steps",
        ),
        pytest.param(
            a_choice(Form.PERCENT),
            "percent +58% to +900% from 0 to 945 on, -1, cooldowns 10 s and 30 s",
            id="percents",
        ),
    ],
)
def test_policies_of_the_same_thresholds_are_told_apart(choice: Choice, words: str) -> None:
    document, _ = policy_of(a_document(), choice, 150)
    assert described(document) == words


# --- what can be tuned ----------------------------------------------------------------------------


def tracking(name: str = "a", scope: MetricScope = PER_TASK) -> TargetPolicy:
    return TargetPolicy(name, 100, scope)


@pytest.mark.parametrize(
    ("policies", "names"),
    [
        pytest.param([a_policy(scope=PER_TASK)], HIGH, id="none to scale in"),
        pytest.param([a_scale_in_policy(scope=PER_TASK)], LOW, id="none to scale out"),
        pytest.param(
            [*(a_policy(n, scope=PER_TASK) for n in "ab"), a_scale_in_policy(scope=PER_TASK)],
            f"a, b, {LOW}",
            id="two to scale out",
        ),
        pytest.param(
            [a_policy(scope=PER_TASK), a_scale_in_policy()],
            f"{HIGH}, {LOW}",
            id="one on the total",
        ),
        pytest.param([tracking("a"), tracking("b")], "a, b", id="two targets"),
        pytest.param([tracking(scope=MetricScope.TOTAL)], "a", id="a target on the total"),
        pytest.param([tracking(), a_policy(scope=PER_TASK)], f"a, {HIGH}", id="both forms"),
    ],
)
def test_a_document_that_the_search_cannot_vary_is_refused(policies: list[Any], names: str) -> None:
    with pytest.raises(InvalidDocumentError) as refused:
        check_tunable(Setup(a_target(*policies), {}))
    assert str(refused.value) == (
        "ScaleOutPolicies, ScaleInPolicies and TargetTrackingPolicies: must have one scale-out and "
        "one scale-in policy, or one target policy, all with MetricScope PerTask, to be tuned, not "
        f"{names}"
    )


@pytest.mark.parametrize("document", [a_document(), a_target_document()], ids=["steps", "target"])
def test_the_examples_can_be_tuned(document: dict[str, Any]) -> None:
    target = read_target(document)
    check_tunable(Setup(target, {}))
    assert target.in_direction(Direction.OUT)
