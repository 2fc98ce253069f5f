"""Traffic: the scenarios, and files that nobody has checked before."""

from __future__ import annotations

import gzip
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

import pytest

from quickstep_lab.traffic import (
    BASE,
    MAX_SECONDS,
    SCENARIOS,
    ScenarioName,
    Traffic,
    TrafficError,
    read_traffic,
    scenario_traffic,
)

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, text: str | bytes, name: str = "trace.csv") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_every_scenario_has_a_name_a_sentence_and_requests_in_every_second() -> None:
    assert set(SCENARIOS) == set(ScenarioName)
    for name, scenario in SCENARIOS.items():
        traffic = scenario_traffic(name, 200)
        assert scenario.sentence.endswith(".")
        assert len(traffic.requests) == 200
        assert min(traffic.requests) > 0, name


def test_the_surge_steps_up_holds_and_comes_back() -> None:
    surge = scenario_traffic(ScenarioName.SURGE, 95)
    steps = [(s, surge.at(s)) for s in range(95) if surge.at(s) != surge.at(s - 1)]
    assert steps == [(0, 120.0), (10, 750.0), (60, 120.0)]


@pytest.mark.parametrize(
    ("name", "second", "requests"),
    [
        (ScenarioName.RAMP, 9, 120),
        (ScenarioName.RAMP, 40, 360),
        (ScenarioName.RAMP, 200, 600),
        (ScenarioName.FLASH_CROWD, 9, 120),
        (ScenarioName.FLASH_CROWD, 10, 1200),
        (ScenarioName.FLASH_CROWD, 40, 660),
        (ScenarioName.SAWTOOTH, 30, 300),
        (ScenarioName.SAWTOOTH, 60, 120),
        (ScenarioName.STEADY, 77, 120),
        (ScenarioName.STEP_X3, 59, 120),
        (ScenarioName.STEP_X3, 60, 360),
        (ScenarioName.STEP_X3, 659, 360),
        (ScenarioName.STEP_X3, 660, 120),
        (ScenarioName.STEP_X10, 59, 120),
        (ScenarioName.STEP_X10, 60, 1200),
        (ScenarioName.STEP_X10, 660, 120),
        (ScenarioName.RAMP_60S, 60, 120),
        (ScenarioName.RAMP_60S, 90, 660),
        (ScenarioName.RAMP_60S, 120, 1200),
        (ScenarioName.RAMP_60S, 659, 1200),
        (ScenarioName.RAMP_60S, 660, 120),
        (ScenarioName.RAMP_180S, 150, 660),
        (ScenarioName.RAMP_180S, 240, 1200),
        (ScenarioName.RAMP_180S, 660, 120),
    ],
)
def test_a_scenario_does_what_its_sentence_says(
    name: ScenarioName, second: int, requests: float
) -> None:
    assert scenario_traffic(name, 700).at(second) == pytest.approx(requests)


def test_bursts_come_about_every_five_minutes_last_up_to_90_s_and_are_2_to_6_times_the_base() -> (
    None
):
    requests = scenario_traffic(ScenarioName.BURSTY, 12 * 3600).requests
    starts = [
        second
        for second in range(1, len(requests))
        if requests[second - 1] == BASE < requests[second]
    ]
    bursts = [
        next(n for n in range(start, len(requests)) if requests[n] == BASE) - start
        for start in starts[:-1]
    ]
    apart = (starts[-1] - starts[0]) / len(bursts)
    assert 4 * 60 < apart < 8 * 60
    assert all(start % 60 == 0 for start in starts)
    assert min(bursts) >= 20
    assert max(bursts) > 60
    assert min(load for load in requests if load > BASE) >= 2 * BASE
    assert max(requests) <= 6 * BASE


def test_noise_has_the_mean_and_the_coefficient_of_variation_that_its_sentence_names() -> None:
    requests = scenario_traffic(ScenarioName.NOISY, 6 * 3600).requests
    assert fmean(requests) == pytest.approx(190, rel=0.01)
    assert pstdev(requests) / fmean(requests) == pytest.approx(0.3, rel=0.03)
    assert sum(requests[n] == requests[n - 1] for n in range(1, 1000)) == 0


def test_a_day_has_its_night_and_its_noon() -> None:
    requests = scenario_traffic(ScenarioName.DIURNAL, 43_500).requests
    night, noon = requests[:600], requests[43_200 - 300 : 43_200 + 300]
    assert fmean(noon) == pytest.approx(1080, rel=0.02)
    assert fmean(night) == pytest.approx(120, rel=0.02)
    assert pstdev(noon) / fmean(noon) == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("name", ScenarioName)
