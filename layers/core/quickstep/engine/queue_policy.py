"""What a target's queue policies ask for: the tasks that work off all of its queues.

A task works on jobs from any of them, so their needs are added up. This gives one number, and one
proposal alongside those of the policies with alarms.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from quickstep.engine.backlog import asked, counted, share
from quickstep.engine.model import Direction
from quickstep.engine.outcome import Outcome
from quickstep.engine.patience import kept
from quickstep.engine.proposal import RECHECK_SECONDS, Proposal, corrected
from quickstep.engine.target_policy import LONGEST_PAUSE, beside_missing, largest_step
from quickstep.engine.words import many, tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickstep.engine.backlog import Backlog, QueuePolicy
    from quickstep.engine.model import ScalableTarget
    from quickstep.engine.patience import Need
    from quickstep.engine.proposal import Case

QUEUES = "QueuePolicies/*"
"""The name under which patience for all queue policies is kept; no policy has it."""

EMPTY_SECONDS = 60
"""The last task goes once all queues have been empty for this long."""


def window(target: ScalableTarget) -> int | None:
    """Return the least seconds to keep an idle task; None without a queue."""
    return max((policy.scale_in_window for policy in target.queues), default=None)


def needed(backlog: Backlog) -> list[Need]:
    """Return how many tasks the queues needed recently, oldest first."""
    return list(reversed(backlog.needs))


def unseen(case: Case) -> str | None:
    """Return why one of the target's queues cannot be seen; None if all can."""
    backlog = case.observation.backlog
    for policy in case.target.queues:
        queue = backlog.queues.get(policy.name) if backlog else None
        if queue is None:
            return f"{policy.name}: the queue {policy.queue_name} was not read"
        if queue.trouble:
            return f"{policy.name}: {queue.trouble}"
    return None


def ask(case: Case, direction: Direction) -> Proposal | None:
    """Return the capacity that the queues need, or how many idle tasks to keep.

    None without queues, or if no more tasks are needed. Asking for fewer requires that every queue
    was read. If the target also has step policies, these must ask for fewer, too: a quiet alarm
    does not say how many tasks its load needs.
    """
    backlog = case.observation.backlog
    if not case.target.queues or backlog is None:
        return None
    if direction is Direction.OUT:
        return _more(case, backlog)
    steps = [policy.alarm for policy in case.target.step_policies]
    removing = [policy.alarm for policy, _ in case.in_alarm(Direction.IN)]
    if steps and not set(steps) & set(removing):
        return None
    return _fewer(case, backlog)


def _more(case: Case, backlog: Backlog) -> Proposal | None:
    if backlog.tasks <= case.desired:
        return None
    base, why = max(case.desired, case.bounds.minimum), _sum(case, backlog)
    wanted = max(base, backlog.tasks)
    proposal = corrected(case, Proposal(case.desired, wanted, base, why))
    proposal = proposal.after("queues", wanted, why)
    # The next poll sees new arrivals; this look is for tasks that can be removed.
    return largest_step(case, proposal).checked_again_in(LONGEST_PAUSE)


def _fewer(case: Case, backlog: Backlog) -> Proposal:
    patience = case.state.patience.get(QUEUES)
    base = min(case.desired, case.bounds.maximum) if case.bounds.forced else case.desired
    why = _sum(case, backlog)
    proposal = Proposal(base, base, base, why).after("queues", min(base, backlog.tasks), why)
    least = window(case.target)
    if patience is None or least is None:
        return proposal.hold(
            "patience", case.desired, Outcome.HELD_NO_DATA, "there is no history yet"
        )
    keep = kept(patience, least, case.target.queues[0].kept_share, case.now)
    soon = max(RECHECK_SECONDS, min(LONGEST_PAUSE, case.seconds_until(keep.until)))
    # At the minimum no task can be removed, and polls see everything else.
    proposal = proposal.checked_again_in(soon if case.desired > case.bounds.minimum else None)
    held = keep.why
    if min(base, keep.tasks) > proposal.capacity:
        least = min(base, keep.tasks)
        proposal = proposal.after("patience", least, f"kept at {least}: {keep.why}", keep.why)
    if proposal.capacity == 0 < base and (waits := _not_empty_for_long(case, backlog)):
        seconds, held = waits
        proposal = proposal.after("last task", 1, f"kept at 1: {held}", held)
        proposal = proposal.checked_again_in(seconds)
    if proposal.capacity:  # without a need, no room is left for missing tasks
        proposal = beside_missing(case, proposal, base)
    if proposal.capacity < case.desired:
        return proposal
    if backlog.tasks >= case.desired:
        return proposal.hold("queues", case.desired, Outcome.HELD_NOT_BREACHING, why)
    why = f"kept at {proposal.capacity}: {held}"
    return proposal.hold("patience", case.desired, Outcome.HELD_COOLDOWN, why, held)


def _not_empty_for_long(case: Case, backlog: Backlog) -> tuple[int, str] | None:
    """Return how many seconds the last task must stay, and why; None if it may go.

    Delayed or in-flight messages are not a load, but may come back at any moment.
    """
    if backlog.empty_since is None:
        return RECHECK_SECONDS, "messages are in flight or delayed"
    empty = (case.now - backlog.empty_since).total_seconds()
    if empty >= EMPTY_SECONDS:
        return None
    left = max(RECHECK_SECONDS, math.ceil(EMPTY_SECONDS - empty))
    return left, f"the queues have been empty for {max(0, round(empty))} s of {EMPTY_SECONDS}"


def _sum(case: Case, backlog: Backlog) -> str:
    """Return the sum in words.

    If the jobs limit the tasks, it says how many jobs there are.

    Examples: `jobs: 12 jobs/s arriving and 340 waiting need 50 tasks at 0.5 jobs/s each`; for two
    queues `jobs: 12 jobs/s arriving and 340 waiting need 49.3; mails: 6 waiting need 0.2: 50 tasks
    in all`.
    """
    parts = list(_parts(case, backlog))
    if not parts:
        return "no queue was read"
    if len(parts) > 1:
        each = "; ".join(f"{text} need {share:.3g}" if share else text for _, text, share in parts)
        return f"{each}: {tasks(backlog.tasks)} in all"
    policy, text, _ = parts[0]
    if not backlog.tasks:
        return text
    return f"{text} need {tasks(backlog.tasks)} at {policy.jobs_per_second:.3g} jobs/s each"


def _parts(case: Case, backlog: Backlog) -> Iterator[tuple[QueuePolicy, str, float]]:
    readings = {name: queue.reading for name, queue in backlog.queues.items() if queue.reading}
    for policy in counted(case.target.queues, readings):
        reading, come = readings[policy.name], backlog.queues[policy.name].arrivals
        needed = share(policy, reading, come)
        bounded = asked(policy, reading, come) > needed
        jobs = f", {many(reading.jobs, 'job')} in all," if bounded else ""
        yield policy, f"{policy.name}: {_jobs(come, reading.visible)}{jobs}", needed


def _jobs(come: float, waiting: int) -> str:
    arriving = f"{come:,.3g} jobs/s arriving" if come else ""
    waits = f"{waiting:,} waiting" if waiting else ""
    return " and ".join(filter(None, (arriving, waits))) or "no jobs"
