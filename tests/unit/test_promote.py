"""In which order a service changes hands: at no moment is there nobody who adds tasks."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from quickstep_cli.autoscaling import IN, OUT, SCHEDULED
from quickstep_cli.promote import State, Step, steps_to

ACTING = {IN: False, OUT: False, SCHEDULED: False}
SUSPENDED = {IN: True, OUT: True, SCHEDULED: False}


def after(state: State, step: Step) -> State:
    """Return what is so once a step is done."""
    if step.dry_run is not None:
        return replace(state, dry_run=step.dry_run)
    return replace(state, suspended={**(state.suspended or {}), **step.suspended})


def test_to_quickstep_aas_stops_adding_last() -> None:
    assert [step.what for step in steps_to(State(True, ACTING), back=False)] == [
        "Application Auto Scaling stops removing tasks",
        "Quickstep's dry run ends",
        "Application Auto Scaling stops adding tasks",
    ]


def test_back_to_aas_it_adds_tasks_first() -> None:
    assert [step.what for step in steps_to(State(False, SUSPENDED), back=True)] == [
        "Application Auto Scaling adds tasks again",
        "Quickstep becomes a dry run",
        "Application Auto Scaling removes tasks again",
    ]


@pytest.mark.parametrize("back", [False, True], ids=["promote", "back"])
@pytest.mark.parametrize("scheduled", [(), ("night",)], ids=["no schedule", "a schedule"])
@pytest.mark.parametrize(
    "state",
    [
        State(dry_run, {IN: ways[0], OUT: ways[1], SCHEDULED: ways[2]})
        for dry_run, ways in product([True, False], product([True, False], repeat=3))
        if not (dry_run and ways[1])  # there, nobody adds tasks already
    ],
    ids=str,
)
def test_somebody_adds_tasks_after_each_step_and_nothing_is_left_to_do_after_all(
    state: State, scheduled: tuple[str, ...], back: bool
) -> None:
    state = replace(state, scheduled=scheduled)

    for step in steps_to(state, back=back):
        state = after(state, step)
        assert state.suspended
        assert not state.dry_run or not state.suspended[OUT]

    assert steps_to(state, back=back) == []
    assert state.dry_run is back


def test_scheduled_actions_are_only_touched_where_there_are_some() -> None:
    (*_, last) = steps_to(State(True, ACTING, ("night",)), back=False)
    (*_, without) = steps_to(State(True, ACTING), back=False)

    assert last.suspended == {OUT: True, SCHEDULED: True}
    assert without.suspended == {OUT: True}


def test_where_aas_has_nothing_only_the_dry_run_ends() -> None:
    assert [step.what for step in steps_to(State(True), back=False)] == ["Quickstep's dry run ends"]
