# ruff: noqa: INP001 - a folder of documents, not a package
"""The JSON Schema of a result of `quickstep prove`, from what reads it."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from quickstep_lab.prove.plan import Contender, Plan
from quickstep_lab.prove.result import FORMAT, STEPS

_MOMENT = {"type": "string", "format": "date-time"}
_COUNT = {"type": "integer", "minimum": 0}
_ACTS = "The scaler acts: Quickstep's function begins, or a scaling activity of AAS."
_SECONDS = {"type": ["number", "null"], "description": "Seconds; null where it never happened."}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def schema() -> str:
    """Return the schema as JSON."""
    optional_moment = {"type": ["string", "null"], "format": "date-time"}
    plan = {each.name: {"type": "number", "exclusiveMinimum": 0} for each in fields(Plan)}
    service = {"enum": [each.value for each in Contender]}
    surge = {
        "service": service,
        "number": _COUNT,
        "overloaded": _MOMENT,
        **dict.fromkeys(STEPS, optional_moment),
        "event": {**optional_moment, "description": _ACTS},
        "before": _COUNT,
        "after": _COUNT,
    }
    row = {"surges": _COUNT, "answered": _COUNT, **dict.fromkeys(STEPS, _SECONDS)}
    members = {
        "format": {"const": FORMAT},
        "quickstep": {"type": "string", "description": "The version that ran."},
        "where": {"enum": ["aws", "emulator"]},
        "region": {"type": "string"},
        "start": _MOMENT,
        "plan": _closed(plan),
        "surges": {"type": "array", "items": _closed(surge)},
        "figures": {
            "type": "object",
            "propertyNames": service,
            "additionalProperties": _closed(row),
        },
        "digest": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
    }
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A result of quickstep prove",
        **_closed(members),
    }
    whole["properties"] = {"$schema": {"type": "string"}, **members}
    return json.dumps(whole, indent=2) + "\n"
