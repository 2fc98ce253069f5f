"""The line of throttled targets: who is in which lane, who is before whom, and for how long."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep.engine.model import Alarm, AlarmState, Decision, State
from quickstep.engine.outcome import Outcome
from quickstep.loop.waiting import lane_of, line_up, still_waits
from quickstep.protocol.line import (
    AT_THE_COUNTER,
    LANES,
    LONGEST_LINE,
    LONGEST_WAIT,
    OVERLOADS,
    SCALE_IN,
    Lane,
    Line,
    Turn,
)
from quickstep.protocol.memory import Memory
from quickstep.protocol.messages import Heartbeat, Recheck
from quickstep.protocol.records import DecisionRecord
from quickstep_lab.in_memory.account import InMemoryAws
from tests.builders import (
    BLIND,
    HIGH,
    LOW,
    NOW,
    QUIET,
    WEB,
    a_line,
    a_look,
    a_policy,
    a_target,
    a_transition,
    ago,
    firing,
    known,
)

if TYPE_CHECKING:
    from quickstep_lab.in_memory.table import InMemoryTurns
    from tests.builders import Came

TARGET = a_target()


def throttled(
    came: Came | None = None,
    granted: int | None = None,
    outcome: Outcome = Outcome.FAILED_THROTTLED,
    **alarms: Alarm,
) -> DecisionRecord:
    """Return the record of a throttled evaluation of 4 tasks; without `granted`, of no decision."""
    names = {"high": HIGH, "low": LOW}
    decision = None
    if granted is not None:
        decision = Decision(outcome, 4, granted, granted, "", (), State(), None)
    shown = {names.get(name, name): alarm for name, alarm in alarms.items()}
    return DecisionRecord(
        "d1", NOW, a_look(came or Recheck(WEB, 7)), outcome, "", decision, alarms=shown
    )


def test_a_number_never_taken_serves_no_target_and_comes_last() -> None:
    waiting = a_line(lane2=Lane(20, 7, ago(1)))

    assert waiting.serve(2, 2**40, NOW) == waiting
    assert waiting.ahead(2, 2**40, NOW) == 13


# --- lanes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("load", "lane"),
    [(101, 4), (149, 4), (150, 3), (224, 3), (225, 2), (340, 1), (499, 1), (500, 0), (10**9, 0)],
)
def test_the_more_overloaded_the_higher_the_lane(load: float, lane: int) -> None:
    assert lane_of(TARGET, throttled(granted=6, high=firing(load)), None) == lane
    assert lane_of(TARGET, throttled(a_transition(alarm=firing(load))), None) == lane


@pytest.mark.parametrize(
    ("record", "lane"),
    [
        pytest.param(
            throttled(granted=6, high=firing(80.0, 400.0)), 1, id="the newest datapoint counts"
        ),
        pytest.param(
            throttled(granted=6, high=firing(5.0, threshold=15)), 2, id="5 % free, where 15 % are"
        ),
        pytest.param(throttled(granted=6, high=firing(0.0, threshold=15)), 0, id="nothing is free"),
        pytest.param(throttled(granted=6, high=firing(1.0, threshold=0)), 4, id="threshold of 0"),
        pytest.param(throttled(granted=6, high=firing(-5.0)), 4, id="another sign"),
        pytest.param(throttled(granted=6, high=BLIND), 4, id="no number"),
        pytest.param(throttled(granted=6), 4, id="no alarm: below the minimum"),
        pytest.param(
            throttled(granted=6, high=QUIET, low=firing(900.0)), 4, id="other alarms do not count"
        ),
        pytest.param(throttled(granted=3, low=firing(10.0, threshold=30)), SCALE_IN, id="scale-in"),
        pytest.param(
            throttled(a_transition(LOW, firing(10.0, threshold=30))), SCALE_IN, id="its event"
        ),
        pytest.param(
            throttled(a_transition(alarm=Alarm(AlarmState.OK, 100, (60.0,)))), None, id="an OK"
        ),
        pytest.param(throttled(), None, id="a re-check that could not describe"),
        pytest.param(throttled(Heartbeat(WEB, {})), None, id="a heartbeat that could not"),
    ],
)
def test_the_lane_of(record: DecisionRecord, lane: int | None) -> None:
    assert lane_of(TARGET, record, None) == lane


def test_of_several_alarms_the_worst_counts() -> None:
    target = a_target(a_policy(), a_policy("latency"))
    record = throttled(granted=6, high=firing(160.0), latency=firing(0.9, threshold=0.2))

    assert lane_of(target, record, None) == 1


def test_a_target_that_nothing_new_is_known_of_stays_in_its_lane() -> None:
    assert lane_of(TARGET, throttled(), Turn(ago(20), 2, 41)) == 2


def test_lanes_are_half_as_wide_again_as_the_next() -> None:
    ratios = [high / low for high, low in pairwise(OVERLOADS[:-1])]

    assert all(ratio == pytest.approx(1.5, abs=0.03) for ratio in ratios)
    assert OVERLOADS[-1] == 0


# --- who is before whom ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "ahead"),
    [
        pytest.param(Line(), 0, id="nobody ever waited"),
        pytest.param(a_line(lane2=Lane(20, 7, ago(1))), 4, id="those before it in its lane"),
        pytest.param(
            a_line(lane0=Lane(40, 10, ago(1)), lane2=Lane(20, 7, ago(60))), 34, id="higher lanes"
        ),
        pytest.param(
            a_line(lane2=Lane(20, 7, ago(1)), lane3=Lane(90, 0, ago(1))), 4, id="no lower ones"
        ),
        pytest.param(a_line(lane2=Lane(20, 15, ago(1))), 0, id="it was passed over"),
        pytest.param(a_line(lane2=Lane(20, 7, ago(30))), 0, id="its lane stands still"),
        pytest.param(
            a_line(lane1=Lane(40, 10, ago(30)), lane2=Lane(20, 7, ago(1))),
            4,
            id="a higher one stands still",
        ),
        pytest.param(
            a_line(lane0=Lane(3, 1, ago(1)), lane1=Lane(40, 10, ago(90)), lane2=Lane(20, 7)),
            36,
            id="a lane that waits for a higher one does not stand still",
        ),
        pytest.param(
            a_line(lane0=Lane(1, 3, ago(1)), lane2=Lane(20, 0)),
            11,
            id="more served than taken are none",
        ),
    ],
)
def test_before_number_12_of_lane_2_there_are(line: Line, ahead: int) -> None:
    assert line.ahead(2, 12, NOW) == ahead


@given(
    st.lists(st.tuples(st.integers(0, LANES - 1), st.booleans()), max_size=60),
    st.integers(0, LANES - 1),
)
def test_a_target_that_takes_a_number_is_never_behind_more_than_have_taken_one(
    story: list[tuple[int, bool]], lane: int
) -> None:
    line = Line()
    for each, serve in story:
        taken = line.lanes[each].taken
        line = line.serve(each, taken, NOW) if serve and taken else line.take(each, NOW)
    line = line.take(lane, NOW)
    taken = line.lanes[lane].taken

    assert 0 <= line.ahead(lane, taken, NOW) < sum(each.taken for each in line.lanes)
    assert line.ahead(lane, taken, NOW + timedelta(seconds=30)) == 0


# --- how long -------------------------------------------------------------------------------------


def behind(count: int, lane: int = 2) -> InMemoryTurns:
    """Return a line with so many in a lane."""
    turns = InMemoryAws().turns
    for _ in range(count):
        turns.take(lane, NOW)
    return turns


@pytest.mark.parametrize(
    ("before", "seconds"), [(0, 0), (1, 1), (5, 1), (6, 2), (52, 11), (1_500, 300), (10_000, 300)]
)
def test_a_throttled_target_waits_as_long_as_those_before_it_take(
    before: int, seconds: float
) -> None:
    turn, wait = line_up(
        behind(before), TARGET, Memory(), throttled(granted=6, high=firing(300.0)), NOW
    )

    assert turn == Turn(NOW, 2, before + 1)
    assert wait == timedelta(seconds=seconds) <= LONGEST_WAIT


@pytest.mark.parametrize(
    ("waiting", "turn"),
    [
        pytest.param(Turn(ago(9), 2, 4), Turn(ago(9), 2, 4), id="keeps its number"),
        pytest.param(Turn(ago(9), 2, 3), Turn(ago(9), 2, 6), id="it was served: another one"),
        pytest.param(Turn(ago(9), 4, 99), Turn(ago(9), 2, 6), id="of the lane it is in now"),
        pytest.param(Turn(ago(9), 2), Turn(ago(9), 2, 6), id="it could take none before"),
        pytest.param(Turn(ago(9)), Turn(ago(9), 2, 6), id="nothing was known of it before"),
    ],
)
def test_a_target_that_waited_before(waiting: Turn, turn: Turn) -> None:
    turns = behind(5)
    turns.serve(2, 3, NOW)
    memory = Memory(turn=waiting)

    lined_up, _ = line_up(turns, TARGET, memory, throttled(granted=6, high=firing(300.0)), NOW)

    assert lined_up == turn


@pytest.mark.parametrize(
    ("outcome", "state", "kept"),
    [
        (Outcome.SCALED_OUT, AlarmState.ALARM, False),
        (Outcome.HELD_NOT_BREACHING, AlarmState.ALARM, False),
        (Outcome.HELD_NO_DATA, AlarmState.ALARM, True),
        (Outcome.FAILED_OTHER, AlarmState.ALARM, True),
        (Outcome.FAILED_OTHER, AlarmState.OK, False),
    ],
)
def test_a_turn_is_kept_until_its_target_was_judged_or_its_alarms_are_over(
    outcome: Outcome, state: AlarmState, *, kept: bool
) -> None:
    turn = Turn(ago(20), 2, 41)
    memory = Memory(alarms={HIGH: known(state)}, turn=turn)

    assert line_up(behind(0), TARGET, memory, throttled(outcome=outcome), NOW) == (
        turn if kept else None,
        None,
    )


@pytest.mark.parametrize(
    ("turn", "before", "wait"),
    [
        pytest.param(Turn(NOW, 3, 1), AT_THE_COUNTER, None, id="it is its turn, nearly"),
        pytest.param(Turn(NOW, 3, 1), AT_THE_COUNTER + 1, 3, id="not yet"),
        pytest.param(Turn(NOW, 1, 1), 100, None, id="those in lower lanes are no reason"),
        pytest.param(Turn(NOW, 3), 100, None, id="without a number"),
        pytest.param(Turn(NOW), 100, None, id="without a lane"),
        pytest.param(Turn(NOW - LONGEST_LINE, 3, 1), 100, None, id="after an hour"),
        pytest.param(Turn(NOW + timedelta(seconds=1), 3, 1), 100, None, id="from the future"),
    ],
)
def test_a_target_that_comes_back_waits_again(turn: Turn, before: int, wait: float | None) -> None:
    expected = None if wait is None else timedelta(seconds=wait)

    assert still_waits(behind(before), turn, NOW) == expected


def test_numbers_of_targets_that_never_come_delay_others_only_briefly() -> None:
    """Fifty of the highest lane are lost. Those of the next one come back, wait, and go on."""
    turns = behind(50, 0)
    turns.take(1, NOW)
    turn, now, waits = Turn(NOW, 1, 1), NOW, 0
    while (wait := still_waits(turns, turn, now)) is not None:
        now += wait
        waits += 1

    assert (now - NOW, waits) == (timedelta(seconds=30), 3)


def test_a_lane_is_served_in_its_order_and_higher_ones_before_it() -> None:
    """Thirty of each of two lanes come, the lower ones first; five a second are served."""
    turns = InMemoryAws().turns
    agenda = []
    for lane in (3, 1):
        for _ in range(30):
            line = turns.take(lane, NOW)
            number = line.lanes[lane].taken
            seconds = line.ahead(lane, number, NOW) / 5
            agenda.append((seconds, Turn(NOW, lane, number)))
    served: list[int] = []
    while agenda:
        agenda.sort(key=lambda entry: (entry[0], repr(entry[1])))
        seconds, turn = agenda.pop(0)
        now = NOW + timedelta(seconds=seconds)
        if wait := still_waits(turns, turn, now):
            agenda.append((seconds + wait.total_seconds(), turn))
            continue
        assert turn.lane is not None
        assert turn.number is not None
        turns.serve(turn.lane, turn.number, now)
        served.append(turn.lane)

    assert served.index(3) >= 30 - AT_THE_COUNTER
    assert sorted(served) == [1] * 30 + [3] * 30
