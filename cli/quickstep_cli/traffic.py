"""The traffic for a command to play: a scenario or a file, and which part of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quickstep_cli.options import file_option
from quickstep_lab.traffic import (
    MAX_SECONDS,
    SCENARIOS,
    ScenarioName,
    Traffic,
    TrafficError,
    read_traffic,
    scenario_traffic,
)

SCENARIO_HELP = "\n\n".join(f"{name}: {s.sentence}" for name, s in SCENARIOS.items())

ScenarioOption = Annotated[
    ScenarioName | None, typer.Option(help="Traffic to simulate; see below.")
]
_OF_A_FILE = "Traffic from a CSV file instead: second,requests; .gz is decompressed."
TrafficOption = Annotated[Path | None, file_option("--traffic", help=_OF_A_FILE)]
TrafficFilesOption = Annotated[
    list[Path] | None, file_option("--traffic", help=f"{_OF_A_FILE} Repeatable.")
]
MultiplyOption = Annotated[float, typer.Option(help="Factor for the requests of each second.")]
FromOption = Annotated[
    int, typer.Option("--from", min=0, max=MAX_SECONDS, help="First second of the traffic.")
]


def chosen_traffic(
    scenario: ScenarioName | None,
    file: Path | None,
    *,
    multiply: float = 1.0,
    start: int = 0,
    end: int | None = None,
    default: ScenarioName = ScenarioName.STEP_X10,
) -> Traffic:
    """Return the traffic that the options select, from second `start` up to `end`.

    A scenario continues past its own length if `end` lies beyond it.

    Raises:
        typer.BadParameter: an option or a line of the file breaks a rule.
    """
    if scenario is not None and file is not None:
        raise typer.BadParameter("give --scenario or --traffic, not both")
    if end is not None and end <= start:
        raise typer.BadParameter(f"must be above --from, {start}, not {end}", param_hint="--to")
    try:
        if file is None:
            name = scenario or default
            traffic = scenario_traffic(name, end or start + SCENARIOS[name].seconds)
        else:
            traffic = read_traffic(file)
            traffic = traffic if end is None else traffic.ending_at(end)
        return traffic.starting_at(start).multiplied(multiply)
    except TrafficError as error:
        raise typer.BadParameter(str(error)) from None
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}") from None
