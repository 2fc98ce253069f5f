"""The local page over HTTP: what it answers, to whom, and what a stream carries."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from quickstep.engine.outcome import Outcome
from quickstep.report.dashboard.material import Material, read_entries
from quickstep.report.dashboard.view import Look
from quickstep_lab.page.app import LOOK_SECONDS, read_look
from quickstep_lab.page.feed import Feed
from quickstep_lab.page.server import open_in_browser, serving
from tests.builders import NOW, WEB, a_scale_out_record, ago
from tests.dashboard_html import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def material(*reasons: str) -> Material:
    records = [
        a_scale_out_record(f"decision-{n}", ago(n)).as_dict | {"reason": reason}
        for n, reason in enumerate(reasons)
    ]
    entries, _ = read_entries(records)
    return Material(WEB.resource_id, ago(600), NOW, entries)


@pytest.fixture
def feed() -> Feed:
    return Feed(lambda: material("the first"))


@pytest.fixture
def url(feed: Feed) -> Iterator[str]:
    with serving(feed) as served:
        yield served


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str


def get(url: str, path: str, method: str = "GET", **headers: str) -> Answer:
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.headers.items()), answer.read().decode())


class Stream:
    """Server-sent events, one by one."""

    def __init__(self, url: str, path: str, headers: Mapping[str, str]) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
        self.connection.request("GET", path, headers=dict(headers))
        self.answer = self.connection.getresponse()
        assert self.answer.headers["content-type"].startswith("text/event-stream")

    def close(self) -> None:
        self.answer.close()
        self.connection.close()

    def event(self) -> tuple[int, dict[str, Any]] | None:
        fields: dict[str, str] = {}
        while line := self.answer.readline().decode():
            if line == "\n":
                if "data" in fields:
                    return int(fields["id"]), json.loads(fields["data"])
                continue
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value
        return None


OpenStream = Callable[..., Stream]


@pytest.fixture
def open_stream() -> Iterator[OpenStream]:
    """Open a stream: `open_stream(url, path, **headers)`."""
    with ExitStack() as stack:

        def open_one(url: str, path: str = "/events", **headers: str) -> Stream:
            return stack.enter_context(closing(Stream(url, path, headers)))

        yield open_one


def test_the_page_is_whole_without_its_script(url: str) -> None:
    answer = get(url, "/")
    page = parse(answer.text)

    assert answer.status == 200
    assert "the first" in page.text("span")
    assert [a["href"] for tag, a in page.elements if tag == "a"] == [
        "?open=decision-0#decision-decision-0",
        "/",
        "?all=1",
        "?outcome=SCALED_OUT",
    ]


def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(url: str) -> None:
    answer = get(url, "/")
    policy = answer.headers["content-security-policy"]
    page = parse(answer.text)
    addresses = [
        a.get("src") or a.get("href") for _, a in page.elements if {"src", "href"} & a.keys()
    ]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not [address for address in addresses if "//" in str(address)]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/events", "/page.js"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:80", ""])
def test_a_name_that_is_not_this_machine_s_is_refused(url: str, path: str, host: str) -> None:
    assert get(url, path, Host=host).status == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:1234"])
def test_this_machine_s_own_names_are_answered(url: str, host: str) -> None:
    assert get(url, "/page.js", Host=host).status == 200


def test_it_listens_on_loopback_only(url: str) -> None:
    assert urlsplit(url).hostname == "127.0.0.1"


@pytest.mark.parametrize("path", ["/secret", "/../pyproject.toml", "/page.js/..", "/events/x"])
def test_there_is_nothing_else(url: str, path: str) -> None:
    assert get(url, path).status == 404


def test_nothing_can_be_changed(url: str) -> None:
    assert {get(url, "/", method).status for method in ("POST", "PUT", "DELETE")} == {405}


def test_a_stream_begins_with_everything_and_goes_on_with_each_edition(
    url: str, feed: Feed, open_stream: OpenStream
) -> None:
    stream = open_stream(url)
    number, first = stream.event() or (0, {})
    feed.publish(lambda: material("the second", "the first"))
    following, second = stream.event() or (0, {})

    assert following == number + 1
    assert "the second" not in first["parts"]["rows"]
    assert "the second" in second["parts"]["rows"]


def test_a_tab_that_comes_back_gets_what_it_has_missed_at_once(
    url: str, feed: Feed, open_stream: OpenStream
) -> None:
    number, _ = open_stream(url).event() or (0, {})
    feed.publish(lambda: material("missed", "the first"))
    feed.publish(lambda: material("missed, too", "missed", "the first"))
    caught_up, data = open_stream(url, **{"Last-Event-ID": str(number)}).event() or (0, {})

    assert caught_up == number + 2
    assert "missed, too" in data["parts"]["rows"]


def test_a_tab_that_has_missed_nothing_gets_nothing_until_there_is_more(
    url: str, feed: Feed, open_stream: OpenStream
) -> None:
    number, _ = open_stream(url).event() or (0, {})
    stream = open_stream(url, **{"Last-Event-ID": str(number)})
    feed.publish(lambda: material("news"))

    assert (stream.event() or (0, {}))[0] == number + 1


@pytest.mark.parametrize("last", ["", "x", "-1", "9" * 30, "\u0661"])
def test_a_last_event_that_makes_no_sense_is_as_if_there_were_none(
    url: str, last: str, open_stream: OpenStream
) -> None:
    headers = {"Last-Event-ID": last.encode("utf-8").decode("latin-1")}

    assert open_stream(url, **headers).event()


def test_the_last_edition_ends_the_stream(url: str, feed: Feed, open_stream: OpenStream) -> None:
    stream = open_stream(url)
    stream.event()
    feed.end()
    _, last = stream.event() or (0, {})

    assert last["live"] is False
    assert "live" not in parse(last["parts"]["head"]).text("span")
    assert stream.event() is None


def test_open_streams_do_not_keep_the_server_from_ending(open_stream: OpenStream) -> None:
    feed = Feed(lambda: material("the first"))
    with serving(feed) as url:
        stream = open_stream(url)
        stream.event()

    assert stream.event() is not None, "it is told that this was the end"
    assert stream.event() is None
    with pytest.raises(OSError, match="refused"):
        get(url, "/")


def test_a_stream_shows_what_its_viewer_has_chosen(url: str, open_stream: OpenStream) -> None:
    path = "/events?outcome=SCALED_IN&zone=Asia/Seoul&width=600"
    _, data = open_stream(url, path).event() or (0, {})

    assert "No decision with this outcome." in data["parts"]["rows"]
    assert "UTC+9" in data["parts"]["head"]
    assert 'width="600"' in data["parts"]["chart"]


def test_a_taken_port_is_refused() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(OSError, match="Address already in use"),
            serving(Feed(material), port),
        ):
            pytest.fail("it must not be served")


@pytest.mark.parametrize(
    "query",
    [
        {"outcome": "SIDEWAYS"},
        {"page": "0"},
        {"page": "-1"},
        {"page": "1e3"},
        {"page": "9" * 99},
        {"page": "\u0661"},
        {"width": "wide"},
        {"zone": "Middle/Earth"},
        {"zone": "../../etc/passwd"},
        {"zone": "Europe"},
        {"all": "yes"},
    ],
    ids=str,
)
def test_a_look_that_makes_no_sense_is_the_standard_one(query: dict[str, str]) -> None:
    assert read_look(query) == Look()


@pytest.mark.parametrize(
    ("language", "title"), [("ko-KR,ko;q=0.9,en;q=0.8", "결정"), ("en,ko;q=0.9", "Decisions")]
)
def test_the_page_and_its_stream_are_in_the_language_that_the_browser_prefers(
    url: str, open_stream: OpenStream, language: str, title: str
) -> None:
    answer = get(url, "/", **{"accept-language": language})
    event = open_stream(url, **{"accept-language": language}).event()

    assert event is not None
    assert parse(answer.text).text("h2") == title
    assert parse(event[1]["parts"]["filters"]).text("h2") == title


def test_a_look_that_makes_sense_is_taken() -> None:
    given = {"outcome": "SCALED_OUT", "page": "2", "width": "375", "zone": "Europe/Berlin"}
    look = read_look({**given, "all": "1", "open": "decision-1"})

    assert replace(look, zone=Look().zone) == Look(
        Outcome.SCALED_OUT, 2, 375, everything=True, opened="decision-1"
    )
    assert str(look.zone) == "Europe/Berlin"


def test_a_stream_looks_often_enough_for_a_decision_to_appear_in_2_s() -> None:
    """The demo publishes once a second; the rest is the stream's and the browser's."""
    assert 1 + LOOK_SECONDS < 2


def test_without_a_window_no_browser_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")

    assert open_in_browser("http://127.0.0.1:1/") is False
