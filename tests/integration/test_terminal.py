"""Every command that prints a table, at 80 and at 160 columns and in a pipe; and a night's answers.

A name, a number, a time and an outcome stay whole on one line. No line is wider than the terminal.
In a pipe, each row is one line.
"""

from __future__ import annotations

import ast
import json
import os
import pty
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len

import quickstep_cli.tables
from docs.night import Night, night
from quickstep_cli.main import COMMANDS
from quickstep_cli.tables import Table
from tests.builders import ROOT
from tests.command_line import run, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = ROOT / "tests" / "unit" / "policies"
SHORT = ("--scenario", "step-x10", "--to", "150", "--jobs", "1")
PLAYED = (*SHORT, "--seeds", "1")

ON_AWS = {
    "decisions": "quickstep decisions prod/web --since 3h --utc",
    "describe": "quickstep describe prod/web --utc",
    "replay": "quickstep replay prod/web --at 14:05:15 --set threshold=80 --utc",
    "shadow": "quickstep shadow prod/web --since 3h --utc",
    "status": "quickstep status",
    "why": "quickstep why prod/web --at 14:03 --utc",
    "init": "quickstep init prod/web --app none --max 30 --yes --again --traffic {folder}/t.csv "
    "--out {folder}/init",
}
ALONE: dict[str, tuple[str, ...]] = {
    "import": (
        *("import", "--all", "--cluster", "prod", "--out", "{folder}/import"),
        *("--from-file", str(FOLDER / "ok-action-of-a-queue.json")),
        *("--from-file", str(FOLDER / "alarm-deleted.json")),
    ),
    "compare": ("compare", *PLAYED),
    "cost": ("cost",),
    "prove": ("prove",),
    "simulate": ("simulate", *PLAYED),
    "tune": (
        *("tune", "--scenario", "sawtooth", "--to", "1200", "--hold-out", "0.5", "--jobs", "1"),
        *("--seeds", "1", "--candidates", "4", "--floor", "0"),
    ),
}


@pytest.fixture(scope="module")
def story() -> Iterator[Night]:
    """The service after its afternoon, at 15:00."""
    with night() as made:
        yield made


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> list[Table]:
    """The tables that a command prints."""
    printed: list[Table] = []
    lines = Table.lines

    def noted(table: Table, width: int | None) -> Any:
        printed.append(table)
        return lines(table, width)

    monkeypatch.setattr(quickstep_cli.tables.Table, "lines", noted)
    return printed


WIDTHS = [
    pytest.param(80, id="80 columns"),
    pytest.param(160, id="160 columns"),
    pytest.param(None, id="a pipe"),
]


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("command", ON_AWS)
def test_a_table_of_aws_survives(
    story: Night, tables: list[Table], command: str, columns: int | None, tmp_path: Path
) -> None:
    seconds = "".join(f"{second},400\n" for second in range(120))
    (tmp_path / "t.csv").write_text(f"second,requests\n{seconds}", encoding="utf-8")

    printed = story.answer(ON_AWS[command].format(folder=tmp_path), columns)

    survives(printed, tables, columns)


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("command", ALONE)
def test_a_table_of_the_laboratory_survives(
    tables: list[Table], command: str, columns: int | None, tmp_path: Path
) -> None:
    arguments = [part.format(folder=tmp_path) for part in ALONE[command]]

    result = run(*arguments, **(terminal(columns) if columns else {}))

    assert result.exit_code in (0, 1), result.output
    survives(result.stdout, tables, columns)


def survives(printed: str, tables: list[Table], columns: int | None) -> None:
    """Check that what was printed has every cell of the tables whole, and fits."""
    lines = printed.splitlines()
    assert any(table.rows for table in tables)
    for table in tables:
        fixed = [index for index, column in enumerate(table.columns) if not column.prose]
        for cells, _ in table.rows:
            broken = [cells[i] for i in fixed if not any(cells[i] in line for line in lines)]
            assert broken == []
            if columns is None:
                whole = [line for line in lines if all(cell.strip() in line for cell in cells)]
                assert whole, f"{cells} must be one line"
    words = max((cell_len(word) for line in lines for word in line.split()), default=0)
    if columns is not None and words < columns - 20:
        assert [line for line in lines if cell_len(line) > columns] == []
    assert "…" not in printed


def test_every_command_that_prints_a_table_is_tried() -> None:
    def makes_tables(file: Path) -> bool:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        return any(
            isinstance(node, ast.ImportFrom)
            and node.module == "quickstep_cli.tables"
            and any(name.name == "Table" for name in node.names)
            for node in ast.walk(tree)
        )

    modules = {
        file.stem for file in (ROOT / "cli" / "quickstep_cli").glob("*.py") if makes_tables(file)
    }
    tried = {(COMMANDS[name].place or name).partition(":")[0] for name in (*ON_AWS, *ALONE)}
    # `init` prints the table of `beside`, `import --all` that of `import_all`. `doctor --all` puts
    # a mark before each line of its table, and does not adapt it to the terminal's width.
    assert modules - tried == {"beside", "doctor_all", "import_all"}


def test_a_real_terminal_gets_what_the_tests_of_one_get() -> None:
    """A pseudo-terminal: nothing in the environment says that it is one."""
    parent, child = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
    environment.pop("TTY_COMPATIBLE", None)
    program = "from quickstep_cli.main import app; app(['cost'])"

    subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", program], stdout=child, stderr=child, env=environment, check=True
    )

    os.close(child)
    shown = b""
    try:
        while part := os.read(parent, 65_536):
            shown += part
    except OSError:  # Linux's word for the end of a pseudo-terminal
        pass
    os.close(parent)
    expected = run("cost", **terminal(80)).stdout
    assert shown.decode().replace("\r\n", "\n") == expected


