"""The wheel: what it puts on the import path, and what it does where there is no clone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from quickstep_cli.main import COMMANDS
from tests.builders import EXAMPLE_POLICY, ROOT, WEB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PACKAGES = {"quickstep", "quickstep_cli", "quickstep_lab", "quickstep_publisher"}
NEEDS_LAB = ("demo", "simulate", "compare", "tune", "prove")
HELP = """
from typer.testing import CliRunner
from quickstep_cli.main import COMMANDS, app
for name in COMMANDS:
    print(name, CliRunner().invoke(app, [name, "--help"]).exit_code)
"""
SHORT = ("--scenario", "surge", "--to", "60")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("dist"))


def built(folder: Path) -> Path:
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    subprocess.run(build, check=True, capture_output=True)  # noqa: S603 - this interpreter
    (made,) = folder.iterdir()
    return made


def required(by: Iterable[str], *extras: str) -> Iterator[Distribution]:
    """Return what pip would install for requirements, of what is installed here."""
    for requirement in map(Requirement, by):
        applies = requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)
        )
        if applies:
            found = distribution(requirement.name)
            yield found
            yield from required(found.requires or (), *requirement.extras)


class Installed:
    """The wheel in a virtual environment of its own, and a folder with nothing else in it."""

    def __init__(self, wheel: Path, folder: Path, *extras: str) -> None:
        self.scripts, self.home = folder / "venv" / "bin", folder / "home"
        self.home.mkdir()
        quiet = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps")
        for arguments in (
            ("-m", "venv", "--without-pip", folder / "venv"),
            ("-m", "pip", "--python", self.scripts / "python", "install", *quiet, wheel),
        ):
            subprocess.run([sys.executable, *arguments], check=True)  # noqa: S603 - this interpreter
        (site,) = folder.glob("venv/lib/python*/site-packages")
        (metadata,) = site.glob("quickstep_ecs-*.dist-info")
        for found in required(Distribution.at(metadata).requires or (), *extras):
            for name in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
                if not (site / name).exists():
                    (site / name).symlink_to(Path(str(found.locate_file(name))))

    def start(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - as its user would
            [self.scripts / program, *arguments],
            cwd=self.home,
            env={"HOME": str(self.home), "PATH": os.defpath, "COLUMNS": "300", "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, program: str, *arguments: str) -> str:
        return ended(self.start(program, *arguments))


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == code, printed
    return printed


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(wheel, tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def with_lab(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(wheel, tmp_path_factory.mktemp("lab"), "lab")


@pytest.fixture(scope="module", autouse=True)
def demo(with_lab: Installed) -> Iterator[subprocess.Popen[str]]:
    """The shortest demo, which starts first: it takes 10 to 20 seconds, whatever else runs."""
    options = ("--seconds=10", "--scenario=steady", "--no-open")
    with with_lab.start("quickstep", "demo", *options) as process:
        yield process


def test_the_wheel_puts_its_four_packages_on_the_import_path_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = {name.split("/")[0] for name in file.namelist()}

    assert {name for name in names if not name.endswith(".dist-info")} == PACKAGES


def test_a_second_build_of_the_same_source_is_the_same_file(wheel: Path, tmp_path: Path) -> None:
    again = built(tmp_path)

    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_the_wheel_says_its_version(alone: Installed, wheel: Path) -> None:
    version = wheel.name.split("-")[1]

    assert alone.run("quickstep", "--version") == f"quickstep {version}\n"


def test_a_list_of_the_commands_takes_little_cpu(alone: Installed) -> None:
    """It was 0.19 s where it was first measured; with all modules it would be four times that."""
    used = """
import resource, sys
sys.argv = ["quickstep", "--help"]
from quickstep_cli.main import app
try:
    app()
finally:
    spent = resource.getrusage(resource.RUSAGE_SELF)
    print("cpu", spent.ru_utime + spent.ru_stime)
"""
    alone.run("quickstep", "--help")  # has the modules compiled
    seconds = min(float(alone.run("python", "-c", used).rpartition("cpu ")[2]) for _ in range(3))

    assert seconds < 0.6


def test_most_commands_need_neither_a_clone_nor_the_extra(alone: Installed) -> None:
    case = (ROOT / "docs" / "examples" / "steps.jsonl").read_text(encoding="utf-8")
    target = {"ResourceId": WEB.resource_id, "MinCapacity": 2, "MaxCapacity": 20}
    (alone.home / "case.jsonl").write_text(case, encoding="utf-8")
    (alone.home / "web.json").write_bytes(EXAMPLE_POLICY.read_bytes())
    (alone.home / "saved.json").write_text(json.dumps({"ScalableTargets": [target]}))

    helped = dict(line.split() for line in alone.run("python", "-c", HELP).splitlines())

    assert len(helped) == len(COMMANDS)
    assert set(helped.values()) == {"0"}
    assert '"outcome": "SCALED_OUT"' in alone.run("quickstep", "explain", "case.jsonl")
    assert "web.json" in alone.run("quickstep", "validate", "web.json")
    assert "Largest item: " in alone.run("quickstep", "cost", *SHORT)
    taken = ("import", "--resource-id", "prod/web", "--from-file", "saved.json")
    assert "policies" in ended(alone.start("quickstep", *taken, "--region", "us-east-1"), code=1)


def test_with_the_extra_the_laboratory_needs_no_clone(
    with_lab: Installed, demo: subprocess.Popen[str]
) -> None:
    simulated = with_lab.run("quickstep", "simulate", *SHORT, "--report", "simulated.html")
    compared = with_lab.run("quickstep", "compare", *SHORT, "--seeds", "1")
    built = ended(with_lab.start("python", "-m", "quickstep_lab.build"), code=1)

    assert "What it did" in simulated
    assert (with_lab.home / "simulated.html").read_text("utf-8").count("<svg") > 5
    assert "aas-target-tracking-20s" in compared
    assert built.startswith("make build: this needs a clone of the repository: ")
    assert "Heartbeat. Kept 2 tasks" in ended(demo), "the deployed handler's answer"


@pytest.mark.parametrize("command", NEEDS_LAB)
def test_without_the_extra_a_command_that_needs_it_says_so_in_one_line(
    command: str, alone: Installed
) -> None:
    said = ended(alone.start("quickstep", command), code=2)

    assert said == f"\u2717 {command} needs the extra lab: pip install 'quickstep-ecs[lab]'\n"
