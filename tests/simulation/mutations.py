"""Bugs to plant in the scaler. The simulation has to find each of them, or a test that it names.

`python -m tests.simulation.run --planted` looks for a seed that finds each, and keeps it in FOUND.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from inspect import unwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from quickstep.alarms import seconds
from quickstep.engine import decide as deciding
from quickstep.engine import guards, load, step_policy
from quickstep.engine.load import Load
from quickstep.engine.model import AlarmState
from quickstep.engine.outcome import Outcome
from quickstep.loop import (
    capacity,
    cycle,
    door,
    heartbeat,
    learning,
    next_look,
    observing,
    surges,
    waiting,
)
from quickstep.loop.next_look import Check
from quickstep.loop.observing import Observer
from quickstep.protocol import counts, line
from quickstep.protocol.counts import Counts, Meaning
from quickstep.protocol.memory import Claim, Lease, Memory, memory_dict
from quickstep.protocol.messages import Recheck
from quickstep.protocol.ports import CallFailedError, OutOfDate
from quickstep_lab.in_memory import table
from quickstep_lab.in_memory.hook import call
from quickstep_lab.in_memory.table import InMemorySurgeLooks, InMemoryTargets
from tests.simulation import world
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from quickstep.alarms.event import AlarmEvent
    from quickstep.alarms.known import KnownAlarm
    from quickstep.engine.model import Alarm, Decision
    from quickstep.protocol.line import Turn
    from quickstep.protocol.records import DecisionRecord

FOUND = Path(__file__).with_name("planted.json")
"""The first seed that finds each bug."""

_claim: Callable[..., Claim | Lease | OutOfDate] = unwrap(InMemoryTargets.claim)
_commit = unwrap(InMemoryTargets.commit)
_peek = unwrap(InMemoryTargets.peek)
_line_up = waiting.line_up
_decide = deciding.decide
_next_check = next_look.next_check
_memory_dict = memory_dict
_meaning = Counts.meaning


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug: `value` takes the place of the owner's attribute.

    It shows only in worlds that have the trouble it `needs`, if it names one. Where the simulation
    is not the place to find it, `reason` says why, and `unit_test` which test does.
    """

    owner: Any
    attribute: str
    value: Any
    needs: str = ""
    unit_test: str = ""
    reason: str = ""


# --- of the table ---------------------------------------------------------------------------------


@call("claim")
def _claim_whatever_the_lease(
    self: InMemoryTargets, resource_id: str, lease: Lease, generation: int | None = None
) -> Claim | Lease | OutOfDate:
    self.items[resource_id].lease = None
    return _claim(self, resource_id, lease, generation)


@call("claim")
def _claim_whatever_the_generation(
    self: InMemoryTargets, resource_id: str, lease: Lease, _generation: int | None = None
) -> Claim | Lease | OutOfDate:
    return _claim(self, resource_id, lease)


@call("claim")
def _never_take_over(
    self: InMemoryTargets, resource_id: str, lease: Lease, generation: int | None = None
) -> Claim | Lease | OutOfDate:
    held = self.items[resource_id].lease
    return held or _claim(self, resource_id, lease, generation)


@call("peek")
def _peek_without_lease(self: InMemoryTargets, resource_id: str) -> tuple[Memory, Lease | None]:
    return _peek(self, resource_id)[0], None


def _commit_changed(
    change: Callable[[Memory], Memory], *, recorded: bool = True, applied: bool = True
) -> Callable[..., bool]:
    @call("commit")
    def commit(
        self: InMemoryTargets, owner: str, memory: Memory, record: DecisionRecord, *claim: Claim
    ) -> bool:
        waited = bool(_commit(self, owner, change(memory), record, *claim))
        if not recorded and record.outcome.changes_capacity:
            self.records.pop()
        return waited and applied

    return commit


