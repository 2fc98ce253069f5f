"""The one door: alarm events, the scaler's own messages and the heartbeat become looks here.

An evaluation that loses the race for its target's lease loses nothing: the lease's holder finds in
the item what the look brought, and looks again. In case the holder dies, the look comes back
through the queue once the lease is over. A look that the item cannot stand in for comes back a
moment later, and so does one that was throttled before its claim.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, assert_never

from quickstep.alarms.event import NOWHERE, Home, read_event
from quickstep.engine.outcome import Outcome
from quickstep.loop.announcing import Announcer
from quickstep.loop.cycle import LEASE
from quickstep.loop.drills import drill
from quickstep.loop.heartbeat import HeartbeatRounds
from quickstep.loop.looks import alarm_look, recheck_look, request_look
from quickstep.loop.next_look import MAX_THROTTLES, backoff
from quickstep.loop.polls import Empties, Polls
from quickstep.loop.surges import refusal, surge_look
from quickstep.protocol.messages import (
    AlarmAgain,
    Heartbeats,
    Message,
    Recheck,
    Request,
    Surge,
    Sweep,
    read_message,
    read_surge,
)
from quickstep.protocol.polls import Poll, Survey
from quickstep.protocol.ports import CallFailedError
from quickstep.protocol.records import DecisionRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quickstep.loop.cycle import Cycle
    from quickstep.protocol.messages import Content
    from quickstep.protocol.ports import Alarms, Messages, Parameters, SurgeLooks

FIFO = ".fifo"
"""The suffix of every SQS FIFO queue's name."""

MAX_RACES = 16
"""Races for a lease that a message may lose: at least 16 s, so that it outlives a dead holder's
lease. A holder that keeps winning for longer is at work."""


SURVEY_AGAIN = timedelta(seconds=2)
"""When to repeat a failed survey: by a message, which fails loudly if it fails again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Lets in events and messages, and has them evaluated.

    `sleep` waits, `jitter` returns a number from 0 up to 1. Events from any place but `home` are
    refused. The `announcer` announces the results, once all is done.
    """

    cycle: Cycle
    alarms: Alarms
    parameters: Parameters
    messages: Messages
    surges: SurgeLooks
    sleep: Callable[[timedelta], None]
    jitter: Callable[[], float]
    home: Home = NOWHERE
    announcer: Announcer = field(default_factory=Announcer)
    empties: Empties = field(default_factory=Empties)

    def on_event(self, event: Mapping[str, Any]) -> list[DecisionRecord]:
        """Evaluate what EventBridge or EventBridge Scheduler delivers.

        Raises:
            EventError: it is neither the heartbeat nor a state change of a Quickstep alarm.
        """
        return self._let_in(Message(Sweep() if event == {"heartbeat": {}} else AlarmAgain(event)))

    def on_message(self, body: str, queue: str = "") -> list[DecisionRecord]:
        """Evaluate a message of the queue with this ARN; without one, of the scaler's own queue.

        The scaler's own queue delays each message, which no FIFO queue can do. So a message from a
        FIFO queue is a task's, whatever it says.

        Raises:
            MessageError, EventError: it is none of the kinds in `messages`.
        """
        if queue.endswith(FIFO):
            return self._let_in_once(read_surge(body))
        return self._let_in(read_message(body))

    def _let_in_once(self, surge: Surge) -> list[DecisionRecord]:
        """Evaluate a task's message, which must never be retried: its message group would block.

        After an unexpected failure, it comes back through the scaler's own queue.
        """
        message = Message(surge)
        try:
            return self._let_in(message)
        except Exception as error:  # noqa: BLE001 - any error
            self.messages.send(replace(message, lost=1), timedelta(seconds=1))
            failed = self._ended(surge, Outcome.FAILED_OTHER, f"{error!r}; it is tried again")
            return [failed]

    def _let_in(self, message: Message) -> list[DecisionRecord]:
        records = self._records(message.content)
        for record in records:
            if record.outcome is Outcome.LOST_RACE and message.lost < MAX_RACES:
                again = Message(record.look.again, message.lost + 1)
                wait = LEASE if record.look.waits else timedelta()
                self.messages.send(again, wait + timedelta(seconds=1 + round(self.jitter())))
            if record.unclaimed and message.lost < MAX_THROTTLES:
                again = Message(record.look.again, message.lost + 1)
                self.messages.send(again, backoff(message.lost, self.jitter(), scale_in=False))
        return records

    def _records(self, content: Content) -> list[DecisionRecord]:  # noqa: PLR0911 - one per kind
        match content:
            case Recheck():
                return self.cycle.evaluate(recheck_look(content))
            case AlarmAgain(event):
                alarm = read_event(event, self.home)
                if alarm.is_drill:
                    return drill(self.cycle, alarm, content)
                return self.cycle.evaluate(alarm_look(alarm, content))
            case Request():
                return self.cycle.evaluate(request_look(content))
            case Heartbeats():
                return self._rounds.look_at([content])
            case Sweep():
                return self._heartbeat(content)
            case Survey():
                self._polls.survey(content, self.cycle.targets.listed())
                return []
            case Poll():
                return self._polls.poll(content)
            case Surge():
                return self._look_at(content)
            case _:
                assert_never(content)

    def _heartbeat(self, sweep: Sweep) -> list[DecisionRecord]:
        """Read queues, and look at targets; a failed survey does not affect the targets."""
        if sweep.next_token is not None:
            return self._rounds.sweep(sweep, ())
        listed = self.cycle.targets.listed()
        self._polls.announce(listed)
        try:
            self._polls.survey(Survey(), listed)
        except CallFailedError:
            self.messages.send(Message(Survey()), SURVEY_AGAIN)
        return self._rounds.sweep(sweep, listed)

    def _look_at(self, surge: Surge) -> list[DecisionRecord]:
        try:
            why = refusal(surge, self.cycle.clock(), self.cycle.targets, self.surges)
        except CallFailedError as error:
            failed = self._ended(surge, error.outcome, error.why)
            return [replace(failed, unclaimed=error.outcome is Outcome.FAILED_THROTTLED)]
        if why:
            return [self._ended(surge, Outcome.IGNORED_SURGE, why)]
        return self.cycle.evaluate(surge_look(surge))

    def _ended(self, surge: Surge, outcome: Outcome, why: str) -> DecisionRecord:
        """Return the record of a surge that got no look; it is not stored."""
        look, now = surge_look(surge), self.cycle.clock()
        return DecisionRecord(self.cycle.new_id(), now, look, outcome, "").ended(outcome, why)

    @property
    def _polls(self) -> Polls:
        return Polls(
            cycle=self.cycle,
            parameters=self.parameters,
            queues=self.cycle.queues,
            messages=self.messages,
            sleep=self.sleep,
            empties=self.empties,
        )

    @property
    def _rounds(self) -> HeartbeatRounds:
        return HeartbeatRounds(self.cycle, self.alarms, self.messages, self.sleep, self.jitter)
