"""AWS's quotas on what the scaler and the publisher call: per account and Region, by default.

This is the only table of quotas. The heartbeat's pace, the line, the surge model and the
documentation read it. A call that finds its bucket empty is throttled. Most quotas can be raised.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """A token bucket: `burst` calls at once, then `a_second` calls a second.

    `note` says what the `source` does not: what was derived, and what could not be verified.
    """

    calls: str
    burst: int
    a_second: int
    source: str
    note: str = ""


_ECS = "*request-throttling*, ECS API Reference"
_CLOUDWATCH = "*cloudwatch_limits*, CloudWatch User Guide"
_SSM = "*ssm*, AWS General Reference"
_PARTITION = "*bp-partition-key-design*, DynamoDB Developer Guide"
_TABLE = "*on-demand-capacity-mode*, DynamoDB Developer Guide"

_RATE_ONLY = "published as a rate: that the burst is a second's worth is derived"

UPDATE_SERVICE = Quota("UpdateService", 50, 5, _ECS)
DESCRIBE_SERVICES = Quota("DescribeServices", 100, 20, _ECS)
DESCRIBE_ALARMS = Quota("DescribeAlarms", 9, 9, _CLOUDWATCH, _RATE_ONLY)
GET_METRIC_DATA = Quota("GetMetricData", 500, 500, _CLOUDWATCH, _RATE_ONLY)
PUT_METRIC_DATA = Quota("PutMetricData", 500, 500, _CLOUDWATCH, _RATE_ONLY)
GET_PARAMETERS = Quota(
    "GetParameters",
    40,
    40,
    _SSM,
    "shared with GetParameter and GetParametersByPath; *higher throughput*, which has a price, "
    f"allows thousands (unverified how many); {_RATE_ONLY}",
)
PARTITION_WRITES = Quota("writes of one item", 1_000, 1_000, _PARTITION, "units of 1 KB")
PARTITION_READS = Quota("reads of one item", 6_000, 6_000, _PARTITION, "eventually consistent")
TABLE_WRITES = Quota(
    "writes of the table",
    4_000,
    4_000,
    _TABLE,
    "units of 1 KB; a new table's, which grows with what it has served, to 40,000 at most",
)
TABLE_READS = Quota(
    "reads of the table", 12_000, 12_000, _TABLE, "units of 4 KB, grows like its writes"
)
EVENTS = Quota(
    "EventBridge's invocations",
    750,
    750,
    "*eb-quota*, EventBridge User Guide",
    "in the smallest Regions, 18,750 in the largest; what is above comes late, and is not lost; "
    f"{_RATE_ONLY}",
)
ENVIRONMENTS = Quota(
    "Lambda's new environments",
    1_000,
    100,
    "*scaling-behavior*, Lambda Developer Guide",
    "up to 1,000 at once by default; a new account may have fewer (unverified how many)",
)
POLLED = Quota(
    "batches that Lambda takes from a queue at a time",
    5,
    5,
    "*services-sqs-scaling*, Lambda Developer Guide",
    "5 at once and 300 more each minute, to 1,000 (1,250 in newer editions: unverified)",
)

QUOTAS = (
    UPDATE_SERVICE,
    DESCRIBE_SERVICES,
    DESCRIBE_ALARMS,
    GET_METRIC_DATA,
    PUT_METRIC_DATA,
    GET_PARAMETERS,
    PARTITION_WRITES,
    PARTITION_READS,
    TABLE_WRITES,
    TABLE_READS,
    EVENTS,
    ENVIRONMENTS,
    POLLED,
)
"""SQS standard queues have no quota that matters here: their calls are "nearly unlimited"."""
