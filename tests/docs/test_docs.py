"""What the documents say: generated tables are current, links lead somewhere, snippets hold."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from docs import cases, consoles, generate, keys, outcomes
from quickstep.alarms.known import KnownAlarm
from quickstep.aws.dynamodb import DynamoTargets
from quickstep.config import parse_target
from quickstep.engine.model import AlarmState
from quickstep.engine.outcome import Outcome
from quickstep.loop.schedules import read_action
from quickstep.protocol.memory import Memory, memory_dict
from quickstep.protocol.messages import (
    AlarmAgain,
    Content,
    Heartbeat,
    Heartbeats,
    Message,
    Recheck,
    Request,
    Surge,
    Sweep,
    write_message,
)
from quickstep.protocol.polls import Poll, Survey
from quickstep_cli.failures import Exit
from quickstep_cli.main import COMMANDS
from tests.builders import HIGH, NOW, WEB, a_lease, load_event
from tests.template.stack import SCALER, deploy

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)

ARCHITECTURE = ROOT / "docs" / "architecture.md"
RUNBOOK = ROOT / "docs" / "runbook.md"
OPERATIONS = ROOT / "docs" / "operations.md"
OPERATORS = {"override", "pause"}  # attributes of a target's item that no evaluation writes

TOP_LEVEL = set(keys.known_keys(""))
MINIMAL: dict[str, Any] = {
    "ResourceId": "service/prod/web",
    "MinCapacity": 0,
    "MaxCapacity": 10,
    "ScaleOutPolicies": {
        "high": {
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        }
    },
}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _blocks(path: Path, language: str) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    for match in re.finditer(
        rf"^```{language}\b[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    ):
        yield match[1]


def _prose(path: Path) -> str:
    """Return a document without its code, in which brackets are no links."""
    text = re.sub(
        r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    return re.sub(r"`[^`\n]*`", lambda code: re.sub(r"[\[\]()]", "", code[0]), text)


def _anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives to a document's headings."""
    headings = re.findall(r"^#+ (.+)$", _prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", [*generate.DOCUMENTS, *generate.FILES], ids=_name)
def test_generated_tables_are_up_to_date(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert generate.up_to_date(path, text) == text, "run: python -m docs.generate"


def test_every_example_is_shown_in_a_document() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)

    assert [path.name for path in cases.EXAMPLES.iterdir() if path.name not in text] == []


def test_every_outcome_has_a_meaning() -> None:
    assert set(Outcome) == set(outcomes.MEANINGS)


@pytest.mark.parametrize("parent", keys.KEYS, ids=lambda parent: parent or "document")
def test_every_key_that_the_validator_knows_is_documented(parent: str) -> None:
    assert set(keys.known_keys(parent)) == {key.name for key in keys.KEYS[parent]}


@pytest.mark.parametrize(
    ("parent", "key"),
    [(parent, key) for parent, listed in keys.KEYS.items() for key in listed],
    ids=lambda value: value.name if isinstance(value, keys.Key) else "",
)
def test_the_example_of_a_key_is_valid_and_its_counterexamples_are_not(
    parent: str, key: keys.Key
) -> None:
    path = f"{parent}.{key.name}" if parent else key.name

    assert keys.rules_broken(path, key.example) == []
    assert all(keys.rules_broken(path, value) for value in key.wrong)


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    broken = []
    for link in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", _prose(path)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        exists = target.exists()
        if not exists or (anchor and target.suffix == ".md" and anchor not in _anchors(target)):
            broken.append(link)

    assert not broken


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_every_policy_in_json_validates(path: Path) -> None:
    for block in _blocks(path, "json"):
        shown = json.loads(block)
        if not isinstance(shown, dict):
            continue
        if "AdjustmentType" in shown:
            group = "ScaleInPolicies" if '"ScalingAdjustment": -' in block else "ScaleOutPolicies"
            parse_target(json.dumps({**MINIMAL, group: {"shown": shown}}))
        elif "ResourceId" in shown:
            parse_target(block)
        elif TOP_LEVEL & shown.keys():
            parse_target(json.dumps({**MINIMAL, **shown}))


def _section(heading: str) -> str:
    """Return a section of the architecture's text."""
    text = ARCHITECTURE.read_text(encoding="utf-8")
    return re.split(r"^#+ ", text.split(f"\n## {heading}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


def _table(heading: str, head: str, after: str = "") -> list[list[set[str]]]:
    """Return the names in code of each cell of a section's table, the first one after a text."""
    table = _section(heading).split(after, 1)[-1] if after else _section(heading)
    rows = table.split(f"| {head} |\n")[1].split("\n\n")[0].splitlines()[1:]
    return [[set(re.findall(r"`(\w+)`", cell)) for cell in row.split("|")[1:-1]] for row in rows]


def _attributes(after: str) -> set[str]:
    return {name for row in _table("The table", "Attribute | What", after) for name in row[0]}


def test_the_item_s_attributes_are_those_that_are_written() -> None:
    requests: list[dict[str, Any]] = []

    def update_item(**request: Any) -> dict[str, Any]:
        requests.append(request)
        return {}

    client: Any = SimpleNamespace(update_item=update_item)
    targets = DynamoTargets(client, "table")
    targets.claim(WEB.resource_id, a_lease())
    targets.wait(WEB.resource_id, "me", "you", NOW)
    written = " ".join(request["UpdateExpression"] for request in requests)
    lease = set(re.findall(r"(\w+) = ", written))

    assert _attributes("Attributes of the item:") == (
        lease | memory_dict(Memory(incident="FAILED_DENIED")).keys() | OPERATORS
    )


def test_an_alarm_s_attributes_are_those_that_are_written() -> None:
    memory = memory_dict(Memory(alarms={HIGH: KnownAlarm(AlarmState.OK, NOW)}))

    assert _attributes("Of each alarm:") == memory["alarms"][HIGH].keys()


def test_the_messages_are_those_that_are_sent() -> None:
    event = AlarmAgain(load_event("alarm-ok"))
    request = Request(WEB, "r-1", NOW, "launch day", 8)
    looks = Heartbeats((Heartbeat(WEB, {}),))
    again = Surge(WEB, NOW)
    queues = (Poll(NOW, {WEB: ("jobs",)}, 1), Survey())
    contents: tuple[Content, ...]
    contents = (Recheck(WEB, 7), looks, Sweep(), request, event, again, *queues)
    written = [write_message(Message(content)) for content in contents]
    bodies = {kind: body.keys() for one in written for kind, body in one.items() if kind != "lost"}

    listed = {kind: body for (kind,), body, _ in _table("Messages", "Kind | Body | Sent by")}

    assert listed == {**bodies, "alarm": set()}


def test_the_rights_are_those_of_the_role() -> None:
    queue = "arn:aws:sqs:us-east-1:123456789012:jobs"
    roles = deploy(SCALER, QueueArns=queue, EventOutcomes="CHANGES").of_type("AWS::IAM::Role")
    (policy,) = roles["ScalerRole"]["Policies"]
    granted = {
        action
        for statement in policy["PolicyDocument"]["Statement"]
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
    }

    assert set(re.findall(r"`([a-z]+:[A-Za-z]+)`", _section("Rights"))) == granted


def _first_cells(path: Path, section: str) -> list[str]:
    """Return the first cell of each row of the tables below a heading, without its quotes."""
    text = path.read_text(encoding="utf-8").split(f"# {section}\n")[1].split("\n## ")[0]
    rows = [line.split("|") for line in text.splitlines() if line.startswith("|")]
    return [
        row[1].strip().strip("`") for row in rows[2:] if all(cell.strip() for cell in row[1:-1])
    ]


def test_the_runbook_says_of_every_outcome_what_to_do() -> None:
    assert _first_cells(RUNBOOK, "Outcomes") == [str(outcome) for outcome in Outcome]


def test_the_runbook_says_of_every_alarm_what_to_do() -> None:
    alarms = deploy(SCALER).of_type("AWS::CloudWatch::Alarm")

    assert sorted(_first_cells(RUNBOOK, "Alarms")) == sorted([*alarms, "MissedDrill"])


def test_every_exit_code_is_documented() -> None:
    codes = {0, *(int(code) for code in Exit)}

    assert {int(cell) for cell in _first_cells(OPERATIONS, "Exit codes")[: len(codes)]} == codes


def test_every_command_that_operates_is_documented() -> None:
    listed = re.findall(r"^\| (`.+?`) \|", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE)
    named = {name for cell in listed for name in re.findall(r"`([a-z]+)`", cell)}

    commands = set(COMMANDS)
    elsewhere = {"cost", "demo", "explain", "validate", "simulate", "compare", "tune", "dashboard"}
    assert commands - elsewhere <= named


def test_the_scheduled_action_that_is_shown_is_one() -> None:
    (shown,) = re.findall(
        r'^```\n(\{"ResourceId".*?)^```$', OPERATIONS.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )

    action = read_action(
        json.loads(shown.replace("<aws.scheduler.scheduled-time>", "2026-11-27T17:00:00Z")), NOW
    )

    assert (action.name, action.min_capacity) == ("sale", 20)


def _commands() -> Iterator[Any]:
    """Yield each `$ quickstep ...` of a console block that ends, with the output shown, once."""
    seen: set[tuple[str, str]] = set()  # a translation shows the same
    for path in DOCUMENTS:
        for command, shown in consoles.commands(path.read_text(encoding="utf-8")):
            if (command, shown) not in seen:
                seen.add((command, shown))
                yield pytest.param(command, shown, id=f"{_name(path)}: {command}")


@pytest.mark.parametrize(("command", "shown"), list(_commands()))
def test_a_command_gives_the_output_that_is_shown(command: str, shown: str) -> None:
    assert consoles.printed(command) == shown.rstrip().splitlines()
