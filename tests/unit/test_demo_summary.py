"""The demo's figures and views, drawn from snapshots: when it was answered, and when it was not."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from lab.demo_summary import Summary, summarise
from lab.demo_view import frame, lines, summary_table
from lab.service_model import FargateService
from lab.snapshot import AlarmSnapshot, Plan, Snapshot
from lab.traffic import Traffic
from quickstep.engine.model import AlarmState, Direction
from tests.builders import HIGH, LOW, WEB

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
TWO_TASKS = FargateService(start_up=0, capacity=150).with_desired(2, now=0)


def a_decision(
    second: float, latency: int | None = 40, *, policy: str = HIGH, state: str = "ALARM"
) -> dict[str, Any]:
    """The record of a scale-out from 2 to 6; without a latency, of a failed one."""
    at = START + timedelta(seconds=second)
    return {
        "alarm": {"name": WEB.alarm(policy), "state": state, "at": at.isoformat()},
        "outcome": "SCALED_OUT" if latency is not None else "FAILED_THROTTLED",
        "reason": "Scaled out from 2 to 6: because",
        "from": 2,
        "granted": 6,
        "alarm_to_update_ms": latency,
    }


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
    assert (summary.surge_at, answer.alarm_at, answer.period_end) == (10, 22.03, 20)
    assert (answer.alarm_to_update_ms, answer.tasks_before, answer.tasks_after) == (40, 2, 6)
    assert (answer.serving_at, summary.desired) == (26, (2, 6))
    assert not summary.unanswered


def test_requests_are_added_up() -> None:
    summary = summarise(snapshots(SURGE))
    assert (summary.requests, summary.served, summary.failed) == (10_200, 7_200, 3_000)


@pytest.mark.parametrize(
    ("per_task", "decisions", "surge_at"),
    [
        pytest.param(SURGE, {}, 10, id="a whole period over the threshold without an alarm"),
        pytest.param(SURGE, {21: a_decision(22, latency=None)}, 10, id="an update that failed"),
        pytest.param(
            SURGE, {21: a_decision(22, policy=LOW)}, 10, id="a scale-in is no answer to a surge"
        ),
        pytest.param(
            SURGE, {21: a_decision(22, state="OK")}, 10, id="nor is what an alarm does at its end"
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
    nothing = Summary(0, None, None, (), 0, 0, 0)
    assert summarise([]) == nothing
    assert "none that filled a period" in shown(summary_table(nothing, a_plan()))


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
    assert "Surge to alarm          12.0 s after second 10" in text
    assert "Alarm to UpdateService  40 ms" in text
    assert "2 before, 6 after; all of them served from second 26" in text
    assert "10,200, of which 7,200 were served and 3,000 failed (29.4%)" in text
    assert "A task serves 30 s after its launch, 150 requests/s at most." in text


def test_the_summary_says_that_a_surge_was_not_answered() -> None:
    text = shown(summary_table(summarise(snapshots(SURGE)), a_plan()))
    assert "from second 10, NOT ANSWERED" in text


def test_the_live_view_fits_its_terminal_and_shows_load_tasks_alarms_and_decisions() -> None:
    made = snapshots(SURGE, {21: a_decision(22)}, {22: 6})
    for width in (60, 80, 200):
        text = shown(frame(made, a_plan(), width), width)
        assert max(len(line) for line in text.splitlines()) <= width
        for part in ("225 requests/s per task", "of them fail", "●●●●●●", "starting 1 ○", "ALARM"):
            assert part in text
        assert "SCALED_OUT" in text


def test_the_live_view_shows_the_newest_decisions_first() -> None:
    made = snapshots([60.0] * 9, {second: a_decision(second) for second in range(9)})
    text = shown(frame(made, a_plan(), 200), 200)
    assert re.findall(r"^ (\S+) SCALED_OUT", text, re.MULTILINE) == [
        "00:09",
        "00:08",
        "00:07",
        "00:06",
        "00:05",
    ]


def test_plain_lines_tell_a_decision_when_it_is_made_and_the_rest_every_5_s() -> None:
    made = snapshots(SURGE, {21: a_decision(22)})
    told = [line for shot in made for line in lines(shot)]
    assert [line[:5] for line in told] == [
        "00:05",
        "00:10",
        "00:15",
        "00:20",
        "00:22",
        "00:25",
        "00:30",
    ]
    assert told[4] == (
        "00:22  SCALED_OUT  high-request-rate went to ALARM. Scaled out from 2 to 6: because. "
        "UpdateService accepted after 40 ms."
    )
    assert told[5].startswith(
        "00:25  450 requests/s, 225 per task, 150 failed  desired 2, serving 2  "
    )
