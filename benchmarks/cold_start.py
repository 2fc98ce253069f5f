"""How long the function takes until it can handle its first event, and where the time goes.

python -m benchmarks cold_start
"""

from __future__ import annotations

import re
import resource
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Benchmark, Beside, Figure, Goal, Quantity
from quickstep_lab.build import build
from quickstep_lab.local_lambda import built_function, laid_out, runtime_client

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PAIRS = 15
NOWHERE = "http://127.0.0.1:9"
"""Nothing is called: clients are created, but do not connect."""

READY = "import handler; handler.deployed_door()"
"""The work before the first event can be handled."""

FLOOR = """
import boto3
from botocore.config import Config
config = Config(connect_timeout=1, read_timeout=1.5, retries={"mode": "standard"})
session = boto3.Session()
for service in ("ecs", "ecs", "ssm", "sqs", "dynamodb", "cloudwatch"):
    session.client(service, config=config)
"""
"""The same clients, and nothing else."""

PROFILED = ("botocore", "boto3", "s3transfer", "urllib3", "aws_lambda_powertools", "quickstep")
OTHERS = "the standard library and the rest"
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")


@dataclass(frozen=True, slots=True)
class Process:
    """What one process took, from start to end."""

    cpu: float
    wall: float
    errors: str


def run(python: Path, environment: Mapping[str, str], *arguments: str) -> Process:
    """Run Python once; seconds come from the operating system's accounting for the process.

    Raises:
        RuntimeError: it failed.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(  # noqa: S603 - an interpreter of this machine
        [python, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"a cold start failed:\n{done.stderr}")
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Process(cpu, wall, done.stderr)


def in_turns(
    python: Path, environment: Mapping[str, str], scripts: Sequence[str]
) -> list[list[Process]]:
    """Run each script PAIRS times, alternating: neighbours see the same machine."""
    for script in scripts:
        run(python, environment, "-c", script)  # warms the disk's cache
    turns = [[run(python, environment, "-c", each) for each in scripts] for _ in range(PAIRS)]
    return [list(processes) for processes in zip(*turns, strict=True)]


def imports(python: Path, environment: Mapping[str, str]) -> Mapping[str, tuple[float, int]]:
    """Return milliseconds and number of modules by package, for everything READY imports.

    A module's own time excludes the modules that it imports. The clock that measures it slows every
    import down, so the sum exceeds a cold start.
    """
    found: dict[str, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    for line in run(python, environment, "-X", "importtime", "-c", READY).errors.splitlines():
        if match := _IMPORT.match(line):
            package = match[2].partition(".")[0]
            package = package if package in PROFILED else OTHERS
            millis, modules = found[package]
            found[package] = millis + int(match[1]) / 1000, modules + 1
    return found


def figures() -> Iterator[Figure]:
    """Yield the cold start next to its floor, and what it imports."""
    build(quiet=True)
    python = runtime_client()
    with tempfile.TemporaryDirectory() as scratch:
        function = built_function(NOWHERE)
        environment = {
            **laid_out(function, Path(scratch) / "opt"),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
        }
        ready, floor, nothing = in_turns(python, environment, (READY, FLOOR, "pass"))
        for what in ("cpu", "wall"):
            mine, least = ([getattr(p, what) * 1000 for p in each] for each in (ready, floor))
            yield Figure(
                f"ready for the first event: {what}",
                Quantity(statistics.median(mine), "ms"),
                Beside("boto3 and the same clients", Quantity(statistics.median(least), "ms")),
                Goal(at_most=1.15) if what == "cpu" else None,
                statistics.median(a / b for a, b in zip(mine, least, strict=True)),
            )
        bare = statistics.median(process.cpu for process in nothing) * 1000
        yield Figure("of it the bare interpreter: cpu", Quantity(bare, "ms"))
        for package, (millis, modules) in sorted(imports(python, environment).items()):
            yield Figure(f"of it importing {package} ({modules} modules)", Quantity(millis, "ms"))


BENCHMARK = Benchmark(
    "cold_start",
    "Cold start",
    "Fresh processes of the runtime's Python, timed from start to end. One imports the built"
    " function with its layers, as in Lambda, and makes its clients. The other is a bare script"
    f" that imports boto3 and makes the same clients. {PAIRS} of each, in turns. The shares of"
    " packages come from Python's import profile, which slows every import down. This machine's"
    " processor is not Lambda's, so only the ratio carries over.",
    figures,
)
