"""`results/`: what people sent is shown only if it can be checked, and nothing of theirs leaks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from docs.results import MOST_BYTES, NONE, RESULTS, ResultError, problems_of, read, shown
from quickstep_lab.prove.plan import Contender, Plan
from quickstep_lab.prove.result import Result, Surge, document

if TYPE_CHECKING:
    from pathlib import Path

NAME = "2026-12-24-eu-west-1-nightly.json"
SECONDS = "Seconds to `UpdateService` | Seconds to capacity"
PLAN, START = Plan(), datetime(2026, 12, 24, 10, tzinfo=UTC)


def surge(start: datetime, service: Contender, update: float, running: float | None) -> Surge:
    overloaded = PLAN.overloads(start)[0]
    return Surge(
        service=service,
        number=0,
        overloaded=overloaded,
        update=overloaded + timedelta(seconds=update),
        last_running=None if running is None else overloaded + timedelta(seconds=running),
        before=2,
        after=6,
    )


def measured(start: datetime = START, region: str = "eu-west-1", where: str = "aws") -> Any:
    """Return what a proof wrote that Quickstep answered, and AWS's own scaler not in time."""
    surges = (
        surge(start, Contender.TRACKING, 88.0, None),
        surge(start, Contender.ALARM, 17.2, 55.0),
    )
    proof = Result(
        quickstep="0.1.0", where=where, region=region, start=start, plan=PLAN, surges=surges
    )
    return document(proof)


def sent(folder: Path, content: Any = None, name: str = NAME, **more: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps({**more, **(content or measured())}, indent=1), encoding="utf-8")
    return path


def test_every_file_that_is_there_passes_the_check() -> None:
    for path in sorted(RESULTS.glob("*.json")):
        read(path)


def test_an_empty_folder_is_said_to_be_one(tmp_path: Path) -> None:
    assert shown(tmp_path) == NONE


def test_results_are_shown_newest_first_with_a_row_for_each_scaler(tmp_path: Path) -> None:
    later = measured(datetime(2027, 1, 2, 10, tzinfo=UTC), "us-east-1")
    sent(tmp_path)
    sent(tmp_path, later, "2027-01-02-us-east-1-mine.json")

    assert shown(tmp_path).splitlines() == [
        f"| Measured | Region | Version | Surges | Scaler | {SECONDS} |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| [{day}](../results/{name}) | {region} | 0.1.0 | 1 | {scaler} |"
            for day, name, region in (
                ("2027-01-02", "2027-01-02-us-east-1-mine.json", "us-east-1"),
                ("2026-12-24", NAME, "eu-west-1"),
            )
            for scaler in (
                "`aas-target-tracking-20s` | 88.0 | never",
                "`quickstep-alarm` | 17.2 | 55.0",
            )
        ),
    ]


def altered() -> Any:
    content = measured()
    content["surges"][1]["update"] = content["surges"][1]["last_running"]
    return content


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(
            measured(where="emulator"),
            "was measured on emulator, and only AWS counts here",
            id="no AWS",
        ),
        pytest.param(altered(), "digest: must be that of the raw data", id="one timestamp"),
    ],
)
def test_a_proof_is_refused_that_is_not_as_it_was_measured_on_aws(
    tmp_path: Path, content: Any, why: str
) -> None:
    with pytest.raises(ResultError) as refused:
        read(sent(tmp_path, content))

    assert str(refused.value).startswith(f"results/{NAME}: {why}")


@pytest.mark.parametrize(
    ("name", "more", "why"),
    [
        pytest.param(
            "mine.json", {}, "must be called <day>-<Region>-<anything>.json", id="another name"
        ),
        pytest.param(
            "2026-12-25-eu-west-1-nightly.json",
            {},
            "was measured on 2026-12-24 in eu-west-1, which its name must say",
            id="another day",
        ),
        pytest.param(
            "2026-12-24-us-east-1-nightly.json",
            {},
            "was measured on 2026-12-24 in eu-west-1, which its name must say",
            id="another Region",
        ),
        pytest.param(
            NAME,
            {"account": "123456789012"},
            "must not have an account number: line 2",
            id="an account number",
        ),
        pytest.param(
            NAME,
            {"cluster": "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:cluster/prod"},
            "must not have an account number: line 2; must not have an ARN: line 2",
            id="an ARN",
        ),
        pytest.param(
            NAME, {"task": "10.0.31.7"}, "must not have an IP address: line 2", id="an address"
        ),
        pytest.param(
            NAME,
            {"filler": "x" * MOST_BYTES},
            "must have at most 1,000,000 bytes, not 1,0",
            id="too large",
        ),
    ],
)
def test_a_file_is_refused_that_breaks_a_rule(
    tmp_path: Path, name: str, more: dict[str, Any], why: str
) -> None:
    path = sent(tmp_path, None, name, **more)

    with pytest.raises(ResultError) as refused:
        read(path)

    assert str(refused.value).startswith(f"results/{name}: {why}")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("[]", "must be a JSON object", id="a list"),
        pytest.param(
            "{", "must be JSON: Expecting property name enclosed in double quotes: line 1 column 2 "
            "(char 1)", id="cut off",
        ),
    ],
)  # fmt: skip
def test_what_is_no_object_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / NAME
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ResultError) as refused:
        read(path)

    assert str(refused.value) == f"results/{NAME}: {why}"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(1_766_577_600_123, id="a time in milliseconds"),
        pytest.param(1_766_577_600.123456, id="a time in seconds"),
        pytest.param("2026-12-24T12:00:00.123456Z", id="a time"),
        pytest.param("1.2.3", id="a version"),
    ],
)
def test_figures_are_not_taken_for_something_private(value: Any) -> None:
    assert list(problems_of(json.dumps({**measured(), "value": value}))) == []
