"""Which document counts, what it costs to know, and what a missing one leaves."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from quickstep.config import ConfigError
from quickstep.engine.outcome import Outcome
from quickstep.loop.documents import KeptDocuments
from quickstep.protocol.documents import MISSING, Copy, Document
from quickstep.protocol.ports import CallFailedError
from tests.builders import NOW, WEB, a_document
from tests.fakes import World

HOUR = 3_600.0
THROTTLED = CallFailedError(Outcome.FAILED_THROTTLED, "no")


class Ssm(World):
    """A world with SSM, the table's copies, and functions that read them."""

    def function(self, max_age: float = 30) -> KeptDocuments:
        """Return the documents of a function that has just started."""
        return KeptDocuments(self, self.copies, timedelta(seconds=max_age), self.clock)

    def store(self, least: int) -> None:
        self.documents[WEB.parameter] = json.dumps(a_document(MinCapacity=least))

    def copy(self, least: int, age: float = 0) -> None:
        """Have the table a copy that was made so long ago."""
        document = Document(json.dumps(a_document(MinCapacity=least)))
        self.copies.copies[WEB] = Copy.of(document, NOW - timedelta(seconds=age))

    @property
    def cost(self) -> list[str]:
        """The calls since the last time."""
        made = [call.name for call in self.made]
        self.made.clear()
        return made


@pytest.fixture
def ssm() -> Ssm:
    world = Ssm()
    world.store(2)
    return world


def test_a_function_remembers_a_document_for_a_while(ssm: Ssm) -> None:
    function = ssm.function()
    costs = []
    for _ in range(4):
        assert function.load(WEB).min_capacity == 2
        costs.append(ssm.cost)
        ssm.clock.advance(15)

    assert costs == [
        ["read of a copy", "GetParameters", "write of a copy"],
        [],
        ["read of a copy"],
        [],
    ]


def test_a_function_that_has_just_started_asks_the_table_and_not_ssm(ssm: Ssm) -> None:
    ssm.copy(7)

    assert ssm.function().load(WEB).min_capacity == 7
    assert ssm.cost == ["read of a copy"]


def test_a_clock_that_goes_back_makes_no_memory_last(ssm: Ssm) -> None:
    function = ssm.function()
    function.load(WEB)
    ssm.clock.advance(-1)
    ssm.copy(7)

    assert function.load(WEB).min_capacity == 7


def test_a_copy_unconfirmed_for_hours_is_not_trusted(ssm: Ssm) -> None:
    ssm.copy(7, age=2 * HOUR)

    assert ssm.function().load(WEB).min_capacity == 2
    assert ssm.cost == ["read of a copy", "GetParameters", "write of a copy"]


def test_but_it_is_better_than_none_where_ssm_does_not_answer(ssm: Ssm) -> None:
    ssm.copy(7, age=100 * HOUR)
    ssm.failures["GetParameters"].append(THROTTLED)

    assert ssm.function().load(WEB).min_capacity == 7


def test_without_a_copy_it_is_an_error_that_ssm_does_not_answer(ssm: Ssm) -> None:
    ssm.failures["GetParameters"].append(THROTTLED)

    with pytest.raises(CallFailedError):
        ssm.function().load(WEB)


def test_a_copy_that_could_not_be_written_is_no_reason_not_to_decide(ssm: Ssm) -> None:
    function = ssm.function()
    ssm.failures["write of a copy"].append(THROTTLED)

    assert function.load(WEB).min_capacity == 2
    function.refresh([WEB])

    assert ssm.cost[-1] == "write of a copy", "by the next look"


def test_a_quiet_minute_costs_one_call_for_ten_documents(ssm: Ssm) -> None:
    function = ssm.function()
    function.refresh([WEB])
    assert ssm.cost == ["read of a copy", "GetParameters", "write of a copy"]

    ssm.clock.advance(60)
    assert function.refresh([WEB]) == set()
    assert ssm.cost == ["GetParameters"]


def test_a_copy_is_confirmed_each_hour(ssm: Ssm) -> None:
    function = ssm.function()
    writes = 0
    for _ in range(180):
        function.refresh([WEB])
        writes += ssm.cost.count("write of a copy")
        ssm.clock.advance(60)

    assert writes == 3


def test_a_change_is_written_into_the_table_once(ssm: Ssm) -> None:
    ssm.copy(2)
    ssm.store(3)

    assert ssm.function().refresh([WEB]) == set()
    assert ssm.cost == ["read of a copy", "GetParameters", "write of a copy"]
    assert ssm.function().load(WEB).min_capacity == 3


def test_a_document_that_breaks_a_rule_is_an_error_each_time(ssm: Ssm) -> None:
    ssm.store(-1)
    function = ssm.function()

    for _ in range(2):
        with pytest.raises(ConfigError):
            function.load(WEB)


def test_that_a_document_is_missing_costs_a_call_once_in_a_while(ssm: Ssm) -> None:
    del ssm.documents[WEB.parameter]
    function = ssm.function()
    costs = []
    for _ in range(20):
        function.refresh([WEB])
        costs.append(ssm.cost.count("GetParameters"))
        ssm.clock.advance(60)

    assert costs[0] == 1
    assert sum(costs) <= 4


def test_an_alarm_s_evaluation_asks_anew_for_a_document_that_was_missing(ssm: Ssm) -> None:
    ssm.copies.copies[WEB] = Copy.of(MISSING, NOW)

    assert ssm.function().load(WEB).min_capacity == 2


def test_the_document_that_was_kept_longest_makes_room(
    ssm: Ssm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quickstep.loop.documents.MOST_KEPT", 1)
    api = type(WEB)("prod", "api")
    ssm.documents[api.parameter] = json.dumps(a_document(ResourceId=api.resource_id))
    function = ssm.function()

    costs = []
    for service in (WEB, api, api, WEB):
        function.load(service)
        costs.append(bool(ssm.cost))

    assert costs == [True, True, False, True]
