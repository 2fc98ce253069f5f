"""A proof on the emulator that is refused, or killed, and what `--clean` finds of it then.

QUICKSTEP_PROOF=1 make emulator ARGS="-k prove"
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from quickstep_cli import prove_run
from quickstep_cli.main import app
from quickstep_lab.embedded_aws import REGION
from quickstep_lab.files import ROOT
from quickstep_lab.prove.carry_out import TakenError
from quickstep_lab.prove.plan import Contender
from tests.emulator.proof_scene import DEADLINE, SHORT, left_behind, on
from tests.emulator.scene import soon
from tests.emulator.server import ROOT_KEY, Stack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    "QUICKSTEP_PROOF" not in os.environ, reason="it takes minutes: QUICKSTEP_PROOF=1 runs it"
)

MOMENTS = 20
PHASES = ("creation", "measurement", "deletion", "end")


def test_a_second_proof_is_refused_and_leaves_the_first_alone(stack: Stack) -> None:
    client, aws = stack.account.client("cloudformation"), on(stack.account.endpoint_url)
    topic = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
    tag = {"Key": prove_run.NAME, "Value": "true"}
    client.create_stack(StackName=prove_run.NAME, TemplateBody=topic, Tags=[tag])

    with pytest.raises(TakenError, match="there is a stack quickstep-proof already"):
        prove_run.run(aws, SHORT, tuple(Contender), "emulator", print, deadline=DEADLINE)

    client.describe_stacks(StackName=prove_run.NAME)
    assert prove_run.clean(aws) == ["quickstep-proof: deleted in us-east-1"]
    assert prove_run.clean(aws) == ["quickstep-proof: nothing to delete in us-east-1"]


@dataclass(frozen=True, slots=True)
class ShortProof:
    """A proof of some seconds as a process; what it says goes to a file."""

    process: subprocess.Popen[bytes]
    log: Path

    def reached(self, phase: str) -> bool:
        """Whether it is so far; it says a line at the end of each phase."""
        return len(self.log.read_text().splitlines()) >= PHASES.index(phase)


def begun(environment: Mapping[str, str], log: Path) -> ShortProof:
    """Begin one."""
    run = "from tests.emulator.proof_scene import short_proof; short_proof()"
    with log.open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", run],
            cwd=ROOT,
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=said,
        )
    return ShortProof(process, log)


def test_killed_at_any_moment_it_leaves_nothing_that_clean_does_not_find(
    stack: Stack, tmp_path: Path
) -> None:
    environment = {
        "AWS_ENDPOINT_URL": stack.account.endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
    }
    random = Random(1)  # noqa: S311 - repeatable, not secret
    whole = begun(environment, tmp_path / "whole")
    began = time.monotonic()
    lasts: list[float] = []
    for after in PHASES[1:]:
        assert soon(partial(whole.reached, after)), whole.log.read_text()
        lasts.append(time.monotonic() - began - sum(lasts))
    assert whole.process.wait() == 0
    found = 0
    for number in range(MOMENTS):
        phase = number % len(lasts)
        one = begun(environment, tmp_path / str(number))
        assert soon(partial(one.reached, PHASES[phase]))
        time.sleep(random.uniform(0, lasts[phase]))
        one.process.kill()
        one.process.wait()
        found += bool(left_behind(stack.account))

        cleaned = CliRunner().invoke(app, ["prove", "--clean"], env=environment)

        assert cleaned.exit_code == 0, cleaned.output
        assert left_behind(stack.account) == {}, f"kill {number}, in the {PHASES[phase]}"
    seconds = dict(zip(PHASES, lasts, strict=False))
    (tmp_path / "killed.json").write_text(json.dumps({"seconds": seconds, "found": found}))
    assert found >= MOMENTS / 3, f"only {found} kills of {MOMENTS} left something behind"
