"""A proof's figures as an SVG picture: one bar per service, one segment per step."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from quickstep_lab.prove.result import AWS_CAPACITY, AWS_TRIGGER, segments

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = {
    "readable": "datapoint readable",
    "alarm": "alarm",
    "event": "scaler acts",
    "update": "desired count rises",
    "first_running": "first new task runs",
    "last_running": "last new task runs",
}
_COLOURS = {
    "readable": "#9db4c0",
    "alarm": "#c2a83e",
    "event": "#7a3db8",
    "update": "#b3261e",
    "first_running": "#5c9e6b",
    "last_running": "#a8d5b0",
}
_LEFT, _RIGHT, _TOP, _ROW, _BAR = 190, 40, 56, 44, 22
_WIDTH = 940
_STYLE = 'role="img" font-family="system-ui, sans-serif" font-size="13" fill="#222"'
_LEAST = 120.0
"""Seconds that the axis shows at least: AWS's own figures are on it."""


def picture(
    figures: Mapping[str, Mapping[str, float | int | None]],
    predicted: Mapping[str, float | None],
    title: str,
) -> str:
    """Return the picture; `predicted` are seconds until the desired count rises, as simulated."""
    ends = [sum(seconds for _, seconds in segments(row)) for row in figures.values()]
    longest = max([_LEAST, *ends, *(value for value in predicted.values() if value is not None)])
    scale = (_WIDTH - _LEFT - _RIGHT) / (longest * 1.02)
    bottom = _TOP + _ROW * len(figures)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 84}" {_STYLE}>',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{bottom + 84}" fill="#fff"/>',
        f'<text x="12" y="22" font-size="15">{escape(title)}</text>',
    ]
    step = 20 if longest <= 200 else 60  # noqa: PLR2004 - lines that can be told apart
    for second in range(0, int(longest) + 1, step):
        x = _LEFT + second * scale
        parts += [
            f'<path d="M{x:.1f} {_TOP - 8}V{bottom}" stroke="#ddd"/>',
            f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{second} s</text>',
        ]
    for index, (name, row) in enumerate(figures.items()):
        y, at = _TOP + _ROW * index, 0.0
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 16}" text-anchor="end">{escape(name)}</text>')
        for part, seconds in segments(row):
            said = f"{escape(name)}: {seconds:g} s until {NAMES[part]}"
            parts.append(
                f'<rect x="{_LEFT + at * scale:.1f}" y="{y}" width="{seconds * scale:.1f}" '
                f'height="{_BAR}" fill="{_COLOURS[part]}"><title>{said}</title></rect>'
            )
            at += seconds
        if (guess := predicted.get(name)) is not None:
            x = _LEFT + guess * scale
            parts.append(
                f'<path d="M{x:.1f} {y - 4}v{_BAR + 8}" stroke="#000" stroke-width="2">'
                f"<title>simulated: {guess:g} s</title></path>"
            )
    for seconds, said in ((AWS_TRIGGER, "AWS: trigger 86 s"), (AWS_CAPACITY, "tasks run 109 s")):
        x = _LEFT + seconds * scale
        parts += [
            f'<path d="M{x:.1f} {_TOP - 10}V{bottom}" stroke="#555" stroke-dasharray="4 3"/>',
            f'<text x="{x:.1f}" y="{_TOP - 14}" text-anchor="middle" fill="#555">{said}</text>',
        ]
    parts += _legend(bottom + 40)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(y: int) -> list[str]:
    parts = []
    for index, (step, name) in enumerate(NAMES.items()):
        x = 12 + 152 * index
        parts += [
            f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{_COLOURS[step]}"/>',
            f'<text x="{x + 17}" y="{y}" font-size="12">{name}</text>',
        ]
    mark = "Black mark: when the desired count rises by the simulator. Dashed: AWS's own benchmark."
    return [*parts, f'<text x="12" y="{y + 26}" font-size="12">{mark}</text>']
