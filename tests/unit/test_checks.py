"""What the doctor makes of facts: each check, and what it says to fix."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from quickstep.config import read_target
from quickstep.engine.backlog import QueueReading
from quickstep.engine.model import Direction, Pause, Service, State
from quickstep.protocol.memory import Memory
from quickstep_cli.checks import examine
from quickstep_cli.checks.facts import (
    EcsMetrics,
    Facts,
    ForeignChange,
    Scaler,
    Unknown,
)
from quickstep_cli.checks.findings import Finding, Verdict
from tests.builders import (
    HIGH,
    LOW,
    NOW,
    WEB,
    a_document,
    a_lease,
    a_policy,
    a_scale_in_policy,
    a_target,
    ago,
    alarm_input,
    points,
)


def an_alarm(policy: str, **changes: Any) -> dict[str, Any]:
    made = {"ActionsEnabled": True, "StateValue": "OK", **changes}
    alarm: dict[str, Any] = alarm_input(policy, **made)
    return alarm


def foreign(minutes: int) -> ForeignChange:
    return ForeignChange(ago(60 * minutes), "6 → 30")


OWN = Scaler("rule", "function", "table")
HEALTHY = Facts(
    service_name=WEB,
    at=NOW,
    target=read_target(a_document(PublishSeconds=5)),
    service=Service(4, 4, 0),
    alarms={HIGH: an_alarm(HIGH), LOW: an_alarm(LOW)},
    datapoints={HIGH: points(50.0, 50.0, 50.0, samples=8)},
    registered="table",
    table="table",
    scalers=(OWN,),
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
    assert len({finding.check for finding in findings}) == 11


# --- queues ---------------------------------------------------------------------------------------

QUEUES = {
    name: {"QueueName": queue, "SecondsPerJob": 2}
    for name, queue in {"jobs": "jobs", "dead": "jobs-dead"}.items()
}


@pytest.mark.parametrize(
    ("reading", "finding"),
    [
        pytest.param(
            QueueReading(340, 24, 1),
            Finding("queues", Verdict.OK, "jobs: 340 visible, 24 in flight, 1 delayed"),
            id="there",
        ),
        pytest.param(
            "GetQueueUrl of jobs: AWS.SimpleQueueService.NonExistentQueue: no such queue",
            Finding(
                "queues",
                Verdict.PROBLEM,
                "jobs: GetQueueUrl of jobs: AWS.SimpleQueueService.NonExistentQueue: no such queue",
                "create it, or correct QueueName: until then no task is removed",
            ),
            id="gone",
        ),
    ],
)
def test_a_queue_is_there_or_is_to_be_mended(reading: QueueReading | str, finding: Finding) -> None:
    target = read_target(a_document(QueuePolicies={"jobs": QUEUES["jobs"]}))
    facts = replace(HEALTHY, target=target, queues={"jobs": reading})

    assert [one for one in examine(facts) if one.check == "queues"] == [finding]


def test_a_queue_of_another_s_dead_letters_is_reported() -> None:
    target = read_target(a_document(QueuePolicies=QUEUES))
    queues = {"jobs": QueueReading(1, dead_letters="jobs-dead"), "dead": QueueReading(9)}

    assert found(Verdict.WARNING, target=target, queues=queues) == [
        Finding(
            "queues",
            Verdict.WARNING,
            "dead: jobs-dead takes another queue's dead letters",
            "such a queue is not counted: remove the policy from the document",
        )
    ]


def test_a_role_that_may_not_read_a_queue_learns_where_to_name_it() -> None:
    line = "ScalerRole may not read a queue: sqs:GetQueueUrl on arn:aws:sqs:eu-west-1:1:jobs"

    assert found(Verdict.PROBLEM, refused=[line]) == [
        Finding("rights", Verdict.PROBLEM, line, "is the queue in QueueArns of the scaler's stack?")
    ]


# --- how often tasks publish ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("documented", "samples", "verdict", "what", "fix"),
    [
        pytest.param(
            1,
            40,
            Verdict.OK,
            "high-request-rate: 40 samples in 10 s, as 4 tasks send them; 4 are running",
            "",
            id="1 of whole seconds",
        ),
        pytest.param(
            5,
            40,
            Verdict.PROBLEM,
            "high-request-rate: 40 samples in 10 s, as 20 tasks send them every 5 s, but 4 are "
            "running: they publish every 1 s, and PublishSeconds is 5",
            "set PublishSeconds to 1, or QUICKSTEP_SECONDS=0 in the tasks",
            id="5 of whole seconds",
        ),
        pytest.param(
            1,
            8,
            Verdict.PROBLEM,
            "high-request-rate: 8 samples in 10 s, as 0.8 tasks send them every 1 s, but 4 are "
            "running: they publish every 5 s, and PublishSeconds is 1",
            "set PublishSeconds to 5, or update the tasks' publisher, without QUICKSTEP_SECONDS=0",
            id="1 of means of 5 s",
        ),
    ],
)
def test_how_often_tasks_publish_and_what_the_document_says_of_it_are_compared(
    documented: int, samples: int, verdict: Verdict, what: str, fix: str
) -> None:
    target = read_target(a_document(PublishSeconds=documented))
    datapoints = {HIGH: points(50.0, 50.0, 50.0, samples=samples)}

    findings = examine(replace(HEALTHY, target=target, datapoints=datapoints))

    assert [f for f in findings if f.check == "metric"][1:] == [
        Finding("metric", verdict, what, fix)
    ]


# --- target policies ------------------------------------------------------------------------------


def tracked(
    *, minimum: int = 2, scope: str = "PerTask", **changes: Any
) -> dict[str, list[tuple[str, str, str]]]:
    """Return what is found of a healthy target with one number, and of its alarm's `changes`."""
    document = a_document(
        MinCapacity=minimum,
        ScaleOutPolicies={},
        ScaleInPolicies={},
        TargetTrackingPolicies={"request-rate": {"TargetValue": 100, "MetricScope": scope}},
        PublishSeconds=5,
    )
    name = "request-rate/high"
    facts = replace(
        HEALTHY,
        target=read_target(document),
        alarms={name: {**an_alarm(HIGH), "AlarmName": WEB.alarm(name), **changes}},
        datapoints={name: points(50.0, 50.0, 50.0, samples=8)},
    )
    found: dict[str, list[tuple[str, str, str]]] = {}
    for one in examine(facts):
        found.setdefault(one.check, []).append((one.verdict, one.what, one.fix))
    return found


