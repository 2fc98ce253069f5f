"""What queue policies ask for: whole decisions, with the sum as the reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.engine.backlog import Backlog, Moment, Queue, QueuePolicy, QueueReading, follow
from quickstep.engine.decide import correct, decide
from quickstep.engine.model import (
    Alarm,
    Decision,
    Direction,
    Observation,
    Override,
    Pause,
    Policy,
    ScalableTarget,
    Service,
    State,
)
from quickstep.engine.outcome import Outcome
from quickstep.engine.patience import Need, Patience
from quickstep.engine.queue_policy import QUEUES
from tests.builders import (
    CALM,
    HIGH,
    LOW,
    NOW,
    a_policy,
    a_scale_in_policy,
    a_target,
    ago,
    firing,
    in_rollout,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

JOBS = QueuePolicy("jobs", "jobs", seconds_per_job=2)
MAILS = QueuePolicy("mails", "mails.fifo", seconds_per_job=0.1, slots_per_task=4)


def a_worker(*policies: Policy, queues: tuple[QueuePolicy, ...] = (JOBS,)) -> ScalableTarget:
    return replace(a_target(minimum=0), policies=policies, queues=queues)


def known(
    reading: QueueReading, come: float = 0.0, *, tasks: int = 0, empty: datetime | None = None
) -> Backlog:
    needs = (Need(NOW, tasks),)
    return Backlog({"jobs": Queue(NOW, reading, come)}, needs, empty)


def watched(desired: int, backlog: Backlog | None, **alarms: Alarm) -> Observation:
    names = {"high": HIGH, "low": LOW}
    seen = {names[name]: alarm for name, alarm in alarms.items()}
    return Observation(Service(desired, desired, 0), seen, backlog)


def patient(tasks: int, *needs: tuple[float, int], grown: float = 3600) -> State:
    memory = Patience(tasks, ago(grown), tuple(Need(ago(back), count) for back, count in needs))
    return State(patience={QUEUES: memory})


def decided(
    observation: Observation, state: State | None = None, target: ScalableTarget | None = None
) -> Decision:
    return decide(target or a_worker(), observation, state or State(), NOW)


def test_it_sizes_for_what_comes_and_what_waits_in_one_step() -> None:
    decision = decided(watched(4, known(QueueReading(70, 4), 5, tasks=16)))

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_OUT, 16)
    assert decision.reason == (
        "Scaled out from 4 to 16: jobs: 5 jobs/s arriving and 70 waiting need 16 tasks at 0.5 "
        "jobs/s each"
    )
    assert decision.next_check_in == 120


def test_the_first_message_starts_the_first_task() -> None:
    seen = follow([JOBS], None, {"jobs": QueueReading(0)}, Moment(ago(600), 0))
    seen = follow([JOBS], seen, {"jobs": QueueReading(1)}, Moment(NOW, 0))

    decision = decided(watched(0, seen))

    assert decision.reason == (
        "Scaled out from 0 to 1: jobs: 0.1 jobs/s arriving and 1 waiting need 1 task at 0.5 "
        "jobs/s each"
    )


def test_a_long_job_takes_one_task_and_the_reason_says_that_there_is_one_job() -> None:
    target = a_worker(queues=(replace(JOBS, seconds_per_job=120),))
    empty = follow(target.queues, None, {"jobs": QueueReading(0)}, Moment(ago(600), 0))
    seen = follow(target.queues, empty, {"jobs": QueueReading(1)}, Moment(NOW, 0))

    assert decided(watched(0, seen), target=target).reason == (
        "Scaled out from 0 to 1: jobs: 0.1 jobs/s arriving and 1 waiting, 1 job in all, need 1 "
        "task at 0.00833 jobs/s each"
    )


def test_the_reason_of_several_queues_says_what_each_takes() -> None:
    target = a_worker(queues=(JOBS, MAILS))
    readings = {"jobs": QueueReading(90), "mails": QueueReading(30)}
    seen = follow(
        target.queues, None, {name: QueueReading(0) for name in readings}, Moment(ago(9), 0)
    )
    seen = follow(target.queues, seen, readings, Moment(NOW, 0))

    decision = decided(watched(1, seen), target=target)

    assert decision.reason == (
        "Scaled out from 1 to 27: jobs: 9 jobs/s arriving and 90 waiting need 26; mails: 3 "
        "jobs/s arriving and 30 waiting need 0.108: 27 tasks in all"
    )


HELD = Outcome.HELD_COOLDOWN


@pytest.mark.parametrize(
    ("observation", "state", "outcome", "granted", "reason"),
    [
        pytest.param(
            watched(9, known(QueueReading(0, 5), 2, tasks=5)),
            patient(9, (0, 5), (200, 9)),
            HELD,
            9,
            "Kept 9 tasks for now: task 9 has been idle for 3 min, and is removed after 5 min",
            id="kept for ScaleInWindow",
        ),
        pytest.param(
            watched(9, known(QueueReading(0, 5), 2, tasks=5)),
            patient(9, (0, 5), (301, 9)),
            Outcome.SCALED_IN,
            7,
            "Scaled in from 9 to 7: 70% of the 9 tasks needed at 09:55:11 UTC are kept (jobs: 2 "
            "jobs/s arriving need 5 tasks at 0.5 jobs/s each)",
            id="seven tenths are kept for longer",
        ),
        pytest.param(
            watched(9, known(QueueReading(0, 5), 2, tasks=5)),
            patient(9, (0, 5), (421, 9)),
            Outcome.SCALED_IN,
            5,
            "Scaled in from 9 to 5: jobs: 2 jobs/s arriving need 5 tasks at 0.5 jobs/s each",
            id="what is needed stays",
        ),
        pytest.param(
            watched(1, known(QueueReading(0), tasks=0, empty=ago(50))),
            patient(1, (500, 1)),
            HELD,
            1,
            "Kept 1 task for now: the queues have been empty for 50 s of 60",
            id="the last task waits for a minute without a message",
        ),
        pytest.param(
            watched(1, known(QueueReading(0, 0, 7), tasks=0)),
            patient(1, (500, 1)),
            HELD,
            1,
            "Kept 1 task for now: messages are in flight or delayed",
            id="the last task waits for delayed messages",
        ),
        pytest.param(
            watched(1, known(QueueReading(0), tasks=0, empty=ago(60))),
            patient(1, (500, 1)),
            Outcome.SCALED_IN,
            0,
            "Scaled in from 1 to 0: jobs: no jobs",
            id="the last task goes",
        ),
        pytest.param(
            watched(5, known(QueueReading(0, 5), 2, tasks=5)),
            patient(5, (0, 5)),
            Outcome.HELD_NOT_BREACHING,
            5,
            "Kept 5 tasks: jobs: 2 jobs/s arriving need 5 tasks at 0.5 jobs/s each",
            id="just enough",
        ),
        pytest.param(
            in_rollout(watched(9, known(QueueReading(0), tasks=0, empty=ago(900)))),
            patient(9, (500, 1)),
            Outcome.HELD_DEPLOYMENT,
            9,
            "Kept 9 tasks during a deployment: no task is removed until the rollout is complete",
            id="a rollout",
        ),
        pytest.param(
            watched(9, known(QueueReading(0), tasks=0, empty=ago(900))),
            replace(patient(9, (500, 1)), pause=Pause(frozenset({Direction.IN}), reason="sale")),
            Outcome.HELD_PAUSED,
            9,
            "Kept 9 tasks while paused: scale-in is paused: sale",
            id="a pause",
        ),
    ],
)  # fmt: skip
def test_giving_back(
    observation: Observation, state: State, outcome: Outcome, granted: int, reason: str
) -> None:
    decision = decided(observation, state)

    assert (decision.outcome, decision.granted, decision.reason) == (outcome, granted, reason)


def test_a_task_that_never_came_is_given_back_with_the_last() -> None:
    observation = Observation(Service(1, 0, 1), {}, known(QueueReading(0), empty=ago(900)))

    assert decided(observation, patient(1, (500, 1))).outcome is Outcome.SCALED_IN


def test_beside_tasks_that_never_came_those_that_are_needed_stay() -> None:
    backlog = known(QueueReading(0, 2), 1, tasks=2)

    decision = decided(Observation(Service(12, 6, 6), {}, backlog), patient(12, (0, 2), (500, 12)))

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_IN, 8)


def test_a_queue_that_cannot_be_read_holds_what_there_is_loudly() -> None:
    denied = Queue(ago(10), QueueReading(0), 0.0, "GetQueueUrl: AccessDenied")
    seen = Backlog({"jobs": denied}, (Need(ago(10), 0),))

    decision = decided(watched(3, seen), patient(3, (900, 1)))

    assert (decision.outcome, decision.granted) == (Outcome.FAILED_QUEUE, 3)
    assert decision.reason == (
        "Failed, a queue cannot be read, so no task is removed: jobs: GetQueueUrl: AccessDenied"
    )


def test_a_queue_that_cannot_be_read_keeps_no_alarm_from_adding() -> None:
    target = a_worker(a_policy(), a_scale_in_policy())
    seen = Backlog({"jobs": Queue(NOW, None, 0.0, "denied")})

    decision = decided(watched(4, seen, high=firing(160), low=CALM), target=target)

    assert (decision.outcome, decision.granted) == (Outcome.SCALED_OUT, 6)


def test_of_an_alarm_and_queues_the_larger_capacity_wins() -> None:
    target = a_worker(a_policy(), a_scale_in_policy())
    backlog = known(QueueReading(70, 4), 5, tasks=16)

    decision = decided(watched(4, backlog, high=firing(160), low=CALM), target=target)

    assert decision.granted == 16


@pytest.mark.parametrize(
    ("low", "outcome", "granted"),
    [
        pytest.param(CALM, Outcome.HELD_NOT_BREACHING, 9, id="its alarm is quiet"),
        pytest.param(firing(20, threshold=30), Outcome.SCALED_IN, 8, id="it asks for one less"),
    ],
)
def test_beside_steps_queues_remove_no_more_than_the_steps(
    low: Alarm, outcome: Outcome, granted: int
) -> None:
    target = a_worker(a_policy(), a_scale_in_policy())
    empty = known(QueueReading(0), empty=ago(900))

    decision = decided(watched(9, empty, high=CALM, low=low), patient(9, (900, 1)), target)

    assert (decision.outcome, decision.granted) == (outcome, granted)


@pytest.mark.parametrize(
    ("needed", "granted"),
    [pytest.param(6, 6, id="what the queues take"), pytest.param(0, 2, id="the bound")],
)
def test_a_maximum_that_was_lowered_leaves_what_the_queues_take(needed: int, granted: int) -> None:
    observation = watched(9, known(QueueReading(0, 5), 2.5, tasks=needed))
    override: Mapping[str, Any] = {"override": Override(None, 2, NOW + timedelta(hours=1))}

    decision = correct(a_worker(), observation, State(**override), NOW)

    assert decision is not None
    assert decision.granted == granted


def test_what_was_needed_between_two_looks_is_learnt() -> None:
    backlog = Backlog({"jobs": Queue(NOW, QueueReading(0))}, (Need(NOW, 0), Need(ago(30), 7)), NOW)

    decision = decided(watched(9, backlog), patient(9, (100, 3)))

    assert decision.state.patience[QUEUES].needs == (Need(NOW, 0), Need(ago(30), 7))


def test_without_a_reading_nothing_is_asked_and_what_was_learnt_stays() -> None:
    decision = decide(a_worker(), watched(3, None), patient(3, (100, 3)), NOW, (Direction.OUT,))

    assert decision.outcome is Outcome.HELD_NOT_BREACHING
    assert decision.state.patience == patient(3, (100, 3)).patience
