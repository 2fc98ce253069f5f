"""From one evaluation to the next: what is learnt, what is spent, and when to look again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep.alarms.event import AlarmEvent, read_event
from quickstep.alarms.known import KnownAlarm
from quickstep.alarms.reading import is_the_same
from quickstep.engine.decide import decide
from quickstep.engine.model import (
    Alarm,
    AlarmState,
    Direction,
    MetricScope,
    Observation,
    Override,
    ScalableTarget,
    Service,
    State,
)
from quickstep.engine.outcome import Outcome
from quickstep.loop.capacity import changed
from quickstep.loop.cycle import MAX_EVENT_AGE
from quickstep.loop.heartbeat import needs_evaluation, shows_work
from quickstep.loop.learning import ignored, known_from, learn
from quickstep.loop.next_look import LONGEST_BACKOFF, MAX_THROTTLES, Check, backoff, next_check
from quickstep.loop.observing import Observer, Seen
from quickstep.protocol.counts import Count, Counts
from quickstep.protocol.line import Turn
from quickstep.protocol.look import Reads
from quickstep.protocol.memory import Deletion, Memory
from quickstep.protocol.messages import Heartbeat, Recheck
from quickstep.protocol.records import DecisionRecord
from tests.builders import (
    BLIND,
    DEFINITION,
    HIGH,
    LOW,
    LOW_DEFINITION,
    NOW,
    WEB,
    a_lease,
    a_look,
    a_policy,
    a_scale_in_policy,
    a_target,
    a_transition,
    ago,
    firing,
    known,
    load_event,
    points,
)
from tests.fakes import World

if TYPE_CHECKING:
    from datetime import datetime

    from quickstep.engine.model import Decision
    from quickstep.protocol.look import Look
    from quickstep.protocol.memory import Lease
    from tests.builders import Came

TARGET = a_target()
CALM = Alarm(AlarmState.OK, 100, (60.0,))
SOON = NOW + timedelta(seconds=60)


def heartbeat(**alarms: KnownAlarm) -> Heartbeat:
    names = {"high": HIGH, "low": LOW}
    return Heartbeat(WEB, {names.get(name, name): alarm for name, alarm in alarms.items()})


def remembering(**alarms: KnownAlarm) -> Memory:
    names = {"high": HIGH, "low": LOW}
    return Memory(alarms={names.get(name, name): alarm for name, alarm in alarms.items()})


# --- the load before ------------------------------------------------------------------------------


def per_task(*, scope: MetricScope = MetricScope.PER_TASK) -> ScalableTarget:
    return a_target(a_policy(scope=scope), a_scale_in_policy(scope=scope))


def shown(name: str) -> AlarmEvent:
    event = read_event(load_event(name))
    return event.defined(Direction.IN if event.policy == LOW else Direction.OUT)


SHOWN_HIGH = shown("alarm-high-step2")
BEFORE = points(50.0, 160.0, newest=10, samples=8)


def looked_back(event: AlarmEvent, target: ScalableTarget, now: datetime) -> Look:
    world = World()
    world.points[event.policy] = BEFORE
    return Observer(world, world.queues, MAX_EVENT_AGE).with_load_before(target, a_look(event), now)


@pytest.mark.parametrize(
    ("event", "target", "asked"),
    [
        pytest.param(SHOWN_HIGH, per_task(), True, id="a scale-out"),
        pytest.param(shown("alarm-low"), per_task(), True, id="a scale-in"),
        pytest.param(SHOWN_HIGH, per_task(scope=MetricScope.TOTAL), False, id="of the whole"),
        pytest.param(SHOWN_HIGH, a_target(a_policy("other")), False, id="no such policy"),
        pytest.param(shown("alarm-ok"), per_task(), False, id="OK"),
        pytest.param(shown("alarm-muted"), per_task(), False, id="muted"),
        pytest.param(shown("alarm-no-reason-data"), per_task(), False, id="no datapoints"),
    ],
)
def test_which_events_ask_for_the_load_before(
    event: AlarmEvent, target: ScalableTarget, *, asked: bool
) -> None:
    look = looked_back(event, target, NOW)

    assert look.event
    before = look.event.alarm.recent
    assert [point.value for point in before] == ([50.0, 50.0, 160.0, 160.0] if asked else [])
    seen = replace(look.event.alarm, recent=(), period=event.alarm.period)
    assert seen == event.alarm, "nothing of it is replaced"


def test_the_period_of_the_load_before_is_the_metric_s() -> None:
    assert SHOWN_HIGH.definition
    minute = replace(SHOWN_HIGH, definition=replace(SHOWN_HIGH.definition, period=60))

    look = looked_back(minute, per_task(), NOW)

    assert look.event
    assert look.event.alarm.period == 60


# --- what is seen of the alarms -------------------------------------------------------------------


def seen(memory: Memory, look: Look) -> Alarm:
    world = World()
    world.points[HIGH] = points(160.0)
    return (
        Observer(world, world.queues, MAX_EVENT_AGE).observe(TARGET, memory, look, NOW).alarms[HIGH]
    )


def test_of_an_alarm_that_is_not_read_threshold_and_metric_are_known_all_the_same() -> None:
    quiet = seen(remembering(high=known(AlarmState.OK)), a_look(Recheck(WEB, 7)))
    unknown = seen(remembering(high=known(definition=None)), a_look(Recheck(WEB, 7)))

    assert (quiet.threshold, quiet.metric) == (100.0, DEFINITION.metric)
    assert not quiet.has_value
    assert unknown == Alarm(AlarmState.ALARM, no_data="its metric was not read")


@pytest.mark.parametrize(
    ("reads", "state", "read"),
    [
        pytest.param(Reads.NOTHING, AlarmState.ALARM, False, id="nothing"),
        pytest.param(Reads.IN_ALARM, AlarmState.ALARM, True, id="what is in ALARM"),
        pytest.param(Reads.IN_ALARM, AlarmState.OK, False, id="and only that"),
        pytest.param(Reads.SCALE_OUT, AlarmState.OK, True, id="scale-out alarms in any state"),
    ],
)
def test_a_look_reads_what_it_says(reads: Reads, state: AlarmState, *, read: bool) -> None:
    look = replace(a_look(Recheck(WEB, 7)), reads=reads)

    assert seen(remembering(high=known(state)), look).has_value is read


def test_an_event_s_metric_goes_by_the_name_that_describe_alarms_has_for_it() -> None:
    """A label, for example, is in no event: by it the two alarms of a target would differ."""
    (query,) = DEFINITION.queries
    labelled = replace(DEFINITION, queries=({**query, "Label": "rate"},))
    event = replace(SHOWN_HIGH, at=NOW)

    assert (
        seen(remembering(high=known(definition=labelled)), a_look(event)).metric == labelled.metric
    )


# --- what an evaluation learns --------------------------------------------------------------------

EVENT = SHOWN_HIGH


def learnt(memory: Memory, came: Came) -> KnownAlarm | None:
    return learn(TARGET, memory, a_look(came), NOW).alarms.get(HIGH)


def test_the_first_event_of_an_alarm_brings_all_that_is_known_of_it() -> None:
    alarm = learnt(Memory(), EVENT)

    assert alarm
    assert alarm.definition
    assert (alarm.definition.n, alarm.definition.m, alarm.definition.threshold) == (1, 1, 100.0)
    assert replace(alarm, definition=None) == KnownAlarm(AlarmState.ALARM, EVENT.at)


def test_an_event_keeps_what_it_does_not_show() -> None:
    last = known(AlarmState.OK, 600, acted_on=ago(700), disabled=True)

    alarm = learnt(remembering(high=last), a_transition())

    assert alarm == replace(last, state=AlarmState.ALARM, at=ago(0.2))


DESCRIBED = replace(DEFINITION, n=3, m=2)


@pytest.mark.parametrize(
    ("threshold", "kept"),
    [
        pytest.param(100.0, True, id="same threshold: what DescribeAlarms told is better"),
        pytest.param(120.0, False, id="another threshold: the alarm was changed since"),
    ],
)
def test_an_event_replaces_a_definition_only_where_it_contradicts_it(
    threshold: float, *, kept: bool
) -> None:
    event = replace(EVENT, alarm=firing(160.0, threshold=threshold)).defined(Direction.OUT)

    alarm = learnt(remembering(high=known(AlarmState.OK, 600, DESCRIBED)), event)

    assert alarm
    assert alarm.definition
    assert (alarm.definition == DESCRIBED) is kept
    assert alarm.definition.threshold == threshold


def test_an_event_without_a_definition_leaves_the_one_that_is_known() -> None:
    event = replace(EVENT, alarm=Alarm(AlarmState.INSUFFICIENT_DATA), definition=None)

    alarm = learnt(remembering(high=known(AlarmState.OK, 600, DESCRIBED)), event)

    assert alarm
    assert (alarm.state, alarm.definition) == (AlarmState.INSUFFICIENT_DATA, DESCRIBED)


@pytest.mark.parametrize("seconds_ago", [0.2, 5], ids=["as old", "older"])
def test_an_event_that_is_not_newer_teaches_nothing(seconds_ago: float) -> None:
    last = known(AlarmState.OK, 0.2)

    assert learnt(remembering(high=last), a_transition(at=ago(seconds_ago))) == last


def test_a_transition_ends_or_begins_a_mute() -> None:
    muted = known(AlarmState.OK, 600, muted=True, muted_until=SOON)

    heard = learnt(remembering(high=muted), a_transition())
    silenced = learnt(
        remembering(high=known(AlarmState.OK, 600)),
        replace(a_transition(alarm=firing(160.0, muted=True)), muted_until=SOON),
    )

    assert heard
    assert silenced
    assert (heard.muted, heard.muted_until) == (False, None)
    assert (silenced.muted, silenced.muted_until) == (True, SOON)


@pytest.mark.parametrize(
    ("last", "seen", "after"),
    [
        pytest.param(
            None,
            known(disabled=True),
            known(disabled=True),
            id="an alarm that was not known",
        ),
        pytest.param(
            known(AlarmState.OK, 600, acted_on=ago(650)),
            known(),
            known(acted_on=ago(650)),
            id="a transition whose event was missed",
        ),
        pytest.param(
            known(AlarmState.OK, 10),
            known(),
            known(),
            id="a transition within the same millisecond",
        ),
        pytest.param(
            known(AlarmState.OK, 5),
            known(),
            known(AlarmState.OK, 5),
            id="a description older than the newest event",
        ),
        pytest.param(
            known(AlarmState.OK, 5),
            known(definition=DESCRIBED, disabled=True),
            known(AlarmState.OK, 5, DESCRIBED, disabled=True),
            id="even an old description has the definition",
        ),
        pytest.param(
            known(definition=DESCRIBED),
            known(definition=None),
            known(definition=None),
            id="none",
        ),
        pytest.param(
            known(seconds_ago=10, muted=True, muted_until=SOON),
            known(),
            known(seconds_ago=10, muted=True, muted_until=SOON),
            id="no transition: a mute goes on",
        ),
        pytest.param(
            known(seconds_ago=30, muted=True, muted_until=SOON, acted_on=ago(40)),
            known(seconds_ago=28),
            known(seconds_ago=28, acted_on=ago(40)),
            id="the same state, entered again since",
        ),
        pytest.param(
            known(seconds_ago=30, muted=True, muted_until=SOON),
            known(seconds_ago=29.5),
            known(seconds_ago=30, muted=True, muted_until=SOON),
            id="half a second later is the same transition",
        ),
        pytest.param(
            known(AlarmState.OK, 600, muted=True, muted_until=SOON),
            known(),
            known(),
            id="a missed transition ends a mute",
        ),
    ],
)
def test_what_a_description_adds(
    last: KnownAlarm | None, seen: KnownAlarm, after: KnownAlarm
) -> None:
    memory = remembering(high=last) if last else Memory()

    assert learnt(memory, heartbeat(high=seen)) == after


def test_alarms_of_policies_that_the_document_does_not_have_are_forgotten_or_never_learnt() -> None:
    memory = remembering(high=known(), gone=known())

    for came in (heartbeat(other=known()), Recheck(WEB, 7), a_transition()):
        assert set(learn(TARGET, memory, a_look(came), NOW).alarms) == {HIGH}


@pytest.mark.parametrize(
    ("complete", "left"),
    [
        pytest.param(True, {HIGH}, id="all its alarms: the other one was deleted"),
        pytest.param(False, {HIGH, LOW}, id="some of its alarms"),
    ],
)
def test_an_alarm_is_forgotten_once_it_is_certain_that_it_was_deleted(
    *, complete: bool, left: set[str]
) -> None:
    memory = remembering(high=known(), low=known(definition=LOW_DEFINITION))
    beat = replace(heartbeat(high=known()), complete=complete)

    assert set(learn(TARGET, memory, a_look(beat), NOW).alarms) == left


def test_an_alarm_s_event_from_before_its_deletion_does_not_bring_it_back() -> None:
    """Its message may wait for a turn in a queue meanwhile; its datapoint was acted on, too."""
    memory = remembering(high=known())
    beat = replace(heartbeat(), complete=True)
    late = replace(SHOWN_HIGH, at=NOW)

    forgetful = learn(TARGET, memory, a_look(beat), NOW)

    assert ignored(forgetful, a_look(late), NOW, MAX_EVENT_AGE) == (
        Outcome.IGNORED_STALE,
        f"the alarm of {HIGH} was found deleted at 2026-11-22T10:00:12.500Z",
    )
    waited = learn(TARGET, forgetful, a_look(Recheck(WEB, 7)), NOW, {HIGH: known_from(late)})
    assert waited.alarms == {}


@pytest.mark.parametrize(
    ("listed_at", "believed"),
    [
        pytest.param(ago(20), False, id="one of before comes late"),
        pytest.param(ago(5), True, id="the next one"),
        pytest.param(None, True, id="one of just now"),
    ],
)
def test_an_old_list_does_not_bring_a_deleted_alarm_back(
    listed_at: datetime | None, *, believed: bool
) -> None:
    memory = replace(Memory(), deleted={HIGH: Deletion(ago(10))})
    beat = replace(heartbeat(high=known()), listed_at=listed_at)

    assert (HIGH in learn(TARGET, memory, a_look(beat), NOW).alarms) is believed


def test_an_old_list_does_not_delete_an_alarm_that_was_made_since() -> None:
    memory = remembering(high=known(seconds_ago=5), low=known(definition=LOW_DEFINITION))
    beat = replace(heartbeat(), complete=True, listed_at=ago(6))

    assert set(learn(TARGET, memory, a_look(beat), NOW).alarms) == {HIGH}


def test_an_alarm_that_is_made_anew_is_heard_and_its_datapoints_act_once() -> None:
    memory = replace(Memory(), deleted={HIGH: Deletion(NOW, ago(20))})
    event = replace(SHOWN_HIGH, at=SOON)

    assert ignored(memory, a_look(event), SOON, MAX_EVENT_AGE) is None
    assert learn(TARGET, memory, a_look(event), SOON).alarms[HIGH].acted_on == ago(20)
    assert learn(TARGET, memory, a_look(event), SOON).deleted == {}


def test_a_recheck_teaches_nothing() -> None:
    memory = remembering(high=known(), low=known(definition=LOW_DEFINITION))

    assert learn(TARGET, memory, a_look(Recheck(WEB, 7)), NOW) == memory


# --- which datapoints are spent -------------------------------------------------------------------


def scaled() -> Decision:
    observation = Observation(Service(4, 4, 0), {HIGH: firing(160.0)})
    return decide(TARGET, observation, State(), NOW)


@pytest.mark.parametrize(
    ("seconds", "same"),
    [
        pytest.param(-6, True, id="the same, as it is read"),
        pytest.param(4, True, id="in part"),
        pytest.param(10, False, id="the next of an alarm whose periods are read as they are"),
        pytest.param(14, False, id="the one after"),
    ],
)
def test_a_second_acts_once_whichever_second_a_period_begins_with(
    seconds: float, *, same: bool
) -> None:
    assert is_the_same(NOW + timedelta(seconds=seconds), NOW, timedelta(seconds=10)) is same


@pytest.mark.parametrize(
    ("alarm", "newest", "acted_on"),
    [
        pytest.param(firing(160.0), ago(12.5), ago(12.5), id="in breach"),
        pytest.param(firing(160.0), None, ago(60), id="of which it is not known when it was"),
        pytest.param(CALM, ago(12.5), ago(12.5), id="not in breach"),
        pytest.param(BLIND, ago(12.5), ago(60), id="without data"),
        pytest.param(
            Alarm(AlarmState.ALARM, no_data="acted on"), ago(12.5), ago(60), id="without a number"
        ),
    ],
)
def test_a_change_spends_the_datapoints_that_were_read(
    alarm: Alarm, newest: datetime | None, acted_on: datetime
) -> None:
    memory = remembering(high=known(), low=known(acted_on=ago(60)))
    alarms = {HIGH: firing(160.0), LOW: alarm}
    times = {HIGH: ago(12.5), **({LOW: newest} if newest else {})}

    after = changed(memory, scaled(), Seen(alarms, times), NOW)

    assert after.alarms[HIGH].acted_on == ago(12.5)
    assert after.alarms[LOW].acted_on == acted_on
    assert (after.counts, after.state) == (Counts(asked=Count(6, NOW)), scaled().state)


# --- when to look again ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempt", "shortest", "longest"),
    [(0, 1, 2), (1, 2, 4), (2, 4, 8), (3, 8, 16), (4, 15, 30), (5, 15, 30), (12, 15, 30)],
)
def test_the_back_off_doubles_up_to_half_a_minute_and_is_spread_over_its_upper_half(
    attempt: int, shortest: float, longest: float
) -> None:
    waits = [backoff(attempt, jitter, scale_in=False) for jitter in (0.0, 0.999)]

    assert waits == [timedelta(seconds=shortest), timedelta(seconds=longest)]


@given(st.integers(0, 1000), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_scale_in_never_comes_back_before_scale_out_has_had_its_chance(
    attempt: int, jitter: float, other: float
) -> None:
    out = backoff(attempt, jitter, scale_in=False)

    assert timedelta(seconds=1) <= out <= LONGEST_BACKOFF
    assert backoff(0, other, scale_in=True) >= timedelta(seconds=15)
    assert backoff(attempt, jitter, scale_in=True) >= out


def test_the_attempts_under_throttling_last_about_ten_minutes() -> None:
    waits = [backoff(attempt, 0.5, scale_in=False) for attempt in range(MAX_THROTTLES)]

    assert timedelta(minutes=8) < sum(waits, timedelta()) < timedelta(minutes=12)


def a_decision(next_check_in: int | None, before: int = 4, granted: int = 6) -> Decision:
    return replace(scaled(), next_check_in=next_check_in, before=before, granted=granted)


def ended(
    outcome: Outcome, decision: Decision | None = None, came: Came | None = None
) -> DecisionRecord:
    look = a_look(came or Recheck(WEB, 7))
    return DecisionRecord("decision-1", NOW, look, outcome, "", decision)


IN_BREACH = remembering(high=known())


@pytest.mark.parametrize(
    ("memory", "record", "check"),
    [
        pytest.param(
            IN_BREACH,
            ended(Outcome.SCALED_OUT, a_decision(10)),
            Check(timedelta(seconds=10)),
            id="a breach is looked at again",
        ),
        pytest.param(
            IN_BREACH,
            ended(Outcome.SCALED_OUT, a_decision(10), Recheck(WEB, 7, 3, Turn(ago(20)))),
            Check(timedelta(seconds=10)),
            id="afresh, once a throttled change was made",
        ),
        pytest.param(
            IN_BREACH,
            ended(Outcome.HELD_COOLDOWN, a_decision(3)),
            Check(timedelta(seconds=3)),
            id="at the end of a cooldown",
        ),
        pytest.param(
            IN_BREACH, ended(Outcome.HELD_AT_MAX, a_decision(None)), None, id="not at a bound"
        ),
        pytest.param(
            remembering(high=known(AlarmState.OK)),
            ended(Outcome.SCALED_OUT, a_decision(10)),
            None,
            id="not where nothing fires",
        ),
        pytest.param(
            remembering(high=known(definition=None)),
            ended(Outcome.SCALED_OUT, a_decision(10)),
            None,
            id="not where what fires cannot be read",
        ),
        pytest.param(
            remembering(high=known(muted=True)),
            ended(Outcome.HELD_MUTED, a_decision(10)),
            None,
            id="not where what fires is muted",
        ),
        pytest.param(
            remembering(high=known(muted=True), low=known(definition=LOW_DEFINITION)),
            ended(Outcome.SCALED_IN, a_decision(30)),
            Check(timedelta(seconds=30)),
            id="one alarm that can be read is enough",
        ),
        pytest.param(
            IN_BREACH,
            ended(Outcome.HELD_NO_DATA, a_decision(10)),
            Check(timedelta(seconds=2), 1),
            id="soon, for a newer datapoint",
        ),
        pytest.param(
            IN_BREACH,
            ended(Outcome.HELD_NO_DATA, a_decision(10), a_transition()),
            Check(timedelta(seconds=2), 1),
            id="soon, behind an event without data",
        ),
        pytest.param(
            IN_BREACH,
            ended(Outcome.HELD_NO_DATA, a_decision(10), Recheck(WEB, 7, 4)),
            Check(timedelta(seconds=2), 5),
            id="five times",
        ),
        pytest.param(
            IN_BREACH,
            ended(Outcome.HELD_NO_DATA, a_decision(10), Recheck(WEB, 7, 5)),
            None,
            id="and no more",
        ),
        pytest.param(
            IN_BREACH,
            ended(Outcome.HELD_NO_DATA, a_decision(10), Recheck(WEB, 7, 9, Turn(ago(60)))),
            Check(timedelta(seconds=2), 1),
            id="throttled attempts before do not count as looks",
        ),
        pytest.param(
            IN_BREACH,
            ended(Outcome.FAILED_THROTTLED, a_decision(10)),
            Check(timedelta(seconds=2), 1),
            id="a throttled change is tried again",
        ),
        pytest.param(
            Memory(),
            ended(Outcome.FAILED_THROTTLED),
            Check(timedelta(seconds=2), 1),
            id="even if nothing is known but that a call was throttled",
        ),
        pytest.param(
            IN_BREACH,
            ended(Outcome.FAILED_THROTTLED, a_decision(10), Recheck(WEB, 7, 4)),
            Check(timedelta(seconds=2), 1),
            id="looks for a datapoint before do not count as attempts",
        ),
        pytest.param(
            replace(IN_BREACH, turn=Turn(ago(9))),
            ended(Outcome.FAILED_THROTTLED, a_decision(10), Recheck(WEB, 7, 2, Turn(ago(9)))),
            Check(timedelta(seconds=6), 3, Turn(ago(9))),
            id="and remembers since when",
        ),
        pytest.param(
            IN_BREACH,
            ended(Outcome.FAILED_THROTTLED, a_decision(30, 6, 5)),
            Check(timedelta(seconds=22), 1),
            id="a throttled scale-in waits longest",
        ),
        pytest.param(
            IN_BREACH,
            ended(Outcome.FAILED_THROTTLED, a_decision(10), Recheck(WEB, 7, 30, Turn(ago(300)))),
            None,
            id="thirty attempts are enough",
        ),
        pytest.param(
            IN_BREACH,
            ended(Outcome.FAILED_OTHER, a_decision(10)),
            None,
            id="other failures are left to the heartbeat",
        ),
        pytest.param(
            IN_BREACH, ended(Outcome.FAILED_NOT_FOUND), None, id="and so is what was not decided"
        ),
    ],
)
def test_when_a_target_is_looked_at_again(
    memory: Memory, record: DecisionRecord, check: Check | None
) -> None:
    assert next_check(memory, record, NOW, 0.5) == check


@pytest.mark.parametrize(
    ("felt", "check"),
    [
        pytest.param(61, Check(timedelta(seconds=2), 1), id="a surge of a minute ago"),
        pytest.param(20, Check(timedelta(seconds=2), 1), id="one that the alarm has told since"),
        pytest.param(None, None, id="the alarm itself, five times"),
    ],
)
def test_how_often_a_surge_was_looked_at_does_not_count_for_its_alarm(
    felt: float | None, check: Check | None
) -> None:
    """A surge that is not followed any more: its alarm's newer datapoint is waited for anew."""
    answered = ended(Outcome.HELD_ANSWERED, a_decision(2), Recheck(WEB, 7, 5))
    felt_at = None if felt is None else ago(felt)
    record = replace(answered, look=replace(answered.look, felt_at=felt_at))

    assert next_check(IN_BREACH, record, NOW, 0.5) == check


