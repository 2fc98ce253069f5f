"""The `quickstep` command: one sub-command a module."""

from __future__ import annotations

import typer

from cli.compare import compare, simulate
from cli.dashboard import dashboard
from cli.demo import demo
from cli.explain import explain
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
