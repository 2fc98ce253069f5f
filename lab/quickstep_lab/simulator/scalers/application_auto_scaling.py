"""A model of what Application Auto Scaling's policies share: their alarms.

Sources of this package's models: "Step scaling policies overview", "How target tracking works" and
"Alarm actions" in the AWS guides; the two trigger times are from AWS's announcement of faster
service auto scaling in June 2026. Undocumented behaviour is assumed, and marked so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickstep.engine.model import AlarmState
from quickstep_lab.simulator import constants

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickstep_lab.simulator.stage import Stage, WatchedAlarm


def repeat(
    stage: Stage, alarm: WatchedAlarm, act: Callable[[WatchedAlarm], None], delay: float = 0.0
) -> None:
    """Evaluate the alarm; act when it goes to ALARM, and once a minute while it stays there."""

    def changed(_: WatchedAlarm) -> None:
        if alarm.state is AlarmState.ALARM:
            since = alarm.at
            stage.at(stage.now + delay, lambda: fire(since))

    def fire(since: float) -> None:
        if alarm.state is not AlarmState.ALARM or alarm.at != since:
            return
        stage.at(stage.now + stage.world.aas_action.draw(stage.random), take)
        stage.at(stage.now + constants.REPEAT.value, lambda: fire(since))

    def take() -> None:
        if alarm.values:  # in an outage, the last one may have expired since the alarm's action
            act(alarm)

    alarm.changed = changed
    alarm.start(stage)
