# ruff: noqa: INP001 - a folder of documents, not a package
"""Fill in the output of commands in the documents that need no AWS, in an 80-column terminal.

    python -m docs.consoles            write their present output into the documents

A command follows `$ ` in a `console` block. Those on the embedded AWS belong to `docs.night`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from docs.tables import ROOT

PLACES = (ROOT / "README.md", ROOT / "README.ko.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(
    r"^\$ (quickstep (?:explain|validate|compare)\b.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE
)


@cache
def printed(command: str) -> list[str]:
    """Return the lines that a command prints in a shell in a clone."""
    scripts = Path(sys.executable).parent
    done = subprocess.run(  # noqa: S602 - as the reader would type it
        command,
        shell=True,
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "80",
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
            "TTY_COMPATIBLE": "1",
            "NO_COLOR": "1",
        },
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return [line.rstrip() for line in (done.stdout + done.stderr).rstrip().splitlines()]


def commands(text: str) -> list[tuple[str, str]]:
    """Return a document's commands, each with the output it shows."""
    return [found for block in _BLOCK.findall(text) for found in _COMMAND.findall(block)]


def filled(text: str) -> str:
    """Return a document's text with its commands' present output."""

    def fill(block: re.Match[str]) -> str:
        return _COMMAND.sub(
            lambda one: "\n".join([f"$ {one[1]}", *printed(one[1])]) + "\n", block[0]
        )

    return _BLOCK.sub(fill, text)


def main() -> None:
    """Write the documents that differ."""
    for path in PLACES:
        before = path.read_text(encoding="utf-8")
        after = filled(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(ROOT)} written\n")


if __name__ == "__main__":
    main()
