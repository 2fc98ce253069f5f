"""What `quickstep init` proposes, by what is known of a service and what somebody has said."""

from __future__ import annotations

from typing import Any

import pytest

from quickstep.config import read_target
from quickstep_cli.proposal import (
    Answers,
    App,
    NothingToWatchError,
    Running,
    Signal,
    StartUp,
    guessed_app,
    known_target,
    propose,
    signal_of,
)
from tests.builders import WEB

GROUP = "targetgroup/web/73e2d6bc24d8a067"
DRY = "DryRun: decisions are recorded; UpdateService is not called until `quickstep promote`."


def running(**known: Any) -> Running:
    return Running(service=WEB, desired=4, **known)


# --- which signal ---------------------------------------------------------------------------------

SIGNALS = {
    "the tasks publish": (running(publishes=True), App.NONE, Signal.REQUESTS),
    "they will, by one line": (running(), App.WSGI, Signal.REQUESTS),
    "nothing may be touched": (running(), App.NONE, Signal.CPU),
    "nothing was said": (running(), None, Signal.CPU),
    "CodeDeploy has no 20-s metrics": (
        running(controller="CODE_DEPLOY", target_group=GROUP),
        App.NONE,
        Signal.BALANCER,
    ),
}


@pytest.mark.parametrize(("known", "app", "signal"), SIGNALS.values(), ids=SIGNALS)
def test_what_is_there_soonest_is_watched(known: Running, app: App | None, signal: Signal) -> None:
    assert signal_of(known, app) is signal


def test_where_nothing_can_be_watched_the_reason_says_what_helps() -> None:
    with pytest.raises(NothingToWatchError) as error:
        propose(running(controller="EXTERNAL"), Answers())

    assert str(error.value) == (
        "service/prod/web has the deployment controller EXTERNAL, for which ECS has no metrics "
        "every 20 s, and no target group: nothing can be watched unless the application publishes; "
        "pass --app asgi, wsgi or other"
    )


IMAGES = {
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop-fastapi:1.4": App.ASGI,
    "ghcr.io/me/Django-shop@sha256:0": App.WSGI,
    "node:22": App.OTHER,
    "shop:7": None,
    "": None,
}


@pytest.mark.parametrize(("image", "app"), IMAGES.items(), ids=[*[*IMAGES][:4], "none"])
def test_an_image_s_name_may_tell_what_the_application_is(image: str, app: App | None) -> None:
    assert guessed_app(image) is app


# --- how much a task should carry -----------------------------------------------------------------

TARGETS = {
    "CPU as AAS has it": (running(tracked={Signal.CPU: 45.0}), Signal.CPU, 45.0),
    "CPU by default": (running(), Signal.CPU, 60.0),
    "measured at the default's CPU": (running(requests_per_percent=2.1), Signal.REQUESTS, 130.0),
    "measured at AAS's CPU": (
        running(requests_per_percent=2.1, tracked={Signal.CPU: 40.0}),
        Signal.REQUESTS,
        84.0,
    ),
    "AAS's minute by the second": (
        running(tracked={Signal.BALANCER: 6000.0}, requests_per_percent=2.1),
        Signal.REQUESTS,
        100.0,
    ),
    "measured, by the minute": (running(requests_per_percent=2.1), Signal.BALANCER, 7800.0),
    "AAS's minute": (running(tracked={Signal.BALANCER: 6000.0}), Signal.BALANCER, 6000.0),
}


@pytest.mark.parametrize(("known", "signal", "value"), TARGETS.values(), ids=TARGETS)
def test_one_number_is_taken_from_what_is_known(
    known: Running, signal: Signal, value: float
) -> None:
    found = known_target(known, signal)

    assert found is not None
    assert found[0] == value


def test_requests_of_which_nothing_is_known_are_asked_for() -> None:
    assert known_target(running(), Signal.REQUESTS) is None


# --- the whole proposal ---------------------------------------------------------------------------


def test_a_service_that_nothing_is_known_of_gets_defaults_that_say_so() -> None:
    proposal = propose(running(), Answers())

    assert proposal.document == {
        "ResourceId": "service/prod/web",
        "MinCapacity": 2,
        "MaxCapacity": 40,
        "TargetTrackingPolicies": {"cpu": {"TargetValue": 60}},
        "WarmupSeconds": 45,
        "DeregistrationDelaySeconds": 300,
        "DryRun": True,
    }
    assert list(proposal.reasons) == [
        (
            "Watches ECS's CPU every 20 s: the application is not touched, but ECS has to be "
            "configured to publish it, which starts a deployment."
        ),
        "TargetValue 60 % CPU: the default: a third is left for the time that new tasks take.",
        "MinCapacity 2 and MaxCapacity 40: a tenfold surge of the 4 that are desired now.",
        "WarmupSeconds 45: the default; no task was seen starting.",
        "DeregistrationDelaySeconds 300: the default; no target group was seen.",
        DRY,
    ]


