"""What `quickstep init` proposes for a service, and why. Pure: facts and answers in, a policy out.

One number sizes the service: a target policy on the signal that exists, or that takes the least
change to get. Anything neither measured nor given is a default, and its reason says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, Any

from quickstep_cli.alarm_metric import metric_of
from quickstep_lab.cost.month import Architecture, TaskSize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quickstep.naming import ServiceName

CPU_TARGET = 60.0
"""Default CPU target in percent: it leaves a third for the time that tasks take to start."""

REQUESTS_TARGET = 100.0
"""Requests per second and task if nothing is known: the templates' number."""

SURGE = 10
"""The default maximum, as a multiple of the present number of tasks."""

MOST_TASKS = 5000
"""An ECS service's quota."""

WARMUP = 45
"""Seconds, if no task has been seen starting: the templates' number."""

DRAIN = 300
"""Seconds that a removed task drains, if unknown: the load balancer's default."""

MINUTE = 60


class App(StrEnum):
    """The kind of application, for its one line that publishes; `none` is left alone."""

    ASGI = "asgi"
    WSGI = "wsgi"
    OTHER = "other"
    NONE = "none"


class Signal(StrEnum):
    """What the policy watches, by its name."""

    REQUESTS = "request-rate"
    CPU = "cpu"
    BALANCER = "requests-per-target"


_UNITS = {
    Signal.REQUESTS: "requests/s per task",
    Signal.CPU: "% CPU",
    Signal.BALANCER: "requests per minute and target",
}
_FRAMEWORKS = {
    App.ASGI: ("fastapi", "starlette", "uvicorn", "asgi", "hypercorn", "litestar"),
    App.WSGI: ("django", "flask", "gunicorn", "wsgi", "waitress"),
    App.OTHER: ("node", "java", "spring", "golang", "ruby", "rails", "dotnet", "php", "nginx"),
}


class NothingToWatchError(Exception):
    """Why no signal is left: AWS publishes none for the service, and the app is left alone."""


