"""Korean: the dashboard's labels, by their English; kinds and slots as in `language.py`."""

from __future__ import annotations

_WORDS = {
    "Scaled out": "스케일 아웃",
    "Scaled in": "스케일 인",
    "Would scale": "조정 예정(드라이 런)",
    "Held: cooldown": "유지: 휴지 기간",
    "Held: capacity on its way": "유지: 용량 추가 중",
    "Held: no capacity": "유지: 용량 부족",
    "Held: answered": "유지: 이미 처리",
    "Held: would flap": "유지: 다시 위반 예상",
    "Held: deployment": "유지: 배포 중",
    "Held: at max": "유지: 최대 용량",
    "Held: at min": "유지: 최소 용량",
    "Held: not breaching": "유지: 위반 아님",
    "Held: no data": "유지: 데이터 없음",
    "Held: paused": "유지: 일시 중지",
    "Held: muted": "유지: 경보 음소거",
    "Ignored: duplicate": "무시: 중복",
    "Ignored: stale": "무시: 오래됨",
    "Ignored: surge": "무시: 급증 신호",
    "Lost race": "다른 평가에 맡김",
    "Recovered": "복구",
    "Foreign change": "외부 변경",
    "Failed: throttled": "실패: 스로틀링",
    "Failed: not found": "실패: 서비스 없음",
    "Failed: denied": "실패: 권한 거부",
    "Failed: config": "실패: 정책 문서",
    "Failed: queue": "실패: 대기열",
    "Failed: other": "실패: 기타",
}
"""Outcomes, as `kinds.words` returns them."""

_RULES = {
    "answered": "이미 처리",
    "bounds": "최소 및 최대 용량",
    "capacity on its way": "추가 중인 용량",
    "cooldown": "휴지 기간",
    "data": "데이터",
    "deployment": "배포",
    "dry run": "드라이 런",
    "largest step": "최대 스텝",
    "last minute": "최근 1분",
    "last task": "마지막 태스크",
    "load": "부하",
    "missing tasks": "누락된 태스크",
    "muted": "음소거",
    "patience": "유휴 유지",
    "pause": "일시 중지",
    "queues": "대기열",
    "reporting": "지표 보고",
    "request": "요청",
    "rising trend": "증가 추세",
    "serving tasks": "서비스 중인 태스크",
    "several policies": "여러 정책",
    "steps": "스텝",
    "target": "목표값",
    "unanswered": "응답 없음",
    "would flap": "다시 위반 예상",
}
"""Rules, as a trail names them."""

