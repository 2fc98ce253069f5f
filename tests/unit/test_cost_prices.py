"""The file of prices: what it says, and what is refused of one's own."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from quickstep_lab.cost.prices import Meter, PricesError, read_prices

ALARM: dict[str, Any] = {
    "price": 0.2,
    "per": 1,
    "unit": "alarm-months",
    "source": "our contract",
    "read": "2026-11-01",
    "certainty": "aws",
}


def a_file(**entries: Any) -> str:
    return json.dumps({"prices": entries})


def test_the_file_has_every_price_with_its_source_and_day() -> None:
    prices = read_prices()

    assert set(prices) == set(Meter)
    assert all(price.source and price.unit for price in prices.values())
    assert all(date(2026, 1, 1) <= price.read for price in prices.values())


def test_prices_of_ones_own_take_the_place_of_the_file_s() -> None:
    base = read_prices()

    prices = read_prices(a_file(alarm=ALARM), base=base)

    assert prices[Meter.ALARM].dollars == 0.2
    assert {**prices, Meter.ALARM: base[Meter.ALARM]} == base


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("{", "must be JSON: .* at line 1", id="no JSON"),
        pytest.param("{}", "prices: is required, but missing", id="no prices"),
        pytest.param(a_file(alarms=ALARM), "prices.alarms: is not a known key", id="unknown"),
        pytest.param(
            a_file(alarm={**ALARM, "price": -1}),
            "prices.alarm.price: must be at least 0, not -1",
            id="below 0",
        ),
        pytest.param(
            a_file(alarm={**ALARM, "per": 0}),
            "prices.alarm.per: must be above 0, not 0",
            id="per nothing",
        ),
        pytest.param(
            a_file(alarm={**ALARM, "read": "yesterday"}),
            'prices.alarm.read: must be a day like 2026-11-22, not "yesterday"',
            id="no day",
        ),
        pytest.param(
            a_file(alarm={**ALARM, "certainty": "sure"}),
            "prices.alarm.certainty: must be one of aws, secondary, unverified",
            id="no certainty",
        ),
        pytest.param(
            a_file(alarm={"price": 1}),
            "prices.alarm.per: is required.*prices.alarm.source: is required",
            id="all problems at once",
        ),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(text: str, problem: str) -> None:
    with pytest.raises(PricesError, match=problem):
        read_prices(text, base=read_prices())
