# ruff: noqa: INP001 - a folder of documents, not a package
"""The table of all modelled numbers, from `quickstep_lab.simulator.constants`."""

from __future__ import annotations

from docs.tables import table
from quickstep_lab.simulator.constants import TABLE

HEAD = ("Part", "What", "Value", "In `World`", "Varied", "Source")


def constants() -> str:
    """Return the table: each value with its unit, field, varied range and source."""
    rows = []
    for one in TABLE:
        unit = f" {one.unit}" if one.unit else ""
        varied = f"{one.low:g} to {one.high:g}{unit}" if one.varied else ""
        field = f"`{one.field}`" if one.field else ""
        rows.append((one.part, one.what, f"{one.value:g}{unit}", field, varied, one.source))
    return table(HEAD, rows)