_PAGE = {
    # head and figures
    "● live": "● 실시간",
    "○ not connected": "○ 연결 끊김",
    "■ ended {clock}": "■ {clock} 종료",
    "Desired tasks": "원하는 태스크 수",
    "Running tasks": "실행 중인 태스크 수",
    "{n} missing": "{n}개 누락",
    "{n} starting": "{n}개 시작 중",
    "Load, newest": "최근 부하",
    "threshold {n}": "임계값 {n}",
    "Whole service": "서비스 전체",
    "about, per second": "초당 추정치",
    "requests/s": "초당 요청",
    "Failed requests": "실패한 요청",
    "Changes": "변경",
    "{n} looks": "평가 {n}회",
    "{n} failed, {n2} looks": "실패 {n}회, 평가 {n2}회",
    "Alarm to update": "경보에서 업데이트까지",
    "median": "중앙값",
    # decisions
    "Decisions": "결정",
    "Changes {n}": "변경 {n}",
    "All looks {n}": "모든 평가 {n}",
    "Which decisions are shown": "표시할 결정",
    "No decision yet. One appears when an alarm of this service changes state.": (
        "아직 결정이 없습니다. 이 서비스의 경보 상태가 바뀌면 나타납니다."
    ),
    "No decision with this outcome.": "이 결과에 해당하는 결정이 없습니다.",
    "Nothing has changed, and nothing has failed, in {looks}.": (
        "{looks}에서 변경도 실패도 없었습니다."
    ),
    "Pages": "페이지",
    "← Newer": "← 최근",
    "Older →": "이전 →",
    "Page {n} of {n2}": "{n2}쪽 중 {n}쪽",
    # an opened decision
    "The rest of this record cannot be read: {quoted}": (
        "이 기록의 나머지를 읽을 수 없습니다: {quoted}"
    ),
    "Service": "서비스",
    "This decision did not look at the service.": "이 결정에서는 서비스를 조회하지 않았습니다.",
    "desired {n}": "원하는 수 {n}",
    "running {n}": "실행 중 {n}",
    "pending {n}": "대기 중 {n}",
    "a deployment is in progress": "배포가 진행 중입니다",
    "Alarms": "경보",
    "Policy": "정책",
    "State": "상태",
    "Threshold": "임계값",
    "Datapoints": "데이터 포인트",
    "{name}, muted": "{name}, 음소거됨",
    "not seen": "확인되지 않음",
    "Trail": "결정 과정",
    "No rule was asked.": "적용한 규칙이 없습니다.",
    "Trail: what each rule did to the number of tasks": (
        "결정 과정: 각 규칙이 태스크 수를 바꾼 내용"
    ),
    "Rule": "규칙",
    "Tasks": "태스크",
    "Why": "이유",
    "Cause and time": "원인과 시각",
    "Cause unknown": "원인을 알 수 없음",
    "Re-check": "재확인",
    "Heartbeat": "하트비트",
    "Surge": "급증",
    "Poll": "대기열 확인",
    "Request": "운영자 요청",
    "Drill": "훈련",
    "Alarm": "경보",
    "{name} went to {name2}": "{name} 경보가 {name2} 상태로 바뀜",
    "the policies asked for {n}": "정책이 요청한 수: {n}개",
    "UpdateService accepted {n} ms after the alarm": "경보 {n} ms 후 UpdateService가 수락함",
    "UpdateService accepted {n} ms after a task felt the surge": (
        "태스크가 급증을 감지하고 {n} ms 후 UpdateService가 수락함"
    ),
    "throttles cost {n} ms before": "앞선 스로틀링으로 {n} ms 지연됨",
    "next look in {n} s": "{n}초 후 다시 평가합니다",
    # chart
    "No load is known for this time.": "이 시간의 부하를 알 수 없습니다.",
    "No look has seen the service in this time.": "이 시간에 서비스를 조회한 평가가 없습니다.",
    "Values over time": "시간별 값",
    "Timeline of {name} from {clock} to {clock2} {zone}": (
        "{name} 타임라인, {clock}~{clock2} {zone}"
    ),
    "newest {names}": "최근 {names}",
    "no data": "데이터 없음",
    "; ": ", ",
    "{n} decision{s}": "결정 {n}건",
    "{name}: above {n}": "{name}: {n} 초과",
    "{name}: below {n}": "{name}: {n} 미만",
    "desired": "원하는 수",
    "running": "실행 중",
    "starting": "시작 중",
    "missing": "누락",
    "failed": "실패",
    "starting {n}": "시작 중 {n}",
    "missing {n}": "누락 {n}",
    "now": "현재",
    "nothing is known": "알려진 값이 없음",
    "whole service": "서비스 전체",
    "{n} decisions up to": "결정 {n}건, 마지막",
    "the newest": "최근 결정",
    "Requests per second, whole service": "초당 요청, 서비스 전체",
    "Requests per second, per task": "초당 요청, 태스크당",
    "Whole service, about: {names} times running tasks": (
        "서비스 전체 추정치: {names}에 실행 중인 태스크 수를 곱한 값"
    ),
    "{names}, as decisions saw it": "{names}, 결정에서 확인한 값",
    # notes
    "1 record is not shown, as it cannot be read: {quoted}": (
        "기록 1건을 읽을 수 없어 표시하지 않습니다: {quoted}"
    ),
    "{n} records are not shown; the first, as it cannot be read: {quoted}": (
        "기록 {n}건을 읽을 수 없어 표시하지 않습니다. 첫 번째: {quoted}"
    ),
    "Only the newest {n} decisions are shown; a shorter time has them all.": (
        "최근 결정 {n}건만 표시합니다. 기간을 줄이면 모두 표시합니다."
    ),
    "Cannot read the metrics: {quoted}": "지표를 읽을 수 없습니다: {quoted}",
    "The table has the newest {n} of {n2} decisions.": (
        "표에는 결정 {n2}건 중 최근 {n}건이 있습니다."
    ),
    "The decisions are as of {clock}. They cannot be read again: {quoted}": (
        "{clock} 기준 결정입니다. 새로 읽을 수 없습니다: {quoted}"
    ),
    "The demo is about to begin.": "데모가 곧 시작됩니다.",
    # widget
    "Show its decisions": "결정 보기",
}

_HEADLINES = {
    "It ended without a single look at the service.": "서비스를 한 번도 평가하지 않고 끝났습니다.",
    "About to begin.": "곧 시작합니다.",
    "No look yet: Quickstep looks when an alarm of this service changes state.": (
        "아직 평가가 없습니다. 이 서비스의 경보 상태가 바뀌면 Quickstep이 평가합니다."
    ),
    "Ended with {ended}.": "{ended}.",
    "Ended with {ended}; {lost}.": "{ended}. {lost}.",
    "The newest look failed ({failing}).": "가장 최근 평가가 실패했습니다({failing}).",
    "The newest look failed ({failing}), and the service stays at {tasks}.": (
        "가장 최근 평가가 실패했습니다({failing}). 서비스는 {tasks}를 유지합니다."
    ),
    "{tasks} of the {n} desired never came: {n2} run{loaded}": (
        "원하는 태스크 {n}개 중 {tasks}가 시작되지 않아 {n2}개만 실행 중입니다{loaded}"
    ),
    "Holding at {tasks}: an alarm has no data, so no task is removed.": (
        "{tasks}를 유지합니다. 경보에 데이터가 없어 태스크를 줄이지 않습니다."
    ),
    "Paused at {tasks}{loaded}": "{tasks}에서 일시 중지되었습니다{loaded}",
    "At the maximum of {tasks}{loaded}": "최대 용량인 {tasks}를 실행합니다{loaded}",
    "{tasks} {are} starting: {n} of {n2} run{loaded}": (
        "{tasks}를 시작하는 중이며 {n2}개 중 {n}개가 실행 중입니다{loaded}"
    ),
    "Steady at {tasks}{loaded}": "{tasks}를 안정적으로 유지하고 있습니다{loaded}",
    "{tasks}, and the load of {n} is above the threshold of {n2}.": (
        "{tasks}를 실행하고 있습니다. 부하 {n}, 임계값 {n2} 초과."
    ),
}

