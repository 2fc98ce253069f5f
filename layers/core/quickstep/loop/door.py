"""The one door: alarm events, the scaler's own messages and the heartbeat become looks here.

An evaluation that lost the race for its target's lease loses nothing: who holds that finds in the
item what it came for, and looks again. In case that one dies, it comes back through the queue when
the lease is over; what the item cannot tell comes back a moment later, and so does what was
throttled before its claim.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, assert_never

from quickstep.alarms.event import NOWHERE, Home, read_event
from quickstep.engine.outcome import Outcome
from quickstep.loop.cycle import LEASE
from quickstep.loop.heartbeat import HeartbeatRounds
from quickstep.loop.looks import alarm_look, recheck_look, request_look
from quickstep.loop.next_look import MAX_THROTTLES, backoff
from quickstep.protocol.messages import (
    AlarmAgain,
    Heartbeats,
    Message,
    Recheck,
    Request,
    Sweep,
    read_message,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quickstep.loop.cycle import Cycle
    from quickstep.protocol.messages import Content
    from quickstep.protocol.ports import Alarms, Messages
    from quickstep.protocol.records import DecisionRecord

MAX_RACES = 16
"""Races for a lease that a message may lose: at least 16 s, so that it outlives the lease of a
holder that died. Whoever keeps winning for longer is at work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Lets in what comes, and has it evaluated.

    `sleep` waits, `jitter` gives a number from 0 up to 1; an event of another place than `home` is
    refused.
    """

    cycle: Cycle
    alarms: Alarms
    messages: Messages
    sleep: Callable[[timedelta], None]
    jitter: Callable[[], float]
    home: Home = NOWHERE

    def on_event(self, event: Mapping[str, Any]) -> list[DecisionRecord]:
        """Evaluate what EventBridge or its Scheduler delivers.

        Raises:
            EventError: it is neither the heartbeat nor an alarm state change of ours.
        """
        return self._let_in(Message(Sweep() if event == {"heartbeat": {}} else AlarmAgain(event)))

    def on_message(self, body: str) -> list[DecisionRecord]:
        """Evaluate one message of the queue.

        Raises:
            MessageError, EventError: it is none of those in `messages`.
        """
        return self._let_in(read_message(body))

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

    def _records(self, content: Content) -> list[DecisionRecord]:
        match content:
            case Recheck():
                return self.cycle.evaluate(recheck_look(content))
            case AlarmAgain(event):
                return self.cycle.evaluate(alarm_look(read_event(event, self.home), content))
            case Request():
                return self.cycle.evaluate(request_look(content))
            case Heartbeats():
                return self._rounds.look_at([content])
            case Sweep():
                return self._rounds.sweep(content)
            case _:
                assert_never(content)

    @property
    def _rounds(self) -> HeartbeatRounds:
        return HeartbeatRounds(self.cycle, self.alarms, self.messages, self.sleep, self.jitter)
