"""Korean: the sentences in which decisions explain themselves.

The left side is the English of the engine and the cycle; `language.py` describes the kinds and
slots. The terms are those of AWS's own Korean documentation. A particle only follows a word written
here, never a name or a number, because its form depends on the last sound.
"""

from __future__ import annotations

from quickstep.engine.outcome import Outcome

_OUTCOMES = {
    Outcome.SCALED_OUT: "태스크를 {n}개에서 {n2}개로 스케일 아웃했습니다: {why}",
    Outcome.SCALED_IN: "태스크를 {n}개에서 {n2}개로 스케일 인했습니다: {why}",
    Outcome.WOULD_SCALE: "드라이 런이 아니라면 태스크를 {n}개에서 {n2}개로 조정합니다: {why}",
    Outcome.HELD_COOLDOWN: "당분간 {tasks}를 유지합니다: {why}",
    Outcome.HELD_CAPACITY_ON_ITS_WAY: "{tasks}를 유지합니다: {why}",
    Outcome.HELD_NO_CAPACITY: "{tasks}를 유지합니다. 일부 태스크가 시작되지 않았습니다: {why}",
    Outcome.HELD_ANSWERED: "다음 데이터 포인트까지 {tasks}를 유지합니다: {why}",
    Outcome.HELD_WOULD_FLAP: "줄이면 임계값을 다시 위반하므로 {tasks}를 유지합니다: {why}",
    Outcome.HELD_DEPLOYMENT: "배포 중이므로 {tasks}를 유지합니다: {why}",
    Outcome.HELD_AT_MAX: "최대 용량이므로 {tasks}를 유지합니다: {why}",
    Outcome.HELD_AT_MIN: "최소 용량이므로 {tasks}를 유지합니다: {why}",
    Outcome.HELD_NOT_BREACHING: "{tasks}를 유지합니다: {why}",
    Outcome.HELD_NO_DATA: "부하를 알 수 없어 {tasks}를 유지합니다: {why}",
    Outcome.HELD_PAUSED: "일시 중지 중이므로 {tasks}를 유지합니다: {why}",
    Outcome.HELD_MUTED: "경보가 음소거되어 {tasks}를 유지합니다: {why}",
    Outcome.IGNORED_DUPLICATE: "이미 처리하여 무시했습니다: {why}",
    Outcome.IGNORED_STALE: "오래된 내용이라 무시했습니다: {why}",
    Outcome.IGNORED_SURGE: "급증 신호를 무시했습니다: {why}",
    Outcome.LOST_RACE: "같은 대상의 다른 평가에 맡겼습니다: {why}",
    Outcome.RECOVERED: "끝나지 않은 변경을 복구했습니다: {why}",
    Outcome.FOREIGN_CHANGE: ("Quickstep 밖에서 태스크가 {n}개에서 {n2}개로 변경되었습니다: {why}"),
    Outcome.FAILED_THROTTLED: "실패했습니다. AWS가 호출을 스로틀링했습니다: {failure}",
    Outcome.FAILED_NOT_FOUND: "실패했습니다. 서비스를 찾을 수 없습니다: {failure}",
    Outcome.FAILED_DENIED: "실패했습니다. 권한이 거부되었습니다: {failure}",
    Outcome.FAILED_CONFIG: "실패했습니다. 정책 문서를 사용할 수 없습니다: {failure}",
    Outcome.FAILED_QUEUE: ("실패했습니다. 대기열을 읽을 수 없어 태스크를 줄이지 않습니다: {why}"),
    Outcome.FAILED_OTHER: "실패했습니다: {failure}",
}


def _template(outcome: Outcome) -> str:
    """Return an outcome's English sentence, with slots of the kinds that fill it."""
    quotes = outcome.failed and outcome is not Outcome.FAILED_QUEUE
    why = "{failure}" if quotes else "{why}"
    slots = {"before": "{n}", "granted": "{n2}", "kept": "{tasks}", "why": why}
    return outcome.template.format(**slots)


