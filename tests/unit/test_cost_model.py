"""The cost model: bills by hand, what is shared, what is free, what would be cheaper."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from quickstep_lab.cost.bill import Bill, bill, billing, by_transport, hints
from quickstep_lab.cost.counts import (
    Case,
    Counted,
    Counts,
    Deployed,
    Platform,
    Published,
    read_counts,
)
from quickstep_lab.cost.model import (
    NATIVE,
    Activity,
    Line,
    Part,
    Transport,
    Usage,
    aas,
    activity_of_breaches,
    activity_of_marks,
    drills,
    publishing,
    quickstep,
)
from quickstep_lab.cost.month import Architecture, Month, TaskSize
from quickstep_lab.cost.prices import Certainty, Meter, Price, read_prices
from quickstep_lab.simulator.compare import all_scalers
from quickstep_lab.simulator.series import Mark
from tests.unit.simulator.worlds import a_setup

if TYPE_CHECKING:
    from collections.abc import Iterable

NOTHING = Counts(
    calls={},
    invocations=0,
    write_units=0,
    read_units=0.0,
    stored=0,
    metrics_read=0,
    log_lines=0,
    log_bytes=0,
    metrics=(),
)
EVALUATION = Counts(
    calls={"sqs:SendMessage": 1, "cloudwatch:GetMetricData": 1, "ssm:GetParameters": 1},
    invocations=1,
    write_units=8,
    read_units=1.0,
    stored=1000,
    metrics_read=2,
    log_lines=4,
    log_bytes=1896,
    metrics=("Decisions Outcome=SCALED_OUT ResourceId", "DesiredCount ResourceId"),
    milliseconds=100,
)
DESCRIBES = replace(NOTHING, calls={"cloudwatch:DescribeAlarms": 1}, invocations=1, milliseconds=10)
LOOKS = replace(DESCRIBES, read_units=1.0, milliseconds=30)
PLATFORM = Platform(log_lines=3, log_bytes=222)
LOGGED = 1896 + 4 * 26 + 222 + 3 * 26
"""Bytes of an evaluation: its lines, Lambda's, and CloudWatch's 26 for each."""

COUNTED = Counted(
    cases={
        **dict.fromkeys(Case, NOTHING),
        **dict.fromkeys(
            (
                Case.SCALE_OUT_EVENT,
                Case.HELD_EVENT,
                Case.OK_EVENT,
                Case.HELD_RECHECK,
                Case.CHANGED_RECHECK,
            ),
            EVALUATION,
        ),
        Case.NO_TARGET_HEARTBEAT: DESCRIBES,
        Case.QUIET_HEARTBEAT: LOOKS,
        Case.ANSWERED_HEARTBEAT: replace(EVALUATION, read_units=3.0),
    },
    deployed=Deployed(
        service_alarms=2, stack_alarms=8, dashboards=1, memory=1024, widget_memory=1024
    ),
    published=Published(
        seconds=5,
        metrics=3,
        line_bytes=474,
        gauge_bytes=80,
        lines=6,
        lines_bytes=2_000,
        second_bytes=70,
    ),
    platform=PLATFORM,
)
PRICES = read_prices()
QUIET = Usage(tasks=1, views=0)


def quantity(lines: Iterable[Line], meter: Meter, what: str = "") -> float:
    return sum(line.quantity for line in lines if line.meter is meter and what in line.what)


def of(activity: Activity, usage: Usage = QUIET) -> tuple[Line, ...]:
    return quickstep(usage, activity, COUNTED)


# --- lines ----------------------------------------------------------------------------------------


def test_a_task_that_publishes_every_five_seconds_makes_518_400_calls_a_month() -> None:
    lines = list(publishing(Usage(tasks=2, metrics=3), COUNTED))

    assert quantity(lines, Meter.API_REQUEST) == 2 * 518_400
    assert quantity(lines, Meter.METRIC) == 3
    assert bill(lines, PRICES).total == pytest.approx(2 * 5.184 + 3 * 0.30)


@pytest.mark.parametrize(
    ("every", "calls"),
    [
        pytest.param(1, 518_400, id="five whole seconds travel together"),
        pytest.param(5, 518_400, id="their mean"),
        pytest.param(10, 259_200, id="less often"),
    ],
)
def test_a_call_costs_the_same_whatever_it_carries(every: int, calls: int) -> None:
    lines = list(publishing(Usage(tasks=1, publish_seconds=every), COUNTED))

    assert quantity(lines, Meter.API_REQUEST) == calls


@pytest.mark.parametrize(
    ("metrics", "every", "size"),
    [
        pytest.param(3, 5, 500, id="the publisher's three, as means"),
        pytest.param(5, 5, 660, id="two gauges"),
        pytest.param(3, 1, 2_000 + 6 * 26, id="whole seconds: six lines"),
        pytest.param(5, 1, 2_700 + 6 * 26, id="with Utilization and QueueTime in each second"),
        pytest.param(6, 1, 2_780 + 6 * 26, id="and a gauge once a call"),
    ],
)
@pytest.mark.parametrize(
    ("transport", "days"),
    [
        pytest.param(Transport.EMF, 60, id="emf: kept as long as all other lines"),
        pytest.param(Transport.LOGS, 1, id="logs: kept for a day"),
    ],
)
def test_lines_cost_their_bytes_and_are_kept(
    metrics: int, every: int, size: int, transport: Transport, days: int
) -> None:
    usage = Usage(
        tasks=1, metrics=metrics, publish_seconds=every, transport=transport, retention_days=60
    )
    lines = list(publishing(usage, COUNTED))

    assert quantity(lines, Meter.API_REQUEST) == 0
    assert quantity(lines, Meter.LOG_INGESTED) == 518_400 * size
    assert quantity(lines, Meter.LOG_STORED) == pytest.approx(518_400 * size * days / 30)


def test_an_evaluation_is_paid_at_each_service_that_it_uses() -> None:
    lines = of(Activity({Case.HELD_RECHECK: 1000}))
    evaluations = [line for line in lines if line.what == "evaluations"]

    assert {line.meter: line.quantity for line in evaluations} == pytest.approx(
        {
            Meter.LAMBDA_REQUEST: 1000,
            Meter.LAMBDA_GB_SECOND: 100,
            Meter.WRITE_UNIT: 8000,
            Meter.READ_UNIT: 1000,
            Meter.TABLE_STORED: 1e6,
            Meter.TABLE_BACKUP: 1e6,
            Meter.QUEUE_REQUEST: 1000,
            Meter.PARAMETER_READ: 1000,
            Meter.LOG_INGESTED: 1000 * LOGGED,
            Meter.LOG_STORED: 1000 * LOGGED,
            Meter.METRIC_READ: 2000,
        }
    )


def test_records_and_logs_are_kept_as_long_as_they_are_to_be() -> None:
    lines = of(Activity({Case.HELD_RECHECK: 1000}), replace(QUIET, retention_days=90))

    assert quantity(lines, Meter.TABLE_STORED) == 3 * 1e6
    assert quantity(lines, Meter.LOG_STORED, "evaluations") == 3 * 1000 * LOGGED


def test_the_heartbeat_is_shared_and_its_look_at_a_target_is_not() -> None:
    lines = of(Activity(), replace(QUIET, services=10))

    assert quantity(lines, Meter.LAMBDA_REQUEST) == 43_200 / 10
    assert quantity(lines, Meter.LAMBDA_GB_SECOND, "looks") == pytest.approx(43_200 * 0.02)
    assert quantity(lines, Meter.LAMBDA_GB_SECOND, "heartbeat") == pytest.approx(
        43_200 * 0.02 + 43_200 * 0.01 / 10
    )
    assert quantity(lines, Meter.READ_UNIT) == 43_200
    assert quantity(lines, Meter.API_REQUEST, "heartbeat") == 43_200 / 10


def test_a_heartbeat_that_finds_something_is_paid_for_what_it_does_beyond_a_look() -> None:
    lines = of(Activity({Case.ANSWERED_HEARTBEAT: 10}))

    assert quantity(lines, Meter.READ_UNIT, "evaluations") == 10 * (3 - 1)
    assert quantity(lines, Meter.LAMBDA_REQUEST, "evaluations") == 0


def test_alarms_dashboard_and_polling_are_divided_by_the_services() -> None:
    lines = of(Activity(), replace(QUIET, services=4))

    assert quantity(lines, Meter.HIGH_RESOLUTION_ALARM) == 2
    assert quantity(lines, Meter.ALARM) == 2
    assert quantity(lines, Meter.DASHBOARD) == 0.25
    assert quantity(lines, Meter.QUEUE_REQUEST) == 648_000 / 4


def test_step_scaling_on_the_same_alarms_pays_for_alarms_and_metrics_only() -> None:
    lines = aas("aas-step-10s-alarm", Usage(tasks=1), COUNTED)

    assert bill(lines, PRICES).total == pytest.approx(2 * 0.30 + 3 * 0.30 + 5.184)


# --- activity -------------------------------------------------------------------------------------


def test_a_breach_is_looked_at_every_ten_seconds_and_what_it_added_is_removed() -> None:
    activity = activity_of_breaches(1, 3, COUNTED)

    assert {case: n / 30 for case, n in activity.cases.items()} == {
        Case.SCALE_OUT_EVENT: 1,
        Case.HELD_RECHECK: 18,
        Case.CHANGED_RECHECK: 4,
        Case.OK_EVENT: 2,
        Case.HELD_EVENT: 1,
    }


@pytest.mark.parametrize(
    ("a_day", "minutes", "hours"),
    [
        pytest.param(0, 3, 0, id="none"),
        pytest.param(2, 3, 2, id="one hour each"),
        pytest.param(2, 90, 4, id="two hours each"),
        pytest.param(100, 1, 24, id="a day has no more"),
    ],
)
def test_metrics_are_paid_for_the_hours_in_which_they_are_sent(
    a_day: float, minutes: float, hours: float
) -> None:
    names = len(EVALUATION.metrics)

    assert activity_of_breaches(a_day, minutes, COUNTED).metric_hours == 30 * hours * names


def a_mark(at: float, trigger: str, outcome: str) -> Mark:
    return Mark(at, outcome, "", trigger)


@pytest.mark.parametrize(
    ("trigger", "outcome", "case"),
    [
        pytest.param("alarm ALARM", "SCALED_OUT", Case.SCALE_OUT_EVENT, id="out"),
        pytest.param("alarm ALARM", "SCALED_IN", Case.SCALE_OUT_EVENT, id="in costs the same"),
        pytest.param("alarm ALARM", "HELD_COOLDOWN", Case.HELD_EVENT, id="held"),
        pytest.param("alarm OK", "HELD_NOT_BREACHING", Case.OK_EVENT, id="ok"),
        pytest.param("re-check", "HELD_COOLDOWN", Case.HELD_RECHECK, id="a re-check"),
        pytest.param("re-check", "SCALED_IN", Case.CHANGED_RECHECK, id="one that changes"),
        pytest.param("heartbeat", "SCALED_OUT", Case.ANSWERED_HEARTBEAT, id="a heartbeat"),
    ],
)
def test_a_simulated_decision_counts_as_its_case(trigger: str, outcome: str, case: Case) -> None:
    activity = activity_of_marks([a_mark(1, trigger, outcome)], 30, COUNTED)

    assert activity.cases == {case: 30}


def test_each_outcome_of_an_hour_is_a_metric_of_its_own() -> None:
    marks = [
        a_mark(10, "re-check", "HELD_COOLDOWN"),
        a_mark(20, "re-check", "HELD_COOLDOWN"),
        a_mark(30, "re-check", "SCALED_OUT"),
        a_mark(4000, "re-check", "SCALED_OUT"),
    ]

    # Two outcomes and DesiredCount in the first hour, one and DesiredCount in the second.
    assert activity_of_marks(marks, 2, COUNTED).metric_hours == 2 * (3 + 2)


# --- the bill -------------------------------------------------------------------------------------


def a_price(dollars: float, per: float = 1, free: float = 0) -> Price:
    return Price(dollars, per, "things", free, "nowhere", date(2026, 11, 22), Certainty.AWS)


def two_lines() -> list[Line]:
    return [
        Line(Part.SQS, "one", Meter.QUEUE_REQUEST, 250_000),
        Line(Part.SQS, "other", Meter.QUEUE_REQUEST, 500_000),
    ]


def test_what_is_free_of_a_meter_goes_off_all_its_lines_in_proportion() -> None:
    prices = {Meter.QUEUE_REQUEST: a_price(0.40, 1e6, free=1e6)}

    paid = bill(two_lines(), prices, services=2, free_tier=True)

    assert [charge.dollars for charge in paid.charges] == pytest.approx(
        [0.40 * 0.5 / 3, 0.40 * 0.25 / 3]
    )
    assert bill(two_lines(), prices).total == pytest.approx(0.30)


def test_nothing_is_paid_below_what_is_free() -> None:
    prices = {Meter.QUEUE_REQUEST: a_price(0.40, 1e6, free=1e6)}

    assert bill(two_lines(), prices, free_tier=True).total == 0


def test_a_bill_knows_what_is_most_of_it() -> None:
    lines = [*two_lines(), Line(Part.DASHBOARD, "dashboard", Meter.DASHBOARD, 1)]
    made = bill(lines, PRICES)

    assert made.largest is Part.DASHBOARD
    assert (made.of(Part.DASHBOARD), made.of(Part.SQS)) == pytest.approx((3, 0.3))
    assert Bill(()).total == 0


# --- cheaper --------------------------------------------------------------------------------------


def test_a_hint_says_what_it_saves() -> None:
    usage = Usage(tasks=8, views=0)
    found = {hint.what: hint.saves for hint in hints(usage, billing(Activity(), COUNTED, PRICES))}
    calls, lines = 8 * 5.184, 8 * 518_400 * 2_156 / 1e9 * (0.50 + 0.03 / 30)

    assert found["publish by logs (QUICKSTEP_TRANSPORT=logs)"] == pytest.approx(calls - lines)
    assert found["publish only the metric that drives scaling"] == pytest.approx(0.60)


def test_what_is_done_already_is_no_hint() -> None:
    usage = Usage(tasks=8, views=0, transport=Transport.EMF, metrics=1, services=10)

    assert hints(usage, billing(Activity(), COUNTED, PRICES)) == []


def test_the_typical_service_is_billed_by_each_way_of_publishing() -> None:
    """The goal: at most 12 $ a month by logs, of 8 tasks and three metrics."""
    activity = activity_of_breaches(6, 3, read_counts())

    ways = by_transport(Usage(), billing(activity, read_counts(), read_prices()))

    assert set(ways) == set(Transport)
    assert ways[Transport.LOGS] <= 12
    assert ways[Transport.LOGS] < ways[Transport.EMF] < ways[Transport.CLOUDWATCH]


# --- a month beside others ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("architecture", "dollars"),
    [
        pytest.param(Architecture.ARM, 0.5 * 0.03238 + 1 * 0.00356, id="arm"),
        pytest.param(Architecture.X86, 0.5 * 0.04048 + 1 * 0.004445, id="x86"),
    ],
)
def test_an_hour_of_a_task_costs_its_cpu_and_memory(
    architecture: Architecture, dollars: float
) -> None:
    assert TaskSize(0.5, 1, architecture).an_hour(PRICES) == pytest.approx(dollars)


def a_month(tasks: float = 8) -> Month:
    usage = Usage(tasks=tasks, views=0)
    return Month(usage=usage, size=TaskSize(), prices=PRICES, counted=COUNTED)


def test_every_scaler_of_aws_that_is_simulated_has_a_bill_of_its_own() -> None:
    names = {scaler.name for scaler in all_scalers(a_setup())}
    assert names - set(NATIVE) == {"quickstep", "quickstep-surge", "textbook"}
    assert set(NATIVE) < names


def test_tasks_that_tell_of_a_breach_send_a_message_each_in_five_slots_and_have_five_looks() -> (
    None
):
    alone, reported = (
        activity_of_breaches(1, 3, COUNTED, reported=reported) for reported in (False, True)
    )
    lines = of(reported, replace(QUIET, tasks=8))
    assert reported.cases[Case.HELD_RECHECK] - alone.cases[Case.HELD_RECHECK] == 30 * 5
    assert quantity(lines, Meter.FIFO_REQUEST, "surge messages") == 30 * 5 * (8 + 2)
    assert quantity(of(alone), Meter.FIFO_REQUEST, "surge messages") == 0


def test_lambda_looks_at_the_surge_queue_whether_or_not_a_task_tells_of_any() -> None:
    lines = of(Activity(), replace(QUIET, services=10))
    assert quantity(lines, Meter.FIFO_REQUEST) == pytest.approx(64_800)


def test_the_evaluations_of_a_simulated_surge_are_counted_as_reported() -> None:
    marks = [a_mark(1, "surge", "SCALED_OUT"), a_mark(3, "surge", "HELD_ANSWERED")]
    activity = activity_of_marks(marks, 2, COUNTED)
    assert activity.cases == {Case.CHANGED_RECHECK: 2, Case.HELD_RECHECK: 2}
    assert activity.surges == 4


@pytest.mark.parametrize(
    "name",
    [
        "aas-percent-10s-alarm",
        "aas-target-tracking-20s-custom",
        "aas-target-tracking-10s-custom",
    ],
)
def test_an_alarm_each_way_on_ones_own_metric_is_charged_as_two_and_its_publishing(
    name: str,
) -> None:
    lines = aas(name, QUIET, COUNTED)
    assert quantity(lines, Meter.HIGH_RESOLUTION_ALARM) == 2
    assert [line for line in lines if line.part is not Part.ALARMS] == list(
        publishing(QUIET, COUNTED)
    )


def test_a_traffic_takes_its_time_of_the_month_and_the_tasks_of_its_scaler() -> None:
    played: dict[str, Any] = {"quickstep": 5.0, "textbook": 6.0, "aas-step-10s-alarm": 4.0}
    comparison: Any = SimpleNamespace(
        experiment=SimpleNamespace(traffic=SimpleNamespace(requests=(0.0,) * 1800)),
        series=dict.fromkeys(played, SimpleNamespace(marks=[a_mark(1, "re-check", "SCALED_OUT")])),
        scalers={
            name: SimpleNamespace(
                medians=SimpleNamespace(task_seconds=hours * 3600, success_rate=0.9)
            )
            for name, hours in played.items()
        },
    )

    activity, standings = a_month().simulated(comparison, 1)

    assert activity.cases == {Case.CHANGED_RECHECK: 30}
    hours = {name: standing.task_hours for name, standing in standings.items()}
    assert hours == {
        "quickstep": pytest.approx(8 * 705 + 150),
        "textbook": pytest.approx(8 * 705 + 180),
        "aas-step-10s-alarm": pytest.approx(8 * 705 + 120),
    }
    assert standings["quickstep"].tasks == pytest.approx(5790 * (0.03238 + 2 * 0.00356))
    native = standings["aas-step-10s-alarm"].bill.of(Part.PUBLISHING)
    assert native == pytest.approx(5760 * 720 * 0.01 / 1000), (
        "its tasks publish as long as they run"
    )


def test_a_drill_costs_two_alarms_two_metrics_and_what_each_takes() -> None:
    counted = replace(COUNTED, cases={**COUNTED.cases, Case.DRILL: replace(LOOKS, write_units=1)})

    lines = list(drills(replace(QUIET, drill_minutes=15), counted))

    assert quantity(lines, Meter.HIGH_RESOLUTION_ALARM) == 1
    assert quantity(lines, Meter.ALARM) == 1
    assert quantity(lines, Meter.METRIC) == 2
    assert quantity(lines, Meter.SCHEDULE) == 2880
    assert quantity(lines, Meter.API_REQUEST, "pulses") == 2880
    assert quantity(lines, Meter.LAMBDA_REQUEST) == 2880
    assert quantity(lines, Meter.WRITE_UNIT) == 2880


def test_services_share_a_drill_and_there_is_none_unless_it_is_wanted() -> None:
    drilled = replace(QUIET, drill_minutes=60, services=10)

    lines = quickstep(drilled, Activity(), COUNTED)

    assert quantity(lines, Meter.SCHEDULE, "drills") == 72
    assert all(line.shared for line in lines if "drill" in line.what)
    assert quantity(quickstep(QUIET, Activity(), COUNTED), Meter.SCHEDULE, "drills") == 0
