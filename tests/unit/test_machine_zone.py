"""The machine's own zone, through both changes of daylight saving."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from quickstep.report.dashboard.times import moment
from quickstep_cli.machine_zone import MachineZone

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["UTC", "Asia/Seoul", "Europe/Berlin", "America/St_Johns"])
def zone(request: pytest.FixtureRequest) -> Iterator[ZoneInfo]:
    """A zone, and the machine is in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield ZoneInfo(request.param)
    time.tzset()


@pytest.mark.parametrize(
    "at",
    [
        "2026-07-01T12:00:00",
        "2026-12-01T23:59:59",
        "2026-03-29T00:59:59",
        "2026-03-29T01:00:00",
        "2026-10-25T00:30:00",
        "2026-10-25T01:30:00",
    ],
)
def test_a_moment_is_what_the_named_zone_makes_of_it(zone: ZoneInfo, at: str) -> None:
    utc = datetime.fromisoformat(at).replace(tzinfo=UTC)

    assert moment(utc, MachineZone()) == moment(utc, zone)
    assert utc.astimezone(MachineZone()).astimezone(UTC) == utc
    assert utc.astimezone(MachineZone()).tzname() == utc.astimezone(zone).tzname()


def test_without_a_moment_there_is_no_offset() -> None:
    assert (MachineZone().utcoffset(None), MachineZone().tzname(None)) == (None, None)
