"""What a training step costs beside MONAI's trainers, a textbook loop and a careful one.

One pinned thread. Everybody takes a few steps in turn, round after round; the ratios are of CPU time within a
round, and the tables give their medians and quartiles, so that a busy machine spoils neither.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

import torch

from benchmarks._players import EVERYBODY, Setting, Steps
from benchmarks._results import table, write
from ganatomy.machine import allocator

PACKAGES = ("torch", "monai", "pytorch-ignite")
OTHERS = [name for name in EVERYBODY if name != "shared"]
MONAI = ("GanTrainer", "AdversarialTrainer")
LAYOUTS = ((), ("generator",), ("discriminator",), ("generator", "discriminator"))
"""Players with channels innermost in memory."""


def contender(name: str, **setting: object) -> Steps:
    """Build a trainer on fresh networks; GANatomy uses its fused Adam, all others torch's default."""
    return EVERYBODY[name](Setting(fused=name == "shared", **setting))  # type: ignore[arg-type]


def times(
    steps: Mapping[str, Steps], rounds: int, count: int, clock: Callable[[], float] = time.process_time
) -> dict[str, list[float]]:
    """Seconds of CPU a step takes, by name and round; a round is everybody once, in an order that turns."""
    for step in steps.values():
        step(1)
    found: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds):
        names = list(steps)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            begun = clock()
            elsewhere = steps[name](count)
            found[name].append((elsewhere or clock() - begun) / count)
    return found


def ratios(found: dict[str, list[float]], name: str, to: str = "shared") -> str:
    """`1.32 (1.30 to 1.35)`: median and quartiles of name's time over ours in the same round."""
    paired = [other / base for other, base in zip(found[name], found[to], strict=True)]
    low, middle, high = statistics.quantiles(paired, n=4, method="inclusive")
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


class Apart:
    """A contender in a process of its own, started with further variables of the environment."""

    def __init__(self, name: str, environment: dict[str, str], setting: dict[str, Any]) -> None:
        before = dict(os.environ)
        os.environ.update(environment)
        try:
            self.pool = multiprocessing.get_context("spawn").Pool(1, _begin, (name, setting))
        finally:
            os.environ.clear()
            os.environ.update(before)

    def __call__(self, count: int) -> float:
        """Take some steps; return the seconds of CPU that they took."""
        return self.pool.apply(_take, (count,))

    def close(self) -> None:
        self.pool.terminate()


def _begin(name: str, setting: dict[str, Any]) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    _begun.append(contender(name, **setting))


def _take(count: int) -> float:
    begun = time.process_time()
    _begun[0](count)
    return time.process_time() - begun


_begun: list[Steps] = []
"""The contender of this process, if it is one of `Apart`."""


def fastest_layout(size: int, batch: int, bf16: bool, rounds: int) -> tuple[str, ...]:
    """Return the players that our step wants with channels innermost here, as the machine's planner does."""
    steps = {last: contender("shared", size=size, batch=batch, bf16=bf16, last=last) for last in LAYOUTS}
    found = times({" and ".join(last): step for last, step in steps.items()}, rounds, 1)
    return min(LAYOUTS, key=lambda last: statistics.median(found[" and ".join(last)]))


def as_shipped(sizes: Sequence[tuple[int, int]], rounds: int) -> str:
    """MONAI's trainers as they ship over our step in the precision and layout that are fastest here."""
    rows = []
    for size, batch in sizes:
        for bf16 in (False, True):
            last = fastest_layout(size, batch, bf16, 5 if rounds > 2 else 1)
            setting: dict[str, Any] = {"size": size, "batch": batch}
            own = setting | {"bf16": bf16, "last": last}
            steps: dict[str, Any] = {name: Apart(name, {}, setting) for name in MONAI}
            steps["shared"] = Apart("shared", allocator.environment(), own)
            found = times(steps, rounds, 2)
            for step in steps.values():
                step.close()
            precision = "bfloat16" if bf16 else "float32"
            layout = " and ".join(last) or "neither"
            cells = [ratios(found, name) for name in MONAI]
            rows.append((f"{size}, batch {batch}", precision, layout, *cells))
    head = ("images", "ours in", "channels innermost in", *MONAI)
    text = (
        "Time of a step of MONAI's trainers as they ship (float32, channels outermost, torch's default Adam) "
        "over that of GANatomy's shared update with fused Adam; median and quartiles. Ours in the layout "
        "that a short trial found fastest, as the planner of the machine does. Each is a process of its own, "
        "ours with the allocator that `train` is started with."
    )
    return f"{text}\n\n{table(head, rows)}"


