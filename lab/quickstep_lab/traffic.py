"""Traffic: the requests that arrive in each second, from a named scenario or a CSV file.

Numbers may be fractional (after a multiplication); they are summed, never rounded.
"""

from __future__ import annotations

import csv
import gzip
import math
import re
import zlib
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING

from quickstep.fields import InvalidDocumentError, Problem, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TextIO

HEADER = ["second", "requests"]
MAX_SECONDS = 7 * 24 * 3600
"""The longest traffic; a second beyond it is more likely a timestamp than a count."""
MAX_REQUESTS = 1e9
"""The most requests in one second."""
_MAX_LINE = 200
_NUMBER = r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?"


class TrafficError(InvalidDocumentError):
    """Unusable traffic; the message names the place, the rule and the value seen."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests in each second; element 0 is the first second. None arrive after the last."""

    name: str
    requests: tuple[float, ...]

    def at(self, second: int) -> float:
        """Return one second's requests; 0 outside the traffic."""
        return self.requests[second] if 0 <= second < len(self.requests) else 0.0

    def first_mean(self, seconds: int) -> float:
        """Return the mean requests of the first `seconds` seconds; 0 for empty traffic."""
        first = self.requests[:seconds]
        return sum(first) / max(1, len(first))

    def multiplied(self, factor: float) -> Traffic:
        """Return the same traffic with `factor` times the requests.

        Raises:
            TrafficError: the factor is not a finite number above 0, or exceeds MAX_REQUESTS.
        """
        if not (math.isfinite(factor) and factor > 0):
            raise _error("multiply", "must be a finite number above 0", factor)
        requests = tuple(count * factor for count in self.requests)
        highest = max(requests, default=0)
        if highest > MAX_REQUESTS:
            rule = f"must leave at most {MAX_REQUESTS:g} requests in a second"
            raise _error("multiply", f"{rule}, not {highest:g}, as {factor:g} does")
        return replace(self, requests=requests)

    def starting_at(self, second: int) -> Traffic:
        """Return the traffic from `second` on, which becomes second 0.

        Raises:
            TrafficError: the traffic has ended by then.
        """
        if second >= len(self.requests):
            rule = f"must be less than the {len(self.requests)} seconds of {self.name}"
            raise _error("from", rule, second)
        return replace(self, requests=self.requests[second:])

    def ending_at(self, second: int) -> Traffic:
        """Return the traffic before `second`.

        Raises:
            TrafficError: the result would be empty, or longer than the traffic.
        """
        if not 0 < second <= len(self.requests):
            rule = f"must be from 1 to the {len(self.requests)} seconds of {self.name}"
            raise _error("to", rule, second)
        return replace(self, requests=self.requests[:second])


class ScenarioName(StrEnum):
    """The scenarios' names on the command line."""

    SURGE = "surge"
    SURGE_180S = "surge-180s"
    RAMP = "ramp"
    FLASH_CROWD = "flash-crowd"
    SAWTOOTH = "sawtooth"
    STEADY = "steady"
    STEP_X3 = "step-x3"
    STEP_X10 = "step-x10"
    RAMP_60S = "ramp-60s"
    RAMP_180S = "ramp-180s"
    BURSTY = "bursty"
    NOISY = "noisy"
    DIURNAL = "diurnal"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario: one sentence about it, its requests in any second, and its length."""

    sentence: str
    requests: Callable[[int], float]
    seconds: int = 600


BASE = 120.0
"""Requests per second before anything happens: 60 for each of two tasks."""


def _surge_between(start: int, end: int) -> Callable[[int], float]:
    # More than one step can answer: two tasks see 375 each, six see 125, seven 107. Eight see 94,
    # which is below a threshold of 100.
    return lambda second: 750.0 if start <= second < end else BASE


def _ramp(second: int) -> float:
    return BASE + (600.0 - BASE) * min(1.0, max(0, second - 10) / 60)


def _flash_crowd(second: int) -> float:
    return BASE + (1080.0 * 0.5 ** ((second - 10) / 30) if second >= 10 else 0)  # noqa: PLR2004


def _sawtooth(second: int) -> float:
    return BASE + (480.0 - BASE) * (second % 60) / 60


def _steady(_second: int) -> float:
    return BASE


def _surge_of(factor: float, rise: int) -> Callable[[int], float]:
    """Return traffic that rises to `factor` times BASE within `rise` seconds, and stays for 600."""

    def requests(second: int) -> float:
        since = second - 60
        if not 0 <= since < 600:  # noqa: PLR2004 - the scenario's sentence
            return BASE
        return BASE * (1 + (factor - 1) * min(1.0, since / rise if rise else 1.0))

    return requests


def _noise(second: int, label: str) -> Random:
    """Return one second's source of random numbers, always the same."""
    return Random(f"{label} {second}")  # noqa: S311 - repeatable, not secret


