"""What reaches the scaler, and where it goes: alarm events, its own messages, the heartbeat.

An evaluation that lost the race for its target's lease loses nothing: what set it off comes back
through the queue a moment later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from quickstep.alarms.event import read_event
from quickstep.engine.outcome import Outcome
from quickstep.loop.heartbeat import Rounds
from quickstep.protocol.messages import AlarmAgain, Looks, Message, Sweep, read_message
from quickstep.protocol.triggers import Heartbeat, Recheck, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quickstep.loop.cycle import Cycle
    from quickstep.protocol.ports import Alarms, Messages
    from quickstep.protocol.records import DecisionRecord
    from quickstep.protocol.triggers import Trigger

MAX_RACES = 16
"""Races for a lease that a message may lose: at least 16 s, so that it outlives the lease of a
holder that died. Whoever keeps winning for longer is at work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Routes what comes in to the cycle. `pause` waits, `jitter` gives a number from 0 up to 1."""

    cycle: Cycle
    alarms: Alarms
    messages: Messages
    pause: Callable[[timedelta], None]
    jitter: Callable[[], float]

    def on_event(self, event: Mapping[str, Any]) -> list[DecisionRecord]:
        """Evaluate what EventBridge or its Scheduler delivers.

        Raises:
            EventError: it is neither the heartbeat nor an alarm state change of ours.
        """
        if event == {"heartbeat": {}}:
            return self._message(Message(Sweep()))
        return self._message(Message(AlarmAgain(event)))

    def on_message(self, body: str) -> list[DecisionRecord]:
        """Evaluate one message of the queue.

        Raises:
            MessageError, EventError: it is none of those in `messages`.
        """
        return self._message(read_message(body))

    def _message(self, message: Message) -> list[DecisionRecord]:
        match message.content:
            case Recheck() as recheck:
                record = self.cycle.on_recheck(recheck)
                records = [record] if record else []
            case AlarmAgain(event):
                records = [self.cycle.on_alarm(read_event(event))]
            case Request() as request:
                records = [self.cycle.on_request(request)]
            case Looks() as looks:
                records = self._rounds.look(looks)
            case Sweep() as sweep:
                records = self._rounds.sweep(sweep)
        for record in records:
            if record.outcome is Outcome.LOST_RACE and message.lost < MAX_RACES:
                self._come_back(record.trigger, message)
        return records

    def _come_back(self, trigger: Trigger, message: Message) -> None:
        """Bring back what lost a race: the message, or of several targets the one that lost."""
        content = Looks((trigger,)) if isinstance(trigger, Heartbeat) else message.content
        again = Message(content, message.lost + 1)
        self.messages.send(again, timedelta(seconds=1 + round(self.jitter())))

    @property
    def _rounds(self) -> Rounds:
        return Rounds(self.cycle, self.alarms, self.messages, self.pause, self.jitter)
