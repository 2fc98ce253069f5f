"""The scalers' names in sentences; tables also show their short names."""

from __future__ import annotations

_NAMES = {
    "quickstep": "Quickstep, alarms only",
    "quickstep-surge": "Quickstep, with surge messages",
    "textbook": "Quickstep's steps without its guards",
    "aas-step-10s-alarm": "AWS step policy, 10-s alarm",
    "aas-step-20s-alarm": "AWS step policy, 20-s alarm",
    "aas-step-60s-alarm": "AWS step policy, 60-s alarm",
    "aas-percent-10s-alarm": "AWS step policy in percent, 10-s alarm",
    "aas-percent-20s-alarm": "AWS step policy in percent, 20-s alarm",
    "aas-percent-60s-alarm": "AWS step policy in percent, 60-s alarm",
    "aas-target-tracking-60s": "AWS target tracking, 60-s metrics",
    "aas-target-tracking-20s": "AWS target tracking, 20-s metrics",
    "aas-target-tracking-20s-custom": "AWS target tracking, 20-s custom metrics",
    "aas-target-tracking-10s-custom": "AWS target tracking, 10-s custom metrics",
}


def called(name: str) -> str:
    """Return a scaler's name in words; an unknown one keeps its own."""
    return _NAMES.get(name, name)
