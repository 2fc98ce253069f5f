"""How busy a process is, and when a load balancer has stopped sending."""

from __future__ import annotations

import pytest

from quickstep_publisher._listening import Listening, Queue
from quickstep_publisher._load import Checks, Load, slots_of


class Heard(Listening):
    """A queue that is set."""

    def __init__(self, waiting: int | None) -> None:
        self.waiting = waiting
        self.asked_for_accepted: list[bool] = []

    def find(self) -> bool:
        return True

    def queue(self, *, accepted: bool) -> Queue | None:
        self.asked_for_accepted.append(accepted)
        return None if self.waiting is None else Queue(1, self.waiting, full=False)


@pytest.mark.parametrize(
    ("slots", "active", "waiting", "busy"),
    [
        pytest.param(4, 1, 0, 0.25, id="one of four"),
        pytest.param(4, 9, 0, 1.0, id="never more than all"),
        pytest.param(4, 1, 5, 1.0, id="others wait, so none is free"),
        pytest.param(4, 2, None, 0.5, id="nothing known of a queue"),
        pytest.param(None, 2, 5, None, id="slots unknown"),
    ],
)
def test_busy_is_the_share_of_slots_in_use(
    slots: int | None, active: int, waiting: int | None, busy: float | None
) -> None:
    assert Load(slots, lambda: 0.0, Heard(waiting)).look(active).busy == busy


@pytest.mark.parametrize(
    ("active", "asked"),
    [
        pytest.param(1, False, id="a process with time reads what comes"),
        pytest.param(2, True, id="half busy"),
        pytest.param(4, True, id="full"),
    ],
)
def test_accepted_connections_are_gone_through_only_in_a_busy_process(
    active: int, *, asked: bool
) -> None:
    heard = Heard(0)
    Load(4, lambda: 0.0, heard).look(active)

    assert heard.asked_for_accepted == [asked]


def test_a_server_of_one_request_at_a_time_has_one_slot_and_others_say_or_are_unknown() -> None:
    assert slots_of({"wsgi.multithread": False}) == 1
    assert slots_of({"wsgi.multithread": True}) is None
    assert slots_of({}) is None


@pytest.mark.parametrize(
    ("checks_at", "requests_at", "quiet_at", "ceased"),
    [
        pytest.param([0, 5, 10, 15], [], 29, False, id="not long enough"),
        pytest.param([0, 5, 10, 15], [], 31, True, id="three times as long as ever"),
        pytest.param([0, 5, 10, 15], [28], 40, False, id="a request since"),
        pytest.param([0, 30, 60], [], 140, False, id="rare checks"),
        pytest.param([0, 30, 60], [], 151, True, id="rare checks that ceased"),
        pytest.param([0, 5], [], 500, False, id="too few checks to tell"),
        pytest.param([], [0, 1], 500, False, id="no checks at all: a quiet service"),
    ],
)
def test_a_load_balancer_has_stopped_sending_when_its_health_checks_cease(
    checks_at: list[int], requests_at: list[int], quiet_at: int, *, ceased: bool
) -> None:
    checks = Checks()
    said = False
    for second in range(quiet_at + 1):
        said = checks.ceased(
            sum(at <= second for at in checks_at), sum(at <= second for at in requests_at), second
        )

    assert said == ceased
