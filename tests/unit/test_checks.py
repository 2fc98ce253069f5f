"""What the doctor makes of facts: each check, and what it says to fix."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from quickstep.config import read_target
from quickstep.engine.model import Direction, Pause, Service, State
from quickstep.protocol.memory import Memory
from quickstep_cli.checks import Facts, Finding, Unknown, Verdict, examine
from tests.builders import HIGH, LOW, NOW, WEB, a_document, a_lease, ago, points


def an_alarm(policy: str, **changes: Any) -> dict[str, Any]:
    way, threshold = ("Greater", 100.0) if policy == HIGH else ("Less", 30.0)
    return {
        "AlarmName": WEB.alarm(policy),
        "ComparisonOperator": f"{way}ThanThreshold",
        "Threshold": threshold,
        "Period": 10,
        "EvaluationPeriods": 1,
        "ActionsEnabled": True,
        "TreatMissingData": "missing",
        "StateValue": "OK",
        **changes,
    }


HEALTHY = Facts(
    service_name=WEB,
    at=NOW,
    target=read_target(a_document()),
    service=Service(4, 4, 0),
    alarms={HIGH: an_alarm(HIGH), LOW: an_alarm(LOW)},
    datapoints={HIGH: points(50.0, 50.0, 50.0, samples=8)},
    item=(Memory(), None),
    dead={"UndeliveredEvents": 0},
    vcpu=10.0,
    vcpu_quota=100.0,
)


def found(verdict: Verdict, **changes: Any) -> list[Finding]:
    return [one for one in examine(replace(HEALTHY, **changes)) if one.verdict is verdict]


def test_a_healthy_target_has_nothing_to_fix() -> None:
    findings = examine(HEALTHY)

    assert {finding.verdict for finding in findings} == {Verdict.OK}
    assert len({finding.check for finding in findings}) == 10


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        pytest.param({"target": "MinCapacity: wrong"}, "MinCapacity: wrong", id="document"),
        pytest.param(
            {"alarms": {HIGH: an_alarm(HIGH)}},
            "quickstep/prod/web/low-request-rate does not exist",
            id="no alarm",
        ),
        pytest.param(
            {"alarms": {**dict(HEALTHY.alarms), "old": an_alarm(HIGH)}},  # type: ignore[arg-type]
            "quickstep/prod/web/old drives no policy",
            id="no policy",
        ),
        pytest.param(
            {"alarms": {HIGH: an_alarm(LOW), LOW: an_alarm(LOW)}},
            "compares with LessThanThreshold, but high-request-rate is a scale-out policy",
            id="wrong way",
        ),
        pytest.param(
            {"alarms": {HIGH: an_alarm(HIGH, TreatMissingData="breaching"), LOW: an_alarm(LOW)}},
            "takes missing data for a breach",
            id="missing data",
        ),
        pytest.param({"datapoints": {}}, "no datapoint in the last minutes", id="silence"),
        pytest.param({"rule": False}, "does not match events", id="rule"),
        pytest.param({"service": Unknown("MISSING")}, "MISSING", id="service"),
        pytest.param(
            {"refused": ["ecs:UpdateService"]}, "may not call ecs:UpdateService", id="rights"
        ),
        pytest.param({"scaling_policies": ["cpu50"]}, "acts on the service: cpu50", id="AAS"),
        pytest.param({"item": Unknown("desired: wrong")}, "desired: wrong", id="item"),
        pytest.param(
            {"item": (Memory(state=State(unreadable="pause: wrong")), None)},
            "nothing scales in: pause: wrong",
            id="entry",
        ),
        pytest.param(
            {"item": (Memory(), a_lease("somebody", ago(600)))},
            "somebody left its lease",
            id="dead holder",
        ),
        pytest.param({"vcpu": 101.0}, "takes 101 vCPU of Fargate's 100", id="quota"),
    ],
)
def test_a_problem_is_found_and_says_what_to_do(changes: dict[str, Any], what: str) -> None:
    (problem,) = [one for one in found(Verdict.PROBLEM, **changes) if what in one.what]

    assert problem.fix


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        pytest.param({"target": read_target(a_document(DryRun=True))}, "a dry run", id="dry run"),
        pytest.param(
            {"alarms": {HIGH: an_alarm(HIGH, Period=60), LOW: an_alarm(LOW)}},
            "has a period of 60 s",
            id="slow alarm",
        ),
        pytest.param(
            {"alarms": {HIGH: an_alarm(HIGH, ActionsEnabled=False), LOW: an_alarm(LOW)}},
            "are disabled: it is not answered",
            id="disabled",
        ),
        pytest.param(
            {"datapoints": {HIGH: points(50.0, newest=60, samples=8)}}, "ended 50 s ago", id="late"
        ),
        pytest.param(
            {"datapoints": {HIGH: points(50.0, 50.0, 50.0, samples=2)}},
            "2 samples in 10 s, as 1 tasks send them every 5 s, but 4 are running",
            id="few publish",
        ),
        pytest.param(
            {"service": Service(4, 4, 0, deployment_in_progress=True)}, "rollout", id="rollout"
        ),
        pytest.param(
            {
                "scaling_policies": ["cpu50"],
                "target": read_target(a_document(DryRun=True)),
            },
            "acts on the service: cpu50",
            id="AAS beside a dry run",
        ),
        pytest.param(
            {
                "item": (
                    Memory(state=State(pause=Pause(frozenset(Direction), NOW + timedelta(1), "x"))),
                    None,
                )
            },
            "scale-out is paused: x",
            id="paused",
        ),
        pytest.param({"dead": {"DeadMessages": 3}}, "3 messages in DeadMessages", id="dead letter"),
        pytest.param({"vcpu": 90.0}, "takes 90 vCPU of Fargate's 100", id="near the quota"),
        pytest.param({"targets": 751}, "751 targets", id="many"),
        *(
            pytest.param({fact: Unknown("no right")}, "could not be checked: no right", id=fact)
            for fact in ("alarms", "datapoints", "rule", "refused", "scaling_policies", "dead")
        ),
        pytest.param({"vcpu_quota": Unknown("no right")}, "could not be checked", id="vcpu_quota"),
    ],
)
def test_a_warning_is_found_and_says_what_to_do(changes: dict[str, Any], what: str) -> None:
    (warning,) = [one for one in found(Verdict.WARNING, **changes) if what in one.what]

    assert warning.fix
