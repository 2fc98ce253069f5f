"""The demo on an embedded AWS: under a clock that is set, and once in real time."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from quickstep.alarms.event import read_event
from quickstep.engine.model import AlarmState
from quickstep_cli.main import COMMANDS, app
from quickstep_lab import demo
from quickstep_lab.demo_summary import summarise
from quickstep_lab.embedded_aws import Account, desired_count, messages_waiting, put_policy, reset
from quickstep_lab.files import ONE_NUMBER_POLICY
from quickstep_lab.scaler import HEARTBEAT, embedded_scaler
from quickstep_lab.snapshot import Plan, Snapshot
from quickstep_lab.traffic import ScenarioName, Traffic, scenario_traffic
from tests.builders import EVENTS, HIGH, LOW, WEB, a_document
from tests.clocks import START, SetClock, same_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SURGE = Plan(scenario_traffic(ScenarioName.SURGE, 95), seconds=95, surges=False)
"""By the alarm alone: no task tells of the surge."""
LONGER = scenario_traffic(ScenarioName.SURGE, 125)


@pytest.fixture
def time() -> Iterator[SetClock]:
    """The time of a test, and of the embedded AWS in it."""
    set_clock = SetClock()
    with same_time(set_clock):
        yield set_clock


@pytest.fixture
def prepared(server: Account, time: SetClock) -> Account:
    """An account with what the demo deploys to it."""
    assert time.at < START
    reset(server)
    demo.prepare(server)
    return server


@dataclass(frozen=True)
class Played:
    """A run: its snapshots, and the events that the scaler got of its alarms."""

    snapshots: list[Snapshot]
    events: list[dict[str, Any]]

    def decisions(self) -> list[tuple[float, str, str]]:
        """When each decision was made, what set it off, and how it ended."""
        return [
            (shot.made_at(record), record["trigger"]["kind"], record["outcome"])
            for shot in self.snapshots
            for record in shot.decisions
        ]

    def changes(self) -> list[tuple[float, str, int, int]]:
        """When each change of capacity was decided on, and what it was."""
        return [
            (shot.made_at(record), record["outcome"], record["from"], record["granted"])
            for shot in self.snapshots
            for record in shot.decisions
            if record["outcome"] in {"SCALED_OUT", "SCALED_IN"}
        ]


def play(account: Account, plan: Plan, time: SetClock) -> Played:
    events = list[dict[str, Any]]()
    scaler = embedded_scaler(account, time.clock, io.StringIO())

    def overheard(event: dict[str, Any]) -> list[dict[str, Any]]:
        if event != HEARTBEAT:
            events.append(event)
        return scaler.on_event(event)

    listening = replace(scaler, on_event=overheard)
    return Played(list(demo.run(plan, account, listening, time.clock, START)), events)


@pytest.fixture(scope="module")
def surge(server: Account) -> Played:
    """The default scenario by the alarm alone, and half a minute more."""
    time = SetClock()
    with same_time(time):
        reset(server)
        demo.prepare(server)
        return play(server, replace(SURGE, traffic=LONGER, seconds=125), time)


@pytest.fixture(scope="module")
def surge_messages(server: Account) -> Played:
    """The same where tasks tell of the surge, as the demo has it by default."""
    time = SetClock()
    with same_time(time):
        reset(server)
        demo.prepare(server)
        return play(server, Plan(LONGER, seconds=65), time)


def test_a_task_that_feels_the_surge_has_it_answered_ten_seconds_before_the_alarm(
    surge_messages: Played, surge: Played
) -> None:
    """Felt at 11, when the mean of seconds 9 and 10 is 217, and told of within a second."""
    mine, alone = (summarise(played.snapshots) for played in (surge_messages, surge))
    assert (mine.surge_at, alone.surge_at) == (10, 10)
    assert mine.answer is not None
    assert alone.answer is not None
    assert (mine.answer.by, mine.answer.accepted_at, mine.answer.tasks_after) == ("surge", 12, 10)
    assert (alone.answer.by, alone.answer.accepted_at) == ("alarm", 22)
    assert mine.answer.alarm_at == 22, "the alarm finds it answered"
    assert mine.failed < 0.8 * alone.failed


def test_the_tasks_tell_of_one_surge_once_in_two_seconds_and_the_look_after_it_removes_nothing(
    surge_messages: Played,
) -> None:
    looks = [(at, outcome) for at, kind, outcome in surge_messages.decisions() if kind == "surge"]
    assert looks[:5] == [
        (12, "SCALED_OUT"),
        (14, "HELD_ANSWERED"),
        (16, "HELD_ANSWERED"),
        (18, "HELD_ANSWERED"),
        (20, "HELD_ANSWERED"),
    ]
    assert "SCALED_IN" not in [outcome for _, outcome in looks]
    assert (22, "alarm", "HELD_ANSWERED") in surge_messages.decisions()


def test_the_surge_is_answered_by_the_first_evaluation_after_it(surge: Played) -> None:
    summary = summarise(surge.snapshots)
    assert summary.surge_at == 10
    assert summary.answer is not None
    assert summary.answer.alarm_at == 22
    assert (summary.answer.tasks_before, summary.answer.tasks_after) == (2, 9)


def test_capacity_goes_out_until_the_surge_is_met_and_in_once_it_is_over(surge: Played) -> None:
    """The period in which the first new tasks join reads 850 instead of 750: hence a ninth task."""
    assert surge.changes() == [
        (22, "SCALED_OUT", 2, 6),
        (32, "SCALED_OUT", 6, 7),
        (42, "SCALED_OUT", 7, 8),
        (62, "SCALED_OUT", 8, 9),
        (92, "SCALED_IN", 9, 8),
        (122, "SCALED_IN", 8, 7),
    ]


def test_after_the_one_event_of_an_alarm_the_scaler_looks_again_by_itself(surge: Played) -> None:
    assert surge.decisions() == [
        (2, "alarm", "HELD_NO_DATA"),
        (5, "heartbeat", "HELD_NO_DATA"),
        (12, "alarm", "HELD_NOT_BREACHING"),
        (22, "alarm", "SCALED_OUT"),
        (32, "re-check", "SCALED_OUT"),
        (42, "re-check", "SCALED_OUT"),
        (52, "re-check", "HELD_CAPACITY_ON_ITS_WAY"),
        (62, "re-check", "SCALED_OUT"),
        (72, "alarm", "HELD_NOT_BREACHING"),
        (92, "alarm", "SCALED_IN"),
        (122, "re-check", "SCALED_IN"),
    ]


def test_new_tasks_serve_after_their_start_up_delay(surge: Played) -> None:
    served = {shot.second: shot.serving for shot in surge.snapshots}
    assert [served[second] for second in (21, 50, 51, 61, 71)] == [2, 2, 6, 7, 8]
    assert [s.desired for s in surge.snapshots if s.second in (20, 21)] == [2, 6]


def test_ecs_counts_a_task_as_pending_until_it_serves_and_no_longer_once_it_drains(
    surge: Played,
) -> None:
    services = {
        shot.made_at(record): (record["service"]["running"], record["service"]["pending"])
        for shot in surge.snapshots
        for record in shot.decisions
    }
    assert [services[at] for at in (22, 32, 52, 72, 122)] == [
        (2, 0),
        (2, 4),
        (6, 2),
        (8, 1),
        (8, 0),
    ]


def test_a_task_that_was_removed_goes_on_publishing_0_to_the_end(surge: Played) -> None:
    draining = [len(shot.load.draining) for shot in surge.snapshots]
    assert [draining[second] for second in (91, 92, 121, 122)] == [0, 1, 1, 2]
    low = surge.snapshots[-2].alarms[1]
    assert low.newest == pytest.approx(120 / 9, rel=0.05), "9 tasks report, 8 serve"


def test_only_the_seconds_before_the_new_tasks_serve_fail(surge: Played) -> None:
    failing = [shot.second for shot in surge.snapshots if shot.load.failed]
    assert (failing[0], failing[-1]) == (10, 51)


def test_each_event_is_one_that_the_scaler_reads(surge: Played) -> None:
    seen = []
    for event in surge.events:
        transition = read_event(event)
        second = (transition.at - START).total_seconds()
        seen.append((second, transition.policy, transition.alarm.state.value))
        assert transition.alarm.has_value is (second > 2)
    assert seen == [
        (2, LOW, "OK"),
        (12, HIGH, "OK"),
        (22, HIGH, "ALARM"),
        (72, HIGH, "OK"),
        (92, LOW, "ALARM"),
    ]


def test_the_events_of_the_surge_carry_what_the_alarms_saw(surge: Played) -> None:
    out, back_in = surge.events[2], surge.events[4]
    transition = read_event(out)
    assert (transition.alarm.threshold, transition.alarm.datapoints) == (100, (375,))
    assert read_event(back_in).alarm.datapoints == pytest.approx((16.25, 15, 15), rel=0.1)
    data = json.loads(out["detail"]["state"]["reasonData"])
    assert data["period"] == 10
    # Two tasks, each with a datapoint a second.
    assert data["evaluatedDatapoints"] == [
        {"timestamp": "2026-11-22T10:00:10.000+0000", "sampleCount": 20.0, "value": 375.0}
    ]


def test_an_event_has_the_members_of_the_sample_event(surge: Played) -> None:
    sample = json.loads((EVENTS / "alarm-high-step3.json").read_text(encoding="utf-8"))
    assert members(surge.events[2]) == members(sample)


def members(value: Any, path: str = "") -> set[str]:
    if isinstance(value, dict):
        return {path}.union(*(members(v, f"{path}.{key}") for key, v in value.items()))
    if isinstance(value, list):
        return {path}.union(*(members(v, f"{path}[]") for v in value))
    return {path}


def test_cloudwatch_itself_has_the_alarms_states(prepared: Account, time: SetClock) -> None:
    client = prepared.client("cloudwatch")

    def states() -> list[str]:
        return [alarm["StateValue"] for alarm in client.describe_alarms()["MetricAlarms"]]

    assert states() == ["INSUFFICIENT_DATA"] * 2
    play(prepared, Plan(SURGE.traffic, seconds=22), time)
    assert states() == ["ALARM", "OK"]


def test_a_service_without_tasks_gets_its_minimum_with_the_heartbeat(
    prepared: Account, time: SetClock
) -> None:
    ecs = prepared.client("ecs")
    ecs.update_service(cluster="prod", service="web", desiredCount=0)
    played = play(prepared, Plan(SURGE.traffic, seconds=22), time)
    last = played.snapshots[-1]
    assert [alarm.state for alarm in last.alarms] == [AlarmState.INSUFFICIENT_DATA, AlarmState.OK]
    assert (last.load.failed, played.changes()) == (750, [(5, "SCALED_OUT", 0, 2)])


def test_steady_traffic_changes_nothing(prepared: Account, time: SetClock) -> None:
    steady = scenario_traffic(ScenarioName.STEADY, 32)
    played = play(prepared, Plan(steady, seconds=32), time)
    assert played.changes() == []
    assert not summarise(played.snapshots).unanswered
    assert desired_count(prepared, WEB) == 2


SUSTAINED = Traffic("sustained surge", (120.0,) * 10 + (1500.0,) * 130)
NEEDED = 15
"""Tasks that bring 1500 requests/s down to the alarm's threshold of 100 for each."""


