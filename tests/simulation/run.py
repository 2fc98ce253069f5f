"""Run the simulation of faults over many seeds, or replay one.

python -m tests.simulation.run --seeds 20000
python -m tests.simulation.run --seed 1442          one run, with its timeline
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from rich.progress import track

from tests.simulation.invariants import violations
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence


def report(world: World) -> str:
    """Return a run's timeline, and what was wrong with it."""
    wrong = violations(world) or ["nothing was wrong"]
    crowded = " --crowded" if world.crowded else ""
    replay = f"python -m tests.simulation.run --seed {world.seed}{crowded}"
    return "\n".join([*world.timeline, "", f"seed {world.seed} ({replay}):", *wrong])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 if an invariant was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=2_000, help="how many runs")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--crowded", action="store_true", help="where many wait for their turn")
    parser.add_argument("--seed", type=int, help="replay this run alone, and show its timeline")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        world = World(options.seed, crowded=options.crowded).run()
        sys.stdout.write(report(world) + "\n")
        return 1 if violations(world) else 0
    broken = []
    seeds = range(options.first, options.first + options.seeds)
    for seed in track(seeds, description="seeds"):
        world = World(seed, crowded=options.crowded).run()
        if violations(world):
            broken.append(seed)
            sys.stdout.write(report(world) + "\n\n")
    sys.stdout.write(f"{len(seeds)} seeds, {len(broken)} broken {broken or ''}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