_DECIDED = {
    # bounds
    "{crossed}": "{crossed}",
    "{crossed}, so the step counts from {n}": "{crossed}. 스텝은 {n}개부터 계산합니다",
    "{crossed}, so none is added": "{crossed}. 더 추가하지 않습니다",
    "{crossed}, so none is removed": "{crossed}. 더 줄이지 않습니다",
    "{n} would exceed {bound}": "{n}개로 늘리면 {bound}를 초과합니다",
    "{n} would be below {bound}": "{n}개로 줄이면 {bound}보다 적어집니다",
    "within {source}'s bounds of {n} to {n2}": "{source} 범위 {n}~{n2}개 이내입니다",
    # steps
    "MaxAdjustmentMagnitude limits a step to {tasks}": (
        "MaxAdjustmentMagnitude에 따라 한 번의 스텝은 {tasks}로 제한됩니다"
    ),
    "one decision adds at most {tasks}": "한 번의 결정은 최대 {tasks}를 추가합니다",
    "one decision adds no more tasks than the {n} that are serving": (
        "한 번의 결정은 서비스 중인 태스크 {n}개보다 많이 추가하지 않습니다"
    ),
    "in cooldown until {clock} after scaling out from {n} to {n2}, so this step counts from {n3}": (
        "{n}개에서 {n2}개로 스케일 아웃한 뒤 {clock}까지 휴지 기간이므로 이 스텝은 {n3}개부터 "
        "계산합니다"
    ),
    # load
    "the load is rising by {n} a second; in {n2} s, expect {value}{each}": (
        "부하가 초당 {n}씩 증가하고 있어 {n2}초 후{each} {value} 수준으로 예상합니다"
    ),
    "{spread} expect {value} each": "{spread} 태스크당 {value} 수준으로 예상합니다",
    "the last minute's mean of {value} needs {tasks}": (
        "최근 1분 평균 {value} 기준으로 {tasks}가 필요합니다"
    ),
    "{n} of {n2} are missing, and a load of {value} needs {n3}{ecs}": (
        "{n2}개 중 {n}개가 실행되지 않고 있으며, 부하 {value} 기준으로 {n3}개가 필요합니다{ecs}"
    ),
    "a load of {value}{noise} needs {tasks} to stay below {value2} each": (
        "부하 {value}{noise} 기준으로 태스크당 {value2} 미만을 유지하려면 {tasks}가 필요합니다"
    ),
    "the load needs {tasks}, so the maximum leaves no fewer": (
        "현재 부하에 {tasks}가 필요하므로 최대 용량에 맞추더라도 그보다 적게 남기지 않습니다"
    ),
    "{n} of {n2} are missing, and ECS may stop others instead": (
        "{n2}개 중 {n}개가 실행되지 않고 있으며, ECS가 다른 태스크를 대신 중지할 수 있습니다"
    ),
    # patience
    "no task is idle": "유휴 태스크가 없습니다",
    "tasks were last added at {clock}, and are kept for {span}": (
        "{clock}에 마지막으로 추가한 태스크를 {span} 동안 유지합니다"
    ),
    "{n} of the {tasks} needed at {clock} are kept": (
        "{clock}에 필요했던 {tasks} 중 {n}를 유지합니다"
    ),
    "task {n} was soon needed again {n2} of the last {n3} times, so it is kept idle for {span}": (
        "태스크 {n}번은 최근 {n3}번 중 {n2}번 곧 다시 필요해졌으므로 유휴 상태로 {span} 동안 "
        "유지합니다"
    ),
    "task {n} has been idle for {span}, and is removed after {span2}": (
        "태스크 {n}번은 {span} 동안 유휴 상태이며 {span2} 후에 줄입니다"
    ),
    "messages are in flight or delayed": "처리 중이거나 지연된 메시지가 있습니다",
    "the queues have been empty for {n} s of {n2}": "대기열이 빈 지 {n2}초 중 {n}초가 지났습니다",
    "an operator asked for {tasks}": "운영자가 {tasks}를 요청했습니다",
}
"""What decided the number; it may precede the policy's own sentence, which is then in brackets."""

_ASKED = {
    "{name} is {where}: {does}": "{name} 값이 {where}이므로 {does}",
    "{name} has no data, which its alarm treats as breaching: removes {tasks}": (
        "{name} 데이터가 없고 경보가 이를 위반으로 처리하므로 {tasks}를 줄입니다"
    ),
    "{name}: {sum}": "{name}: {sum}",
    "{queues}": "{queues}",
    "no queue was read": "읽은 대기열이 없습니다",
}
"""What a policy asks for."""