def test_a_long_surge_is_answered_every_10_s_until_its_load_is_met(
    prepared: Account, time: SetClock
) -> None:
    played = play(prepared, Plan(SUSTAINED, seconds=140, surges=False), time)

    states = [event["detail"]["state"]["value"] for event in played.events]
    assert states == ["OK", "OK", "ALARM", "OK"], "one event for the whole surge, one for its end"
    met = (read_event(played.events[-1]).at - START).total_seconds()
    looks = [(at, kind) for at, kind, _ in played.decisions() if 22 <= at < met]
    rechecks = [(float(at), "re-check") for at in range(32, int(met), 10)]
    assert looks == [(22.0, "alarm"), *rechecks]
    assert met < 130
    assert not [shot.second for shot in played.snapshots if shot.second > met and shot.load.failed]
    # Each look counts the tasks on their way, so it asks only for those that are still lacking.
    assert all(granted > before for _, _, before, granted in played.changes())
    assert NEEDED <= desired_count(prepared, WEB) <= NEEDED + 2


def test_without_counting_capacity_on_its_way_the_same_surge_overshoots(
    prepared: Account, time: SetClock
) -> None:
    document = a_document(Guards={"CapacityOnItsWay": False})
    put_policy(prepared, WEB, json.dumps(document))
    play(prepared, Plan(SUSTAINED, seconds=75, surges=False), time)
    assert desired_count(prepared, WEB) > NEEDED + 5


