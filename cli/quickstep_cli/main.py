"""The `quickstep` command: one sub-command a module."""

from __future__ import annotations

import typer

from quickstep_cli.compare import compare, simulate
from quickstep_cli.cost import cost
from quickstep_cli.dashboard import dashboard
from quickstep_cli.decisions import decisions, export
from quickstep_cli.demo import demo
from quickstep_cli.doctor import doctor
from quickstep_cli.documents import apply, diff
from quickstep_cli.explain import explain
from quickstep_cli.imports import import_
from quickstep_cli.init import init
from quickstep_cli.operate import override, pause, resume, scale
from quickstep_cli.promote import promote
from quickstep_cli.shadow import shadow
from quickstep_cli.status import status
from quickstep_cli.traffic import SCENARIO_HELP
from quickstep_cli.tune import tune
from quickstep_cli.validate import validate

app = typer.Typer(
    name="quickstep",
    help="Step scaling for ECS Fargate services in seconds.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_show_locals=False,
)
app.command()(dashboard)
app.command(epilog=SCENARIO_HELP)(demo)
app.command()(explain)
app.command()(validate)
app.command(epilog=SCENARIO_HELP)(simulate)
app.command(epilog=SCENARIO_HELP)(compare)
app.command(epilog=SCENARIO_HELP)(tune)
app.command(epilog=SCENARIO_HELP)(cost)

OPERATE = "Operate what is deployed"
for command in (status, decisions, pause, resume, override, scale, doctor, export):
    app.command(rich_help_panel=OPERATE)(command)

ADOPT = "Policy documents"
for command in (init, shadow, promote):
    app.command(rich_help_panel=ADOPT)(command)
app.command("import", rich_help_panel=ADOPT)(import_)
app.command(rich_help_panel=ADOPT)(diff)
app.command(rich_help_panel=ADOPT)(apply)
