"""One service's import: its conversion, its proof, and the files of both."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quickstep.config import MAX_BYTES, ConfigError, read_target
from quickstep_cli.advice import advice
from quickstep_cli.failures import CommandError, Exit
from quickstep_cli.import_proof import Proof, prove
from quickstep_cli.taken import TakeOver, TakeOverError
from quickstep_cli.takeover import cloudformation, take_over

if TYPE_CHECKING:
    from pathlib import Path

    from quickstep.naming import ServiceName
    from quickstep_cli.found import Found
    from quickstep_cli.tracking_import import Tracking

FILES = ("policy.json", "alarms.json", "template.json")


@dataclass(frozen=True, slots=True)
class Wish:
    """How to make an import: the command's options."""

    dry_run: bool
    tracking: Tracking
    high_resolution: bool
    proof: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """A service's conversion and its proof: None if not requested or not possible."""

    taken: TakeOver
    proof: Proof | None

    @property
    def problems(self) -> list[str]:
        """What needs attention, and where the result differs from AAS's documentation."""
        differences = self.proof.differences if self.proof else []
        return [*self.taken.warnings, *map(str, differences)]


def import_one(found: Found, service: ServiceName, wish: Wish) -> Imported:
    """Convert a service.

    Raises:
        CommandError: there is no such target, or the input is not what AWS describes.
    """
    targets = found.of(service, "ScalableTargets")
    if not targets:
        why = f"Application Auto Scaling has no scalable target {service.resource_id} {found.where}"
        raise CommandError(Exit.NOT_FOUND, why)
    policies = found.of(service, "ScalingPolicies")
    try:
        taken = take_over(
            service,
            targets[0],
            policies,
            found.alarms,
            dry_run=wish.dry_run,
            scheduled=found.of(service, "ScheduledActions"),
            composites=found.composites,
            tracking=wish.tracking,
            high_resolution=wish.high_resolution,
        )
        valid = _check(taken)
        bounds = (targets[0]["MinCapacity"], targets[0]["MaxCapacity"])
        proof = prove(taken, bounds, policies, found.alarms) if wish.proof and valid else None
    except TakeOverError as error:
        raise CommandError(Exit.NO, str(error)) from error
    except KeyError as error:
        why = f"this is not what AWS describes: {error} is missing"
        raise CommandError(Exit.NO, why) from error
    except (TypeError, ValueError, AttributeError, ArithmeticError, OSError) as error:
        raise CommandError(Exit.NO, f"this is not what AWS describes: {error}") from error
    return Imported(taken, proof)


def _check(made: TakeOver) -> bool:
    """Add the problems and advice about the document; return whether it is valid."""
    try:
        target = read_target(made.document)
    except ConfigError as error:
        made.warnings += [f"policy document: {problem}" for problem in error.problems]
        return False
    thresholds = {
        name: float(alarm["Threshold"])
        for alarm in made.alarms
        if (name := alarm["AlarmName"].rpartition("/")[2]) in made.by_steps
    }
    made.notes += advice(target, thresholds)
    if (size := len(made.text.encode())) > MAX_BYTES:
        made.warnings.append(
            f"policy document: it has {size} bytes, and an SSM parameter takes {MAX_BYTES}: drop "
            "redundant policies, or use a target policy instead of steps"
        )
    return True


def answer_of(made: Imported) -> dict[str, Any]:
    """Return the conversion as the command's JSON."""
    taken, proof = made.taken, made.proof
    return {
        "policy": taken.document,
        "alarms": taken.alarms,
        "schedules": taken.schedules,
        "notes": taken.notes,
        "warnings": taken.warnings,
        "proof": proof
        and {
            "alike": proof.alike,
            "announced": proof.announced,
            "differences": [str(difference) for difference in proof.differences],
        },
    }


def write(folder: Path, made: Imported) -> None:
    """Write the files of an import.

    Raises:
        CommandError: the folder cannot be written to.
    """
    others = (made.taken.alarms, cloudformation(made.taken))
    texts = (made.taken.text, *(json.dumps(content, indent=2) for content in others))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in zip(FILES, texts, strict=True):
            (folder / name).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise CommandError(Exit.NO, f"{folder}: {error.strerror}") from error