_HELD = {
    "no alarm is in ALARM": "ALARM 상태인 경보가 없습니다",
    "every alarm is in INSUFFICIENT_DATA": "모든 경보가 INSUFFICIENT_DATA 상태입니다",
    "{name} is in ALARM but muted": "{name} 경보가 ALARM 상태이지만 음소거되어 있습니다",
    "{name} is in ALARM, but no step matches its datapoints": (
        "{name} 경보가 ALARM 상태이지만 데이터 포인트에 맞는 스텝이 없습니다"
    ),
    "{name} is in ALARM, so the maximum removes no task": (
        "{name} 경보가 ALARM 상태이므로 최대 용량에 맞춰 태스크를 줄이지 않습니다"
    ),
    "{name} is in ALARM, but {nodata}": "{name} 경보가 ALARM 상태이지만 {nodata}",
    "{name} is in ALARM, and {nodata}": "{name} 경보가 ALARM 상태이며 {nodata}",
    "{name} is in {name2}, so no task is removed": (
        "{name} 경보가 {name2} 상태이므로 태스크를 줄이지 않습니다"
    ),
    "{name} has no known alarm, so no task is removed": (
        "{name} 경보를 알 수 없어 태스크를 줄이지 않습니다"
    ),
    "{n} of {n2} serving tasks {are} not reporting, so none is removed": (
        "서비스 중인 태스크 {n2}개 중 {n}개가 지표를 보고하지 않아 태스크를 줄이지 않습니다"
    ),
    "{n} tasks are reporting, more than the {n2} there can be, so none is removed": (
        "가능한 {n2}개보다 많은 {n}개 태스크가 지표를 보고하고 있어 태스크를 줄이지 않습니다"
    ),
    "in cooldown, no scale-in until {clock}": (
        "휴지 기간이므로 {clock}까지 스케일 인하지 않습니다"
    ),
    "in cooldown, no scale-out until {clock}": (
        "휴지 기간이므로 {clock}까지 스케일 아웃하지 않습니다"
    ),
    "in cooldown until {clock} after scaling out from {n} to {n2}, and this step adds no more": (
        "{n}개에서 {n2}개로 스케일 아웃한 뒤 {clock}까지 휴지 기간이며 이 스텝은 더 추가하지 "
        "않습니다"
    ),
    "{late}, expect {value} per task, {side} the threshold of {n}.": (
        "{late} 태스크당 {value}(임계값 {n} {side}) 수준으로 예상합니다"
    ),
    "{n} {have} yet to serve ({why})": "{n}개가 아직 서비스를 시작하지 않았습니다 ({why})",
    "{n} of {n2} are missing ({why}). ECS says: {quoted}": (
        "{n2}개 중 {n}개가 실행되지 않고 있습니다 ({why}). ECS 메시지: {quoted}"
    ),
    "{n} of {n2} are missing ({why})": "{n2}개 중 {n}개가 실행되지 않고 있습니다 ({why})",
    "{n} tasks report {value} on average; spread over the {n2} that serve, that is {value2} each": (
        "태스크 {n}개가 평균 {value} 수준을 보고하며, 서비스 중인 {n2}개로 나누면 태스크당 "
        "{value2} 수준입니다"
    ),
    "{name}: the queue {name2} was not read": "{name}: {name2} 대기열을 읽지 않았습니다",
    "{name}: it could not be read": "{name}: 대기열을 읽을 수 없었습니다",
    "{name}: GetQueue{quoted}": "{name}: GetQueue{quoted}",
    "there is no history yet": "아직 이력이 없습니다",
    "no task is removed until the rollout is complete": (
        "배포가 완료될 때까지 태스크를 줄이지 않습니다"
    ),
    "no task is removed while an operator's entry is unreadable: {quoted}": (
        "운영자 항목을 읽을 수 없는 동안에는 태스크를 줄이지 않습니다: {quoted}"
    ),
    "{direction} is paused{until}{said}": "{direction} 동작이{until} 일시 중지되었습니다{said}",
    "an operator asked for {tasks}, and that many are desired": (
        "운영자가 {tasks}를 요청했으며 원하는 태스크 수가 이미 그와 같습니다"
    ),
    "kept at {n}: {why}": "{n}개로 유지합니다: {why}",
}
"""Why capacity stays as it is."""

