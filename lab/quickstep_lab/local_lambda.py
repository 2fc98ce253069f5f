"""Run the built function on this machine, without Docker, with Lambda's real Runtime API.

SAM ships the Lambda Runtime Interface Emulator for use in a container; here it runs natively. It
speaks the Runtime API to AWS's runtime client in a virtual environment of the runtime's Python.
Code and layers are laid out as in Lambda. Handler and environment come from the built template
through SAM's own resolver, so what SAM would drop or blank is dropped or blank here too.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
import samcli  # type: ignore[import-untyped]
from samcli.lib.providers.sam_function_provider import (  # type: ignore[import-untyped]
    SamFunctionProvider,
)
from samcli.lib.providers.sam_stack_provider import (  # type: ignore[import-untyped]
    SamLocalStackProvider,
)
from samcli.local.lambdafn.env_vars import EnvironmentVariables  # type: ignore[import-untyped]

from quickstep_lab.build import NO_RUNTIME_PYTHON, runtime_python
from quickstep_lab.files import ROOT
from quickstep_lab.sam import BUILT_TEMPLATE, FUNCTION, RUNTIME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLES = ROOT / "events" / "env.json"
LOCK = ROOT / "requirements-runtime.lock"
RUNTIME_VENV = ROOT / ".venv-runtime"

_LOOPBACK = "127.0.0.1"
_INVOCATIONS = "2015-03-31/functions/function/invocations"
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_FROM_LOCK = ("--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps")
_START_SECONDS = 30
"""For imports on a slow machine; the function's own timeout starts after them."""


class LocalLambdaError(Exception):
    """The function could not be run; the message is for the user."""


@dataclass(frozen=True, slots=True)
class BuiltFunction:
    """A function as `sam build` left it: its configuration for Lambda, and its files' location."""

    handler: str
    task_root: Path
    layers: tuple[Path, ...]
    environment: Mapping[str, str]
    timeout: int


def runs_here() -> bool:
    """Return whether the emulator and a Python of the function's runtime run on this machine."""
    known = platform.system() == "Linux" and platform.machine().lower() in _MACHINES
    return known and runtime_python() is not None


def built_function(endpoint_url: str) -> BuiltFunction:
    """Return the built scaler, as `sam local invoke` with the same parameter would see it."""
    stacks, _ = SamLocalStackProvider.get_stacks(
        str(BUILT_TEMPLATE), parameter_overrides={"EndpointUrl": endpoint_url}
    )
    function = SamFunctionProvider(stacks).get(FUNCTION)
    if function is None:
        raise LocalLambdaError(f"{BUILT_TEMPLATE} has no function {FUNCTION}")
    variables = EnvironmentVariables(
        function.name,
        function.memory,
        function.timeout,
        function.handler,
        function.logging_config,
        variables=function.environment["Variables"],
        override_values=json.loads(VARIABLES.read_text(encoding="utf-8"))[FUNCTION],
    )
    return BuiltFunction(
        function.handler,
        Path(function.codeuri),
        tuple(Path(layer.codeuri) for layer in function.layers),
        variables.resolve(),
        function.timeout,
    )


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running function that waits for events."""

    url: str
    timeout: float
    log: Path

    def invoke(self, event: str) -> Any:
        """Return the function's answer to an event, or Lambda's report of its exception.

        Raises:
            LocalLambdaError: there was no such answer, as after a timeout.
        """
        answer = requests.post(self.url, data=event.encode(), timeout=self.timeout)
        try:
            return answer.json()
        except requests.JSONDecodeError:
            log = self.log.read_text(encoding="utf-8")
            raise LocalLambdaError(
                f"the function's answer is not JSON: {answer.text}\n{log}"
            ) from None


@contextmanager
def emulator(function: BuiltFunction) -> Iterator[Emulator]:
    """Run a built function under the Runtime Interface Emulator until the block ends.

    Raises:
        LocalLambdaError: this machine lacks a prerequisite, or the emulator did not start.
    """
    program, python = _emulator_program(), runtime_client()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="quickstep-")))
        runtime_api, address = _free_addresses()
        log = scratch / "log"
        process = subprocess.Popen(  # noqa: S603 - SAM's own binary
            [
                *(program, "--log-level", "error"),
                *("--runtime-api-address", runtime_api),
                *("--runtime-interface-emulator-address", address),
                *(python, "-m", "awslambdaric", function.handler),
            ],
            cwd=function.task_root,
            env=laid_out(function, scratch / "opt"),
            stdout=stack.enter_context(log.open("wb")),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        stack.callback(_stop, process)
        _await_listener(address, process, log)
        yield Emulator(f"http://{address}/{_INVOCATIONS}", _START_SECONDS + function.timeout, log)


def laid_out(function: BuiltFunction, opt: Path) -> dict[str, str]:
    """Lay out a function's layers in `opt` as Lambda does; return the environment to run it in.

    There is one /opt, where a later layer overwrites an earlier. Lambda's order on the path: the
    function, the layers, then the runtime's own packages (boto3). Nothing from this machine's
    environment is in it: no credentials, no proxy.
    """
    for layer in function.layers:
        shutil.copytree(layer, opt, dirs_exist_ok=True)
    path = [function.task_root, opt / "python/lib" / RUNTIME / "site-packages", opt / "python"]
    return {
        **function.environment,
        "LAMBDA_TASK_ROOT": str(function.task_root),
        "PYTHONPATH": os.pathsep.join(str(folder) for folder in path),
        "PYTHONDONTWRITEBYTECODE": "1",  # keeps the build as built for a later deployment
        "PATH": os.defpath,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
    }


def _emulator_program() -> Path:
    machine = _MACHINES.get(platform.machine().lower())
    if sys.platform != "linux" or machine is None:
        raise LocalLambdaError(
            "the Lambda Runtime Interface Emulator runs on Linux, x86_64 or arm64, not on "
            f"{sys.platform} {platform.machine()}; start Docker, and the function runs there"
        )
    return Path(samcli.__file__).parent / "local" / "rapid" / f"aws-lambda-rie-{machine}"


def runtime_client() -> Path:
    """Return the Python of `.venv-runtime`, created if missing or if its lock has changed."""
    python, stamp = RUNTIME_VENV / "bin" / "python", RUNTIME_VENV / "installed.lock"
    if stamp.is_file() and stamp.read_bytes() == LOCK.read_bytes():
        return python
    base = runtime_python()
    if base is None:
        raise LocalLambdaError(f"Without Docker, {RUNTIME} runs the function. {NO_RUNTIME_PYTHON}")
    _run(base, "-m", "venv", "--clear", RUNTIME_VENV)
    _run(python, "-m", "pip", "install", *_FROM_LOCK, "-r", LOCK)
    stamp.write_bytes(LOCK.read_bytes())
    return python


def _run(*command: str | Path) -> None:
    done = subprocess.run(  # noqa: S603 - an interpreter of this machine
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise LocalLambdaError(f"{' '.join(map(str, command))} failed:\n{done.stdout}")


def _free_addresses() -> list[str]:
    """Return two loopback addresses that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for held in sockets:  # all held at once, so that they differ
            held.bind((_LOOPBACK, 0))
        return [f"{_LOOPBACK}:{held.getsockname()[1]}" for held in sockets]


def _await_listener(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the emulator accepts connections."""
    host, port = address.split(":")
    for _ in range(_START_SECONDS * 10):
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            try:
                process.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            raise LocalLambdaError(f"the emulator did not start:\n{log.read_text()}") from None
        else:
            return
    raise LocalLambdaError(f"the emulator does not listen on {address}:\n{log.read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the emulator and the runtime that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
