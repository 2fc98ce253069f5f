"""How much is asked of a task: from what begins, what waits to be accepted, and for how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep_publisher._demand import (
    Trend,
    Wait,
    demand,
    queue_time,
    sent_at,
    trend,
    waited,
)

NOW = 0x67891234 + 3.25
LONG = "x" * 600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param("Root=1-67891234-abcdef012345678912345678", 3.25, id="the balancer's root"),
        pytest.param(
            "Self=1-67891234-12456789abcdef01;Root=1-00000001-abcdef012345678912345678",
            3.25,
            id="a client's root, and the balancer's self",
        ),
        pytest.param(
            "Root=1-00000001-abcdef01;Self=1-67891234-12456789abcdef01", 3.25, id="in any order"
        ),
        pytest.param("Root=1-67891233-a;Sampled=1", 4.25, id="with more fields"),
        pytest.param("Root=1-67891238-a", None, id="in the future"),
        pytest.param("Root=1-678911f0-a", None, id="more than a minute ago"),
        pytest.param("Root=2-67891234-a", None, id="another version"),
        pytest.param("Root=1-6789123-a", None, id="too few digits"),
        pytest.param("Root=1-zzzzzzzz-a", None, id="no number"),
        pytest.param("xRoot=1-67891234-a", None, id="another field"),
        pytest.param(f"{LONG};Root=1-67891234-a", None, id="too long"),
        pytest.param("", None, id="empty"),
    ],
)
def test_a_trace_header_says_when_the_load_balancer_got_the_request(
    header: str, seconds: float | None
) -> None:
    assert waited(header, NOW) == seconds


@given(st.text())
def test_a_trace_header_of_whatever_a_client_likes_is_read_or_left_out(header: str) -> None:
    assert sent_at(header) is None or "-" in header


@pytest.mark.parametrize(
    ("waits", "seconds"),
    [
        pytest.param([n / 100 + 0.7 for n in range(100)], 0.695, id="many: half a second less"),
        pytest.param([0.9, 1.5, 1.2], 0.2, id="few: what is certain"),
        pytest.param([0.99], 0.0, id="one, by chance late in its second"),
        pytest.param([n / 100 for n in range(100)], 0.0, id="none"),
    ],
)
def test_queue_time_is_the_median_less_what_whole_seconds_add(
    waits: list[float], seconds: float
) -> None:
    assert queue_time(waits) == pytest.approx(seconds)


def waits(*seconds: float, requests: int = 97) -> list[Wait]:
    return [Wait(n, each, requests) for n, each in enumerate(seconds)]


@pytest.mark.parametrize(
    ("seen", "growth"),
    [
        pytest.param(waits(0.1, 0.8575, 1.615, 2.3725, 3.13), 0.7575, id="an overload of 4 times"),
        pytest.param(waits(0.0, 0.0, 0.1, 0.9, 1.7), 0.8, id="since the last calm second"),
        pytest.param(waits(3.0, 2.5, 2.0, 1.5), -0.5, id="a queue that is worked off"),
        pytest.param(waits(0.02, 0.0, 0.05, 0.04, 0.05), 0.0, id="chance"),
        pytest.param(waits(0.0, 0.4, 0.1, 0.5, requests=1), 0.0, id="chance of few requests"),
        pytest.param(waits(0.1, 2.1), 0.0, id="too short"),
        pytest.param([], 0.0, id="nothing"),
    ],
)
def test_a_trend_counts_beyond_chance(seen: list[Wait], growth: float) -> None:
    assert trend(seen).growth == pytest.approx(growth, abs=0.06)


STEADY = Trend(0.0, 0.0)


@pytest.mark.parametrize(
    ("begun", "queued", "change", "full", "held", "rate"),
    [
        pytest.param(60, 0, STEADY, False, 60, 60, id="calm"),
        pytest.param(60, 0, STEADY, False, 400, 60, id="calm again"),
        pytest.param(97, 303, STEADY, False, 60, 400, id="the listen queue grows"),
        pytest.param(97, -40, STEADY, False, 400, 57, id="the listen queue is worked off"),
        pytest.param(97, 0, Trend(0.7575, 3.1), False, 60, 400, id="queue time grows"),
        pytest.param(97, 200, Trend(0.7575, 3.1), False, 60, 400, id="both: not twice"),
        pytest.param(97, 0, Trend(0.3, 0.1), False, 60, 97, id="growth of nearly nothing"),
        pytest.param(97, 2, STEADY, True, 400, 400, id="full: as before"),
        pytest.param(97, 500, STEADY, True, 400, 597, id="full, and it was not before"),
        pytest.param(97, 0, Trend(0.0, 8.0), False, 400, 400, id="stuck at a long queue time"),
        pytest.param(97, 0, Trend(-0.5, 8.0), False, 400, 400, id="queue time falls, and is long"),
        pytest.param(97, 0, Trend(-0.5, 0.9), False, 400, 97, id="queue time falls, and is short"),
        pytest.param(5, 0, Trend(3.0, 3.1), False, 5, 50, id="at most 10 times what begins"),
    ],
)
def test_demand_is_what_arrives_and_not_what_is_served(
    *, begun: float, queued: float, change: Trend, full: bool, held: float, rate: float
) -> None:
    asked = demand(begun, queued, change, full=full, held=held)

    assert asked == pytest.approx(rate)


@pytest.mark.parametrize(
    ("waiting", "rate"),
    [
        pytest.param(400, 400, id="what waits explains 4.1 of the 6 s, so it is the queue"),
        pytest.param(20, 970, id="what waits explains 0.2 of the 6 s, so the server has a queue"),
    ],
)
def test_queue_time_is_heard_only_where_the_queue_is_not_seen(waiting: int, rate: float) -> None:
    asked = demand(97, 303, Trend(1.5, 6.0), waiting=waiting)

    assert asked == pytest.approx(rate)


def test_a_queue_that_is_seen_needs_no_memory_while_it_is_worked_off() -> None:
    asked = demand(97, -40, Trend(-0.5, 4.0), waiting=400, held=400)

    assert asked == 57


@given(
    begun=st.floats(0, 1e5),
    queued=st.floats(0, 1e5),
    growth=st.floats(-5, 5),
    last=st.floats(0, 61),
    full=st.booleans(),
    held=st.floats(0, 1e5),
)
def test_a_queue_that_does_not_shrink_never_lowers_what_began(
    *, begun: float, queued: float, growth: float, last: float, full: bool, held: float
) -> None:
    asked = demand(begun, queued, Trend(growth, last), full=full, held=held)

    assert begun <= asked <= max(10.1 * begun, begun + queued, held)
