# ruff: noqa: INP001 - a folder of documents, not a package
"""Fill the generated blocks of the documents from the code, or check that they are up to date.

    python -m docs.generate            write them
    python -m docs.generate --check    name the documents that differ, and exit with 1

A block lies between `<!-- generated:NAME -->` and `<!-- /generated:NAME -->`. BLOCKS names the
function that writes it.
"""

from __future__ import annotations

import argparse
import re
import sys
from functools import partial
from typing import TYPE_CHECKING

from docs import (
    cases,
    constants,
    costs,
    draining,
    keys,
    modules,
    night,
    outcomes,
    proof,
    protocol,
    results,
    schema,
    variables,
)
from docs.tables import ROOT, table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DECISIONS = ROOT / "docs" / "decisions"
DOCUMENTS = (
    ROOT / "docs" / "architecture.md",
    ROOT / "docs" / "costs.md",
    ROOT / "docs" / "model.md",
    ROOT / "docs" / "modules.md",
    ROOT / "docs" / "policy-reference.md",
    ROOT / "docs" / "results.md",
    ROOT / "docs" / "signals.md",
    ROOT / "docs" / "tuning.md",
    DECISIONS / "README.md",
)

FILES: dict[Path, Callable[[], str]] = {
    ROOT / "docs" / "on-call.md": night.page,
    ROOT / "docs" / "policy.schema.json": schema.schema,
    ROOT / "docs" / "proof.schema.json": proof.schema,
    ROOT / "terraform" / "scaler" / "variables.tf": variables.scaler,
    ROOT / "terraform" / "target" / "variables.tf": variables.target,
}
"""Files that are generated as a whole."""

_BLOCK = re.compile(r"(<!-- generated:(\S+) -->\n).*?(<!-- /generated:\2 -->)", re.DOTALL)


def _tabled(rows: Callable[[], list[tuple[str, ...]]]) -> str:
    """Return rows as a table, the head first."""
    head, *others = rows()
    return table(head, others)


def adr_index() -> str:
    """Return the table of the decision records, by number."""
    rows = []
    for path in sorted(DECISIONS.glob("[0-9]*.md")):
        text = path.read_text(encoding="utf-8")
        number, title = text.splitlines()[0].removeprefix("# ").split(" ", 1)
        status = re.search(r"^- Status: (.+)$", text, re.MULTILINE)
        date = re.search(r"^- Date: (.+)$", text, re.MULTILINE)
        if not status or not date:
            raise ValueError(f"{path} must have a status and a date")
        rows.append((number, f"[{title}]({path.name})", status[1], date[1]))
    return table(("No.", "Decision", "Status", "Date"), rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "outcomes": outcomes.outcomes,
    "keys-document": partial(keys.keys, ""),
    "keys-target": partial(keys.keys, keys.TARGET),
    "keys-queue": partial(keys.keys, keys.QUEUE),
    "presets": keys.presets,
    "queue-presets": keys.queue_presets,
    "target-numbers": keys.numbers,
    "keys-policy": partial(keys.keys, keys.POLICY),
    "keys-step": partial(keys.keys, keys.STEP),
    "keys-guards": partial(keys.keys, keys.GUARDS),
    "shapes": cases.shapes,
    "decisions": adr_index,
    "modules": modules.modules,
    "limits": protocol.limits,
    "quotas": protocol.quotas,
    "invariants": protocol.invariants,
    "planted-bugs": protocol.planted_bugs,
    "results": results.shown,
    "constants": constants.constants,
    "draining": partial(_tabled, draining.draining),
    **{name: partial(_tabled, rows) for name, rows in costs.BLOCKS.items()},
    **{
        f"cases:{path.stem}": partial(cases.cases, path.stem)
        for path in cases.EXAMPLES.glob("*.jsonl")
    },
}


def filled(text: str) -> str:
    """Return a document's text with every generated block up to date."""
    return _BLOCK.sub(lambda block: f"{block[1]}\n{BLOCKS[block[2]]()}\n\n{block[3]}", text)


def up_to_date(path: Path, text: str) -> str:
    """Return a document with its blocks up to date, or a generated file's current text."""
    return FILES[path]() if path in FILES else filled(text)


def main() -> int:
    """Write the blocks, or with --check name the documents in which they differ."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 on drift")
    check = parser.parse_args().check
    drifted = 0
    for path in (*DOCUMENTS, *FILES):
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = up_to_date(path, before)
        if before == after:
            continue
        drifted += 1
        if not check:
            path.write_text(after, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)} {'differs' if check else 'written'}\n")
    return 1 if check and drifted else 0


if __name__ == "__main__":
    sys.exit(main())
