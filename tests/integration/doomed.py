"""An instance of the function that stops in the middle of an evaluation, to be killed there.

python -m tests.integration.doomed ENDPOINT QUEUE_URL NOW WHERE CALL < event

It says so on standard output and hangs at WHERE (`before-call`, `after-call`) of CALL.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import datetime
from typing import NoReturn

import boto3

from quickstep_lab.embedded_aws import REGION, Account
from tests.integration.scene import a_door, elsewhere, on_call

STOPPED = b"stopped\n"


def main() -> None:
    """Evaluate the event, up to where to stop."""
    endpoint_url, queue_url, now, where, call = sys.argv[1:]
    session = boto3.Session("doomed", "doomed", region_name=REGION)
    clock = datetime.fromisoformat(now)
    door = a_door(Account(session, endpoint_url, elsewhere=elsewhere()), queue_url, lambda: clock)
    on_call(door, where, call, stop)
    door.on_event(json.load(sys.stdin))


def stop() -> NoReturn:
    """Hang, in whichever thread the call is made; the others must not go on for long either."""
    os.write(1, STOPPED)
    while True:
        signal.sigwait({signal.SIGUSR1})


if __name__ == "__main__":
    main()