@call("commit")
def _commit_and_keep_the_lease(
    self: InMemoryTargets, owner: str, memory: Memory, record: DecisionRecord, *claim: Claim
) -> bool:
    lease = self.items[record.resource_id].lease
    waited = bool(_commit(self, owner, memory, record, *claim))
    self.items[record.resource_id].lease = lease
    return waited


def _without_cooldown(memory: Memory) -> Memory:
    return replace(memory, state=replace(memory.state, scale_out=None, scale_in=None))


def _unchanged(memory: Memory) -> Memory:
    return memory


def _without_spent_datapoints(memory: Memory) -> Memory:
    alarms = {name: replace(known, acted_on=None) for name, known in memory.alarms.items()}
    return replace(memory, alarms=alarms)


def _not_stored(attribute: str, needs: str = "", **tested: str) -> Bug:
    """Return the bug of an item that lacks an attribute of the memory."""

    def written(memory: Memory) -> dict[str, Any]:
        return {**_memory_dict(memory), attribute: None}

    return Bug(world, "memory_dict", written, needs, **tested)


def _not_stored_of_alarms(key: str, value: Any = None) -> Bug:
    def written(memory: Memory) -> dict[str, Any]:
        data = _memory_dict(memory)
        alarms = {name: {**alarm, key: value} for name, alarm in data["alarms"].items()}
        return {**data, "alarms": alarms}

    return Bug(world, "memory_dict", written)


# --- of the loop ----------------------------------------------------------------------------------


def _refused() -> CallFailedError:
    return CallFailedError(Outcome.FAILED_DENIED, "AccessDeniedException")


def _shown_again(
    event: AlarmEvent, _known: KnownAlarm, _now: datetime
) -> tuple[Alarm, datetime | None]:
    return event.alarm, event.newest


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _meaning_without(**gone: Any) -> Callable[[Counts, int], Meaning]:
    def meaning(self: Counts, number: int) -> Meaning:
        return _meaning(replace(self, **gone), number)

    return meaning


def _meaning_as(other: dict[Meaning, Meaning]) -> Callable[[Counts, int], Meaning]:
    def meaning(self: Counts, number: int) -> Meaning:
        found = _meaning(self, number)
        return other.get(found, found)

    return meaning


def _sent_once(_target: Any, _memory: Memory, decision: Decision, _draft: Any) -> Decision | None:
    return decision if decision.outcome.changes_capacity else None


def _kept(*arguments: Any) -> tuple[Turn | None, timedelta | None]:
    turn, wait = _line_up(*arguments)
    memory = arguments[2]
    return turn or memory.turn, wait


def _no_sweep(_self: World, _token: str | None) -> tuple[dict[Any, Any], None]:
    return {}, None


def _first_page_of_one(self: World, _token: str | None) -> tuple[dict[Any, Any], None]:
    return dict(list(self.alarms.items())[:1]), None


def _check_whatever_came(*_: Any, **__: Any) -> Check:
    return Check(timedelta(seconds=10))


def _no_check_after(*outcomes: Outcome) -> Callable[..., Check | None]:
    def check(memory: Memory, record: DecisionRecord, *others: Any) -> Check | None:
        return None if record.outcome in outcomes else _next_check(memory, record, *others)

    return check


def _checked_at_once(*arguments: Any) -> Check | None:
    check = _next_check(*arguments)
    return replace(check, delay=timedelta(seconds=1)) if check else None


def _decided_as(change: Callable[[Decision], Decision]) -> Callable[..., Decision]:
    def decide(*arguments: Any) -> Decision:
        decision = _decide(*arguments)
        return change(decision) if decision.outcome.changes_capacity else decision

    return decide


def _on_the_wrong_direction(decision: Decision) -> Decision:
    state = decision.state
    turned = replace(state, scale_out=state.scale_in, scale_in=state.scale_out)
    return replace(decision, state=turned)


def _doubled(decision: Decision) -> Decision:
    return replace(decision, granted=2 * decision.granted - decision.before)


def _wet(target: Any, *others: Any) -> Decision:
    return _decide(replace(target, dry_run=False), *others)


