"""`make build`: `sam build` with the Python of the function's runtime, plus bytecode.

SAM installs the Powertools layer with that runtime's interpreter and looks for it on PATH, where
a pyenv shim that runs nothing may hide it. Without an interpreter, SAM can build in a container.

SAM ships no bytecode, and in Lambda none can be written, so each cold start would compile
everything again. It is added to SAM's build, which SAM clears before each new one. Python checks
it against the source's hash, so it is never older than the source. A build in a container gets
none: nothing on this machine has the right version.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from quickstep_lab.container import docker_answers
from quickstep_lab.files import ROOT
from quickstep_lab.sam import BUILT_TEMPLATE, RUNTIME, sam

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHECK = f"""
import ensurepip, pip, sys
sys.exit(f"python{{sys.version_info[0]}}.{{sys.version_info[1]}}" != {RUNTIME!r})
"""

BUILT = BUILT_TEMPLATE.parent

NO_RUNTIME_PYTHON = (
    f"No {RUNTIME} that runs, with pip and venv, was found on PATH, in pyenv or in uv. Install one "
    "(e.g. `pyenv install 3.13`), or start Docker, which can stand in for it"
)


class BuildError(Exception):
    """The build cannot be done, or failed; the message is for the user."""


def runtime_python() -> Path | None:
    """Return an interpreter of the function's runtime that really runs, or None."""
    return next((path for path in _candidates() if _runs(path)), None)


def _candidates() -> Iterator[Path]:
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        yield Path(folder) / RUNTIME
    yield Path(sys.executable).parent / RUNTIME
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", Path.home() / ".local/share/uv/python"))
    for versions, name in ((pyenv, "3.13*"), (uv, "cpython-3.13*")):
        for version in sorted(versions.glob(name), reverse=True):
            yield version / "bin" / RUNTIME


def _runs(path: Path) -> bool:
    if not path.is_file():
        return False
    check = subprocess.run(  # noqa: S603 - an interpreter of this machine
        [path, "-c", _CHECK], capture_output=True, check=False
    )
    return check.returncode == 0


def build(*, quiet: bool = False) -> None:
    """Build function and layers into `.aws-sam`; `quiet` shows SAM's lines only on error.

    Raises:
        BuildError: this is no clone, there is neither such a Python nor Docker, or SAM failed.
    """
    if not (ROOT / "template.yaml").is_file():
        raise BuildError(f"this needs a clone of the repository: {ROOT} has no template.yaml")
    python = runtime_python()
    if python is None and not docker_answers():
        raise BuildError(f"SAM builds the Powertools layer with {RUNTIME}. {NO_RUNTIME_PYTHON}")
    done = sam(
        "build",
        *([] if python else ["--use-container"]),
        path_first=python.parent if python else None,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
    )
    if done.returncode:
        raise BuildError(f"sam build failed:\n{done.stdout}" if quiet else "sam build failed")
    if python:
        _compile(python)


def _compile(python: Path) -> None:
    """Add the runtime's bytecode to the build."""
    # Without this machine's folder in it, the same source gives the same bytecode everywhere.
    how = ("-q", "--invalidation-mode", "checked-hash", "-s", BUILT)
    done = subprocess.run(  # noqa: S603 - the interpreter that SAM has just built with
        [python, "-m", "compileall", *how, BUILT],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildError(f"what SAM built cannot be compiled:\n{done.stdout}")


def main() -> None:
    """Build, or exit with what is missing."""
    try:
        build()
    except BuildError as error:
        sys.exit(f"make build: {error}")


if __name__ == "__main__":
    main()
