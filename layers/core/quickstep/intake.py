"""What reaches the scaler, and where it goes: alarm events, its own messages, the heartbeat.

An evaluation that lost the race for its target's lease loses nothing: what set it off comes back
through the queue a moment later.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from quickstep.alarm_events import read_event
from quickstep.engine.outcome import Outcome
from quickstep.messages import AlarmAgain, Message, Sweep, read_message
from quickstep.triggers import Heartbeat, Recheck, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quickstep.cycle import Cycle
    from quickstep.naming import ServiceName
    from quickstep.ports import Alarms, Messages
    from quickstep.records import DecisionRecord
    from quickstep.triggers import DescribedAlarm

MAX_RACES = 16
"""Races for a lease that a message may lose: at least 16 s, so that it outlives the lease of a
holder that died. Whoever keeps winning for longer is at work."""

PAGES = 15
"""Pages of alarms in one invocation; the rest is left to the next one."""

PAGE_PAUSE = timedelta(milliseconds=200)
"""DescribeAlarms allows 9 calls a second in an account; the heartbeat takes about half of them."""

INLINE_TARGETS = 50
"""More targets than this are looked at by invocations of their own."""

LOOKS_A_SECOND = 15
"""DescribeServices' bucket refills by 20 a second in an account; some are left for scaling."""

LAST_LOOK = timedelta(seconds=50)
"""The looks of one heartbeat are over before the next one: 750 targets, beyond that all at once."""

INLINE_TIME = timedelta(seconds=4)
"""How long one invocation looks at targets itself; the rest is left to others."""


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
            return self._sweep(Sweep())
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
            case AlarmAgain(event):
                record = self.cycle.on_alarm(read_event(event))
            case Heartbeat() as heartbeat:
                record = self.cycle.on_heartbeat(heartbeat)
            case Request() as request:
                record = self.cycle.on_request(request)
            case Sweep() as sweep:
                return self._sweep(sweep)
        if record is None:
            return []
        beaten = record.outcome is Outcome.LOST_RACE and message.lost < MAX_RACES
        if beaten:
            again = replace(message, lost=message.lost + 1)
            self.messages.send(again, timedelta(seconds=1 + round(self.jitter())))
        return [record]

    def _sweep(self, sweep: Sweep) -> list[DecisionRecord]:
        """Look at every target that has alarms; hand on what is too much for one invocation."""
        targets: dict[ServiceName, dict[str, DescribedAlarm]] = defaultdict(dict)
        token = sweep.next_token
        for page in range(PAGES):
            if page:
                self.pause(PAGE_PAUSE)
            alarms, token = self.alarms.page(token)
            for (service, policy), alarm in alarms.items():
                targets[service][policy] = alarm
            if token is None:
                break
        if token is not None:
            self.messages.send(Message(Sweep(token)), timedelta())
        whole = token is None and sweep.next_token is None
        heartbeats = [Heartbeat(service, alarms, whole) for service, alarms in targets.items()]
        if len(heartbeats) > INLINE_TARGETS or not whole:
            self._hand_on(heartbeats)
            return []
        return self._look_at(heartbeats)

    def _hand_on(self, heartbeats: list[Heartbeat]) -> None:
        """Leave targets to invocations of their own, a few at a time.

        By the time it is looked at, a target may have got an alarm that is not in its heartbeat.
        """
        self.messages.send_all(
            [
                (
                    Message(replace(heartbeat, complete=False)),
                    min(LAST_LOOK, timedelta(seconds=index // LOOKS_A_SECOND)),
                )
                for index, heartbeat in enumerate(heartbeats)
            ]
        )

    def _look_at(self, heartbeats: list[Heartbeat]) -> list[DecisionRecord]:
        """Look at each target, whatever becomes of the others, while there is time."""
        records, errors = [], []
        until = self.cycle.clock() + INLINE_TIME
        for index, heartbeat in enumerate(heartbeats):
            if self.cycle.clock() >= until:
                self._hand_on(heartbeats[index:])
                break
            try:
                records += self._message(Message(heartbeat))
            except Exception as error:  # noqa: BLE001 - raised below, once all had their turn
                errors.append(error)
        if errors:
            raise ExceptionGroup("heartbeat", errors)
        return records