def compare(sizes: Sequence[tuple[int, int]], rounds: int) -> str:
    """Everybody's time over ours in one precision and layout, at every size."""
    rows = []
    for size, batch in sizes:
        for bf16 in (False, True):
            setting: dict[str, Any] = {"size": size, "batch": batch, "bf16": bf16}
            setting["last"] = last = fastest_layout(size, batch, bf16, 5 if rounds > 2 else 1)
            steps = {name: contender(name, **setting) for name in EVERYBODY}
            steps["plain Adam"] = EVERYBODY["shared"](Setting(fused=False, **setting))
            found = times(steps, rounds, 2)
            cells = [ratios(found, name) for name in [*OTHERS, "plain Adam"]]
            where = f"{'bfloat16' if bf16 else 'float32'}, {' and '.join(last) or 'neither'}"
            rows.append((f"{size}, batch {batch}", where, *cells))
    head = ("images", "all in, channels innermost in", *OTHERS, "ours with Adam not fused")
    text = (
        "Time of a step over that of GANatomy's shared update: same networks (U-Net of 3 levels, patch "
        "discriminator), batch, losses (L1, hinge), precision and layout, ours with its own PReLU and "
        "instance norm; median and quartiles. The networks of MONAI's trainers, which have no mixed "
        "precision on a CPU, are wrapped in autocast. Optimisers: torch's default Adam, ours fused."
    )
    return f"{text}\n\n{table(head, rows)}"


def growth(rounds: int, quick: bool) -> str:
    """How our step and its lead grow with batch, image and depth."""
    ladders: dict[str, list[dict[str, int]]] = {
        "batch": [{"size": 64, "batch": n} for n in (1, 2, 4, 8, 16)[: 2 if quick else 5]],
        "size": [{"size": n, "batch": 4} for n in (32, 64, 128, 256)[: 2 if quick else 4]],
        "depth": [{"size": 64, "batch": 4, "depth": n} for n in (2, 3, 4)[: 2 if quick else 3]],
    }
    rows = []
    for ladder, settings in ladders.items():
        first = 0.0
        for setting in settings:
            steps = {name: contender(name, **setting) for name in ("GanTrainer", "shared")}
            found = times(steps, rounds, 2 if setting["size"] < 256 else 1)
            median = statistics.median(found["shared"])
            first = first or median
            rows.append((ladder, setting[ladder], f"{median / first:.2f}", ratios(found, "GanTrainer")))
    text = "Our step's time over that of the first line of its ladder, and GanTrainer's over ours (float32)."
    return f"{text}\n\n{table(('grows', 'value', 'our time', 'GanTrainer / ours'), rows)}"


def memory(size: int, batch: int) -> str:
    """Everybody's peak memory over ours."""
    context = multiprocessing.get_context("spawn")
    peaks = {}
    for name in EVERYBODY:
        with context.Pool(1) as pool:
            peaks[name] = pool.apply(_peak, (name, size, batch))
    rows = [(name, f"{peaks[name] / peaks['shared']:.2f}") for name in OTHERS]
    text = (
        f"Peak memory of a step ({size} x {size}, batch {batch}, float32) beyond that of imports, networks "
        "and optimisers, over ours, each in a process of its own. The shared update holds D's graphs of real "
        "and fake at once, and G's."
    )
    return f"{text}\n\n{table(('who', 'memory / ours'), rows)}"


def _peak(name: str, size: int, batch: int) -> int:
    """Pages that a step adds to the process at its height, sampled every half millisecond."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    steps = contender(name, size=size, batch=batch)
    steps(1)
    before, pages, done = _pages(), [], threading.Event()

    def sample() -> None:
        while not done.wait(5e-4):
            pages.append(_pages())

    watcher = threading.Thread(target=sample)
    watcher.start()
    steps(2)
    done.set()
    watcher.join()
    return max(pages) - before


def _pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small size, two rounds: does it run?")
    quick = parser.parse_args().quick
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    sizes = [(64, 8)] if quick else [(64, 8), (128, 4)]
    sections: list[tuple[str, Callable[[], str]]] = [
        ("Step: MONAI as it ships", lambda: as_shipped(sizes, 2 if quick else 9)),
        ("Step", lambda: compare(sizes, 2 if quick else 9)),
        ("Step: growth", lambda: growth(2 if quick else 5, quick)),
        ("Step: memory", lambda: memory(64 if quick else 256, 8)),
    ]
    for title, measure in sections:
        write(title, measure(), PACKAGES, keep=not quick)


if __name__ == "__main__":
    main()
