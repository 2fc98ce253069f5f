"""`quickstep status | decisions | pause | resume | override | scale`, on the embedded AWS."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

import quickstep_cli.aws
import quickstep_cli.decisions
import quickstep_cli.status
import quickstep_cli.targets
from quickstep.aws.attributes import to_item
from quickstep.fields import write_moment
from quickstep.protocol.counts import Counts
from quickstep.protocol.memory import Memory, memory_dict
from quickstep_lab.embedded_aws import TABLE, put_policy
from tests.builders import HIGH, WEB, a_document, known
from tests.integration.commands import Scaler, a_scaler, printed
from tests.integration.scene import decisions, remembered, set_tasks, tasks

if TYPE_CHECKING:
    from typer.testing import Result

    from quickstep_lab.embedded_aws import Account


@pytest.fixture
def scaler(account: Account, queue_url: str, monkeypatch: pytest.MonkeyPatch) -> Scaler:
    made = a_scaler(account, queue_url, lambda: datetime.now(UTC))
    monkeypatch.setattr(quickstep_cli.targets, "wait_for", made.works)
    return made


def remember(account: Account, memory: Memory) -> None:
    key = {"pk": WEB.resource_id, "sk": "#state"}
    item = to_item({**key, **memory_dict(memory)})
    account.client("dynamodb").put_item(TableName=TABLE, Item=item)


def write_entry(account: Account, name: str, entry: Any) -> None:
    account.client("dynamodb").update_item(
        TableName=TABLE,
        Key=to_item({"pk": WEB.resource_id, "sk": "#state"}),
        UpdateExpression="SET #name = :entry",
        ExpressionAttributeNames={"#name": name},
        ExpressionAttributeValues=to_item({":entry": entry}),
    )


# --- override -------------------------------------------------------------------------------------

OVERRIDE = ("override", "prod/web", "--min", "10", "--for", "2h", "--reason", "launch", "--yes")


@pytest.mark.usefixtures("scaler")
def test_an_override_brings_capacity_within_it_at_once(account: Account, run: Any) -> None:
    result = run(*OVERRIDE)

    assert result.exit_code == 0, result.output
    assert "service/prod/web: override: at least 10 until" in result.stdout
    assert "Scaled out from 4 to 10: 4 is below the override's minimum of 10" in result.stdout
    assert tasks(account) == 10
    memory, lease = remembered(account)
    assert lease is None
    assert memory.state.override is not None
    assert (memory.state.override.min_capacity, memory.state.override.reason) == (10, "launch")


@pytest.mark.usefixtures("scaler")
@pytest.mark.parametrize(
    ("force", "tasks_left", "said"),
    [
        pytest.param([], 4, "override: at most 3 until", id="the load keeps its tasks"),
        pytest.param(["--force"], 3, "override: at most 3 whatever the load until", id="forced"),
    ],
)
def test_a_maximum_waits_for_the_load_unless_it_is_forced(
    account: Account, run: Any, force: list[str], tasks_left: int, said: str
) -> None:
    breach(account)

    bounds = ("override", "prod/web", "--max", "3", "--for", "2h", *force)
    result = run(*bounds, "--reason", "night", "--yes")

    assert result.exit_code == 0, result.output
    assert said in result.stdout
    assert tasks(account) == tasks_left
    again = run("override", "prod/web", "--clear", "--yes", "--wait", "0")
    assert f"it is {said.removeprefix('override: ')}" in again.stdout


@pytest.mark.usefixtures("scaler")
def test_an_override_creates_the_item_of_a_target_that_was_never_evaluated(
    account: Account, run: Any
) -> None:
    answer = printed(run(*OVERRIDE, "--json"))

    assert answer["decision"]["outcome"] == "SCALED_OUT"
    assert answer["decision"]["trigger"]["id"] == answer["request"]
    (record,) = decisions(account)
    assert record["id"] == answer["decision"]["id"]


@pytest.mark.usefixtures("scaler")
def test_an_override_leaves_lease_and_memory_as_they_are(account: Account, run: Any) -> None:
    at = datetime.now(UTC).replace(microsecond=0)
    remember(
        account, Memory(alarms={HIGH: known()}, counts=Counts(4), generation=7, requested_at=at)
    )
    run(*OVERRIDE, "--wait", "0")

    memory, _ = remembered(account)
    assert (memory.generation, memory.desired, memory.requested_at) == (7, 4, at)
    assert memory.alarms == {HIGH: known()}


@pytest.mark.usefixtures("scaler")
def test_an_override_is_cleared(account: Account, run: Any) -> None:
    run(*OVERRIDE)

    result = run("override", "prod/web", "--clear", "--yes")

    assert result.exit_code == 0
    assert "it is at least 10 until" in result.stdout
    assert remembered(account)[0].state.override is None
    again = run("override", "prod/web", "--clear", "--yes")
    assert "has no override: nothing to do" in again.stdout


@pytest.mark.usefixtures("scaler")
def test_nothing_is_written_where_the_answer_is_no(account: Account, run: Any) -> None:
    result = run(*OVERRIDE[:-1], answer="n\n")

    assert result.exit_code == 1
    assert "override: at least 10" in result.stdout
    assert (remembered(account)[0].state.override, tasks(account)) == (None, 4)


def test_an_override_that_somebody_else_changed_meanwhile_is_not_written_over(
    account: Account, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def confirm(*_: Any, **__: Any) -> bool:
        write_entry(account, "override", {"max": 3})
        return True

    monkeypatch.setattr("typer.confirm", confirm)

    result = run(*OVERRIDE[:-1])

    assert result.exit_code == 6
    assert "has changed in the meantime" in result.stderr
    assert remembered(account)[0].state.override.max_capacity == 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        pytest.param(["--for", "2h"], 2, "give --min, --max or both", id="no bound"),
        pytest.param(
            ["--min", "5", "--max", "4", "--for", "2h"], 2, "at least --min (5)", id="order"
        ),
        pytest.param(["--min", "5"], 2, "give --for or --until", id="no end"),
        pytest.param(
            ["--min", "5", "--for", "2h", "--until", "x"], 2, "give --for or --until", id="two ends"
        ),
        pytest.param(["--min", "5", "--for", "2 hours"], 2, "time span like 2h30m", id="no span"),
        pytest.param(
            ["--min", "5", "--until", "tonight"],
            2,
            "must be a time like 18:00, 2026-11-26 18:00 or 2026-11-26T18:00:00Z, not 'tonight'",
            id="no time",
        ),
        pytest.param(
            ["--min", "5", "--until", "2020-01-01T00:00:00Z"], 2, "which has passed", id="expired"
        ),
        pytest.param(["--max", "0", "--for", "2h"], 1, "the last task stays", id="no task left"),
        pytest.param(
            ["--clear", "--min", "5"], 2, "--clear cannot be combined with bounds", id="both"
        ),
        pytest.param(["--min", "-1", "--for", "2h"], 2, "--min", id="below 0"),
        pytest.param(["--min", "5", "--force", "--for", "2h"], 2, "requires --max", id="no max"),
        pytest.param(["--clear", "--force"], 2, "an end or --force", id="a forced end"),
    ],
)
def test_an_override_that_makes_no_sense_is_refused(
    account: Account, run: Any, arguments: list[str], code: int, why: str
) -> None:
    result = run("override", "prod/web", *arguments, "--reason", "because", "--yes")

    assert result.exit_code == code
    assert why in " ".join(result.stderr.replace("│", "").split())
    assert remembered(account)[0] == Memory()


# --- pause and resume -----------------------------------------------------------------------------

PAUSE = ("pause", "prod/web", "--for", "30m", "--reason", "incident", "--yes")


def breach(account: Account) -> None:
    """Remember an alarm in breach, and publish a datapoint that shows it."""
    now = datetime.now(UTC)
    remember(account, Memory(alarms={HIGH: known()}, counts=Counts(4)))
    begun = datetime.fromtimestamp(now.timestamp() // 10 * 10 - 10, UTC)
    client = account.client("cloudwatch")
    client.put_metric_data(
        Namespace="MyApp/Performance",
        MetricData=[
            {
                "MetricName": "RequestsPerSecond",
                "Timestamp": begun + timedelta(seconds=1),
                "Value": 160.0,
                "StorageResolution": 1,
            }
        ],
    )


@pytest.mark.usefixtures("scaler")
def test_a_pause_holds_and_on_resume_the_breach_is_answered_at_once(
    account: Account, run: Any
) -> None:
    put_policy(account, WEB, json.dumps(a_document(Guards={"CapacityOnItsWay": False})))
    breach(account)

    paused = run(*PAUSE)

    assert paused.exit_code == 0, paused.output
    assert "pause scale-out and scale-in until" in paused.stdout
    assert "Kept 4 tasks while paused: scale-out is paused until" in paused.stdout
    assert tasks(account) == 4

    resumed = run("resume", "prod/web", "--yes")

    assert resumed.exit_code == 0, resumed.output
    assert "it is a pause of scale-out and scale-in until" in resumed.stdout
    assert "Scaled out from 4 to 6" in resumed.stdout
    assert tasks(account) == 6


@pytest.mark.usefixtures("scaler")
def test_one_direction_is_paused(account: Account, run: Any) -> None:
    answer = printed(run(*PAUSE, "--direction", "scale-in", "--json"))

    assert answer["decision"]["outcome"] == "HELD_NO_DATA"
    pause = remembered(account)[0].state.pause
    assert pause is not None
    assert pause.directions == {"scale-in"}


@pytest.mark.usefixtures("scaler")
def test_there_is_nothing_to_resume(run: Any) -> None:
    assert printed(run("resume", "prod/web", "--yes", "--json")) == {
        "request": None,
        "decision": None,
    }


@pytest.mark.parametrize(
    "wrong", [["--reason", ""], ["--reason", "x" * 201], ["--direction", "up", "--reason", "x"], []]
)
def test_a_pause_needs_a_reason_and_a_direction(run: Any, wrong: list[str]) -> None:
    assert run("pause", "prod/web", "--for", "1h", *wrong).exit_code == 2


def test_where_the_scaler_does_not_answer_it_is_said_what_is_in_force(
    account: Account, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quickstep_cli.targets, "wait_for", lambda _: None)

    result = run(*PAUSE, "--wait", "1")

    assert result.exit_code == 7
    assert "has not answered within 1 s; the change is in force" in result.stderr
    assert remembered(account)[0].state.pause is not None


# --- scale ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("scaler")
def test_scale_sets_a_capacity_once_and_leaves_a_decision(account: Account, run: Any) -> None:
    result = run("scale", "service/prod/web", "8", "--reason", "batch job", "--yes")

    assert result.exit_code == 0, result.output
    assert "service/prod/web: 4 → 8 tasks, once: batch job" in result.stdout
    assert "Scaled out from 4 to 8: an operator asked for 8 tasks" in result.stdout
    assert tasks(account) == 8
    (record,) = decisions(account)
    assert record["trigger"]["kind"] == "request"
    assert "batch job" in record["trigger"]["what"]
    assert "arn:aws:" in record["trigger"]["what"]


@pytest.mark.usefixtures("scaler")
def test_scale_in_a_dry_run_changes_nothing_and_says_so(account: Account, run: Any) -> None:
    put_policy(account, WEB, json.dumps(a_document(DryRun=True)))

    result = run("scale", "prod/web", "8", "--reason", "try", "--yes")

    assert "a dry run changes nothing" in result.stdout
    assert "Would scale from 4 to 8, but this is a dry run" in result.stdout
    assert tasks(account) == 4


def test_scale_beyond_the_bounds_names_the_way_to_do_it(account: Account, run: Any) -> None:
    result = run("scale", "prod/web", "41", "--reason", "more", "--yes")

    assert result.exit_code == 1
    assert "41 is outside the policy's bounds of 2 to 40: `quickstep override`" in result.stderr
    assert tasks(account) == 4


# --- guard rails ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "why"),
    [
        pytest.param(["--min", "200"], "--min 200 is above MaxCapacity 40", id="a minimum"),
        pytest.param(["--max", "60"], "--max 60 is above MaxCapacity 40", id="a maximum"),
        pytest.param(["--min", "1"], "--min 1 is below MinCapacity 2", id="a low minimum"),
        pytest.param(
            ["--min", "41", "--max", "60"],
            "--min 41 is above MaxCapacity 40; --max 60 is above MaxCapacity 40",
            id="both",
        ),
    ],
)
def test_an_override_past_the_document_s_bounds_is_forced_or_refused(
    account: Account, run: Any, bounds: list[str], why: str
) -> None:
    command = ("override", "prod/web", *bounds, "--for", "2h", "--reason", "sale", "--yes")

    refused = run(*command)

    assert refused.exit_code == 1
    assert f"{why}: pass --force if that is what you want" in " ".join(refused.stderr.split())
    assert remembered(account)[0] == Memory()
    forced = run(*command, "--force", "--wait", "0")
    assert forced.exit_code == 0, forced.output
    assert remembered(account)[0].state.override is not None


def test_before_an_override_acts_it_shows_tasks_bounds_and_dollars(
    account: Account, run: Any
) -> None:
    bounds = ("--min", "200", "--force", "--for", "2h", "--reason", "sale")
    result = run("override", "prod/web", *bounds, input="n\n")

    shown = result.stdout.splitlines()
    assert shown[0].startswith("service/prod/web: override: at least 200 until ")
    assert shown[1:3] == [
        "  tasks: 4 now, 200 with this, 200 at most",
        "  bounds: 2 to 40 in the document, 2 to 40 in force, 200 to 200 with this",
    ]
    assert shown[3] == (
        "  cost: 4 tasks $0.05, 200 tasks $2.47 per hour, for 0.25 vCPU and 0.5 GB each on x86 "
        "Fargate at the list price in us-east-1"
    )
    assert result.exit_code == 1
    assert remembered(account)[0] == Memory()


@pytest.mark.usefixtures("scaler")
def test_scale_past_the_document_s_bounds_is_forced_or_refused(account: Account, run: Any) -> None:
    bounds = ("--max", "60", "--force", "--for", "2h", "--reason", "sale", "--yes")
    assert run("override", "prod/web", *bounds).exit_code == 0

    refused = run("scale", "prod/web", "50", "--reason", "sale", "--yes")

    why = "a capacity of 50 is above MaxCapacity 40: pass --force if that is what you want"
    assert why in " ".join(refused.stderr.split())
    assert tasks(account) == 4
    forced = run("scale", "prod/web", "50", "--reason", "sale", "--yes", "--force")
    assert "  tasks: 4 now, 50 with this, 60 at most" in forced.stdout
    assert tasks(account) == 50


# --- status and decisions -------------------------------------------------------------------------


@pytest.mark.usefixtures("scaler")
def test_status_shows_what_is_in_force(account: Account, run: Any) -> None:
    run(*OVERRIDE)
    write_entry(account, "override:night", {"max": 2, "until": "2020-01-01T00:00:00Z"})

    shown = run("status")

    assert shown.exit_code == 0, shown.output
    assert "override:night" not in shown.stdout, "it is over"
    for text in ("prod/web", "10 to 40", "(override)", "launch", "SCALED_OUT", "4 to 10"):
        assert text in shown.stdout
    (status,) = printed(run("status", "prod/web", "--json"))
    assert status["bounds"] == {"min": 10, "max": 40, "of": "override"}
    assert status["service"]["desired"] == 10
    assert status["last_decision"]["outcome"] == "SCALED_OUT"
    assert status["problems"] == []


def test_status_says_what_cannot_be_read(account: Account, run: Any) -> None:
    remember(account, Memory(alarms={HIGH: known()}))
    write_entry(account, "pause", "[red]both")
    put_policy(account, WEB, json.dumps(a_document(MinCapacity=-1)))

    result = run("status", "--json")

    assert result.exit_code == 1
    (status,) = json.loads(result.stdout)
    assert status["alarms"][HIGH]["state"] == "ALARM"
    assert 'nothing scales in: pause: must be an object, not "[red]both"' in status["problems"][0]
    assert "MinCapacity: must be at least 0, not -1" in status["problems"][1]
    assert "[red]both" in run("status").stdout


@pytest.mark.usefixtures("scaler")
def test_what_others_wrote_cannot_control_the_terminal(account: Account, run: Any) -> None:
    until = write_moment(datetime.now(UTC) + timedelta(hours=1))
    write_entry(account, "override", {"min": 5, "until": until, "reason": "\x1b[2Jgone"})
    run("scale", "prod/web", "8", "--reason", "\x1b[2Jgone", "--yes")

    for command in ("status", "decisions"):
        result = run(command, "prod/web")
        assert "gone" in result.stdout
        assert "\x1b[2J" not in result.stdout


def test_status_goes_on_until_it_is_interrupted(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[timedelta] = []

    def wait(duration: timedelta) -> None:
        looks.append(duration)
        if len(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(quickstep_cli.status, "wait_for", wait)

    result = run("status", "--watch", "--interval", "3", "--json")

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2
    assert looks == [timedelta(seconds=3)] * 2
    looks.clear()
    assert "prod/web" in run("status", "--watch").stdout


def test_without_targets_status_says_where_it_looked(account: Account, run: Any) -> None:
    client = account.client("ssm")
    client.delete_parameter(Name=WEB.parameter)

    assert "no SSM parameter starts with /quickstep/" in run("status").stdout
    assert printed(run("status", "--json")) == []


@pytest.mark.usefixtures("scaler")
def test_decisions_are_listed_oldest_first(run: Any) -> None:
    run("scale", "prod/web", "8", "--reason", "[bold]first", "--yes")
    run("scale", "prod/web", "6", "--reason", "second", "--yes")

    shown = run("decisions", "prod/web").stdout
    lines = [
        json.loads(line) for line in run("decisions", "prod/web", "--json").stdout.splitlines()
    ]

    assert shown.index("[bold]first") < shown.index("second")
    assert [line["granted"] for line in lines] == [8, 6]
    assert lines[0]["trail"][0]["guard"] == "request"
    (newest,) = run("decisions", "prod/web", "--limit", "1", "--json").stdout.splitlines()
    assert json.loads(newest)["granted"] == 6


@pytest.mark.usefixtures("scaler")
@pytest.mark.parametrize("command", ["decisions", "describe", "why"])
def test_reasons_are_shown_in_the_language_asked_for_and_written_in_english(
    run: Any, command: str
) -> None:
    run("scale", "prod/web", "8", "--reason", "sale", "--yes")

    shown = run(command, "prod/web", "--lang", "ko").stdout
    written = run("decisions", "prod/web", "--lang", "ko", "--json").stdout

    assert "스케일 아웃했습니다: 운영자가 태스크 8개를 요청했습니다" in shown
    assert "Scaled out from 4 to 8: an operator asked for 8 tasks" in written


@pytest.mark.usefixtures("scaler")
def test_decisions_are_followed(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[timedelta] = []

    def wait(duration: timedelta) -> None:
        waits.append(duration)
        if len(waits) == 2:
            raise KeyboardInterrupt
        run("scale", "prod/web", "8", "--reason", "meanwhile", "--yes")

    monkeypatch.setattr(quickstep_cli.decisions, "wait_for", wait)

    followed = run("decisions", "prod/web", "--follow", "--json")

    (line,) = followed.stdout.splitlines()
    assert json.loads(line)["granted"] == 8


# --- errors of every command ----------------------------------------------------------------------

COMMANDS = {
    "status": ["status", "prod/nowhere"],
    "decisions": ["decisions", "prod/nowhere"],
    "pause": ["pause", "prod/nowhere", "--for", "1h", "--reason", "x", "--yes"],
    "resume": ["resume", "prod/nowhere", "--yes"],
    "override": [
        *("override", "prod/nowhere", "--min", "3", "--for", "1h", "--reason", "x", "--yes")
    ],
    "scale": ["scale", "prod/nowhere", "3", "--reason", "x", "--yes"],
    "export": ["export", "prod/nowhere", "/dev/null", "--force"],
    "import": ["import", "--resource-id", "service/prod/nowhere"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_an_unknown_target_is_said_to_be_one(run: Any, name: str) -> None:
    result = run(*COMMANDS[name])

    assert result.exit_code == 5
    assert "no such target" in result.stderr or "no scalable target" in result.stderr
    if name != "import":
        assert "there are service/prod/web" in result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_without_credentials_it_is_said_how_to_get_some(run: Any, name: str) -> None:
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}

    result: Result = run(*COMMANDS[name], **nobody)

    assert result.exit_code == 3
    assert "no AWS credentials: run `aws configure`" in result.stderr


@pytest.mark.parametrize(
    ("code", "message", "exit_code", "said"),
    [
        pytest.param(
            "AccessDeniedException",
            "User x is not authorized to perform it",
            4,
            "is not allowed: User x is not authorized to perform it",
            id="no permission: the call is named",
        ),
        pytest.param(
            "ExpiredTokenException",
            "The security token has expired",
            3,
            "the credentials are invalid or have expired",
            id="an expired login",
        ),
        pytest.param("RequestTimeout", "no", 3, "AWS failed: RequestTimeout: no", id="no answer"),
    ],
)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_refusal_by_aws_is_said_to_be_one(
    name: str,
    code: str,
    message: str,
    exit_code: int,
    said: str,
    *,
    run: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refuse_all(monkeypatch, code, message)

    result = run(*COMMANDS[name])

    assert result.exit_code == exit_code
    assert said in result.stderr


def refuse_all(monkeypatch: pytest.MonkeyPatch, code: str, message: str) -> None:
    """Have AWS refuse every call of the command, which is repeated without a pause."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)
    session = boto3.Session

    def refusing(**settings: Any) -> boto3.Session:
        made = session(**settings)
        body = json.dumps({"__type": code, "Error": {"Code": code}, "message": message})

        def refuse(**_: Any) -> Any:
            response: Any = AWSResponse("http://127.0.0.1/", 400, HTTPHeaders(), None)
            response._content = body.encode()  # noqa: SLF001
            return response

        made.events.register("before-send.*.*", refuse)
        return made

    monkeypatch.setattr(boto3, "Session", refusing)


