"""The `quickstep` command: its sub-commands, each imported when it is run."""

from __future__ import annotations

from typing import Annotated

import typer

from quickstep_cli import __version__
from quickstep_cli.lazy import Lazy, group_of

_TRAFFIC = "traffic:SCENARIO_HELP"
_OPERATE = "Operate what is deployed"
_DOCUMENTS = "Policy documents"

COMMANDS = {
    "dashboard": Lazy(
        "dashboard:dashboard",
        "Show scaling decisions in the browser; nothing is changed. Ctrl-C ends it.",
    ),
    "demo": Lazy(
        "demo:demo",
        "Watch a surge of three minutes, played in one: the real scaler beside models of AWS's.",
        epilog=_TRAFFIC,
    ),
    "explain": Lazy(
        "explain:explain",
        "Decide each case and print the decision as one JSON line; a bad case gives its error.",
    ),
    "validate": Lazy(
        "validate:validate",
        "Check policy documents; list every problem of each, and exit with 1 if there is any.",
    ),
    "simulate": Lazy(
        "compare:simulate",
        "Play one scaler on a scenario or on your own traffic, and show what it does and why.",
        epilog=_TRAFFIC,
    ),
    "compare": Lazy(
        "compare:compare",
        "Play Quickstep beside models of AWS's scalers, on a scenario or on your own traffic.",
        epilog=_TRAFFIC,
    ),
    "tune": Lazy(
        "tune:tune",
        "Find the policy that fits: first the success rate, then the fewest task-hours.",
        epilog=_TRAFFIC,
    ),
    "cost": Lazy(
        "cost:cost",
        "Tell what scaling a service costs in a month, line by line, and beside AWS's scalers.",
        epilog=_TRAFFIC,
    ),
    "prove": Lazy(
        "prove:prove",
        "Measure Quickstep beside AWS's scalers on your account; by default, say what it takes.",
    ),
    "status": Lazy(
        "status:status",
        "Show targets: capacity, alarms, cooldowns, overrides, pauses, and the last decision.",
        _OPERATE,
    ),
    "decisions": Lazy(
        "decisions:decisions",
        "Show a target's decisions, oldest first; with --json one JSON line each, the trail in it.",
        _OPERATE,
    ),
    "describe": Lazy(
        "describe:describe",
        "Show all of one target on a screen: bounds, tasks, alarms, what is in force, events.",
        _OPERATE,
    ),
    "why": Lazy(
        "why:why",
        "Say in a paragraph why a target had the tasks it had, with the evidence below.",
        _OPERATE,
    ),
    "replay": Lazy(
        "replay:replay",
        "Make a recorded decision again with changes: what would it have done, and why.",
        _OPERATE,
    ),
    "pause": Lazy(
        "operate:pause",
        "Stop scaling a target for a while. `scale` still works; capacity stays as it is "
        "otherwise.",
        _OPERATE,
    ),
    "resume": Lazy(
        "operate:resume", "End a pause. Alarms that are in breach are answered at once.", _OPERATE
    ),
    "override": Lazy(
        "operate:override",
        "Replace a target's minimum, maximum or both for a while, and bring capacity within them.",
        _OPERATE,
    ),
    "scale": Lazy(
        "operate:scale",
        "Set a target's capacity once, within the bounds in force. The policies go on from there.",
        _OPERATE,
    ),
    "doctor": Lazy(
        "doctor:doctor",
        "Check deployed targets from end to end, and say what to fix; exit with 1 on a problem.",
        _OPERATE,
    ),
    "export": Lazy(
        "decisions:export",
        "Write a target's decisions to a file that `compare` or `simulate` can replay.",
        _OPERATE,
    ),
    "init": Lazy(
        "init:init",
        "Propose a policy for a running service, and write what deploys it as a dry run.",
        _DOCUMENTS,
    ),
    "shadow": Lazy(
        "shadow:shadow",
        "Show what a dry run would have done, beside what Application Auto Scaling did, and when.",
        _DOCUMENTS,
    ),
    "promote": Lazy(
        "promote:promote",
        "Let Quickstep scale a service in the place of Application Auto Scaling; --back "
        "gives it back.",
        _DOCUMENTS,
    ),
    "import": Lazy(
        "imports:import_",
        "Make a policy document and alarms of what Application Auto Scaling has for a service.",
        _DOCUMENTS,
    ),
    "diff": Lazy(
        "documents:diff",
        "Show how documents differ from those in force; exit with 1 if any does.",
        _DOCUMENTS,
    ),
    "apply": Lazy(
        "documents:apply",
        "Put policy documents in force, once all of them are valid; within 90 s by default.",
        _DOCUMENTS,
    ),
}

app = typer.Typer(
    name="quickstep",
    cls=group_of(COMMANDS),
    help="Step scaling for ECS Fargate services in seconds.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"quickstep {__version__}")
        raise typer.Exit


@app.callback()
def main(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Scale ECS Fargate services in seconds."""
