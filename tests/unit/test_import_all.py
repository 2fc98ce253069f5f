"""`quickstep import --all`: a folder for each service, and a table that is never cut."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.builders import ROOT
from tests.command_line import run

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "tests" / "unit" / "policies"
NAMES = ("ok-action-of-a-queue", "alarm-deleted", "names-that-leave-no-room")
"""Services prod/jobs, prod/web, and one whose names are too long."""


def files(*names: str) -> list[str]:
    return [part for name in names for part in ("--from-file", str(FOLDER / f"{name}.json"))]


def test_each_service_has_its_row_and_each_failure_takes_nothing_else_with_it(
    tmp_path: Path,
) -> None:
    options = ["--cluster", "prod", *files(*NAMES), "--out", str(tmp_path)]

    result = run("import", "--all", *options, COLUMNS="40")

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        ("Service            Result   Policies  Alarms  Schedules  Alike  Differ  Why"),
        "service/prod/jobs  ok              2       2          0    101       0",
        (
            "service/prod/web   not all         1       1          0     36       0  down: its "
            "alarm low was not found, so it is unknown what runs it; it was not carried over: pass "
            "the output of describe-alarms that has it, or delete the policy"
        ),
        f"1 of 2 services carried over completely, to {tmp_path}",
    ]
    assert sorted(file.name for file in (tmp_path / "prod" / "jobs").iterdir()) == [
        *("alarms.json", "policy.json", "report.json", "template.json"),
    ]


def test_a_service_that_cannot_be_taken_over_is_a_row(tmp_path: Path) -> None:
    cluster = "c" * 120

    result = run(
        *("import", "--all", "--cluster", cluster, *files(*NAMES), "--out", str(tmp_path), "--json")
    )

    (row,) = json.loads(result.stdout)
    assert (result.exit_code, row["result"]) == (1, "failed")
    assert row["troubles"][0].endswith(
        "alone has 262: give the cluster or the service a shorter name"
    )
    assert not list(tmp_path.iterdir())


def test_a_second_run_tells_what_the_first_one_found(tmp_path: Path) -> None:
    command = [
        "import",
        "--all",
        "--cluster",
        "prod",
        *files(*NAMES),
        "--out",
        str(tmp_path),
        "--json",
    ]

    first, second = (json.loads(run(*command).stdout) for _ in range(2))

    assert [row["before"] for row in [*first, *second]] == [False, False, True, True]
    assert [{**row, "before": False} for row in second] == first


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param("{", "must be JSON", id="no JSON"),
        pytest.param("{}", "not an import report", id="something else"),
        pytest.param(
            '{"row": {"service": 5, "result": "ok", "troubles": []}}',
            "row.service: must be a string, not 5",
            id="half a report",
        ),
    ],
)
def test_a_report_that_is_none_is_not_overwritten(tmp_path: Path, content: str, why: str) -> None:
    report = tmp_path / "prod" / "web" / "report.json"
    report.parent.mkdir(parents=True)
    report.write_text(content)

    result = run(
        *("import", "--all", "--cluster", "prod", *files("alarm-deleted"), "--out", str(tmp_path))
    )

    assert result.exit_code == 1
    row = result.stdout.splitlines()[1]
    assert why in row
    assert row.endswith("--again rewrites it")
    assert report.read_text() == content


def test_a_cluster_without_targets_is_said(tmp_path: Path) -> None:
    result = run(
        *("import", "--all", "--cluster", "no", *files("alarm-deleted"), "--out", str(tmp_path))
    )

    assert result.exit_code == 5
    assert result.stderr == (
        "✗ Application Auto Scaling has no scalable target of no in "
        f"{FOLDER / 'alarm-deleted.json'}\n"
    )
