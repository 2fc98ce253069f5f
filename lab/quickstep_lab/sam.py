"""This environment's SAM CLI, and where it builds."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from quickstep_lab.files import ROOT

if TYPE_CHECKING:
    from pathlib import Path

BUILT_TEMPLATE = ROOT / ".aws-sam" / "build" / "template.yaml"
FUNCTION = "Scaler"
RUNTIME = "python3.13"
"""Both as in `template.yaml`; a test compares them."""


def sam(
    *arguments: str | Path,
    path_first: Path | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a SAM command in the repository's root, whatever its result."""
    path = os.environ.get("PATH", os.defpath)
    return subprocess.run(  # noqa: S603 - this environment's own SAM
        [sys.executable, "-m", "samcli", *arguments],
        cwd=ROOT,
        env={
            "AWS_DEFAULT_REGION": "us-east-1",  # SAM fails without one, even offline
            **os.environ,
            "SAM_CLI_TELEMETRY": "0",
            "PATH": f"{path_first}{os.pathsep}{path}" if path_first else path,
        },
        stdout=stdout,
        stderr=stderr,
        text=True,
        check=False,
    )