def test_where_nothing_answers_it_is_said(run: Any) -> None:
    result = run("status", AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="1")

    assert result.exit_code == 3
    assert "cannot reach AWS: Could not connect to the endpoint URL" in result.stderr


def test_without_a_region_it_is_said_how_to_name_one(run: Any) -> None:
    result = run("status", AWS_DEFAULT_REGION="", AWS_REGION="")

    assert result.exit_code == 3
    assert "no AWS Region: pass --region" in result.stderr


def test_either_variable_of_aws_names_the_region(run: Any) -> None:
    named = [run("status", AWS_DEFAULT_REGION="", AWS_REGION="us-east-1"), run("status")]

    assert [result.exit_code for result in named] == [0, 0]


def test_a_profile_that_does_not_exist_is_named(run: Any) -> None:
    result = run("status", "--profile", "nobody")

    assert result.exit_code == 3
    assert "nobody" in result.stderr


def test_a_stack_that_does_not_exist_is_named(run: Any) -> None:
    result = run("status", "--stack", "elsewhere", QUICKSTEP_TABLE="")

    assert result.exit_code == 5
    assert "no stack elsewhere with a resource Table in us-east-1" in result.stderr


@pytest.mark.usefixtures("scaler")
def test_table_and_queue_are_found_by_the_scaler_s_parameter(
    account: Account, queue_url: str, run: Any
) -> None:
    stored = {"Stack": "quickstep", "Table": TABLE, "Rechecks": queue_url, "New": 1}
    account.client("ssm").put_parameter(
        Name="/quickstep-scaler", Value=json.dumps(stored), Type="String"
    )

    result = run(*OVERRIDE, QUICKSTEP_TABLE="", QUICKSTEP_QUEUE_URL="")

    assert result.exit_code == 0, result.output
    assert tasks(account) == 10


