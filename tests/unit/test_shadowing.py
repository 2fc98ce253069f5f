"""What Quickstep would have done, beside what Application Auto Scaling did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from quickstep.fields import write_moment
from quickstep_cli.autoscaling import Activity, read_activity
from quickstep_cli.shadow import traffic_of
from quickstep_cli.shadowing import Who, changes, sentence, surges

START = datetime(2026, 11, 22, 10, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def would(seconds: float, before: int, to: int, outcome: str = "WOULD_SCALE") -> dict[str, Any]:
    return {
        "at": write_moment(at(seconds)),
        "outcome": outcome,
        "from": before,
        "granted": to,
        "reason": f"to {to}",
    }


def held(seconds: float, tasks: int) -> dict[str, Any]:
    return would(seconds, tasks, tasks, "HELD_NOT_BREACHING")


def aas(seconds: float, to: int | None, status: str = "Successful") -> Activity:
    return Activity(at(seconds), to, "policy cpu-60", status)


def test_what_a_dry_run_asks_again_for_is_one_change() -> None:
    records = [would(0, 4, 12), would(10, 4, 12), would(20, 4, 12), would(30, 4, 14), held(40, 4)]

    found = changes(records, [])

    assert [(one.before, one.to, one.at, one.until) for one in found] == [
        (4, 12, at(0), at(20)),
        (4, 14, at(30), None),
    ]


def test_a_record_that_says_nothing_of_the_load_does_not_end_a_change() -> None:
    ignored = {"at": write_moment(at(5)), "outcome": "LOST_RACE", "reason": "somebody else's turn"}
    answered = would(7, 4, 4, "HELD_ANSWERED")

    (found,) = changes([would(0, 4, 12), ignored, answered, would(10, 4, 12)], [])

    assert (found.at, found.until) == (at(0), at(10))


def test_a_drill_is_no_change_and_ends_none() -> None:
    drills = [{**one, "trigger": {"kind": "drill"}} for one in (held(5, 4), would(30, 4, 12))]

    (found,) = changes([would(0, 4, 12), drills[0], would(10, 4, 12), drills[1]], [])

    assert (found.at, found.until) == (at(0), at(10))


def test_what_was_held_in_between_makes_it_two() -> None:
    found = changes([would(0, 4, 12), held(10, 4), would(20, 4, 12)], [])

    assert [one.at for one in found] == [at(0), at(20)]


def test_aas_s_changes_start_from_what_quickstep_saw_and_go_on_from_its_own() -> None:
    found = changes([would(0, 4, 12)], [aas(360, 6), aas(420, 9), aas(1500, 5, "Failed")])

    assert [(one.who, one.before, one.to, one.why) for one in found] == [
        (Who.QUICKSTEP, 4, 12, "to 12"),
        (Who.AAS, 4, 6, "policy cpu-60"),
        (Who.AAS, 6, 9, "policy cpu-60"),
        (Who.AAS, 9, 5, "policy cpu-60 (Failed)"),
    ]


def test_a_surge_is_answered_by_what_aas_added_after_it() -> None:
    records = [would(0, 4, 12), would(320, 4, 12), would(340, 6, 12), held(400, 12)]

    (surge,) = surges(changes(records, [aas(-60, 4), aas(330, 6), aas(390, 12)]))

    assert (surge.at, surge.most, surge.answered, surge.answer) == (at(0), 12, at(330), 12)
    assert surge.later == 330


def test_two_surges_are_answered_each_by_its_own() -> None:
    records = [would(0, 4, 8), held(10, 4), would(600, 4, 9), held(610, 4)]

    found = surges(changes(records, [aas(700, 6)]))

    assert [surge.later for surge in found] == [None, 100]


def test_the_sentence_tells_who_was_later_by_how_much() -> None:
    records = [would(0, 4, 12), held(10, 12), would(3600, 12, 6), held(3610, 12)]

    said = sentence(changes(records, [aas(360, 9), aas(4500, 4)]), "24h")

    assert said == (
        "In 24h Quickstep would have scaled out in 1 surge, up to 12 tasks; Application Auto "
        "Scaling followed in 1 of them, 360 s later (median), up to 9 tasks; scale-ins: 1 by "
        "Quickstep, 1 by Application Auto Scaling."
    )


def test_the_sentence_tells_of_surges_that_aas_did_not_see() -> None:
    said = sentence(changes([would(0, 4, 12), held(9, 4), would(2000, 4, 8)], []), "2h")

    assert said == (
        "In 2h Quickstep would have scaled out in 2 surges, up to 12 tasks; Application Auto "
        "Scaling followed in none of them within 15 minutes; scale-ins: 0 by Quickstep, 0 by "
        "Application Auto Scaling."
    )


def test_an_activity_is_read_as_aws_s_guide_shows_it() -> None:
    described = {
        "StartTime": START,
        "Description": "Setting desired count to 6.",
        "Cause": "monitor alarm cpu-gt-75 in state ALARM triggered policy web-app-cpu-gt-75",
        "StatusCode": "Successful",
    }

    assert read_activity(described) == Activity(START, 6, "policy web-app-cpu-gt-75", "Successful")


def test_an_activity_of_bounds_has_no_number() -> None:
    described = {
        "StartTime": START,
        "Description": "Attempting to scale due to alarm triggered",
        "Cause": "minimum capacity was set to 3",
        "StatusCode": "Overridden",
    }

    found = read_activity(described)

    assert found == Activity(START, None, "minimum capacity was set to 3", "Overridden")
    (change,) = changes([], [found])
    assert not change.adds
    assert not change.removes


def test_a_recorded_load_is_the_sum_of_all_samples_by_the_second() -> None:
    datapoints = {at(0): 4800.0, at(10): 6000.0, at(30): 3000.0}

    traffic = traffic_of(datapoints, 10, 1)

    assert traffic.requests == (480.0,) * 10 + (600.0,) * 20 + (300.0,) * 10
    assert traffic_of(datapoints, 10, 5).requests[0] == 2400.0
