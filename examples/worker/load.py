"""A burst: a few jobs a second for a minute, many more for another, and few again.

    python examples/worker/load.py https://sqs.eu-west-1.amazonaws.com/123456789012/jobs

Each second it sends jobs and prints how many wait. Change it with CALM and JOLT (jobs a second) and
LENGTH (a factor for the seconds): LENGTH=0.1 is a trial of half a minute.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3

CALM = float(os.environ.get("CALM", "1"))
JOLT = float(os.environ.get("JOLT", "12"))
LENGTH = float(os.environ.get("LENGTH", "1"))
STAGES = ((60, CALM), (120, JOLT), (300, CALM))
"""The end of each stage in seconds, and its jobs a second."""
BATCH = 10


def jobs(length: float = LENGTH) -> Iterator[int]:
    """Yield how many jobs to send in each second."""
    owed = 0.0
    for second in range(int(STAGES[-1][0] * length)):
        owed += next(rate for until, rate in STAGES if second < until * length)
        yield int(owed)
        owed -= int(owed)


def send(sqs: Any, url: str, count: int) -> None:
    """Send `count` jobs."""
    for start in range(0, count, BATCH):
        entries = [
            {"Id": str(number), "MessageBody": f"job {number}"}
            for number in range(start, min(count, start + BATCH))
        ]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)


def run(
    sqs: Any, url: str, counts: Iterator[int], sleep: Callable[[float], None] = time.sleep
) -> int:
    """Send all jobs, one second's at a time; return how many were sent."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    sent = 0
    for second, count in enumerate(counts):
        send(sqs, url, count)
        sent += count
        seen = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        waiting, working = (seen[name] for name in names)
        sys.stdout.write(f"{second:4} s: {sent} sent, {waiting} wait, {working} in flight\n")
        sleep(1)
    return sent


if __name__ == "__main__":
    run(boto3.client("sqs"), sys.argv[1], jobs())