def test_a_service_that_much_is_known_of_gets_what_was_measured() -> None:
    known = running(
        publishes=True,
        requests_per_percent=2.1,
        tracked={Signal.CPU: 40.0},
        bounds=(3, 30),
        policies=("cpu-40",),
        scheduled=("night",),
        drains=30,
        start_ups=[StartUp(21, 12), StartUp(28, 14), StartUp(30, 15), StartUp(41)],
        image_bytes=212_000_000,
        healthy_after=10.0,
    )

    proposal = propose(known, Answers(maximum=50))

    assert read_target(dict(proposal.document)).dry_run
    assert proposal.document == {
        "ResourceId": "service/prod/web",
        "MinCapacity": 3,
        "MaxCapacity": 50,
        "TargetTrackingPolicies": {"request-rate": {"TargetValue": 84}},
        "PublishSeconds": 1,
        "WarmupSeconds": 40,
        "DeregistrationDelaySeconds": 30,
        "DryRun": True,
    }
    assert list(proposal.reasons) == [
        "Watches RequestsPerSecond, which the tasks publish each second already.",
        (
            "TargetValue 84 requests/s per task: what a task got at 40 % CPU (Application Auto "
            "Scaling's) in the last day: 2.1 requests/s for each percent, measured."
        ),
        "MinCapacity 3 and MaxCapacity 50: as given, else Application Auto Scaling's bounds.",
        (
            "WarmupSeconds 40: 4 tasks ran 29 s after their launch (median), 14 s of it pulling an "
            "image of 212 MB, health checks take 10 s more."
        ),
        "DeregistrationDelaySeconds 30: its target group's delay.",
        DRY,
        "Application Auto Scaling scales it by cpu-40, and continues until promote.",
        "Its scheduled actions stop at promote: replace night with schedules before that.",
    ]
    assert proposal.app is None


def test_policies_of_another_kind_are_left_to_import() -> None:
    reasons = propose(running(bounds=(2, 9), policies=("steps",)), Answers()).reasons

    assert reasons[-1] == (
        "Its policies are not target tracking on CPU or requests per target: to keep them, convert "
        "them with `quickstep import`."
    )


ALARMS = {
    "requests": (
        Answers(app=App.ASGI),
        ("Quickstep/prod/web", "RequestsPerSecond", "Average", 10, 100),
    ),
    "cpu": (Answers(), ("AWS/ECS", "CPUUtilization", "Average", 20, 60)),
}


@pytest.mark.parametrize(("answers", "alarm"), ALARMS.values(), ids=ALARMS)
def test_the_alarm_is_that_of_the_templates(answers: Answers, alarm: tuple[Any, ...]) -> None:
    made = propose(running(), answers).alarm

    keys = ("Namespace", "MetricName", "Statistic", "Period", "Threshold")
    assert tuple(made[key] for key in keys) == alarm
    assert made["Dimensions"] == [
        {"Name": "ClusterName", "Value": "prod"},
        {"Name": "ServiceName", "Value": "web"},
    ]


def test_a_balancer_s_alarm_watches_the_target_group() -> None:
    known = running(controller="CODE_DEPLOY", target_group=GROUP)

    made = propose(known, Answers()).alarm

    assert made["Dimensions"] == [{"Name": "TargetGroup", "Value": GROUP}]
    assert (made["Statistic"], made["Period"], made["Threshold"]) == ("Sum", 60, 6000)


BOUNDS = {
    "one task": (1, Answers(), (1, 10)),
    "none": (0, Answers(), (1, 10)),
    "very many": (3000, Answers(), (2, 5000)),
    "a minimum above the default's maximum": (1, Answers(minimum=20), (20, 20)),
    "a maximum below the default's minimum": (4, Answers(maximum=1), (1, 1)),
}


@pytest.mark.parametrize(("desired", "answers", "bounds"), BOUNDS.values(), ids=BOUNDS)
def test_the_bounds_are_of_the_tasks_of_now(
    desired: int, answers: Answers, bounds: tuple[int, int]
) -> None:
    document = propose(Running(service=WEB, desired=desired), answers).document

    assert (document["MinCapacity"], document["MaxCapacity"]) == bounds