def _learn_nothing(_target: Any, memory: Memory, *_: Any) -> Memory:
    return memory


def _always_fresh(_self: Observer, look: Any, _now: datetime) -> AlarmEvent | None:
    event: AlarmEvent | None = look.event
    return event


def _recheck_of_the_generation_before(service: Any, generation: int, *others: Any) -> Any:
    return _Recheck(service, generation - 1, *others)


_Recheck = Recheck


def _unbounded(_case: Any, proposal: Any, _direction: Any) -> Any:
    return proposal


def _everything_is_wrong(_target: Any, _look: Any, **_: Any) -> bool:
    return True


def _deleted_alarms_are_kept(target: Any, memory: Memory, look: Any, *rest: Any) -> Memory:
    return _learn(target, memory, replace(look, complete=False), *rest)


def _learn_without_waiting(target: Any, memory: Memory, look: Any, now: Any, *_: Any) -> Memory:
    return _learn(target, memory, look, now)


def _load_of_all_desired(case: Any, _alarm: Any) -> Load:
    return Load(case.desired, case.desired)


def _everybody_is_seen(_case: Any, _load: Any, proposal: Any) -> Any:
    return proposal


_learn = learning.learn


def _all_speak_for_all(intervals: Any) -> Any:
    return tuple(intervals)


def _removes_too(look: Any, felt_at: datetime) -> Any:
    return replace(_at_a_surge(look, felt_at), adds=False)


_at_a_surge = surges.at_a_surge


def _never_counted(memory: Memory, _look: Any, _now: datetime) -> tuple[datetime, ...]:
    return memory.surges


@call("take of a surge")
def _take_whatever_was_taken(_self: InMemorySurgeLooks, _now: datetime) -> bool:
    return True


def _state_of_any_age(known: KnownAlarm | None, described: KnownAlarm) -> KnownAlarm:
    last = _described(known, described)
    return replace(last, state=described.state, at=described.at)


_of_newest_seconds = seconds.of_newest_seconds
_described = learning._described  # noqa: SLF001 - it is the bug's place


