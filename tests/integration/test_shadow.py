"""`quickstep shadow` on the embedded AWS; what it makes of it is in `test_shadowing.py`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.fields import write_moment
from quickstep_lab.embedded_aws import TABLE, put_policy
from tests.builders import WEB
from tests.command_line import terminal
from tests.integration.aas import AutoScaling, acting
from tests.integration.commands import printed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep_lab.embedded_aws import Account

NOW = datetime.now(UTC).replace(microsecond=0)
LONG = "request-rate: 960 requests/s need 10 tasks at 100 each, " * 4 + "which is the end of it"


@pytest.fixture
def aas(account: Account) -> Iterator[AutoScaling]:
    """AAS beside a dry run on CPU, of which nothing can be simulated from requests."""
    document = {
        "ResourceId": "service/prod/web",
        "MinCapacity": 2,
        "MaxCapacity": 40,
        "TargetTrackingPolicies": {"cpu": {"TargetValue": 60}},
        "DryRun": True,
    }
    put_policy(account, WEB, json.dumps(document))
    with acting(account) as scaling:
        yield scaling


def put_record(account: Account, age: timedelta, before: int, to: int, reason: str) -> None:
    at = write_moment(NOW - age)
    account.client("dynamodb").put_item(
        TableName=TABLE,
        Item={
            "pk": {"S": WEB.resource_id},
            "sk": {"S": f"decision#{at}#{to}"},
            "at": {"S": at},
            "outcome": {"S": "WOULD_SCALE"},
            "from": {"N": str(before)},
            "granted": {"N": str(to)},
            "reason": {"S": reason},
            "trigger": {"M": {"kind": {"S": "re-check"}}},
        },
    )


def test_the_table_is_never_cut(account: Account, aas: AutoScaling, run: Any) -> None:
    put_record(account, timedelta(hours=1), 4, 10, LONG)
    aas.scale(NOW - timedelta(minutes=55), 6)

    result = run("shadow", "prod/web", **terminal(40))

    assert result.exit_code == 0, result.output
    assert "…" not in result.stdout
    folded = " ".join(result.stdout.split())
    assert LONG in folded
    assert (
        "In 24h Quickstep would have scaled out in 1 surge, up to 10 tasks; Application Auto "
        "Scaling followed in 1 of them, 300 s later (median), up to 6 tasks; scale-ins: 0 by "
        "Quickstep, 0 by Application Auto Scaling. Not simulated on the recorded load: only the "
        "tasks' RequestsPerSecond says how many requests there were."
    ) in folded


def test_as_json_it_has_every_change_and_every_surge(
    account: Account, aas: AutoScaling, run: Any
) -> None:
    put_record(account, timedelta(hours=1), 4, 10, "a surge")
    aas.scale(NOW - timedelta(minutes=55), 6)

    found = printed(run("shadow", "prod/web", "--json"))

    assert found["changes"] == [
        {
            "at": write_moment(NOW - timedelta(hours=1)),
            "who": "Quickstep",
            "from": 4,
            "to": 10,
            "until": None,
            "why": "a surge",
        },
        {
            "at": write_moment(NOW - timedelta(minutes=55)),
            "who": "AAS",
            "from": 4,
            "to": 6,
            "until": None,
            "why": "policy cpu-60",
        },
    ]
    assert found["surges"] == [
        {
            "at": write_moment(NOW - timedelta(hours=1)),
            "quickstep": 10,
            "aas": 6,
            "aas_later_s": 300,
        }
    ]


def test_what_is_older_is_left_out(account: Account, aas: AutoScaling, run: Any) -> None:
    put_record(account, timedelta(hours=3), 4, 10, "long ago")
    aas.scale(NOW - timedelta(hours=2), 6)

    assert printed(run("shadow", "prod/web", "--since", "1h", "--json"))["changes"] == []


@pytest.mark.usefixtures("aas")
def test_where_nothing_was_decided_it_says_so(run: Any) -> None:
    result = run("shadow", "prod/web")

    assert (
        "In 24h Quickstep would not have scaled out, and Application Auto Scaling did 0 times; "
        "scale-ins: 0 by Quickstep, 0 by Application Auto Scaling.\nNo decision was recorded. "
        "If an alarm was in breach, `quickstep doctor` says why.\n"
    ) in result.stdout


def test_what_is_no_dry_run_is_said_to_be_none(run: Any) -> None:
    result = run("shadow", "prod/web")  # the fixture's own document, without AAS's activities

    assert "This is not a dry run: Quickstep made these changes.\n" in result.stdout


@pytest.mark.parametrize("since", ["soon", "0s"])
def test_a_span_that_is_none_is_refused(run: Any, since: str) -> None:
    assert run("shadow", "prod/web", "--since", since).exit_code == 2
