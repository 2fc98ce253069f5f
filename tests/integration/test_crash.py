"""An instance of the function is killed in the middle of an evaluation, and the next one recovers.

It is a process of its own, and dies by SIGKILL: nothing of it can clean up.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from quickstep.alarms.known import KnownAlarm
from quickstep.engine.model import AlarmState, ScalingActivity
from quickstep.engine.outcome import Outcome
from quickstep.loop.cycle import LEASE
from quickstep.protocol.counts import Counts
from quickstep.protocol.memory import Memory
from quickstep.protocol.messages import Heartbeat, Heartbeats, Message, write_message
from quickstep_lab.embedded_aws import Account, create_queue, put_policy
from tests.builders import HIGH, NOW, ROOT, WEB, a_document, a_lease, a_record
from tests.integration.doomed import STOPPED
from tests.integration.scene import (
    NO_GUARDS,
    a_door,
    an_event,
    at,
    on_call,
    outcomes,
    remembered,
    scale_out_policy,
    targets_of,
    tasks,
)

if TYPE_CHECKING:
    from quickstep.loop.door import Door

START_UP = 30.0  # seconds
ALARMED = NOW - timedelta(seconds=0.2)
EVENT = an_event(ALARMED)
AFTER_THE_LEASE = NOW + LEASE + timedelta(seconds=5)
DOCUMENT = json.dumps(
    a_document(
        Guards=NO_GUARDS, ScaleOutPolicies={HIGH: scale_out_policy(2, 60)}, ScaleInPolicies={}
    )
)


@pytest.fixture
def survivor(account: Account) -> Door:
    """The instance that goes on; the target has been looked at before."""
    put_policy(account, WEB, DOCUMENT)
    targets = targets_of(account)
    targets.claim(WEB.resource_id, a_lease(since=NOW - 4 * LEASE))
    targets.commit("me", Memory(counts=Counts(4)), a_record("earlier", Outcome.HELD_NOT_BREACHING))
    return a_door(account, create_queue(account), lambda: AFTER_THE_LEASE)


def kill_at(account: Account, where: str, call: str) -> None:
    """Have the event evaluated in a process, and kill that at the call."""
    arguments = [account.endpoint_url, create_queue(account), NOW.isoformat(), where, call]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "tests.integration.doomed", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([".", "layers/core", "lab", "publisher/src"]),
        },
    )
    with process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(EVENT).encode())
        process.stdin.close()
        said, _, _ = select.select([process.stdout], [], [], START_UP)
        stopped = process.stdout.readline() if said else b""
        process.kill()
        assert process.wait(START_UP) == -signal.SIGKILL
    assert stopped == STOPPED


def again(door: Door, what: str) -> list[str]:
    """Deliver what may come first after the crash; return how its evaluation ends."""
    described = KnownAlarm(AlarmState.ALARM, ALARMED, None)
    heartbeat = json.dumps(write_message(Message(Heartbeats((Heartbeat(WEB, {HIGH: described}),)))))
    newer = an_event(AFTER_THE_LEASE - timedelta(seconds=0.2))
    records = {
        "the same event": lambda: door.on_event(EVENT),
        "a newer datapoint": lambda: door.on_event(newer),
        "the heartbeat": lambda: door.on_message(heartbeat),
    }[what]()
    return [str(record.outcome) for record in records]


@pytest.mark.parametrize(
    ("first", "outcome"),
    [
        ("the same event", "HELD_NO_DATA"),
        ("a newer datapoint", "HELD_COOLDOWN"),
        ("the heartbeat", "HELD_NO_DATA"),
    ],
)
def test_a_change_whose_author_was_killed_before_its_commit_is_adopted(
    first: str, outcome: str, account: Account, survivor: Door
) -> None:
    changes: list[str] = []
    on_call(survivor, "before-call", "UpdateService", lambda: changes.append("again"))

    kill_at(account, "after-call", "UpdateService")

    assert (tasks(account), remembered(account)[0].desired) == (6, 4)
    just_before = NOW + LEASE - timedelta(seconds=1)
    assert again(at(survivor, lambda: just_before), "the same event") == ["LOST_RACE"]
    assert again(survivor, first) == ["RECOVERED", outcome]
    assert again(survivor, "the same event") != ["SCALED_OUT"]
    memory, lease = remembered(account)
    assert (tasks(account), memory.desired, lease) == (6, 6, None)
    assert memory.state.scale_out == ScalingActivity(NOW.replace(microsecond=500_000), 4, 6)
    assert outcomes(account).count("RECOVERED") == 1
    assert changes == []


@pytest.mark.parametrize(
    ("where", "call", "outcome", "recorded"),
    [
        pytest.param(
            "after-call",
            "UpdateItem",
            "SCALED_OUT",
            ["HELD_NOT_BREACHING", "SCALED_OUT"],
            id="after its claim",
        ),
        pytest.param(
            "before-call",
            "UpdateService",
            "RECOVERED",
            ["HELD_NOT_BREACHING", "RECOVERED"],
            id="before its change",
        ),
        pytest.param(
            "after-call",
            "TransactWriteItems",
            "IGNORED_DUPLICATE",
            ["HELD_NOT_BREACHING", "IGNORED_DUPLICATE", "SCALED_OUT"],
            id="after its commit",
        ),
    ],
)
def test_an_event_whose_evaluation_was_killed_is_answered_once(
    where: str, call: str, outcome: str, recorded: list[str], *, account: Account, survivor: Door
) -> None:
    kill_at(account, where, call)

    assert again(survivor, "the same event") == [outcome]

    memory, lease = remembered(account)
    assert (tasks(account), memory.desired, lease) == (6, 6, None)
    assert sorted(outcomes(account)) == recorded
