"""A whole proof on the emulator, with planted clocks: all of them are found again.

`quickstep prove --run` makes its stack, with all five services, and watches them. Their tasks run
the load of their own task definitions; the deployed scaler, its queues and its events answer for
three of them, the lab's models of Application Auto Scaling, by the policies that the stack
declares, for two. It takes two minutes of real time, so it is asked for:

    QUICKSTEP_PROOF=1 make emulator ARGS="-k prove"
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from quickstep.naming import ServiceName
from quickstep_cli import prove_run
from quickstep_cli.main import app
from quickstep_lab.prove.clocks import measured
from quickstep_lab.prove.plan import Contender, Plan
from quickstep_lab.prove.result import Result, Surge, document
from quickstep_lab.prove.watch import POLL_SECONDS
from tests.emulator.played import Planted, surroundings
from tests.emulator.proof_scene import left_behind, on
from tests.emulator.scene import decisions
from tests.emulator.server import START_UP

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emulator.server import Stack

pytestmark = pytest.mark.skipif(
    "QUICKSTEP_PROOF" not in os.environ, reason="it takes minutes: QUICKSTEP_PROOF=1 runs it"
)

PLAN = Plan(surges=1, warm=40, surge=80, rest=1, set_up=10)
PLANTED = Planted()
FELT = 2.0
"""Seconds after which a task's load feels a surge, publishes it, and asks for a look."""
VISIBILITY = {10: FELT + PLANTED.visibility, 20: 20 + PLANTED.cpu}
"""Seconds from the first overloaded second until its datapoint of a period can be read."""
EVALUATED = dict.fromkeys((Contender.STEP, Contender.ALARM, Contender.SURGE), 10 + PLANTED.phase)
EVALUATED |= {Contender.CPU: 20 + PLANTED.phase, Contender.TRACKING: 60 + PLANTED.phase}
"""Seconds until the evaluation that sees an alarm's periods: three of 20 s for target tracking."""
EVENT = {one: EVALUATED[one] + PLANTED.event for one in Contender} | {
    Contender.SURGE: FELT + PLANTED.message
}
"""Seconds until the function begins, or AAS acts."""
WANTED = {
    Contender.TRACKING: 4,  # two tasks at 100 % CPU of 60 %
    Contender.STEP: 6,  # the step from 100 over the target: four more
    Contender.ALARM: 6,
    Contender.SURGE: 6,
    Contender.CPU: 4,
}


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof's result, what was said meanwhile, and what it has left behind."""

    result: Result
    said: list[str]
    left: dict[str, list[str]]

    def of(self, contender: Contender) -> Surge:
        """Return the surge of a service."""
        (surge,) = (one for one in self.result.surges if one.service is contender)
        return surge


@pytest.fixture(scope="module")
def proof(stack: Stack) -> Proof:
    """Carry out a proof of one surge of all five services."""
    account, said = stack.account, []
    with surroundings(account, prove_run.NAME, PLANTED) as around:

        def say(line: str) -> None:
            said.append(line)
            if "deleting the stack" in line:
                around.over.set()

        result = prove_run.run(
            on(account.endpoint_url),
            PLAN,
            tuple(Contender),
            "emulator",
            say,
            deadline=timedelta(minutes=10),
        )
    return Proof(result, said, left_behind(account))


def test_a_proof_is_carried_out_and_leaves_nothing(proof: Proof) -> None:
    assert {surge.service for surge in proof.result.surges} == set(Contender)
    assert {surge.before for surge in proof.result.surges} == {PLAN.fewest}
    assert proof.said[0].startswith("The stack quickstep-proof is there")
    assert proof.left == {}


def test_its_result_passes_the_check(proof: Proof, tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(document(proof.result)), encoding="utf-8")

    checked = CliRunner().invoke(app, ["prove", "--check", str(file)])

    assert checked.exit_code == 0, checked.output


@pytest.mark.parametrize("contender", Contender)
def test_the_planted_visibility_is_found(proof: Proof, contender: Contender) -> None:
    seconds = proof.of(contender).after_overload("readable")

    assert seconds == pytest.approx(VISIBILITY[contender.period], abs=POLL_SECONDS)


@pytest.mark.parametrize("contender", Contender)
def test_the_planted_evaluation_is_found(proof: Proof, contender: Contender) -> None:
    seconds = proof.of(contender).after_overload("alarm")

    assert seconds == pytest.approx(EVALUATED[contender], abs=POLL_SECONDS)


@pytest.mark.parametrize("contender", Contender)
def test_the_planted_delay_of_the_event_is_found(proof: Proof, contender: Contender) -> None:
    seconds = proof.of(contender).after_overload("event")

    assert seconds == pytest.approx(EVENT[contender], abs=POLL_SECONDS)


@pytest.mark.parametrize("contender", Contender)
def test_the_planted_start_up_is_found(proof: Proof, contender: Contender) -> None:
    surge = proof.of(contender)
    assert surge.first_running
    assert surge.update

    start_up = (surge.first_running - surge.update).total_seconds()
    assert start_up == pytest.approx(START_UP, abs=POLL_SECONDS)


@pytest.mark.parametrize("contender", Contender)
def test_each_scaler_asks_for_the_tasks_that_its_policy_says(
    proof: Proof, contender: Contender
) -> None:
    assert proof.of(contender).after == WANTED[contender]


def test_the_surge_message_is_answered_before_any_alarm(stack: Stack, proof: Proof) -> None:
    seconds = proof.of(Contender.SURGE).after_overload("update")

    assert seconds is not None
    assert seconds < EVALUATED[Contender.SURGE], [
        (one["at"], one["trigger"], one["reason"])
        for one in decisions(stack, ServiceName(prove_run.NAME, Contender.SURGE.value))
    ]


def test_the_simulator_gets_the_planted_clocks(proof: Proof) -> None:
    clocks = measured(proof.result)

    assert clocks.start_up
    assert clocks.start_up.median == pytest.approx(START_UP, abs=POLL_SECONDS)
    assert clocks.event
    assert clocks.event.median == pytest.approx(PLANTED.event, abs=POLL_SECONDS)