def test_one_number_with_its_alarm_has_nothing_to_fix() -> None:
    found = tracked()

    assert {verdict for every in found.values() for verdict, _, _ in every} == {"ok"}
    assert found["alarms"] == [("ok", "quickstep/prod/web/request-rate/high: 10 s, OK", "")]
    assert found["metric"][0][1].startswith("request-rate: the newest datapoint, 50, ended ")


NAME = "quickstep/prod/web/request-rate/high"
TOGETHER = "change TargetValue and the threshold together"


@pytest.mark.parametrize(
    ("changes", "verdict", "what", "fix"),
    [
        pytest.param(
            {"Threshold": 120.0},
            "warning",
            f"{NAME} has the threshold 120, and TargetValue is 100: it fires late",
            TOGETHER,
            id="too high",
        ),
        pytest.param(
            {"Threshold": 80.0},
            "warning",
            f"{NAME} has the threshold 80, and TargetValue is 100: it fires needlessly",
            TOGETHER,
            id="too low",
        ),
        pytest.param(
            {"MetricName": "Utilization"},
            "problem",
            f"{NAME} watches Utilization, which is at most 1, and TargetValue is 100",
            "set TargetValue and the threshold to 0.6 or so",
            id="a share above 1",
        ),
        pytest.param(
            {"MetricName": "TargetResponseTime", "Namespace": "AWS/ApplicationELB"},
            "warning",
            f"{NAME} watches TargetResponseTime, which is short whether or not a task is spare",
            "set DisableScaleIn, and let a policy on another metric remove tasks",
            id="a response time that is to remove tasks",
        ),
        pytest.param(
            {"MetricName": "QueueTime"},
            "warning",
            f"{NAME} watches QueueTime, which is 0 whether or not a task is spare",
            "set DisableScaleIn, and let a policy on another metric remove tasks",
            id="no wait is no idle task",
        ),
        pytest.param(
            {"scope": "Total", "Threshold": 201.0},
            "warning",
            f"{NAME} has the threshold 201, and TargetValue is 100: it fires late",
            TOGETHER,
            id="above what the fewest tasks carry",
        ),
        pytest.param(
            {"ComparisonOperator": "LessThanThreshold"},
            "problem",
            f"{NAME} compares with LessThanThreshold, but request-rate is a scale-out policy",
            "use GreaterThanThreshold: a target policy has one alarm, above its target",
            id="the wrong way",
        ),
        pytest.param(
            {"EvaluationPeriods": 3, "DatapointsToAlarm": 2},
            "warning",
            f"{NAME} evaluates 3 periods: a target policy sizes from the newest seconds",
            "use EvaluationPeriods 1",
            id="M of N",
        ),
        pytest.param(
            {"scope": "Total", "MetricName": "CPUUtilization"},
            "problem",
            f"{NAME} watches CPUUtilization, whose sum over the tasks is no load",
            "use MetricScope PerTask",
            id="a share in total",
        ),
    ],
)
def test_an_alarm_of_a_target_policy_is_said_to_be_wrong(
    changes: dict[str, Any], verdict: str, what: str, fix: str
) -> None:
    assert (verdict, what, fix) in tracked(**changes)["alarms"]


