"""AWS's quotas as token buckets, and how many tokens each of the account's calls takes."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field

from quickstep.protocol.quotas import (
    DESCRIBE_ALARMS,
    DESCRIBE_SERVICES,
    GET_METRIC_DATA,
    GET_PARAMETERS,
    PARTITION_READS,
    PARTITION_WRITES,
    TABLE_READS,
    TABLE_WRITES,
    UPDATE_SERVICE,
    Quota,
)


@dataclass(kw_only=True)
class Bucket:
    """A token bucket; a call that finds it empty is throttled, and takes nothing."""

    burst: float
    refill: float
    tokens: float = math.inf
    filled_at: float = 0.0

    def take(self, now: float, tokens: int = 1) -> bool:
        """Take tokens, if there are enough at `now`."""
        grown = self.tokens + (now - self.filled_at) * self.refill
        self.tokens, self.filled_at = min(self.burst, grown), now
        if self.tokens < tokens:
            return False
        self.tokens -= tokens
        return True

    def earliest_end(self, calls: int) -> float:
        """Return how long this many calls take at least.

        Example: 1,000 calls of UpdateService, 50 at once and 5 a second: 190 s.
        """
        return max(0.0, (calls - self.burst) / self.refill)


LIMITED: dict[str, tuple[Quota, int]] = {
    **{
        quota.calls: (quota, 1)
        for quota in (
            UPDATE_SERVICE,
            DESCRIBE_SERVICES,
            DESCRIBE_ALARMS,
            GET_METRIC_DATA,
            GET_PARAMETERS,
        )
    },
    # The line of throttled targets is one item.
    "take of the line": (PARTITION_WRITES, 1),
    "serve of the line": (PARTITION_WRITES, 1),
    "read of the line": (PARTITION_READS, 1),
    # Items of 2 KB, records of 1 KB; a transaction counts twice.
    "claim": (TABLE_WRITES, 2),
    "postpone": (TABLE_WRITES, 2),
    "commit": (TABLE_WRITES, 6),
    "record": (TABLE_WRITES, 1),
    "write of a copy": (TABLE_WRITES, 2),
    "peek": (TABLE_READS, 1),
    "read of a copy": (TABLE_READS, 1),
}
"""What each call takes, by its name in memory."""


def published(*, warmth: int = 1) -> dict[str, Bucket]:
    """Return an account and Region's buckets, full, by what they limit.

    The table has served, or was warmed for, `warmth` times as much as a new one.
    """
    warm = {quota.calls: warmth for quota in (TABLE_READS, TABLE_WRITES)}
    return {
        quota.calls: Bucket(burst=quota.burst * times, refill=quota.a_second * times)
        for quota, _ in LIMITED.values()
        for times in [warm.get(quota.calls, 1)]
    }


@dataclass
class Meter:
    """The calls made: attempts, throttled attempts, and the most in one second.

    `failed` counts the invocations that a throttle ended.
    """

    attempts: Counter[str] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    peak: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    _last: dict[str, deque[float]] = field(default_factory=dict)

    def count(self, name: str, now: float, *, granted: bool) -> None:
        """Count an attempt at a call."""
        self.attempts[name] += 1
        self.throttled[name] += not granted
        last = self._last.setdefault(name, deque())
        last.append(now)
        while last[0] <= now - 1:
            last.popleft()
        self.peak[name] = max(self.peak[name], len(last))
