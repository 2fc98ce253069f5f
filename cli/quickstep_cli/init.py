"""`quickstep init`: from a running service to a folder that deploys its target, as a dry run."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from quickstep.config import read_target as read_document
from quickstep_cli.aws import Aws, TargetArgument, YesOption, on_aws
from quickstep_cli.checks.facts import Unknown
from quickstep_cli.extra import INSTALL, has_lab
from quickstep_cli.facts import or_unknown
from quickstep_cli.failures import CommandError, Exit, shown
from quickstep_cli.proposal import (
    MOST_TASKS,
    REQUESTS_TARGET,
    Answers,
    App,
    NothingToWatchError,
    Signal,
    default_maximum,
    guessed_app,
    known_target,
    propose,
    signal_of,
)
from quickstep_cli.running import look_at
from quickstep_cli.starter import deploying, file_names, files_of, publishing
from quickstep_cli.targets import stored_document
from quickstep_cli.traffic import TrafficOption, chosen_traffic
from quickstep_lab.files import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from quickstep.naming import ServiceName
    from quickstep_cli.proposal import Proposal, Running
    from quickstep_lab.traffic import Traffic

_MODULE = Path("terraform") / "target"
_CAPACITY = {"min": 0, "max": MOST_TASKS}


@on_aws
def init(
    aws: Aws,
    service: TargetArgument,
    *,
    app: Annotated[
        App | None,
        typer.Option(
            help="Kind of application, to publish requests with one line; none leaves it alone.",
            show_default="asked, else none",
        ),
    ] = None,
    target_value: Annotated[
        float | None,
        typer.Option(
            min=1e-6,
            max=1e9 - 1,
            help="Load for one task, in the signal's unit.",
            show_default="what AAS or the last day says, else asked",
        ),
    ] = None,
    minimum: Annotated[
        int | None,
        typer.Option(
            "--min", **_CAPACITY, help="Minimum number of tasks.", show_default="AAS's, else 2"
        ),
    ] = None,
    maximum: Annotated[
        int | None,
        typer.Option(
            "--max", **_CAPACITY, help="Maximum number of tasks.", show_default="AAS's, else asked"
        ),
    ] = None,
    traffic: TrafficOption = None,
    terraform: Annotated[
        bool,
        typer.Option("--terraform", help="Write inputs for the Terraform module instead of SAM."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Folder to write to.", show_default="quickstep-CLUSTER-SERVICE"
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Overwrite the files of an earlier run.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Propose a policy for a running service, and write the files that deploy it as a dry run.

    Changes nothing in AWS. Asks at most three questions, and only what AWS cannot answer.
    """
    folder = out or Path(f"quickstep-{service.cluster}-{service.service}")
    _check(folder, minimum, maximum, terraform=terraform, again=again)
    played = chosen_traffic(None, traffic) if traffic else None
    given = Answers(app=app, target_value=target_value, minimum=minimum, maximum=maximum)
    console = Console(highlight=False)
    running = look_at(aws.asking_once(), service)
    for line in _found(running):
        console.print(escape(shown(line)), soft_wrap=True)
    assumed: list[str] = []

    def assume(option: str, _question: str, default: Any, _read: Any) -> None:
        assumed.append(f"{option} {default}")

    try:
        answers = _answered(running, given, assume if yes else _prompt)
        if assumed:
            console.print(f"Assumed without asking: {', '.join(assumed)}", soft_wrap=True)
        proposal = propose(running, answers)
    except NothingToWatchError as error:
        raise CommandError(Exit.NO, str(error)) from None
    target = read_document(dict(proposal.document))
    console.print(f"\n[bold]Proposed for {escape(service.resource_id)}[/]")
    for reason in proposal.reasons:
        console.print(escape(shown(f"- {reason}")), soft_wrap=True)
    if stored_document(aws, service) is not None:
        console.print(
            f"[yellow]![/] {escape(service.parameter)} exists: the service is already a target, "
            "and a second stack for it fails. Change it where it was made, or with quickstep apply",
            soft_wrap=True,
        )
    _simulate(console, running, target, played)
    commands = _commands(aws, service, running, proposal, folder, terraform=terraform)
    source, module = _module(folder) if terraform else (None, {})
    files = files_of(service, proposal, commands, source)
    _write(folder, files | module)
    also = [f"{_MODULE.name}/"] if module else []
    console.print(escape(f"\nWritten to {folder}: {', '.join([*files, *also])}"), soft_wrap=True)
    for line in _next(service, proposal, folder, commands):
        console.print(escape(line), soft_wrap=True)


def _check(
    folder: Path, minimum: int | None, maximum: int | None, *, terraform: bool, again: bool
) -> None:
    """Refuse bad arguments before calling AWS.

    Raises:
        typer.BadParameter: an option breaks a rule, or a file in the folder exists.
    """
    if minimum is not None and maximum is not None and minimum > maximum:
        rule = f"must be at least --min, {minimum}, not {maximum}"
        raise typer.BadParameter(rule, param_hint="--max")
    there = [name for name in file_names(terraform=terraform) if (folder / name).exists()]
    if there and not again:
        rule = f"{folder} already has {', '.join(there)}; --again overwrites"
        raise typer.BadParameter(rule, param_hint="--out")


# --- what is known, and what to ask ---------------------------------------------------------------


