"""Many targets surge at once against the account's limits: none is lost, and no call is wasted."""

from __future__ import annotations

import statistics
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from benchmarks.scale import measure_publishing
from benchmarks.throttled.account import Surge
from benchmarks.throttled.fleets import AFTER, HIGH, LOW, START
from benchmarks.throttled.limits import Bucket, Meter, published
from quickstep.engine.outcome import Outcome
from quickstep.protocol.quotas import GET_PARAMETERS
from quickstep_publisher._points import INTERVAL, SPREAD
from tests.builders import ROOT

if TYPE_CHECKING:
    from datetime import datetime

    from benchmarks.throttled.result import Result

TARGETS = 300
MANY = 1_000
SEEDS = (0, 1)


@pytest.fixture(scope="module", params=SEEDS, ids="seed {}".format)
def updates_limited(request: pytest.FixtureRequest) -> Result:
    """A surge in which only UpdateService is limited."""
    limits = {"UpdateService": published()["UpdateService"]}
    return Surge(TARGETS, seed=request.param, limits=limits).run()


@pytest.fixture(scope="module")
def many() -> Result:
    """A surge in which all calls are limited."""
    return Surge(MANY).run()


def check_that_all_are_answered_once(result: Result) -> None:
    assert result.meter.throttled["UpdateService"] > len(result.fleets) / 4
    assert [f.name for f in result.fleets if len(f.changed) != 1] == []
    assert {fleet.desired[-1][1] for fleet in result.fleets if fleet.grows} == {AFTER[HIGH]}
    assert {fleet.desired[-1][1] for fleet in result.fleets if not fleet.grows} == {AFTER[LOW]}


def test_every_target_is_answered_once(updates_limited: Result) -> None:
    check_that_all_are_answered_once(updates_limited)


def test_every_target_is_answered_once_where_all_calls_are_throttled(many: Result) -> None:
    assert many.meter.throttled["DescribeServices"] > MANY
    check_that_all_are_answered_once(many)


def test_the_last_of_many_is_answered_in_a_tenth_more_than_the_best_time_there_is(
    many: Result,
) -> None:
    assert many.took() <= 1.1 * many.ideal


def test_the_most_overloaded_are_answered_first(many: Result) -> None:
    most, least = many.quarters()

    assert most < least / 3


def test_tasks_are_added_first_and_removed_later(updates_limited: Result) -> None:
    added, removed = (updates_limited.waits(grows=grows) for grows in (True, False))

    assert statistics.median(added) < statistics.median(removed) / 2


def test_waiting_costs_few_evaluations(many: Result) -> None:
    """Of each target: its event, the change, a look at what came of it, the alarm's OK."""
    assert len(many.records) < 5 * MANY


def test_the_heartbeat_leaves_calls_for_others(many: Result) -> None:
    assert many.meter.throttled["DescribeAlarms"] == 0
    assert many.meter.peak["DescribeAlarms"] <= 6


def test_in_a_surge_ssm_is_asked_by_the_heartbeat_alone(many: Result) -> None:
    """A look that lost a race, and comes back, asks once more."""
    looks = many.heartbeats * MANY / 10

    assert many.meter.attempts["GetParameters"] <= 1.05 * looks
    assert many.meter.throttled["GetParameters"] == 0


def test_none_is_lost_where_the_documents_were_never_read_before() -> None:
    result = Surge(2 * TARGETS, copies=False).run()

    assert result.meter.throttled["GetParameters"] > TARGETS / 4
    check_that_all_are_answered_once(result)
    assert result.took() <= 1.1 * result.ideal


@pytest.mark.parametrize("targets", [1_000, 2_500])
def test_quiet_targets_are_never_throttled(targets: int) -> None:
    minutes = 3
    result = Surge(targets, fires=False).run(60 * minutes)

    assert not result.records
    assert not result.meter.throttled.total()
    assert result.meter.attempts["GetParameters"] == result.heartbeats * targets / 10
    assert result.meter.peak["GetParameters"] <= GET_PARAMETERS.a_second / 2
    assert result.heartbeats >= minutes


def test_a_record_says_how_long_throttles_have_cost_whatever_happened_in_between(
    updates_limited: Result,
) -> None:
    costs = costs_of_throttles(updates_limited)

    assert len([waited for waited, _ in costs if waited]) > TARGETS / 4
    assert [waited for waited, _ in costs] == [cost for _, cost in costs]
    assert any(record.look.cause.kind == "heartbeat" for record in updates_limited.records)


def costs_of_throttles(result: Result) -> list[tuple[timedelta | None, timedelta | None]]:
    """Return how long each target's change has waited by its record, and how long it has."""
    accepted = {fleet.name: START + timedelta(seconds=fleet.changed[0]) for fleet in result.fleets}
    throttled: dict[str, datetime] = {}
    costs = []
    for record in result.records:
        if record.outcome is Outcome.FAILED_THROTTLED:
            throttled.setdefault(record.resource_id, record.at)
        if record.outcome.changes_capacity:
            first = throttled.get(record.resource_id)
            cost = accepted[record.look.service] - first if first else None
            costs.append((record.waited, cost))
    return costs


def test_a_surge_replays_to_the_letter() -> None:
    first, second = (Surge(60, seed=7).run() for _ in range(2))

    assert [fleet.changed for fleet in first.fleets] == [fleet.changed for fleet in second.fleets]


@pytest.mark.parametrize(
    ("calls", "at", "granted"),
    [
        pytest.param(3, 0.0, 2, id="no more than its burst at once"),
        pytest.param(3, 1.0, 2, id="no more than its burst after a rest"),
    ],
)
def test_a_bucket_grants(calls: int, at: float, granted: int) -> None:
    bucket = Bucket(burst=2, refill=5)

    assert sum(bucket.take(at) for _ in range(calls)) == granted


def test_a_throttled_call_takes_nothing_out_of_a_bucket() -> None:
    bucket = Bucket(burst=1, refill=0.5)

    assert [bucket.take(now) for now in (0.0, 1.0, 1.9, 2.0, 2.1)] == [
        True,
        False,
        False,
        True,
        False,
    ]


def test_the_most_calls_of_any_second_are_counted() -> None:
    meter = Meter()
    for at in (0.0, 0.5, 0.9, 1.0, 1.2, 3.0):
        meter.count("call", at, granted=at < 1)

    assert (meter.attempts["call"], meter.throttled["call"], meter.peak["call"]) == (6, 3, 4)


@pytest.mark.parametrize(
    ("seconds", "tasks"),
    [pytest.param(SPREAD, 500, id="by default"), pytest.param(INTERVAL, 2_500, id="spread")],
)
def test_as_many_tasks_may_publish_as_the_publisher_s_readme_says(
    seconds: float, tasks: int
) -> None:
    text = (ROOT / "publisher" / "README.md").read_text(encoding="utf-8")

    assert measure_publishing().within(seconds) == tasks
    assert f"{tasks:,}" in text
