"""A proof's result: its figures, its check, and the clocks that the simulator plays on."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from typer.testing import CliRunner

from quickstep_cli.main import app
from quickstep_lab.cost.prices import read_prices
from quickstep_lab.prove.clocks import measured
from quickstep_lab.prove.picture import picture
from quickstep_lab.prove.plan import Contender, Plan, cost
from quickstep_lab.prove.result import (
    Result,
    ResultError,
    Surge,
    digest,
    document,
    figures,
    read_result,
    segments,
)
from quickstep_lab.simulator.world import Spread, World
from tests.builders import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
PLAN = Plan()


def a_surge(
    number: int = 0, service: Contender = Contender.ALARM, **seconds: float | None
) -> Surge:
    """Return a surge, with steps so many seconds after its first overloaded second."""
    overloaded = PLAN.overloads(START)[number]
    steps: dict[str, float | None] = {
        "readable": 7.0,
        "alarm": 12.0,
        "event": 12.1,
        "update": 12.3,
        "first_running": 40.0,
        "last_running": 45.0,
        **seconds,
    }
    stamps = {
        step: None if after is None else overloaded + timedelta(seconds=after)
        for step, after in steps.items()
    }
    return Surge(service=service, number=number, overloaded=overloaded, before=2, after=6, **stamps)


def a_result(*surges: Surge) -> Result:
    found = surges or tuple(
        a_surge(number, service) for service in Contender for number in range(3)
    )
    return Result(
        quickstep="0.1.0",
        where="aws",
        region="eu-west-1",
        start=START,
        plan=PLAN,
        surges=found,
    )


def written(result: Result | None = None) -> dict[str, Any]:
    return document(result or a_result())


def refused(whole: dict[str, Any]) -> list[str]:
    with pytest.raises(ResultError) as error:
        read_result(json.dumps(whole))
    return [str(problem) for problem in error.value.problems]


def test_figures_are_the_medians_of_the_surges() -> None:
    found = figures([a_surge(0, alarm=10), a_surge(1, alarm=12), a_surge(2, alarm=20)])

    assert found == {
        "quickstep-alarm": {
            "surges": 3,
            "answered": 3,
            "readable": 7.0,
            "alarm": 12.0,
            "event": 12.1,
            "update": 12.3,
            "first_running": 40.0,
            "last_running": 45.0,
        }
    }


def test_an_unanswered_surge_counts_as_such_and_not_as_a_time() -> None:
    never = a_surge(1, event=None, update=None, first_running=None, last_running=None)

    (row,) = figures([a_surge(0), never]).values()

    assert (row["surges"], row["answered"], row["update"]) == (2, 1, 12.3)


def test_segments_lead_from_each_step_to_the_next_that_was_stamped() -> None:
    (row,) = figures([a_surge(event=None)]).values()

    assert segments(row) == [
        ("readable", 7.0),
        ("alarm", 5.0),
        ("update", 0.3),
        ("first_running", 27.7),
        ("last_running", 5.0),
    ]


def test_an_alarm_that_comes_after_the_answer_is_on_no_way_to_it() -> None:
    trial = a_surge(service=Contender.SURGE, readable=3, event=3.4, update=4, alarm=13)

    (row,) = figures([trial]).values()

    assert segments(row)[:3] == [("readable", 3.0), ("event", 0.4), ("update", 0.6)]
    assert "alarm" not in dict(segments(row))


def test_what_is_written_follows_the_schema() -> None:
    schema = json.loads((ROOT / "docs" / "proof.schema.json").read_text(encoding="utf-8"))

    jsonschema.validate(written(), schema, cls=jsonschema.Draft202012Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**written(), "where": "here"}, schema)


def test_a_result_is_read_as_it_was_written() -> None:
    result = a_result()

    assert read_result(json.dumps(written(result))) == result


def altered(whole: dict[str, Any], step: str, index: int) -> dict[str, Any]:
    """Return a result with one timestamp a second later."""
    surges = [dict(surge) for surge in whole["surges"]]
    at = datetime.fromisoformat(surges[index][step]) + timedelta(seconds=1)
    surges[index][step] = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {**whole, "surges": surges}


@pytest.mark.parametrize("index", range(15))
@pytest.mark.parametrize("step", ["overloaded", "readable", "alarm", "event", "update"])
def test_a_file_with_one_altered_timestamp_is_refused(step: str, index: int) -> None:
    (first, *_) = refused(altered(written(), step, index))

    assert first.startswith("digest: must be that of the raw data, sha256:")


def test_a_new_digest_alone_does_not_hide_it_where_it_moves_a_figure() -> None:
    surges = [a_surge(service=Contender.ALARM)]
    whole = altered(written(a_result(*surges)), "update", 0)
    raw = {key: whole[key] for key in whole if key not in ("figures", "digest")}

    (problem,) = refused({**whole, "digest": digest(raw)})

    assert problem.startswith("figures.quickstep-alarm: must follow from the timestamps:")


def test_a_changed_figure_is_refused_and_the_right_one_named() -> None:
    whole = written(a_result(a_surge()))
    whole["figures"]["quickstep-alarm"]["update"] = 1.0

    (problem,) = refused(whole)

    assert '"update": 12.3' in problem


@pytest.mark.parametrize(
    ("surge", "problem"),
    [
        (
            a_surge(alarm=-1),
            (
                "surges[0].alarm: must lie after the first overloaded second, "
                "within the plan's time, not -1 s after it"
            ),
        ),
        (
            replace(a_surge(), overloaded=START, readable=None),
            "surges[0].overloaded: must be when the plan has this surge",
        ),
    ],
    ids=["before its surge", "not when the plan says"],
)
def test_timestamps_that_cannot_have_been_are_refused(surge: Surge, problem: str) -> None:
    assert refused(written(a_result(surge)))[0] == problem


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda whole: whole.pop("plan"), "plan: is required, but missing"),
        (lambda whole: whole.update(where="here"), 'where: must be aws or emulator, not "here"'),
        (lambda whole: whole.update(format=2), "format: must be at most 1, not 2"),
    ],
    ids=["missing", "wrong", "newer"],
)
def test_a_member_that_breaks_a_rule_is_named(
    change: Callable[[dict[str, Any]], Any], problem: str
) -> None:
    whole = written()
    change(whole)

    assert refused(whole)[0] == problem


def spread(clock: Spread | None) -> tuple[float, float]:
    assert clock
    return clock.median, clock.p95


def test_clocks_are_the_medians_and_the_highest_of_what_was_measured() -> None:
    clocks = measured(a_result(a_surge(0), a_surge(1, readable=9.0), a_surge(2, event=12.5)))

    assert clocks.visibility == Spread(2.0, 4.0)
    assert spread(clocks.event) == pytest.approx((0.1, 0.5))
    assert spread(clocks.start_up) == pytest.approx((30.2, 32.7))


def test_what_was_not_measured_stays_as_it_is_modelled() -> None:
    only_aas = a_result(a_surge(service=Contender.TRACKING, event=None))

    world = measured(only_aas).applied(World())

    assert world.event == World().event
    assert world.visibility == World().visibility
    assert world.start_up.median == pytest.approx(30.2)


def test_a_proof_takes_less_than_half_an_hour_and_costs_less_than_a_dollar() -> None:
    assert PLAN.whole < 30 * 60
    assert cost(PLAN, read_prices()).total < 1


def test_every_surge_begins_where_the_periods_of_all_alarms_begin() -> None:
    assert {offset % 60 for offset in PLAN.offsets} == {0}


def test_tasks_are_overloaded_in_a_surge_and_only_then() -> None:
    begins = PLAN.offsets[1]

    rates = [PLAN.rate(second) for second in (begins - 1, begins, begins + PLAN.surge)]

    assert rates == [50.0, 300.0, 50.0]


def test_the_picture_is_well_formed_and_has_a_segment_for_each_step() -> None:
    drawn = ET.fromstring(picture(figures([a_surge()]), {"quickstep-alarm": 10.7}, "A <title>"))  # noqa: S314 - our own

    said = [title.text for title in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert said[0] == "A <title>"
    assert "quickstep-alarm: 5 s until alarm" in said
    assert "simulated: 10.7 s" in said


# --- the command ----------------------------------------------------------------------------------


def test_without_options_it_says_what_a_proof_creates_and_costs_by_the_cost_model() -> None:
    result = CliRunner().invoke(app, ["prove"], env={"COLUMNS": "200"})

    assert result.exit_code == 0, result.output
    assert f"${cost(PLAN, read_prices()).total:.2f}" in result.output
    assert "5 services on Fargate of 2 to 6 tasks" in result.output


def test_check_shows_every_figure_and_draws_them(tmp_path: Path) -> None:
    file, svg = tmp_path / "result.json", tmp_path / "result.svg"
    file.write_text(json.dumps(written()), encoding="utf-8")

    result = CliRunner().invoke(
        app, ["prove", "--check", str(file), "--picture", str(svg)], env={"COLUMNS": "200"}
    )

    assert result.exit_code == 0, result.output
    assert "every figure follows from its timestamps (AWS, eu-west-1, 2026-11-27)" in result.output
    assert svg.read_text(encoding="utf-8").startswith("<svg ")


def test_check_refuses_a_file_with_one_altered_timestamp(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text(json.dumps(altered(written(), "alarm", 4)), encoding="utf-8")

    result = CliRunner().invoke(app, ["prove", "--check", str(file)])

    assert result.exit_code == 1
    assert f"{file}: digest: must be that of the raw data" in result.stderr


def test_simulate_plays_on_the_clocks_of_a_result(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    slow = [a_surge(number, first_running=100.0, last_running=120.0) for number in range(3)]
    file.write_text(json.dumps(written(a_result(*slow))), encoding="utf-8")
    played = ["simulate", "--scenario", "step-x10", "--to", "300", "--json"]

    modelled, on_it = (
        json.loads(CliRunner().invoke(app, [*played, *more]).stdout)["scalers"]["quickstep"]
        for more in ([], ["--world", str(file)])
    )

    assert on_it["time_to_capacity_s"] > modelled["time_to_capacity_s"] + 40


def test_simulate_refuses_clocks_that_do_not_hold_together(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text(json.dumps(altered(written(), "alarm", 4)), encoding="utf-8")

    result = CliRunner().invoke(app, ["simulate", "--world", str(file)])

    assert result.exit_code == 2
    assert "digest: must be that of the raw data" in result.stderr
