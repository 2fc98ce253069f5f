"""A run played again request by request: against what is known of queues, and the fluid model."""

from __future__ import annotations

import pytest

from benchmarks.single_requests import replay
from quickstep_lab.simulator.fleet import Launch, Second
from quickstep_lab.simulator.measure import measure
from quickstep_lab.simulator.queueing import Latencies, Server
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from quickstep_lab.simulator.stage import START, Action, Run
from quickstep_lab.simulator.world import World
from tests.unit.simulator.worlds import a_random, a_run, a_setup, a_surge, exactly


def a_recorded(
    requests: tuple[float, ...],
    *changes: tuple[float, int],
    tasks: int = 1,
    launches: tuple[Launch, ...] = (),
) -> Run:
    """Return a run whose desired count changes at the moments given."""
    befores = [tasks, *(after for _, after in changes)]
    actions = (Action(at, befores[n], after, "") for n, (at, after) in enumerate(changes))
    return Run(
        seed=0,
        origin=START,
        seconds=tuple(Second(count, 0, 0, 0, 0) for count in requests),
        desired=(tasks,) * len(requests),
        actions=tuple(actions),
        records=(),
        latencies=Latencies(Server()),
        launches=launches,
    )


# --- queues ---------------------------------------------------------------------------------------


def test_one_task_waits_as_m_m_1_is_known_to() -> None:
    # At a utilisation of 0.8, 80 % wait, and then 33 ms on average: 92 ms for one in twenty.
    world, random = World(server=Server(service_seconds=0.0)), a_random()
    replayed = replay(a_recorded(tuple(random.gauss(120, 120**0.5) for _ in range(900))), world)
    assert replayed.failed == 0
    assert replayed.percentile(0.95) == pytest.approx(0.0924, rel=0.1)
    assert replayed.percentile(0.1) == 0


def test_a_full_task_refuses_what_it_cannot_serve() -> None:
    replayed = replay(a_recorded((300,) * 60), World())
    # 150 a second too many, of which 300 are held first.
    assert replayed.failed == pytest.approx(150 * 60 - 300, rel=0.02)


def test_a_client_gives_up_after_its_time_out_and_costs_the_task_nothing() -> None:
    world = World(server=Server(capacity=10, time_out=2, queue_limit=1000))
    replayed = replay(a_recorded((20,) * 100), world)
    assert replayed.requests - replayed.failed == pytest.approx(10 * 100 + 20, rel=0.05)
    longest = replayed.percentile(1.0)
    assert longest is not None
    assert longest <= 2 + world.server.service_seconds + 1e-4


def test_constant_services_wait_half_as_long_as_exponential_ones() -> None:
    # M/D/1 at 0.8 waits 13 ms on average, M/M/1 27.
    waits = []
    for variability in (0.0, 0.5, 1.0, 4.0):
        world = World(server=Server(service_seconds=0.0, variability=variability))
        waits.append(replay(a_recorded((120,) * 300), world).percentile(0.95) or 0.0)
    assert waits == sorted(waits)
    assert waits[0] == pytest.approx(waits[2] / 2, rel=0.15)


def test_tasks_take_turns_which_spares_waits() -> None:
    world = World(server=Server(service_seconds=0.0))
    alone = replay(a_recorded((120,) * 300), world).percentile(0.99) or 0.0
    many = replay(a_recorded((1440,) * 60, tasks=12), world).percentile(0.99) or 0.0
    assert many == pytest.approx(0.65 * alone, rel=0.15)


def test_without_a_task_every_request_fails() -> None:
    replayed = replay(a_recorded((30,) * 3, tasks=0), World())
    assert (replayed.requests, replayed.failed, replayed.percentile(0.5)) == (90, 90, None)


def test_requests_that_are_not_whole_come_as_often_as_they_say() -> None:
    assert replay(a_recorded((2.3,) * 4000), World()).requests == pytest.approx(9200, rel=0.02)


# --- tasks ----------------------------------------------------------------------------------------


def test_a_task_costs_from_its_launch_until_it_has_drained() -> None:
    world = World(deregistration_delay=20, start_up=exactly(5), health_interval=1e-3)
    run = a_recorded((1,) * 100, (10.5, 3), (40.5, 1), tasks=1)
    # One all the time, and two from 10.5 until 20 s after 40.5.
    assert replay(run, world).task_seconds == pytest.approx(100 + 2 * 50)


def test_a_task_that_does_not_listen_yet_is_stopped_at_once() -> None:
    world = World(deregistration_delay=20, start_up=exactly(30))
    run = a_recorded((1,) * 100, (10.0, 3), (20.0, 1), tasks=1)
    assert replay(run, world).task_seconds == pytest.approx(100 + 2 * 10)


def test_a_launch_takes_as_long_as_in_the_run() -> None:
    run = a_recorded((10,) * 20, (0.0, 1), tasks=0, launches=(Launch(start_up=7.0, check=3.0),))
    assert replay(run, World()).failed == pytest.approx(100, abs=1)


def test_tasks_are_launched_as_fast_as_the_quotas_allow() -> None:
    # 100 at once, then 20 a second: the last of 300 after 10 s.
    run = a_recorded((0,) * 20, (0.0, 300), tasks=0)
    waited = sum(range(1, 201)) / 20
    assert replay(run, World()).task_seconds == pytest.approx(300 * 20 - waited, rel=1e-3)


def test_an_unhealthy_task_is_replaced_and_stays_until_another_serves() -> None:
    world = World(
        full_refuses_checks=True,
        deregistration_delay=0,
        start_up=exactly(5),
        server=Server(queue_limit=10),
    )
    overloaded = replay(a_recorded((100_000,) * 4 + (10,) * 40), world)
    assert overloaded.replaced == 0, "four seconds are too few for two checks"
    overloaded = replay(a_recorded((100_000,) * 12 + (10,) * 40), world)
    assert overloaded.replaced == 1
    assert overloaded.failed < 12 * 100_000


# --- the run that is replayed ---------------------------------------------------------------------


@pytest.mark.parametrize("factor", [3, 10])
def test_the_fluid_model_fails_and_costs_what_single_requests_do(factor: float) -> None:
    run = a_run(Quickstep(a_setup()), a_surge(factor, during=150), seed=3)
    fluid, single = measure(run, threshold=100), replay(run, World())
    assert fluid.failed == pytest.approx(single.failed, rel=0.1)
    assert fluid.task_seconds == pytest.approx(single.task_seconds, rel=0.01)
    assert single.requests == fluid.requests


def test_the_same_run_is_replayed_alike() -> None:
    run = a_run(Quickstep(a_setup()), a_surge(4, during=60))
    assert replay(run, World()) == replay(run, World())


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(World(protected_share=0.5), id="protected tasks"),
        pytest.param(World(never_come_from=10), id="tasks that never come"),
    ],
)
def test_a_world_that_is_not_played_here_is_refused(world: World) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - its message is compared
        replay(a_recorded((1,)), world)
    assert str(raised.value) == (
        "a world with protected tasks, tasks that never come or jobs has no replay"
    )
