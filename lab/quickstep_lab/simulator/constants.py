"""Every modelled number, once: its value, its unit, its source, and its plausible range.

`World`, the models of AWS's scalers and the demo take their numbers from here; a test rejects a
number written directly in one of them. docs/model.md is generated from TABLE, and
`python -m benchmarks.sensitivity` plays each `low` and `high`.

A source is an AWS page, a measurement, or somebody's choice. One that begins with ASSUMED has no
source: it is a guess that says what it rests on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ASSUMED = "assumed"
_Known = tuple[float, float, float, str]
"""A value, its range and its source."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A modelled number. `low` and `high` are its range, if it is varied.

    `field` is its place in a `World`, such as `start_up.median`; "" if it has none. Pages group
    numbers by `part`.
    """

    part: str
    what: str
    value: float
    unit: str
    source: str
    low: float | None = None
    high: float | None = None
    field: str = ""

    @property
    def whole(self) -> int:
        """The value of a number that is counted in whole units."""
        return int(self.value)

    @property
    def varied(self) -> bool:
        """Whether the effect of its range can be played."""
        return bool(self.field) and self.low is not None and self.high is not None


def _spread(part: str, what: str, field: str, **known: _Known) -> Iterator[Constant]:
    """Yield a duration's constants: its median, and its 95th percentile."""
    said = {"median": f"{what}, median", "p95": f"{what}, one in twenty takes longer"}
    for name, (value, low, high, source) in known.items():
        yield Constant(part, said[name], value, "s", source, low, high, f"{field}.{name}")


# --- sources --------------------------------------------------------------------------------------

_AAS_BENCHMARK = "AWS's benchmark of faster ECS service auto scaling, June 2026"
_TARGETS = "ALB guide, *Health checks for your target groups*"
_ATTRIBUTES = "ALB guide, *Edit target group attributes*"
_ECS_QUOTAS = "AWS General Reference, *Amazon ECS endpoints and quotas*"
_ALARMS = "CloudWatch guide, *Alarm evaluation*"
_ACTIONS = "CloudWatch guide, *Alarm actions*"
_TRACKING = "Application Auto Scaling guide, *How target tracking works*"
_STEPS = "Application Auto Scaling guide, *Step scaling policies overview*"
_EXAMPLE = f"{ASSUMED}: an example's task"
_PROCESSOR_TIME = f"{ASSUMED}: `python -m benchmarks cold_start` measures 0.5 s of processor time"
_LIKE_THE_MEDIAN = f"{ASSUMED}, like the median"
_HOPS = f"{ASSUMED}: AWS publishes none; in the range that others have measured"

# --- a task ---------------------------------------------------------------------------------------

_TASK = "A task"

TASK_CAPACITY = Constant(
    _TASK,
    "requests that it can serve",
    150.0,
    "a second",
    f"{_EXAMPLE}; `--task-capacity`",
    120,
    200.0,
    "server.capacity",
)
SERVICE_SECONDS = Constant(
    _TASK,
    "an answer, with nothing waiting",
    0.05,
    "s",
    f"{_EXAMPLE}; `--service-time`",
    0.01,
    0.2,
    "server.service_seconds",
)
QUEUE_LIMIT = Constant(
    _TASK,
    "requests that it holds before it refuses more",
    300.0,
    "",
    f"{_EXAMPLE}; `--queue-limit`",
    75,
    600.0,
    "server.queue_limit",
)
TIME_OUT = Constant(
    _TASK,
    "how long a client waits",
    5.0,
    "s",
    f"{_EXAMPLE}; `--time-out`",
    1,
    30.0,
    "server.time_out",
)
VARIABILITY = Constant(
    _TASK,
    "variability of service times, squared",
    1.0,
    "",
    f"{ASSUMED}: exponential, the usual choice if nothing is known",
    0,
    4.0,
    "server.variability",
)

# --- Fargate and ECS ------------------------------------------------------------------------------

_FARGATE = "Fargate and ECS"

START_UP, START_UP_P95 = _spread(
    _FARGATE,
    "start-up",
    "start_up",
    median=(30.0, 20, 60.0, f"{_AAS_BENCHMARK}: 23 s; practice: 30 to 45 s. `--start-up`"),
    p95=(40.0, 32, 60.0, f"{ASSUMED}: a third more than the median"),
)
LAUNCH_BURST = Constant(
    _FARGATE,
    "tasks launched at once, per account",
    100.0,
    "",
    f"{_ECS_QUOTAS}: 100 in large Regions, 25 elsewhere",
    25,
    200.0,
    "launch_burst",
)
LAUNCH_RATE = Constant(
    _FARGATE,
    "tasks launched after that, per account",
    20.0,
    "a second",
    f"{_ECS_QUOTAS}: 20 in large Regions, 5 elsewhere",
    5,
    40.0,
    "launch_rate",
)
SERVICE_LAUNCHES = Constant(
    _FARGATE,
    "tasks launched in a minute, per service",
    500.0,
    "a minute",
    f"{_ECS_QUOTAS}: 500 in large Regions, 125 elsewhere",
)
PROTECTION = Constant(
    _FARGATE,
    "how long a task's scale-in protection lasts",
    7200.0,
    "s",
    "ECS guide, *Protect tasks from being terminated by scale-in events*: the default",
)
STOP_TIMEOUT = Constant(
    _FARGATE,
    "from SIGTERM to SIGKILL",
    30.0,
    "s",
    "ECS guide, *Task definition parameters*: `stopTimeout`'s default",
)