def _found(running: Running) -> Iterator[str]:
    """Yield the findings, one line each, and name what could not be read."""
    yield f"{running.service.resource_id}: {running.desired} tasks desired"
    size = f" ({running.image_bytes / 1e6:.0f} MB)" if running.image_bytes else ""
    yield (
        f"  image {running.image or 'not known'}{size}, {running.size.vcpu:g} vCPU, "
        f"{running.size.memory:g} GB"
    )
    if running.bounds:
        low, high = running.bounds
        names = ", ".join(running.policies) or "no policy"
        yield f"  Application Auto Scaling: {low} to {high} tasks, by {names}"
    else:
        yield "  Application Auto Scaling: nothing"
    published = [
        *(["RequestsPerSecond from its tasks"] if running.publishes else []),
        *([f"ECS's CPU every {running.cpu_seconds} s"] if running.cpu_seconds else []),
        *(["the load balancer's requests per target"] if running.target_group else []),
    ]
    yield f"  metrics: {', '.join(published) or 'not known'}"
    for unknown in running.unknown:
        yield f"  not known: {unknown}"


def _answered(running: Running, given: Answers, ask: Callable[..., Any]) -> Answers:
    """Return the answers, with those that AWS cannot give from at most three questions.

    `ask` gets an option, its question, the default, and how to read an answer.
    """
    answers = given
    if answers.app is None and not running.publishes:
        guess = guessed_app(running.image)
        seems = f" (its image looks like {guess})" if guess else ""
        question = (
            f"May the application get one line that publishes its requests?{seems} "
            f"If so, what is it: {', '.join(App)}"
        )
        answers = replace(answers, app=ask("--app", question, App.NONE.value, _an_app))
    signal = signal_of(running, answers.app)
    if answers.target_value is None and known_target(running, signal) is None:
        of_a_minute = "a minute" if signal is Signal.BALANCER else "a second"
        usual = int(REQUESTS_TARGET * (60 if signal is Signal.BALANCER else 1))
        question = f"How many requests {of_a_minute} should one task carry?"
        value = ask("--target-value", question, usual, lambda it: _a_number(it, 1e-6, 1e9 - 1))
        answers = replace(answers, target_value=value)
    if answers.maximum is None and not running.bounds:
        least = max(1, answers.minimum or 0)
        usual = max(least, default_maximum(running))
        maximum = ask(
            "--max",
            "Maximum number of tasks?",
            usual,
            lambda text: int(_a_number(text, least, MOST_TASKS)),
        )
        answers = replace(answers, maximum=maximum)
    return answers


def _prompt(_option: str, question: str, default: Any, read: Callable[[str], Any]) -> Any:
    """Return an answer; ask again after an invalid one."""
    return typer.prompt(question, default=default, value_proc=read, err=True)


def _an_app(text: str) -> App:
    try:
        return App(text.strip().lower())
    except ValueError:
        rule = f"must be one of {', '.join(App)}, not {text!r}"
        raise typer.BadParameter(rule) from None


def _a_number(text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise typer.BadParameter(f"must be a number from {least:g} to {most:g}, not {text!r}")
    return value


# --- output ---------------------------------------------------------------------------------------


def _simulate(console: Console, running: Running, target: Any, played: Traffic | None) -> None:
    if not has_lab():
        console.print(escape(f"Not simulated: that needs the extra lab: {INSTALL}"), style="dim")
        return
    # A slow import that a refused argument need not wait for.
    from quickstep_cli.beside import Beside, for_tasks, play, show  # noqa: PLC0415

    beside = Beside(target, running.present, max(1, running.desired or 1), running.size)
    traffic = played or for_tasks(chosen_traffic(None, None), beside)
    console.print()
    show(console, beside, play(beside, traffic))


def _commands(
    aws: Aws,
    service: ServiceName,
    running: Running,
    proposal: Proposal,
    folder: Path,
    *,
    terraform: bool,
) -> list[str]:
    """Return the next three commands on the way to promote."""
    name = f"{service.cluster}/{service.service}"
    every = []
    if isinstance(or_unknown(lambda: aws.scaler), Unknown):
        every.append(
            "make build && sam deploy  # in a clone: the scaler, once per account and Region"
        )
    if proposal.signal is Signal.CPU and running.cpu_seconds != 20:  # noqa: PLR2004 - see proposal
        every.append(
            f"aws ecs update-service --cluster {service.cluster} --service {service.service} "
            '--monitoring \'{"metricConfigurations": [{"metricNames": ["CPUUtilization"], '
            '"resolutionSeconds": 20}]}\''
        )
    every += [
        deploying(service, folder, terraform=terraform),
        f"quickstep shadow {name}",
        f"quickstep promote {name}",
    ]
    return every[:3]


def _module(folder: Path) -> tuple[str, dict[str, str]]:
    """Return the target module's source, as seen from a folder, and its files to write there.

    A clone refers to its own copy. An installed command carries the files and writes them next to
    the rest.
    """
    module = ROOT / _MODULE
    if (ROOT / "template.yaml").is_file():
        source = os.path.relpath(module, folder.absolute())
        return source if source.startswith("..") else f"./{source}", {}
    name = _MODULE.name
    files = {f"{name}/{it.name}": it.read_text(encoding="utf-8") for it in module.glob("*.tf")}
    return f"./{name}", files


def _write(folder: Path, files: dict[str, str]) -> None:
    try:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(Exit.NO, f"{folder}: {error.strerror}") from error


def _next(
    service: ServiceName, proposal: Proposal, folder: Path, commands: Sequence[str]
) -> Iterator[str]:
    if publishing(service, proposal.app):
        yield f"First add the application's line, as shown in {folder / 'README.md'}."
    yield "Next:"
    yield from (f"  {command}" for command in commands)
