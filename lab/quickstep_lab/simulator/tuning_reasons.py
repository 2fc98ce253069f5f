"""Why a search prefers its policy to the given one, in a sentence or two."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep_lab.simulator.tune import Behaviour, Candidate, Tuning

CLEARLY = 1.1
"""A figure counts as a reason if it differs by this factor."""

SECONDS = 2.0
"""A time must also differ by this many seconds: less is a clock's phase."""


def reasons(tuning: Tuning) -> list[str]:
    """Return why the given policy does worse than the chosen one: what fails, and what it costs.

    Example: `Yours fails 2.77% of the requests in its worst run, the chosen policy 0.61%: it scales
    out 27 s after a surge begins instead of 8 s, and adds 2.4 tasks at a time instead of 7.1.`
    """
    yours, chosen = tuning.baseline, tuning.chosen
    if yours.same_as(chosen):
        return ["Yours was chosen: no policy that was tried does better."]
    failed, fails = (1 - each.tuned.success_rate for each in (yours, chosen))
    hours, fewer = yours.tuned.task_hours, chosen.tuned.task_hours
    said = []
    if failed > fails:
        what = f"Yours fails {failed:.3%} of the requests in its worst run, the chosen policy "
        said.append(_because(f"{what}{fails:.3%}", _why_it_fails(yours, chosen)))
    if hours > fewer:
        subject = "It" if said else "Yours"
        what = f"{subject} takes {hours:.2f} task-hours, the chosen policy {fewer:.2f}"
        said.append(_because(what, _why_it_costs(yours, chosen)))
    return said


def _because(what: str, why: Iterator[str]) -> str:
    causes = list(why)
    return f"{what}: it {' and '.join(causes)}." if causes else f"{what}."


def _why_it_fails(yours: Candidate, chosen: Candidate) -> Iterator[str]:
    """Yield what it does later, or less of, than the chosen one; two causes at most."""
    mine, best = yours.tuned.behaviour, chosen.tuned.behaviour
    if mine is None or best is None:
        return
    causes = list(_slower(mine, best))
    if best.idle_task_hours > CLEARLY * mine.idle_task_hours:
        idle = f"{mine.idle_task_hours:.2f} task-hours in reserve"
        causes.append(f"keeps {idle} instead of {best.idle_task_hours:.2f}")
    yield from causes[:2] or _hotter(yours, chosen)


def _slower(mine: Behaviour, best: Behaviour) -> Iterator[str]:
    if _later(mine.time_to_trigger_s, best.time_to_trigger_s):
        yield (
            f"scales out {mine.time_to_trigger_s:.0f} s after a surge begins instead of "
            f"{best.time_to_trigger_s:.0f} s"
        )
    if best.added > CLEARLY * mine.added > 0:
        yield f"adds {mine.added:.1f} tasks at a time instead of {best.added:.1f}"
    if _later(mine.time_to_capacity_s, best.time_to_capacity_s):
        yield (
            f"has enough tasks serving {mine.time_to_capacity_s:.0f} s after a surge begins "
            f"instead of {best.time_to_capacity_s:.0f} s"
        )


def _later(mine: float | None, best: float | None) -> bool:
    return mine is not None and best is not None and mine > max(CLEARLY * best, best + SECONDS)


def _hotter(yours: Candidate, chosen: Candidate) -> Iterator[str]:
    mine, best = (next(iter(each.thresholds.values())) for each in (yours, chosen))
    if mine > best:
        yield f"lets a task carry {mine:g} requests/s before it scales out instead of {best:g}"


def _why_it_costs(yours: Candidate, chosen: Candidate) -> Iterator[str]:
    mine, best = yours.tuned.behaviour, chosen.tuned.behaviour
    if mine is None or best is None:
        return
    if mine.idle_task_hours > CLEARLY * best.idle_task_hours:
        idle = f"{mine.idle_task_hours:.2f} task-hours of idle tasks"
        yield f"keeps {idle} instead of {best.idle_task_hours:.2f}"