@pytest.mark.parametrize(
    ("minimum", "threshold"),
    [
        pytest.param(2, 100.0, id="what one task carries"),
        pytest.param(2, 200.0, id="what the fewest carry"),
        pytest.param(0, 100.0, id="from zero"),
    ],
)
def test_of_a_total_the_threshold_may_be_what_the_fewest_tasks_carry(
    minimum: int, threshold: float
) -> None:
    alarms = tracked(minimum=minimum, scope="Total", Threshold=threshold)["alarms"]

    assert [verdict for verdict, _, _ in alarms] == ["ok"]


def test_where_a_task_has_drained_before_the_cooldown_is_over_all_is_well() -> None:
    findings = examine(replace(HEALTHY, drains={"web": 30}))

    what = "a task drains for 30 s in web, and DeregistrationDelaySeconds is 300"
    assert [one for one in findings if one.check == "draining"] == [
        Finding("draining", Verdict.OK, what)
    ]


def test_steps_on_the_other_side_of_the_threshold_want_an_alarm_that_fires_there() -> None:
    few = a_policy(steps=((-5, 0, 1), (None, -5, 3)))
    many = a_scale_in_policy(steps=((0, None, -1),))
    alarms = {
        HIGH: an_alarm(HIGH, ComparisonOperator="LessThanThreshold"),
        LOW: an_alarm(LOW, ComparisonOperator="GreaterThanThreshold"),
    }

    findings = examine(replace(HEALTHY, target=a_target(few, many), alarms=alarms))

    seen = [one.verdict for one in findings if one.check == "alarms"]
    assert seen == [Verdict.OK, Verdict.OK]


