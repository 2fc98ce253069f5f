"""How large the deployed packages are, and what they contain.

python -m benchmarks size
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

from benchmarks.figures import Benchmark, Beside, Figure, Goal, Quantity
from quickstep_lab.build import BUILT, build

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

CODE = ("CoreLayer", "PowertoolsLayer", "Scaler", "Schedule", "DashboardWidget")
LARGEST = 5
"""Parts of a layer that have their own row."""
LIMIT = 50.0
"""MB limit of a directly uploaded zip file (*gettingstarted-limits*, Lambda Developer Guide)."""


def zipped(files: Iterable[Path], folder: Path) -> int:
    """Return the size in bytes of a zip file of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.relative_to(folder))
    return buffer.tell()


def parts(folder: Path) -> dict[str, list[Path]]:
    """Return a built layer's files by part: a module or package, or one a level deeper."""
    found: dict[str, list[Path]] = {}
    for file in files_of(folder):
        names = [name for name in file.relative_to(folder).parts if name != "python"]
        found.setdefault("/".join(names[:2]), []).append(file)
    return found


def files_of(folder: Path) -> list[Path]:
    """Return all files below a folder, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def figures() -> Iterator[Figure]:
    """Yield the size of each zip file, its bytecode, and its largest parts."""
    build(quiet=True)
    for name in CODE:
        folder = BUILT / name
        files = files_of(folder)
        whole = zipped(files, folder)
        total = Quantity(whole / 1024, "KiB")
        yield Figure(f"{name}, zipped", total, goal=Goal(at_most=LIMIT * 1024))
        bytecode = zipped([file for file in files if file.suffix == ".pyc"], folder)
        yield Figure(f"{name}: bytecode", Quantity(bytecode / 1024, "KiB"), Beside("of", total))
        if not name.endswith("Layer"):
            continue
        sizes = {part: zipped(some, folder) for part, some in parts(folder).items()}
        for part, size in sorted(sizes.items(), key=lambda item: -item[1])[:LARGEST]:
            yield Figure(f"{name}: {part}", Quantity(size / 1024, "KiB"), Beside("of", total))


BENCHMARK = Benchmark(
    "size",
    "Size",
    "Zip files of what `make build` leaves. A test ensures that the functions import every module"
    " of the core layer. The Powertools layer is its wheel as published. The functions import its"
    " logger and what its `__init__` imports (metrics, tracing). Its other parts add nothing to a"
    " cold start, and a trimmed copy would have to be maintained.",
    figures,
)
