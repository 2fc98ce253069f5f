"""What polling the queues of an account costs: by hand, and within what is promised."""

from __future__ import annotations

import pytest

from quickstep_lab.cost.bill import bill
from quickstep_lab.cost.counts import read_counts
from quickstep_lab.cost.prices import Meter, read_prices
from quickstep_lab.cost.queues import Polling, polling_lines


@pytest.mark.parametrize(
    ("polling", "pause", "reads", "messages"),
    [
        pytest.param(Polling(1), 10, 0.1, 6, id="one"),
        pytest.param(Polling(140, 5), 10, 14.0, 12, id="as many as are read each ten seconds"),
        pytest.param(Polling(250), 20, 12.5, 18, id="more"),
        pytest.param(Polling(1000), 80, 12.5, 60, id="a thousand"),
        pytest.param(Polling(1000, 80), 80, 19.5, 60, id="a thousand, some of them busy"),
    ],
)
def test_what_is_read_and_how_often(
    polling: Polling, pause: int, reads: float, messages: int
) -> None:
    assert (polling.pause, polling.reads_a_second, polling.messages) == (pause, reads, messages)


def dollars(polling: Polling) -> float:
    return bill(polling_lines(polling, read_counts()), read_prices()).total


def test_one_queue_is_a_quarter_of_a_million_calls_a_month_for_a_tenth_of_a_dollar() -> None:
    reads = next(iter(polling_lines(Polling(1), read_counts())))

    assert reads.meter is Meter.QUEUE_REQUEST
    assert reads.quantity == pytest.approx(259_200)
    assert reads.quantity * 0.4e-6 == pytest.approx(0.104, abs=0.001)


def test_a_thousand_empty_queues_are_polled_for_less_than_twenty_dollars_a_month() -> None:
    assert 15 < dollars(Polling(1000)) <= 20


def test_each_busy_queue_costs_less_than_half_a_dollar_a_month_more() -> None:
    assert dollars(Polling(1000, 50)) - dollars(Polling(1000)) < 0.5 * 50
