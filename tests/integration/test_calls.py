"""What evaluations call, write and log is what the cost model goes by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.calls import as_text, count_all
from benchmarks.rehearsal import emf_metrics
from quickstep_lab.cost.counts import Counted, read_counts


def without_times(counted: Counted) -> Counted:
    """Return the counts alone: times are another machine's."""
    cases = {case: replace(counts, milliseconds=0.0) for case, counts in counted.cases.items()}
    return replace(counted, cases=cases)


def test_the_counts_are_those_of_the_functions_as_they_are() -> None:
    assert without_times(read_counts()) == count_all(), "run: python -m benchmarks.calls"


def test_the_file_of_counts_is_what_is_written() -> None:
    counted = read_counts()

    assert read_counts(as_text(counted)) == counted


@pytest.mark.parametrize(
    ("line", "metrics"),
    [
        pytest.param('{"message": "nothing"}', [], id="a plain line"),
        pytest.param(
            '{"_aws": {"CloudWatchMetrics": [{"Dimensions": [["ResourceId"], ["Outcome"]],'
            ' "Metrics": [{"Name": "A"}, {"Name": "B"}]}]}, "ResourceId": "x", "Outcome": "O"}',
            ["A ResourceId", "B ResourceId", "A Outcome=O", "B Outcome=O"],
            id="several metrics, by several dimensions",
        ),
        pytest.param(
            '{"_aws": {"CloudWatchMetrics": [{"Dimensions": [[]], "Metrics": [{"Name": "A"}]}]}}',
            ["A"],
            id="without dimensions",
        ),
    ],
)
def test_the_metrics_of_a_log_line(line: str, metrics: list[str]) -> None:
    assert list(emf_metrics(line)) == metrics
