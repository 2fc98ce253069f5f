"""A publisher as an application uses it, under a clock that is set."""

from __future__ import annotations

import gc
import io
import logging
import random
import threading
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from quickstep_publisher import NotPublishedError, Publisher, Statistics
from quickstep_publisher._trouble import Kind
from tests.publisher.fakes import START, Broken, Kept, Time, a_publisher, drive, emf_lines, forked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def time() -> Time:
    return Time()


def test_a_service_without_requests_publishes_a_rate_of_0_from_its_start_on(time: Time) -> None:
    kept = Kept()
    publisher = a_publisher(time, kept)
    publisher.start()

    for _ in drive(publisher, time, 20):
        pass

    assert kept.values("RequestsPerSecond") == [0, 0, 0, 0]
    assert kept.values("AverageResponseTime") == []
    assert kept.seconds() == [4, 9, 14, 19]
    assert str(kept.addresses[0]) == "prod/web in Quickstep/prod/web"


def test_making_a_publisher_starts_nothing() -> None:
    before = threading.active_count()

    Publisher(cluster="prod", service="web", transport=Kept())

    assert threading.active_count() == before


def test_values_are_those_of_the_load(time: Time) -> None:
    kept = Kept()
    publisher = a_publisher(time, kept)
    publisher.start()
    chance = random.Random(3)  # noqa: S311 - test data
    load = [[chance.uniform(0.001, 2) for _ in range(chance.randrange(200))] for _ in range(24)]
    moments = iter([seconds] for interval in load for seconds in (interval,))

    for _ in drive(publisher, time, 120, step=5):
        for seconds in next(moments)[0]:
            publisher.observe(seconds)

    assert kept.values("RequestsPerSecond") == pytest.approx([len(each) / 5 for each in load])
    for published, each in zip(kept.values("AverageResponseTime"), filter(None, load), strict=True):
        assert isinstance(published, Statistics)
        assert published.count == len(each)
        assert published.total == pytest.approx(1000 * sum(each))
        assert published.minimum == pytest.approx(1000 * min(each))
        assert published.maximum == pytest.approx(1000 * max(each))


def test_a_request_is_counted_when_it_arrives_and_its_time_when_it_ends(time: Time) -> None:
    kept = Kept()
    publisher = a_publisher(time, kept)

    with publisher.request():
        for _ in drive(publisher, time, 7):
            pass
    for _ in drive(publisher, time, 3):
        pass

    assert kept.values("RequestsPerSecond") == [0.2, 0]
    assert kept.values("ActiveConnections") == [1, 0]
    assert kept.values("AverageResponseTime") == [Statistics(1, 7000, 7000, 7000)]


def test_a_request_that_raises_is_counted_and_the_error_passes(time: Time) -> None:
    kept = Kept()
    publisher = a_publisher(time, kept)

    def fail() -> None:
        with publisher.request():
            time.pass_(0.5)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    for _ in drive(publisher, time, 5):
        pass

    assert kept.values("AverageResponseTime") == [Statistics(1, 500, 500, 500)]
    assert kept.values("ActiveConnections") == [0]


def test_requests_can_be_counted_by_the_batch_with_and_without_their_time(time: Time) -> None:
    kept = Kept()
    publisher = a_publisher(time, kept)
    publisher.observe(0.2, requests=3)
    publisher.count(7)

    for _ in drive(publisher, time, 5):
        pass

    assert kept.values("RequestsPerSecond") == [2]
    (times,) = kept.values("AverageResponseTime")
    assert isinstance(times, Statistics)
    assert (times.count, times.total, times.minimum) == pytest.approx((3, 600, 200))


def test_a_gauge_alone_starts_publishing(tmp_path: Path) -> None:
    read = threading.Event()

    def length() -> float:
        read.set()
        return 3

    publisher = Publisher(cluster="c", service="s", transport=Kept(), directory=tmp_path)
    publisher.gauge("QueueLength", length)

    assert read.wait(10)
    publisher.close()


