"""What a document's policies watch: by name, by alarm, by hand; and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import typer

from quickstep.config import read_target
from quickstep_cli.watched import NAMED, Given, what_is_watched
from quickstep_lab.simulator.queueing import Server
from quickstep_lab.simulator.signals import (
    NOT_SIMULATED,
    REQUESTS,
    SIMULATED,
    cpu,
    requests_per_target,
    utilization,
)
from quickstep_lab.simulator.stage import Watch
from tests.builders import HIGH, LOW, a_document
from tests.command_line import refused, run
from tests.template.stack import TARGET, source

if TYPE_CHECKING:
    from pathlib import Path

    from quickstep.engine.model import ScalableTarget

SERVER = Server(capacity=200)


def one_number(name: str, **changes: Any) -> dict[str, Any]:
    """Return a document of one target policy, called so."""
    policy = {"TargetValue": 60, **changes}
    document = a_document(TargetTrackingPolicies={name: policy})
    return {k: v for k, v in document.items() if k not in ("ScaleOutPolicies", "ScaleInPolicies")}


def a_target_of(name: str, **changes: Any) -> ScalableTarget:
    return read_target(one_number(name, **changes))


def alarms_file(folder: Path, *alarms: dict[str, Any], described: bool = False) -> Path:
    """Return a file as `import` writes it, or as DescribeAlarms answers."""
    content: Any = {"MetricAlarms": list(alarms)} if described else list(alarms)
    file = folder / "alarms.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def an_alarm(name: str, space: str, metric: str, **changes: Any) -> dict[str, Any]:
    return {
        "AlarmName": f"quickstep/prod/web/{name}",
        "Namespace": space,
        "MetricName": metric,
        "Statistic": "Average",
        "Period": 20,
        "EvaluationPeriods": 1,
        "Threshold": 60.0,
        **changes,
    }


def test_the_policies_of_the_template_are_known_by_their_names() -> None:
    steps = read_target(a_document())

    assert what_is_watched(steps, Given())[0] == {HIGH: Watch(REQUESTS), LOW: Watch(REQUESTS)}
    named = {
        "request-rate": REQUESTS,
        "Utilization": utilization(SERVER),
        "cpu": cpu(SERVER),
        "requests-per-target": requests_per_target(),
    }
    for name, signal in named.items():
        watched, thresholds = what_is_watched(a_target_of(name), Given(server=SERVER))
        assert watched == {f"{name}/high": Watch(signal)}
        assert thresholds == {}


def test_every_signal_of_the_template_is_known_by_its_policy_s_name() -> None:
    rows = source(TARGET)["Mappings"]["Signals"]

    names = {row["Policy"] for signal, row in rows.items() if signal not in ("metric", "none")}
    assert names <= NAMED.keys()
    assert {NAMED[name] for name in names} <= {*SIMULATED, *NOT_SIMULATED}


@pytest.mark.parametrize("described", [False, True], ids=["of import", "of describe-alarms"])
@pytest.mark.parametrize(
    ("alarm", "watch"),
    [
        pytest.param(
            {"Namespace": "AWS/ECS", "MetricName": "CPUUtilization"},
            Watch(cpu(SERVER), 20, 1),
            id="CPU every 20 s",
        ),
        pytest.param(
            {
                "Namespace": "AWS/ECS",
                "MetricName": "CPUUtilization",
                "Period": 60,
                "EvaluationPeriods": 3,
                "DatapointsToAlarm": 2,
            },
            Watch(cpu(SERVER, period=60), 60, 3, 2),
            id="CPU each minute, 2 of 3",
        ),
        pytest.param(
            {
                "Namespace": "AWS/ApplicationELB",
                "MetricName": "RequestCountPerTarget",
                "Statistic": "Sum",
                "Period": 60,
            },
            Watch(requests_per_target(), 60, 1),
            id="the load balancer's",
        ),
        pytest.param(
            {"Namespace": "Shop", "MetricName": "RequestsPerSecond", "Period": 10},
            Watch(REQUESTS, 10, 1),
            id="the publisher's, in any namespace",
        ),
    ],
)
def test_an_alarm_says_what_a_policy_of_any_name_watches(
    tmp_path: Path, alarm: dict[str, Any], watch: Watch, *, described: bool
) -> None:
    other = {"AlarmName": "somebody-else-s", "MetricName": "Errors"}
    made = an_alarm("web-tracking/high", "", "", **alarm)
    file = alarms_file(tmp_path, made, other, described=described)

    watched, thresholds = what_is_watched(
        a_target_of("web-tracking"), Given(alarms=file, server=SERVER)
    )

    assert watched == {"web-tracking/high": watch}
    assert thresholds == {"web-tracking/high": 60.0}


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param(("cpu",), id="all of them"),
        pytest.param(("orders=cpu",), id="one by its name"),
        pytest.param(("requests", "orders=cpu"), id="one in place of what all watch"),
    ],
)
def test_what_is_said_by_hand_stands_above_names_and_alarms(
    tmp_path: Path, signals: tuple[str, ...]
) -> None:
    file = alarms_file(tmp_path, an_alarm("orders/high", "Shop", "OpenOrders", Threshold=70))
    given = Given(signals, file, lag=3, server=SERVER)

    watched, thresholds = what_is_watched(a_target_of("orders"), given)

    assert watched == {"orders/high": Watch(cpu(SERVER, lag=3), None, 1)}
    assert thresholds == {"orders/high": 70}


@pytest.mark.parametrize(
    ("document", "alarm", "why"),
    [
        pytest.param(
            one_number("web-tracking"),
            None,
            "web-tracking: the document does not say what this policy watches, and no template "
            "uses its name; pass --signal web-tracking=SIGNAL, or its alarms as --alarms. The "
            "signals are requests, utilization, cpu, cpu-60s, requests-per-target",
            id="a name that says nothing",
        ),
        *(
            pytest.param(one_number(name), None, f"{name}: {NOT_SIMULATED[signal]} ({signal})")
            for name, signal in NAMED.items()
            if signal in NOT_SIMULATED
        ),
        pytest.param(
            one_number("orders"),
            an_alarm("orders/high", "Shop", "OpenOrders"),
            "orders: its alarm watches the Average of Shop OpenOrders, which has no model; if it "
            "is proportional to a modelled signal, name that with --signal",
            id="a metric of one's own",
        ),
        pytest.param(
            one_number("cpu"),
            an_alarm("cpu/high", "AWS/ECS", "CPUUtilization", Statistic="Maximum"),
            "cpu: its alarm watches the Maximum of AWS/ECS CPUUtilization, which has no model; if "
            "it is proportional to a modelled signal, name that with --signal",
            id="another statistic than the one that is modelled",
        ),
        pytest.param(
            one_number("ratio"),
            {"AlarmName": "quickstep/prod/web/ratio/high", "Metrics": []},
            "ratio: its alarm uses metric math, which has no model; --signal names a similar "
            "signal",
            id="metric math",
        ),
        pytest.param(
            one_number("cpu", MetricScope="Total"),
            None,
            "cpu: cpu has no sum over the tasks; use MetricScope PerTask",
            id="a sum of percents",
        ),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_the_reason(
    tmp_path: Path, document: dict[str, Any], alarm: dict[str, Any] | None, why: str
) -> None:
    given = Given(alarms=alarms_file(tmp_path, alarm) if alarm else None)

    with pytest.raises(typer.BadParameter) as error:
        what_is_watched(read_target(document), given)

    assert error.value.message == f"not simulated:\n{why}"


@pytest.mark.parametrize(
    ("signal", "why"),
    [
        pytest.param(
            "heat",
            "must be SIGNAL or POLICY=SIGNAL, of requests, utilization, cpu, cpu-60s, "
            "requests-per-target, not 'heat'",
            id="no signal",
        ),
        pytest.param("web=cpu", "must name one of the policies orders, not 'web'", id="no policy"),
    ],
)
def test_a_signal_has_to_be_one_and_its_policy_too(signal: str, why: str) -> None:
    with pytest.raises(typer.BadParameter) as error:
        what_is_watched(a_target_of("orders"), Given((signal,)))

    assert error.value.message == why


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param("{", "must be JSON", id="no JSON"),
        pytest.param('{"Alarms": []}', "MetricAlarms: must be a list", id="no alarms"),
        pytest.param("[{}]", "MetricAlarms[0].AlarmName: is required, but missing", id="no name"),
    ],
)
def test_a_file_that_has_no_alarms_is_refused(tmp_path: Path, content: str, why: str) -> None:
    file = tmp_path / "alarms.json"
    file.write_text(content, encoding="utf-8")

    with pytest.raises(typer.BadParameter) as error:
        what_is_watched(a_target_of("orders"), Given(alarms=file))

    assert error.value.message.startswith(f"{file}: {why}")


# --- on the command line --------------------------------------------------------------------------

SHORT = ("--to", "400", "--jobs", "1", "--seeds", "1")


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    """A folder as `import --out` writes it, of target tracking on CPU."""
    (tmp_path / "policy.json").write_text(json.dumps(one_number("web-tracking")), encoding="utf-8")
    alarms_file(tmp_path, an_alarm("web-tracking/high", "AWS/ECS", "CPUUtilization"))
    return tmp_path


def test_an_imported_policy_on_cpu_is_refused_without_its_alarms_and_played_with_them(
    imported: Path,
) -> None:
    policy = ("--policy", imported / "policy.json")

    assert "web-tracking: the document does not say what" in refused("compare", *policy, *SHORT)
    result = run("compare", *policy, "--alarms", imported / "alarms.json", *SHORT, "--json")

    found = json.loads(result.stdout)
    assert found["watched"] == {"web-tracking/high": "cpu"}
    assert list(found["scalers"]) == [
        "quickstep",
        "textbook",
        "aas-step-20s-alarm",
        "aas-step-60s-alarm",
        "aas-target-tracking-60s",
        "aas-target-tracking-20s",
        "aas-percent-20s-alarm",
    ]
    mine = found["scalers"]["quickstep"]
    assert mine["time_to_trigger_s"] is not None
    assert mine["failed"] > 0


def test_what_is_watched_and_how_it_is_modelled_is_said_beside_the_results(imported: Path) -> None:
    files = ("--policy", imported / "policy.json", "--alarms", imported / "alarms.json")

    result = run("simulate", *files, "--signal-lag", "7", *SHORT)

    assert (
        "Watched: cpu, the Average of AWS/ECS CPUUtilization. Modelled: proportional to a task's "
        "requests, at most 100, and visible 7 s after each 20 s (assumed; --signal-lag)."
    ) in result.stdout


def test_a_scaler_that_cannot_watch_the_signal_is_refused(imported: Path) -> None:
    files = ("--policy", imported / "policy.json", "--alarms", imported / "alarms.json")

    why = refused("simulate", *files, "--scaler", "aas-percent-10s-alarm", *SHORT)

    assert (
        "--scaler: must be a scaler that can watch cpu: quickstep, textbook, aas-step-20s-"
    ) in why


def test_steps_on_another_signal_need_their_threshold(tmp_path: Path) -> None:
    file = tmp_path / "steps.json"
    file.write_text(json.dumps(a_document()), encoding="utf-8")

    why = refused("simulate", "--policy", file, "--signal", "cpu", *SHORT)

    assert (
        "--threshold: must give the threshold of high-request-rate, because it watches cpu"
    ) in why


def test_a_policy_on_cpu_is_tuned_in_percent(imported: Path) -> None:
    files = ("--policy", imported / "policy.json", "--alarms", imported / "alarms.json")
    quick = ("--candidates", "4", "--seeds", "1", "--floor", "0", "--jobs", "1", "--to", "1800")

    result = run("tune", *files, *quick, "--json")

    assert result.exit_code == 0, result.output
    thresholds = json.loads(result.stdout)["chosen"]["thresholds"]
    assert all(20 <= value <= 100 for value in thresholds.values() if value > 30), thresholds
    (first, *_) = thresholds.values()
    assert 40 <= first <= 90