# --- what needs the heartbeat ---------------------------------------------------------------------

SEEN_OK = known(AlarmState.OK, 600)
KNOWN_OK = known(AlarmState.OK, 600)


def chain(due: float | None, **alarms: KnownAlarm) -> Memory:
    """Return a memory of alarms whose re-check is due in so many seconds; None for no chain."""
    check_at = None if due is None else NOW + timedelta(seconds=due)
    return replace(remembering(**(alarms or {"high": known()})), check_at=check_at)


@pytest.mark.parametrize(
    ("memory", "beat", "desired", "needed"),
    [
        pytest.param(
            remembering(high=KNOWN_OK), heartbeat(high=SEEN_OK), 4, False, id="all is quiet"
        ),
        pytest.param(Memory(), heartbeat(), 4, False, id="nothing is known, nothing is seen"),
        pytest.param(Memory(), heartbeat(high=SEEN_OK), 4, True, id="a new alarm"),
        pytest.param(Memory(), heartbeat(other=known()), 4, False, id="somebody else's alarm"),
        pytest.param(
            remembering(high=KNOWN_OK),
            heartbeat(high=known(AlarmState.OK, 600, definition=DESCRIBED)),
            4,
            True,
            id="a changed alarm",
        ),
        pytest.param(
            remembering(high=KNOWN_OK),
            heartbeat(high=known(AlarmState.OK, 600, disabled=True)),
            4,
            True,
            id="an alarm switched off",
        ),
        pytest.param(remembering(high=KNOWN_OK), heartbeat(high=known()), 4, True, id="missed"),
        pytest.param(
            remembering(high=known(AlarmState.OK, 5)),
            heartbeat(high=known()),
            4,
            False,
            id="a description older than the newest event",
        ),
        pytest.param(chain(3), heartbeat(high=known()), 4, False, id="a chain at work"),
        pytest.param(chain(-4.9), heartbeat(high=known()), 4, False, id="a chain a little late"),
        pytest.param(chain(-5), heartbeat(high=known()), 4, True, id="a dead chain"),
        pytest.param(chain(None), heartbeat(high=known()), 4, True, id="no chain at all"),
        pytest.param(
            chain(None, low=known(definition=LOW_DEFINITION)),
            heartbeat(),
            4,
            True,
            id="no chain for a scale-in breach",
        ),
        pytest.param(
            chain(None, high=known(muted=True)),
            heartbeat(high=known()),
            4,
            False,
            id="a muted alarm needs no chain",
        ),
        pytest.param(
            chain(None, high=known(definition=None)),
            heartbeat(high=known(definition=None)),
            4,
            False,
            id="nor does one that cannot be read",
        ),
        pytest.param(
            remembering(high=KNOWN_OK), heartbeat(high=SEEN_OK), 1, True, id="below the min"
        ),
        pytest.param(
            remembering(high=KNOWN_OK), heartbeat(high=SEEN_OK), 2, False, id="at the min"
        ),
        pytest.param(
            remembering(high=KNOWN_OK), heartbeat(high=SEEN_OK), 40, False, id="at the max"
        ),
        pytest.param(
            remembering(high=KNOWN_OK), heartbeat(high=SEEN_OK), 41, True, id="above the max"
        ),
        pytest.param(
            Memory(state=State(override=Override(10, None, SOON))),
            heartbeat(),
            4,
            True,
            id="below an override's minimum",
        ),
        pytest.param(
            Memory(state=State(override=Override(10, None, NOW))),
            heartbeat(),
            4,
            False,
            id="an override that has ended",
        ),
        pytest.param(
            Memory(state=State(override=Override(None, 60, NOW))),
            heartbeat(),
            50,
            True,
            id="above the maximum, now that an override has ended",
        ),
    ],
)
def test_what_needs_the_heartbeat(
    memory: Memory, beat: Heartbeat, desired: int, *, needed: bool
) -> None:
    service = Service(desired, desired, 0)

    work = shows_work(TARGET, a_look(beat), memory=memory, service=service, now=NOW)

    assert work is needed


@pytest.mark.parametrize(
    ("lease", "needed"),
    [
        pytest.param(a_lease("other"), False, id="in good hands"),
        pytest.param(a_lease("dead", ago(15)), True, id="a lease that ended, not released"),
        pytest.param(a_lease("slow", ago(14.9)), False, id="a lease that is about to end"),
    ],
)
def test_a_quiet_target_is_evaluated_where_a_holder_has_died(lease: Lease, *, needed: bool) -> None:
    world = World()
    world.targets.claim(WEB.resource_id, lease)
    described = {WEB: Service(4, 4, 0)}

    assert needs_evaluation(world.cycle, a_look(heartbeat()), described) is needed


def test_a_target_is_quiet_once_the_heartbeat_has_learnt_what_it_saw() -> None:
    """Otherwise every minute would find the same news."""
    beat = heartbeat(high=SEEN_OK, low=known(AlarmState.OK, 700, definition=None, disabled=True))
    memory = learn(TARGET, remembering(high=known(), gone=known()), a_look(beat), NOW)

    assert learn(TARGET, memory, a_look(beat), NOW) == memory