# --- a night's questions --------------------------------------------------------------------------


def test_in_a_pipe_decisions_are_counted_by_their_outcome(story: Night) -> None:
    printed = story.answer("quickstep decisions prod/web --since 3h", None)

    held = [line for line in printed.splitlines() if "HELD_NOT_BREACHING" in line]
    assert len(held) == 5
    assert all(
        re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  \S+ +\d+ +HELD_NOT_BR", it) for it in held
    )


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        pytest.param(
            "quickstep why prod/web --at 14:03 --utc",
            "At 14:03:00 prod/web was set to 4 tasks. Its document allows 2 to 40. No decision is "
            "recorded within 1m of it, because no alarm was in ALARM: there was nothing to "
            "decide. high-request-rate was OK since 13:00:01, at 92 (threshold 100). "
            "low-request-rate was OK since 13:00:01, at 92 (threshold 30). It next changed at "
            "14:05:12 (4 → 5, SCALED_OUT).",
            id="why not at 14:03",
        ),
        pytest.param(
            "quickstep why prod/web --at 12:30 --utc",
            "At 12:30:00 Quickstep did not know prod/web: its policy document was first written at "
            "13:00:00.",
            id="before it was known",
        ),
    ],
)
def test_a_question_is_answered_in_one_paragraph(story: Night, question: str, answer: str) -> None:
    first, *_ = story.answer(question, None).split("\n\n")

    assert first == answer


def test_who_scaled_it_to_200_is_named(story: Night) -> None:
    printed = story.answer("quickstep decisions prod/web --changes --since 1h --json", None)

    (record,) = [one for one in map(json.loads, printed.splitlines()) if one.get("granted") == 200]
    assert record["from"] == 6
    assert record["trigger"]["what"] == (
        "override: at least 200 until 2026-11-26 14:40:00 UTC: load test "
        "(arn:aws:sts::123456789012:assumed-role/oncall/alice)"
    )


def test_every_decision_of_the_afternoon_is_made_again_as_it_was(story: Night) -> None:
    printed = story.answer("quickstep decisions prod/web --since 3h --json", None)
    records = [one for one in map(json.loads, printed.splitlines()) if "granted" in one]

    assert len(records) > 10
    for record in records:
        command = f"quickstep replay prod/web --at {record['at']} --id {record['id']} --json"
        replayed = json.loads(story.answer(command, None))
        assert replayed["same"] is True, record["reason"]
        if not record["outcome"].startswith("FAILED_"):  # its reason is AWS's
            assert replayed["before"]["reason"] == record["reason"]


def test_a_pause_and_missing_tasks_are_on_the_screen(story: Night) -> None:
    described = json.loads(story.answer("quickstep describe prod/web --json", None))

    assert described["missing"] == 5
    assert described["entries"]["pause"]["reason"] == "database failover"
    assert described["service"]["trouble"].startswith("(service web) was unable to place a task.")
    assert described["reporting"] == "about 12 tasks, the newest period ended 0s ago"
    assert [one["at"] for one in described["events"]] == [
        "2026-11-26T14:51:02.000Z",
        "2026-11-26T14:52:10.000Z",
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        pytest.param(
            ["decisions", "prod/web", "--since", "soon"],
            "Invalid value for --since: must be a time like 14:03",
            id="no time",
        ),
        pytest.param(
            ["decisions", "prod/web", "--since", "1h", "--until", "2h"],
            "Invalid value for --since: must be before --until",
            id="a span that ends before it begins",
        ),
        pytest.param(
            ["decisions", "prod/web", "--at", "1h", "--since", "2h"],
            "Invalid value for --at: cannot be combined with --since or --until",
            id="two ways at once",
        ),
        pytest.param(
            ["decisions", "prod/web", "--outcome", "holds"],
            "must be an outcome or how some begin: SCALED_OUT",
            id="no outcome",
        ),
        pytest.param(
            ["decisions", "prod/web", "--follow", "--until", "1h"],
            "Invalid value for --follow: cannot be combined with --until or --at",
            id="a future that is over",
        ),
        pytest.param(
            ["why", "prod/web", "--at", "2999-01-01"],
            "Invalid value for --at: must not be after",
            id="a time that is ahead",
        ),
        pytest.param(
            ["replay", "prod/web", "--set", "threshold"],
            "Invalid value for --set: must be KEY=VALUE, such as threshold=80, not 'threshold'",
            id="a change that is none",
        ),
        pytest.param(
            ["export", "prod/web", str(ROOT / "README.md")],
            "README.md exists; --force overwrites it",
            id="a file that is there",
        ),
    ],
)
def test_what_is_wrong_with_arguments_is_said_before_aws_is_asked(
    arguments: list[str], why: str
) -> None:
    nobody = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_DEFAULT_REGION": "us-east-1"}

    result = run(*arguments, **nobody)

    assert result.exit_code in (1, 2)
    assert why in " ".join(re.sub(r"[│╭╮╰╯─]+", " ", result.stderr).split())


def test_a_time_without_a_decision_is_none_to_replay(story: Night) -> None:
    assert story.answer("quickstep replay prod/web --at 14:03 --utc", None) == (
        "✗ no decision was made within a minute of 2026-11-26 14:03:00, so nothing can be "
        "replayed: the previous one was at 2026-11-26 13:00:05. `quickstep why` says what is known"
    )
