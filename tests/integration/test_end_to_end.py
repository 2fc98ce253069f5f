"""What the benchmark from overload to UpdateService measures: the handler on the embedded AWS."""

from __future__ import annotations

from benchmarks.end_to_end import measure_function


def test_the_handler_is_measured_from_the_event_until_ecs_has_accepted() -> None:
    (seconds,) = measure_function(1)
    assert 0 < seconds < 10
