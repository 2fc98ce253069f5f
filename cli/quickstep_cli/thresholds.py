"""Alarm thresholds, which a policy document lacks: given on the command line."""

from __future__ import annotations

import typer


def read_thresholds(given: list[str]) -> dict[str, float]:
    """Return thresholds by policy, from options like `high-request-rate=120`.

    Raises:
        typer.BadParameter: one is not POLICY=VALUE with a number above 0.
    """
    thresholds = {}
    for item in given:
        name, _, text = item.partition("=")
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not (name and 0 < value < float("inf")):
            rule = "must be POLICY=VALUE, with a number above 0"
            raise typer.BadParameter(f"{rule}, not {item!r}", param_hint="--threshold")
        thresholds[name] = value
    return thresholds
