"""Lines of the embedded metric format are checked as CloudWatch and the alarms read them."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstep_publisher import EmfTransport
from quickstep_publisher.check import check, main
from tests.builders import ROOT
from tests.publisher.fakes import Time, a_publisher

if TYPE_CHECKING:
    from pathlib import Path

AT = 1795341600000


def a_line(at: int = AT, value: Any = 124.0, **changes: Any) -> str:
    metric = {"Name": "RequestsPerSecond", "Unit": "Count/Second", "StorageResolution": 1}
    directive = {
        "Namespace": "Quickstep/prod/web",
        "Dimensions": [["ClusterName", "ServiceName"]],
        "Metrics": [metric],
    }
    for name, changed in changes.items():
        (metric if name in metric else directive)[name] = changed
    document = {
        "_aws": {"Timestamp": at, "CloudWatchMetrics": [directive]},
        "ClusterName": "prod",
        "ServiceName": "web",
        "RequestsPerSecond": value,
    }
    return json.dumps(document)


def test_what_the_publisher_writes_is_right_every_5_s_and_each_second() -> None:
    for seconds in (False, True):
        stream, time = io.StringIO(), Time()
        publisher = a_publisher(time, EmfTransport(stream), seconds=seconds)
        for _ in range(80):
            publisher.observe(0.1)
            time.pass_(0.5)
            publisher.publish()

        assert check(stream.getvalue().splitlines()) == []


def test_lines_of_other_kinds_are_passed_over() -> None:
    assert check(["Started", a_line(), "GET / 200", a_line(AT + 5000)]) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        pytest.param(a_line()[:-1], "not one JSON object, and nothing else, on one line", id="cut"),
        pytest.param(f"INFO {a_line()}", "not one JSON object, and nothing else", id="a prefix"),
        pytest.param(a_line(AT // 1000), "must be a whole number of milliseconds", id="in seconds"),
        pytest.param(a_line(Namespace="MyApp"), "must be 'Quickstep/prod/web'", id="namespace"),
        pytest.param(
            a_line(Dimensions=[["ClusterName", "ServiceName", "TaskId"]]),
            "a metric with others is another metric",
            id="a dimension too many",
        ),
        pytest.param(a_line(StorageResolution=60), "an alarm of 10 s cannot see it", id="coarse"),
        pytest.param(a_line(Unit="Count"), "Unit must be 'Count/Second', not 'Count'", id="unit"),
        pytest.param(a_line(value=[1, 2]), "counts as its own sample", id="a list"),
        pytest.param(a_line(value="124"), "must be a number, not '124'", id="text"),
        pytest.param(a_line(value=float("nan")), "must be a number, not nan", id="NaN"),
        pytest.param(a_line(value=-1), "must not be negative", id="negative"),
        pytest.param(a_line(Metrics=7), "Metrics must be a list, not 7", id="no list"),
    ],
)
def test_a_line_that_alarms_cannot_read_is_named_with_what_is_wrong(
    line: str, problem: str
) -> None:
    found = check([a_line(AT - 5000), line])

    assert [each.line for each in found] == [2]
    assert problem in found[0].message


@pytest.mark.parametrize(
    ("times", "problem"),
    [
        pytest.param([0, 60, 120], "lines are 60 s apart", id="each minute"),
        pytest.param([0, 5, 5, 10], "line 3: is a second value for its second", id="twice"),
        pytest.param([0, 5, 10, 8], "line 4: is older than the line before", id="back"),
    ],
)
def test_lines_have_to_come_in_time(times: list[int], problem: str) -> None:
    found = check([a_line(AT + 1000 * second) for second in times])

    assert any(problem in str(each) for each in found)


def test_without_the_metric_that_alarms_watch_nothing_is_right() -> None:
    assert [str(each) for each in check(["Started"])] == [
        "no line has RequestsPerSecond: the alarms see nothing"
    ]


@given(st.lists(st.recursive(st.none() | st.integers() | st.text(), st.lists), max_size=3))
def test_whatever_json_stands_there_the_check_ends_with_what_is_wrong(values: list[Any]) -> None:
    for value in values:
        for name in ("Namespace", "Dimensions", "Metrics", "Name", "Unit"):
            check([a_line(**{name: value})])
        check([json.dumps({"_aws": {"CloudWatchMetrics": value, "Timestamp": value}})])


def test_the_command_says_what_is_wrong_and_its_code_does_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text(f"{a_line()}\n", encoding="utf-8")
    wrong.write_text(f"{a_line(Unit='Count')}\n", encoding="utf-8")

    assert main([str(right)]) == 0
    assert main([str(wrong)]) == 1
    assert capsys.readouterr().out == (
        "These lines are right.\n"
        "line 1: RequestsPerSecond: Unit must be 'Count/Second', not 'Count'\n"
    )


def test_the_line_in_the_documents_is_right() -> None:
    text = (ROOT / "docs" / "other-languages.md").read_text(encoding="utf-8")
    example = text.split("```json\n")[1].split("```")[0]

    assert check([" ".join(example.split())]) == []