@dataclass(frozen=True, slots=True)
class StartUp:
    """A task's start, in seconds: from launch to running, and the part spent pulling its image."""

    seconds: float
    pulling: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What is known about a running service; None means unknown, and `unknown` says why.

    `bounds`, `tracked` and `scheduled` are Application Auto Scaling's: `tracked` has its target
    value for each signal, and `present` names its model in the simulator. `drains` is the slowest
    target group's drain time in seconds, `healthy_after` the seconds until a running task gets
    requests. `cpu_seconds` is ECS's publishing interval for CPU, and `requests_per_percent` how
    many requests per second a task got for each percent of CPU, measured.
    """

    service: ServiceName
    desired: int | None = None
    image: str = ""
    image_bytes: int | None = None
    size: TaskSize = field(default_factory=lambda: TaskSize(architecture=Architecture.X86))
    start_ups: Sequence[StartUp] = ()
    healthy_after: float | None = None
    drains: int | None = None
    target_group: str | None = None
    controller: str = "ECS"
    cpu_seconds: int | None = None
    publishes: bool = False
    requests_per_percent: float | None = None
    bounds: tuple[int, int] | None = None
    tracked: Mapping[Signal, float] = field(default_factory=dict)
    present: str | None = None
    policies: Sequence[str] = ()
    scheduled: Sequence[str] = ()
    unknown: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The user's answers; None falls back to what AWS knows, or to the default."""

    app: App | None = None
    target_value: float | None = None
    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A policy document, its alarm as an input of PutMetricAlarm, and the reasons.

    `app` says where the line that publishes goes; None if the tasks need none.
    """

    signal: Signal
    document: Mapping[str, Any]
    alarm: Mapping[str, Any]
    reasons: Sequence[str]
    app: App | None


def guessed_app(image: str) -> App | None:
    """Guess the kind of application from its image's name; None if it says nothing.

    Example: 123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop-fastapi:1.4: asgi.
    """
    name = image.rpartition("/")[2].partition("@")[0].lower()
    return next((app for app, words in _FRAMEWORKS.items() if any(w in name for w in words)), None)


def signal_of(running: Running, app: App | None) -> Signal:
    """Return the signal to watch: what tasks publish, or else AWS's fastest.

    ECS publishes CPU every 20 s only with its own deployment controller; otherwise the load
    balancer's minute is left.

    Raises:
        NothingToWatchError: neither exists.
    """
    if running.publishes or app not in (None, App.NONE):
        return Signal.REQUESTS
    if running.controller == "ECS":
        return Signal.CPU
    if running.target_group:
        return Signal.BALANCER
    raise NothingToWatchError(
        f"{running.service.resource_id} has the deployment controller {running.controller}, for "
        "which ECS has no metrics every 20 s, and no target group: nothing can be watched unless "
        "the application publishes; pass --app asgi, wsgi or other"
    )


def known_target(running: Running, signal: Signal) -> tuple[float, str] | None:
    """Return the load that one task should carry, and its source; None if unknown.

    Example: 2.1 requests/s for each percent of CPU, measured, and a target of 60 %: 126, said as
    130. AAS's 6,000 requests a minute and target are 100 a second.
    """
    if signal in running.tracked:
        return running.tracked[signal], "Application Auto Scaling's present target"
    cpu = running.tracked.get(Signal.CPU, CPU_TARGET)
    of_aas = " (Application Auto Scaling's)" if Signal.CPU in running.tracked else ""
    if signal is Signal.CPU:
        return CPU_TARGET, "the default: a third is left for the time that new tasks take"
    of_a_minute = MINUTE if signal is Signal.BALANCER else 1
    if Signal.BALANCER in running.tracked:
        value = running.tracked[Signal.BALANCER] / MINUTE
        return value, f"Application Auto Scaling's {value * MINUTE:g} a minute, by the second"
    if running.requests_per_percent:
        value = _round(running.requests_per_percent * cpu)
        return value * of_a_minute, (
            f"what a task got at {cpu:g} % CPU{of_aas} in the last day: "
            f"{running.requests_per_percent:.3g} requests/s for each percent, measured"
        )
    return None


def _round(value: float) -> float:
    """Return two significant digits. Example: 126: 130."""
    return float(f"{value:.2g}")


def default_maximum(running: Running) -> int:
    """Return the default maximum number of tasks. Example: 4 now: 40."""
    return min(MOST_TASKS, SURGE * max(1, running.desired or 1))


def propose(running: Running, answers: Answers) -> Proposal:
    """Return the policy for a service.

    Raises:
        NothingToWatchError: there is no signal.
    """
    signal = signal_of(running, answers.app)
    value, whence = _target(running, signal, answers)
    value = int(value) if value == int(value) else value
    low, high, bounds_from = _bounds(running, answers)
    warmup, warmup_from = _warmup(running)
    drain = DRAIN if running.drains is None else running.drains
    document = {
        "ResourceId": running.service.resource_id,
        "MinCapacity": low,
        "MaxCapacity": high,
        "TargetTrackingPolicies": {signal.value: {"TargetValue": value}},
        **({"PublishSeconds": 1} if signal is Signal.REQUESTS else {}),
        "WarmupSeconds": warmup,
        "DeregistrationDelaySeconds": drain,
        "DryRun": True,
    }
    reasons = [
        _why(running, signal),
        f"TargetValue {value:g} {_UNITS[signal]}: {whence}.",
        f"MinCapacity {low} and MaxCapacity {high}: {bounds_from}.",
        f"WarmupSeconds {warmup}: {warmup_from}.",
        f"DeregistrationDelaySeconds {drain}: {_drain_from(running)}.",
        "DryRun: decisions are recorded; UpdateService is not called until `quickstep promote`.",
        *_beside(running),
    ]
    app = answers.app if signal is Signal.REQUESTS and not running.publishes else None
    return Proposal(signal, document, _alarm(running, signal, value), tuple(reasons), app)


def _target(running: Running, signal: Signal, answers: Answers) -> tuple[float, str]:
    if answers.target_value is not None:
        return answers.target_value, "as given"
    known = known_target(running, signal)
    if known:
        return known
    of_a_minute = MINUTE if signal is Signal.BALANCER else 1
    return REQUESTS_TARGET * of_a_minute, "the default; nothing was measured for this service"


def _bounds(running: Running, answers: Answers) -> tuple[int, int, str]:
    """Return the bounds: as given, AAS's, or derived from the present tasks."""
    if running.bounds:
        low, high, whence = *running.bounds, "Application Auto Scaling's bounds"
    else:
        now = max(1, running.desired or 1)
        low, high = min(2, now), default_maximum(running)
        whence = f"a tenfold surge of the {now} that {'is' if now == 1 else 'are'} desired now"
    given = answers.minimum, answers.maximum
    if given != (None, None):
        whence = "as given" if None not in given else f"as given, else {whence}"
    if answers.maximum is not None:
        low, high = min(low, answers.maximum), answers.maximum
    if answers.minimum is not None:
        low, high = answers.minimum, max(answers.minimum, high)
    return low, high, whence


