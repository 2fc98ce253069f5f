"""`make invoke`: the built function on Lambda's real Runtime API, against an embedded AWS."""

from __future__ import annotations

import json
import socket
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from quickstep_lab import invoke
from quickstep_lab.build import NO_RUNTIME_PYTHON, build, runtime_python
from quickstep_lab.container import address_for_containers, docker_answers
from quickstep_lab.embedded_aws import (
    QUEUE,
    TABLE,
    Account,
    create_queue,
    desired_count,
    messages_waiting,
)
from quickstep_lab.files import ROOT
from quickstep_lab.local_lambda import (
    BuiltFunction,
    Emulator,
    built_function,
    emulator,
    runs_here,
)
from tests.builders import EVENTS, WEB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

runs_the_function = pytest.mark.skipif(
    sys.platform != "linux" or runtime_python() is None,
    reason=NO_RUNTIME_PYTHON if sys.platform == "linux" else "the emulator is a Linux program",
)
# SAM's resolver calls what SAM and jsonschema deprecate.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def built(server: Account) -> BuiltFunction:
    """The scaler as `sam build` leaves it."""
    build(quiet=True)
    return built_function(server.endpoint_url)


@pytest.fixture(scope="module")
def scaler(built: BuiltFunction) -> Iterator[Emulator]:
    with emulator(built) as function:
        yield function


@runs_the_function
def test_a_breach_in_an_event_becomes_tasks_in_ecs(scaler: Emulator, account: Account) -> None:
    queue_url = create_queue(account)

    answer = scaler.invoke((EVENTS / "alarm-high-step2.json").read_text(encoding="utf-8"))

    (decision,) = answer["decisions"]
    assert (decision["outcome"], decision["from"], decision["granted"]) == ("SCALED_OUT", 4, 6)
    assert desired_count(account, WEB) == 6
    assert messages_waiting(account, queue_url) == 1, "the next look"


@runs_the_function
def test_a_message_of_the_queue_is_taken(scaler: Emulator, account: Account) -> None:
    create_queue(account)

    answer = scaler.invoke((EVENTS / "recheck.json").read_text(encoding="utf-8"))

    assert answer == {"batchItemFailures": []}


@runs_the_function
def test_a_heartbeat_without_any_alarm_finds_nothing_to_do(
    scaler: Emulator, account: Account
) -> None:
    create_queue(account)

    answer = scaler.invoke((EVENTS / "heartbeat.json").read_text(encoding="utf-8"))

    assert answer == {"decisions": []}


@runs_the_function
def test_a_malformed_event_is_refused(scaler: Emulator, account: Account) -> None:
    answer = scaler.invoke((EVENTS / "alarm-malformed.json").read_text(encoding="utf-8"))

    assert list(answer) == ["refused"]
    assert desired_count(account, WEB) == 4


@runs_the_function
def test_the_built_function_has_code_layers_and_nothing_else(built: BuiltFunction) -> None:
    core, powertools = built.layers

    assert {path.name for path in built.task_root.iterdir()} == {"handler.py", "__pycache__"}
    assert [path.name for path in (core / "python").iterdir()] == ["quickstep"]
    assert (powertools / "python" / "aws_lambda_powertools").is_dir()
    assert not any((powertools / "python").glob("boto*")), "boto3 is the runtime's"


