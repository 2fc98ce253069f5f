"""`quickstep apply | diff | import | export`, on the embedded AWS."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from quickstep.config import parse_target
from quickstep.naming import ServiceName
from quickstep_cli.decisions import load_seen, traffic_rows
from quickstep_cli.owners import TAG, owner_of
from quickstep_lab.embedded_aws import create_service, put_policy
from quickstep_lab.traffic import read_traffic
from tests.builders import EXAMPLE_POLICY, HIGH, LOW, NOW, WEB, a_document, example_document
from tests.integration.commands import printed, quickstep
from tests.integration.scene import a_door, an_event

if TYPE_CHECKING:
    from pathlib import Path

    from quickstep_lab.embedded_aws import Account


def stored(account: Account) -> str:
    client = account.client("ssm")
    return str(client.get_parameter(Name=WEB.parameter)["Parameter"]["Value"])


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    file = tmp_path / "web.json"
    file.write_text(json.dumps(a_document(MaxCapacity=50)))
    return file


# --- diff and apply -------------------------------------------------------------------------------


def test_the_same_document_in_another_layout_does_not_differ(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "same.json"
    file.write_text(json.dumps(dict(reversed(example_document().items()))))

    result = run("diff", str(file))

    assert result.exit_code == 0
    assert "/quickstep/prod/web: as in" in result.stdout


def test_a_difference_is_shown_and_is_an_exit_code(run: Any, changed: Path) -> None:
    result = run("diff", str(changed))

    assert result.exit_code == 1
    assert '-  "MaxCapacity": 40' in result.stdout
    assert '+  "MaxCapacity": 50' in result.stdout
    (difference,) = json.loads(run("diff", str(changed), "--json").stdout)
    assert (difference["parameter"], difference["differs"]) == ("/quickstep/prod/web", True)


def test_apply_shows_asks_and_puts_in_force(account: Account, run: Any, changed: Path) -> None:
    result = run("apply", str(changed), answer="y\n")

    assert result.exit_code == 0, result.output
    assert '+  "MaxCapacity": 50' in result.stdout
    assert "Deploy 1 document(s) in us-east-1?" in result.stderr
    assert parse_target(stored(account)).max_capacity == 50
    assert run("diff", str(changed)).exit_code == 0
    assert "✓" not in run("apply", str(changed), "--yes").stderr


def test_where_the_answer_is_no_nothing_is_put(account: Account, run: Any, changed: Path) -> None:
    result = run("apply", str(changed), answer="n\n")

    assert result.exit_code == 1
    assert parse_target(stored(account)).max_capacity == 40


def test_a_new_target_s_document_is_put_as_well(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    file.write_text(json.dumps(a_document(ResourceId="service/prod/api")))

    assert run("apply", str(file), "--yes").exit_code == 0
    shown = json.loads(run("status", "--json").stdout)  # ECS has no such service: a problem
    assert {one["resource_id"] for one in shown} == {
        "service/prod/api",
        "service/prod/web",
    }


def test_of_several_documents_none_is_put_if_one_is_wrong(
    account: Account, run: Any, changed: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(a_document(MinCapacity=-1, DryRun="no")))

    result = run("apply", str(changed), str(wrong), "--yes")

    assert result.exit_code == 1
    assert "nothing was changed" in result.stderr
    assert "MinCapacity: must be at least 0, not -1" in result.stderr
    assert "DryRun: must be true or false" in result.stderr
    assert parse_target(stored(account)).max_capacity == 40


def test_what_a_document_will_do_wrong_is_said_when_it_is_put(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "web.json"
    file.write_text(json.dumps(a_document(MaxCapacity=2)))

    assert "nothing ever scales" in run("apply", str(file), "--yes").stderr


def test_a_file_that_cannot_be_read_is_named(run: Any, tmp_path: Path) -> None:
    result = run("apply", str(tmp_path / "none.json"), "--yes")

    assert result.exit_code == 2
    assert "none.json: No such file" in result.stderr


def test_a_stored_text_that_is_no_json_is_compared_all_the_same(account: Account, run: Any) -> None:
    put_policy(account, WEB, "oops")

    result = run("diff", str(EXAMPLE_POLICY))

    assert result.exit_code == 1
    assert "-oops" in result.stdout


# --- whose a document is --------------------------------------------------------------------------


def own(account: Account, owner: str) -> None:
    account.client("ssm").add_tags_to_resource(
        ResourceType="Parameter",
        ResourceId=WEB.parameter,
        Tags=[{"Key": TAG, "Value": owner}],
    )


def test_a_document_that_is_put_is_of_the_files_from_then_on(
    account: Account, run: Any, changed: Path
) -> None:
    assert owner_of(account.client("ssm"), WEB.parameter) is None

    assert run("apply", str(changed), "--yes").exit_code == 0
    assert owner_of(account.client("ssm"), WEB.parameter) == "apply"

    changed.write_text(json.dumps(a_document(MaxCapacity=60)))
    assert run("apply", str(changed), "--yes").exit_code == 0
    assert parse_target(stored(account)).max_capacity == 60


@pytest.mark.parametrize(
    ("owner", "why"),
    [
        pytest.param("stack", "a stack made it: change it there", id="a stack"),
        pytest.param("terraform", "Terraform made it: change it there", id="Terraform"),
        pytest.param("ansible", "it is owned by ansible", id="something else"),
    ],
)
def test_a_document_of_somebody_else_is_left_alone(
    account: Account, run: Any, changed: Path, tmp_path: Path, *, owner: str, why: str
) -> None:
    own(account, owner)
    another = tmp_path / "api.json"
    another.write_text(json.dumps(a_document(ResourceId="service/prod/api")))

    result = run("apply", str(changed), str(another), "--yes")

    assert result.exit_code == 1
    assert " ".join(result.stderr.split()).endswith(
        "nothing was changed; --take-over makes these the files' own: "
        f"/quickstep/prod/web: {why} (quickstep:owner={owner})"
    )
    assert parse_target(stored(account)).max_capacity == 40
    names = account.client("ssm").describe_parameters()["Parameters"]
    assert "/quickstep/prod/api" not in {one["Name"] for one in names}


def test_a_document_of_somebody_else_that_does_not_differ_is_no_trouble(
    account: Account, run: Any
) -> None:
    own(account, "stack")

    assert run("apply", str(EXAMPLE_POLICY), "--yes").exit_code == 0


def test_a_document_can_be_taken_over(account: Account, run: Any, changed: Path) -> None:
    own(account, "stack")

    assert run("apply", str(changed), "--take-over", "--yes").exit_code == 0
    assert parse_target(stored(account)).max_capacity == 50
    assert owner_of(account.client("ssm"), WEB.parameter) == "apply"


def test_a_folder_stands_for_every_document_in_it(run: Any, tmp_path: Path) -> None:
    for name in ("web", "api"):
        document = a_document(ResourceId=f"service/prod/{name}", MaxCapacity=50)
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    (tmp_path / "README.md").write_text("not a document")

    assert run("apply", str(tmp_path), "--yes").exit_code == 0
    assert run("diff", str(tmp_path)).exit_code == 0
    shown = json.loads(run("status", "--json").stdout)  # ECS has no such service: a problem
    assert {one["resource_id"] for one in shown} == {
        "service/prod/api",
        "service/prod/web",
    }


def test_a_folder_without_documents_is_a_mistake(run: Any, tmp_path: Path) -> None:
    result = run("apply", str(tmp_path), "--yes")

    assert result.exit_code == 2
    assert "this folder has no *.json file" in " ".join(result.stderr.split())


# --- apply --alarms -------------------------------------------------------------------------------


def put_alarm(account: Account, name: str, threshold: float, metric: str = "Load") -> None:
    account.client("cloudwatch").put_metric_alarm(
        AlarmName=WEB.alarm(name),
        AlarmDescription="mine",
        AlarmActions=["arn:aws:sns:us-east-1:123456789012:mine"],
        Namespace="MyApp",
        MetricName=metric,
        Statistic="Average",
        Period=10,
        EvaluationPeriods=1,
        Threshold=threshold,
        ComparisonOperator="GreaterThanThreshold",
    )


def thresholds(account: Account) -> dict[str, float]:
    described = account.client("cloudwatch").describe_alarms(AlarmNamePrefix=WEB.alarm(""))
    prefix = WEB.alarm("")
    return {
        alarm["AlarmName"].removeprefix(prefix): alarm["Threshold"]
        for alarm in described["MetricAlarms"]
    }


@pytest.fixture
def one_number(tmp_path: Path) -> Path:
    file = tmp_path / "one.json"
    document = a_document(ScaleOutPolicies=None, ScaleInPolicies=None)
    document["TargetTrackingPolicies"] = {"request-rate": {"TargetValue": 98}}
    file.write_text(json.dumps(document))
    return file


def test_one_command_puts_one_number_in_the_place_of_steps(
    account: Account, run: Any, one_number: Path
) -> None:
    put_alarm(account, HIGH, 100)
    put_alarm(account, LOW, 30)

    result = run("apply", str(one_number), "--alarms", answer="y\n")

    assert result.exit_code == 0, result.output
    assert "quickstep/prod/web/request-rate/high: new, with a threshold of 98" in result.stdout
    assert "Deploy 1 document(s) in us-east-1 and change 3 alarm(s)?" in result.stderr
    assert thresholds(account) == {"request-rate/high": 98}
    assert [policy.alarm for policy in parse_target(stored(account)).policies] == [
        "request-rate/high"
    ]
    again = run("apply", str(one_number), "--alarms", "--yes")
    assert (again.exit_code, again.stderr) == (0, "")


def test_a_threshold_is_put_where_the_document_is_in_force_already(
    account: Account, run: Any
) -> None:
    put_alarm(account, HIGH, 100)
    put_alarm(account, LOW, 30)
    given = ("--alarms", "--threshold", f"{HIGH}=98", "--yes")

    result = run("apply", str(EXAMPLE_POLICY), *given, "--json")

    assert result.exit_code == 0, result.output
    (change,) = json.loads(result.stdout)
    assert change["differs"] is False
    assert change["alarms"] == ["quickstep/prod/web/high-request-rate: threshold 100 becomes 98"]
    assert thresholds(account) == {HIGH: 98, LOW: 30}
    described = account.client("cloudwatch").describe_alarms(AlarmNames=[WEB.alarm(HIGH)])
    (alarm,) = described["MetricAlarms"]
    assert (alarm["AlarmDescription"], alarm["MetricName"]) == ("mine", "Load")
    assert alarm["AlarmActions"] == ["arn:aws:sns:us-east-1:123456789012:mine"]


def test_without_the_option_no_alarm_is_touched(
    account: Account, run: Any, one_number: Path
) -> None:
    put_alarm(account, HIGH, 100)

    assert run("apply", str(one_number), "--yes").exit_code == 0
    assert thresholds(account) == {HIGH: 100}


@pytest.mark.parametrize(
    ("options", "code", "why"),
    [
        pytest.param(["--threshold", f"{HIGH}=98"], 2, "requires --alarms", id="no --alarms"),
        pytest.param(
            ["--alarms", "--threshold", "nope=98"],
            2,
            "must name a step policy of the documents, not nope",
            id="no policy",
        ),
        pytest.param(
            ["--alarms", "--threshold", f"{HIGH}=x"], 2, "must be POLICY=VALUE", id="no number"
        ),
        pytest.param(
            ["--alarms"], 1, "nothing was changed: high-request-rate: its alarm", id="no alarm"
        ),
    ],
)
def test_alarms_that_cannot_be_made_leave_everything_as_it_is(
    account: Account, run: Any, changed: Path, *, options: list[str], code: int, why: str
) -> None:
    result = run("apply", str(changed), *options, "--yes")

    assert result.exit_code == code
    assert why in " ".join(result.stderr.split())
    assert parse_target(stored(account)).max_capacity == 40


# --- import ---------------------------------------------------------------------------------------


def put_scaling(account: Account, service: ServiceName = WEB) -> None:
    """Have Application Auto Scaling scale a service by target tracking, and by a schedule."""
    scaling = account.client("application-autoscaling")
    named: Any = {
        "ServiceNamespace": "ecs",
        "ResourceId": service.resource_id,
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    scaling.register_scalable_target(**named, MinCapacity=2, MaxCapacity=20)
    scaling.put_scaling_policy(
        **named,
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 50.0,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
            },
        },
    )
    scaling.put_scheduled_action(
        **named,
        ScheduledActionName="morning",
        Schedule="cron(0 7 ? * MON-FRI *)",
        Timezone="Europe/Berlin",
        ScalableTargetAction={"MinCapacity": 10},
    )


def put_steps(account: Account) -> None:
    """Add a step policy to the service, which no alarm runs."""
    account.client("application-autoscaling").put_scaling_policy(
        ServiceNamespace="ecs",
        ResourceId=WEB.resource_id,
        ScalableDimension="ecs:service:DesiredCount",
        PolicyName="out",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "PercentChangeInCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 10}],
        },
    )


def test_what_aas_has_is_read_from_aws(account: Account, run: Any, tmp_path: Path) -> None:
    put_scaling(account)

    result = run("import", "--resource-id", WEB.resource_id, "--out", str(tmp_path / "new"))

    assert result.exit_code == 0, result.output
    acting = "- Application Auto Scaling still scales in and out and by schedule: cpu, morning. Two"
    assert acting in result.stdout
    files = [tmp_path / "new" / name for name in ("policy.json", "alarms.json")]
    tried = f"Try it first: quickstep compare --policy {files[0]} --alarms {files[1]}"
    assert tried in result.stdout.splitlines()
    target = parse_target((tmp_path / "new" / "policy.json").read_text())
    assert (target.resource_id, target.min_capacity, target.max_capacity) == (
        WEB.resource_id,
        2,
        20,
    )
    assert target.dry_run
    assert {file.name for file in (tmp_path / "new").iterdir()} == {
        "policy.json",
        "alarms.json",
        "template.json",
    }
    template = json.loads((tmp_path / "new" / "template.json").read_text())
    schedule = template["Resources"]["Schedule1"]["Properties"]
    assert schedule["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert json.loads(schedule["Target"]["Input"])["MinCapacity"] == 10


def test_what_no_alarm_runs_is_not_carried_over(account: Account, run: Any) -> None:
    put_scaling(account)
    put_steps(account)

    result = run("import", "--resource-id", "prod/web")

    assert result.exit_code == 1
    assert (
        "! out: no alarm runs it, so it has never scaled anything; it was not carried over, "
        "because a policy without a visible load holds every removal"
    ) in result.stdout.splitlines()


API = ServiceName("prod", "api")
OTHER = ServiceName("test", "web")


def a_fleet(account: Account) -> None:
    """Three services in two clusters that AAS scales; one has a policy that no alarm runs."""
    for service in (API, OTHER):
        create_service(account, service, 2)
    for service in (WEB, API, OTHER):
        put_scaling(account, service)
    put_steps(account)


def test_a_whole_cluster_is_imported_into_a_folder_each(
    account: Account, run: Any, tmp_path: Path
) -> None:
    a_fleet(account)

    result = run("import", "--all", "--cluster", "prod", "--out", str(tmp_path))

    assert result.exit_code == 1
    heading, api, web, sentence = result.stdout.splitlines()
    headings = ["Service", "Result", "Policies", "Alarms", "Schedules", "Alike", "Differ", "Why"]
    assert heading.split() == headings
    assert api.split() == ["service/prod/api", "ok", "1", "1", "1", "0", "0"]
    assert web.split()[:8] == ["service/prod/web", "not", "all", "1", "1", "1", "0", "0"]
    assert web.endswith("because a policy without a visible load holds every removal")
    assert sentence == f"1 of 2 services carried over completely, to {tmp_path}"
    assert {file.name for file in (tmp_path / "prod" / "api").iterdir()} == {
        *("policy.json", "alarms.json", "template.json", "report.json")
    }


def test_an_import_of_many_goes_on_where_it_was(account: Account, run: Any, tmp_path: Path) -> None:
    a_fleet(account)
    command = ("import", "--all", "--cluster", "prod", "--out", str(tmp_path))
    run(*command)
    mine = tmp_path / "prod" / "api" / "policy.json"
    mine.write_text("edited")
    (tmp_path / "prod" / "web" / "report.json").write_text("[]")

    resumed = run(*command)

    assert resumed.exit_code == 1
    _, api, web, _ = resumed.stdout.splitlines()
    assert api.startswith("service/prod/api  ok (before)")
    assert web.split()[1] == "failed"
    assert web.endswith("report.json: not an import report; --again rewrites it")
    assert mine.read_text() == "edited"

    anew = run(*command, "--again", "--json")

    assert [row["result"] for row in json.loads(anew.stdout)] == ["ok", "not all"]
    assert mine.read_text() != "edited"


def test_services_are_chosen_by_their_tags(account: Account, run: Any, tmp_path: Path) -> None:
    a_fleet(account)
    ecs = account.client("ecs")
    arn = ecs.describe_services(cluster="test", services=["web"])["services"][0]["serviceArn"]
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "team", "value": "shop"}])
    command = ("import", "--all", "--out", str(tmp_path))

    result = run(*command, "--tag", "team=shop")

    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.stdout.splitlines()[1:-1]] == ["service/test/web"]
    nobody = run(*command, "--tag", "team=none")
    assert nobody.exit_code == 5
    assert "has no scalable target of team=none in us-east-1" in nobody.stderr
    wrong = run(*command, "--tag", "team")
    assert (wrong.exit_code, "--tag must be KEY=VALUE, not 'team'" in wrong.stderr) == (2, True)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        pytest.param((), "is missing; or pass --all", id="neither one nor all"),
        pytest.param(("--again",), "require --all", id="again of one"),
        pytest.param(("--all",), "requires --out and --cluster or --tag", id="all of nothing"),
    ],
)
def test_which_services_are_meant_is_asked(run: Any, options: tuple[str, ...], why: str) -> None:
    result = run("import", *options)

    assert result.exit_code == 2
    assert why in result.stderr


def saved(tmp_path: Path, name: str, content: Any) -> str:
    file = tmp_path / name
    file.write_text(json.dumps(content))
    return str(file)


def test_saved_output_needs_no_account(run: Any, tmp_path: Path) -> None:
    suspended = {"DynamicScalingInSuspended": True, "DynamicScalingOutSuspended": True}
    target = {
        "ResourceId": WEB.resource_id,
        "MinCapacity": 2,
        "MaxCapacity": 20,
        "SuspendedState": suspended,
    }
    policy = {
        "PolicyName": "out",
        "ResourceId": WEB.resource_id,
        "PolicyType": "StepScaling",
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 2}],
        },
        "Alarms": [{"AlarmName": "high"}],
    }
    alarm = {
        "AlarmName": "high",
        "Namespace": "MyApp",
        "MetricName": "Load",
        "Threshold": 50,
        "Period": 10,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    files = [
        saved(tmp_path, "targets.json", {"ScalableTargets": [target]}),
        saved(tmp_path, "policies.json", {"ScalingPolicies": [policy]}),
        saved(tmp_path, "alarms.json", {"MetricAlarms": [alarm], "CompositeAlarms": []}),
    ]
    options = [part for file in files for part in ("--from-file", file)]
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_DEFAULT_REGION": ""}

    result = run("import", "--resource-id", "prod/web", *options, "--json", **nobody)

    made = printed(result)
    assert made["warnings"] == []
    assert made["policy"]["ScaleOutPolicies"]["out"]["Cooldown"] == 300
    assert made["alarms"][0]["AlarmName"] == WEB.alarm("out")


@pytest.mark.parametrize(
    ("options", "alarms"),
    [
        pytest.param([], {"backlog/high": 60}, id="a target policy"),
        pytest.param(["--high-resolution"], {"backlog/high": 10}, id="on a fast metric"),
        pytest.param(
            ["--tracking", "steps"], {"backlog-out": 60, "backlog-in": 60}, id="as AAS evaluates"
        ),
    ],
)
def test_target_tracking_is_carried_over_in_either_form(
    run: Any, tmp_path: Path, options: list[str], alarms: dict[str, int]
) -> None:
    target = {"ResourceId": WEB.resource_id, "MinCapacity": 2, "MaxCapacity": 20}
    metric = {"Namespace": "MyApp", "MetricName": "Backlog", "Statistic": "Average"}
    policy = {
        "PolicyName": "backlog",
        "ResourceId": WEB.resource_id,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": 50,
            "CustomizedMetricSpecification": metric,
        },
    }
    file = saved(tmp_path, "aas.json", {"ScalableTargets": [target], "ScalingPolicies": [policy]})

    result = run("import", "--resource-id", "prod/web", "--from-file", file, *options, "--json")

    made = json.loads(result.stdout)
    assert {alarm["AlarmName"]: alarm["Period"] for alarm in made["alarms"]} == {
        WEB.alarm(name): period for name, period in alarms.items()
    }


@pytest.mark.parametrize(
    ("content", "code", "why"),
    [
        pytest.param([], 2, "must be an object", id="a list"),
        pytest.param({"Services": []}, 2, "must have one of ScalableTargets", id="something else"),
        pytest.param({"ScalableTargets": 5}, 2, "ScalableTargets: must be a list", id="a number"),
        pytest.param({"ScalableTargets": []}, 5, "no scalable target", id="no target"),
        pytest.param(
            {"ScalableTargets": [{"ResourceId": "service/prod/web"}]},
            1,
            "'MinCapacity' is missing",
            id="half a target",
        ),
    ],
)
def test_a_saved_file_that_is_not_what_aws_describes_is_refused(
    run: Any, tmp_path: Path, content: Any, code: int, why: str
) -> None:
    file = saved(tmp_path, "saved.json", content)

    result = run("import", "--resource-id", "service/prod/web", "--from-file", file)

    assert result.exit_code == code
    assert why in result.stderr


# --- export ---------------------------------------------------------------------------------------


def decide_twice(account: Account, queue_url: str) -> None:
    now = datetime.now(UTC) - timedelta(seconds=30)
    a_door(account, queue_url, lambda: now).on_event(an_event(now))
    later = now + timedelta(seconds=20)
    a_door(account, queue_url, lambda: later).on_event(an_event(later, values=(210.0,)))


def test_the_traffic_that_decisions_saw_can_be_played_again(
    account: Account, queue_url: str, run: Any, tmp_path: Path
) -> None:
    decide_twice(account, queue_url)
    file = tmp_path / "traffic.csv"

    result = run("export", "prod/web", str(file))

    assert result.exit_code == 0, result.output
    assert "21 seconds of traffic" in result.stdout
    assert "from 2 loads that decisions saw" in result.stdout
    traffic = read_traffic(file)
    assert traffic.requests[0] == 160.0 * 4
    assert len(traffic.requests) == 21
    played = quickstep(
        account, queue_url, "simulate", "--traffic", str(file), "--jobs", "1", "--json"
    )
    assert printed(played)["traffic"] == "traffic.csv"


@pytest.mark.parametrize("named", [(), ("--policy", "request-rate")], ids=["found", "named"])
def test_the_traffic_that_a_target_policy_saw_is_that_of_its_alarm(
    account: Account, queue_url: str, run: Any, tmp_path: Path, named: tuple[str, ...]
) -> None:
    tracking = {"request-rate": {"TargetValue": 100}}
    document = a_document(ScaleOutPolicies={}, ScaleInPolicies={}, TargetTrackingPolicies=tracking)
    put_policy(account, WEB, json.dumps(document))
    now = datetime.now(UTC) - timedelta(seconds=30)
    a_door(account, queue_url, lambda: now).on_event(an_event(now, policy="request-rate/high"))
    file = tmp_path / "traffic.csv"

    result = run("export", "prod/web", str(file), *named)

    assert result.exit_code == 0, result.output
    assert read_traffic(file).requests[0] == 160.0 * 4


def test_decisions_are_exported_as_they_are(
    account: Account, queue_url: str, run: Any, tmp_path: Path
) -> None:
    decide_twice(account, queue_url)
    file = tmp_path / "decisions.jsonl"

    assert run("export", "prod/web", str(file), "--format", "decisions").exit_code == 0

    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["trigger"]["kind"] for line in lines] == ["alarm", "alarm"]
    assert lines[0]["trail"]


def test_a_file_is_not_overwritten_unasked(
    account: Account, queue_url: str, run: Any, tmp_path: Path
) -> None:
    decide_twice(account, queue_url)
    file = tmp_path / "traffic.csv"
    file.write_text("mine")

    result = run("export", "prod/web", str(file))

    assert result.exit_code == 1
    assert "exists; --force overwrites it" in result.stderr
    assert file.read_text() == "mine"
    assert run("export", "prod/web", str(file), "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        pytest.param([], 1, "has seen a datapoint of high-request-rate", id="no decision"),
        pytest.param(["--since", "yesterday"], 2, "time span like 2h30m", id="no span"),
    ],
)
def test_where_there_is_nothing_to_export_it_is_said(
    run: Any, tmp_path: Path, arguments: list[str], code: int, why: str
) -> None:
    file = tmp_path / "traffic.csv"

    result = run("export", "prod/web", str(file), *arguments)

    assert result.exit_code == code
    assert why in " ".join(result.stderr.split())
    assert not file.exists()


def test_a_load_is_held_until_the_next_one_was_seen() -> None:
    seen = [(NOW, 640.0), (NOW + timedelta(seconds=3), 300.0), (NOW + timedelta(seconds=90), 100.0)]

    rows, fresh = traffic_rows(seen)

    assert rows[:5] == [(0, 640.0), (1, 640.0), (2, 640.0), (3, 300.0), (4, 300.0)]
    assert rows[-1] == (90, 100.0)
    assert len(rows) - fresh == 90 - 3 - 60 - 1


def test_a_record_without_a_datapoint_shows_no_load() -> None:
    record: dict[str, Any] = {
        "at": "2026-11-22T10:00:00Z",
        "alarms": {HIGH: {"datapoints": []}},
        "service": None,
    }

    assert load_seen(record, HIGH) is None
    assert load_seen({**record, "alarms": {}}, HIGH) is None
