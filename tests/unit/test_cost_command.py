"""`quickstep cost`: tables, JSON, a simulated traffic, and what is refused."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.builders import EXAMPLE_POLICY, a_document
from tests.command_line import refused, run

if TYPE_CHECKING:
    from pathlib import Path

SHORT = ("--scenario", "step-x10", "--to", "150", "--jobs", "1")


def costs(*arguments: str | Path) -> dict[str, Any]:
    result = run("cost", "--json", *arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_bill_adds_up_and_says_what_is_most_of_it() -> None:
    found = costs()

    assert found["total"] == pytest.approx(sum(line["dollars"] for line in found["lines"]))
    assert found["largest"] == "Publishing"
    assert found["scalers"]["quickstep"]["scaling"] == found["total"]


def test_queues_of_the_document_are_polled_and_counted(tmp_path: Path) -> None:
    queues = {name: {"QueueName": name, "SecondsPerJob": 2} for name in ("jobs", "mails")}
    document = tmp_path / "mixed.json"
    document.write_text(json.dumps(a_document(QueuePolicies=queues)))

    lines = costs("--policy", document)["lines"]

    (reads,) = [line for line in lines if line["what"] == "GetQueueAttributes"]
    assert reads["dollars"] == pytest.approx(2 * 259_200 * 0.4e-6)


def test_the_table_shows_parts_total_rivals_and_where_the_prices_are_from() -> None:
    result = run("cost")

    assert result.exit_code == 0
    assert re.search(r"\n +PutMetricData +4,147,200 requests +0\.01 / 1,000 +41\.47", result.stdout)
    assert re.search(r"\nTotal +\d+\.\d\d", result.stdout)
    assert re.search(r"\naas-target-tracking-20s +0\.90 ", result.stdout)
    assert re.search(r"\naas-target-tracking-20s-custom \* +\d", result.stdout)
    assert "* Announced by AWS, not shipped" in result.stdout
    assert "Largest item: Publishing" in result.stdout
    assert re.search(r"Cheaper by \d+\.\d\d: publish by logs .*measured how long", result.stdout)
    totals = r"Total by way of publishing: [\d.]+ by cloudwatch, [\d.]+ by logs, [\d.]+ by emf;"
    assert re.search(totals, result.stdout)
    assert (
        "500 of them reach CloudWatch's limit of 500 PutMetricData calls a second" in result.stdout
    )
    assert "Not verified: table_backup, vended_metric." in result.stdout
    assert "The free tier is not subtracted." in result.stdout
    assert "simulated" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "cheaper"),
    [
        pytest.param(("--transport", "emf"), True, id="EMF"),
        pytest.param(("--transport", "logs"), True, id="PutLogEvents"),
        pytest.param(("--services", "10"), True, id="a shared scaler"),
        pytest.param(("--free-tier",), True, id="the free tier"),
        pytest.param(("--publish-seconds", "10"), True, id="fewer samples"),
        pytest.param(("--tasks", "9"), False, id="more tasks"),
        pytest.param(("--breaches", "60"), False, id="more breaches"),
        pytest.param(("--breach-minutes", "30"), False, id="longer breaches"),
        pytest.param(("--metrics", "4"), False, id="more metrics"),
        pytest.param(("--views", "1440"), False, id="more looks"),
        pytest.param(("--retention-days", "365"), False, id="longer kept"),
    ],
)
def test_every_option_moves_the_total(arguments: tuple[str, ...], cheaper: bool) -> None:
    total, changed = costs()["total"], costs(*arguments)["total"]

    assert (changed < total) if cheaper else (changed > total)


def test_a_task_s_size_and_architecture_move_the_tasks_alone() -> None:
    small, large, x86 = (
        costs(*arguments)["scalers"]["quickstep"]
        for arguments in ((), ("--task-vcpu", "2", "--task-memory", "4"), ("--architecture", "x86"))
    )

    assert large["tasks"] == pytest.approx(2 * small["tasks"])
    assert x86["tasks"] > small["tasks"]
    assert small["scaling"] == large["scaling"] == x86["scaling"]


def test_a_simulated_traffic_gives_evaluations_and_task_hours() -> None:
    found = costs(*SHORT, "--tasks", "2")

    assert found["traffic"] == {"name": "step-x10", "seconds": 150, "times_a_day": 1}
    hours = {name: of["task_hours"] for name, of in found["scalers"].items()}
    assert set(hours) >= {"quickstep", "textbook", "aas-step-10s-alarm"}
    assert hours["quickstep"] > 1440, "it scales out in the traffic"
    assert all(0 <= of["success_rate"] <= 1 for of in found["scalers"].values())


def test_a_traffic_that_comes_more_often_costs_more() -> None:
    once, often = (costs(*SHORT, *more)["scalers"]["quickstep"] for more in ((), AGAIN))

    assert often["scaling"] > once["scaling"]


AGAIN = ("--times-a-day", "100")


def test_a_simulated_table_says_that_it_is_modelled() -> None:
    result = run("cost", *SHORT)

    assert "step-x10, simulated, 1 a day" in result.stdout
    assert "Everything is modelled but Quickstep's own code." in result.stdout
    assert re.search(r"\nquickstep .*\+0\.00 +\d+\.\d%", result.stdout)


def test_what_would_be_cheaper_is_shown_for_the_same_bill() -> None:
    paid, logs = costs("--free-tier"), costs("--free-tier", "--transport", "logs")

    (hint,) = (hint for hint in paid["hints"] if hint["what"].startswith("publish by logs"))
    assert hint["saves"] == pytest.approx(paid["total"] - logs["total"])
    assert paid["transports"] == logs["transports"]
    assert paid["transports"]["logs"] == pytest.approx(logs["total"])


def test_by_logs_it_says_what_has_not_been_measured() -> None:
    said = run("cost", "--transport", "logs").stdout

    assert "Not measured: how long CloudWatch Logs takes to turn lines into metrics." in said
    assert "PutMetricData calls a second" not in said


def test_prices_of_ones_own_are_used(tmp_path: Path) -> None:
    file = tmp_path / "ours.json"
    price = {"price": 0.02, "per": 1000, "unit": "requests", "source": "us", "read": "2026-11-01"}
    entry = {"api_request": {**price, "certainty": "aws"}}
    file.write_text(json.dumps({"prices": entry}), encoding="utf-8")

    found = costs("--prices", file)

    (calls,) = (line for line in found["lines"] if line["what"] == "PutMetricData")
    assert calls["dollars"] == pytest.approx(2 * 41.472)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        pytest.param(("--tasks", "0"), "--tasks", id="no task"),
        pytest.param(("--transport", "pigeon"), "cloudwatch.*emf", id="a transport there is not"),
        pytest.param(("--services", "0"), "--services", id="no service"),
        pytest.param(
            ("--times-a-day", "2"), "needs --scenario or --traffic", id="how often, but not what"
        ),
        pytest.param(
            (*SHORT, "--times-a-day", "600"),
            "must be at most 576: 150 s fit into a day that often, not 600",
            id="more often than it fits",
        ),
        pytest.param(("--prices", "nowhere.json"), "nowhere.json", id="no such file"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], why: str) -> None:
    assert re.search(why, refused("cost", *arguments))


def test_a_file_of_prices_that_breaks_a_rule_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ours.json"
    file.write_text('{"prices": {"alarm": {"price": "cheap"}}}', encoding="utf-8")

    said = refused("cost", "--prices", file)

    assert 'prices.alarm.price: must be a number, not "cheap"' in said
    assert "prices.alarm.per: is required, but missing" in said


@pytest.mark.parametrize(
    ("document", "own"),
    [
        pytest.param(
            "cpu",
            {("Alarms", "20-s alarms"): 0.30, ("Metrics", "ECS's 20-s metric"): 0.30},
            id="ECS's own, every 20 s",
        ),
        pytest.param(
            "requests-per-target", {("Alarms", "60-s alarms"): 0.10}, id="the load balancer's"
        ),
        pytest.param("queue", {("SQS", "GetQueueAttributes"): 0.10}, id="a queue"),
    ],
)
def test_what_the_tasks_do_not_publish_costs_no_call_of_theirs(
    document: str, own: dict[tuple[str, str], float]
) -> None:
    policy = EXAMPLE_POLICY.with_name(f"{document}.json")

    found = costs("--policy", policy)
    lines = {(line["part"], line["what"]): line["dollars"] for line in found["lines"]}
    assert {key: lines[key] for key in own} == pytest.approx(own, abs=0.005)
    assert not [key for key in lines if "Publishing" in key or "published by the tasks" in key]
    assert found["hints"] == [hint for hint in found["hints"] if "share the scaler" in hint["what"]]


def test_a_signal_s_bill_stands_beside_aws_s_scalers_on_it() -> None:
    policy = EXAMPLE_POLICY.with_name("queue.json")

    found = costs("--policy", policy)

    assert list(found["scalers"]) == ["quickstep", "aas-target-tracking-60s", "aas-step-60s-alarm"]
