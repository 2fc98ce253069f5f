"""What to try on a demo that keeps running: commands to paste into another terminal."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from quickstep.engine.outcome import Outcome
from quickstep_lab.embedded_aws import REGION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quickstep.naming import ServiceName
    from quickstep_lab.snapshot import Snapshot

_REASON = ("--for", "5m", "--reason", "trying the demo", "--yes")


def invitation(
    program: str, service: ServiceName, endpoint_url: str, snapshots: Sequence[Snapshot]
) -> list[str]:
    """Return the text to print; each indented line can be pasted into a shell.

    Args:
        program: how to call `quickstep`, since `make demo` puts none on the PATH.
        service: the demo's.
        endpoint_url: where its AWS answers.
        snapshots: the run; the question is about its first change.
    """
    return [
        "The service is up until you press Ctrl-C here. In another terminal, paste this first:",
        "",
        f"  {exports(endpoint_url)}",
        "",
        *_tried(program, f"{service.cluster}/{service.service}", snapshots),
        "Watch them on the page. Close that terminal afterwards: its AWS is the demo's.",
    ]


def exports(endpoint_url: str) -> str:
    """Return the line that points a shell at an embedded AWS, away from any real account."""
    return (
        f"export AWS_ENDPOINT_URL={shlex.quote(endpoint_url)} AWS_REGION={REGION} "
        f"AWS_DEFAULT_REGION={REGION} AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo"
    )


def _tried(program: str, target: str, snapshots: Sequence[Snapshot]) -> Iterator[str]:
    for said, arguments in (
        ("Why did it scale?", ["why", target, "--at", _first_change(snapshots)]),
        ("Stop scaling for a while, then resume:", ["pause", target, *_REASON]),
        ("", ["resume", target, "--yes"]),
        ("Have at least 12 tasks, at once:", ["override", target, "--min", "12", *_REASON]),
    ):
        if said:
            yield said
        yield f"  {shlex.join([program, *arguments])}"
        yield ""


def _first_change(snapshots: Sequence[Snapshot]) -> str:
    """Return the time of the first capacity change, in this machine's zone."""
    changes = (
        snapshot.at
        for snapshot in snapshots
        for record in snapshot.decisions
        if Outcome(record["outcome"]).changes_capacity
    )
    return f"{next(changes, snapshots[-1].at).astimezone():%H:%M:%S}"
