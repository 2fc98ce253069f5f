"""One row per scaler on a shared time axis: arrivals, the tasks' target load, failures.

Quickstep            enough tasks after 33 s · 14,850 failed
750 ┄┄┄┄┄▓▓┌───────────────     failures are filled, the tasks' target load is a line
0 ─────┘ └
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickstep.report.dashboard import plot
from quickstep.report.dashboard.html import Markup, join

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickstep.report.dashboard.plot import Across, Pin, Place, Upward

_TITLE, _GAP, _PINS = 20, 10, 26


@dataclass(frozen=True, slots=True)
class Row:
    """One scaler's row.

    `came` and `failed` are places (second, requests a second), `target` is the serving
    tasks' target load. `pins` are its decisions, `said` stands next to its name.
    """

    name: str
    said: str
    came: Sequence[Place]
    failed: Sequence[Place]
    target: Sequence[Place]
    pins: Sequence[Pin] = ()


def lanes(
    rows: Sequence[Row],
    *,
    seconds: float,
    width: float,
    height: float,
    label: str,
    keys: tuple[str, str, str],
) -> Markup:
    """Return the rows, one below the other, each with a plot of that height.

    `keys` labels the area, the filled part and the line.
    """
    axis = plot.across(0, seconds, width)
    highest = plot.ceiling(max((value for row in rows for _, value in row.came), default=1) or 1)
    samples = zip(("area", "lost", "desired"), keys, (True, True, False), strict=True)
    drawn: list[Markup] = [_key([plot.Sample(*sample) for sample in samples], axis)]
    plots: list[Upward] = []
    top = _key_height(axis)
    for row in rows:
        first = top + _TITLE + (_PINS if row.pins else 0)
        upward = plot.Upward(first, first + height, highest)
        plots.append(upward)
        drawn.append(_row(row, axis, upward, top, narrow=plot.is_narrow(width)))
        top = upward.bottom + _GAP
    return plot.drawing(width, _bottom(plots), label, _below(axis, plots, seconds), *drawn)


Curve = tuple[str, "Sequence[tuple[float, float | None]]"]
"""A line: its class, and its places; None breaks it."""


def curves(
    rows: Sequence[tuple[str, Sequence[Curve]]],
    *,
    seconds: float,
    width: float,
    height: float,
    unit: str,
    label: str,
) -> Markup:
    """Return a row of lines for each name, all on one scale that ends at `unit`s."""
    axis = plot.across(0, seconds, width)
    known = (value for _, lines in rows for _, line in lines for _, value in line)
    highest = plot.ceiling(max((value for value in known if value is not None), default=1) or 1)
    classes = [css for _, lines in rows[:1] for css, _ in lines]
    drawn: list[Markup] = [_key([plot.Sample(css, css) for css in classes], axis)]
    plots: list[Upward] = []
    top = _key_height(axis)
    for name, lines in rows:
        upward = plot.Upward(top + _TITLE, top + _TITLE + height, highest)
        plots.append(upward)
        drawn.append(
            join(
                plot.seen_only(
                    _grid(axis, upward, unit),
                    *(_broken(css, places, axis, upward) for css, places in lines),
                ),
                plot.text(name, axis.left, top + 13, "strong"),
            )
        )
        top = upward.bottom + _GAP
    return plot.drawing(width, _bottom(plots), label, _below(axis, plots, seconds), *drawn)


def _broken(
    css: str, places: Sequence[tuple[float, float | None]], axis: Across, upward: Upward
) -> Markup:
    parts: list[list[Place]] = [[]]
    for at, value in places:
        if value is None:
            parts.append([])
        else:
            parts[-1].append((at, value))
    return plot.path("".join(plot.sloped(part, axis, upward) for part in parts if part), css)


def _below(axis: Across, plots: Sequence[Upward], seconds: float) -> Markup:
    """Return the time axis's marks, through all plots."""
    marks = [plot.Mark(second, (clock(second, seconds),)) for second in round_marks(axis, seconds)]
    return plot.seen_only(plot.bottom_axis(marks, axis, plots))


def _bottom(plots: Sequence[Upward]) -> float:
    return plots[-1].bottom + plot.ROW + 10


