# ruff: noqa: INP001 - a folder of documents, not a package
"""What the commands of the documents print that need no AWS, as in a terminal of 80 columns.

    python -m docs.consoles            write what they print now into the documents

A command stands behind `$ ` in a `console` block. Those on the embedded AWS are `docs.night`'s.
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
    """Return the lines that a command prints, typed in a shell in a clone."""
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
    """Return the commands of a document, each with what it shows of their output."""
    return [found for block in _BLOCK.findall(text) for found in _COMMAND.findall(block)]


def filled(text: str) -> str:
    """Return a document's text with what its commands print now."""

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