_TRAIL = {
    "{name}: {n} is {n2} {side} the threshold {n3}: step {interval} {change}": (
        "{name}: {n} 값은 임계값 {n3} 기준 {n2} {side}: 스텝 {interval} {change}"
    ),
    "{name} has no data, which its alarm treats as breaching: the smallest step": (
        "{name} 데이터가 없고 경보가 이를 위반으로 처리하므로 가장 작은 스텝을 적용합니다"
    ),
    "the largest of {names} wins": "{names} 중 가장 큰 값이 적용됩니다",
    "no rollout is in progress": "진행 중인 배포가 없습니다",
    "capacity is left as it is": "용량을 그대로 둡니다",
    "scaled out from {n} to {n2} at {clock}; until {clock2}, a step counts from {n3}: {n4}": (
        "{clock}에 {n}개에서 {n2}개로 스케일 아웃했으므로 {clock2}까지 스텝은 {n3}개부터 "
        "계산합니다: {n4}개"
    ),
    "the load is rising by {n} a second; in {n2} s, expect {n3} per task: {n4} wanted": (
        "부하가 초당 {n}씩 증가하고 있어 {n2}초 후 태스크당 {n3} 수준으로 예상합니다: {n4}개 필요"
    ),
    "{spread} expect {n} each: {n2} wanted": (
        "{spread} 태스크당 {n} 수준으로 예상합니다: {n2}개 필요"
    ),
    "{spread} expect {n} each: no breach": ("{spread} 태스크당 {n} 수준으로 예상합니다: 위반 아님"),
}
"""What only a trail says, with every digit."""

_CYCLE = {
    "{name} holds the lock until {clock} at the latest": (
        "다른 평가({name})가 늦어도 {clock}까지 잠금을 보유합니다"
    ),
    "it is of {moment}": "{moment}의 이벤트입니다",
    "its time, {moment}, is more than {n} s in the future": (
        "시각 {moment}이 {n}초 넘게 미래입니다"
    ),
    "the alarm of {name} was found deleted at {moment}": (
        "{name} 경보가 삭제된 것을 {moment}에 확인했습니다"
    ),
    "{name} went to {name2} at {moment}": "{name} 경보가 {moment}에 {name2} 상태가 되었습니다",
    "the newest request is of {moment}": "가장 최근 요청은 {moment}의 것입니다",
    "the request is of {moment}, more than {n} s ago": (
        "{moment}의 요청이며 {n}초 넘게 지났습니다"
    ),
    "it was felt at {moment}, too long ago or in the future": (
        "{moment}에 감지되어 너무 오래되었거나 미래의 것입니다"
    ),
    "the service has no known alarm": "서비스의 경보를 알 수 없습니다",
    "the service was looked at less than {n} s ago": "서비스를 평가한 지 {n}초가 지나지 않았습니다",
    "the service had {n} looks in the last {n2} minutes": (
        "최근 {n2}분 동안 서비스를 {n}번 평가했습니다"
    ),
    "this second's looks of the account are used up": (
        "이번 1초 동안 계정에 허용된 평가를 모두 사용했습니다"
    ),
    "ECS had not confirmed the {tasks} asked for at {clock}": (
        "{clock}에 요청한 {tasks}를 ECS가 확인해 주지 않았습니다"
    ),
    "a deployment is in progress, and may have set it; Quickstep counts from there": (
        "진행 중인 배포가 변경했을 수 있습니다. Quickstep은 이 값부터 계산합니다"
    ),
    "an operator, a deployment or another tool set it; Quickstep counts from there": (
        "운영자, 배포 또는 다른 도구가 변경했습니다. Quickstep은 이 값부터 계산합니다"
    ),
    "the answer to an earlier request for {tasks} was lost": (
        "앞서 {tasks}를 요청한 호출의 응답을 받지 못했습니다"
    ),
    "an earlier call took effect late and set {tasks}": (
        "이전 호출이 늦게 적용되어 {tasks}로 설정되었습니다"
    ),
}
"""What the cycle around the engine says."""