@runs_the_function
def test_every_module_that_is_deployed_has_the_runtime_s_bytecode(built: BuiltFunction) -> None:
    modules = [path for folder in (built.task_root, *built.layers) for path in folder.rglob("*.py")]

    without = {
        path.name
        for path in modules
        if not (path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc").is_file()
    }

    assert len(modules) > 50
    assert not without


@runs_the_function
def test_bytecode_is_held_against_its_source(built: BuiltFunction) -> None:
    (compiled,) = (built.task_root / "__pycache__").iterdir()

    flags = int.from_bytes(compiled.read_bytes()[4:8], "little")

    assert flags == 0b11, "a hash of the source, and checked: PEP 552"


@runs_the_function
def test_the_environment_is_the_template_s_with_the_overrides_of_env_json(
    built: BuiltFunction, server: Account
) -> None:
    assert built.environment["AWS_ENDPOINT_URL"] == server.endpoint_url
    assert built.environment["POLICY_MAX_AGE_SECONDS"] == "30"
    assert built.environment["TABLE_NAME"] == TABLE
    assert built.environment["QUEUE_URL"].endswith(f"/{QUEUE}")
    assert int(built.environment["MAX_EVENT_AGE_SECONDS"]) > 10 * 365 * 86_400


@pytest.fixture
def a_function(tmp_path: Path) -> BuiltFunction:
    """A function of a few lines, with two layers that both have the module `shared`."""
    for layer in ("first", "second"):
        (tmp_path / layer / "python").mkdir(parents=True)
        (tmp_path / layer / "python" / "shared.py").write_text(f"LAYER = '{layer}'\n")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(
        "import os, sys, shared\n"
        "def handler(event, context):\n"
        "    if event == 'fail':\n"
        "        raise ValueError('told to')\n"
        "    return {'layer': shared.LAYER, 'path': sys.path, 'environment': dict(os.environ)}\n"
    )
    environment = {"AWS_LAMBDA_FUNCTION_NAME": "app", "AWS_LAMBDA_FUNCTION_TIMEOUT": "5"}
    layers = (tmp_path / "first", tmp_path / "second")
    return BuiltFunction("app.handler", tmp_path / "code", layers, environment, 5)


@runs_the_function
def test_layers_are_merged_and_come_before_the_runtime_s_own(a_function: BuiltFunction) -> None:
    with emulator(a_function) as function:
        answer = function.invoke("{}")

    path = answer["path"]
    own = path.index(str(a_function.task_root))
    layers = next(i for i, folder in enumerate(path) if folder.endswith("/opt/python"))
    runtime = next(
        i for i, folder in enumerate(path) if folder.endswith("/site-packages") and i > layers
    )
    assert answer["layer"] == "second"
    assert own < layers < runtime


@runs_the_function
def test_nothing_of_this_machine_s_environment_reaches_the_function(
    a_function: BuiltFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com")

    with emulator(a_function) as function:
        answer = function.invoke("{}")

    assert not answer["environment"].keys() & {"AWS_PROFILE", "HTTPS_PROXY", "HOME"}


@runs_the_function
def test_an_exception_is_reported_as_lambda_reports_it(a_function: BuiltFunction) -> None:
    with emulator(a_function) as function:
        answer = function.invoke(json.dumps("fail"))

    assert invoke.is_error(answer)
    assert (answer["errorType"], answer["errorMessage"]) == ("ValueError", "told to")


@runs_the_function
def test_the_emulator_ends_with_its_block_and_leaves_the_code_as_it_was(
    a_function: BuiltFunction,
) -> None:
    with emulator(a_function) as function:
        function.invoke("{}")

    address = urlsplit(function.url)
    with socket.socket() as probe:
        assert probe.connect_ex((str(address.hostname), address.port or 0)) != 0
    assert [path.name for path in a_function.task_root.iterdir()] == ["app.py"]


@runs_the_function
def test_the_command_shows_answer_and_desired_count(capsys: pytest.CaptureFixture[str]) -> None:
    code = invoke.main([str(EVENTS / "alarm-high-step1.json"), "--native", "--desired", "3"])

    shown = capsys.readouterr().out
    assert code == 0
    assert "\nSCALED_OUT  Scaled out from 3 to 4: " in shown
    assert "\n  next look in 10 s\n" in shown
    assert shown.endswith("service/prod/web: desired count 3 -> 4\nMessages in the queue: 1\n")


@runs_the_function
def test_the_command_shows_the_whole_answer_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    invoke.main([str(EVENTS / "alarm-high-step1.json"), "--native", "--json"])

    shown = capsys.readouterr().out
    answer = json.loads(shown[shown.index("{") : shown.rindex("}") + 1])
    assert answer["decisions"][0]["outcome"] == "SCALED_OUT"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"decisions": []}, id="no decision"),
        pytest.param({"refused": ["detail: is missing"]}, id="a refusal"),
        pytest.param({"batchItemFailures": []}, id="the answer to a queue"),
        pytest.param({"errorType": "ValueError", "errorMessage": "told to"}, id="an exception"),
        pytest.param(None, id="nothing"),
    ],
)
def test_an_answer_without_decisions_has_no_lines_to_tell_of_them(answer: object) -> None:
    assert invoke.readable(answer) == []


