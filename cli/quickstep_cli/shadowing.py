"""What Quickstep would have done beside what Application Auto Scaling did. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median_low
from typing import TYPE_CHECKING, Any

from quickstep.engine.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from quickstep_cli.autoscaling import Activity

CHANGES = (Outcome.WOULD_SCALE, Outcome.SCALED_OUT, Outcome.SCALED_IN)
APART = timedelta(minutes=5)
"""Changes that add tasks and follow each other sooner belong to one surge."""
ANSWERED = timedelta(minutes=15)
"""How long AAS may take to answer a surge: longer than its slowest published time, 363 s."""


class Who(StrEnum):
    """Who made a change."""

    QUICKSTEP = "Quickstep"
    AAS = "AAS"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the desired count, made or simulated by a dry run.

    `before` is the count at the time, if known; `to` is None if AAS does not say. `until` is when
    Quickstep last requested the same.
    """

    at: datetime
    who: Who
    before: int | None
    to: int | None
    why: str
    until: datetime | None = None

    @property
    def adds(self) -> bool:
        """Whether it adds tasks; False if unknown."""
        return self.before is not None and self.to is not None and self.to > self.before

    @property
    def removes(self) -> bool:
        """Whether it removes tasks; False if unknown."""
        return self.before is not None and self.to is not None and self.to < self.before


@dataclass(frozen=True, slots=True)
class Surge:
    """A surge: when Quickstep would first have added tasks, and how many it would have reached.

    `answered` is when AAS first added tasks after that, and `answer` how many it reached; None if
    it added none.
    """

    at: datetime
    most: int
    answered: datetime | None
    answer: int | None

    @property
    def later(self) -> float | None:
        """How many seconds later AAS acted."""
        return (self.answered - self.at).total_seconds() if self.answered else None


def changes(records: Iterable[Mapping[str, Any]], activities: Iterable[Activity]) -> list[Change]:
    """Return all changes, oldest first.

    Capacity does not follow a dry run, so it repeats its request every 10 s: unbroken requests
    for the same number are one change.
    """
    ours = list(_ours(records))
    return sorted([*ours, *_theirs(ours, activities)], key=lambda change: change.at)


def _ours(records: Iterable[Mapping[str, Any]]) -> Iterator[Change]:
    open_: Change | None = None
    for record in records:
        at = datetime.fromisoformat(record["at"])
        if record.get("trigger", {}).get("kind") == "drill":
            continue  # only a schedule caused it
        if "granted" not in record or record["outcome"] == Outcome.HELD_ANSWERED:
            continue  # says nothing about the load: a duplicate, a lost race, a failure
        if record["outcome"] not in CHANGES:
            if open_:
                yield open_
            open_ = None
            continue
        before, to = int(record["from"]), int(record["granted"])
        if open_ and (open_.before, open_.to) == (before, to):
            open_ = Change(open_.at, Who.QUICKSTEP, before, to, open_.why, until=at)
            continue
        if open_:
            yield open_
        open_ = Change(at, Who.QUICKSTEP, before, to, record["reason"])
    if open_:
        yield open_


def _theirs(ours: Sequence[Change], activities: Iterable[Activity]) -> Iterator[Change]:
    """Yield AAS's changes; `before` is its own last change, or the count Quickstep saw."""
    seen = [(change.at, change.before) for change in ours]
    last: int | None = None
    for activity in activities:
        if last is None:
            near = [before for at, before in seen if at <= activity.at] or [b for _, b in seen[:1]]
            last = near[-1] if near else None
        failed = "" if activity.status == "Successful" else f" ({activity.status})"
        yield Change(activity.at, Who.AAS, last, activity.to, f"{activity.why}{failed}")
        last = activity.to if activity.to is not None else last


def surges(every: Sequence[Change]) -> list[Surge]:
    """Return the surges that Quickstep would have answered, with AAS's answers."""
    groups: list[list[Change]] = []
    for change in every:
        if change.who is not Who.QUICKSTEP or not change.adds:
            continue
        last = groups[-1][-1] if groups else None
        if last and change.at - (last.until or last.at) <= APART:
            groups[-1].append(change)
        else:
            groups.append([change])
    theirs = [change for change in every if change.who is Who.AAS and change.adds]
    found = []
    for number, group in enumerate(groups):
        begin, end = group[0].at, group[-1].until or group[-1].at
        limit = max(begin + ANSWERED, end + APART)
        if number + 1 < len(groups):
            limit = min(limit, groups[number + 1][0].at)
        answers = [change for change in theirs if begin <= change.at < limit]
        found.append(
            Surge(
                begin,
                max(change.to or 0 for change in group),
                answers[0].at if answers else None,
                max((change.to or 0 for change in answers), default=None),
            )
        )
    return found


def sentence(every: Sequence[Change], since: str) -> str:
    """Return the result in one sentence."""
    removals = {who: sum(one.removes for one in every if one.who is who) for who in Who}
    scale_ins = (
        f"scale-ins: {removals[Who.QUICKSTEP]} by Quickstep, {removals[Who.AAS]} by "
        "Application Auto Scaling"
    )
    met = surges(every)
    if not met:
        added = sum(change.adds for change in every if change.who is Who.AAS)
        if not added:
            who = "neither Quickstep nor Application Auto Scaling scaled out"
            return f"In {since} {who}; {scale_ins}."
        times = f"{added} time{'' if added == 1 else 's'}"
        return (
            f"In {since} Quickstep would not have scaled out, and Application Auto Scaling did "
            f"{times}; {scale_ins}."
        )
    ours = (
        f"In {since} Quickstep would have scaled out in {len(met)} "
        f"surge{'' if len(met) == 1 else 's'}, up to {max(surge.most for surge in met)} tasks"
    )
    answered = [surge for surge in met if surge.later is not None]
    if not answered:
        minutes = ANSWERED // timedelta(minutes=1)
        return (
            f"{ours}; Application Auto Scaling followed in none of them within {minutes} minutes; "
            f"{scale_ins}."
        )
    middle = median_low(surge.later or 0.0 for surge in answered)
    most = max(surge.answer or 0 for surge in answered)
    return (
        f"{ours}; Application Auto Scaling followed in {len(answered)} of them, {middle:.0f} s "
        f"later (median), up to {most} tasks; {scale_ins}."
    )
