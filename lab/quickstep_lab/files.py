"""Files of the repository that the laboratory uses, in a clone as well as in a wheel."""

from __future__ import annotations

from pathlib import Path

from quickstep.engine.model import Direction

_IN_A_WHEEL = Path(__file__).parent / "repository"
ROOT = _IN_A_WHEEL if _IN_A_WHEEL.is_dir() else Path(__file__).parents[2]
"""The clone; in a wheel, the folder of files that `pyproject.toml` includes."""
EXAMPLE_POLICY = ROOT / "examples" / "policies" / "web.json"
ONE_NUMBER_POLICY = ROOT / "examples" / "policies" / "one-number.json"
DEFAULT_THRESHOLDS = {Direction.OUT: 100.0, Direction.IN: 30.0}
"""Default thresholds of `templates/scalable-target.yaml`, in requests per second and task."""
HANDLER = ROOT / "functions" / "scaler" / "handler.py"
"""The deployed function. Lambda loads it as a file, and so does the laboratory."""
