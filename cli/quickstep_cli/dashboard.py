"""`quickstep dashboard`: scaling decisions in the browser, from a deployed table or a saved log."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from quickstep.naming import RESOURCE_ID_RULE, parse_resource_id
from quickstep.protocol.ports import CallFailedError
from quickstep.report.dashboard.page import Printed, document
from quickstep.report.dashboard.view import Look, build_view
from quickstep.report.language import ENGLISH
from quickstep_cli.languages import LangOption, chosen
from quickstep_cli.machine_zone import MachineZone
from quickstep_cli.options import file_option
from quickstep_cli.page import NoOpen, Port, served
from quickstep_lab.page.feed import Feed
from quickstep_lab.page.sources import LogError, read_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from quickstep.report.dashboard.deployed import Deployed
    from quickstep.report.dashboard.material import Material
    from quickstep.report.language import Language

POLL_SECONDS = 5

MOST_PRINTED = 2_000
"""Maximum decisions in a written page: more slow a browser down."""
PRINTED_WIDTHS = (1200, 340)
"""The drawing's width in pixels: a file is not redrawn for the window that shows it."""
_STALE = "The decisions are as of"


def dashboard(
    *,
    service: Annotated[
        str | None,
        typer.Argument(help="service/<cluster>/<service>; with --log, one in that file."),
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="Table to read decisions from: the stack's output TableName.")
    ] = None,
    log: Annotated[
        Path | None,
        file_option(
            help="Read decisions from a file instead: the scaler's log, or one record per line."
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write the page to a file instead of serving it."),
    ] = None,
    minutes: Annotated[
        int, typer.Option(min=1, max=30 * 24 * 60, help="How far back to read the table.")
    ] = 60,
    profile: Annotated[str | None, typer.Option(help="AWS profile.")] = None,
    region: Annotated[str | None, typer.Option(help="AWS Region.")] = None,
    endpoint_url: Annotated[str | None, typer.Option(help="Endpoint of an emulated AWS.")] = None,
    lang: LangOption = None,
    port: Port = 0,
    no_open: NoOpen = False,
) -> None:
    """Show scaling decisions in the browser. Changes nothing; press Ctrl-C to stop."""
    if (log is None) == (table is None):
        raise typer.BadParameter("give either --table or --log")
    if lang is not None and html is None:
        why = "requires --html: a served page uses the browser's language"
        raise typer.BadParameter(why, param_hint="--lang")
    if service is not None and parse_resource_id(service) is None:
        raise typer.BadParameter(f"SERVICE {RESOURCE_ID_RULE}, not {service}")
    if log is not None:
        material = _from_log(log, service)
        _show(lambda: material, html, port, chosen(lang), no_open=no_open)
        return
    assert table is not None  # noqa: S101 - one of both is given
    if service is None:
        raise typer.BadParameter("SERVICE is needed with --table, like service/prod/web")
    deployed = _deployed(table, profile, region, endpoint_url)
    span = timedelta(minutes=minutes)

    def read() -> Material:
        now = datetime.now(UTC)
        return deployed.material(service, now - span, now, now)

    _show(read, html, port, chosen(lang), no_open=no_open, live=True)


def _from_log(file: Path, service: str | None) -> Material:
    try:
        with file.open(encoding="utf-8") as lines:
            found = {material.resource_id: material for material in read_log(file.name, lines)}
    except (LogError, UnicodeDecodeError) as error:
        raise typer.BadParameter(str(error)) from None
    if service is None and len(found) > 1:
        raise typer.BadParameter(f"name one of the services in {file.name}: {', '.join(found)}")
    material = found.get(service) if service else next(iter(found.values()))
    if material is None:
        raise typer.BadParameter(f"{file.name} has {', '.join(found)}, not {service}")
    return material


def _deployed(
    table: str, profile: str | None, region: str | None, endpoint_url: str | None
) -> Deployed:
    import boto3  # noqa: PLC0415 - a slow import that the other commands need not wait for
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    from quickstep.wiring import make_dashboard  # noqa: PLC0415

    try:
        session = boto3.Session(profile_name=profile, region_name=region)
        return make_dashboard(table, partial(session.client, endpoint_url=endpoint_url))
    except (BotoCoreError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None


def _show(
    read: Callable[[], Material],
    html: Path | None,
    port: int,
    say: Language,
    *,
    no_open: bool,
    live: bool = False,
) -> None:
    console = Console()
    try:
        newest = read()
    except CallFailedError as error:
        console.print(f"Cannot read the decisions: {error}", markup=False, style="red")
        raise typer.Exit(1) from None
    if html is not None:
        try:
            html.write_text(printed(newest, MachineZone(), say), encoding="utf-8")
        except OSError as error:
            raise typer.BadParameter(f"--html {html}: {error.strerror}") from None
        console.print(f"Written: {html}", markup=False, highlight=False, soft_wrap=True)
        return
    feed = Feed(partial(_itself, newest), live=live)
    with served(feed, console, port, no_open=no_open):
        try:
            while True:
                time.sleep(POLL_SECONDS)
                if live:
                    newest = _anew(read, newest)
                    feed.publish(partial(_itself, newest))
        except KeyboardInterrupt:
            console.print("Ended.")


def _anew(read: Callable[[], Material], before: Material) -> Material:
    """Return what can be read now, or else what was read before, and why."""
    try:
        return read()
    except CallFailedError as error:
        kept = tuple(note for note in before.notes if not note.startswith(_STALE))
        note = f"{_STALE} {before.end:%H:%M:%S} UTC. They cannot be read again: {error}"
        return replace(before, notes=(*kept, note))


def _itself(material: Material) -> Material:
    return material


def printed(material: Material, zone: tzinfo, say: Language = ENGLISH) -> str:
    """Return the page as a file, in a zone and a language; it needs no server."""
    total = len(material.entries)
    if total > MOST_PRINTED:
        note = f"The table has the newest {MOST_PRINTED:,} of {total:,} decisions."
        material = replace(material, notes=(*material.notes, note))
    look = Look(zone=zone, page_size=MOST_PRINTED, everything=True, say=say)
    wide, narrow = (build_view(material, replace(look, width=width)) for width in PRINTED_WIDTHS)
    return document(wide, Printed(), narrow=narrow)
