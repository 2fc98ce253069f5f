"""The figures of a benchmark: ratio and goal, and how they are shown."""

from __future__ import annotations

import pytest

from benchmarks.figures import Beside, Figure, Goal, Quantity, as_markdown

HALF = Goal(at_most=0.5)


@pytest.mark.parametrize(
    ("figure", "ratio", "kept"),
    [
        pytest.param(Figure("f", Quantity(3)), None, None, id="nothing beside, nothing promised"),
        pytest.param(Figure("f", Quantity(0.5), goal=HALF), None, True, id="a limit of itself"),
        pytest.param(Figure("f", Quantity(0.6), goal=HALF), None, False, id="over its limit"),
        pytest.param(
            Figure("f", Quantity(2), Beside("b", Quantity(4)), HALF), 0.5, True, id="of the ratio"
        ),
        pytest.param(
            Figure("f", Quantity(3), Beside("b", Quantity(4)), HALF), 0.75, False, id="over it"
        ),
        pytest.param(
            Figure("f", Quantity(3), Beside("b", Quantity(4)), Goal(at_least=0.8)),
            0.75,
            False,
            id="under the least",
        ),
        pytest.param(
            Figure("f", Quantity(3), Beside("b", Quantity(4)), HALF, paired=0.4),
            0.4,
            True,
            id="measured pair by pair",
        ),
        pytest.param(
            Figure("f", Quantity(None), Beside("b", Quantity(4)), HALF), None, False, id="never"
        ),
        pytest.param(
            Figure("f", Quantity(1), Beside("b", Quantity(0)), HALF), None, False, id="over none"
        ),
        pytest.param(
            Figure("f", Quantity(0), Beside("b", Quantity(0)), HALF), None, True, id="none at all"
        ),
    ],
)
def test_a_figure_keeps_its_goal(figure: Figure, ratio: float | None, kept: bool | None) -> None:
    assert (figure.ratio, figure.kept) == (ratio, kept)


@pytest.mark.parametrize(
    ("quantity", "shown"),
    [
        (Quantity(None, "s"), "never"),
        (Quantity(15.72, "s"), "15.7 s"),
        (Quantity(0.734, "µs"), "0.73 µs"),
        (Quantity(230103.4, "requests"), "230,103 requests"),
        (Quantity(12, "calls"), "12 calls"),
        (Quantity(0), "0"),
    ],
    ids=str,
)
def test_a_quantity_has_the_digits_that_tell_something(quantity: Quantity, shown: str) -> None:
    assert str(quantity) == shown


def test_a_goal_that_is_missed_stands_out_in_the_document() -> None:
    figure = Figure("a | b", Quantity(3, "s"), Beside("floor", Quantity(4, "s")), HALF)

    *_, row = as_markdown([figure])

    assert row == "| a \\| b | 3 s | floor: 4 s | 0.75 | at most 0.5 | **NO** |"
