"""What an operator sees before acting: tasks, bounds and dollars, and what needs `--force`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from quickstep.engine.words import tasks
from quickstep.protocol.ports import CallFailedError
from quickstep_cli.failures import CommandError, Exit
from quickstep_cli.running import task_size
from quickstep_lab.cost.month import Architecture
from quickstep_lab.cost.prices import read_prices

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quickstep.engine.model import ScalableTarget
    from quickstep.engine.proposal import Bounds
    from quickstep.naming import ServiceName
    from quickstep_cli.aws import Aws


def past_bounds(document: ScalableTarget, given: Iterable[tuple[str, int | None]]) -> list[str]:
    """Return which numbers are outside the document's own bounds, and how.

    Example: `--min 200 is above MaxCapacity 40`.
    """
    least, most = document.min_capacity, document.max_capacity
    return [
        f"{name} {number} is above MaxCapacity {most}"
        if number > most
        else f"{name} {number} is below MinCapacity {least}"
        for name, number in given
        if number is not None and not least <= number <= most
    ]


def check_forced(past: list[str], *, force: bool) -> None:
    """Refuse what exceeds the document's bounds, unless forced.

    Raises:
        CommandError: it is not forced.
    """
    if past and not force:
        raise CommandError(Exit.NO, f"{'; '.join(past)}: pass --force if that is what you want")


def preview(  # noqa: PLR0917 - what is shown of an act
    aws: Aws,
    service: ServiceName,
    document: ScalableTarget,
    now: Bounds,
    then: Bounds,
    capacity: int | None = None,
) -> Iterator[str]:
    """Yield the effect of an action: the tasks, the bounds, and dollars per hour.

    `capacity` is the requested number, unless it is left to the bounds; `now` and `then` are the
    bounds in force before and after.
    """
    before = aws.services.describe(service).desired
    after = then.nearest(before) if capacity is None else capacity
    yield f"tasks: {before} now, {after} with this, {then.maximum} at most"
    own = f"{document.min_capacity} to {document.max_capacity} in the document"
    was = f"{now.minimum} to {now.maximum} in force"
    yield f"bounds: {own}, {was}, {then.minimum} to {then.maximum} with this"
    yield f"cost: {_cost(aws, service, (before, after, then.maximum))}"


def _cost(aws: Aws, service: ServiceName, counts: tuple[int, int, int]) -> str:
    try:
        size = task_size(aws, service)
    except (CommandError, CallFailedError, ClientError, BotoCoreError) as error:
        return f"unknown, because the task's size cannot be read: {error}"
    each = size.an_hour(read_prices())
    hourly = ", ".join(f"{tasks(n)} ${n * each:,.2f}" for n in dict.fromkeys(counts))
    processor = "ARM" if size.architecture is Architecture.ARM else "x86"
    return (
        f"{hourly} per hour, for {size.vcpu:g} vCPU and {size.memory:g} GB each on {processor} "
        "Fargate at the list price in us-east-1"
    )
