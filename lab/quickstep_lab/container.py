"""Run the built function in a container, if Docker is usable: `sam local invoke`."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from quickstep_lab.embedded_aws import served
from quickstep_lab.sam import FUNCTION, sam

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class ContainerError(Exception):
    """The container did not answer; the message is for the user."""


def docker_answers() -> bool:
    """Return whether a Docker daemon is usable; having the command proves nothing."""
    return bool(_docker("info", "--format", "{{.ServerVersion}}"))


def _docker(*arguments: str) -> str:
    """Return a docker command's output; empty without Docker or its daemon."""
    docker = shutil.which("docker")
    if docker is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - found on PATH
            [docker, *arguments], capture_output=True, check=False, text=True, timeout=10
        )
    except subprocess.TimeoutExpired:
        return ""
    return "" if done.returncode else done.stdout.strip()


@contextmanager
def address_for_containers(endpoint_url: str) -> Iterator[str]:
    """Make the embedded AWS, which listens only on loopback, reachable from a container.

    Docker on Linux has a gateway address on this machine, where a second server can answer for the
    same account. Docker Desktop has a name for this machine's loopback instead.
    """
    gateway = _docker(
        "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"
    )
    if not _can_listen_on(gateway):
        yield f"http://host.docker.internal:{urlsplit(endpoint_url).port}"
        return
    with served(gateway) as reachable:
        yield reachable


def _can_listen_on(address: str) -> bool:
    if not address:
        return False
    try:
        with socket.socket() as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def sam_local_invoke(event: Path, variables: Path, endpoint_url: str) -> Any:
    """Return the function's answer to an event; its log lines go to standard error.

    Raises:
        ContainerError: SAM could not run it.
    """
    done = sam(
        *("local", "invoke", FUNCTION, "--event", event, "--env-vars", variables),
        *("--parameter-overrides", f"EndpointUrl={endpoint_url}"),
        stdout=subprocess.PIPE,
    )
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        raise ContainerError(
            f"sam local invoke answered no JSON, but {done.stdout!r}; its log is above. "
            "Without Docker: make invoke ARGS=--native"
        ) from None
