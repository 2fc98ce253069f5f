"""Real servers with the applications of apps.py, and what they publish."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.builders import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def running(
    command: list[str], folder: Path, **variables: str
) -> Iterator[tuple[str, Path, subprocess.Popen[bytes]]]:
    """Run a server; yield its address, the file with its points, and the process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    lines = folder / "lines"
    lines.touch()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "PYTHONPATH": f"{ROOT}:{ROOT / 'publisher' / 'src'}",
        "QUICKSTEP_DIRECTORY": str(folder),
        "QUICKSTEP_SECONDS": "0",
        "LINES": str(lines),
        "PHASE": str(round((time.time() + 5) % 5, 3)),
        **variables,
    }
    command = [part.format(port=port) for part in command]
    with subprocess.Popen(  # noqa: S603 - this interpreter, constant arguments
        [sys.executable, "-m", *command], env=environment, cwd=ROOT, start_new_session=True
    ) as process:
        try:
            yield f"http://127.0.0.1:{port}/", lines, process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with its workers


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait for something to become true, and return it."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return value


def read(lines: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]


def states(pid: int) -> set[str]:
    """Return the states of a process's threads: S for one that sleeps, R for one that runs."""
    files = Path(f"/proc/{pid}/task").glob("*/stat")
    return {file.read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] for file in files}


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123 - one word
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
