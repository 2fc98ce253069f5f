"""An hour of a task's life on virtual time: its workers are recycled, reloaded and killed."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from quickstep_publisher import Statistics
from quickstep_publisher._listening import Listening
from quickstep_publisher._load import Load
from quickstep_publisher._points import INTERVAL, Schedule
from quickstep_publisher._process import COPY_EVERY, Plan, Process
from quickstep_publisher._settings import settings
from quickstep_publisher._slots import Recorder
from tests.publisher.fakes import Kept, Time

if TYPE_CHECKING:
    from pathlib import Path

NAMES = {"QUICKSTEP_CLUSTER": "prod", "QUICKSTEP_SERVICE": "web"}


class Deaf(Listening):
    """Listens on nothing."""

    def find(self) -> bool:
        return False


class Worker:
    """A worker process without its threads: the time that is set does what they do."""

    def __init__(self, plan: Plan) -> None:
        self.recorder = Recorder()
        load = Load(1, plan.clock.monotonic, Deaf())
        self.process = Process(plan, self.recorder, dict, load, alone=False)
        self.turn = 0.0

    def act(self, at: float) -> None:
        self.process.copy()
        if at >= self.turn:
            self.process.publish()
            self.turn = at + self.process.seconds_to_turn()


@dataclass
class Task:
    """A task with so many workers, under a load, and what befalls them."""

    folder: Path
    phase: float
    size: int
    seconds: bool
    time: Time = field(default_factory=Time)
    kept: Kept = field(default_factory=Kept)
    chance: random.Random = field(default_factory=lambda: random.Random(11))  # noqa: S311
    workers: list[Worker] = field(default_factory=list)
    joining: list[float] = field(default_factory=list)
    sent: int = 0

    def __post_init__(self) -> None:
        found = settings(NAMES, directory=str(self.folder), seconds=self.seconds)
        self.plan = Plan(found, Schedule(self.phase), "task", self.kept, None, self.time.clock)
        self.workers = [Worker(self.plan) for _ in range(self.size)]

    def pass_a_quarter(self, rate: int) -> None:
        """Let a quarter of a second pass, with whole requests, begun and ended in it."""
        for _ in range(rate // 4 if self.workers else 0):
            worker = self.chance.choice(self.workers)
            worker.recorder.begin()
            worker.recorder.end(0.01)
            self.sent += 1
        self.time.pass_(COPY_EVERY)
        at = self.time.seconds
        while self.joining and self.joining[0] <= at:
            self.joining.pop(0)
            self.workers.append(Worker(self.plan))
        for worker in list(self.workers):
            worker.act(at)

    def recycle(self, slow: float) -> None:
        """End a worker as --max-requests does; its successor takes a while to import."""
        self.workers.pop(0).process.flush()
        self.joining.append(self.time.seconds + slow)

    def kill(self, slow: float) -> None:
        """Kill a worker just after a copy: the kernel releases what it holds."""
        self.workers.pop(0).process.abandon()
        self.joining.append(self.time.seconds + slow)

    def reload(self) -> None:
        """Start new workers, and then end the old ones, as HUP does."""
        old, self.workers = self.workers, [Worker(self.plan) for _ in range(self.size)]
        for worker in old:
            worker.process.flush()


@pytest.mark.parametrize(
    ("size", "phase"),
    [
        pytest.param(1, 0.0, id="one worker"),
        pytest.param(1, 4.37, id="one worker, another phase"),
        pytest.param(4, 4.9, id="four workers"),
    ],
)
@pytest.mark.parametrize(
    ("seconds", "every"),
    [
        pytest.param(False, INTERVAL, id="one value a call"),
        pytest.param(True, 1, id="whole seconds"),
    ],
)
def test_an_hour_of_recycling_reloads_and_kills_has_one_value_for_each_tick(
    tmp_path: Path, size: int, phase: float, *, seconds: bool, every: int
) -> None:
    task = Task(tmp_path, phase, size, seconds)
    for quarter in range(4 * 3600):
        task.pass_a_quarter(rate=60)
        if not task.workers:
            continue
        if quarter % 13 == 5:  # each 200 requests or so
            task.recycle(slow=(0.3, 2.0, 7.0, 23.0)[quarter // 13 % 4])
        elif quarter % 211 == 100:
            task.kill(slow=1.0)
        elif quarter % 997 == 500:
            task.reload()
    while task.joining:
        task.pass_a_quarter(rate=0)
    for _ in range(8 * INTERVAL):
        task.pass_a_quarter(rate=0)

    per_tick = Counter(
        (m.at or point.timestamp).timestamp()
        for point in task.kept.points
        for m in point.metrics
        if m.name == "RequestsPerSecond"
    )
    first, last = min(per_tick), max(per_tick)
    assert last - first >= 3590
    assert set(per_tick.values()) == {1}, "two values for a tick"
    assert len(per_tick) == 1 + (last - first) / every, "a tick without a value"

    counted = sum(
        value.count
        for value in task.kept.values("AverageResponseTime")
        if isinstance(value, Statistics)
    )
    assert counted == task.sent > 10_000
    if seconds:
        assert sum(task.kept.rates()) == pytest.approx(task.sent), "what arrived is in one second"
    else:
        # What is handed on comes with its time; another worker's copy may be a quarter of 4 s old.
        assert max(task.kept.rates()) < 60 * 1.07