def test_a_message_that_fails_stays_in_the_queue_and_comes_again(
    prepared: Account, time: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    scaler = embedded_scaler(prepared, time.clock, log)
    sqs = prepared.client("sqs")
    url = sqs.get_queue_url(QueueName="quickstep-rechecks")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody='{"sweep": {"next_token": null}}')

    def unreachable(*_: object) -> None:
        raise ConnectionError("CloudWatch cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr("quickstep.aws.cloudwatch.CloudWatchAlarms.page", unreachable)
        assert scaler.on_messages() == []
    assert "CloudWatch cannot be reached" in log.getvalue()
    assert scaler.on_messages() == []

    time.sleep(61)
    assert [record["trigger"]["kind"] for record in scaler.on_messages()] == ["heartbeat"]
    assert messages_waiting(prepared, url) == 0


@dataclass(frozen=True)
class Shown:
    """What a played demo printed, and what the scaler wrote to its log."""

    output: str
    log: list[dict[str, Any]]


def show(
    account: Account, folder: Path, time: SetClock, plan: Plan = SURGE, **console: Any
) -> Shown:
    output = io.StringIO()
    with (folder / "scaler.log").open("w+", encoding="utf-8") as log:
        demo.play(plan, account, Console(file=output, width=100, **console), time.clock, log)
        log.seek(0)
        return Shown(output.getvalue(), [json.loads(line) for line in log])


def test_without_a_terminal_the_demo_prints_lines_and_ends_with_the_summary(
    prepared: Account, time: SetClock, tmp_path: Path
) -> None:
    shown = show(prepared, tmp_path, time, replace(SURGE, seconds=45))
    assert "Starts at     10:00:00 UTC" in shown.output
    assert "00:22  SCALED_OUT  high-request-rate went to ALARM. Scaled out from 2 to 6" in (
        shown.output
    )
    assert "Surge                   from second 10" in shown.output
    assert (
        "First scale-out         12.0 s after the surge began, by the alarm's event" in shown.output
    )
    assert "Alarm                   fired 12.0 s after the surge began" in shown.output
    assert "00:42  SCALED_OUT  Re-check. Scaled out from 7 to 8" in shown.output
    assert "Desired count           2 → 6 (22 s) → 7 (32 s) → 8 (42 s)" in shown.output
    assert (
        "Evaluations             6: 0 at a surge, 3 after an alarm changed state, 2 re-checks"
        in shown.output
    )
    assert "\x1b" not in shown.output


def test_on_a_terminal_the_view_is_not_disturbed_by_what_the_scaler_prints(
    prepared: Account, time: SetClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = show(prepared, tmp_path, time, Plan(SURGE.traffic, seconds=12), force_terminal=True)
    assert "00:12 of 00:12" in shown.output
    assert "requests/s per task" in shown.output
    assert "_aws" not in shown.output
    assert "correlation_id" not in shown.output
    assert capsys.readouterr() == ("", "")


def test_the_scalers_log_has_a_line_a_decision_and_its_metrics(
    prepared: Account, time: SetClock, tmp_path: Path
) -> None:
    shown = show(prepared, tmp_path, time, replace(SURGE, seconds=22))
    outcomes = [line["decision"]["outcome"] for line in shown.log if "decision" in line]
    assert outcomes == ["HELD_NO_DATA", "HELD_NO_DATA", "HELD_NOT_BREACHING", "SCALED_OUT"]
    assert [line["AlarmToUpdateLatency"] for line in shown.log if "AlarmToUpdateLatency" in line]


def test_ctrl_c_ends_the_demo_with_the_summary_so_far(
    prepared: Account, time: SetClock, tmp_path: Path
) -> None:
    time.interrupted_at = START + timedelta(seconds=25)
    shown = show(prepared, tmp_path, time)
    assert "Stopped early." in shown.output
    assert "surge, 24 s" in shown.output
    assert "2 before, 6 after 1 step; not all of them served before the end" in shown.output


def test_ctrl_c_before_the_first_second_ends_it_too(
    prepared: Account, time: SetClock, tmp_path: Path
) -> None:
    time.interrupted_at = START
    shown = show(prepared, tmp_path, time)
    assert "surge, 0 s" in shown.output


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def in_no_time(monkeypatch: pytest.MonkeyPatch, time: SetClock) -> CliRunner:
    """The command under a set clock."""
    monkeypatch.setattr(demo, "Clock", lambda: time.clock)
    return CliRunner()


def test_the_race_ends_on_two_numbers_of_each_scaler_and_one_sentence(
    in_no_time: CliRunner, tmp_path: Path
) -> None:
    options = ["demo", "--seconds", "60", "--log", str(tmp_path / "scaler.log")]
    result = in_no_time.invoke(app, options, env={"COLUMNS": "300"})
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    *_, head, _, own, steps, tracking, _, said, again = lines
    assert (head, own) == ("Surge to enough tasks Failed requests", "Quickstep 32 s 14,400")
    assert steps == "AWS's step policy on a 10-s alarm not within 40 s 18,000"
    assert tracking == "AWS's 20-s target tracking not within 40 s 18,000"
    assert said == (
        "Quickstep had enough tasks in 32 s and failed 14,400 requests, while AWS's step policy on "
        "a 10-s alarm did not have enough within 40 s and failed 18,000, and AWS's 20-s target "
        "tracking did not have enough within 40 s and failed 18,000."
    )
    assert again.startswith("Look again ")
    assert "First scale-out 2.0 s after the surge began, by a task's surge message" in " ".join(
        lines
    )


def test_without_surge_messages_the_alarm_alone_answers(in_no_time: CliRunner) -> None:
    result = in_no_time.invoke(app, ["demo", "--seconds", "65", "--no-surge"])
    assert result.exit_code == 0
    assert re.search(r"Quickstep +42 s +18,900 ", result.output)
    assert "12.0 s after the surge began, by the alarm's event" in result.output
    assert "Alarm to UpdateService" in result.output


def test_the_command_fails_when_the_surge_was_not_answered(
    in_no_time: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = tmp_path / "dry-run.json"
    text = ONE_NUMBER_POLICY.read_text(encoding="utf-8")
    document.write_text(json.dumps(json.loads(text) | {"DryRun": True}), encoding="utf-8")
    monkeypatch.setattr("quickstep_cli.demo.ONE_NUMBER_POLICY", document)
    result = in_no_time.invoke(app, ["demo", "--seconds", "35"])
    assert result.exit_code == 1
    assert "WOULD_SCALE" in result.output
    assert "from second 20, NOT ANSWERED" in result.output


def test_the_command_plays_a_recorded_crowd(in_no_time: CliRunner, tmp_path: Path) -> None:
    rows = [f"{second},{3 if second < 120 else 12}" for second in range(200)]
    file = tmp_path / "crowd.csv"
    file.write_text("\n".join(["second,requests", *rows]), encoding="utf-8")
    log = tmp_path / "scaler.log"
    options = ["--traffic", str(file), "--multiply", "40", "--from", "100", "--seconds", "35"]
    result = in_no_time.invoke(app, ["demo", *options, "--log", str(log)])
    assert result.exit_code == 0
    assert "crowd.csv, 35 s" in result.output
    assert "from second 20" in result.output
    assert "SCALED_OUT" in log.read_text(encoding="utf-8")


IN_FRONT = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from quickstep_cli.main import app
app()
"""


def test_what_the_demo_invites_to_paste_works_while_it_is_up(tmp_path: Path) -> None:
    """In processes of their own and in real time: the lines as they are printed, in a shell."""
    quickstep = tmp_path / "quickstep"
    quickstep.write_text(f"#!{sys.executable}{IN_FRONT}", encoding="utf-8")
    quickstep.chmod(0o755)
    paths = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
    log = tmp_path / "scaler.log"
    with subprocess.Popen(  # noqa: S603 - this interpreter, constant arguments
        [quickstep, "demo", "--seconds", "24", "--stay", "--log", log],
        env=paths,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = list(takewhile(lambda line: not line.startswith("Watch them"), process.stdout))
        exports, *commands = [
            line for line in said if line.startswith(("  export", f"  {quickstep}"))
        ]
        answers = [
            subprocess.run(  # noqa: S603 - what the demo has printed
                ["/bin/sh", "-c", f"{exports}\n{command}"],
                env=paths,
                capture_output=True,
                text=True,
                check=False,
            )
            for command in commands
            if command.split()[1] in COMMANDS
        ]
        process.send_signal(signal.SIGINT)
        rest, errors = process.stdout.read(), process.stderr.read()
    assert [(one.returncode, one.stderr) for one in answers] == [(0, "")] * len(answers)
    # A re-check may find the override before the message about it arrives.
    assert re.search(r"^(Scaled out from 8 to 12|Kept 12 tasks)", answers[-1].stdout, re.MULTILINE)
    assert (process.returncode, errors) == (0, "")
    assert "Look again    " in rest