def _warmup(running: Running) -> tuple[int, str]:
    """Return the seconds from a launch to a share of the load, rounded up to fives.

    Example: four tasks ran 21, 28, 30 and 41 s after their launch, a median of 29; two health
    checks of 5 s: 39, said as 40.
    """
    if not running.start_ups:
        return WARMUP, "the default; no task was seen starting"
    launch = median(one.seconds for one in running.start_ups)
    pulls = [one.pulling for one in running.start_ups if one.pulling is not None]
    checks = running.healthy_after or 0.0
    parts = [f"{len(running.start_ups)} tasks ran {launch:.0f} s after their launch (median)"]
    if pulls:
        size = f" of {running.image_bytes / 1e6:.0f} MB" if running.image_bytes else ""
        parts.append(f"{median(pulls):.0f} s of it pulling an image{size}")
    if checks:
        parts.append(f"health checks take {checks:.0f} s more")
    return max(5, math.ceil((launch + checks) / 5 - 1e-9) * 5), ", ".join(parts)


def _drain_from(running: Running) -> str:
    if running.drains is not None:
        return "its target group's delay"
    return "the default; no target group was seen"


def _why(running: Running, signal: Signal) -> str:
    match signal:
        case Signal.REQUESTS if running.publishes:
            return "Watches RequestsPerSecond, which the tasks publish each second already."
        case Signal.REQUESTS:
            return "Watches RequestsPerSecond once the application has the line that publishes it."
        case Signal.CPU if running.cpu_seconds == 20:  # noqa: PLR2004 - ECS's high resolution
            return "Watches ECS's CPU, published every 20 s already: nothing is touched."
        case Signal.CPU:
            return (
                "Watches ECS's CPU every 20 s: the application is not touched, but ECS has to be "
                "configured to publish it, which starts a deployment."
            )
        case Signal.BALANCER:
            return "Watches the load balancer's requests per target, published once a minute."


def _beside(running: Running) -> Iterator[str]:
    if running.policies:
        names = ", ".join(running.policies)
        yield f"Application Auto Scaling scales it by {names}, and continues until promote."
        if not running.tracked:
            yield (
                "Its policies are not target tracking on CPU or requests per target: to keep them, "
                "convert them with `quickstep import`."
            )
    if running.scheduled:
        names = ", ".join(running.scheduled)
        yield f"Its scheduled actions stop at promote: replace {names} with schedules before that."


def _alarm(running: Running, signal: Signal, value: float) -> dict[str, Any]:
    service = running.service
    own = {"ClusterName": service.cluster, "ServiceName": service.service}
    match signal:
        case Signal.REQUESTS:
            namespace = f"Quickstep/{service.cluster}/{service.service}"
            metric, period = metric_of(namespace, "RequestsPerSecond", own, "Average"), 10
        case Signal.CPU:
            metric, period = metric_of("AWS/ECS", "CPUUtilization", own, "Average"), 20
        case Signal.BALANCER:
            group = {"TargetGroup": str(running.target_group)}
            name, period = "RequestCountPerTarget", 60
            metric = metric_of("AWS/ApplicationELB", name, group, "Sum")
    return {
        "AlarmName": service.alarm(f"{signal.value}/high"),
        "AlarmDescription": "Sizes the service, through Quickstep's EventBridge rule.",
        **metric,
        "Period": period,
        "EvaluationPeriods": 1,
        "DatapointsToAlarm": 1,
        "Threshold": value,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "missing",
    }