_DAYS = dict(zip(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), "월화수목금토일", strict=True))
_MONTHS = dict(
    zip(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
        (f"{n}월" for n in range(1, 13)),
        strict=True,
    )
)

# A headline ends with the load, and perhaps with the last change.
_LOADS = {
    "": "",
    ", and the load of {n} is above the threshold of {n2}": ". 부하 {n}, 임계값 {n2} 초과",
    ", and the load of {n} is below the threshold of {n2}": ". 부하 {n}, 임계값 {n2} 미만",
    ", and the load of {n} is within its thresholds": ". 부하 {n}, 임계값 범위 이내",
    ", with a load of {n}": ". 부하 {n}",
}
_SINCE = {".": ".", "; the last change was {lasted} ago.": ". 마지막 변경은 {lasted} 전입니다."}

LABELS = {
    "label": _WORDS
    | _RULES
    | _PAGE
    | _HEADLINES
    | {"{outcome} at {when}": "{when} {outcome}", "{outcome} at {clock}": "{clock} {outcome}"}
    | {one: one for one in ("{incident}", "{when}", "{day}", "{listing}")},
    "outcome": _WORDS,
    "failing": {
        words.partition(": ")[2]: said.partition(": ")[2]
        for words, said in _WORDS.items()
        if words.startswith("Failed")
    },
    "looks": {"{n} look{s}": "평가 {n}회"},
    "loaded": {
        load + since: load_said + since_said
        for load, load_said in _LOADS.items()
        for since, since_said in _SINCE.items()
    },
    "ended": {
        "{final}, after {steps}": "{steps} 후 {final}로 끝났습니다",
        "{final}, from {n} at the start, after {steps}": (
            "{n}개에서 시작하여 {steps} 후 {final}로 끝났습니다"
        ),
        "{final}, without a change": "변경 없이 {final}로 끝났습니다",
    },
    "final": {
        "{tasks}": "{tasks}",
        "{tasks} ({n} of them missing)": "{tasks}({n}개 누락)",
        "{tasks} ({n} of them starting)": "{tasks}({n}개 시작 중)",
    },
    "steps": {
        "{step} and {step2}": "{step}, {step2}",
        "{step}": "{step}",
    },
    "step": {
        "{n} scale-out{s}": "스케일 아웃 {n}회",
        "{n} scale-in{s}": "스케일 인 {n}회",
    },
    "lost": {
        "none of {n} requests failed": "요청 {n}건 중 실패 없음",
        "{n} of {n2} requests failed ({n3})": "요청 {n2}건 중 {n}건 실패({n3})",
    },
    "incident": {
        "{names} in breach: {came}, {looks}": "{names} 위반: {came}, {looks}",
        "{names} in breach for {lasted}: {came}, {looks}": (
            "{names} {lasted} 동안 위반: {came}, {looks}"
        ),
    },
    "came": {
        "no change": "변경 없음",
        "{n} change{s}": "변경 {n}회",
        "{n} → {n2} tasks in {n3} change{s}": "{n3}회 변경으로 태스크 {n} → {n2}개",
    },
    "lasted": {
        "{n} s": "{n}초",
        "{n} min": "{n}분",
        "{n} h": "{n}시간",
        "{n} h {n2} min": "{n}시간 {n2}분",
    },
    "when": {
        "{day}, {clock} to {clock2} {zone}": "{day} {clock}~{clock2} {zone}",
        "{day} to {day2}, {clock} to {clock2} {zone}": "{day} {clock}~{day2} {clock2} {zone}",
        "{day} {clock} {zone}": "{day} {clock} {zone}",
        "{day} {clock} {zone} ({moment})": "{day} {clock} {zone} ({moment})",
        "{day} {clock}": "{day} {clock}",
    },
    "day": {"{weekday} {n} {month}": "{month} {n}일({weekday})"},
    "weekday": _DAYS,
    "month": _MONTHS,
    "listing": {"tasks: {listed}": "태스크: {listed}"},
    "listed": {"{counted}, {listed}": "{counted}, {listed}", "{counted}": "{counted}"},
    "counted": {
        "{n} desired": "원하는 수 {n}",
        "{n} running": "실행 중 {n}",
        "{n} starting": "시작 중 {n}",
        "{n} missing": "누락 {n}",
    },
}
"""Templates by kind; the first one that fits a text translates it."""
