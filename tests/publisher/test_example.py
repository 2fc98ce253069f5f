"""The example application under its load test, and the package as it is installed."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from tests.builders import ROOT
from tests.publisher.fakes import emf_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLE = ROOT / "examples" / "app"


@contextmanager
def example(folder: Path) -> Iterator[str]:
    """Run the application as its image does, with its points in a file; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "PYTHONPATH": f"{EXAMPLE}:{ROOT / 'publisher' / 'src'}",
        "QUICKSTEP_CLUSTER": "prod",
        "QUICKSTEP_SERVICE": "web",
        "QUICKSTEP_TRANSPORT": "emf",
        "QUICKSTEP_DIRECTORY": str(folder),
    }
    command = [sys.executable, "-m", "uvicorn", "app:app", f"--port={port}", "--workers=2"]
    command += ["--no-access-log", "--log-level=warning"]
    with (
        (folder / "stdout").open("wb") as stdout,
        subprocess.Popen(command, env=environment, cwd=folder, stdout=stdout) as process,  # noqa: S603 - this interpreter, constant arguments
    ):
        try:
            with requests.Session() as session:
                retries = Retry(total=60, backoff_factor=0.05, backoff_max=0.5)
                session.mount("http://", HTTPAdapter(max_retries=retries))
                assert session.get(f"{url}/health", timeout=30).json() == {"status": "ok"}
            yield url
            process.terminate()
            process.wait(20)
        finally:
            process.kill()


def test_the_load_test_surges_against_the_example_which_publishes_what_it_got(
    tmp_path: Path,
) -> None:
    environment = {**os.environ, "QUIET": "5", "SURGE": "20", "LENGTH": "0.02"}
    command = [sys.executable, "-m", "locust", "-f", str(EXAMPLE / "locustfile.py"), "--headless"]
    command += ["--csv", str(tmp_path / "load"), "--only-summary", "--exit-code-on-error", "1"]
    with example(tmp_path) as url:
        done = subprocess.run(  # noqa: S603 - this interpreter, constant arguments
            [*command, "--host", url],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr

    with (tmp_path / "load_stats.csv").open(encoding="utf-8") as file:
        total = next(row for row in csv.DictReader(file) if row["Name"] == "Aggregated")
    assert (int(total["Failure Count"]), int(total["Request Count"]) > 20) == (0, True)
    with (tmp_path / "stdout").open(encoding="utf-8") as file:
        documents = emf_lines(file)
    counted = sum(
        d["AverageResponseTime"]["Count"] for d in documents if "AverageResponseTime" in d
    )
    # The health check is left out, and Locust leaves out what it had under way at its end.
    assert 0 <= counted - int(total["Request Count"]) <= 20
    slowest = max(d["AverageResponseTime"]["Max"] for d in documents if "AverageResponseTime" in d)
    assert slowest > 20


def test_the_wheel_has_the_package_its_types_and_boto3_alone(tmp_path: Path) -> None:
    subprocess.run(  # noqa: S603 - this interpreter, constant arguments
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path, ROOT / "publisher"],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    (_source,) = tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        (metadata,) = [name for name in names if name.endswith("/METADATA")]
        text = file.read(metadata).decode()

    package = ROOT / "publisher" / "src" / "quickstep_publisher"
    modules = {f"quickstep_publisher/{path.name}" for path in package.glob("*.py")}
    assert {name for name in names if ".dist-info/" not in name} == {
        *modules,
        "quickstep_publisher/py.typed",
    }
    required = [line for line in text.splitlines() if line.startswith("Requires-Dist")]
    assert [line.split()[1].split("<")[0] for line in required] == ["boto3"]


def test_importing_the_package_imports_neither_boto3_nor_a_framework() -> None:
    program = (
        "import sys, quickstep_publisher;"
        "print({'boto3', 'botocore', 'starlette', 'flask', 'django', 'urllib3'} & set(sys.modules))"
    )
    done = subprocess.run(  # noqa: S603 - this interpreter, a constant program
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(ROOT / "publisher" / "src")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "set()\n"