def test_a_scenario_is_the_same_every_time_however_long_it_is_played(name: ScenarioName) -> None:
    long = scenario_traffic(name, 400)
    assert long.requests[:150] == scenario_traffic(name, 150).requests
    assert long == scenario_traffic(name, 400)


def test_no_requests_arrive_outside_of_the_traffic() -> None:
    traffic = Traffic("two seconds", (3.0, 4.0))
    assert [traffic.at(second) for second in (-1, 0, 1, 2)] == [0, 3, 4, 0]


def test_traffic_is_multiplied_second_by_second() -> None:
    assert Traffic("t", (1.0, 0.0, 5.0)).multiplied(2.5).requests == (2.5, 0.0, 12.5)


@pytest.mark.parametrize(
    ("factor", "problem"),
    [
        (0.0, "multiply: must be a finite number above 0, not 0.0"),
        (-1.0, "multiply: must be a finite number above 0, not -1.0"),
        (float("nan"), "multiply: must be a finite number above 0, not NaN"),
        (float("inf"), "multiply: must be a finite number above 0, not Infinity"),
        (1e9, "multiply: must leave at most 1e+09 requests in a second, not 5e+09, as 1e+09 does"),
    ],
)
def test_a_factor_that_makes_no_sense_is_refused(factor: float, problem: str) -> None:
    with pytest.raises(TrafficError) as error:
        Traffic("t", (1.0, 5.0)).multiplied(factor)
    assert str(error.value) == problem


def test_traffic_can_start_later() -> None:
    assert Traffic("t", (1.0, 2.0, 3.0)).starting_at(1).requests == (2.0, 3.0)


def test_traffic_cannot_start_after_its_end() -> None:
    with pytest.raises(TrafficError, match="from: must be less than the 3 seconds of t, not 3"):
        Traffic("t", (1.0, 2.0, 3.0)).starting_at(3)


def test_traffic_can_end_earlier() -> None:
    traffic = Traffic("t", (1.0, 2.0, 3.0))
    assert traffic.ending_at(2) == Traffic("t", (1.0, 2.0))
    assert traffic.ending_at(3) == traffic
    assert traffic.ending_at(2).starting_at(1).requests == (2.0,)


@pytest.mark.parametrize("second", [-1, 0, 4])
def test_traffic_cannot_end_before_its_first_second_or_after_its_last(second: int) -> None:
    with pytest.raises(TrafficError) as error:
        Traffic("t", (1.0, 2.0, 3.0)).ending_at(second)
    assert str(error.value) == f"to: must be from 1 to the 3 seconds of t, not {second}"


@pytest.mark.parametrize(
    ("requests", "mean"),
    [
        pytest.param((1.0, 2.0, 6.0, 100.0), 3, id="of the first three"),
        pytest.param((1.0, 2.0), 1.5, id="of those that there are"),
        pytest.param((), 0, id="of none"),
    ],
)
def test_the_first_seconds_have_a_mean(requests: tuple[float, ...], mean: float) -> None:
    assert Traffic("t", requests).first_mean(3) == mean


@pytest.mark.parametrize(
    ("text", "requests"),
    [
        pytest.param("second,requests\n0,1\n1,2\n", (1, 2), id="plain"),
        pytest.param("second,requests\n2,7\n5,1\n", (0, 0, 7, 0, 0, 1), id="gaps are 0"),
        pytest.param("second,requests\n0,1.5\n1,2e2\n", (1.5, 200), id="fractions"),
        pytest.param("\ufeffsecond, requests\r\n0, 1\r\n", (1,), id="from a spreadsheet"),
        pytest.param('"second","requests"\n"0","1"\n', (1,), id="quoted"),
        pytest.param("second,requests\n0,1\n\n1,2", (1, 2), id="blank line, no last newline"),
    ],
)
def test_a_file_is_read(tmp_path: Path, text: str, requests: tuple[float, ...]) -> None:
    traffic = read_traffic(written(tmp_path, text))
    assert (traffic.name, traffic.requests) == ("trace.csv", requests)


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    text = gzip.compress(b"second,requests\n0,1\n1,2\n")
    assert read_traffic(written(tmp_path, text, "trace.csv.gz")).requests == (1, 2)