def test_a_region_without_a_scaler_is_named(run: Any) -> None:
    result = run("status", QUICKSTEP_TABLE="")

    assert result.exit_code == 5
    assert "no scaler in us-east-1: there is no SSM parameter /quickstep-scaler" in result.stderr


@pytest.mark.parametrize("text", ["quickstep", "[]", '{"Stack": "quickstep", "Table": 1}'])
def test_a_parameter_that_somebody_else_wrote_is_named(
    account: Account, run: Any, text: str
) -> None:
    account.client("ssm").put_parameter(Name="/quickstep-scaler", Value=text, Type="String")

    result = run("status", QUICKSTEP_TABLE="")

    assert result.exit_code == 1
    assert "/quickstep-scaler must be what the scaler's stack wrote" in result.stderr


@pytest.mark.usefixtures("scaler")
def test_table_and_queue_are_found_in_a_stack_that_is_named(
    account: Account, queue_url: str, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    resources = {"Table": TABLE, "Rechecks": queue_url}

    def resource(_self: Any, logical_id: str) -> str:
        asked.append(logical_id)
        return resources[logical_id]

    monkeypatch.setattr(quickstep_cli.aws.Aws, "resource", resource)

    result = run(*OVERRIDE, "--stack", "mine", QUICKSTEP_TABLE="", QUICKSTEP_QUEUE_URL="")

    assert result.exit_code == 0, result.output
    assert set(asked) == {"Table", "Rechecks"}
    assert tasks(account) == 10


def test_a_capacity_set_by_hand_in_between_is_seen(account: Account, run: Any) -> None:
    set_tasks(account, 7)

    (status,) = printed(run("status", "--json"))

    assert status["service"]["desired"] == 7
    assert status["last_decision"] is None
