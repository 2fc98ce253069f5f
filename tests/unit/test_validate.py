"""`quickstep validate`: exit codes and what is listed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from quickstep_cli.main import app
from tests.builders import EXAMPLE_POLICY, a_document

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("file", "alarms"),
    [
        pytest.param("web.json", "high-request-rate, low-request-rate", id="steps"),
        pytest.param("one-number.json", "request-rate/high", id="one number"),
    ],
)
def test_a_valid_document_is_said_to_be_so_with_the_alarms_that_it_needs(
    file: str, alarms: str
) -> None:
    path = EXAMPLE_POLICY.parent / file

    result = CliRunner().invoke(app, ["validate", "--strict", str(path)], env={"COLUMNS": "300"})

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"✓ {path}: service/prod/web, with the alarms {alarms}\n"


def test_a_target_policy_s_threshold_is_in_the_document() -> None:
    path = EXAMPLE_POLICY.parent / "one-number.json"

    result = CliRunner().invoke(
        app, ["validate", str(path), "--threshold", "request-rate=5"], env={"COLUMNS": "300"}
    )

    assert result.exit_code == 2
    assert "request-rate: no valid document has a step policy of that name" in result.stderr


def test_every_problem_of_every_document_is_listed(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(a_document(MinCapacity=-1, DryRun="[bold]")))
    worse = tmp_path / "worse.json"
    worse.write_text("{")

    result = CliRunner().invoke(
        app, ["validate", str(bad), str(EXAMPLE_POLICY), str(worse)], env={"COLUMNS": "300"}
    )

    assert result.exit_code == 1
    assert "MinCapacity: must be at least 0, not -1" in result.stderr
    assert 'DryRun: must be true or false, not "[bold]"' in result.stderr
    assert "must be JSON" in result.stderr
    assert "with the alarms high-request-rate, low-request-rate" in result.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "No such file or directory", id="no such file"),
        pytest.param(b"\xff\xfe", "must be UTF-8", id="not text"),
        pytest.param(b"", "must be JSON", id="empty"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_problem(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "policy.json"
    if content is not None:
        file.write_bytes(content)

    result = CliRunner().invoke(app, ["validate", str(file)], env={"COLUMNS": "300"})

    assert result.exit_code == 1
    assert message in result.stderr


def test_without_a_file_it_says_how_it_is_used() -> None:
    result = CliRunner().invoke(app, ["validate"])

    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("blanks", "code", "said"),
    [
        pytest.param(4096, 0, "a standard-tier SSM parameter takes 4096", id="advanced tier"),
        pytest.param(46_000, 1, "must have at most 8192 bytes", id="none"),
    ],
)
def test_an_error_about_a_large_document_names_the_tier_that_takes_it(
    blanks: int, code: int, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "large.json"
    file.write_text(json.dumps(a_document()) + " " * blanks)

    result = CliRunner().invoke(app, ["validate", str(file)], env={"COLUMNS": "300"})

    assert result.exit_code == code
    assert said in result.stderr


def test_a_document_of_queues_is_said_to_be_valid_with_what_it_watches(tmp_path: Path) -> None:
    queues = {name: {"QueueName": f"{name}.fifo", "SecondsPerJob": 2} for name in ("a", "b")}
    mixed = tmp_path / "mixed.json"
    mixed.write_text(json.dumps(a_document(QueuePolicies=queues)))
    alone = tmp_path / "alone.json"
    document = a_document(
        MinCapacity=0,
        ScaleOutPolicies=None,
        ScaleInPolicies=None,
        QueuePolicies={"a": queues["a"]},
    )
    alone.write_text(json.dumps(document))

    result = CliRunner().invoke(
        app, ["validate", "--strict", str(mixed), str(alone)], env={"COLUMNS": "300"}
    )

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"✓ {mixed}: service/prod/web, with the alarms high-request-rate, low-request-rate and the "
        "queues a.fifo, b.fifo\n"
        f"✓ {alone}: service/prod/web, with the queue a.fifo\n"
    )


FIRST = (
    "so it never adds the first task: set MinCapacity to 1, or add a policy with MetricScope Total "
    "on a metric that exists without tasks, such as a queue's depth; a schedule or an override can "
    "also raise the minimum"
)


def a_policy(**changes: object) -> dict[str, object]:
    steps = [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 10}]
    return {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps, **changes}


@pytest.mark.parametrize(
    ("policies", "warnings"),
    [
        pytest.param(
            {"ScaleOutPolicies": {"a": a_policy(MetricScope="PerTask")}},
            [
                (
                    "MinCapacity is 0, and a uses a value per task, which nothing publishes while "
                    f"no task runs, {FIRST}"
                ),
                "there are no ScaleInPolicies: capacity only ever goes the other way",
            ],
            id="a value per task",
        ),
        pytest.param(
            {"ScaleOutPolicies": {"a": a_policy(AdjustmentType="PercentChangeInCapacity")}},
            [
                (
                    "MinCapacity is 0, and a uses a percentage, and any percentage of 0 tasks is "
                    f"0, {FIRST}"
                ),
                "there are no ScaleInPolicies: capacity only ever goes the other way",
            ],
            id="a percentage",
        ),
        pytest.param(
            {"ScaleOutPolicies": {"a": a_policy()}},
            ["there are no ScaleInPolicies: capacity only ever goes the other way"],
            id="a number of tasks",
        ),
    ],
)
def test_what_is_said_of_a_service_that_may_rest_at_zero(
    tmp_path: Path, policies: dict[str, object], warnings: list[str]
) -> None:
    file = tmp_path / "policy.json"
    bounds = {"ResourceId": "service/prod/web", "MinCapacity": 0, "MaxCapacity": 10}
    file.write_text(json.dumps({**bounds, **policies}))

    result = CliRunner().invoke(app, ["validate", str(file)], env={"COLUMNS": "300"})

    assert result.exit_code == 0
    assert set(result.stderr.splitlines()) == {f"! {file}: {warning}" for warning in warnings}


@pytest.mark.parametrize(
    ("group", "body", "alarm"),
    [
        pytest.param("ScaleOutPolicies", a_policy(), "", id="steps"),
        pytest.param("TargetTrackingPolicies", {"TargetValue": 5}, "/high", id="a target"),
    ],
)
def test_a_name_that_no_alarm_can_have_is_refused(
    tmp_path: Path, group: str, body: dict[str, object], alarm: str
) -> None:
    cluster, service, file = "c" * 100, "s" * 100, tmp_path / "policy.json"
    name = "p" * (255 - len(f"quickstep/{cluster}/{service}/{alarm}"))
    document = {"ResourceId": f"service/{cluster}/{service}", "MinCapacity": 1, "MaxCapacity": 9}

    for size, code in ((0, 0), (1, 1)):
        long = name + "p" * size
        file.write_text(json.dumps({**document, group: {long: body}}))
        result = CliRunner().invoke(app, ["validate", str(file)], env={"COLUMNS": "300"})
        assert result.exit_code == code

    assert result.stderr == (
        f"✗ {file}: 1 problem(s)\n"
        f"    {group}.{long}: must have an alarm's name of at most 255 characters, and "
        f"quickstep/{cluster}/{service}/{long}{alarm} has 256\n"
    )
