"""What a proof's task runs: load that follows the clock, and the published number for it.

It goes into the stack's template as text, and runs in a public image that has boto3: nothing of
this package is there. All tasks read one START; PLAN has the offsets of the surges.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any

sys.path.append("/var/runtime")  # where the Lambda images keep boto3
import boto3

PLAN, START = json.loads(os.environ["PLAN"]), float(os.environ["START"])
CLUSTER, SERVICE = os.environ["CLUSTER"], os.environ["SERVICE"]
QUEUE, CALL = os.environ.get("QUEUE"), 5


def surging(at: float) -> bool:
    """Whether a moment is in a surge."""
    return any(0 <= at - START - offset < PLAN["surge"] for offset in PLAN["offsets"])


def rate(at: float) -> float:
    """Return the requests per second that a task says it has."""
    return float(PLAN["target"] * (PLAN["factor"] if surging(at) else PLAN["calm"]))


def burn() -> None:
    """Use as much of the CPU as the load would: all of it in a surge."""
    while True:
        busy = 1.0 if surging(time.time()) else PLAN["calm"] * 0.6
        end = time.perf_counter() + 0.1 * busy
        while time.perf_counter() < end:
            pass
        time.sleep(0.1 * (1 - busy))


def ask(sqs: Any, at: float) -> None:
    """Ask the scaler for a look, as the publisher does."""
    resource, moment = f"service/{CLUSTER}/{SERVICE}", datetime.fromtimestamp(at, UTC)
    group = hashlib.sha256(resource.encode()).hexdigest()[:32]
    body = {"resource_id": resource, "at": moment.isoformat(timespec="milliseconds")}
    sqs.send_message(
        QueueUrl=QUEUE,
        MessageBody=json.dumps(body),
        MessageGroupId=group,
        MessageDeduplicationId=f"{group}-{int(at) // 2}",
    )


def publish(cloudwatch: Any, seconds: list[int]) -> None:
    """Publish whole seconds, in one call."""
    names = {"ClusterName": CLUSTER, "ServiceName": SERVICE}
    data = [
        {
            "MetricName": "RequestsPerSecond",
            "Dimensions": [{"Name": key, "Value": value} for key, value in names.items()],
            "Timestamp": datetime.fromtimestamp(second, UTC),
            "Value": rate(second),
            "StorageResolution": 1,
        }
        for second in seconds
    ]
    namespace = f"Quickstep/{CLUSTER}/{SERVICE}"
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)


def main() -> None:
    """Publish every 5 s, and at once when a surge is felt, for two seconds of it."""
    cloudwatch, sqs = boto3.client("cloudwatch"), boto3.client("sqs")
    threading.Thread(target=burn, daemon=True).start()
    pending: list[int] = []
    was = False
    while True:
        now = int(time.time())
        pending.append(now - 1)
        felt = surging(now - 2) and not was
        was = surging(now - 2)
        if felt or now % CALL == CALL - 1:
            publish(cloudwatch, pending)
            pending = []
        if felt and QUEUE:
            ask(sqs, time.time())
        time.sleep(max(0.0, now + 1 - time.time()))


if __name__ == "__main__":
    main()