# --- the load balancer ----------------------------------------------------------------------------

_BALANCER = "The load balancer"

HEALTH_INTERVAL = Constant(
    _BALANCER,
    "between two health checks of a target",
    5.0,
    "s",
    f"{_TARGETS}: 5 to 300, 30 by default; the shortest",
    5,
    30.0,
    "health_interval",
)
HEALTH_TIMEOUT = Constant(
    _BALANCER,
    "timeout of a health check",
    4.0,
    "s",
    f"{ASSUMED}: below the interval; {_TARGETS}: 2 to 120, 5 by default",
    2,
    5.0,
    "health_timeout",
)
UNHEALTHY_AFTER = Constant(
    _BALANCER,
    "failed checks in a row that make a target unhealthy",
    2.0,
    "",
    f"{_TARGETS}: 2 to 10, 2 by default",
    2,
    5.0,
    "unhealthy_after",
)
DEREGISTRATION_DELAY = Constant(
    _BALANCER,
    "how long a removed task drains",
    300.0,
    "s",
    f"{_ATTRIBUTES}: the default. `--deregistration-delay`",
    0,
    600.0,
    "deregistration_delay",
)

# --- CloudWatch -----------------------------------------------------------------------------------

_CLOUDWATCH = "CloudWatch"

VISIBILITY, VISIBILITY_P95 = _spread(
    _CLOUDWATCH,
    "from PutMetricData until a datapoint can be read",
    "visibility",
    median=(1.5, 0.5, 5.0, f"{ASSUMED}: AWS publishes none; users report a few seconds"),
    p95=(3.5, 2, 10.0, _LIKE_THE_MEDIAN),
)
EVALUATION = Constant(
    _CLOUDWATCH,
    "between two evaluations of an alarm of 10, 20 or 30 s, and its shortest period",
    10.0,
    "s",
    _ALARMS,
)
EVALUATION_OF_MINUTES = Constant(
    _CLOUDWATCH, "between two evaluations of an alarm of a minute or more", 60.0, "s", _ALARMS
)
ECS_PERIOD = Constant(
    _CLOUDWATCH,
    "the shortest period of ECS's own metrics",
    20.0,
    "s",
    f"{_AAS_BENCHMARK}: *high resolution*",
)
MINUTES_PERIOD = Constant(
    _CLOUDWATCH,
    "the period of the load balancer's and of SQS's metrics",
    60.0,
    "s",
    "ALB guide and SQS guide, on CloudWatch metrics",
)
ECS_LAG = Constant(
    _CLOUDWATCH,
    "from the end of a period until ECS's metric can be read",
    10.0,
    "s",
    f"{ASSUMED}: about half of AWS's own target tracking's unexplained time; `--signal-lag`",
)
BALANCER_LAG = Constant(
    _CLOUDWATCH,
    "the same, for the load balancer's metrics",
    30.0,
    "s",
    f"{ASSUMED}; `--signal-lag`",
)
QUEUE_LAG = Constant(
    _CLOUDWATCH, "the same, for SQS's metrics", 30.0, "s", f"{ASSUMED}; `--signal-lag`"
)

# --- from an alarm or a message to UpdateService --------------------------------------------------

_WAY = "From alarm or message to UpdateService"

EVENT, EVENT_P95 = _spread(
    _WAY,
    "from a transition to the function's start",
    "event",
    median=(0.08, 0.02, 1.0, _HOPS),
    p95=(0.2, 0.1, 2, _HOPS),
)
HOP = Constant(
    _WAY,
    "a task's message through its queue",
    0.2,
    "s",
    _HOPS,
    0.05,
    1.0,
    "hop",
)
COLD_SHARE = Constant(
    _WAY,
    "share of cold starts",
    0.01,
    "",
    f"{ASSUMED}: a heartbeat a minute keeps the function warm",
    0,
    1.0,
    "cold_share",
)
COLD_START, COLD_START_P95 = _spread(
    _WAY,
    "a cold start",
    "cold_start",
    median=(0.8, 0.3, 3.0, _PROCESSOR_TIME),
    p95=(1.5, 1, 5.0, _LIKE_THE_MEDIAN),
)
CALL, CALL_P95 = _spread(
    _WAY,
    "the function, until UpdateService is accepted",
    "call",
    median=(0.12, 0.05, 0.5, _HOPS),
    p95=(0.3, 0.2, 2, _HOPS),
)
DECISION = Constant(
    _WAY,
    "the same, in the benchmark with many services",
    0.2,
    "s",
    f"{ASSUMED}: between the median and one in twenty",
)

# --- Application Auto Scaling ---------------------------------------------------------------------

