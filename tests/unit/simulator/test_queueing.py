"""A task as a queue: against known results, and against a queue simulated request by request."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep_lab.simulator.queueing import Latencies, Served, Server, serve
from tests.unit.simulator.worlds import a_random

EXPONENTIAL, CONSTANT = 1.0, 0.0
NO_LIMIT = Server(queue_limit=1e6, time_out=1e4, service_seconds=0.0)

servers = st.builds(
    Server,
    capacity=st.floats(1, 1e5),
    queue_limit=st.floats(1, 1e5),
    time_out=st.floats(0.1, 300),
    variability=st.floats(0, 3),
)


def settled(server: Server, utilisation: float, seconds: int = 3000) -> Served:
    """Return the last second of many at the same utilisation, from empty."""
    served = Served(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, settled=False)
    for _ in range(seconds):
        served = serve(server, served.length, utilisation * server.capacity)
    return served


# --- the steady state -----------------------------------------------------------------------------


@pytest.mark.parametrize("utilisation", [0.3, 0.5, 0.7, 0.8, 0.9, 0.95])
@pytest.mark.parametrize(
    ("variability", "share"),
    [pytest.param(EXPONENTIAL, 1, id="M/M/1"), pytest.param(CONSTANT, 0.5, id="M/D/1")],
)
def test_a_queue_settles_at_the_length_and_the_wait_that_are_known_of_it(
    variability: float, share: float, utilisation: float
) -> None:
    # M/M/1 waits utilisation / (1 - utilisation) service times, M/D/1 half of that; by Little's
    # law those waiting are the wait times the arrival rate.
    server = replace(NO_LIMIT, variability=variability)
    wait = share * utilisation / (1 - utilisation) / server.capacity
    number = utilisation + wait * utilisation * server.capacity

    served = settled(server, utilisation)

    assert served.settled
    assert served.length == pytest.approx(number, rel=1e-6)
    assert served.wait == pytest.approx(wait, rel=1e-6)
    assert served.busy == pytest.approx(utilisation, rel=1e-6)
    assert served.served == pytest.approx(utilisation * server.capacity, rel=1e-6)
    assert served.failed == 0


@given(servers, st.floats(0, 0.999))
def test_utilisation_is_the_inverse_of_length(server: Server, utilisation: float) -> None:
    assert server.utilisation(server.length(utilisation)) == pytest.approx(utilisation, abs=1e-9)


@pytest.mark.parametrize("most", [20, 50, 300])
@pytest.mark.parametrize("utilisation", [0.5, 0.9, 0.99, 1.0, 1.01, 1.1, 1.5, 2.0, 5.0])
def test_a_full_queue_refuses_what_m_m_1_k_refuses_to_within_one_request_in_k(
    utilisation: float, most: int
) -> None:
    served = settled(replace(NO_LIMIT, queue_limit=most), utilisation)

    refused = served.failed / (utilisation * NO_LIMIT.capacity)
    assert refused == pytest.approx(blocking(utilisation, most), abs=1 / (most + 1))


def blocking(utilisation: float, most: int) -> float:
    """Return the share of requests that M/M/1/K refuses in the steady state."""
    if utilisation == 1:
        return 1 / (most + 1)
    return (1 - utilisation) * utilisation**most / (1 - utilisation ** (most + 1))


def test_at_saturation_the_share_refused_is_exactly_that_of_m_m_1_k() -> None:
    served = settled(replace(NO_LIMIT, queue_limit=50), 1.0)
    assert served.failed / NO_LIMIT.capacity == pytest.approx(1 / 51, rel=1e-6)


# --- any moment -----------------------------------------------------------------------------------


@given(servers, st.floats(0, 1), st.floats(0, 1e6), st.floats(0.01, 60))
def test_no_request_is_lost_or_made_up(
    server: Server, filled: float, arrivals: float, seconds: float
) -> None:
    held = filled * server.limit

    served = serve(server, held, arrivals, seconds)

    came, went = held + arrivals, served.served + served.failed + served.length
    assert went == pytest.approx(came, rel=1e-9, abs=1e-9)
    assert all(math.isfinite(number) and number >= 0 for number in served)
    assert served.length <= server.limit
    assert served.served <= server.capacity * seconds
    assert served.busy < 1


@given(servers, st.floats(0, 1), st.floats(0, 1e5), st.floats(0, 1e5))
def test_more_requests_are_never_fewer_held_served_or_refused(
    server: Server, filled: float, some: float, further: float
) -> None:
    few = serve(server, filled * server.limit, some)
    many = serve(server, filled * server.limit, some + further)
    for name in ("length", "served", "failed"):
        assert getattr(many, name) >= getattr(few, name) - 1e-6, name


def test_an_overloaded_queue_grows_by_what_it_cannot_serve() -> None:
    lengths = [0.0]
    for _ in range(20):
        lengths.append(serve(NO_LIMIT, lengths[-1], 200).length)
    growth = [after - before for before, after in pairwise(lengths)]
    assert growth[10:] == pytest.approx([50] * 10, abs=0.5)


def test_a_full_queue_refuses_what_it_cannot_serve() -> None:
    served = settled(Server(capacity=150, queue_limit=300), 2.0, seconds=10)
    found = served.length, served.served, served.failed
    assert found == pytest.approx((300, 149.5, 150.5), abs=0.1)


def test_a_long_queue_drains_at_the_capacity_that_is_left() -> None:
    served = serve(NO_LIMIT, 1000, 50)
    assert served.length == pytest.approx(900, abs=1)


@pytest.mark.parametrize(
    ("capacity", "queue_limit", "time_out", "limit"),
    [
        pytest.param(150, 300, 5, 300, id="its own limit"),
        pytest.param(20, 300, 5, 100, id="what is answered before clients give up"),
    ],
)
def test_a_task_holds_no_more_than_it_can_answer_in_time(
    capacity: float, queue_limit: float, time_out: float, limit: float
) -> None:
    server = Server(capacity=capacity, queue_limit=queue_limit, time_out=time_out)
    assert settled(server, 3, seconds=60).length == server.limit == limit


# --- against a queue simulated request by request -------------------------------------------------


def waits(utilisation: float, variability: float, requests: int, seed: int = 1) -> list[float]:
    """Return the waits of a queue's requests, in ascending order, by Lindley's recursion.

    Who comes next waits for what is left of the one before: its wait and its service, less the time
    between the two.
    """
    random, rate = a_random(seed), NO_LIMIT.capacity
    wait, found = 0.0, []
    for _ in range(requests):
        found.append(wait)
        service = random.expovariate(rate) if variability else 1 / rate
        wait = max(0.0, wait + service - random.expovariate(utilisation * rate))
    return sorted(found)


@pytest.mark.parametrize("utilisation", [0.5, 0.8])
@pytest.mark.parametrize(
    ("variability", "within"),
    [
        pytest.param(EXPONENTIAL, (0.05, 0.05, 0.05), id="exponential service"),
        # An exponential tail is the model's; that of constant service is shorter. It errs upwards.
        pytest.param(CONSTANT, (0.1, 0.15, 0.2), id="constant service"),
    ],
)
def test_waits_are_those_of_a_queue_simulated_request_by_request(
    variability: float, within: tuple[float, float, float], utilisation: float
) -> None:
    simulated = waits(utilisation, variability, 200_000)
    server = replace(NO_LIMIT, variability=variability)
    latencies = Latencies(server)
    served = settled(server, utilisation)
    latencies.add(served, 1000)

    assert served.wait == pytest.approx(fmean(simulated), rel=0.04)
    for share, tolerance in zip((0.5, 0.95, 0.99), within, strict=True):
        expected = simulated[int(share * len(simulated))]
        assert latencies.percentile(share) == pytest.approx(expected, rel=tolerance, abs=1e-4)


def round_robin_waits(utilisation: float, tasks: int, requests: int) -> list[float]:
    """Return the waits at one of so many tasks, each of which gets every so manieth request."""
    random, rate = a_random(2), NO_LIMIT.capacity
    wait, found = 0.0, []
    for _ in range(requests):
        found.append(wait)
        between = sum(random.expovariate(tasks * utilisation * rate) for _ in range(tasks))
        wait = max(0.0, wait + random.expovariate(rate) - between)
    return sorted(found)


@pytest.mark.parametrize("utilisation", [0.5, 0.67, 0.8])
@pytest.mark.parametrize("tasks", [2, 12])
def test_of_tasks_that_take_turns_each_waits_as_simulated_request_by_request(
    tasks: int, utilisation: float
) -> None:
    simulated = round_robin_waits(utilisation, tasks, 60_000)
    latencies, length = Latencies(NO_LIMIT), 0.0
    for _ in range(1000):
        arrivals = utilisation * NO_LIMIT.capacity
        served = serve(NO_LIMIT, length, arrivals, irregularity=1 / tasks)
        length = served.length
    latencies.add(served, 1000)

    assert served.settled
    assert served.wait == pytest.approx(fmean(simulated), rel=0.1)
    for share in (0.95, 0.99):
        expected = simulated[int(share * len(simulated))]
        assert latencies.percentile(share) == pytest.approx(expected, rel=0.12)


def test_in_a_full_queue_waits_vary_as_the_services_before_them() -> None:
    random, server = a_random(), Server(service_seconds=0.0)
    simulated = sorted(
        sum(random.expovariate(server.capacity) for _ in range(299)) for _ in range(4000)
    )
    latencies = Latencies(server)
    latencies.add(settled(server, 2.0, seconds=20), 100)
    for share in (0.05, 0.5, 0.95, 0.99):
        expected = simulated[int(share * len(simulated))]
        assert latencies.percentile(share) == pytest.approx(expected, rel=0.02)


class Queue:
    """A queue of at most 300, simulated event by event; requests and services are exponential."""

    def __init__(self, seed: int) -> None:
        self.random = a_random(seed)
        self.held = self.served = self.failed = 0

    def play(self, requests: float, seconds: float, until: int = -1) -> float:
        """Let time pass, at most until no more than `until` are held; return how much has."""
        random, passed = self.random, 0.0
        while self.held > until:
            rate = requests + (NO_LIMIT.capacity if self.held else 0)
            passed += random.expovariate(rate)
            if passed >= seconds:
                return seconds
            if random.random() * rate >= requests:
                self.held -= 1
                self.served += 1
            elif self.held < 300:
                self.held += 1
            else:
                self.failed += 1
        return passed


def test_a_passing_overload_is_that_of_a_queue_simulated_event_by_event() -> None:
    # Half the capacity for 20 s, twice the capacity for 20 s, half again for 20 s.
    queues, drained = [Queue(seed) for seed in range(20)], []
    for queue in queues:
        queue.play(75, 20)
        queue.play(300, 20)
        drained.append(queue.play(75, 20, until=30))
        queue.play(75, 20 - drained[-1])

    server, lengths, served, failed = Server(capacity=150, queue_limit=300), [0.0], 0.0, 0.0
    for second in range(60):
        moment = serve(server, lengths[-1], 300 if 20 <= second < 40 else 75)
        lengths.append(moment.length)
        served, failed = served + moment.served, failed + moment.failed
    drained_at = next(second for second in range(40, 60) if lengths[second] <= 30)

    assert served == pytest.approx(fmean(queue.served for queue in queues), rel=0.01)
    assert failed == pytest.approx(fmean(queue.failed for queue in queues), rel=0.02)
    assert drained_at - 40 == pytest.approx(fmean(drained), abs=1)


# --- latencies ------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 600), st.floats(0, 1000)), min_size=1, max_size=20))
def test_a_higher_percentile_is_never_a_shorter_time(seconds: list[tuple[float, float]]) -> None:
    server = Server()
    latencies, length = Latencies(server), 0.0
    for arrivals, count in seconds:
        served = serve(server, length, arrivals)
        latencies.add(served, count)
        length = served.length

    found = [latencies.percentile(share / 20) for share in range(21)]

    if sum(count for _, count in seconds) == 0:
        assert set(found) == {None}
        return
    times = [time for time in found if time is not None]
    assert len(times) == 21
    assert times == sorted(times)
    assert server.service_seconds <= times[0]
    assert times[-1] <= server.time_out + server.service_seconds


def test_of_two_moments_the_busier_one_counts_for_as_many_requests_as_it_had() -> None:
    server = Server(service_seconds=0.05, variability=CONSTANT)
    latencies = Latencies(server)
    full = settled(server, 2.0, seconds=20)
    latencies.add(settled(server, 0.01), 940)
    latencies.add(full, 60)
    assert latencies.percentile(0.9) == pytest.approx(0.05, abs=1e-3)
    assert latencies.percentile(0.95) == pytest.approx(0.05 + full.wait, rel=0.02)


def test_without_answers_there_is_no_latency() -> None:
    latencies = Latencies(Server())
    latencies.add(settled(Server(), 0.5), 0)
    assert latencies.percentile(0.5) is None
