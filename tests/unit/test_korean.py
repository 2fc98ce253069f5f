"""Korean keeps step with English: whatever a decision or the dashboard says, Korean says too."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from quickstep.engine.decide import decide
from quickstep.engine.model import Guard
from quickstep.engine.outcome import Outcome
from quickstep.report.dashboard.kinds import words
from quickstep.report.dashboard.korean import LABELS
from quickstep.report.dashboard.material import Material, Metric, Point, Threshold, read_entries
from quickstep.report.dashboard.page import Printed, document
from quickstep.report.dashboard.view import Look, build_view
from quickstep.report.korean import REASONS
from quickstep.report.language import (
    ENGLISH,
    KOREAN,
    Language,
    language_of,
    preferred,
)
from quickstep_cli.explain import answer
from quickstep_lab.simulator.scalers.quickstep import Quickstep
from tests.builders import HIGH, LOW, NOW, ROOT, firing, seen
from tests.dashboard_html import parse
from tests.simulation.world import World
from tests.unit import test_dashboard_headline, test_reasons
from tests.unit.test_engine_properties import History, counts, histories, loads, states, targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import Any

    from quickstep.engine.model import ScalableTarget, State

EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.jsonl"))
CORE = ROOT / "layers" / "core" / "quickstep"


def unknown(said: Iterable[str]) -> list[str]:
    """Return what Korean does not know."""
    return [text for text in said if not KOREAN.knows(text)]


def told(record: dict[str, Any]) -> Iterator[str]:
    """Yield all that a record says: its reason, its rules, and what each of them did."""
    yield record["reason"]
    for line in record.get("trail") or ():
        yield line["guard"]
        yield line["why"]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_every_example_of_the_docs_is_said_in_korean(file: Path) -> None:
    decisions = [answer(line) for line in file.read_text(encoding="utf-8").splitlines()]

    assert decisions
    assert unknown(text for one in decisions for text in told(one)) == []
