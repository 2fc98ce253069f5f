"""What a decision takes in a warm function, next to the calls it cannot avoid.

python -m benchmarks decision
"""

from __future__ import annotations

import io
import socket
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import requests
from botocore import xform_name
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from benchmarks.figures import Benchmark, Beside, Figure, Goal, Quantity
from benchmarks.story import POLICY, SETUP, an_event, begin
from quickstep.engine.decide import decide
from quickstep.engine.model import Alarm, AlarmState, Datapoint, Observation, Service, State
from quickstep.engine.outcome import Outcome
from quickstep_lab.clock import Clock
from quickstep_lab.embedded_aws import TABLE, Account, account_at
from quickstep_lab.scaler import embedded_scaler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.config import Config

PAIRS = 40
ENGINE_ROUNDS = 2_000
NETWORK = 0.01
"""Seconds added to each AWS call over loopback: modelled, and equal for all calls."""

OUT_OF_TASKS = 40
"""The example's maximum, at which the same event is a hold."""

NEEDED = {
    "SCALED_OUT": ("UpdateItem", "DescribeServices", "UpdateService", "TransactWriteItems"),
    "HELD_AT_MAX": ("UpdateItem", "DescribeServices", "TransactWriteItems"),
}
"""The calls of a script without logic, one after the other: lock, look, change, write."""


@contextmanager
def aws_next_door() -> Iterator[str]:
    """Run the embedded AWS in its own process, as AWS is separate too; yield its endpoint."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(  # noqa: S603 - this interpreter, constant arguments
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            with requests.Session() as session:
                # It takes a second or two to listen; after half a minute, this fails.
                session.mount(
                    url,
                    HTTPAdapter(max_retries=Retry(total=60, backoff_factor=0.1, backoff_max=0.5)),
                )
                session.get(f"{url}/moto-api/data.json", timeout=5).raise_for_status()
            yield url
        finally:
            process.terminate()


@dataclass(frozen=True)
class Distant(Account):
    """An account whose calls take longer and are logged: service, operation, parameters."""

    network: float
    calls: list[tuple[str, str, Mapping[str, Any]]]

    def client(self, service: str, /, *, config: Config | None = None) -> Any:
        """Return a client that waits before each request, in the calling thread."""
        client = super().client(service, config=config)

        def note(params: Mapping[str, Any], model: Any, **_: Any) -> None:
            self.calls.append((service, model.name, params))

        client.meta.events.register("provide-client-params", note)
        client.meta.events.register("before-send", lambda **_: time.sleep(self.network))
        return client


def serially(distant: Distant, outcome: str) -> Callable[[], None]:
    """Return the script: those of the recorded calls that it needs, unchanged, in a row."""
    made: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for service, name, params in distant.calls:
        made.setdefault(name, (service, params))  # for UpdateItem the claim, which comes first
    steps = []
    for name in NEEDED[outcome]:
        service, params = made[name]
        client = distant.client(service)
        steps.append((getattr(client, xform_name(name)), params))

    def run() -> None:
        for call, params in steps:
            call(**params)

    return run


def in_turns(account: Account, network: float, outcome: str) -> list[tuple[float, float]]:
    """Return the seconds of the handler and of the script, in alternating pairs."""
    desired = OUT_OF_TASKS if outcome == "HELD_AT_MAX" else 2
    distant = Distant(account.session, account.endpoint_url, network, [])
    begin(account, desired)
    scaler = embedded_scaler(distant, Clock(), io.StringIO())
    script: Callable[[], None] | None = None
    pairs = []
    for _ in range(PAIRS + 1):
        clear(account, desired)
        event = an_event(datetime.now(UTC))
        distant.calls.clear()
        began = time.perf_counter()
        (record,) = scaler.on_event(event)
        mine = time.perf_counter() - began
        if record["outcome"] != outcome:
            raise RuntimeError(f"expected {outcome}: {record['reason']}")
        script = script or serially(distant, outcome)
        clear(account, desired)
        began = time.perf_counter()
        script()
        pairs.append((mine, time.perf_counter() - began))
    return pairs[1:]  # the first pair connects


def clear(account: Account, desired: int) -> None:
    """Forget memory and records, and restore the service's tasks."""
    table = account.session.resource("dynamodb", endpoint_url=account.endpoint_url).Table(TABLE)
    for item in table.scan(ProjectionExpression="pk, sk")["Items"]:
        table.delete_item(Key=item)
    _, cluster, service = SETUP.target.resource_id.split("/")
    account.client("ecs").update_service(cluster=cluster, service=service, desiredCount=desired)


def engine(tasks: int) -> float:
    """Return the median seconds of one engine decision with every guard active."""
    now = datetime(2026, 11, 22, 10, 0, 12, tzinfo=UTC)
    newest = now.replace(second=0)
    recent = tuple(
        Datapoint(newest - timedelta(seconds=10 * age), 60.0 + 10 * (6 - age), 8.0)
        for age in range(6, 0, -1)
    )
    alarm = Alarm(AlarmState.ALARM, 100.0, (200.0,), recent=recent, period=10)
    observation = Observation(Service(tasks, tasks, 0), {POLICY.name: alarm})
    taken = []
    for _ in range(ENGINE_ROUNDS):
        began = time.perf_counter()
        decide(SETUP.target, observation, State(), now)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def figures() -> Iterator[Figure]:
    """Yield the engine's time, then the handler's next to the script's."""
    for what, tasks in (("scale-out", 2), ("hold", OUT_OF_TASKS)):
        micros = Quantity(engine(tasks) * 1e6, "µs")
        yield Figure(f"the engine alone, {what}", micros, goal=Goal(at_most=100))
    with aws_next_door() as url:
        account = account_at(url)
        for network in (0.0, NETWORK):
            where = f"calls take {network * 1000:g} ms more" if network else "embedded AWS"
            for outcome, needed in NEEDED.items():
                pairs = in_turns(account, network, outcome)
                mine, script = (statistics.median(each) * 1000 for each in zip(*pairs, strict=True))
                yield Figure(
                    f"{where}: handler, {outcome}",
                    Quantity(mine, "ms"),
                    Beside(f"{len(needed)} calls in a row", Quantity(script, "ms")),
                    Goal(at_most=1.0) if outcome == Outcome.SCALED_OUT else None,
                    statistics.median(a / b for a, b in pairs),
                )


BENCHMARK = Benchmark(
    "decision",
    "A warm decision",
    "The real handler, from an alarm's event to its answer, compared with a script that makes the"
    " bare calls with the same parameters, one after another and without logic: lock,"
    f" DescribeServices, UpdateService, write. {PAIRS} of each, in turns. The handler makes more"
    " calls than the script (the load before, the next check), and makes them at the same time"
    " where it can. The embedded AWS runs in another process: its calls take processor time on"
    f" this machine and no network, so a second pair adds a modelled {NETWORK * 1000:g} ms to each"
    " round trip.",
    figures,
)
