"""The colours of both themes, and the style sheet. Tests check the contrast of each pair in use."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache
from pathlib import Path

_RULES = Path(__file__).with_name("style.css")


class Theme(StrEnum):
    """What the colours are for; AUTO follows the viewer's system."""

    LIGHT = "light"
    DARK = "dark"
    AUTO = "auto"


PALETTES = {
    Theme.LIGHT: {
        "ground": "#ffffff",
        "raised": "#f5f7fa",
        "rule": "#dfe5ec",
        "text": "#16202c",
        "muted": "#526070",
        "accent": "#0b62c4",
        "load": "#0b62c4",
        "area": "#dbe9f9",
        "breach": "#fdeceb",
        "band": "#e9f4ee",
        "future": "#f5f7fa",
        "threshold": "#b3261e",
        "desired": "#16202c",
        "running": "#7d8b9b",
        "fill": "#dde4ec",
        "starting": "#5f7185",
        "missing": "#b45f06",
        "absent": "#fbead6",
        "out": "#0a7a45",
        "in": "#7a3db8",
        "dry": "#0b62c4",
        "recovered": "#96540a",
        "held": "#6a5a12",
        "ignored": "#5d6b7a",
        "failed": "#b3261e",
    },
    Theme.DARK: {
        "ground": "#10161d",
        "raised": "#19212b",
        "rule": "#2c3846",
        "text": "#e9eef4",
        "muted": "#a0aebd",
        "accent": "#6db3ff",
        "load": "#6db3ff",
        "area": "#17324f",
        "breach": "#3a1f22",
        "band": "#14281f",
        "future": "#151d26",
        "threshold": "#ff8d85",
        "desired": "#e9eef4",
        "running": "#7f8fa1",
        "fill": "#2a3644",
        "starting": "#8f9fb0",
        "missing": "#f2ab5c",
        "absent": "#3b2a16",
        "out": "#4cd295",
        "in": "#cba0ff",
        "dry": "#6db3ff",
        "recovered": "#f2ab5c",
        "held": "#dcc66a",
        "ignored": "#a0aebd",
        "failed": "#ff8d85",
    },
}
"""Text and lines lie on `ground` and `raised`.

`area`, `breach`, `band`, `future`, `fill` and `absent` lie behind them.
"""


def _variables(theme: Theme) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in PALETTES[theme].items())


@cache
def stylesheet(theme: Theme) -> str:
    """Return the style sheet; it consists of constants only, nothing comes from outside."""
    rules = re.sub(r"\s+", " ", _RULES.read_text(encoding="utf-8"))
    if theme is not Theme.AUTO:
        return f".qs{{{_variables(theme)}color-scheme:{theme}}}{rules}"
    dark = f"@media(prefers-color-scheme:dark){{.qs{{{_variables(Theme.DARK)}}}}}"
    return f".qs{{{_variables(Theme.LIGHT)}color-scheme:light dark}}{dark}{rules}"
