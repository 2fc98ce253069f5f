"""The benchmarks: what Quickstep promises, what was measured, and the comparison in the same run.

    python -m benchmarks                    all of them; writes docs/performance.md
    python -m benchmarks dashboard scale    some of them, printed only

A figure that misses its goal is marked and counted, but the command still succeeds. Run it on a
machine that does nothing else.
"""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from benchmarks import (
    calls,
    cold_start,
    compare_surges,
    dashboard,
    decision,
    end_to_end,
    publisher,
    queues,
    replay,
    scale,
    scalers,
    services,
    signals,
    simulator,
    size,
)
from benchmarks.figures import Benchmark, as_markdown, as_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.figures import Figure

SUITE = (
    end_to_end.BENCHMARK,
    cold_start.BENCHMARK,
    decision.BENCHMARK,
    scalers.BENCHMARK,
    signals.BENCHMARK,
    compare_surges.BENCHMARK,
    scale.BENCHMARK,
    services.BENCHMARK,
    queues.BENCHMARK,
    simulator.BENCHMARK,
    replay.BENCHMARK,
    calls.BENCHMARK,
    dashboard.BENCHMARK,
    publisher.BENCHMARK,
    size.BENCHMARK,
)

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"

Measured = tuple[Benchmark, "Sequence[Figure]", float]
"""A benchmark, its figures, and how many seconds it took."""


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Benchmarks to run.")] = None,
) -> None:
    """Measure what Quickstep promises and print it; without names, write docs/performance.md."""
    suite = {benchmark.name: benchmark for benchmark in SUITE}
    if unknown := sorted(set(names or ()) - suite.keys()):
        raise typer.BadParameter(f"{', '.join(unknown)}; there are {', '.join(suite)}")
    console = Console(width=160)
    chosen = [suite[name] for name in names or suite]
    measured = []
    for benchmark in chosen:
        began = time.perf_counter()
        figures = list(benchmark.figures())
        measured.append((benchmark, figures, time.perf_counter() - began))
        console.print(as_table(benchmark.title, figures))
    console.print(_verdict(measured))
    if not names:
        DOCUMENT.write_text("\n".join(_document(measured)) + "\n", encoding="utf-8")
        console.print(f"Written to docs/{DOCUMENT.name}")


def _verdict(measured: Sequence[Measured]) -> str:
    verdicts = [figure.kept for _, figures, _ in measured for figure in figures]
    goals = sum(kept is not None for kept in verdicts)
    took = sum(seconds for _, _, seconds in measured)
    return f"{verdicts.count(False)} of {goals} goals missed; {took:.0f} s in all"


def _document(measured: Sequence[Measured]) -> Iterator[str]:
    """Yield the document's lines."""
    yield "# Performance"
    yield ""
    yield "*Reference. How fast is Quickstep, and which of its goals does it meet?*"
    yield ""
    yield (
        "`make bench` writes this page: all figures, and what they are compared with, come from one"
        " run. **NO** marks a goal that was missed. A goal limits the ratio, or the figure where"
        " nothing is compared."
    )
    yield ""
    yield f"Run of {_where()}. {_verdict(measured)}."
    for benchmark, figures, seconds in measured:
        yield from ("", f"## {benchmark.title}", "", benchmark.about, "")
        yield from as_markdown(figures)
        yield from ("", f"`python -m benchmarks {benchmark.name}`: {seconds:.0f} s.")


def _where() -> str:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    return f"{today} on {platform.system()}, {machine}, Python {platform.python_version()}"


if __name__ == "__main__":
    typer.run(main)
