"""`quickstep explain` on queue policies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quickstep_cli.explain import answer

JOBS = {"QueueName": "jobs", "SecondsPerJob": 2}
MAILS = {"QueueName": "mails.fifo", "SecondsPerJob": 0.1, "SlotsPerTask": 4}
NOW, BEFORE = "2026-11-22T10:00:00Z", "2026-11-22T09:59:50Z"


def explained(
    desired: int, queues: dict[str, Any] | None, policies: Any = None, **changes: Any
) -> dict[str, Any]:
    case = {
        "target": {
            "ResourceId": "service/prod/worker",
            "MinCapacity": 0,
            "MaxCapacity": 100,
            "QueuePolicies": policies or {"jobs": JOBS},
        },
        "now": NOW,
        "service": {
            "desired": desired,
            "running": desired,
            "pending": 0,
            "deployment_in_progress": False,
        },
        "alarms": {},
        "history": {"scale_out": None, "scale_in": None},
        "override": None,
        "pause": None,
        **({} if queues is None else {"queues": queues}),
        **changes,
    }
    return answer(json.dumps(case))


@pytest.mark.parametrize(
    ("desired", "queues", "granted"),
    [
        pytest.param(4, {"jobs": {"visible": 300, "in_flight": 4, "delayed": 0}}, 25, id="backlog"),
        pytest.param(0, {"jobs": {"visible": 1}}, 1, id="from zero"),
        pytest.param(0, {"jobs": {"visible": 0, "in_flight": 0, "delayed": 9}}, 0, id="delayed"),
        pytest.param(0, {}, 0, id="left out: empty"),
        pytest.param(
            0,
            {"jobs": {"visible": 120, "before": {"at": BEFORE, "visible": 0}}},
            35,
            id="12 a second have come",
        ),
    ],
)
def test_a_queue_is_sized_for(desired: int, queues: dict[str, Any], granted: int) -> None:
    assert explained(desired, queues)["granted"] == granted


def test_the_reason_is_the_sum() -> None:
    queues = {"jobs": {"visible": 120, "before": {"at": BEFORE, "visible": 0}}}

    assert explained(0, queues)["reason"] == (
        "Scaled out from 0 to 35: jobs: 12 jobs/s arriving and 120 waiting need 35 tasks at 0.5 "
        "jobs/s each"
    )


def test_queues_are_added_up() -> None:
    queues = {"jobs": {"visible": 45}, "mails": {"visible": 600}}

    answered = explained(1, queues, {"jobs": JOBS, "mails": MAILS})

    assert answered["reason"] == (
        "Scaled out from 1 to 4: jobs: 45 waiting need 3; mails: 600 waiting need 0.5: 4 tasks "
        "in all"
    )


def test_a_queue_that_could_not_be_read_is_null() -> None:
    answered = explained(3, {"jobs": None})

    assert (answered["outcome"], answered["granted"]) == ("FAILED_QUEUE", 3)


MEMORY = {
    "QueuePolicies/*": {
        "tasks": 1,
        "grown_at": "2026-11-22T09:00:00Z",
        "needs": [{"at": "2026-11-22T09:50:00Z", "tasks": 1}],
        "levels": [],
    }
}


@pytest.mark.parametrize(
    ("before", "granted"),
    [
        pytest.param("2026-11-22T09:59:00Z", 0, id="a minute"),
        pytest.param("2026-11-22T09:59:01Z", 1, id="less than a minute"),
    ],
)
def test_the_last_task_goes_once_nothing_was_there_for(before: str, granted: int) -> None:
    queues = {"jobs": {"visible": 0, "before": {"at": before, "visible": 0}}}

    assert explained(1, queues, memory=MEMORY)["granted"] == granted


@pytest.mark.parametrize(
    ("queues", "error"),
    [
        pytest.param(
            {"other": {"visible": 1}},
            "queues.other: must be named like a queue policy of the target: jobs",
            id="another name",
        ),
        pytest.param(
            {"jobs": {"visible": -1}}, "queues.jobs.visible: must be at least 0, not -1", id="less"
        ),
        pytest.param({"jobs": 7}, "queues.jobs: must be an object, not 7", id="no object"),
        pytest.param(
            {"jobs": {"waiting": 1}},
            "queues.jobs.waiting: is not a known key; known are visible, in_flight, delayed, "
            "dead_letters",
            id="another key",
        ),
        pytest.param(
            {"jobs": {"visible": 1, "before": {"visible": 1}}},
            "queues.jobs.before.at: is required, but missing",
            id="before without a time",
        ),
    ],
)
def test_a_case_that_breaks_a_rule_says_where(queues: dict[str, Any], error: str) -> None:
    assert explained(1, queues)["error"].startswith(error)