def _key(samples: Sequence[plot.Sample], axis: Across) -> Markup:
    """Return the key: side by side, or one below the other if there is no room."""
    if not plot.is_narrow(axis.right):
        return plot.seen_only(plot.key(samples, axis.left, 14))
    return plot.seen_only(
        *(plot.key([sample], axis.left, 14 + 16 * n) for n, sample in enumerate(samples))
    )


def _key_height(axis: Across) -> float:
    return 56.0 if plot.is_narrow(axis.right) else 26.0


def _row(row: Row, axis: Across, upward: Upward, top: float, *, narrow: bool) -> Markup:
    end = row.came[-1][0] + _step(row.came) if row.came else 0.0
    lines: list[Markup] = []
    if row.came:
        came = plot.stepped(capped(row.came, upward.highest), end, axis, upward)
        target = plot.stepped(capped(row.target, upward.highest), end, axis, upward)
        lines = [
            plot.path(plot.filled(came, row.came[0][0], axis, upward), "area came"),
            _failures(row, axis, upward),
            plot.path(target, "desired"),
        ]
    return join(
        plot.seen_only(_grid(axis, upward), *lines),
        plot.text(row.name, axis.left, top + 13, "strong"),
        None if narrow else plot.text(row.said, axis.right, top + 13, "", "end"),
        *(plot.pin(one, axis, upward.top - 6) for one in row.pins),
    )


def _failures(row: Row, axis: Across, upward: Upward) -> Markup:
    """Return the failures, hanging from the arrivals: one path for all stretches."""
    step = _step(row.came)
    path = []
    for stretch in _stretches(row):
        first = stretch[0][0]
        above = "".join(f"V{upward.y(came):g}H{axis.x(at + step):g}" for at, came, _ in stretch)
        below = "".join(
            f"V{upward.y(came - failed):g}H{axis.x(at):g}" for at, came, failed in stretch[::-1]
        )
        path.append(f"M{axis.x(first):g} {upward.y(stretch[0][1]):g}{above}{below}Z")
    return plot.path("".join(path), "lost") if path else join()


def _stretches(row: Row) -> list[list[tuple[float, float, float]]]:
    """Return the stretches in which requests failed: (second, came, failed), in order."""
    found: list[list[tuple[float, float, float]]] = []
    failing = False
    for (at, came), (_, failed) in zip(row.came, row.failed, strict=True):
        if failed > 0:
            if not failing:
                found.append([])
            found[-1].append((at, came, failed))
        failing = failed > 0
    return found


def _step(places: Sequence[Place]) -> float:
    return places[1][0] - places[0][0] if len(places) > 1 else 1.0


def capped(places: Sequence[Place], highest: float) -> list[Place]:
    """Return a line's places clipped to a plot, without those that change nothing."""
    kept: list[Place] = []
    for at, value in places:
        if not kept or min(value, highest) != kept[-1][1]:
            kept.append((at, min(value, highest)))
    return kept


def _grid(axis: Across, upward: Upward, unit: str = "") -> Markup:
    """Return three rules with their numbers: a low plot has no room for more."""
    return join(
        *(
            join(
                plot.rule(axis.left, upward.y(value), axis.right, upward.y(value)),
                plot.text(
                    f"{plot.number(value)} {unit}".rstrip(),
                    axis.left - 6,
                    upward.y(value) + 4,
                    "",
                    "end",
                ),
            )
            for value in (0, upward.highest / 2, upward.highest)
        )
    )


_STEPS = (
    1,
    2,
    5,
    10,
    20,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    10_800,
    21_600,
    43_200,
    86_400,
)


def round_marks(axis: Across, seconds: float) -> list[int]:
    """Return seconds for marks that fit next to each other."""
    step = next((step for step in _STEPS if seconds / step <= axis.most_ticks + 1), 86_400)
    return list(range(0, int(seconds) + 1, step))


def clock(second: float, seconds: float) -> str:
    """Return a second of a traffic as `90 s`, `12:30` or `3:12:30`, depending on its length."""
    if seconds <= 300:  # noqa: PLR2004 - five minutes are counted in seconds
        return f"{second:g} s"
    minutes, rest = divmod(int(second), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if seconds > 3600 else f"{minutes}:{rest:02}"  # noqa: PLR2004
