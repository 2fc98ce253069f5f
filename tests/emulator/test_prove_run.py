"""A proof on the emulator that is refused, or killed, and what `--clean` finds of it then.

QUICKSTEP_PROOF=1 make emulator ARGS="-k prove"
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from quickstep_cli import proof_run
from quickstep_cli.main import app
from quickstep_lab.embedded_aws import REGION
from quickstep_lab.files import ROOT
from quickstep_lab.prove.carry_out import TakenError
from quickstep_lab.prove.plan import Contender
from tests.emulator.proof_scene import DEADLINE, SHORT, left_behind, on
from tests.emulator.server import ROOT_KEY, Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    "QUICKSTEP_PROOF" not in os.environ, reason="it takes minutes: QUICKSTEP_PROOF=1 runs it"
)

MOMENTS = 20
PHASES = ("creation", "measurement", "deletion", "end")


def test_a_second_proof_is_refused_and_leaves_the_first_alone(stack: Stack) -> None:
    client, aws = stack.account.client("cloudformation"), on(stack.account.endpoint_url)
    topic = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
    tag = {"Key": proof_run.NAME, "Value": "true"}
    client.create_stack(StackName=proof_run.NAME, TemplateBody=topic, Tags=[tag])

    with pytest.raises(TakenError, match="there is a stack quickstep-proof already"):
        proof_run.run(aws, SHORT, tuple(Contender), "emulator", print, deadline=DEADLINE)

    client.describe_stacks(StackName=proof_run.NAME)
    assert proof_run.clean(aws) == ["quickstep-proof: deleted in us-east-1"]
    assert proof_run.clean(aws) == ["quickstep-proof: nothing to delete in us-east-1"]


def moments(whole: float) -> Iterator[float]:
    """Return a random moment of each twentieth of a proof, in seconds."""
    random = Random(1)  # noqa: S311 - repeatable, not secret
    for number in range(MOMENTS):
        yield (number + random.random()) / MOMENTS * whole


def test_killed_at_any_moment_it_leaves_nothing_that_clean_does_not_find(
    stack: Stack, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    environment = {
        "AWS_ENDPOINT_URL": stack.account.endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
    }
    log = tmp_path / "said"

    def begin() -> subprocess.Popen[bytes]:
        with log.open("wb") as said:
            return subprocess.Popen(
                (
                    sys.executable,
                    "-c",
                    "from tests.emulator.proof_scene import short_proof as run; run()",
                ),
                cwd=ROOT,
                env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdout=said,
            )

    began = time.monotonic()
    assert begin().wait(120) == 0
    whole = time.monotonic() - began
    killed: Counter[str] = Counter()
    for moment in moments(whole):
        process = begin()
        time.sleep(moment)
        process.kill()
        process.wait()
        left = left_behind(stack.account)
        killed[PHASES[len(log.read_text().splitlines())]] += 1
        killed["with something left"] += bool(left)

        cleaned = CliRunner().invoke(app, ["prove", "--clean"], env=environment)

        assert cleaned.exit_code == 0, cleaned.output
        assert left_behind(stack.account) == {}, f"killed after {moment:.2f} s of {whole:.2f}"
    record_property("killed", dict(killed))
    assert set(PHASES[:3]) <= set(killed), killed
    assert killed["with something left"] >= MOMENTS / 2, killed
