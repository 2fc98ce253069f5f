"""ministack as a process of its own, and the stack deployed on it by `sam deploy`.

An AWS that the scaler's authors did not write against: CloudFormation, IAM, Lambda, EventBridge,
its Scheduler and SQS's event source are ministack's, and the roles are enforced. What it lacks is
in `shims.py`. It lives in `.venv-emulator`, which `make emulator` sets up; loopback only.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import requests

from quickstep_lab.embedded_aws import REGION, Account
from quickstep_lab.files import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ENVIRONMENT = ROOT / ".venv-emulator"
SHIMS = Path(__file__).parent / "shims.py"
BUILD = ROOT / ".cache" / "emulator"
"""Not `.aws-sam`, which belongs to the tests of `make invoke`."""
NO_EMULATOR = "ministack is not installed in .venv-emulator: `make emulator` does it, from PyPI"
"""Why tests are skipped."""

ROOT_KEY = "test"
"""What ministack takes for the account's root, whose calls it does not check."""
START_UP = 4
"""Seconds from a task's launch until DescribeTasks shows it as running."""
_START_SECONDS = 30
_STOP_SECONDS = 10


def is_installed() -> bool:
    """Whether `make emulator` has set ministack up."""
    return (_ENVIRONMENT / "installed").exists()


@contextmanager
def ministack(folder: Path) -> Iterator[Account]:
    """Serve an empty account on a free loopback port, with the shims; its log goes to `folder`."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
        "PLANTED_START_UP": str(START_UP),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "TMPDIR": str(folder),
    }
    log = folder / "ministack.log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - what `make emulator` has installed
            [_ENVIRONMENT / "bin" / "python", SHIMS],
            stdout=out,
            stderr=out,
            env=environment,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _await_health(url, process, log)
        yield Account(session(ROOT_KEY, ROOT_KEY), url)
    finally:
        _stop(process)


def session(key: str, secret: str, token: str | None = None) -> boto3.Session:
    """Return a session of one of the account's callers."""
    return boto3.Session(
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        region_name=REGION,
    )


def _await_health(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(_START_SECONDS * 10):
        try:
            requests.get(f"{url}/_ministack/health", timeout=1).raise_for_status()
        except requests.RequestException:
            if process.poll() is not None:
                break
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"ministack does not serve:\n{log.read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and the functions that it has started."""
    process.terminate()
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that is deployed: where, its name, and what CloudFormation says of it."""

    account: Account
    name: str
    outputs: Mapping[str, str]

    def physical(self, logical: str) -> str:
        """Return the physical id of one of its resources."""
        answer = self.account.client("cloudformation").describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical
        )
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])


def build() -> None:
    """`sam build`, into a folder of its own."""
    from quickstep_lab.build import runtime_python  # noqa: PLC0415 - it wants SAM

    python = runtime_python()
    path = os.environ.get("PATH", os.defpath)
    folders = ("--build-dir", BUILD / "build", "--cache-dir", BUILD / "cache")
    _sam("build", *folders, PATH=f"{python.parent}{os.pathsep}{path}" if python else path)


def deploy(account: Account, name: str, *options: str, **parameters: Any) -> Stack:
    """`sam deploy`: make the stack, or update it; return it as it is then.

    `options` replace the template that `build` has built by another.
    """
    template = options or ("--template-file", str(BUILD / "build" / "template.yaml"))
    _sam(
        "deploy",
        *template,
        "--stack-name",
        name,
        "--config-file",
        ROOT / "samconfig.toml",
        "--parameter-overrides",
        *(f"{key}={value}" for key, value in parameters.items()),
        AWS_ENDPOINT_URL=account.endpoint_url,
        AWS_ACCESS_KEY_ID=ROOT_KEY,
        AWS_SECRET_ACCESS_KEY=ROOT_KEY,
    )
    (stack,) = account.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return Stack(
        account, name, {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
    )


def delete(stack: Stack) -> None:
    """Delete a stack, and wait for it: `sam delete` parses URLs of AWS's own only."""
    client = stack.account.client("cloudformation")
    client.delete_stack(StackName=stack.name)
    client.get_waiter("stack_delete_complete").wait(
        StackName=stack.name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def _sam(*arguments: str | Path, **environment: str) -> None:
    done = subprocess.run(  # noqa: S603 - this environment's own SAM
        [sys.executable, "-m", "samcli", *arguments],
        cwd=ROOT,
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": os.environ.get("HOME", os.sep),
            "AWS_DEFAULT_REGION": REGION,
            "SAM_CLI_TELEMETRY": "0",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"sam {arguments[0]} failed:\n{done.stdout}")
