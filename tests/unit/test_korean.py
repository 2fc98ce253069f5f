"""Korean keeps step with English: whatever a decision or the dashboard says, Korean says too."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from quickstep.engine.decide import decide
from quickstep.engine.model import State
from quickstep.engine.outcome import Outcome
from quickstep.report.dashboard.headline import headline
from quickstep.report.dashboard.kinds import words
from quickstep.report.dashboard.korean import LABELS
from quickstep.report.dashboard.material import Material, Metric, Point, Threshold, read_entries
from quickstep.report.dashboard.page import Printed, document
from quickstep.report.dashboard.view import Look, build_view
from quickstep.report.korean import REASONS
from quickstep.report.language import ENGLISH, KOREAN, LONGEST, Language, language_of, preferred
from quickstep_cli.explain import answer
from tests.builders import HIGH, LOW, NOW, ROOT, a_scale_out_record, a_target, firing, seen
from tests.dashboard_html import parse
from tests.simulation.world import World
from tests.unit import test_dashboard_headline, test_reasons
from tests.unit.test_engine_properties import History, counts, histories, loads, states, targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from quickstep.engine.model import Decision, ScalableTarget

CORE = ROOT / "layers" / "core" / "quickstep"
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.jsonl"))
HANGUL = re.compile("[가-힣]")


def unknown(said: Iterable[str]) -> list[str]:
    """Return what Korean does not know: a sentence of its own has Hangul in it."""
    return [text for text in said if not HANGUL.search(KOREAN(text))]


def sentences(decision: Decision) -> Iterator[str]:
    yield decision.reason
    for line in decision.trail:
        yield from (line.guard, line.why)


# --- reasons --------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_every_example_of_the_docs_is_said_in_korean(file: Path) -> None:
    decisions = [answer(line) for line in file.read_text(encoding="utf-8").splitlines()]
    lines = [line for one in decisions for line in one["trail"]]

    said = [one["reason"] for one in decisions]
    said += [line[key] for line in lines for key in ("guard", "why")]

    assert said
    assert unknown(said) == []


def stories() -> Iterator[str]:
    """Yield every sentence that `test_reasons` expects of the engine."""
    for test in vars(test_reasons).values():
        for mark in getattr(test, "pytestmark", ()):
            for case in mark.args[1]:
                reason, *lines = case.values[-1]
                yield reason
                for line in lines:
                    yield re.sub(r"^[a-z ]+ \d+ -> \d+: ", "", line)


def test_every_sentence_that_is_expected_of_the_engine_is_said_in_korean() -> None:
    said = list(stories())

    assert len(said) > 100
    assert unknown(said) == []


@given(targets(), counts, loads, histories(), states)
def test_whatever_the_engine_decides_is_said_in_korean(
    target: ScalableTarget, desired: int, load: float, before: History, state: State
) -> None:
    observation = seen(desired, high=firing(load, recent=before), low=firing(load, recent=before))

    assert unknown(sentences(decide(target, observation, state, NOW))) == []


def test_whatever_the_cycle_records_under_faults_is_said_in_korean() -> None:
    records = [record for seed in range(6) for record in World(seed).run().targets.records]

    said = {record.reason for record in records}
    said |= {text for one in records if one.decision for text in sentences(one.decision)}

    assert len({record.outcome for record in records}) > 10
    assert unknown(said) == []


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_said_in_korean(outcome: Outcome) -> None:
    why = "no alarm is in ALARM"

    assert unknown([words(outcome), outcome.sentence(before=4, granted=6, why=why)]) == []


SAYING = [
    *sorted((CORE / "engine").glob("*.py")),
    *(CORE / "loop" / f"{name}.py" for name in ("cycle", "door", "drills", "learning")),
    *(CORE / "loop" / f"{name}.py" for name in ("observing", "recovery", "surges")),
    *(CORE / "alarms" / f"{name}.py" for name in ("event", "reading", "seconds")),
    CORE / "protocol" / "counts.py",
]
QUOTED = {
    # What is refused, and how an alarm's own reason is read: a reason quotes it as it is.
    "has no policy",
    "for the alarm",
    "; it has",
    ": is dropped, as only",
    "schedules may be active",
    "greater than or equal to the threshold",
    "greater than the threshold",
    "less than or equal to the threshold",
    "less than the threshold",
    "must be quickstep/<cluster>/<service>/<policy>",
    "its reasonData cannot be read: must be a JSON object in a string",
    "must be",
}


def phrases(file: Path) -> set[str]:
    """Return the texts of two words and more that a module says, but for its docstrings."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = [
        part.strip()
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in docstrings
        for part in re.split(r"\{.*?\}|\d+", node.value)
    ]
    return {text for text in texts if re.search(r"[a-z]{2,} [a-z]{2,}", text)}


