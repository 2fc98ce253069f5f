"""AWS's published limits on calls, as token buckets."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Bucket:
    """A token bucket; a call that finds it empty is throttled, and takes nothing."""

    burst: float
    refill: float
    tokens: float = math.inf
    filled_at: float = 0.0

    def take(self, now: float) -> bool:
        """Take a token, if there is one at `now`."""
        grown = self.tokens + (now - self.filled_at) * self.refill
        self.tokens, self.filled_at = min(self.burst, grown), now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def earliest_end(self, calls: int) -> float:
        """Return how long so many calls take at least.

        Example: 1,000 calls of UpdateService, 50 at once and 5 a second: 190 s.
        """
        return max(0.0, (calls - self.burst) / self.refill)


def published() -> dict[str, Bucket]:
    """Return the buckets of an account and Region, full.

    UpdateService and DescribeServices: *request-throttling*, ECS Developer Guide. DescribeAlarms:
    *cloudwatch_limits*, CloudWatch User Guide. A partition of a table takes 1,000 writes or 3,000
    consistent reads of up to 1 KB and 4 KB a second, twice as many that are not consistent: the
    line of throttled targets is one item (*bp-partition-key-design*, DynamoDB Developer Guide).
    """
    return {
        "UpdateService": Bucket(burst=50, refill=5),
        "DescribeServices": Bucket(burst=100, refill=20),
        "DescribeAlarms": Bucket(burst=9, refill=9),
        "UpdateItem of the line": Bucket(burst=1_000, refill=1_000),
        "GetItem of the line": Bucket(burst=6_000, refill=6_000),
    }


@dataclass
class Meter:
    """Which calls were made: attempts, those of them that were throttled, most in one second."""

    attempts: Counter[str] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    peak: Counter[str] = field(default_factory=Counter)
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
