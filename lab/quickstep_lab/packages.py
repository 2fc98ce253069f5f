"""`make packages`: the output of `make build` as the zip files that Terraform uploads.

The same build always gives the same bytes: names in order, one date, one mode. Lambda unpacks a
layer into /opt and finds it in `python/`, where SAM has put it.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from typing import TYPE_CHECKING

from quickstep_lab.build import BUILT, BuildError, build
from quickstep_lab.files import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = {
    "scaler.zip": "Scaler",
    "schedule.zip": "Schedule",
    "dashboard.zip": "DashboardWidget",
    "core.zip": "CoreLayer",
    "powertools.zip": "PowertoolsLayer",
}
"""SAM's folder for each, by the zip file's name."""

FOLDER = ROOT / "terraform" / "scaler" / "packages"

_DAY = (1980, 1, 1, 0, 0, 0)  # the earliest date of a zip file
_MODE = 0o100644 << 16


def pack(folder: Path, file: Path) -> str:
    """Write a folder into a zip file; return the file's SHA-256, in hex."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _DAY)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, _MODE
            packed.writestr(entry, path.read_bytes())
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main() -> None:
    """Build and pack, or exit with what is missing; print each file's digest like sha256sum."""
    try:
        build(quiet=True)
    except BuildError as error:
        sys.exit(f"make packages: {error}")
    FOLDER.mkdir(exist_ok=True)
    for name, built in PACKAGES.items():
        print(f"{pack(BUILT / built, FOLDER / name)}  {name}")  # noqa: T201 - a command's output


if __name__ == "__main__":
    main()
