"""EventBridge: the bus that announces decisions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quickstep.aws.failures import calling
from quickstep.engine.outcome import Outcome
from quickstep.protocol.events import DETAIL_TYPE, SOURCE
from quickstep.protocol.ports import CallFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class EventBridgeEvents:
    """The `Events` port over a botocore EventBridge client that makes each call once."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def put(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Put events on the bus; see the port."""
        with calling("PutEvents"):
            answer = self._client.put_events(
                Entries=[
                    {
                        "EventBusName": "default",
                        "Source": SOURCE,
                        "DetailType": DETAIL_TYPE,
                        "Detail": json.dumps(event, ensure_ascii=False),
                    }
                    for event in events
                ]
            )
        refused = {
            f"{entry['ErrorCode']}: {entry.get('ErrorMessage', '')}"
            for entry in answer["Entries"]
            if "ErrorCode" in entry
        }
        if refused:
            why = f"PutEvents refused {answer['FailedEntryCount']} of {len(events)} events: "
            raise CallFailedError(Outcome.FAILED_OTHER, f"{why}{'; '.join(sorted(refused))}")