@pytest.mark.parametrize("file", SAYING, ids=lambda file: str(file.relative_to(CORE)))
def test_a_sentence_in_the_source_is_in_the_catalogue(file: Path) -> None:
    """Also the rare one that no example comes to: a new sentence has to be said in Korean."""
    catalogue = "\n".join(english for kind in (REASONS, LABELS) for rules in kind.values()
                          for english in rules)  # fmt: skip

    assert {text for text in phrases(file) - QUOTED if text not in catalogue} == set()


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        (
            (
                "Scaled out from 4 to 5: 6 would exceed the policy's maximum of 5 "
                "(high-request-rate is at 160 requests/s, above its threshold of 100: adds 2 tasks)"
            ),
            (
                "태스크를 4개에서 5개로 스케일 아웃했습니다: 6개로 늘리면 정책 최대 용량 5개를 "
                "초과합니다 (high-request-rate 값이 초당 요청 160건(임계값 100 초과)이므로 태스크 "
                "2개를 추가합니다)"
            ),
        ),
        (
            (
                "Kept 6 tasks: 4 have yet to report. Once they do, expect 75 per task, below the "
                "threshold of 100."
            ),
            (
                "태스크 6개를 유지합니다: 4개가 아직 지표를 보고하지 않았습니다. 보고하면 태스크당 "
                "75(임계값 100 미만) 수준으로 예상합니다"
            ),
        ),
        (
            (
                "Kept 4 tasks while paused: scale-out is paused until 2026-11-22 10:01:12 UTC: "
                "database migration"
            ),
            (
                "일시 중지 중이므로 태스크 4개를 유지합니다: 스케일 아웃 동작이 2026-11-22 "
                "10:01:12 UTC까지 일시 중지되었습니다: database migration"
            ),
        ),
        (
            "Failed, AWS throttled the call: UpdateService: ThrottlingException: Rate exceeded",
            (
                "실패했습니다. AWS가 호출을 스로틀링했습니다: UpdateService: ThrottlingException: "
                "Rate exceeded"
            ),
        ),
        (
            (
                "Scaled out from 10 to 12: 2 of 10 are missing, and a load of 1,200 needs 12. ECS "
                "says: 2 failed (no capacity) (rate is at 150, above its threshold of 100: adds 4 "
                "tasks)"
            ),
            (
                "태스크를 10개에서 12개로 스케일 아웃했습니다: 10개 중 2개가 실행되지 않고 있으며, "
                "부하 1,200 기준으로 12개가 필요합니다. ECS 메시지: 2 failed (no capacity) (rate "
                "값이 150(임계값 100 초과)이므로 태스크 4개를 추가합니다)"
            ),
        ),
    ],
    ids=["decided", "held", "an operator's words", "AWS's words", "brackets in ECS's words"],
)
def test_a_reason_reads_in_korean(english: str, korean: str) -> None:
    assert KOREAN(english) == korean


@pytest.mark.parametrize(
    "english",
    [
        "Kept 4 tasks: the moon is full",
        "Scaled out from 4 to 6: rate is at 160, above its threshold of 100: sings",
        "Something else happened",
        "",
        "Failed: " + "x" * LONGEST,
    ],
)
def test_a_sentence_is_said_in_korean_as_a_whole_or_not_at_all(english: str) -> None:
    assert KOREAN(english) == english


def test_a_template_with_a_slot_that_is_no_kind_is_refused() -> None:
    language = Language("xx", {"text": {"a {thing}": "b {thing}"}})

    with pytest.raises(
        ValueError, match=r"'a \{thing\}' has the slot \{thing\}, which is not a known kind"
    ):
        language("a b")


@pytest.mark.parametrize("rules", [REASONS, LABELS], ids=["reasons", "labels"])
def test_no_korean_sentence_has_a_semicolon_or_a_slot_of_its_own(
    rules: dict[str, dict[str, str]],
) -> None:
    slot = re.compile(r"\{\w+\}")
    pairs = [pair for kind in rules.values() for pair in kind.items()]

    assert [korean for _, korean in pairs if ";" in korean] == []
    assert [
        english
        for english, korean in pairs
        if set(slot.findall(korean)) - set(slot.findall(english))
    ] == []


# --- the dashboard --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", [pytest.param(case.values[0], id=case.id) for case in test_dashboard_headline.CASES]
)
def test_every_headline_is_said_in_korean(given: Material) -> None:
    assert unknown([headline(build_view(given, Look())).said]) == []


