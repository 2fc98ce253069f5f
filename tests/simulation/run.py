"""Run the simulation of faults over many seeds, or replay one.

python -m tests.simulation.run --first 0 --seeds 20000 --jobs 2
python -m tests.simulation.run --seed 1442          one run, with its timeline
python -m tests.simulation.run --planted --jobs 2   look for a seed that finds each planted bug
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from functools import partial
from multiprocessing import Pool
from typing import TYPE_CHECKING, TypeVar

from rich.progress import track

from tests.simulation.invariants import violations
from tests.simulation.mutations import FOUND, MUTATIONS, planted
from tests.simulation.scenario import scenario_of
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_A = TypeVar("_A")
_B = TypeVar("_B")

SEARCHED = 5_000
"""Seeds among which one has to find a planted bug."""


def report(world: World) -> str:
    """Return a run's timeline, and what was wrong with it."""
    return "\n".join([*world.time.timeline, "", verdict(world)])


def verdict(world: World) -> str:
    """Return what was wrong with a run, and how to replay it."""
    replay = f"python -m tests.simulation.run --seed {world.seed}"
    what = f"seed {world.seed} ({replay}): {world.scenario}"
    return "\n  ".join([what, *(violations(world) or ["nothing was wrong"])])


def broken(seed: int) -> str | None:
    """Return what was wrong with a seed's run; None where nothing was."""
    world = World(seed).run()
    return verdict(world) if violations(world) else None


def search(name: str, seeds: Iterable[int]) -> tuple[str, int | None, str]:
    """Return the first seed that finds a planted bug, and what is wrong there.

    Only there: without the bug the same seed breaks nothing.
    """
    bug = MUTATIONS[name]
    for seed in seeds:
        if bug.needs and not getattr(scenario_of(seed), bug.needs):
            continue
        with planted(name):
            wrong = violations(World(seed).run())
        if wrong and not violations(World(seed).run()):
            return name, seed, wrong[0]
    return name, None, "nothing finds it"


def run_seeds(seeds: Sequence[int], jobs: int) -> int:
    """Run many seeds; return 1 if an invariant was broken."""
    found, began = 0, time.perf_counter()
    verdicts = _over(broken, seeds, jobs, 50)
    for wrong in track(verdicts, description="seeds", total=len(seeds)):
        if wrong:
            found += 1
            sys.stdout.write(wrong + "\n")
    rate = len(seeds) / (time.perf_counter() - began)
    sys.stdout.write(f"{len(seeds)} seeds, {rate:.0f} a second, {found} broken\n")
    return 1 if found else 0


def run_planted(jobs: int) -> int:
    """Look for the planted bugs, and keep the seeds; return 1 if nothing finds one of them."""
    among = partial(search, seeds=range(SEARCHED))
    found = {}
    tested = {name: bug.unit_test for name, bug in MUTATIONS.items() if bug.unit_test}
    searched = [name for name in MUTATIONS if name not in tested]
    for name, seed, what in _over(among, searched, jobs, 1):
        sys.stdout.write(f"{name:<48} {'-' if seed is None else seed:>5}  {what[:120]}\n")
        sys.stdout.flush()
        if seed is not None:
            found[name] = seed
            FOUND.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for name, test in tested.items():
        sys.stdout.write(f"{name:<48} {'-':>5}  {test}\n")
    lost = [name for name in searched if name not in found]
    sys.stdout.write(f"{len(found)} of {len(searched)} found; by nothing: {lost or 'none'}\n")
    return 1 if lost else 0


def _over(work: Callable[[_A], _B], items: Sequence[_A], jobs: int, chunk: int) -> Iterator[_B]:
    """Do some work for each item, on so many processors."""
    if jobs == 1:
        yield from map(work, items)
        return
    with Pool(jobs) as pool:
        yield from pool.imap(work, items, chunksize=chunk)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 if an invariant was broken, or a planted bug was not found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=2_000, help="how many runs")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="on how many processors")
    parser.add_argument("--seed", type=int, help="replay this run alone, and show its timeline")
    parser.add_argument("--planted", action="store_true", help="look for the planted bugs")
    options = parser.parse_args(arguments)
    if options.planted:
        return run_planted(options.jobs)
    if options.seed is None:
        seeds = range(options.first, options.first + options.seeds)
        return run_seeds(seeds, options.jobs)
    world = World(options.seed).run()
    sys.stdout.write(report(world) + "\n")
    return 1 if violations(world) else 0


if __name__ == "__main__":
    sys.exit(main())
