"""`quickstep demo`: watch the scaler answer a surge, without an AWS account."""

from __future__ import annotations

import shlex
import sys
import tempfile
from dataclasses import replace
from functools import partial
from typing import IO, TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from quickstep_cli.extra import needs_lab
from quickstep_cli.page import NoOpen, Port, served
from quickstep_cli.traffic import (
    FromOption,
    MultiplyOption,
    ScenarioOption,
    TrafficOption,
    chosen_traffic,
)
from quickstep_lab.files import ONE_NUMBER_POLICY
from quickstep_lab.page.feed import Feed
from quickstep_lab.page.sources import demo_material
from quickstep_lab.service_model import CAPACITY, START_UP
from quickstep_lab.snapshot import Plan
from quickstep_lab.traffic import ScenarioName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickstep_lab.race import Race
    from quickstep_lab.snapshot import Snapshot

_DAY = 24 * 3600


@needs_lab
def demo(
    *,
    scenario: ScenarioOption = None,
    traffic: TrafficOption = None,
    multiply: MultiplyOption = 1.0,
    start: FromOption = 0,
    seconds: Annotated[int, typer.Option(min=10, max=_DAY, help="Length of the race.")] = 210,
    start_up: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds from a task's launch until it serves.")
    ] = START_UP,
    task_capacity: Annotated[
        float, typer.Option(min=1, max=1e6, help="Requests per second that a task can serve.")
    ] = CAPACITY,
    log: Annotated[
        typer.FileTextWrite | None,
        typer.Option(
            mode="a",
            lazy=False,
            encoding="utf-8",
            help="File for the scaler's log and metric lines; a temporary one by default.",
        ),
    ] = None,
    no_surge: Annotated[
        bool, typer.Option("--no-surge", help="Tasks do not report surges: only the alarm reacts.")
    ] = False,
    stay: Annotated[
        bool | None,
        typer.Option(
            "--stay/--no-stay",
            help="Keep the service running after the race until Ctrl-C, to try commands on it.",
            show_default="stay in a terminal",
        ),
    ] = None,
    port: Port = 0,
    no_open: NoOpen = False,
) -> None:
    """Watch a three-minute surge in one minute: the real scaler next to models of AWS's.

    Shows it live in the terminal and on a page on 127.0.0.1. The scaler is the real code on an
    embedded AWS. Exits with 1 if a surge was not answered.
    """
    played = chosen_traffic(
        scenario,
        traffic,
        multiply=multiply,
        start=start,
        end=start + seconds if traffic is None else None,
        default=ScenarioName.SURGE_180S,
    )
    console = Console()
    with console.status("Loading"):
        # A slow import that the other commands need not wait for.
        from quickstep_cli.invitation import invitation  # noqa: PLC0415
        from quickstep_lab.demo import SERVICE, play_on_embedded_aws  # noqa: PLC0415
    plan = Plan(
        played, seconds, start_up, task_capacity, surges=not no_surge, policy=ONE_NUMBER_POLICY
    )
    feed = Feed(partial(demo_material, SERVICE.resource_id, plan, ()))

    def publish(snapshots: Sequence[Snapshot], race: Race) -> None:
        shown = replace(plan, seconds=max(plan.seconds, len(snapshots)))
        feed.publish(partial(demo_material, SERVICE.resource_id, shown, tuple(snapshots)), race)

    def invite(endpoint_url: str, snapshots: Sequence[Snapshot]) -> None:
        for line in invitation(sys.argv[0], SERVICE, endpoint_url, snapshots):
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    stays = console.is_terminal if stay is None else stay
    with log or _temporary_log() as file:
        with served(feed, console, port, path="race", no_open=no_open):
            summary = play_on_embedded_aws(plan, console, file, publish, invite if stays else None)
        # Repeats how this command was called: `make demo` puts no `quickstep` on the PATH.
        again = shlex.join([sys.argv[0], "dashboard", "--log", file.name])
        console.print(f"Look again    {again}", markup=False, highlight=False, soft_wrap=True)
    if summary.unanswered:
        raise typer.Exit(1)


def _temporary_log() -> IO[str]:
    return tempfile.NamedTemporaryFile(
        "a", encoding="utf-8", prefix="quickstep-demo-", suffix=".log", delete=False
    )
