"""How busy a process is, and when a load balancer has stopped sending."""

from __future__ import annotations

import pytest

from quickstep_publisher._listening import Listening, Queue
from quickstep_publisher._load import Checks, Load, slots_of


class Heard(Listening):
    """A queue that is set."""

    def __init__(self, waiting: int | None, accepted: int = 0) -> None:
        self.waiting = waiting
        self.accepted: int | None = accepted
        self.times = 0

    def find(self) -> bool:
        return True

    def queue(self) -> Queue | None:
        return None if self.waiting is None else Queue(1, self.waiting, full=False)

    def unread(self) -> int | None:
        self.times += 1
        return self.accepted


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
    ("active", "waiting", "accepted", "times"),
    [
        pytest.param(1, 0, 5, 0, id="never in a process with time, which reads what comes"),
        pytest.param(2, 0, 5, 2, id="once a second in one that is half busy"),
        pytest.param(4, 9, 0, 8, id="each time while many wait to be accepted"),
        pytest.param(4, 0, 9, 5, id="and while many have been"),
    ],
)
def test_accepted_connections_are_gone_through_as_seldom_as_can_be(
    active: int, waiting: int, accepted: int, times: int
) -> None:
    heard = Heard(waiting, accepted)
    load = Load(4, lambda: 0.0, heard)

    looks = [load.look(active) for _ in range(8)]

    assert heard.times == times
    assert looks[-1].waiting == waiting + (accepted if times else 0)


def test_where_the_kernel_has_no_time_to_tell_what_waited_before_still_waits() -> None:
    heard = Heard(0, 20)
    load = Load(4, lambda: 0.0, heard)
    before = [load.look(4).waiting for _ in range(4)]
    heard.accepted = None

    assert [*before, load.look(4).waiting] == [0, 0, 0, 20, 20]


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
