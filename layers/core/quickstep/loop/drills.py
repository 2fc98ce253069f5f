"""A drill: a scheduled test of the whole path from a metric to a decision. It touches no task.

A pulse on the drill's own metric turns the drill's own alarm to ALARM, whose event takes the same
path as every alarm's event. The evaluation only reads: it claims nothing, remembers nothing and
never calls UpdateService, so a surge in the same second is answered as usual. A drill's alarm has a
name that no policy's alarm can have: nothing in a real event turns it into a dry run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quickstep.config import ConfigError
from quickstep.engine.decide import decide
from quickstep.engine.model import AlarmState, Observation
from quickstep.engine.outcome import Outcome
from quickstep.fields import write_moment
from quickstep.loop.observing import Observer
from quickstep.protocol.look import Cause, Look, Reads
from quickstep.protocol.ports import CallFailedError
from quickstep.protocol.records import DecisionRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from quickstep.alarms.definition import AlarmDefinition
    from quickstep.alarms.event import AlarmEvent
    from quickstep.engine.model import Datapoint, Decision
    from quickstep.loop.cycle import Cycle
    from quickstep.protocol.messages import AlarmAgain
    from quickstep.protocol.ports import Metrics


def drill(cycle: Cycle, event: AlarmEvent, again: AlarmAgain) -> list[DecisionRecord]:
    """Decide, as a dry run, what the load of the drill's service asks for; return the record.

    Return none when the drill's alarm goes back to OK: then there is nothing to decide.
    """
    if event.alarm.state is not AlarmState.ALARM:
        return []
    now, look = cycle.clock(), _look(event, again)
    draft = DecisionRecord(cycle.new_id(), now, look, Outcome.FAILED_OTHER, "")
    if abs(now - event.at) > cycle.max_event_age:
        why = f"it is of {write_moment(event.at)}"
        return [_kept(cycle, draft.ended(Outcome.IGNORED_STALE, why))]
    try:
        record = _decided(cycle, draft, event)
    except ConfigError as error:
        record = draft.ended(Outcome.FAILED_CONFIG, str(error))
    except CallFailedError as error:
        record = draft.ended(error.outcome, error.why)
    return [_kept(cycle, record)]


def _look(event: AlarmEvent, again: AlarmAgain) -> Look:
    details = {"alarm": event.alarm_name, "at": write_moment(event.at)}
    if event.newest:
        details["pulse"] = write_moment(event.newest)
    cause = Cause("drill", details)
    return Look(service=event.service, cause=cause, again=again, reads=Reads.SCALE_OUT)


def _decided(cycle: Cycle, draft: DecisionRecord, event: AlarmEvent) -> DecisionRecord:
    """Return the record of the dry run, with the time it has taken since the pulse.

    Raises:
        ConfigError: the document is missing, or breaks a rule.
        CallFailedError: a call failed, including the one for the metrics.
    """
    look, now = draft.look, draft.at
    target = replace(cycle.policies.load(look.service), dry_run=True)
    memory, _ = cycle.targets.peek(target.resource_id)
    memory = memory.as_of(now)
    service = cycle.services.describe(look.service)
    metrics = _Insisting(cycle.metrics)
    seen = Observer(metrics, cycle.queues, cycle.max_event_age).observe(target, memory, look, now)
    if metrics.failed:
        raise metrics.failed
    observation = Observation(service, seen.alarms, seen.backlog)
    decision: Decision = decide(target, observation, memory.state, now)
    return replace(
        draft,
        outcome=decision.outcome,
        reason=decision.reason,
        decision=decision,
        service=service,
        alarms=seen.alarms,
        backlog=seen.backlog,
        drill_latency=cycle.clock() - (event.newest or event.at),
    )


@dataclass(slots=True)
class _Insisting:
    """Metrics that remember a failed read.

    An evaluation must go on without them, and holds. A drill exists to find the failure.
    """

    metrics: Metrics
    failed: CallFailedError | None = None

    def read(
        self, definitions: Mapping[str, AlarmDefinition], now: datetime
    ) -> Mapping[str, Sequence[Datapoint]]:
        try:
            return self.metrics.read(definitions, now)
        except CallFailedError as error:
            self.failed = error
            raise


def _kept(cycle: Cycle, record: DecisionRecord) -> DecisionRecord:
    """Store a record, unless it is a throttle: the table may be the one that throttles."""
    if record.outcome is not Outcome.FAILED_THROTTLED:
        cycle.targets.record(record)
    return record
