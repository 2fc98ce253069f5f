"""What SIGTERM does to a process whose publisher says that it drains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.builders import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import os, signal, sys
from quickstep_publisher import Publisher

if "own" in sys.argv:
    signal.signal(signal.SIGTERM, lambda *_: print("the server's own handler"))
publisher = Publisher(cluster="prod", service="web", transport="emf", stream=sys.stderr)
publisher.start()
os.kill(os.getpid(), signal.SIGTERM)
print("draining" if publisher.load.draining else "serving")
"""


@pytest.mark.parametrize(
    ("drain", "handler", "said", "code"),
    [
        pytest.param("1", "own", ["the server's own handler", "draining"], 0, id="a server's own"),
        pytest.param("1", "none", [], -signal.SIGTERM, id="none: it ends as ever"),
        pytest.param("0", "own", ["the server's own handler", "serving"], 0, id="not asked for"),
    ],
)
def test_sigterm_says_that_a_process_drains_and_does_what_it_did_before(
    tmp_path: Path, drain: str, handler: str, said: list[str], code: int
) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "publisher" / "src"),
        "QUICKSTEP_DIRECTORY": str(tmp_path),
        "QUICKSTEP_DRAIN": drain,
    }
    ended = subprocess.run(  # noqa: S603 - this interpreter, constant arguments
        [sys.executable, "-u", "-c", PROGRAM, handler],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (ended.stdout.splitlines(), ended.returncode) == (said, code)