@pytest.mark.parametrize("calm", [0, 10, 30])
def test_a_calm_task_calls_less_often_if_it_may_and_publishes_all_the_same(
    time: Time, calm: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUICKSTEP_CALM_SECONDS", str(calm))
    kept = Kept()
    publisher = a_publisher(time, kept)
    publisher.start()

    for _ in drive(publisher, time, 125, step=1):
        publisher.count(40 if time.seconds < 100 else 400)
    publisher.close()

    rates = [round(rate) for rate in kept.rates()]
    assert rates == [40] * 20 + [400] * 5
    stamps = [m.at or p.timestamp for p in kept.points for m in p.metrics if m.unit != "Count"]
    assert [(stamp - START).total_seconds() for stamp in stamps] == [4 + 5 * n for n in range(25)]
    calls = {0: 25, 10: 13, 30: 6}
    assert len(kept.points) == calls[calm]
    surge = next(p for p in kept.points if any(m.value == 400 for m in p.metrics))
    assert (surge.timestamp - START).total_seconds() == 104, "a surge waits for nothing"


@pytest.mark.parametrize("seconds", [3, 7, 61])
def test_whole_seconds_are_published_each_once_and_with_its_own_time(
    time: Time, seconds: int
) -> None:
    kept = Kept()
    publisher = a_publisher(time, kept, seconds=True, phase=4.25)
    publisher.start()
    sent = []

    for _ in drive(publisher, time, 60, step=0.25):
        if time.seconds % 1 == 0:
            sent.append(seconds + int(time.seconds) % 5)
            publisher.count(sent[-1])

    rates = {
        (m.at - START).total_seconds(): m.value
        for p in kept.points
        for m in p.metrics
        if m.name == "RequestsPerSecond" and m.at
    }
    assert len(rates) == len(kept.values("RequestsPerSecond")) >= 50
    assert sorted(rates) == list(range(len(rates)))
    assert sum(rates.values()) == sum(sent[: len(rates)])  # type: ignore[arg-type]


def test_a_task_whose_processes_all_drain_publishes_no_rate_that_dilutes(time: Time) -> None:
    kept = Kept()
    publisher = a_publisher(time, kept)
    publisher.observe(0.1)
    for _ in drive(publisher, time, 5):
        pass
    publisher.drain()
    publisher.observe(0.3)
    for _ in drive(publisher, time, 10):
        pass

    assert kept.values("RequestsPerSecond") == [0.2]
    assert [each.count for each in kept.values("AverageResponseTime")] == [1, 1]  # type: ignore[union-attr]


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_response_time_that_is_none_is_left_out_and_said(
    time: Time, seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept()
    publisher = a_publisher(time, kept)

    publisher.observe(seconds)
    publisher.observe(seconds)
    for _ in drive(publisher, time, 5):
        pass

    assert kept.values("RequestsPerSecond") == [0.4]
    assert kept.values("AverageResponseTime") == []
    assert [r.message for r in caplog.records] == [
        f"A response time must be a number of seconds, not {seconds!r}: left out."
    ]


def test_a_gauge_is_read_for_every_point(time: Time) -> None:
    kept = Kept()
    publisher = a_publisher(time, kept)
    publisher.gauge("QueueLength", lambda: time.seconds)

    publisher.start()
    for _ in drive(publisher, time, 10):
        pass

    assert kept.values("QueueLength") == [5, 10]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param(float("nan"), "ValueError: must be a number within ±2^360, not nan", id="NaN"),
        pytest.param("many", "ValueError: could not convert string", id="text"),
        pytest.param(None, "TypeError: float", id="None"),
        pytest.param(1e200, "ValueError: must be a number within", id="beyond CloudWatch"),
    ],
)
def test_a_gauge_that_cannot_be_read_leaves_the_rest_of_the_point_and_is_said_once(
    time: Time, value: float, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept()
    publisher = a_publisher(time, kept)
    publisher.gauge("Broken", lambda: value)
    publisher.gauge("QueueLength", lambda: 3)

    publisher.start()
    for _ in drive(publisher, time, 20):
        pass

    assert kept.values("Broken") == []
    assert kept.values("QueueLength") == [3, 3, 3, 3]
    (record,) = caplog.records
    assert record.message.startswith(f"The gauge Broken cannot be read: {why}")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param({"name": ""}, "1 to 128 printable ASCII", id="no name"),
        pytest.param({"name": "x" * 129}, "1 to 128 printable ASCII", id="too long"),
        pytest.param({"name": "Länge"}, "1 to 128 printable ASCII", id="not ASCII"),
        pytest.param({"name": "RequestsPerSecond"}, "is taken by", id="one of its own"),
        pytest.param({"name": "_aws"}, "is taken by", id="the format's"),
        pytest.param({"name": "Q", "unit": ""}, "unit must be one of", id="no unit"),
    ],
)
def test_a_gauge_that_cannot_be_published_is_refused_at_once(
    time: Time, arguments: dict[str, str], problem: str
) -> None:
    publisher = a_publisher(time, Kept())

    with pytest.raises(ValueError, match=problem):
        publisher.gauge(read=lambda: 0, **arguments)  # type: ignore[arg-type]