HEADER = "second,requests\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", ": must start with the header second,requests, but is empty", id="empty"),
        pytest.param(HEADER, ": must have at least one row below the header", id="header only"),
        pytest.param(
            "0,1\n", ', line 1: must be the header second,requests, not "0,1"', id="no header"
        ),
        pytest.param(
            "time,count\n0,1\n",
            ', line 1: must be the header second,requests, not "time,count"',
            id="other header",
        ),
        pytest.param(
            HEADER + "0,1\n2,1\n1,1\n",
            ', line 4: second must be above the previous row\'s, 2, not "1"',
            id="back in time",
        ),
        pytest.param(
            HEADER + "0,1\n0,2\n",
            ', line 3: second must be above the previous row\'s, 0, not "0"',
            id="twice",
        ),
        pytest.param(
            HEADER + "-1,1\n",
            ', line 2: second must be a whole number from 0 to 604799, not "-1"',
            id="negative second",
        ),
        pytest.param(
            HEADER + "1.5,1\n",
            ', line 2: second must be a whole number from 0 to 604799, not "1.5"',
            id="half second",
        ),
        pytest.param(
            HEADER + "1795348912,1\n",
            ', line 2: second must be a whole number from 0 to 604799, not "1795348912"',
            id="timestamp",
        ),
        pytest.param(
            HEADER + "0,-3\n",
            ', line 2: requests must be a number from 0 to 1e+09, not "-3"',
            id="negative requests",
        ),
        pytest.param(
            HEADER + "0,nan\n",
            ', line 2: requests must be a number from 0 to 1e+09, not "nan"',
            id="NaN",
        ),
        pytest.param(
            HEADER + "0,1e999\n",
            ', line 2: requests must be a number from 0 to 1e+09, not "1e999"',
            id="infinite",
        ),
        pytest.param(
            HEADER + "0,1_000\n",
            ', line 2: requests must be a number from 0 to 1e+09, not "1_000"',
            id="underscore",
        ),
        pytest.param(
            HEADER + "0,\n",
            ', line 2: requests must be a number from 0 to 1e+09, not ""',
            id="no requests",
        ),
        pytest.param(
            HEADER + "0,1,2\n", ', line 2: must have 2 values, not "0,1,2"', id="three values"
        ),
        pytest.param(HEADER + "0\n", ', line 2: must have 2 values, not "0"', id="one value"),
        pytest.param(
            HEADER + '0,"1\n', ", line 2: must be CSV: unexpected end of data", id="open quote"
        ),
        pytest.param(
            HEADER + "9" * 300,
            f', line 2: must have at most 200 characters, not "{"9" * 58}…',
            id="long line",
        ),
        pytest.param(
            b"second,requests\n0,\xff\n",
            ": must be UTF-8 text; a compressed file must end in .gz",
            id="not UTF-8",
        ),
        pytest.param(
            gzip.compress(b"second,requests\n0,1\n"),
            ": must be UTF-8 text; a compressed file must end in .gz",
            id="compressed, but not named so",
        ),
    ],
)
def test_the_first_broken_rule_of_a_file_is_named(
    tmp_path: Path, text: str | bytes, problem: str
) -> None:
    with pytest.raises(TrafficError) as error:
        read_traffic(written(tmp_path, text))
    assert str(error.value) == f"trace.csv{problem}"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"second,requests\n0,1\n", id="not compressed"),
        pytest.param(gzip.compress(b"second,requests\n0,1\n")[:-9], id="cut off"),
        pytest.param(gzip.compress(b"second,requests\n")[:10] + b"\xff" * 9, id="damaged"),
    ],
)
def test_a_gz_file_that_is_none_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(TrafficError, match=r"^trace\.csv\.gz: must be a whole gzip file: "):
        read_traffic(written(tmp_path, data, "trace.csv.gz"))


def test_a_small_file_cannot_unpack_to_a_line_larger_than_the_memory(tmp_path: Path) -> None:
    bomb = gzip.compress(b"second,requests\n" + b"1" * 10_000_000)
    with pytest.raises(TrafficError, match=r"line 2: must have at most 200 characters"):
        read_traffic(written(tmp_path, bomb, "bomb.csv.gz"))


def test_a_file_of_nothing_but_blank_lines_comes_to_an_end(tmp_path: Path) -> None:
    bomb = gzip.compress(b"second,requests\n" + b"\n" * (2 * MAX_SECONDS))
    with pytest.raises(TrafficError, match="must have fewer than"):
        read_traffic(written(tmp_path, bomb, "blank.csv.gz"))


def test_a_file_s_name_cannot_control_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "a\x1b[31mb.csv"
    file.write_text("second,requests\n0,1\n1,2\n", encoding="utf-8")

    assert read_traffic(file).name == "a\ufffd[31mb.csv"
