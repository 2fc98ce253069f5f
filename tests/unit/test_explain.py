"""`quickstep explain`: the vectors of the AAS documentation, and what a bad line gives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from quickstep_cli.explain import answer
from quickstep_cli.main import app
from tests.builders import a_document, a_scale_out_record

if TYPE_CHECKING:
    from pathlib import Path

CHANGE = "ChangeInCapacity"
PERCENT = "PercentChangeInCapacity"
EXACT = "ExactCapacity"


def a_case(**changes: Any) -> dict[str, Any]:
    return {
        "target": a_document(),
        "now": "2026-11-22T10:00:00Z",
        "service": {"desired": 4, "running": 4, "pending": 0, "deployment_in_progress": False},
        "alarms": {
            "high-request-rate": {"state": "ALARM", "threshold": 100, "datapoints": [160.0]}
        },
        "history": {"scale_out": None, "scale_in": None},
        "override": None,
        "pause": None,
        **changes,
    }


def explained(**changes: Any) -> dict[str, Any]:
    return answer(json.dumps(a_case(**changes)))


def a_vector(
    desired: int, policies: dict[str, Any], alarms: dict[str, Any], **changes: Any
) -> dict[str, Any]:
    target = {"ResourceId": "service/prod/web", "MinCapacity": 0, "MaxCapacity": 1000, **policies}
    service = {"desired": desired, "running": desired, "pending": 0}
    return explained(
        target=target,
        service={**service, "deployment_in_progress": False},
        alarms={
            name: {"state": "ALARM", "threshold": 50, "datapoints": [value]}
            for name, value in alarms.items()
        },
        **changes,
    )


def a_body(
    kind: str, *steps: tuple[float | None, float | None, int], **more: Any
) -> dict[str, Any]:
    names = ("MetricIntervalLowerBound", "MetricIntervalUpperBound", "ScalingAdjustment")
    return {
        "AdjustmentType": kind,
        "StepAdjustments": [
            {name: part for name, part in zip(names, step, strict=True) if part is not None}
            for step in steps
        ],
        **more,
    }


GUIDE = {
    "ScaleOutPolicies": {"out": a_body(PERCENT, (0, 10, 0), (10, 20, 10), (20, None, 30))},
    "ScaleInPolicies": {"in": a_body(PERCENT, (-10, 0, 0), (-20, -10, -10), (None, -20, -30))},
}


@pytest.mark.parametrize(
    ("alarm", "metric", "before", "after"),
    [
        pytest.param("out", 50.1, 10, 10, id="above 50 and below 60: unchanged"),
        pytest.param("in", 49.9, 10, 10, id="above 40 and below 50: unchanged"),
        pytest.param("out", 60, 10, 11, id="60: 10 % of 10 is 1"),
        pytest.param("out", 70, 11, 14, id="70: 30 % of 11 is 3.3, so 3"),
        pytest.param("in", 40, 14, 13, id="40: 10 % of 14 is 1.4, so 1"),
        pytest.param("in", 30, 13, 10, id="30: 30 % of 13 is 3.9, so 3"),
    ],
)
def test_the_guide_s_worked_example(alarm: str, metric: float, before: int, after: int) -> None:
    assert a_vector(before, GUIDE, {alarm: metric})["granted"] == after


def out(kind: str, adjustment: int, **more: Any) -> dict[str, Any]:
    return {"ScaleOutPolicies": {"out": a_body(kind, (0, None, adjustment), **more)}}


def inward(kind: str, adjustment: int) -> dict[str, Any]:
    return {"ScaleInPolicies": {"in": a_body(kind, (None, 0, adjustment))}}


@pytest.mark.parametrize(
    ("desired", "policies", "granted"),
    [
        pytest.param(3, out(CHANGE, 5), 8, id="3 and +5 is 8"),
        pytest.param(3, out(EXACT, 5), 5, id="exactly 5"),
        pytest.param(10, out(PERCENT, 10), 11, id="10 and +10 % is 11"),
        pytest.param(10, out(PERCENT, 127), 22, id="12.7 is 12"),
        pytest.param(1, out(PERCENT, 67), 2, id="0.67 is 1"),
        pytest.param(1, inward(PERCENT, -58), 0, id="-0.58 is -1"),
        pytest.param(23, inward(PERCENT, -29), 17, id="-6.67 is -6"),
        pytest.param(4, out(PERCENT, 25, MinAdjustmentMagnitude=2), 6, id="at least 2"),
        pytest.param(1, inward(PERCENT, -10), 0, id="derived: 1 and -10 % is 0"),
        pytest.param(3, out(PERCENT, 50), 4, id="derived: 3 and +50 % is 4"),
        pytest.param(2, inward(PERCENT, -30), 1, id="derived: 2 and -30 % is 1"),
        pytest.param(0, out(PERCENT, 50), 0, id="derived: nothing and +50 % stays nothing"),
        pytest.param(7, inward(PERCENT, -30), 5, id="derived: 7 and -30 % is 5"),
    ],
)
def test_documented_and_derived_numbers(
    desired: int, policies: dict[str, Any], granted: int
) -> None:
    alarm = {"out": 60.0} if "ScaleOutPolicies" in policies else {"in": 40.0}

    assert a_vector(desired, policies, alarm)["granted"] == granted


def test_derived_one_task_less_ten_percent_is_held_at_a_minimum_of_one() -> None:
    policies = {**inward(PERCENT, -10), "MinCapacity": 1}

    decision = a_vector(1, policies, {"in": 40.0})

    assert (decision["outcome"], decision["granted"]) == ("HELD_AT_MIN", 1)


def test_plus_three_in_the_cooldown_of_plus_two_adds_only_one_more() -> None:
    policies = {"ScaleOutPolicies": {"out": a_body(CHANGE, (0, 10, 2), (10, None, 3))}}
    history = {
        "scale_out": {"at": "2026-11-22T09:59:00Z", "from": 10, "to": 12},
        "scale_in": None,
    }

    assert a_vector(12, policies, {"out": 60.0}, history=history)["granted"] == 13


def test_of_plus_three_and_plus_two_hundred_percent_of_ten_the_larger_wins() -> None:
    policies = {
        "ScaleOutPolicies": {
            "three": a_body(CHANGE, (0, None, 3)),
            "threefold": a_body(PERCENT, (0, None, 200)),
        }
    }

    assert a_vector(10, policies, {"three": 60.0, "threefold": 60.0})["granted"] == 30


def test_a_decision_has_exactly_these_keys() -> None:
    decision = explained()

    assert list(decision) == [
        "outcome",
        "from",
        "wanted",
        "granted",
        "reason",
        "trail",
        "next_check_in",
    ]
    assert all(list(line) == ["guard", "before", "after", "why"] for line in decision["trail"])
    assert (decision["outcome"], decision["from"], decision["granted"]) == ("SCALED_OUT", 4, 6)


def test_an_override_and_a_pause_are_part_of_the_case() -> None:
    capped = explained(override={"max": 5, "until": "2026-11-22T11:00:00Z", "reason": "budget"})
    paused = explained(pause={"directions": ["scale-out"], "until": None, "reason": "migration"})

    assert (capped["granted"], capped["outcome"]) == (5, "SCALED_OUT")
    assert (paused["granted"], paused["outcome"]) == (4, "HELD_PAUSED")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        pytest.param("{", "must be JSON", id="not JSON"),
        pytest.param("[]", "must be an object, not []", id="a list"),
        pytest.param("{}", "target: is required, but missing; now: is required", id="empty"),
        pytest.param(
            json.dumps(a_case(note="x")), "note: is not a known key; known are target", id="key"
        ),
        pytest.param(
            json.dumps(a_case(target=a_document(MinCapacity=90))),
            "target.MaxCapacity: must be at least MinCapacity (90), not 40",
            id="a target that breaks a rule",
        ),
        pytest.param(
            json.dumps(a_case(now="2026-11-22 10:00")), "now: must be a time with an offset", id="t"
        ),
        pytest.param(
            json.dumps(a_case(service={"desired": -1})),
            "service.desired: must be at least 0, not -1",
            id="a negative count",
        ),
        pytest.param(
            json.dumps(a_case(alarms={"cpu": {"state": "OK", "threshold": 1, "datapoints": []}})),
            "alarms.cpu: must be named like an alarm of the target: high-request-rate, "
            "low-request-rate",
            id="an alarm without a policy",
        ),
        pytest.param(
            json.dumps(a_case(alarms={"high-request-rate": {"state": "OK"}})),
            "alarms.high-request-rate.threshold: is required, but missing",
            id="half an alarm",
        ),
        pytest.param(
            json.dumps(a_case(history={"scale_out": {"at": "x", "from": 1, "to": 2}})),
            "history.scale_in: is required, but missing",
            id="half a history",
        ),
        pytest.param(
            json.dumps(a_case(override={"min": 5, "max": 2})),
            "override.max: must be at least min (5), not 2",
            id="an override upside down",
        ),
        pytest.param(
            json.dumps(a_case(pause={"directions": ["sideways"]})),
            "pause.directions[0]: must be one of scale-out, scale-in",
            id="a pause sideways",
        ),
    ],
)
def test_a_bad_line_says_what_is_wrong(line: str, error: str) -> None:
    reply = answer(line)

    assert list(reply) == ["error"]
    assert error in reply["error"]


def the_load_before(*values: float, samples: float | None = 8) -> list[dict[str, Any]]:
    counted = {} if samples is None else {"samples": samples}
    return [
        {"at": f"2026-11-22T09:59:{20 + 10 * index}Z", "value": value, **counted}
        for index, value in enumerate(values)
    ]


def test_seconds_of_a_case_are_put_together_as_the_scaler_does_it() -> None:
    """4 tasks publish each second; the seconds since the jump size the service."""
    seconds = [
        {"at": f"2026-11-22T09:59:{45 + n}Z", "value": 90 if n < 12 else 225, "samples": 4}
        for n in range(15)
    ]

    decision = explained(
        target={**ONE_NUMBER, "PublishSeconds": 1},
        alarms={"request-rate/high": an_alarm(130.0, recent=seconds, metric="RequestsPerSecond")},
    )

    assert decision["reason"] == (
        "Scaled out from 4 to 9: request-rate: 900 requests/s need 9 tasks at 100 each"
    )


def an_alarm(value: float, threshold: float = 100, **more: Any) -> dict[str, Any]:
    return {"state": "ALARM", "threshold": threshold, "datapoints": [value], **more}


# --- target policies ------------------------------------------------------------------------------

ONE_NUMBER = {
    "ResourceId": "service/prod/web",
    "MinCapacity": 2,
    "MaxCapacity": 200,
    "TargetTrackingPolicies": {"request-rate": {"TargetValue": 100}},
}


def tracked(desired: int, value: float, state: str = "ALARM", **changes: Any) -> dict[str, Any]:
    """Return what is decided of a load per task that is counted, as it was for 25 s."""
    recent = [
        {"at": f"2026-11-22T09:59:{second}Z", "value": value, "samples": desired}
        for second in (35, 40, 45, 50, 55)
    ]
    alarm = {"state": state, "threshold": 100, "datapoints": [value], "recent": recent}
    return explained(
        target=ONE_NUMBER,
        service={
            "desired": desired,
            "running": desired,
            "pending": 0,
            "deployment_in_progress": False,
        },
        alarms={"request-rate/high": {**alarm, "metric": "RequestsPerSecond"}},
        **changes,
    )


def test_the_alarm_of_a_target_policy_is_named_after_it_with_high() -> None:
    decision = tracked(12, 198.75)

    assert (decision["outcome"], decision["granted"]) == ("SCALED_OUT", 24)
    assert decision["reason"] == (
        "Scaled out from 12 to 24: request-rate: 2,385 requests/s need 24 tasks at 100 each"
    )


def test_an_alarm_named_like_the_target_policy_itself_is_none() -> None:
    alarms = {"request-rate": an_alarm(130.0)}

    assert explained(target=ONE_NUMBER, alarms=alarms) == {
        "error": "alarms.request-rate: must be named like an alarm of the target: request-rate/high"
    }


def a_memory(idle_since: str, **level: Any) -> dict[str, Any]:
    """Return what has been learnt where 9 tasks were needed last at a time, and 5 since."""
    learnt: dict[str, Any] = {"top": 9, "window": 120, "returned_at": None, "missed": []}
    return {
        "request-rate": {
            "tasks": 9,
            "grown_at": "2026-11-22T09:00:00Z",
            "needs": [
                {"at": "2026-11-22T09:59:50Z", "tasks": 5},
                {"at": idle_since, "tasks": 9},
            ],
            "levels": [{**learnt, **level}] if level else [],
        }
    }


@pytest.mark.parametrize(
    ("memory", "granted"),
    [
        pytest.param({}, 9, id="none, so that all are needed just now"),
        pytest.param(a_memory("2026-11-22T09:58:30Z"), 9, id="idle for less than its window"),
        pytest.param(a_memory("2026-11-22T09:57:30Z"), 7, id="longer, and 0.7 of the peak stays"),
        pytest.param(a_memory("2026-11-22T09:50:00Z"), 5, id="longer than the peak counts"),
        pytest.param(
            a_memory("2026-11-22T09:50:00Z", window=960, missed=[True, False, True]),
            9,
            id="a task that was missed",
        ),
    ],
)
def test_what_giving_back_has_learnt_can_be_part_of_a_case(
    memory: dict[str, Any], granted: int
) -> None:
    assert tracked(9, 50.0, state="OK", memory=memory)["granted"] == granted


def test_the_reason_says_what_has_been_learnt_of_the_task_that_stays() -> None:
    memory = a_memory("2026-11-22T09:50:00Z", window=960, missed=[True, False, True])

    assert tracked(9, 50.0, state="OK", memory=memory)["trail"][-1]["why"] == (
        "kept at 9: task 9 was soon needed again 2 of the last 3 times, so it is kept idle for "
        "16 min"
    )


@pytest.mark.parametrize(
    ("memory", "error"),
    [
        pytest.param([], "memory: must be an object, not []", id="no object"),
        pytest.param(
            {"cpu": a_memory("2026-11-22T09:50:00Z")["request-rate"]},
            "memory.cpu: must be named like a policy that keeps idle tasks: request-rate",
            id="no policy",
        ),
        pytest.param(
            a_memory("2026-11-22T09:50:00Z", window=3601),
            "memory.request-rate.levels[0].window: must be at most 3600, not 3601",
            id="a window that there is not",
        ),
        pytest.param(
            {"request-rate": {**a_memory("2026-11-22T09:50:00Z")["request-rate"], "note": 1}},
            "memory.request-rate.note: is not a known key; known are tasks, grown_at, needs, "
            "levels",
            id="another key",
        ),
    ],
)
def test_a_memory_that_cannot_be_read_says_what_is_wrong(memory: Any, error: str) -> None:
    assert tracked(9, 50.0, memory=memory) == {"error": error}


def test_a_target_of_steps_has_no_memory_of_idle_tasks() -> None:
    memory = a_memory("2026-11-22T09:50:00Z")

    assert explained(memory=memory) == {
        "error": "memory.request-rate: must be named like a policy that keeps idle tasks: the "
        "target has none"
    }


@pytest.mark.parametrize("samples", [8, 8.0, None], ids=["counted", "as AWS writes it", "not"])
def test_a_rise_can_be_part_of_a_case(samples: float | None) -> None:
    rising = the_load_before(85.0, 100.0, 115.0, 130.0, samples=samples)

    decision = explained(
        alarms={"high-request-rate": an_alarm(130.0, recent=rising)},
        target=a_document(PublishSeconds=5),
    )

    assert [line["guard"] for line in decision["trail"]] == ["steps", "rising trend", "bounds"]
    assert (decision["wanted"], decision["granted"]) == (6, 6)


@pytest.mark.parametrize(
    ("high", "outcome"),
    [
        pytest.param({}, "HELD_WOULD_FLAP", id="the same metric, as nothing else is said"),
        pytest.param({"metric": "rate"}, "SCALED_IN", id="another metric than the one without"),
        pytest.param({"metric": ""}, "HELD_WOULD_FLAP", id="none, in other words"),
    ],
)
def test_a_removal_that_would_flap_can_be_part_of_a_case(
    high: dict[str, Any], outcome: str
) -> None:
    alarms = {
        "low-request-rate": an_alarm(90.0, threshold=95),
        "high-request-rate": {"state": "OK", "threshold": 100, "datapoints": [20.0], **high},
    }

    assert explained(alarms=alarms)["outcome"] == outcome


@pytest.mark.parametrize(
    ("comparison", "outcome"),
    [
        pytest.param("LessThanOrEqualToThreshold", "SCALED_OUT", id="it fires below"),
        pytest.param("GreaterThanThreshold", "HELD_NOT_BREACHING", id="it fires above"),
    ],
)
def test_how_an_alarm_compares_can_be_part_of_a_case(comparison: str, outcome: str) -> None:
    """At the threshold itself, a step (-5, 0] is for an alarm that fires below."""
    step = {
        "MetricIntervalLowerBound": -5,
        "MetricIntervalUpperBound": 0,
        "ScalingAdjustment": 1,
    }
    rest = {"MetricIntervalUpperBound": -5, "ScalingAdjustment": 3}
    policy = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [step, rest]}
    bounds = {"ResourceId": "service/prod/web", "MinCapacity": 2, "MaxCapacity": 40}

    decided = explained(
        target={**bounds, "ScaleOutPolicies": {"few": policy}},
        alarms={"few": an_alarm(10.0, threshold=10, comparison=comparison)},
    )

    assert decided["outcome"] == outcome


def test_alarms_that_name_the_same_metric_are_compared() -> None:
    alarms = {
        "low-request-rate": an_alarm(90.0, threshold=95, metric="rate"),
        "high-request-rate": {"state": "OK", "threshold": 100, "datapoints": [], "metric": "rate"},
    }

    assert explained(alarms=alarms)["outcome"] == "HELD_WOULD_FLAP"


@pytest.mark.parametrize(
    ("recent", "error"),
    [
        pytest.param({}, "recent: must be a list, not {}", id="no list"),
        pytest.param([5], "recent[0]: must be an object, not 5", id="no object"),
        pytest.param([{"value": 1}], "recent[0].at: is required, but missing", id="no time"),
        pytest.param(
            [{"at": "2026-11-22T09:59:30Z"}], "recent[0].value: is required, but missing", id="none"
        ),
        pytest.param(
            [{"at": "09:59", "value": 1}], "recent[0].at: must be a time like", id="half a time"
        ),
        pytest.param(
            [{"at": "2026-11-22T09:59:30Z", "value": "1"}],
            'recent[0].value: must be a number, not "1"',
            id="text",
        ),
        pytest.param(
            [{"at": "2026-11-22T09:59:30Z", "value": 1, "samples": -1}],
            "recent[0].samples: must be at least 0, not -1",
            id="fewer than none",
        ),
        pytest.param(
            [{"at": "2026-11-22T09:59:30Z", "value": 1, "count": 8}],
            "recent[0].count: is not a known key; known are at, value, samples",
            id="another key",
        ),
        pytest.param(
            the_load_before(1.0, 2.0)[::-1],
            "recent: must be oldest first, each at its own time",
            id="newest first",
        ),
        pytest.param(
            the_load_before(1.0) * 2,
            "recent: must be oldest first, each at its own time",
            id="the same time twice",
        ),
    ],
)
def test_a_load_before_that_cannot_be_read_says_what_is_wrong(recent: Any, error: str) -> None:
    reply = explained(alarms={"high-request-rate": an_alarm(130.0, recent=recent)})

    assert list(reply) == ["error"]
    assert reply["error"].startswith(f"alarms.high-request-rate.{error}")
    assert ";" not in reply["error"].removeprefix(f"alarms.high-request-rate.{error}"), (
        "one problem"
    )


def test_a_metric_is_a_text() -> None:
    reply = explained(alarms={"high-request-rate": an_alarm(130.0, metric=5)})

    assert reply == {"error": "alarms.high-request-rate.metric: must be a string, not 5"}


def test_no_data_may_be_written_as_null_or_as_an_empty_list() -> None:
    blind: dict[str, Any] = {"state": "ALARM", "threshold": None, "datapoints": []}

    assert explained(alarms={"high-request-rate": blind})["outcome"] == "HELD_NO_DATA"


def test_lines_go_in_and_lines_come_out_whatever_one_of_them_holds() -> None:
    good = json.dumps(a_case())

    result = CliRunner().invoke(app, ["explain"], input=f"{good}\nnot json\n\n{good}\n")

    outcomes = [json.loads(line).get("outcome") for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert outcomes == ["SCALED_OUT", None, "SCALED_OUT"]
    assert CliRunner().invoke(app, ["explain"], input=f"{good}\n").exit_code == 0


def test_a_line_that_is_no_text_is_one_bad_case(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_bytes(b'"\xff"\n' + json.dumps(a_case()).encode() + b"\n")

    result = CliRunner().invoke(app, ["explain", str(file)])

    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert result.exit_code == 1
    assert first == {"error": 'must hold no lone surrogate, not "\\udcff"'}
    assert second["outcome"] == "SCALED_OUT"


def test_a_decision_that_was_made_is_no_case_to_decide() -> None:
    record = a_scale_out_record().as_dict

    result = CliRunner().invoke(app, ["explain"], input=json.dumps(record))

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "error": "is a past decision, not a case to decide: `quickstep replay service/prod/web "
        "--at 2026-11-22T10:00:12.500Z` replays it"
    }


def test_a_file_that_is_not_there_is_a_usage_error() -> None:
    result = CliRunner().invoke(app, ["explain", "nowhere.jsonl"])

    assert result.exit_code == 2
    assert "nowhere.jsonl" in result.stderr
