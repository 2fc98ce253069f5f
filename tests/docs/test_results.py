"""`results/`: what people sent is shown only if it can be checked, and nothing of theirs leaks."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from docs.results import CHECK, MOST_BYTES, NONE, RESULTS, Result, ResultError, Seconds, read, shown
from quickstep_lab.prove.plan import Contender, Plan
from quickstep_lab.prove.result import Result as Proof
from quickstep_lab.prove.result import Surge, document

if TYPE_CHECKING:
    from pathlib import Path

NAME = "2026-12-24-eu-west-1-nightly.json"
SECONDS = "Seconds to `UpdateService` | Seconds to capacity"
PLAN, START = Plan(), datetime(2026, 12, 24, 10, tzinfo=UTC)
MEASURED = {"day": "2026-12-24", "region": "eu-west-1"}


def checked(text: str) -> Result:
    """Stand for the check of a format: a file's own day, Region and figures."""
    told = json.loads(text)
    if "wrong" in told:
        raise ResultError(f"{told['wrong']} does not follow from the timestamps")
    scalers = {"quickstep": Seconds(17.25, 55.0), "aas-target-tracking-20s": Seconds(88.0, None)}
    return Result(date.fromisoformat(told["day"]), told["region"], "0.1.0", 3, scalers)


def sent(folder: Path, name: str = NAME, **more: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps({**MEASURED, **more}, indent=1), encoding="utf-8")
    return path


def test_every_file_that_is_there_passes_the_check() -> None:
    for path in sorted(RESULTS.glob("*.json")):
        read(path, CHECK)


def test_an_empty_folder_is_said_to_be_one(tmp_path: Path) -> None:
    assert shown(tmp_path, checked) == NONE


def test_results_are_shown_newest_first_with_a_row_for_each_scaler(tmp_path: Path) -> None:
    sent(tmp_path)
    sent(tmp_path, "2027-01-02-us-east-1-mine.json", day="2027-01-02", region="us-east-1")

    assert shown(tmp_path, checked).splitlines() == [
        f"| Measured | Region | Version | Surges | Scaler | {SECONDS} |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| [{day}](../results/{name}) | {region} | 0.1.0 | 3 | {scaler} |"
            for day, name, region in (
                ("2027-01-02", "2027-01-02-us-east-1-mine.json", "us-east-1"),
                ("2026-12-24", NAME, "eu-west-1"),
            )
            for scaler in (
                "`quickstep` | 17.2 | 55.0",
                "`aas-target-tracking-20s` | 88.0 | never",
            )
        ),
    ]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        pytest.param({}, "", id="as it was measured"),
        pytest.param(
            {"where": "emulator"}, "was measured on emulator, and only AWS counts here", id="no AWS"
        ),
        pytest.param({"altered": True}, "digest: must be that of the raw data", id="one timestamp"),
    ],
)
def test_a_proof_s_file_is_shown_as_it_was_measured_on_aws(
    changed: dict[str, Any], why: str
) -> None:
    moments = PLAN.overloads(START)
    surge = Surge(
        service=Contender.ALARM,
        number=0,
        overloaded=moments[0],
        update=moments[0] + timedelta(seconds=17.2),
        last_running=moments[0] + timedelta(seconds=55),
        before=2,
        after=6,
    )
    proof = Proof(
        quickstep="0.1.0",
        where=changed.get("where", "aws"),
        region="eu-west-1",
        start=START,
        plan=PLAN,
        surges=(surge,),
    )
    told = document(proof)
    if changed.get("altered"):
        told["surges"][0]["update"] = told["surges"][0]["last_running"]

    if why:
        with pytest.raises(ResultError) as refused:
            CHECK(json.dumps(told))
        assert str(refused.value).startswith(why)
    else:
        shown_of = {Contender.ALARM.value: Seconds(17.2, 55.0)}
        assert CHECK(json.dumps(told)) == Result(START.date(), "eu-west-1", "0.1.0", 1, shown_of)


@pytest.mark.parametrize(
    ("name", "more", "why"),
    [
        pytest.param(
            NAME,
            {"wrong": "visible_s"},
            "visible_s does not follow from the timestamps",
            id="a figure that was altered",
        ),
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
            "must not have an account number: line 4",
            id="an account number",
        ),
        pytest.param(
            NAME,
            {"cluster": "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:cluster/prod"},
            "must not have an account number: line 4; must not have an ARN: line 4",
            id="an ARN",
        ),
        pytest.param(
            NAME, {"task": "10.0.31.7"}, "must not have an IP address: line 4", id="an address"
        ),
        pytest.param(
            NAME,
            {"filler": "x" * MOST_BYTES},
            f"must have at most 1,000,000 bytes, not {MOST_BYTES + 63:,}",
            id="too large",
        ),
    ],
)
def test_a_file_is_refused_that_breaks_a_rule(
    tmp_path: Path, name: str, more: dict[str, Any], why: str
) -> None:
    path = sent(tmp_path, name, **more)

    with pytest.raises(ResultError) as refused:
        read(path, checked)

    assert str(refused.value) == f"results/{name}: {why}"


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
        read(path, checked)

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
def test_figures_are_not_taken_for_something_private(tmp_path: Path, value: Any) -> None:
    read(sent(tmp_path, value=value), checked)
