"""Hypothesis strategies: whatever of a kind can occur."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from quickstep.alarms.definition import AlarmDefinition
from quickstep.alarms.known import KnownAlarm
from quickstep.engine.backlog import Backlog, Queue, QueueReading
from quickstep.engine.model import (
    AlarmState,
    Comparison,
    Direction,
    Launch,
    Override,
    Pause,
    ScalingActivity,
    State,
)
from quickstep.engine.patience import Need
from quickstep.naming import ServiceName
from quickstep.protocol.counts import Count, Counts
from quickstep.protocol.line import LANES, Turn
from quickstep.protocol.memory import Deletion, Memory
from quickstep.protocol.messages import (
    AlarmAgain,
    Heartbeat,
    Heartbeats,
    Message,
    Recheck,
    Request,
    Surge,
    Sweep,
)
from quickstep.protocol.polls import Poll, Survey

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from quickstep.protocol.messages import Content

JSON = dict[str, Any]

moments = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))

LARGEST = 2.0**360  # the largest value that CloudWatch takes, and the inverse of the smallest
values = st.floats(-LARGEST, LARGEST).filter(lambda value: not 0 < abs(value) < 1 / LARGEST)

json_values: SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)

services = st.builds(
    ServiceName, *[st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True) for _ in range(2)]
)
policies = st.from_regex(r"[A-Za-z0-9._-]{1,12}", fullmatch=True)

ids = st.from_regex(r"[a-z][a-z0-9_]{0,3}", fullmatch=True)


def _metric(query_id: str, period: int, name: str, unit: str | None) -> JSON:
    metric = {"Namespace": "MyApp", "MetricName": name, "Dimensions": []}
    body: JSON = {"Metric": metric, "Period": period, "Stat": "Average"}
    return {"Id": query_id, "MetricStat": {**body, "Unit": unit} if unit else body}


@st.composite
def _queries(draw: st.DrawFn, period: int) -> tuple[JSON, ...]:
    """A metric that is watched itself, or an expression over one to four of them."""
    names = draw(st.lists(ids, min_size=1, max_size=5, unique=True))
    unit = st.sampled_from([None, "Count"])
    metrics = [_metric(name, period, draw(st.text(min_size=1)), draw(unit)) for name in names]
    if len(names) == 1:
        return ({**metrics[0], "ReturnData": True},)
    watched = names.pop(draw(st.integers(0, len(names) - 1)))
    operator = draw(st.sampled_from([" + ", "/", " * 1e3 * ", "-"]))
    expression = draw(st.sampled_from([operator.join(names), "SUM(METRICS())", "AVG(METRICS())"]))
    return tuple(
        {"Id": watched, "Expression": expression, "ReturnData": True}
        if query["Id"] == watched
        else {**query, "ReturnData": False}
        for query in metrics
    )


@st.composite
def _definitions(draw: st.DrawFn) -> AlarmDefinition:
    period = draw(st.sampled_from([10, 20, 30, 60, 120, 180, 300, 3600]))
    n = draw(st.integers(1, 10))
    return AlarmDefinition(
        queries=draw(_queries(period)),
        period=period,
        threshold=draw(values),
        comparison=draw(st.sampled_from(Comparison)),
        n=n,
        m=draw(st.integers(1, n)),
    )


definitions = _definitions()

activities = st.builds(ScalingActivity, moments, st.integers(0, 5000), st.integers(0, 5000))
counts = st.builds(Count, st.integers(0, 5000), moments)
launches = st.builds(Launch, moments, st.integers(0, 5000))
known_alarms = st.builds(
    KnownAlarm,
    state=st.sampled_from(AlarmState),
    at=moments,
    definition=st.none() | definitions,
    acted_on=st.none() | moments,
    muted=st.booleans(),
    muted_until=st.none() | moments,
    disabled=st.booleans(),
)
queue_names = st.from_regex(r"[A-Za-z0-9_-]{1,12}(\.fifo)?", fullmatch=True)
readings = st.builds(
    QueueReading,
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.sampled_from(["", "dead"]),
)
busy_queues = st.builds(
    Queue,
    moments,
    st.none() | readings,
    st.integers(0, 10**9).map(lambda jobs: jobs / 1000),
    st.text(max_size=300),
)
backlogs = st.builds(
    Backlog,
    st.dictionaries(policies, busy_queues, max_size=3),
    st.lists(st.builds(Need, moments, st.integers(0, 5000)), max_size=3).map(tuple),
    st.none() | moments,
)
turns = st.builds(
    Turn, moments, st.none() | st.integers(0, LANES - 1), st.none() | st.integers(1, 10**9)
)
memories = st.builds(
    Memory,
    state=st.builds(
        State,
        scale_out=st.none() | activities,
        scale_in=st.none() | activities,
        launches=st.lists(launches, max_size=3).map(tuple),
        override=st.none(),
        pause=st.none(),
    ),
    alarms=st.dictionaries(policies, known_alarms, max_size=3),
    deleted=st.dictionaries(
        policies, st.builds(Deletion, moments, st.none() | moments), max_size=3
    ),
    counts=st.builds(
        Counts,
        st.none() | st.integers(0, 5000),
        st.none() | counts,
        st.lists(counts, max_size=3).map(tuple),
        st.lists(counts, max_size=3).map(tuple),
    ),
    generation=st.integers(0, 10**9),
    check_at=st.none() | moments,
    requested_at=st.none() | moments,
    turn=st.none() | turns,
    listed=st.booleans(),
    surges=st.lists(moments, max_size=3).map(tuple),
    queues=st.lists(queue_names, max_size=3).map(tuple),
    backlog=st.none() | backlogs,
    failed_at=st.none() | moments,
)

overrides = st.builds(
    lambda bounds, until, reason: Override(min(bounds), max(bounds), until, reason),
    st.tuples(st.integers(0, 5000), st.integers(0, 5000)),
    st.none() | moments,
    st.text(),
)
pauses = st.builds(
    Pause, st.frozensets(st.sampled_from(Direction), min_size=1), st.none() | moments, st.text()
)

described_alarms = st.builds(
    KnownAlarm,
    st.sampled_from(AlarmState),
    moments,
    st.none() | definitions,
    disabled=st.booleans(),
)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:  # an Infinity: a queue's body cannot hold it
        return False
    return True


def _of_one_cluster(heartbeats: list[Heartbeat], *, describe: bool) -> Heartbeats:
    cluster = heartbeats[0].service.cluster
    return Heartbeats(
        tuple(
            replace(heartbeat, service=replace(heartbeat.service, cluster=cluster))
            for heartbeat in heartbeats
        ),
        describe,
    )


heartbeats = st.builds(
    Heartbeat,
    services,
    st.dictionaries(policies, described_alarms, max_size=3),
    st.booleans(),
)
polled = st.dictionaries(
    services, st.lists(queue_names, min_size=1, max_size=3).map(tuple), max_size=3
)
contents: SearchStrategy[Content] = st.one_of(
    st.builds(
        Recheck,
        services,
        st.integers(0, 2**53),
        st.integers(0, 1000),
        st.none() | turns,
        st.none() | moments,
    ),
    st.builds(Surge, services, moments),
    st.builds(Survey, st.none() | st.text(min_size=1)),
    st.builds(Poll, moments, polled, st.integers(1, 1000)),
    st.builds(AlarmAgain, st.dictionaries(st.text(), json_values, max_size=4).filter(_is_json)),
    st.builds(
        _of_one_cluster, st.lists(heartbeats, min_size=1, max_size=2), describe=st.booleans()
    ),
    st.builds(Sweep, st.none() | st.text(min_size=1)),
    st.builds(
        Request,
        services,
        st.from_regex("[0-9A-Za-z-]{1,64}", fullmatch=True),
        moments,
        st.text(max_size=1000),
        st.none() | st.integers(0, 5000),
    ),
)
messages = st.builds(Message, contents, st.integers(0, 1000))