REASONS = {
    "reason": {_template(outcome): korean for outcome, korean in _OUTCOMES.items()}
    | {"{why}": "{why}"},
    "why": {
        # First, because ECS's own words may have brackets, too.
        "{decided} ({asked})": "{decided} ({asked})",
        **_TRAIL,
        **_CYCLE,
        **_HELD,
        **_DECIDED,
        **_ASKED,
    },
    "decided": _DECIDED,
    "asked": _ASKED | _DECIDED,
    "failure": {
        "{n} would be a scale-out to fewer than the committed {n2} tasks": (
            "{n}개는 확정된 {n2}개보다 적어지는 스케일 아웃입니다"
        ),
        "{n} would be a scale-in to more than the committed {n2} tasks": (
            "{n}개는 확정된 {n2}개보다 많아지는 스케일 인입니다"
        ),
        "{quoted}; it is tried again": "{quoted}. 다시 시도합니다",
        "{quoted}": "{quoted}",
    },
    "tasks": {
        "{n} task{s}": "태스크 {n}개",
        "an unknown number of tasks": "알 수 없는 수의 태스크",
        "An unknown number of tasks": "알 수 없는 수의 태스크",
    },
    "value": {
        "{n}": "{n}",
        "{n} requests/s": "초당 요청 {n}건",
        "{n} message{s}": "메시지 {n}개",
        "{n} ms": "{n} ms",
    },
    "where": {
        "at {value}, its threshold": "{value}(임계값과 동일)",
        "at {value}, above its threshold of {n}": "{value}(임계값 {n} 초과)",
        "at {value}, below its threshold of {n}": "{value}(임계값 {n} 미만)",
    },
    "does": {
        "asks for {tasks}": "{tasks}를 요청합니다",
        "changes nothing": "변경하지 않습니다",
        "adds {tasks}": "{tasks}를 추가합니다",
        "removes {tasks}": "{tasks}를 줄입니다",
        "adds {tasks} to {bound}": "{bound}에 {tasks}를 추가합니다",
        "removes {tasks} from {bound}": "{bound}에서 {tasks}를 줄입니다",
    },
    "change": {
        "adds {n}": "{n} 추가",
        "adds {n} %": "{n}% 추가",
        "removes {n}": "{n} 감소",
        "removes {n} %": "{n}% 감소",
        "sets {n}": "{n}개로 설정",
    },
    # Optional parts of a sentence, and words that agree with a number, which Korean omits.
    "ecs": {"": "", ". ECS says: {quoted}": ". ECS 메시지: {quoted}"},
    "until": {"": "", " until {moment}": " {moment}까지"},
    "said": {"": "", ": {quoted}": ": {quoted}"},
    "noise": {"": "", ", noise included,": "(변동 포함)"},
    "each": {"": "", " per task": " 태스크당"},
    "s": {"": "", "s": ""},
    "are": {"is": "", "are": ""},
    "have": {"has": "", "have": ""},
    "do": {"it does": "", "they do": ""},
    "side": {"above": "초과", "below": "미만", "at": "동일"},
    "source": {
        "the policy": "정책",
        "the override": "오버라이드",
        "the schedule {names}": "일정 {names}",
    },
    "bound": {
        "{source}'s maximum of {n}": "{source} 최대 용량 {n}개",
        "{source}'s minimum of {n}": "{source} 최소 용량 {n}개",
    },
    "crossed": {
        "{n} is below {bound}": "{n}개는 {bound}보다 적습니다",
        "{n} is above {bound}": "{n}개는 {bound}보다 많습니다",
    },
    "direction": {"scale-out": "스케일 아웃", "scale-in": "스케일 인"},
    "span": {"{n} s": "{n}초", "{n} min": "{n}분"},
    "spread": {
        "only {n} of {n2} tasks are reporting; spread over all {n3},": (
            "태스크 {n2}개 중 {n}개만 지표를 보고하고 있으며, 전체 {n3}개로 나누면"
        ),
        "only {n} of {n2} tasks are serving; spread over all {n3},": (
            "태스크 {n2}개 중 {n}개만 서비스 중이며, 전체 {n3}개로 나누면"
        ),
    },
    "late": {
        "{n} {have} yet to report. Once {do}": "{n}개가 아직 지표를 보고하지 않았습니다. 보고하면",
        "{n} {have} yet to serve. Once {do}": "{n}개가 아직 서비스를 시작하지 않았습니다. 시작하면",
    },
    "needs": {
        "a load of {n} needs": "부하 {n} 기준으로",
        "{value} need{s}": "{value} 기준으로",
    },
    "sum": {
        "{sized}": "{sized}",
        "{sized}, within {n} of what {tasks} should carry": (
            "{sized}. {tasks}의 목표 부하에서 {n} 이내입니다"
        ),
        "{sized}, within noise of what {tasks} should carry": (
            "{sized}. {tasks}의 목표 부하에서 변동 범위 이내입니다"
        ),
    },
    "sized": {
        "{needs} {tasks} at {n} each": "{needs} 태스크당 {n}씩 {tasks}가 필요합니다",
        "{needs} {tasks} at {n} each, assuming {n2} are serving": (
            "{needs} 태스크당 {n}씩 {tasks}가 필요합니다(서비스 중인 태스크 {n2}개로 가정)"
        ),
        "{tasks} at {value} need{s} {n} at {value2}": (
            "{value} 수준인 {tasks}를 {value2} 수준으로 낮추려면 {n}개가 필요합니다"
        ),
    },
    "queues": {
        "{jobs}": "{jobs}",
        "{jobs} need {tasks} at {n} jobs/s each": (
            "{jobs} 기준으로 태스크당 초당 작업 {n}개씩 {tasks}가 필요합니다"
        ),
        "{shares}: {tasks} in all": "{shares}: 모두 {tasks}가 필요합니다",
    },
    "shares": {
        "{part}; {shares}": "{part}, {shares}",
        "{part}": "{part}",
    },
    "part": {"{jobs} need {n}": "{jobs} 기준 {n}개", "{jobs}": "{jobs}"},
    "jobs": {
        "{name}: {waiting}": "{name}: {waiting}",
        "{name}: {waiting}, {n} job{s} in all,": "{name}: {waiting}(모두 {n}개)",
    },
    "waiting": {
        "no jobs": "작업 없음",
        "{n} jobs/s arriving": "초당 작업 {n}개 도착",
        "{n} waiting": "작업 {n}개 대기",
        "{n} jobs/s arriving and {n2} waiting": "초당 작업 {n}개 도착, {n2}개 대기",
    },
    "nodata": {
        "the alarm carries no datapoint": "경보에 데이터 포인트가 없습니다",
        "its metric was not read": "지표를 읽지 않았습니다",
        "its metric could not be read: {quoted}": "지표를 읽을 수 없었습니다: {quoted}",
        "its datapoint of {clock} was already acted on": (
            "{clock}의 데이터 포인트는 이미 처리했습니다"
        ),
        "its newest datapoint, of {clock}, was already acted on": (
            "가장 최근인 {clock}의 데이터 포인트는 이미 처리했습니다"
        ),
        "part of the {n} s up to {clock} was already acted on": (
            "{clock}까지 {n}초 중 일부는 이미 처리했습니다"
        ),
        "CloudWatch has no complete datapoint since {clock}": (
            "{clock} 이후 CloudWatch에 완전한 데이터 포인트가 없습니다"
        ),
        "CloudWatch has no per-second datapoint since {clock}": (
            "{clock} 이후 CloudWatch에 1초 단위 데이터 포인트가 없습니다"
        ),
        "how many tasks are reporting is not known yet": (
            "지표를 보고하는 태스크 수를 아직 알 수 없습니다"
        ),
        "too few tasks have reported since {clock}": (
            "{clock} 이후 지표를 보고한 태스크가 너무 적습니다"
        ),
        "a composite alarm has no datapoints": "복합 경보에는 데이터 포인트가 없습니다",
        "the event has no datapoints": "이벤트에 데이터 포인트가 없습니다",
        "the event has no reasonData": "이벤트에 reasonData가 없습니다",
        "the event has no threshold": "이벤트에 임계값이 없습니다",
        "an anomaly detection alarm has no fixed threshold for steps to count from": (
            "이상 탐지 경보에는 스텝을 계산할 고정 임계값이 없습니다"
        ),
        "its reasonData cannot be read: {quoted}": "reasonData를 읽을 수 없습니다: {quoted}",
    },
}
"""Templates by kind; the first one that fits a text translates it."""