def test_sixteen_gauges_of_the_longest_name_fit_and_a_seventeenth_is_refused(time: Time) -> None:
    kept = Kept()
    publisher = a_publisher(time, kept)
    names = [f"{n:x}" * 128 for n in range(16)]
    for name in names:
        publisher.gauge(name, lambda: -1.7976931348623157e-300, unit="Terabits/Second")
    with pytest.raises(ValueError, match="at most 16"):
        publisher.gauge("QueueLength", lambda: 0)
    publisher.gauge(names[0], lambda: 1)  # in place of the one that is there

    publisher.start()
    for _ in drive(publisher, time, 5):
        pass

    assert [len(kept.values(name)) for name in names] == [1] * 16


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param({"cluster": "a b"}, "cluster must be a name of", id="cluster"),
        pytest.param({"service": "x" * 256}, "service must be a name of", id="service"),
        pytest.param({"namespace": ":x"}, "namespace must be up to 255", id="namespace"),
        pytest.param(
            {"transport": "smoke"},
            "one of cloudwatch, logs, emf, print, off, not 'smoke'",
            id="way",
        ),
        pytest.param({"phase": 5}, "phase must be at least 0 and below 5 s, not 5", id="phase"),
    ],
)
def test_an_argument_that_cannot_be_right_is_refused_at_once(
    arguments: dict[str, object], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        Publisher(**arguments)  # type: ignore[arg-type]


def test_switched_off_it_counts_and_publishes_nothing_and_says_so(
    time: Time, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("QUICKSTEP_TRANSPORT", "off")
    caplog.set_level(logging.INFO)
    before = threading.active_count()
    publisher = Publisher(clock=time.clock)

    publisher.observe(1)
    time.pass_(5)

    assert publisher.publish() is None
    assert threading.active_count() == before
    assert [r.message for r in caplog.records] == [
        "Metrics are not published: the transport is off."
    ]


def test_the_last_requests_are_published_when_it_is_closed(time: Time) -> None:
    kept = Kept()
    publisher = a_publisher(time, kept)
    publisher.start()
    for _ in drive(publisher, time, 5):
        pass
    publisher.observe(0.25)
    time.pass_(1)

    publisher.close()
    publisher.close()

    assert kept.values("AverageResponseTime") == [Statistics(1, 250, 250, 250)]
    assert kept.values("RequestsPerSecond") == [0], "one second is too short for a rate"
    assert kept.seconds() == [4, 9]


def test_after_it_was_closed_it_starts_anew(time: Time) -> None:
    kept = Kept()
    publisher = a_publisher(time, kept)
    publisher.observe(0.1)
    publisher.close()

    publisher.observe(0.2)
    for _ in drive(publisher, time, 5):
        pass

    assert [each.count for each in kept.values("AverageResponseTime")] == [1, 1]  # type: ignore[union-attr]


# An endpoint that fails


def denied() -> None:
    raise NotPublishedError(Kind.DENIED, "CloudWatch denies PutMetricData")


THROTTLED = "CloudWatch throttles PutMetricData"


def throttled() -> None:
    raise NotPublishedError(Kind.THROTTLED, THROTTLED)


def unreachable() -> None:
    raise NotPublishedError(Kind.UNREACHABLE, "CloudWatch cannot be reached")


def buggy() -> None:
    raise RuntimeError("boom")


def test_a_point_that_was_not_accepted_is_dropped_and_the_next_one_is_of_its_own_time(
    time: Time,
) -> None:
    broken = Broken(unreachable)
    publisher = a_publisher(time, broken)
    publisher.start()

    for _ in drive(publisher, time, 10):
        publisher.count(100)
    broken.act = None
    for _ in drive(publisher, time, 5):
        publisher.count(1)

    assert broken.attempts == 3
    assert broken.kept.values("RequestsPerSecond") == [2]


@pytest.mark.parametrize(
    ("act", "attempts"),
    [
        pytest.param(unreachable, 24, id="unreachable: with every point"),
        pytest.param(throttled, 24, id="throttled: with every point"),
        pytest.param(denied, 2, id="denied: once a minute"),
        pytest.param(buggy, 24, id="a bug: with every point"),
    ],
)
def test_attempts_are_bounded(time: Time, act: Callable[[], None], attempts: int) -> None:
    broken = Broken(act)
    publisher = a_publisher(time, broken)
    publisher.start()

    for _ in drive(publisher, time, 120):
        pass

    assert broken.attempts == attempts


def test_why_nothing_is_published_is_said_once_and_so_is_the_end_of_it(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Broken(throttled)
    publisher = a_publisher(time, broken)
    publisher.start()
    caplog.set_level(logging.INFO)
    for act, seconds in ((None, 5), (throttled, 1800), (None, 60), (throttled, 60), (None, 60)):
        broken.act = act
        for _ in drive(publisher, time, seconds, step=5):
            pass

    assert [(r.levelname, r.message) for r in caplog.records] == [
        ("INFO", "Publishing metrics of prod/web in Quickstep/prod/web"),
        (
            "WARNING",
            f"Metrics are not published: {THROTTLED}. Trying again with the next point.",
        ),
        ("WARNING", "Metrics are published again; points not accepted: 360."),
    ]


@dataclass
class Endpoint:
    """An endpoint as it is in each minute of an hour; a slow one takes as long as time-outs do."""

    time: Time
    chance: random.Random

    def well(self) -> None:
        self.time.pass_(0.05)

    def down(self) -> None:
        self.time.pass_(2)
        unreachable()

    def slow(self) -> None:
        self.time.pass_(3.9)

    def hanging(self) -> None:
        self.time.pass_(17)  # a name server that does not answer heeds no time-out
        unreachable()

    def throttling(self) -> None:
        if self.chance.random() < 0.7:
            throttled()

    def flapping(self) -> None:
        self.chance.choice([self.well, self.down, throttled, buggy])()

    def denying(self) -> None:
        denied()


HOUR = [
    ("well", 5),
    ("down", 10),
    ("well", 5),
    ("slow", 10),
    ("throttling", 10),
    ("hanging", 5),
    ("flapping", 5),
    ("denying", 5),
    ("well", 5),
]


def bytes_held_by_the_publisher() -> int:
    gc.collect()
    of_the_package = [tracemalloc.Filter(True, "*/quickstep_publisher/*")]
    traces = tracemalloc.take_snapshot().filter_traces(of_the_package)
    return sum(statistic.size for statistic in traces.statistics("filename"))


def test_an_hour_with_an_endpoint_that_fails_in_every_way_harms_nothing(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Broken()
    publisher = a_publisher(time, broken)
    publisher.gauge("QueueLength", lambda: 1)
    endpoint = Endpoint(time, random.Random(1))  # noqa: S311 - test data
    counts: dict[str, int] = {}
    rates: list[float] = []
    memory = []
    said = 0
    tracemalloc.start()
    try:
        for n, (state, minutes) in enumerate(HOUR):
            broken.act = getattr(endpoint, state)
            for _ in drive(publisher, time, minutes * 60, step=0.5):
                with publisher.request():
                    pass
                publisher.observe(0.01)
            rates = [round(rate, 2) for rate in broken.kept.rates()]
            counts[f"{n} {state}"] = len(rates)
            broken.kept.points.clear()
            broken.kept.addresses.clear()
            said += len(caplog.records)
            caplog.clear()
            memory.append(bytes_held_by_the_publisher())
    finally:
        tracemalloc.stop()

    assert time.seconds >= 3600
    assert min(counts["0 well"], counts["2 well"]) >= 59, "resumes with the next point"
    assert counts["1 down"] == counts["5 hanging"] == counts["7 denying"] == 0
    assert counts["3 slow"] > 110
    assert 20 < counts["4 throttling"] < 60
    assert 5 < counts["6 flapping"] < 35
    assert counts["8 well"] >= 48, "after a denial within a minute"
    # The rate is right at once: nothing of the outage is in it. Two requests in each 0.5 s, but
    # none while the endpoint's own time passes.
    assert rates[1:] == pytest.approx([4.0] * len(rates[1:]), rel=0.05)
    # Each kind of trouble leaves the time at which it was said, and no more: what were kept of each
    # of the 720 intervals, be it 50 bytes, would be 36,000.
    assert memory[-1] - memory[0] < 10_000, f"bytes after each part of the hour: {memory}"
    assert said <= 8, "lines in the log"


# With its threads


def written(stream: io.StringIO) -> bool:
    """Wait for something to be written."""
    for _ in range(1000):
        if stream.getvalue():
            return True
        threading.Event().wait(0.01)
    return False


def test_its_thread_publishes_and_reads_gauges_by_itself(tmp_path: Path) -> None:
    stream = io.StringIO()
    # The next tick is a second away at most, and its point covers at least half an interval.
    phase = (START.now(START.tzinfo).timestamp() + 3.5) % 5
    publisher = Publisher(
        cluster="prod",
        service="web",
        transport="emf",
        stream=stream,
        directory=tmp_path,
        phase=phase,
    )
    publisher.gauge("QueueLength", lambda: 42)
    read = threading.Event()

    def see() -> float:
        read.set()
        return 1

    publisher.gauge("Read", see)

    publisher.observe(0.1)
    assert read.wait(10)
    assert written(stream)
    publisher.close()

    (document, *_) = [each for each in emf_lines(stream) if "QueueLength" in each]
    assert document["QueueLength"] == 42
    assert document["AverageResponseTime"]["Count"] == 1
    assert not [t.name for t in threading.enumerate() if t.name == "quickstep-publisher"]


def test_a_gauge_that_hangs_does_not_hold_up_the_point(tmp_path: Path) -> None:
    stream = io.StringIO()
    phase = (START.now(START.tzinfo).timestamp() + 3.5) % 5
    publisher = Publisher(
        cluster="c", service="s", transport="emf", stream=stream, directory=tmp_path, phase=phase
    )
    release, entered = threading.Event(), threading.Event()

    def hang() -> float:
        entered.set()
        return release.wait(20)

    publisher.gauge("Hangs", hang)

    publisher.count()
    assert entered.wait(10)
    assert written(stream)
    release.set()
    publisher.close()

    assert "Hangs" not in emf_lines(stream)[0]


def test_without_a_directory_to_write_to_each_process_publishes_and_says_so(
    time: Time, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = Publisher(
        cluster="c", service="s", transport=Kept(), directory=tmp_path / "missing", clock=time.clock
    )
    publisher.observe(0.1)
    publisher.close()

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "cannot add up what they count" in record.message
    assert "QUICKSTEP_DIRECTORY" in record.message


def test_a_forked_child_counts_for_itself_and_its_counts_are_not_lost(tmp_path: Path) -> None:
    stream = io.StringIO()
    publisher = Publisher(
        cluster="prod", service="web", transport="emf", stream=stream, directory=tmp_path
    )

    def count() -> None:
        publisher.observe(0.2, requests=10)
        publisher.close()

    with publisher.request():
        publisher.observe(0.1)
        forked(count)
    publisher.close()

    counted = [d["AverageResponseTime"]["Count"] for d in emf_lines(stream)]
    assert sum(counted) == 12
