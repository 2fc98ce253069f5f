"""The demo's figures and views, drawn from snapshots: when it was answered, and when it was not."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from quickstep.engine.model import AlarmState, Direction
from quickstep_lab.demo_summary import Desired, Summary, period_end, summarise
from quickstep_lab.demo_view import frame, lines, summary_table
from quickstep_lab.race import Lane, race_of
from quickstep_lab.service_model import FargateService
from quickstep_lab.snapshot import AlarmSnapshot, Plan, Snapshot
from quickstep_lab.traffic import Traffic
from tests.builders import HIGH, LOW, WEB

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
TWO_TASKS = FargateService(start_up=0, capacity=150).with_desired(2, now=0)


def a_decision(
    second: float,
    latency: int | None = 40,
    *,
    policy: str = HIGH,
    state: str = "ALARM",
    outcome: str = "SCALED_OUT",
) -> dict[str, Any]:
    """The record of a scale-out from 2 to 6; without a latency, of a failed one."""
    at = (START + timedelta(seconds=second)).isoformat()
    return {
        "at": at,
        "trigger": {"kind": "alarm", "alarm": WEB.alarm(policy), "state": state, "at": at},
        "outcome": outcome if latency is not None else "FAILED_THROTTLED",
        "reason": "Scaled out from 2 to 6: because",
        "from": 2,
        "granted": 6,
        "alarm_to_update_ms": latency,
    }


def a_recheck(
    second: float, before: int, granted: int, outcome: str = "SCALED_OUT", kind: str = "re-check"
) -> dict[str, Any]:
    return {
        "at": (START + timedelta(seconds=second)).isoformat(),
        "trigger": {"kind": kind},
        "outcome": outcome,
        "reason": f"From {before} to {granted}",
        "from": before,
        "granted": granted,
        "alarm_to_update_ms": None,
    }


def a_hold(second: float) -> dict[str, Any]:
    return a_recheck(second, 6, 6, "HELD_CAPACITY_ON_ITS_WAY")


def snapshots(
    per_task: Sequence[float],
    decisions: Mapping[int, dict[str, Any]] | None = None,
    serving: Mapping[int, int] | None = None,
) -> list[Snapshot]:
    """One snapshot a load; decisions and the serving count by the second in which they came."""
    made, count = [], 2
    for second, load in enumerate(per_task):
        count = (serving or {}).get(second, count)
        record = (decisions or {}).get(second)
        made.append(
            Snapshot(
                second=second,
                at=START + timedelta(seconds=second + 1),
                load=TWO_TASKS.serve(2 * load, second),
                desired=count,
                serving=count,
                starting=1,
                next_serving_in=9,
                alarms=(
                    AlarmSnapshot(HIGH, Direction.OUT, "> 100", 100, AlarmState.ALARM, 225),
                    AlarmSnapshot(LOW, Direction.IN, "< 30", 30, AlarmState.OK, None),
                ),
                decisions=(record,) if record else (),
            )
        )
    return made


SURGE = [60.0] * 10 + [225.0] * 20


def test_an_answered_surge_has_a_time_to_the_alarm_and_one_to_the_update() -> None:
    summary = summarise(snapshots(SURGE, {21: a_decision(22.03)}, {25: 6}))
    answer = summary.answer
    assert answer is not None
    assert (summary.surge_at, answer.by, answer.alarm_at) == (10, "alarm", 22.03)
    assert period_end(22.03) == 20
    assert answer.accepted_at == pytest.approx(22.07)
    assert (answer.to_update_ms, answer.tasks_before, answer.tasks_after) == (40, 2, 6)
    assert (answer.serving_at, answer.steps) == (26, 1)
    assert summary.desired == (Desired(2, 0), Desired(6, 22))
    assert not summary.unanswered


def test_an_answer_has_all_steps_up_to_the_first_scale_in() -> None:
    made = {
        21: a_decision(22.03),
        32: a_recheck(32.2, 6, 7),
        42: a_hold(42.3),
        52: a_recheck(52.5, 7, 6, "SCALED_IN"),
        62: a_recheck(62.5, 6, 7),
    }
    summary = summarise(snapshots([60.0] * 10 + [225.0] * 60, made, {53: 7}))
    answer = summary.answer
    assert answer is not None
    assert (answer.tasks_before, answer.tasks_after, answer.steps) == (2, 7, 2)
    assert (answer.to_update_ms, answer.serving_at) == (40, 54)
    assert summary.desired == (
        Desired(2, 0),
        Desired(6, 22),
        Desired(7, 32),
        Desired(6, 52),
        Desired(7, 62),
    )


def test_a_surge_that_a_task_announced_is_answered_by_its_message() -> None:
    surge = {**a_recheck(12.2, 2, 6, kind="surge"), "surge_to_update_ms": 400}
    surge["trigger"]["at"] = (START + timedelta(seconds=12)).isoformat()
    after = {21: a_decision(22.03, outcome="HELD_ANSWERED")}
    summary = summarise(snapshots(SURGE, {12: surge, **after}, {25: 6}))
    answer = summary.answer
    assert answer is not None
    assert (summary.surge_at, answer.by, answer.to_update_ms) == (10, "surge", 400)
    assert answer.accepted_at == pytest.approx(12.4)
    text = shown(summary_table(summary, a_plan()), 200)
    assert "Surge                     from second 10" in text
    assert (
        "First scale-out           2.4 s after the surge began, by a task's surge message" in text
    )
    assert "Alarm                     fired 12.0 s after the surge began" in text
    assert "Message to UpdateService  400 ms" in text


def test_a_surge_message_without_an_answer_is_no_surge_by_itself() -> None:
    held = a_recheck(5.2, 2, 2, "HELD_NOT_BREACHING", kind="surge")
    held["trigger"]["at"] = held["at"]
    summary = summarise(snapshots([60.0] * 20, {5: held}))
    assert (summary.surge_at, summary.unanswered, summary.evaluations) == (
        None,
        False,
        {"surge": 1},
    )


def test_a_recheck_answers_a_surge_where_the_alarms_own_event_could_not() -> None:
    made = {21: a_decision(22, latency=None), 24: a_recheck(25, 2, 6)}
    summary = summarise(snapshots(SURGE, made))
    assert summary.answer is not None
    assert (summary.answer.alarm_at, summary.answer.to_update_ms) == (22, None)
    assert not summary.unanswered
    text = shown(summary_table(summary, a_plan()))
    assert "Alarm to UpdateService  a re-check added the first tasks" in text


@pytest.mark.parametrize(
    ("decision", "by", "rows"),
    [
        pytest.param(
            a_decision(12.03, state="OK"),
            "alarm",
            ["First scale-out         2.1 s after the surge began, by the alarm's event"],
            id="an alarm that sees its first data",
        ),
        pytest.param(
            a_recheck(13.0, 2, 6, kind="heartbeat"),
            "heartbeat",
            [
                "First scale-out         3.0 s after the surge began, by the heartbeat",
                "Alarm to UpdateService  the heartbeat added the first tasks, not the alarm's own",
            ],
            id="the heartbeat",
        ),
    ],
)
def test_whatever_adds_the_first_tasks_during_a_surge_answers_it(
    decision: dict[str, Any], by: str, rows: list[str]
) -> None:
    held = a_decision(22.03, outcome="HELD_ANSWERED")
    summary = summarise(snapshots(SURGE, {12: decision, 21: held}))
    assert summary.answer is not None
    assert (summary.surge_at, summary.answer.by, summary.unanswered) == (10, by, False)
    assert summary.answer.alarm_at == 22.03
    text = shown(summary_table(summary, a_plan()), 200)
    for row in rows:
        assert row in text


def test_a_scale_out_that_ends_after_the_last_second_answers_a_surge_too() -> None:
    late = {29: a_recheck(31.2, 2, 6)}
    summary = summarise(snapshots(SURGE, late))
    assert summary.answer is not None
    assert (summary.surge_at, summary.answer.by) == (10, "re-check")


def test_a_scale_out_before_the_surge_is_no_answer_to_it() -> None:
    made = {4: a_recheck(5, 1, 2, kind="heartbeat"), 21: a_decision(22, latency=None)}
    assert summarise(snapshots(SURGE, made)).unanswered


def test_evaluations_are_counted_by_what_set_them_off() -> None:
    made = {
        4: a_recheck(5, 2, 2, "HELD_NO_DATA", kind="heartbeat"),
        21: a_decision(22),
        25: a_recheck(25.5, 6, 7),
        28: a_hold(28.5),
    }
    evaluations = summarise(snapshots(SURGE, made)).evaluations
    assert evaluations == {"alarm": 1, "re-check": 2, "heartbeat": 1}


def test_requests_are_added_up() -> None:
    summary = summarise(snapshots(SURGE))
    assert (summary.requests, summary.served, summary.failed) == (10_200, 7_200, 3_000)


@pytest.mark.parametrize(
    ("per_task", "decisions", "surge_at"),
    [
        pytest.param(SURGE, {}, 10, id="a whole period over the threshold without an alarm"),
        pytest.param(SURGE, {21: a_decision(22, latency=None)}, 10, id="an update that failed"),
        pytest.param(
            SURGE,
            {21: a_decision(22, policy=LOW, outcome="SCALED_IN")},
            10,
            id="a scale-in is no answer to a surge",
        ),
        pytest.param(
            SURGE,
            {21: a_decision(22, state="OK", outcome="HELD_AT_MAX")},
            10,
            id="nor is what an alarm does at its end",
        ),
        pytest.param([225.0] * 12, {}, 0, id="from the first second on"),
    ],
)
def test_a_surge_without_an_accepted_update_is_unanswered(
    per_task: list[float], decisions: dict[int, dict[str, Any]], surge_at: int
) -> None:
    summary = summarise(snapshots(per_task, decisions))
    assert (summary.surge_at, summary.unanswered) == (surge_at, True)


@pytest.mark.parametrize(
    "per_task",
    [
        pytest.param([60.0] * 30, id="no second over the threshold"),
        pytest.param([60.0, 225.0] * 15, id="no period in which all are"),
        pytest.param([100.0] * 30, id="at the threshold is not over it"),
        pytest.param([60.0] * 10 + [225.0] * 11, id="a period that was never evaluated"),
        pytest.param([60.0] * 5 + [225.0] * 10 + [60.0] * 9, id="no period of the grid"),
    ],
)
def test_a_load_that_no_alarm_was_due_for_is_no_surge(per_task: list[float]) -> None:
    summary = summarise(snapshots(per_task))
    assert (summary.surge_at, summary.unanswered) == (None, False)


def test_a_surge_begins_with_the_first_of_the_overloaded_seconds_that_lead_to_the_alarm() -> None:
    per_task = [60.0, 225.0, 60.0, 60.0, 60.0, 60.0, 60.0, 60.0, 225.0, 225.0] + [225.0] * 12
    assert summarise(snapshots(per_task, {21: a_decision(22)})).surge_at == 8


def test_a_run_of_no_seconds_has_figures_too() -> None:
    nothing = Summary(0, None, None, {}, (), 0, 0, 0, None)
    assert summarise([]) == nothing
    assert "none long enough" in shown(summary_table(nothing, a_plan()))


def a_plan() -> Plan:
    return Plan(Traffic("surge", (1.0,)), seconds=95)


def shown(renderable: RenderableType, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_the_summary_says_what_was_measured_what_is_real_and_what_is_modelled() -> None:
    made = snapshots(SURGE, {21: a_decision(22.03)}, {25: 6})
    text = shown(summary_table(summarise(made), a_plan()), 200)
    assert "Alarm                   fired 12.0 s after the surge began" in text
    assert "Alarm to UpdateService  40 ms" in text
    assert "2 before, 6 after 1 step; all of them served from second 26" in text
    assert "10,200, of which 7,200 were served and 3,000 failed (29.4%)" in text
    assert "A task starts serving 30 s after its launch, at most 150 requests/s." in text


def test_the_summary_says_when_the_desired_count_changed_and_what_looked_at_it() -> None:
    made = snapshots(SURGE, {21: a_decision(22.03), 28: a_recheck(28.5, 6, 7)})
    text = shown(summary_table(summarise(made), a_plan()), 200)
    assert "Desired count           2 → 6 (22 s) → 7 (28 s)" in text
    assert "2: 0 at a surge, 1 after an alarm changed state, 1 re-checks, 0 by the heart" in text
    assert "none after second 30" in text


def test_the_summary_says_that_a_surge_was_not_answered() -> None:
    text = shown(summary_table(summarise(snapshots(SURGE)), a_plan()))
    assert "from second 10, NOT ANSWERED" in text


def test_the_live_view_fits_its_terminal_and_shows_load_tasks_alarms_and_decisions() -> None:
    made = snapshots(SURGE, {21: a_decision(22)}, {22: 6})
    for width in (60, 80, 200):
        text = shown(frame(made, a_plan(), width, race_of(a_plan(), made, ())), width)
        assert max(len(line) for line in text.splitlines()) <= width
        for part in ("225 requests/s per task", "of them fail", "●●●●●●", "starting 1 ○", "ALARM"):
            assert part in text
        assert "SCALED_OUT" in text


def test_the_live_view_has_a_row_for_each_scaler_of_the_race_on_one_axis() -> None:
    made = snapshots(SURGE)
    thirty = (300.0,) * 30
    rival = Lane("AWS's step policy on a 10-s alarm", thirty, thirty, (2,) * 30)
    race = race_of(a_plan(), made, (rival,))
    for width, said in ((60, "9,000 failed"), (80, "9,000 failed"), (200, "not within 20 s")):
        race_lines = shown(frame(made, a_plan(), width, race), width).splitlines()
        row = next(line for line in race_lines if "10-s alarm" in line)
        assert max(map(len, race_lines)) <= width
        assert said in row
        assert "▅" in row, "three fifths of what came"


def test_the_live_view_shows_the_newest_decisions_first() -> None:
    made = snapshots([60.0] * 9, {second: a_decision(second) for second in range(9)})
    text = shown(frame(made, a_plan(), 200, race_of(a_plan(), made, ())), 200)
    assert re.findall(r"^ (\S+) SCALED_OUT", text, re.MULTILINE) == [
        "00:08",
        "00:07",
        "00:06",
        "00:05",
        "00:04",
    ]


def test_the_live_view_shows_of_rechecks_that_only_repeat_each_other_the_newest() -> None:
    made = snapshots(
        [60.0] * 9,
        {
            1: a_decision(1),
            **{second: a_hold(second) for second in (2, 3, 4)},
            5: a_recheck(5, 6, 7),
            6: a_recheck(6, 7, 8),
            **{second: a_hold(second) for second in (7, 8)},
        },
    )
    text = shown(frame(made, a_plan(), 200, race_of(a_plan(), made, ())), 200)
    assert re.findall(r"^ (00:\d\d \w+(?: x\d)?)", text, re.MULTILINE) == [
        "00:08 HELD_CAPACITY_ON_ITS_WAY x2",
        "00:06 SCALED_OUT",
        "00:05 SCALED_OUT",
        "00:04 HELD_CAPACITY_ON_ITS_WAY x3",
        "00:01 SCALED_OUT",
    ]


def test_the_live_view_shows_only_what_it_has_room_for_however_often_it_is_repeated() -> None:
    made = snapshots(
        [60.0] * 9,
        {
            **{second: a_hold(second) for second in (0, 1)},
            **{second: a_decision(second) for second in range(2, 9)},
        },
    )
    assert "HELD" not in shown(frame(made, a_plan(), 200, race_of(a_plan(), made, ())), 200)


def test_plain_lines_tell_a_decision_when_it_is_made_and_the_rest_every_5_s() -> None:
    made = snapshots(SURGE, {21: a_decision(22)})
    surge = [line for shot in made for line in lines(shot)]
    assert [line[:5] for line in surge] == [
        "00:05",
        "00:10",
        "00:15",
        "00:20",
        "00:22",
        "00:25",
        "00:30",
    ]
    assert surge[4] == (
        "00:22  SCALED_OUT  high-request-rate went to ALARM. Scaled out from 2 to 6: because. "
        "UpdateService accepted after 40 ms."
    )
    assert surge[5].startswith(
        "00:25  450 requests/s, 225 per task, 150 failed  desired 2, serving 2  "
    )


def test_plain_lines_tell_a_recheck_that_only_repeats_the_one_before_in_few_words() -> None:
    hold, again = a_hold(24.1), a_hold(25.2)
    (shot,) = snapshots(SURGE, {25: again})[25:26]
    assert lines(shot, hold) == ["00:25  HELD_CAPACITY_ON_ITS_WAY  Re-check: unchanged."]
    for before in (None, a_decision(24), a_recheck(24, 6, 7)):
        assert lines(shot, before) == ["00:25  HELD_CAPACITY_ON_ITS_WAY  Re-check. From 6 to 6."]


def test_plain_lines_tell_every_change_of_capacity_in_full() -> None:
    (shot,) = snapshots(SURGE, {25: a_recheck(25.2, 7, 8)})[25:26]
    said = lines(shot, a_recheck(24, 6, 7))
    assert said == ["00:25  SCALED_OUT  Re-check. From 7 to 8."]