def test_tasks_that_never_come_in_a_rollout_are_named_beside_it() -> None:
    service = Service(4, 2, 0, deployment_in_progress=True, trouble="3 tasks failed")

    rollout, complaint = found(Verdict.WARNING, service=service)[:2]

    assert "a rollout is in progress" in rollout.what
    assert complaint.what == "2 of 4 tasks are running, and ECS says: 3 tasks failed"


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
            "treats missing data as breaching",
            id="missing data",
        ),
        pytest.param({"datapoints": {}}, "no datapoint in the last minutes", id="silence"),
        pytest.param(
            {"datapoints": {}, "elsewhere": {HIGH: ["MyApp/Performance"]}},
            "in Quickstep/prod/web, but in MyApp/Performance",
            id="published elsewhere",
        ),
        pytest.param({"scalers": ()}, "no enabled rule sends events of this", id="no rule"),
        pytest.param(
            {"scalers": (OWN, Scaler("another", "scaler", "and its table"))},
            "2 act on each event of this target: rule invokes function; another invokes scaler",
            id="two scalers",
        ),
        pytest.param(
            {"scalers": (OWN, OWN)},
            "2 act on each event of this target: rule invokes function; rule",
            id="one scaler, twice",
        ),
        pytest.param(
            {"scalers": (Scaler("another", "scaler", "other"),)},
            "another invokes scaler, whose table is other, not table",
            id="another's rule",
        ),
        pytest.param(
            {"foreign": (foreign(90), foreign(59), foreign(1))},
            "3, two of them within an hour; the last 2026-11-22 09:59:12 UTC: 6 → 30",
            id="a fight",
        ),
        pytest.param({"service": Unknown("MISSING")}, "MISSING", id="service"),
        pytest.param(
            {"refused": ["ScalerRole may not call ecs:UpdateService on arn"]},
            "ScalerRole may not call ecs:UpdateService",
            id="rights",
        ),
        pytest.param({"autoscaling": ("cpu50",)}, "acts on the service: cpu50", id="AAS"),
        pytest.param({"item": Unknown("desired: wrong")}, "desired: wrong", id="item"),
        pytest.param(
            {"item": (Memory(state=State(unreadable="pause: wrong")), None)},
            "nothing scales in: pause: wrong",
            id="entry",
        ),
        pytest.param(
            {"item": (Memory(), a_lease("somebody", ago(600)))},
            "somebody's lease expired",
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
            {
                "alarms": {
                    HIGH: an_alarm(HIGH, EvaluationPeriods=5, DatapointsToAlarm=3),
                    LOW: an_alarm(LOW, EvaluationPeriods=3, DatapointsToAlarm=3),
                }
            },
            "web/high-request-rate goes to ALARM by 3 of 5 datapoints: the step is chosen from "
            "those of the newest 5 that breach",
            id="M of N",
        ),
        pytest.param(
            {"alarms": {HIGH: an_alarm(HIGH), LOW: an_alarm(LOW, TreatMissingData="breaching")}},
            "without data the smallest step removes tasks",
            id="missing data removes",
        ),
        pytest.param(
            {"service": Service(4, 2, 0, trouble="3 tasks failed; no capacity")},
            "2 of 4 tasks are running, and ECS says: 3 tasks failed; no capacity",
            id="tasks that never come",
        ),
        pytest.param(
            {"drains": {"blue": 15, "green": 301}},
            "a task drains for 301 s in green, and DeregistrationDelaySeconds is 300: after that,",
            id="drains longer than known",
        ),
        pytest.param(
            {"drains": {"web": 31}},
            "its Cooldown (30 s) ends before a removed task has drained (31 s)",
            id="drains longer than the cooldown",
        ),
        pytest.param(
            {"alarms": {HIGH: an_alarm(HIGH, ActionsEnabled=False), LOW: an_alarm(LOW)}},
            "are disabled, so Quickstep ignores it",
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
                "autoscaling": ("cpu50",),
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
        pytest.param({"autoscaling": ()}, "still a scalable target", id="AAS without policies"),
        pytest.param(
            {"alarm_actions": ["web-cpu: arn:aws:autoscaling:x"]},
            "an alarm acts on its own: web-cpu: arn:aws:autoscaling:x",
            id="another stack's alarm",
        ),
        pytest.param(
            {"foreign": (foreign(600), foreign(30))},
            "2026-11-22 09:30:12 UTC: 6 → 30",
            id="somebody's change",
        ),
        pytest.param(
            {"registered": "another"},
            "has the table another, not table, which",
            id="another scaler",
        ),
        pytest.param(
            {"alarms": {one: an_alarm(one, Namespace="MyApp/Performance") for one in (HIGH, LOW)}},
            "may publish in MyApp/Performance may publish for this service",
            id="a shared namespace",
        ),
        *(
            pytest.param({fact: Unknown("no right")}, "could not be checked: no right", id=fact)
            for fact in (
                "alarms",
                "datapoints",
                "ecs_metrics",
                "registered",
                "scalers",
                "drains",
                "refused",
                "autoscaling",
                "alarm_actions",
                "foreign",
                "dead",
            )
        ),
        pytest.param({"vcpu_quota": Unknown("no right")}, "could not be checked", id="vcpu_quota"),
    ],
)
def test_a_warning_is_found_and_says_what_to_do(changes: dict[str, Any], what: str) -> None:
    (warning,) = [one for one in found(Verdict.WARNING, **changes) if what in one.what]

    assert warning.fix