def _bursty(second: int) -> float:
    """Each minute has a one-in-five chance of a burst: 2 to 6 times BASE, for 20 to 90 s."""
    load = BASE
    for minute in (second // 60, second // 60 - 1):
        noise = _noise(minute, "burst")
        bursts, factor, length = noise.random() < 0.2, noise.uniform(2, 6), noise.uniform(20, 90)  # noqa: PLR2004
        if minute >= 0 and bursts and second - minute * 60 < length:
            load = max(load, BASE * factor)
    return load


NOISE = math.sqrt(math.log(1 + 0.3**2))
"""Sigma of a log-normal number with a coefficient of variation of 0.3."""


def _noisy(second: int) -> float:
    return 190 * math.exp(_noise(second, "noise").gauss(-(NOISE**2) / 2, NOISE))


def _diurnal(second: int) -> float:
    noon = 1 - math.cos(2 * math.pi * second / 86_400)
    return (BASE + 480 * noon) * _noise(second, "day").gauss(1, 0.1)


SCENARIOS = {
    ScenarioName.SURGE: Scenario(
        "120 requests/s, 750 from second 10 to second 60, then 120 again.", _surge_between(10, 60)
    ),
    ScenarioName.SURGE_180S: Scenario(
        "120 requests/s, 750 from second 20 to second 200, then 120 again.", _surge_between(20, 200)
    ),
    ScenarioName.RAMP: Scenario(
        "120 requests/s, rising from second 10 to 600 at second 70, and staying there.", _ramp
    ),
    ScenarioName.FLASH_CROWD: Scenario(
        "120 requests/s, ten times that at second 10, the excess halving every 30 s.", _flash_crowd
    ),
    ScenarioName.SAWTOOTH: Scenario(
        "120 requests/s, rising to 480 within each minute, then dropping back.", _sawtooth
    ),
    ScenarioName.STEADY: Scenario("120 requests/s throughout: nothing to scale.", _steady),
    ScenarioName.STEP_X3: Scenario(
        "120 requests/s, 360 from second 60 to second 660, then 120 again.",
        _surge_of(3, 0),
        1800,
    ),
    ScenarioName.STEP_X10: Scenario(
        "120 requests/s, 1,200 from second 60 to second 660, then 120 again.",
        _surge_of(10, 0),
        1800,
    ),
    ScenarioName.RAMP_60S: Scenario(
        "120 requests/s, rising to 1,200 from second 60 to 120, 120 again from second 660.",
        _surge_of(10, 60),
        1800,
    ),
    ScenarioName.RAMP_180S: Scenario(
        "120 requests/s, rising to 1,200 from second 60 to 240, 120 again from second 660.",
        _surge_of(10, 180),
        1800,
    ),
    ScenarioName.BURSTY: Scenario(
        "120 requests/s, and about every five minutes 2 to 6 times that for 20 to 90 s.",
        _bursty,
        3 * 3600,
    ),
    ScenarioName.NOISY: Scenario(
        "190 requests/s on average, each second log-normal with a coefficient of variation of 0.3.",
        _noisy,
        6 * 3600,
    ),
    ScenarioName.DIURNAL: Scenario(
        "A day: 120 requests/s at night, 1,080 at noon, each second with 10 % of noise.",
        _diurnal,
        24 * 3600,
    ),
}


def scenario_traffic(name: ScenarioName, seconds: int) -> Traffic:
    """Return the first `seconds` seconds of a scenario."""
    requests = SCENARIOS[name].requests
    return Traffic(str(name), tuple(requests(second) for second in range(seconds)))


def read_traffic(file: Path) -> Traffic:
    """Read `second,requests` rows from a CSV file; a name ending in .gz means gzip.

    Seconds count from 0 and ascend. A second without a row has no requests.

    Raises:
        TrafficError: the first line that breaks a rule.
        OSError: the file cannot be read.
    """
    opened = gzip.open if file.suffix == ".gz" else open
    try:
        with opened(file, "rt", encoding="utf-8-sig", newline="") as lines:
            return Traffic(_printable(file.name), read_rows(file.name, lines))
    except UnicodeDecodeError:
        raise _error(file.name, "must be UTF-8 text; a compressed file must end in .gz") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _error(file.name, f"must be a whole gzip file: {error}") from None


def _printable(name: str) -> str:
    """Return a file's name for titles, without characters that could control a terminal."""
    return "".join(one if one.isprintable() else "\ufffd" for one in name)


def read_rows(name: str, lines: TextIO) -> tuple[float, ...]:
    """Return each second's requests from the lines of a file of this name."""
    rows = csv.reader(_short_lines(name, lines), strict=True)
    requests: list[float] = []
    try:
        header = next(rows, None)
        if header is None:
            raise _error(name, f"must start with the header {','.join(HEADER)}, but is empty")
        if [cell.strip() for cell in header] != HEADER:
            where = f"{name}, line 1"
            raise _error(where, f"must be the header {','.join(HEADER)}", ",".join(header))
        for row in rows:
            if not row:
                continue
            second, count = _read_row(f"{name}, line {rows.line_num}", row, len(requests))
            requests.extend([0.0] * (second - len(requests)))
            requests.append(count)
    except csv.Error as error:
        raise _error(f"{name}, line {rows.line_num}", f"must be CSV: {error}") from None
    if not requests:
        raise _error(name, "must have at least one row below the header")
    return tuple(requests)


def _short_lines(name: str, lines: TextIO) -> Iterator[str]:
    """Yield lines, none of them long: a small .gz may hold a line larger than the memory."""
    for number in range(1, 2 * MAX_SECONDS):
        line = lines.readline(_MAX_LINE + 1)
        if not line:
            return
        if len(line) > _MAX_LINE:
            rule = f"must have at most {_MAX_LINE} characters"
            raise _error(f"{name}, line {number}", rule, line)
        yield line
    raise _error(name, f"must have fewer than {2 * MAX_SECONDS} lines")


def _read_row(where: str, row: list[str], earliest: int) -> tuple[int, float]:
    if len(row) != len(HEADER):
        raise _error(where, f"must have {len(HEADER)} values", ",".join(row))
    second, count = (cell.strip() for cell in row)
    if not re.fullmatch("[0-9]+", second) or int(second) >= MAX_SECONDS:
        rule = f"second must be a whole number from 0 to {MAX_SECONDS - 1}"
        raise _error(where, rule, second)
    if int(second) < earliest:
        rule = f"second must be above the previous row's, {earliest - 1}"
        raise _error(where, rule, second)
    requests = float(count) if re.fullmatch(_NUMBER, count) else math.nan
    if not 0 <= requests <= MAX_REQUESTS:
        raise _error(where, f"requests must be a number from 0 to {MAX_REQUESTS:g}", count)
    return int(second), requests


def _error(where: str, rule: str, seen: object = None) -> TrafficError:
    return TrafficError([Problem(where, rule, "" if seen is None else show(seen))])
