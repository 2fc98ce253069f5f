"""The `quickstep` command. Each sub-command is imported when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from quickstep_cli import __version__
from quickstep_cli.lazy import Lazy, group_of

_TRAFFIC = "traffic:SCENARIO_HELP"
_OPERATE = "Operate deployed targets"
_DOCUMENTS = "Policy documents"

COMMANDS = {
    "dashboard": Lazy(
        "Show scaling decisions in the browser. Changes nothing; press Ctrl-C to stop."
    ),
    "demo": Lazy(
        "Watch a three-minute surge in one minute: the real scaler next to models of AWS's.",
        epilog=_TRAFFIC,
    ),
    "explain": Lazy("Decide each case and print the decision, or the error, as one JSON line."),
    "validate": Lazy(
        "Check policy documents, list every problem, and exit with 1 if there is any."
    ),
    "simulate": Lazy(
        "Simulate one scaler on a scenario or your own traffic, and show what it does and why.",
        epilog=_TRAFFIC,
        place="compare:simulate",
    ),
    "compare": Lazy(
        "Simulate Quickstep next to models of AWS's scalers, on a scenario or your own traffic.",
        epilog=_TRAFFIC,
    ),
    "tune": Lazy(
        "Search for the policy that reaches your success rate with the fewest task-hours.",
        epilog=_TRAFFIC,
    ),
    "cost": Lazy(
        "Estimate the monthly cost of scaling a service, line by line, next to AWS's scalers.",
        epilog=_TRAFFIC,
    ),
    "prove": Lazy(
        "Measure Quickstep beside AWS's scalers on your account; by default, say what it takes."
    ),
    "status": Lazy(
        "Show targets: capacity, alarms, cooldowns, overrides, pauses, and the last decision.",
        _OPERATE,
    ),
    "decisions": Lazy(
        "Show a target's decisions, oldest first. --json prints a JSON line each, with its trail.",
        _OPERATE,
    ),
    "describe": Lazy(
        "Show one target on one screen: bounds, tasks, alarms, overrides, pauses and events.",
        _OPERATE,
    ),
    "why": Lazy(
        "Explain in a paragraph why a target had its number of tasks, with the evidence.", _OPERATE
    ),
    "replay": Lazy(
        "Replay a recorded decision with changes, and show what it would have done, and why.",
        _OPERATE,
    ),
    "pause": Lazy(
        "Stop scaling a target for a while. Capacity stays as it is; `scale` still works.",
        _OPERATE,
        place="operate:pause",
    ),
    "resume": Lazy(
        "End a pause. Alarms in breach take effect at once.", _OPERATE, place="operate:resume"
    ),
    "override": Lazy(
        "Override a target's minimum, maximum or both for a while. Capacity follows at once.",
        _OPERATE,
        place="operate:override",
    ),
    "scale": Lazy(
        "Set a target's capacity once, within its current bounds. Policies continue from there.",
        _OPERATE,
        place="operate:scale",
    ),
    "doctor": Lazy(
        "Check deployed targets end to end, say what to fix, and exit with 1 on a problem.",
        _OPERATE,
    ),
    "export": Lazy(
        "Write a target's decisions to a file that `compare` and `simulate` can replay.",
        _OPERATE,
        place="decisions:export",
    ),
    "init": Lazy(
        "Propose a policy for a running service, and write the files that deploy it as a dry run.",
        _DOCUMENTS,
    ),
    "shadow": Lazy(
        "Compare what a dry run would have done with what Application Auto Scaling did, and when.",
        _DOCUMENTS,
    ),
    "promote": Lazy(
        "Hand a service over from Application Auto Scaling to Quickstep; --back reverses it.",
        _DOCUMENTS,
    ),
    "import": Lazy(
        "Convert a service's Application Auto Scaling policies to a policy document and alarms.",
        _DOCUMENTS,
        place="imports:import_",
    ),
    "diff": Lazy(
        "Compare documents with the deployed ones; exit with 1 if any differs.",
        _DOCUMENTS,
        place="documents:diff",
    ),
    "apply": Lazy(
        "Deploy policy documents if all are valid. They take effect within 90 s by default.",
        _DOCUMENTS,
        place="documents:apply",
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
