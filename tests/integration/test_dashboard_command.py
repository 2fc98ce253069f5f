"""`quickstep dashboard`: of a saved log and of a table, and what is refused with which words."""

from __future__ import annotations

import json
import socket
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from quickstep.aws.dynamodb import DynamoTargets
from quickstep_lab.embedded_aws import TABLE, Account
from tests.builders import WEB, a_scale_out_record, ago
from tests.command_line import refused, run
from tests.dashboard_html import parse

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "scaler.log"
    lines = [a_scale_out_record(f"decision-{n}", ago(n)).as_dict for n in range(3)]
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return file


def test_a_saved_log_is_written_as_one_file_that_needs_nothing_else(
    log: Path, tmp_path: Path
) -> None:
    html = tmp_path / "decisions.html"
    result = run("dashboard", "--log", str(log), "--html", str(html))
    page = parse(html.read_text(encoding="utf-8"))

    assert (result.exit_code, result.output) == (0, f"Written: {html}\n")
    assert [tag for tag, _ in page.elements].count("details") == 3
    assert not [tag for tag, _ in page.elements if tag in {"script", "img", "iframe"}]
    assert "prefers-color-scheme" in page.text("style")


@pytest.mark.parametrize(
    ("locale", "arguments", "title"),
    [
        pytest.param({"LC_ALL": "", "LANG": "ko_KR.UTF-8"}, (), "결정", id="the locale's"),
        pytest.param({"LC_ALL": "C", "LANG": "ko_KR.UTF-8"}, (), "Decisions", id="LC_ALL first"),
        pytest.param({"LC_ALL": "C"}, ("--lang", "ko"), "결정", id="asked for: Korean"),
        pytest.param({"LC_ALL": "ko_KR"}, ("--lang", "en"), "Decisions", id="asked for: English"),
    ],
)
def test_a_written_page_is_in_the_language_asked_for_or_else_the_locale_s(
    log: Path, tmp_path: Path, locale: dict[str, str], arguments: tuple[str, ...], title: str
) -> None:
    html = tmp_path / "decisions.html"

    run("dashboard", "--log", str(log), "--html", str(html), *arguments, **locale)

    assert parse(html.read_text(encoding="utf-8")).text("h2") == title


@pytest.mark.parametrize(
    ("language", "problem"),
    [
        ("fr", "--lang': must be one of en, ko, not 'fr'"),
        ("ko", "--lang: requires --html: a served page uses the browser's language"),
    ],
)
def test_a_language_that_has_no_effect_is_refused(log: Path, language: str, problem: str) -> None:
    assert problem in refused("dashboard", "--log", str(log), "--lang", language)


def test_a_table_is_read_and_nothing_else_is_called(account: Account, tmp_path: Path) -> None:
    client = account.client("dynamodb")
    DynamoTargets(client, TABLE).record(a_scale_out_record("decision-1", datetime.now(UTC)))
    html = tmp_path / "decisions.html"
    arguments = [WEB.resource_id, "--table", TABLE, "--endpoint-url", account.endpoint_url]
    result = run("dashboard", *arguments, "--region", "us-east-1", "--html", str(html))

    assert result.exit_code == 0, result.output
    assert "Scaled out from 2 to 6" in html.read_text(encoding="utf-8")


def test_a_table_that_there_is_not_is_said_and_ends_with_1(account: Account) -> None:
    result = run(
        "dashboard", WEB.resource_id, "--table", "none", "--endpoint-url", account.endpoint_url
    )

    assert result.exit_code == 1
    assert "Cannot read the decisions: FAILED_OTHER: Query: ResourceNotFound" in result.output


def test_it_serves_until_ctrl_c(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ctrl_c(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", ctrl_c)
    monkeypatch.setattr("quickstep_lab.page.server._wait_until_started", lambda *_: None)
    result = run("dashboard", "--log", str(log))

    assert result.exit_code == 0
    assert "Dashboard     http://127.0.0.1:" in result.output
    assert "opened in the browser" not in result.output, "there is no terminal"
    assert result.output.endswith("Ended.\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param([], "give either --table or --log", id="nothing to read"),
        pytest.param(["--table", "t"], "SERVICE is needed with --table", id="no service"),
        pytest.param(
            ["web", "--table", "t"], "SERVICE must be service/<cluster>/<service>", id="no id"
        ),
        pytest.param(["--log", "missing.log"], "'missing.log' does not exist", id="no file"),
        pytest.param(["--port", "70000"], "less than or equal to 65535", id="no port"),
        pytest.param(
            ["service/a/b", "--table", "t", "--profile", "nobody"],
            "The config profile (nobody) could not be found",
            id="no profile",
        ),
        pytest.param(
            ["service/a/b", "--table", "t", "--endpoint-url", "nonsense"],
            "Invalid endpoint: nonsense",
            id="no endpoint",
        ),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(arguments: list[str], problem: str) -> None:
    assert problem in refused("dashboard", *arguments)


def test_a_broken_log_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.log"
    file.write_text('{"_aws": {}}\n{"decision": {"outcome": "SIDEWAYS"}}\n', encoding="utf-8")

    assert "broken.log, line 2: 1 record is not shown" in refused("dashboard", "--log", str(file))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n")

    assert "can't decode byte" in refused("dashboard", "--log", str(file))


def test_a_file_that_cannot_be_written_is_refused(log: Path, tmp_path: Path) -> None:
    html = tmp_path / "missing" / "decisions.html"

    assert "decisions.html: No such file or directory" in (
        refused("dashboard", "--log", str(log), "--html", str(html))
    )


def test_a_log_of_several_services_asks_which(tmp_path: Path) -> None:
    file = tmp_path / "two.log"
    records = [a_scale_out_record().as_dict | {"resource_id": f"service/prod/{n}"} for n in "ab"]
    file.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")

    assert "name one of the services in two.log: service/prod/a, service/prod/b" in (
        refused("dashboard", "--log", str(file))
    )
    assert "two.log has service/prod/a, service/prod/b, not service/prod/c" in (
        refused("dashboard", "service/prod/c", "--log", str(file))
    )


def test_a_taken_port_is_refused(log: Path) -> None:

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert f"--port {port}: Address already in use" in refused(
            "dashboard", "--log", str(log), "--port", port
        )
