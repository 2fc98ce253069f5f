"""A worker to scale: takes one SQS message at a time, and works on it for two seconds."""

import logging
import os
import signal
import threading
import time

import boto3

from quickstep_publisher.protection import TaskProtection
from quickstep_publisher.sqs import Queue

WORK_SECONDS = float(os.environ.get("WORK_SECONDS", "2"))


def work(_body: str) -> None:
    """Do a job."""
    time.sleep(WORK_SECONDS)


def run(queue: Queue, stop: threading.Event, wait_seconds: int = 20) -> None:
    """Process a queue until `stop` is set; finish the current job."""
    while not stop.is_set():
        for message in queue.receive(MaxNumberOfMessages=1, WaitTimeSeconds=wait_seconds):
            with queue.job(message):
                work(message["Body"])


def main() -> None:
    """Run in a task that ECS does not stop while it works."""
    logging.basicConfig(level=logging.INFO)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    # Ten minutes, longer than any job takes. The protection of a task that hangs ends then.
    protection = TaskProtection(minutes=10)
    run(Queue(boto3.client("sqs"), os.environ["QUEUE_URL"], protection=protection), stop)


if __name__ == "__main__":
    main()
