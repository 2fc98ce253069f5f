"""What the demo invites to: every line can be pasted, and every command exists."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

from quickstep_cli.invitation import exports, invitation
from quickstep_cli.main import COMMANDS
from quickstep_lab.service_model import Load
from quickstep_lab.snapshot import Snapshot
from tests.builders import WEB

AT = datetime(2026, 11, 22, 10, 0, 22, tzinfo=UTC)


def a_snapshot(*outcomes: str) -> Snapshot:
    load = Load(750.0, 375.0, 300.0, 450.0, (1, 2))
    decisions = tuple({"outcome": outcome} for outcome in outcomes)
    return Snapshot(21, AT, load, 2, 2, 0, None, (), decisions)


def lines() -> list[str]:
    shots = [a_snapshot("HELD_NOT_BREACHING"), a_snapshot("SCALED_OUT")]
    return invitation("/a clone/quickstep", WEB, "http://127.0.0.1:4566", shots)


def test_each_command_that_is_to_be_pasted_exists() -> None:
    pasted = [shlex.split(line) for line in lines() if line.startswith("  ")]
    assert [words[0] for words in pasted] == ["export", *["/a clone/quickstep"] * 4]
    named = [words[1] for words in pasted[1:]]
    assert named == ["why", "pause", "resume", "override"]
    assert set(named) <= COMMANDS.keys()


def test_a_shell_is_pointed_at_the_embedded_aws_and_at_no_account() -> None:
    assert exports("http://127.0.0.1:4566") == (
        "export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=us-east-1 "
        "AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo"
    )


def test_it_asks_why_at_the_first_change_of_capacity_on_this_machine_s_clock() -> None:
    assert f"  '/a clone/quickstep' why prod/web --at {AT.astimezone():%H:%M:%S}" in lines()
