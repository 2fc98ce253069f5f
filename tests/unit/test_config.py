"""Policy documents: every rule, and messages that say where, which rule and what was seen."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep.config import ConfigError, parse_target, read_target
from quickstep.engine.backlog import QueuePolicy
from quickstep.engine.model import (
    AdjustmentType,
    Direction,
    Guard,
    MetricAggregationType,
    MetricScope,
    StepAdjustment,
)
from tests.builders import EXAMPLE_POLICY, a_document, example_document

OUT = "ScaleOutPolicies.high-request-rate"
SCALE_IN = example_document()["ScaleInPolicies"]["low-request-rate"]
STEPS = f"{OUT}.StepAdjustments"


def problems_of(document: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_target(document)
    return [str(problem) for problem in caught.value.problems]


def with_policy(key: str = "ScaleOutPolicies", **changes: Any) -> dict[str, Any]:
    document = a_document()
    body = next(iter(document[key].values()))
    body.update(changes)
    for name in [name for name, value in changes.items() if value is None]:
        del body[name]
    return document


def with_steps(*steps: dict[str, Any], key: str = "ScaleOutPolicies") -> dict[str, Any]:
    return with_policy(key, StepAdjustments=list(steps))


def step(lower: Any, upper: Any, adjustment: Any = 1) -> dict[str, Any]:
    body = {
        "MetricIntervalLowerBound": lower,
        "MetricIntervalUpperBound": upper,
        "ScalingAdjustment": adjustment,
    }
    return {key: value for key, value in body.items() if value is not None}


def test_the_example_document_is_read_as_it_is_written() -> None:
    target = parse_target(EXAMPLE_POLICY.read_text(encoding="utf-8"))

    out, low = target.step_policies
    assert (target.resource_id, target.min_capacity, target.max_capacity) == (
        "service/prod/web",
        2,
        40,
    )
    assert (out.name, out.direction, out.cooldown) == ("high-request-rate", Direction.OUT, 10)
    assert out.metric_scope is MetricScope.PER_TASK
    assert out.steps == (
        StepAdjustment(0, 50, 1),
        StepAdjustment(50, 100, 2),
        StepAdjustment(100, None, 4),
    )
    assert (low.name, low.direction, low.cooldown) == ("low-request-rate", Direction.IN, 30)
    assert low.steps == (StepAdjustment(None, 0, -1),)
    assert (target.warmup_seconds, target.publish_seconds) == (45, 1)
    assert target.guards == frozenset(Guard)
    assert not target.dry_run


def test_what_is_left_out_has_application_auto_scaling_s_defaults() -> None:
    body = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [step(0, None)]}
    target = read_target(
        {
            "ResourceId": "service/prod/web",
            "MinCapacity": 0,
            "MaxCapacity": 1,
            "ScaleOutPolicies": {"pasted": body},
        }
    )

    policy = target.step_policies[0]
    assert policy.cooldown == 300
    assert policy.aggregation is MetricAggregationType.AVERAGE
    assert policy.min_adjustment_magnitude is None
    assert policy.metric_scope is MetricScope.TOTAL
    assert (target.warmup_seconds, target.publish_seconds, target.dry_run) == (45, 5, False)


def test_a_policy_of_application_auto_scaling_can_be_pasted() -> None:
    pasted = {
        "AdjustmentType": "PercentChangeInCapacity",
        "StepAdjustments": [step(0, 10.5, 10), step(10.5, None, 30)],
        "MinAdjustmentMagnitude": 2,
        "Cooldown": 60,
        "MetricAggregationType": "Maximum",
    }

    policy = read_target(a_document(ScaleOutPolicies={"cpu": pasted})).step_policies[0]

    assert policy.adjustment_type is AdjustmentType.PERCENT_CHANGE_IN_CAPACITY
    assert policy.min_adjustment_magnitude == 2
    assert policy.aggregation is MetricAggregationType.MAXIMUM


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({"ResourceId": None}, "ResourceId: is required, but missing", id="no id"),
        pytest.param(
            {"ResourceId": "service/prod"},
            "ResourceId: must be service/<cluster>/<service>, of letters, digits, - and _, "
            'not "service/prod"',
            id="half an id",
        ),
        pytest.param(
            {"ResourceId": "service/prod/web\n"},
            "ResourceId: must be service/<cluster>/<service>, of letters, digits, - and _, "
            'not "service/prod/web\\n"',
            id="a line break behind the id",
        ),
        pytest.param(
            {"MinCapacity": 41},
            "MaxCapacity: must be at least MinCapacity (41), not 40",
            id="minimum above maximum",
        ),
        pytest.param(
            {"MinCapacity": -1}, "MinCapacity: must be at least 0, not -1", id="negative minimum"
        ),
        pytest.param(
            {"MinCapacity": "2"}, 'MinCapacity: must be a whole number, not "2"', id="text"
        ),
        pytest.param(
            {"MinCapacity": True}, "MinCapacity: must be a whole number, not true", id="truth"
        ),
        pytest.param(
            {"MaxCapacity": 2.5}, "MaxCapacity: must be a whole number, not 2.5", id="fraction"
        ),
        pytest.param(
            {"MaxCapacity": 5001}, "MaxCapacity: must be at most 5000, not 5001", id="ECS's quota"
        ),
        pytest.param(
            {"WarmupSeconds": -5}, "WarmupSeconds: must be at least 0, not -5", id="warm-up"
        ),
        pytest.param(
            {"PublishSeconds": 0}, "PublishSeconds: must be at least 1, not 0", id="publisher"
        ),
        pytest.param(
            {"PublishSeconds": 61}, "PublishSeconds: must be at most 60, not 61", id="too seldom"
        ),
        pytest.param({"DryRun": "no"}, 'DryRun: must be true or false, not "no"', id="dry run"),
        pytest.param(
            {"Guards": {"WouldFlap": 1}}, "Guards.WouldFlap: must be true or false, not 1", id="g"
        ),
        pytest.param(
            {"Guards": {"Flap": True}},
            "Guards.Flap: is not a known key; known are CapacityOnItsWay, RisingTrend, WouldFlap, "
            "Deployment",
            id="unknown guard",
        ),
        pytest.param(
            {"Mincapacity": 2},
            "Mincapacity: is not a known key; known are ResourceId, MinCapacity, MaxCapacity, "
            "ScaleOutPolicies, ScaleInPolicies, TargetTrackingPolicies, QueuePolicies, $schema, "
            "Preset, MaxAdjustmentMagnitude, WarmupSeconds, PublishSeconds, "
            "DeregistrationDelaySeconds, Guards, DryRun",
            id="unknown key",
        ),
        pytest.param(
            {"ScaleOutPolicies": None, "ScaleInPolicies": None},
            "ScaleOutPolicies, ScaleInPolicies, TargetTrackingPolicies and QueuePolicies: must "
            "have 1 to 50 policies in all, not 0",
            id="no policy at all",
        ),
        pytest.param(
            {"ScaleOutPolicies": []}, "ScaleOutPolicies: must be an object, not []", id="a list"
        ),
        pytest.param(
            {"ScaleInPolicies": {"high-request-rate": SCALE_IN}},
            "ScaleInPolicies.high-request-rate: must have its own name; ScaleOutPolicies has "
            "it too",
            id="one name in both directions",
        ),
    ],
)
def test_a_document_is_refused_for(changes: dict[str, Any], problem: str) -> None:
    assert problem in problems_of(a_document(**changes))


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        pytest.param(
            with_policy(AdjustmentType="Change"),
            f"{OUT}.AdjustmentType: must be one of ChangeInCapacity, PercentChangeInCapacity, "
            'ExactCapacity, not "Change"',
            id="unknown adjustment type",
        ),
        pytest.param(
            with_policy(AdjustmentType=None),
            f"{OUT}.AdjustmentType: is required, but missing",
            id="no adjustment type",
        ),
        pytest.param(
            with_policy(StepAdjustments=None),
            f"{OUT}.StepAdjustments: is required, but missing",
            id="no steps",
        ),
        pytest.param(
            with_policy(Cooldown=-1), f"{OUT}.Cooldown: must be at least 0, not -1", id="cooldown"
        ),
        pytest.param(
            with_policy(MinAdjustmentMagnitude=2),
            f"{OUT}.MinAdjustmentMagnitude: must go with PercentChangeInCapacity; AdjustmentType "
            "is ChangeInCapacity, not 2",
            id="magnitude without percent",
        ),
        pytest.param(
            with_policy(MetricAggregationType="Sum"),
            f'{OUT}.MetricAggregationType: must be one of Average, Minimum, Maximum, not "Sum"',
            id="unknown aggregation",
        ),
        pytest.param(
            with_policy(MetricScope="Task"),
            f'{OUT}.MetricScope: must be one of PerTask, Total, not "Task"',
            id="unknown scope",
        ),
        pytest.param(
            with_policy(PolicyName="x"),
            f"{OUT}.PolicyName: is not a known key; known are AdjustmentType, StepAdjustments, "
            "Cooldown, MinAdjustmentMagnitude, MetricAggregationType, MetricScope",
            id="unknown key",
        ),
        pytest.param(
            with_steps(), f"{STEPS}: must have at least 1 and at most 20 entries, not 0", id="none"
        ),
        pytest.param(
            with_steps(*[step(n, n + 1) for n in range(20)], step(20, None)),
            f"{STEPS}: must have at least 1 and at most 20 entries, not 21",
            id="more than 20",
        ),
        pytest.param(
            with_steps({"ScalingAdjustment": 1}),
            f"{STEPS}[0]: must have MetricIntervalLowerBound or MetricIntervalUpperBound, "
            'not {"ScalingAdjustment": 1}',
            id="no bound at all",
        ),
        pytest.param(
            with_steps(step(10, 10), step(10, None)),
            f"{STEPS}[0].MetricIntervalUpperBound: must be greater than MetricIntervalLowerBound "
            "(10), not 10",
            id="an empty interval",
        ),
        pytest.param(
            with_steps(step(0, 60), step(50, None)),
            f"{STEPS}: steps must not overlap, as [0] (0 to 60) and [1] (50 to inf) do",
            id="overlap",
        ),
        pytest.param(
            with_steps(step(50, None), step(0, 40)),
            f"{STEPS}: steps must not leave a gap, as [1] (0 to 40) and [0] (50 to inf) do",
            id="gap, in any order",
        ),
        pytest.param(
            with_steps(step(0, None), step(10, None)),
            f"{STEPS}: steps must not overlap, as [0] (0 to inf) and [1] (10 to inf) do",
            id="two open above",
        ),
        pytest.param(
            with_steps(step(0, 50)),
            f"{STEPS}: one step must have no MetricIntervalUpperBound, as the highest is 50",
            id="a positive end must be open",
        ),
        pytest.param(
            with_steps(step(-50, 0, -1), key="ScaleInPolicies"),
            "ScaleInPolicies.low-request-rate.StepAdjustments: one step must have no "
            "MetricIntervalLowerBound, as the lowest is -50",
            id="a negative end must be open",
        ),
        pytest.param(
            with_steps(step(0, None, -1)),
            f"{STEPS}[0].ScalingAdjustment: must be at least 0 in a scale-out policy, not -1",
            id="scale-out that lowers",
        ),
        pytest.param(
            with_steps(step(None, 0, 1), key="ScaleInPolicies"),
            "ScaleInPolicies.low-request-rate.StepAdjustments[0].ScalingAdjustment: must be at "
            "most 0 in a scale-in policy, not 1",
            id="scale-in that raises",
        ),
        pytest.param(
            with_policy(AdjustmentType="ExactCapacity", StepAdjustments=[step(0, None, -3)]),
            f"{STEPS}[0].ScalingAdjustment: must be at least 0 for ExactCapacity, not -3",
            id="a negative capacity",
        ),
        pytest.param(
            with_steps(step(0, None, 1.5)),
            f"{STEPS}[0].ScalingAdjustment: must be a whole number, not 1.5",
            id="half a task",
        ),
        pytest.param(
            with_steps(step("0", None)),
            f'{STEPS}[0].MetricIntervalLowerBound: must be a number, not "0"',
            id="a bound in quotes",
        ),
        pytest.param(
            with_steps(step(10**400, None)),
            f"{STEPS}[0].MetricIntervalLowerBound: must be a finite number",
            id="a bound beyond all numbers",
        ),
        pytest.param(
            with_steps({"MetricIntervalLowerBound": 0}),
            f"{STEPS}[0].ScalingAdjustment: is required, but missing",
            id="no adjustment",
        ),
    ],
)
def test_a_policy_is_refused_for(document: dict[str, Any], problem: str) -> None:
    assert any(found.startswith(problem) for found in problems_of(document)), problems_of(document)


def test_a_zero_lower_bound_needs_no_open_lower_end() -> None:
    assert read_target(with_steps(step(0, None))).policies


def test_all_problems_are_named_at_once() -> None:
    document = with_steps(step(0, 60, -1), step("x", None))
    document.update(MinCapacity=-1, Colour="red")

    paths = [problem.split(":")[0] for problem in problems_of(document)]

    assert paths == [
        "Colour",
        "MinCapacity",
        f"{STEPS}[0].ScalingAdjustment",
        f"{STEPS}[1].MetricIntervalLowerBound",
    ]


def test_more_than_fifty_policies_are_refused() -> None:
    body = example_document()["ScaleOutPolicies"]["high-request-rate"]

    found = problems_of(a_document(ScaleOutPolicies={f"p{n}": body for n in range(50)}))

    assert found == [
        (
            "ScaleOutPolicies, ScaleInPolicies, TargetTrackingPolicies and QueuePolicies: must "
            "have 1 to 50 policies in all, not 51"
        )
    ]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "x" * 129, "a\n"])
def test_a_policy_must_have_a_name_that_can_end_an_alarm_s_name(name: str) -> None:
    body = example_document()["ScaleOutPolicies"]["high-request-rate"]

    assert len(problems_of(a_document(ScaleOutPolicies={name: body}))) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "must be JSON: Expecting value at line 1 column 1", id="empty"),
        pytest.param(
            '{"MinCapacity": 2,}', "must be JSON: Illegal trailing comma", id="trailing comma"
        ),
        pytest.param(
            '{"MinCapacity": 2, "MinCapacity": 3}',
            "MinCapacity: must be given once, but stands twice",
            id="a key given twice",
        ),
        pytest.param('{"MinCapacity": NaN}', "must hold finite numbers, not NaN", id="NaN"),
        pytest.param(
            "[" * 21 + "]" * 21, "must be JSON: nested too deeply", id="nested too deeply"
        ),
        pytest.param(
            '{"ResourceId": "service/prod/web", "MinCapacity": 9000}',
            "MaxCapacity: is required, but missing",
            id="a minimum above a maximum that is missing",
        ),
        pytest.param("[]", "must be an object, not []", id="a list"),
        pytest.param("null", "must be an object, not null", id="null"),
    ],
)
def test_text_that_is_no_document_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_target(text)

    assert problem.removesuffix("Illegal trailing comma") in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.data())
def test_any_value_anywhere_is_a_document_or_a_config_error(data: st.DataObject) -> None:
    document = copy.deepcopy(example_document())
    place: Any = document
    while isinstance(place, dict) and data.draw(st.booleans()):
        inner = [key for key, value in place.items() if isinstance(value, dict)]
        if not inner:
            break
        place = place[data.draw(st.sampled_from(inner))]
    place[data.draw(st.sampled_from([*place]))] = data.draw(json_values)

    with contextlib.suppress(ConfigError):
        read_target(document)


def test_a_document_survives_a_round_trip_through_text() -> None:
    assert parse_target(json.dumps(example_document())) == read_target(example_document())


def a_worker(**policies: Any) -> dict[str, Any]:
    return {
        "ResourceId": "service/prod/web",
        "MinCapacity": 0,
        "MaxCapacity": 40,
        "QueuePolicies": policies or {"jobs": {"QueueName": "jobs", "SecondsPerJob": 2}},
    }


@pytest.mark.parametrize(
    ("preset", "drain", "window", "share"),
    [
        pytest.param({}, 30, 300, 0.7, id="no preset"),
        pytest.param({"Preset": "relaxed"}, 60, 120, 0.5, id="relaxed"),
        pytest.param({"Preset": "normal"}, 30, 300, 0.7, id="normal"),
        pytest.param({"Preset": "aggressive"}, 15, 600, 0.9, id="aggressive"),
    ],
)
def test_a_queue_policy_leaves_the_rest_to_its_preset(
    preset: dict[str, str], drain: int, window: int, share: float
) -> None:
    target = read_target({**a_worker(), **preset})

    assert target.policies == ()
    assert target.queues == (QueuePolicy("jobs", "jobs", 2.0, 1, drain, window, share),)


def test_a_queue_policy_says_everything_itself() -> None:
    body = {
        "QueueName": "jobs.fifo",
        "SecondsPerJob": 0.5,
        "SlotsPerTask": 8,
        "DrainSeconds": 5,
        "ScaleInWindow": 60,
    }

    (policy,) = read_target({**a_worker(jobs=body), "Preset": "aggressive"}).queues

    assert policy == QueuePolicy("jobs", "jobs.fifo", 0.5, 8, 5, 60, 0.9)
    assert policy.jobs_per_second == 16


def test_all_forms_of_policy_stand_in_one_document() -> None:
    document = a_document(
        TargetTrackingPolicies={"rate": {"TargetValue": 100}},
        QueuePolicies={"jobs": {"QueueName": "jobs", "SecondsPerJob": 2}},
    )

    target = read_target(document)

    assert len(target.policies) == 3
    assert [policy.name for policy in target.queues] == ["jobs"]


QUEUE_KEYS = "QueueName, SecondsPerJob, SlotsPerTask, DrainSeconds, ScaleInWindow"
QUEUE_NAME = (
    "must be a queue's name, of up to 80 letters, digits, - and _; a FIFO queue's ends with .fifo"
)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"QueueName": None}, "QueueName: is required, but missing"),
        ({"SecondsPerJob": None}, "SecondsPerJob: is required, but missing"),
        ({"QueueName": "arn:aws:sqs"}, f'QueueName: {QUEUE_NAME}, not "arn:aws:sqs"'),
        ({"QueueName": "jobs.fifo.fifo"}, f'QueueName: {QUEUE_NAME}, not "jobs.fifo.fifo"'),
        ({"QueueName": 7}, "QueueName: must be a string, not 7"),
        ({"SecondsPerJob": 0}, "SecondsPerJob: must be above 0 and at most 86,400, not 0"),
        (
            {"SecondsPerJob": 1e6},
            "SecondsPerJob: must be above 0 and at most 86,400, not 1000000.0",
        ),
        ({"SecondsPerJob": "2"}, 'SecondsPerJob: must be a number, not "2"'),
        ({"SlotsPerTask": 0}, "SlotsPerTask: must be at least 1, not 0"),
        ({"SlotsPerTask": 1001}, "SlotsPerTask: must be at most 1000, not 1001"),
        ({"DrainSeconds": 0}, "DrainSeconds: must be at least 1, not 0"),
        ({"ScaleInWindow": 3601}, "ScaleInWindow: must be at most 3600, not 3601"),
        (
            {"Cooldown": 30},
            f"Cooldown: is not a known key; known are {QUEUE_KEYS}",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_queue_policy_that_breaks_a_rule(changes: dict[str, Any], problem: str) -> None:
    body = {"QueueName": "jobs", "SecondsPerJob": 2, **changes}
    body = {key: value for key, value in body.items() if value is not None}

    found = problems_of(a_worker(jobs=body))

    assert f"QueuePolicies.jobs.{problem}" in found


def test_two_policies_of_one_queue_would_count_its_jobs_twice() -> None:
    body = {"QueueName": "jobs", "SecondsPerJob": 2}

    assert problems_of(a_worker(jobs=body, again=body)) == [
        "QueuePolicies.again.QueueName: must be its own queue; jobs has it too"
    ]


def test_a_target_has_ten_queues_at_most() -> None:
    bodies = {f"q{n}": {"QueueName": f"q{n}", "SecondsPerJob": 2} for n in range(11)}

    assert problems_of(a_worker(**bodies)) == ["QueuePolicies: must have at most 10, not 11"]


def test_a_queue_policy_s_name_is_no_other_policy_s() -> None:
    body = {"QueueName": "jobs", "SecondsPerJob": 2}

    assert problems_of(a_document(QueuePolicies={"high-request-rate": body})) == [
        "QueuePolicies.high-request-rate: must have its own name; ScaleOutPolicies has it too"
    ]


def test_a_fifo_queue_s_name_has_eighty_characters_with_its_ending() -> None:
    longest, longer = f"{'q' * 75}.fifo", f"{'q' * 76}.fifo"
    body = {"SecondsPerJob": 2}

    assert (
        read_target(a_worker(jobs={"QueueName": longest, **body})).queues[0].queue_name == longest
    )
    assert problems_of(a_worker(jobs={"QueueName": longer, **body}))