def a_page(say: Language, *records: dict[str, Any], **more: Any) -> str:
    """Return a page with all that one has: two incidents, a load, tasks that start, many pages."""
    entries, notes = read_entries(records)
    thresholds = (Threshold(HIGH, 100, above=True), Threshold(LOW, 30, above=False))
    points = tuple(Point(NOW + timedelta(seconds=each), 90.0 + each) for each in range(0, 60, 5))
    tasks = (Point(NOW, 4.0), Point(NOW + timedelta(seconds=30), 6.0))
    material = Material(
        "service/prod/web", NOW - timedelta(minutes=2), NOW + timedelta(hours=20), entries,
        metrics=(Metric("RequestsPerSecond", points, thresholds, per_task=True),),
        desired=tasks, running=tasks[:1], notes=notes, **more,
    )  # fmt: skip
    look = Look(say=say, everything=True, page_size=3, zone=timezone(timedelta(hours=9)))
    return document(build_view(material, look), Printed(), live=not more)


def records() -> Iterator[dict[str, Any]]:
    decision = decide(a_target(), seen(4, high=firing(160.0)), State(), NOW)
    record = replace(a_scale_out_record(), decision=decision, reason=decision.reason).as_dict
    yield record
    yield {**record, "id": "2", "at": "2026-11-22T10:00:40Z"}
    yield {"id": "3", "at": "2026-11-22T10:00:50Z", "outcome": "LOST_RACE",
           "reason": "Left to another evaluation of the same target: me holds the lock until "
                     "10:00:52 UTC at the latest"}  # fmt: skip
    why = "in cooldown, no scale-out until 05:00:10 UTC"
    yield {**record, "id": "4", "at": "2026-11-23T05:00:00Z", "outcome": "HELD_COOLDOWN",
           "reason": Outcome.HELD_COOLDOWN.sentence(before=6, granted=6, why=why)}  # fmt: skip
    yield {**record, "id": "5", "at": "2026-11-23T06:00:00Z", "outcome": "WOULD_SCALE"}


# What is not translated: names, states, units and calls, which are AWS's or the operator's own.
KEPT = re.compile(
    r"Quickstep|prod/web|service/prod/web|RequestsPerSecond|UpdateService|high-request-rate|"
    r"low-request-rate|[A-Z]+_[A-Z_]+|\bALARM\b|\bOK\b|UTC|\bms\b|decision-\d|\bid\b|\bme\b|"
    r"\d{4}-\d\d-\d\dT[\d:.]+Z"
)


@pytest.mark.parametrize("more", [{}, {"over": True}], ids=["live", "over"])
def test_the_page_leaves_nothing_in_english(more: dict[str, Any]) -> None:
    page = parse(a_page(KOREAN, *records(), **more))
    said = [text for tag, text in page.texts if tag != "style"]
    said += [
        value
        for _, attributes in page.elements
        for name in ("aria-label", "title", "data-live", "data-lost")
        if (value := attributes.get(name))
    ]

    assert [text for text in said if re.search("[A-Za-z]{2,}", KEPT.sub("", text))] == []


def test_a_page_says_in_which_language_it_is() -> None:
    for say in (ENGLISH, KOREAN):
        elements = parse(a_page(say, *records())).elements
        assert [(tag, one["lang"]) for tag, one in elements if "lang" in one] == [
            ("html", say.tag), ("div", say.tag)
        ]  # fmt: skip


# --- which language -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("ko", KOREAN), ("ko-KR", KOREAN), ("ko_KR.UTF-8", KOREAN), ("KO", KOREAN),
        ("en", ENGLISH), ("en_GB", ENGLISH), ("C", None), ("C.UTF-8", None), ("kok", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_tag_or_a_locale_names_a_language(tag: str, language: Language | None) -> None:
    assert language_of(tag) is language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("ko-KR,ko;q=0.9,en;q=0.8", KOREAN),
        ("en-US,en;q=0.9,ko;q=0.8", ENGLISH),
        ("fr;q=0.9, ko;q=0.3, en;q=0.2", KOREAN),
        ("en, ko", ENGLISH),
        ("ko;q=0", ENGLISH),
        ("ko;q=much", ENGLISH),
        ("fr, *", ENGLISH),
        ("", ENGLISH),
        (";;,q=1,\x00", ENGLISH),
    ],
)
def test_a_browser_s_most_liked_language_that_is_spoken_is_shown(
    header: str, language: Language
) -> None:
    assert preferred(header) is language