MUTATIONS: dict[str, Bug] = {
    # The lease, and who dies with it.
    "no lease condition": Bug(InMemoryTargets, "claim", _claim_whatever_the_lease),
    "an ended lease is never taken over": Bug(InMemoryTargets, "claim", _never_take_over),
    "a lease shorter than the time-out": Bug(cycle, "LEASE", timedelta(seconds=1)),
    "a lease longer than promised": Bug(cycle, "LEASE", timedelta(seconds=40)),
    "a commit keeps the lease": Bug(InMemoryTargets, "commit", _commit_and_keep_the_lease),
    "no recovery": Bug(cycle, "adopted", _nothing),
    "the heartbeat sees no dead holder": Bug(
        InMemoryTargets,
        "peek",
        _peek_without_lease,
        unit_test="tests/unit/test_between_looks.py::test_a_quiet_target_is_evaluated_where_a_holder_has_died",
        reason="in all but one world in thousands, a re-check or message comes back anyway",
    ),
    "an unanswered call is taken for a refused one": Bug(world, "unanswered", _refused),
    "records are not in the transaction": Bug(
        InMemoryTargets, "commit", _commit_changed(_unchanged, recorded=False)
    ),
    # What ECS shows.
    "what is asked for is not written down": Bug(InMemoryTargets, "ask", _nothing),
    "what is asked for is not sent again": Bug(
        cycle,
        "insist",
        _sent_once,
        unit_test="tests/unit/test_numbers.py::test_a_change_that_was_never_made_is_asked_for_again_while_its_breach_lasts",
        reason="the next datapoint asks for it, ten seconds later",
    ),
    "a stale number is a hand's": Bug(
        Counts, "meaning", _meaning_without(replaced=()), needs="stale"
    ),
    "an echo is a hand's": Bug(Counts, "meaning", _meaning_without(asked=None)),
    "a late call is a hand's": Bug(Counts, "meaning", _meaning_without(late=()), needs="late"),
    "a hand's number is a stale one": Bug(
        Counts, "meaning", _meaning_as({Meaning.FOREIGN: Meaning.STALE}), needs="foreign"
    ),
    "a hand's number is a late call": Bug(
        Counts, "meaning", _meaning_as({Meaning.FOREIGN: Meaning.LATE}), needs="foreign"
    ),
    "a late call is a stale number": Bug(
        Counts,
        "meaning",
        _meaning_as({Meaning.LATE: Meaning.STALE}),
        unit_test="tests/unit/test_numbers.py::test_a_late_call_of_ours_is_undone_for_two_minutes",
        reason="it is undone anyway, two minutes later",
    ),
    "stale numbers are trusted after a second": Bug(
        counts, "STALE", timedelta(seconds=-1), needs="stale"
    ),
    "stale numbers are known for an hour": Bug(
        counts, "STALE", timedelta(hours=1), needs="foreign"
    ),
    "late calls are known for five seconds": Bug(
        counts, "LATE", timedelta(seconds=5), needs="late"
    ),
    "late calls are known for an hour": Bug(counts, "LATE", timedelta(hours=1), needs="late"),
    "no number is ever refused": Bug(
        Counts,
        "refusal",
        _nothing,
        unit_test="tests/unit/test_numbers.py::test_a_number_that_must_not_be_sent_is_recorded_and_not_sent",
        reason="nothing asks for such a number without a second bug",
    ),
    "a scale-out counts from what is seen": Bug(Memory, "desired", property(lambda _self: None)),
    "times ahead of now are believed": Bug(
        Memory,
        "as_of",
        lambda memory, _now: memory,
        unit_test="tests/unit/test_memory.py::test_no_time_of_an_hour_ahead_is_kept_for_longer_than_its_rule_allows",
        reason="if a clock is an hour wrong, only checks without a clock apply",
    ),
    # What is acted on.
    "cooldowns are not committed": Bug(
        InMemoryTargets, "commit", _commit_changed(_without_cooldown)
    ),
    "cooldowns are on the wrong direction": Bug(
        cycle, "decide", _decided_as(_on_the_wrong_direction)
    ),
    "a scale-out heeds no cooldown": Bug(step_policy, "scale_out_cooldown", _nothing),
    "a scale-in heeds no cooldown": Bug(step_policy, "scale_in_cooldown", _nothing),
    "every step is taken twice": Bug(cycle, "decide", _decided_as(_doubled)),
    "bounds are not applied": Bug(guards, "_bound", _unbounded),
    "a pause is not applied": Bug(guards, "_pause", _unbounded, needs="entries"),
    "a dry run is not applied": Bug(cycle, "decide", _wet, needs="dry_run"),
    "capacity is not brought back into its bounds": Bug(
        cycle, "correct", _nothing, needs="entries"
    ),
    "spent datapoints are forgotten": Bug(
        InMemoryTargets, "commit", _commit_changed(_without_spent_datapoints)
    ),
    "an event's datapoint counts whenever it comes": Bug(
        observing,
        "_shown",
        _shown_again,
        unit_test="tests/unit/test_surges.py::test_the_alarm_s_own_event_for_the_same_seconds_is_held",
        reason="in all but one world in thousands, the same step's cooldown holds it too",
    ),
    "an event's datapoint counts however old it is": Bug(
        Observer,
        "_fresh",
        _always_fresh,
        unit_test="tests/unit/test_cycle.py::test_an_old_event",
        reason="mostly its datapoint is already spent, or the load has not changed",
    ),
    "an event is known by nothing": Bug(
        learning,
        "_known_event",
        _nothing,
        unit_test="tests/unit/test_cycle.py::test_the_same_transition_delivered_twice_changes_capacity_once",
        reason="its datapoint is spent, so it changes nothing",
    ),
    "a request is known by nothing": Bug(learning, "_known_wish", _nothing, needs="requests"),
    "nothing is learnt from a look": Bug(cycle, "learn", _learn_nothing),
    "a deleted alarm is remembered": Bug(cycle, "learn", _deleted_alarms_are_kept, needs="alarms"),
    "a described state wins over a newer one": Bug(
        learning,
        "_described",
        _state_of_any_age,
        unit_test="tests/unit/test_cycle.py::test_a_description_older_than_the_newest_event_teaches_nothing",
        reason="an event would have to arrive between a heartbeat's page and its look",
    ),
    # The load, and who serves.
    "the load is multiplied by desired": Bug(
        step_policy, "load_of", _load_of_all_desired, needs="fleet"
    ),
    "hope has no end": Bug(load, "MISSING_AFTER", 10_000, needs="fleet"),
    "a blind alarm is ignored": Bug(deciding, "_blind", _nothing, needs="alarms"),
    "silent tasks are ignored": Bug(step_policy, "_unseen", _everybody_is_seen, needs="fleet"),
    # What tasks ask for.
    "a surge removes tasks": Bug(
        surges,
        "at_a_surge",
        _removes_too,
        unit_test="tests/unit/test_surges.py::test_no_task_is_removed_for_a_surge",
        reason="within ten seconds, a surge would have to end and its tasks be idle for minutes",
    ),
    "a hot task is taken for all": Bug(seconds, "filled", _all_speak_for_all, needs="hot"),
    "old surges are looked at": Bug(surges, "OLDEST", timedelta(hours=1), needs="surges"),
    "looks at surges are not counted": Bug(learning, "counted", _never_counted, needs="surges"),
    "an account's looks at surges have no bound": Bug(
        InMemorySurgeLooks, "take", _take_whatever_was_taken, needs="flood"
    ),
    "a surge's seconds are not spent": Bug(
        observing,
        "of_newest_seconds",
        lambda *values, **named: replace(_of_newest_seconds(*values, **named), newest=None),
        unit_test="tests/unit/test_surges.py::test_the_alarm_s_own_event_for_the_same_seconds_is_held",
        reason="the same step's cooldown also holds the alarm's event",
    ),
    "a surge is looked at once": Bug(
        next_look,
        "is_followed",
        lambda *_: False,
        unit_test="tests/unit/test_surges.py::test_seconds_that_become_visible_later_are_answered_then",
        reason="the tasks ask again, and so does the alarm",
    ),
    # The chain of re-checks, and the heartbeat behind it.
    "chain generation ignored": Bug(InMemoryTargets, "claim", _claim_whatever_the_generation),
    "a re-check of the wrong generation": Bug(cycle, "Recheck", _recheck_of_the_generation_before),
    "the next check is never sent": Bug(World, "send", _nothing),
    "the chain never ends": Bug(cycle, "next_check", _check_whatever_came),
    "the chain hurries": Bug(
        cycle,
        "next_check",
        _checked_at_once,
        unit_test="tests/unit/test_cycle.py::test_a_breach_that_was_answered_is_looked_at_again",
        reason="the bound on calls leaves room for a flood of repeats",
    ),
    "a cooldown ends the chain": Bug(cycle, "next_check", _no_check_after(Outcome.HELD_COOLDOWN)),
    "a change ends the chain": Bug(cycle, "next_check", _no_check_after(Outcome.SCALED_OUT)),
    "no second look for a newer datapoint": Bug(next_look, "MAX_ATTEMPTS_FOR_NEWER", 0),
    "who loses a race does not come back": Bug(
        door,
        "MAX_RACES",
        0,
        unit_test="tests/unit/test_intake.py::test_an_alarm_event_that_lost_the_race_comes_back_when_the_lease_is_over",
        reason="the winner finds the loser's mark",
    ),
    "who loses a race leaves nothing": Bug(
        InMemoryTargets,
        "wait",
        lambda *_, **__: True,
        unit_test="tests/unit/test_intake.py::test_what_lost_the_race_is_found_by_who_won_it_and_the_largest_step_is_next",
        reason="the loser comes back by itself, 16 s later",
    ),
    "who was waited for does not look again": Bug(
        InMemoryTargets,
        "commit",
        _commit_changed(_unchanged, applied=False),
        unit_test="tests/unit/test_intake.py::test_what_lost_the_race_is_found_by_who_won_it_and_the_largest_step_is_next",
        reason="the loser comes back by itself, 16 s later",
    ),
    "what waited is not learnt": Bug(
        cycle,
        "learn",
        _learn_without_waiting,
        unit_test="tests/unit/test_intake.py::test_what_lost_the_race_is_found_by_who_won_it_and_the_largest_step_is_next",
        reason="the loser comes back by itself, 16 s later",
    ),
    "the heartbeat sees no target without alarms": Bug(
        InMemoryTargets, "listed", lambda _self: {}, needs="alarms"
    ),
    "the heartbeat sees no alarm": Bug(World, "page", _no_sweep),
    "the heartbeat sees the first alarm only": Bug(World, "page", _first_page_of_one),
    "the heartbeat sees no dead chain": Bug(heartbeat, "OVERDUE", timedelta(days=1)),
    "the heartbeat learns nothing": Bug(heartbeat, "learn", _learn_nothing),
    "the heartbeat evaluates everything": Bug(heartbeat, "shows_work", _everything_is_wrong),
    # The line.
    "its turn never comes": Bug(
        cycle, "still_waits", lambda *_: timedelta(seconds=5), needs="crowded"
    ),
    "nobody's standstill is noticed": Bug(line, "STANDSTILL", timedelta(days=1), needs="crowded"),
    "a turn is kept for good": Bug(cycle, "line_up", _kept, needs="crowded"),
    "nobody is ever served": Bug(
        cycle,
        "served",
        _nothing,
        needs="crowded",
        unit_test="tests/unit/test_cycle.py::test_a_target_that_was_served_passes_the_turn_on",
        reason="with one target, the others' numbers move the line",
    ),
    "a throttled call is repeated without end": Bug(
        capacity, "RETRY_SLEEPS", (timedelta(seconds=0.2),) * 30, needs="crowded"
    ),
    "a throttle ends the chain": Bug(
        next_look,
        "MAX_THROTTLES",
        0,
        needs="crowded",
        unit_test="tests/unit/test_cycle.py::test_a_throttled_change_comes_back_after_a_growing_delay",
        reason="the heartbeat takes over a minute later",
    ),
    "entries that are over stay": Bug(table, "outlived", lambda *_: [], needs="entries"),
    # The item: what is not stored is lost.
    "generation is not stored": _not_stored("generation"),
    "check_at is not stored": _not_stored(
        "check_at",
        unit_test="tests/unit/test_memory.py::test_what_is_written_is_read_back",
        reason="the heartbeat then looks and finds nothing to do",
    ),
    "desired is not stored": _not_stored("desired"),
    "what is asked for is not stored": _not_stored("asked"),
    "what was replaced is not stored": _not_stored("replaced", needs="stale"),
    "late calls are not stored": _not_stored("late", needs="late"),
    "requested_at is not stored": _not_stored("requested_at", needs="requests"),
    "turn is not stored": _not_stored(
        "turn",
        unit_test="tests/unit/test_memory.py::test_what_is_written_is_read_back",
        reason="losing a place in the line only costs time",
    ),
    "scale_out is not stored": _not_stored("scale_out"),
    "scale_in is not stored": _not_stored("scale_in"),
    "alarms' acted_on is not stored": _not_stored_of_alarms("acted_on"),
    "alarms' definitions are not stored": _not_stored_of_alarms("definition"),
    "alarms' states are stored as OK": _not_stored_of_alarms("state", str(AlarmState.OK)),
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Run with a bug planted."""
    bug = MUTATIONS[name]
    with patch.object(bug.owner, bug.attribute, bug.value):
        yield


def known_seeds() -> dict[str, int]:
    """Return the seed that finds each bug."""
    found: dict[str, int] = json.loads(FOUND.read_text(encoding="utf-8"))
    return found