_AAS = "Application Auto Scaling"

REPEAT = Constant(
    _AAS, "after which an alarm that stays in ALARM repeats its action", 60.0, "s", _ACTIONS
)
AAS_ACTION, AAS_ACTION_P95 = _spread(
    _AAS,
    "from an alarm's action to UpdateService",
    "aas_action",
    median=(1.0, 0.2, 5.0, f"{ASSUMED}: AWS publishes none"),
    p95=(3.0, 2, 10.0, _LIKE_THE_MEDIAN),
)
TRACKING_60S = Constant(
    _AAS,
    "target tracking's trigger with 60-s metrics",
    363.0,
    "s",
    _AAS_BENCHMARK,
)
TRACKING_20S = Constant(
    _AAS,
    "target tracking's trigger with 20-s metrics",
    86.0,
    "s",
    _AAS_BENCHMARK,
)
TRACKING_DELAY_60S = Constant(
    _AAS,
    "target tracking with 60-s metrics, unexplained: from its alarm to its action",
    163.0,
    "s",
    f"calibrated: this makes the median trigger {TRACKING_60S.value:g} s",
    80,
    240.0,
    "tracking_delay_60s",
)
TRACKING_DELAY_20S = Constant(
    _AAS,
    "target tracking with 20-s metrics, unexplained: from its alarm to its action",
    18.8,
    "s",
    f"calibrated: this makes the median trigger {TRACKING_20S.value:g} s",
    0,
    40.0,
    "tracking_delay_20s",
)
TRACKING_PERIODS = Constant(
    _AAS, "target tracking's datapoints above the target, all required", 3.0, "", _TRACKING
)
TRACKING_IN = Constant(
    _AAS, "target tracking's time below the target before it scales in", 900.0, "s", _TRACKING
)
TRACKING_ROOM = Constant(
    _AAS, "share of the target below which target tracking scales in", 0.9, "", _TRACKING
)
COOLDOWN = Constant(_AAS, "target tracking's cooldowns for ECS", 300.0, "s", _TRACKING)
CAPPED_COOLDOWN = Constant(
    _AAS,
    "target tracking's scale-out cooldown with 20-s metrics",
    60.0,
    "s",
    "chosen in its favour: CPU shows at most a full task, so a large surge takes several actions",
)
ANNOUNCED_COOLDOWN = Constant(
    _AAS,
    "the same, for the kinds announced but not shipped",
    30.0,
    "s",
    "chosen in their favour: about a start-up",
)
ANNOUNCED_PERIOD = Constant(
    _AAS,
    "the finest period of the announced kinds",
    10.0,
    "s",
    f"{ASSUMED}: EC2 Auto Scaling's; in their favour",
)
LADDER_STEPS = Constant(
    _AAS, "the percent ladder's steps: a policy's maximum", 20.0, "", f"{_STEPS}, *Quotas*"
)
LADDER_REACH = Constant(
    _AAS,
    "the percent ladder's last step, in targets",
    10.0,
    "",
    "chosen: the largest surge played",
)
LADDER_OUT_COOLDOWN = Constant(
    _AAS, "the percent ladder's scale-out cooldown", 30.0, "s", "chosen in its favour: a start-up"
)
LADDER_IN_SECONDS = Constant(
    _AAS,
    "the percent ladder's time below the target before it scales in",
    600.0,
    "s",
    "chosen in its favour, by what served it best on the scenarios",
)
LADDER_ROOM = Constant(
    _AAS,
    "the percent ladder's scale-in loads each task to at most this share of the target",
    0.9,
    "",
    "chosen in its favour, like target tracking's",
)

# --- queues ---------------------------------------------------------------------------------------

_QUEUES = "Queues and their workers"

JOB_SECONDS = Constant(_QUEUES, "a job", 2.0, "s", f"{_EXAMPLE}; the document's `SecondsPerJob`")
LATE_AFTER = Constant(
    _QUEUES, "after which a waiting job is late", 30.0, "s", f"{_EXAMPLE}; `--late-after`"
)
DEPTH_RUNGS = Constant(
    _QUEUES, "steps of AAS on a queue's depth", 5.0, "", "chosen: each twice the one before"
)
DEPTH_COOLDOWN = Constant(
    _QUEUES, "their cooldown", 60.0, "s", "chosen: SQS's metrics come once a minute"
)
DEPTH_IN_PERIODS = Constant(
    _QUEUES, "minutes of a short queue before they remove tasks", 5.0, "", "chosen"
)
DEPTH_IN_PERCENT = Constant(
    _QUEUES, "share of tasks they remove", 10.0, "%", "chosen; short means a tenth of the depth"
)

# --- the demo -------------------------------------------------------------------------------------

_DEMO = "The demo's real clock"

DEMO_VISIBILITY = Constant(
    _DEMO,
    "from the end of a period to the evaluation that sees its datapoint",
    2.0,
    "s",
    f"{ASSUMED}: as the simulator's, in whole seconds",
)

TABLE = tuple(one for one in list(globals().values()) if isinstance(one, Constant))
"""All of them, in order."""
