"""The `quickstep` command: one sub-command a module."""

from __future__ import annotations

import typer

from cli.compare import compare, simulate
from cli.cost import cost
from cli.dashboard import dashboard
from cli.decisions import decisions, export
from cli.demo import demo
from cli.doctor import doctor
from cli.documents import apply, diff
from cli.explain import explain
from cli.imports import import_
from cli.operate import override, pause, resume, scale
from cli.status import status
from cli.traffic import SCENARIO_HELP
from cli.tune import tune
from cli.validate import validate

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
app.command("import", rich_help_panel=ADOPT)(import_)
app.command(rich_help_panel=ADOPT)(diff)
app.command(rich_help_panel=ADOPT)(apply)