# --- ECS's own metrics ----------------------------------------------------------------------------

CPU: dict[str, Any] = {
    "target": read_target(
        a_document(
            ScaleOutPolicies={},
            ScaleInPolicies={},
            TargetTrackingPolicies={"cpu": {"TargetValue": 60}},
        )
    ),
    "datapoints": {"cpu/high": points(50.0, 50.0, 50.0)},
}


def cpu_alarm(**changes: Any) -> dict[str, Any]:
    watched = {"Namespace": "AWS/ECS", "MetricName": "CPUUtilization", "Period": 20}
    alarm = {"AlarmName": WEB.alarm("cpu/high"), "Threshold": 60.0, **watched, **changes}
    return {"cpu/high": an_alarm(HIGH, **alarm)}


SWITCH_ON = (
    "aws ecs update-service --cluster prod --service web --monitoring "
    '\'{"metricConfigurations":[{"metricNames":[%s],"resolutionSeconds":20}]}\' switches it to '
    "20 s, which AWS charges for; this starts a deployment, so all tasks are replaced. In "
    "CloudFormation, set the service's property MonitoringConfiguration"
)
LATE = (
    "CPUUtilization is published every 60 s, and quickstep/prod/web/cpu/high has a period of 20 s: "
    "most of its periods are empty"
)


@pytest.mark.parametrize(
    ("there", "finding"),
    [
        pytest.param(
            EcsMetrics({"CPUUtilization": 20}),
            Finding(
                "ECS metrics",
                Verdict.OK,
                "CPUUtilization is published every 20 s, and quickstep/prod/web/cpu/high has a "
                "period of 20 s",
            ),
            id="switched on",
        ),
        pytest.param(
            EcsMetrics({}),
            Finding("ECS metrics", Verdict.PROBLEM, LATE, SWITCH_ON % '"CPUUtilization"'),
            id="off, as by default",
        ),
        pytest.param(
            EcsMetrics({"MemoryUtilization": 20}),
            Finding(
                "ECS metrics",
                Verdict.PROBLEM,
                LATE,
                SWITCH_ON % '"CPUUtilization","MemoryUtilization"',
            ),
            id="on for another metric, which stays on",
        ),
        pytest.param(
            EcsMetrics({}, controller="CODE_DEPLOY"),
            Finding(
                "ECS metrics",
                Verdict.PROBLEM,
                LATE,
                "ECS has no high-resolution metrics with the deployment controller CODE_DEPLOY: "
                "use a period of 60",
            ),
            id="not to be had",
        ),
    ],
)
def test_an_alarm_on_ecs_s_own_metric_needs_it_as_often_as_it_looks(
    there: EcsMetrics, finding: Finding
) -> None:
    findings = examine(replace(HEALTHY, **CPU, alarms=cpu_alarm(), ecs_metrics=there))

    assert [one for one in findings if one.check == "ECS metrics"] == [finding]


@pytest.mark.parametrize(
    ("namespace", "fix"),
    [
        pytest.param(
            "Quickstep/prod/web",
            "use a period of 10, on a metric with StorageResolution 1",
            id="published by the tasks",
        ),
        pytest.param(
            "AWS/ECS",
            "use a period of 20, once high-resolution metrics are on for the service",
            id="ECS's own",
        ),
        pytest.param(
            "AWS/ApplicationELB",
            "AWS publishes it once a minute; docs/signals.md lists faster signals",
            id="the load balancer's",
        ),
    ],
)
def test_a_period_of_a_minute_is_mended_as_its_metric_allows(namespace: str, fix: str) -> None:
    alarm = cpu_alarm(Period=60, Namespace=namespace)

    (warning,) = [
        one for one in found(Verdict.WARNING, **CPU, alarms=alarm) if "evaluated once" in one.what
    ]

    assert warning.fix == fix