def test_an_answer_explains_its_decision_rule_by_rule() -> None:
    step = {"guard": "bounds", "before": 9, "after": 8, "why": "9 is capped at 8"}
    decision = {"outcome": "SCALED_OUT", "reason": "Scaled out from 7 to 8: so", "trail": [step]}

    assert invoke.readable({"decisions": [{**decision, "next_check_in": None}]}) == [
        "SCALED_OUT  Scaled out from 7 to 8: so",
        "  bounds: 9 -> 8  9 is capped at 8",
    ]


def test_an_evaluation_that_ended_early_has_only_its_reason() -> None:
    decision = {"outcome": "LOST_RACE", "reason": "Left to another evaluation"}

    assert invoke.readable({"decisions": [decision]}) == ["LOST_RACE  Left to another evaluation"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        pytest.param(
            ["events/nowhere.json"],
            "EVENT events/nowhere.json: No such file or directory. events/ has alarm-",
            id="no such event",
        ),
        pytest.param([str(ROOT / "Makefile")], "Makefile is not JSON: ", id="an event in no JSON"),
        pytest.param(
            [str(EVENTS / "alarm-ok.json"), "--policy", str(EVENTS / "env.json")],
            "policy document: ResourceId must be service/<cluster>/<service>",
            id="no policy document",
        ),
    ],
)
def test_the_command_says_what_is_wrong_with_its_input(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke.main([*arguments, "--native"]) == 1
    assert why in capsys.readouterr().err


def install_docker(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a `docker` on PATH that does what a shell script says."""
    docker = folder / "docker"
    docker.write_text(f"#!/bin/sh\n{script}\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(
    ("script", "answers"),
    [
        pytest.param("echo 29.1.0", True, id="a daemon"),
        pytest.param("echo Cannot connect to the Docker daemon >&2; exit 1", False, id="no daemon"),
    ],
)
def test_docker_is_used_where_its_daemon_answers(
    script: str, answers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_docker(tmp_path, monkeypatch, script)

    assert docker_answers() == answers


@pytest.mark.parametrize(
    ("system", "machine", "runs"),
    [
        pytest.param("Linux", "x86_64", True, id="Linux on x86"),
        pytest.param("Linux", "aarch64", True, id="Linux on arm"),
        pytest.param("Darwin", "arm64", False, id="a Mac"),
        pytest.param("Linux", "riscv64", False, id="a processor without an emulator"),
    ],
)
def test_the_emulator_runs_on_linux(
    system: str, machine: str, monkeypatch: pytest.MonkeyPatch, *, runs: bool
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)

    assert runs_here() == (runs and runtime_python() is not None)


def test_native_and_docker_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        invoke.main(["events/heartbeat.json", "--native", "--docker"])

    assert "argument --docker: not allowed with argument --native" in capsys.readouterr().err


def test_without_a_docker_command_there_is_no_docker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert not docker_answers()


def test_docker_s_gateway_leads_containers_to_the_same_account(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_docker(tmp_path, monkeypatch, "echo 127.0.0.1")

    with address_for_containers(account.endpoint_url) as endpoint_url:
        assert endpoint_url != account.endpoint_url
        assert desired_count(Account(account.session, endpoint_url), WEB) == 4


def test_docker_desktop_has_a_name_for_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_docker(tmp_path, monkeypatch, "echo 192.0.2.1")  # an address of nobody's

    with address_for_containers("http://127.0.0.1:5000") as endpoint_url:
        assert endpoint_url == "http://host.docker.internal:5000"
