"""What a second process brings, and what a step costs by batch, size and depth in one process and in two."""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from benchmarks._players import WEIGHT, Rules, Setting
from benchmarks._results import table, write
from ganatomy.adversarial import LOSSES, Game, GradientAverage, OverlappedAverage, plan
from ganatomy.adversarial.distributed.collectives import without_collectives
from ganatomy.adversarial.losses.weighting import Fixed


@dataclass(frozen=True)
class Case:
    """`batch` images of side x side in each process, a U-Net of `depth` halvings; `varied` names a series."""

    varied: str
    batch: int
    side: int
    depth: int = 3


CASES = [
    *(Case("batch", batch, 64) for batch in (1, 2, 4, 8, 16, 32)),
    *(Case("size", 4, side) for side in (32, 64, 128, 256)),
    *(Case("depth", 8, 64, depth) for depth in (1, 2, 3, 4)),
]
SMALL = [Case("batch", 1, 32), Case("size", 2, 32), Case("depth", 2, 32, 2)]
MEASURED = Case("processes", 8, 128)
BUCKET = 2e6
"""Bytes of a bucket: a few for each player here."""
Times = tuple[float, ...]
"""Seconds of a step in one process; of a step in two, and of averaging gradients in that; both in buckets."""


def stepping(case: Case) -> Callable[[int, GradientAverage], None]:
    """Return the shared update as a function of the number of steps and of what averages its gradients."""
    setting = Setting(case.side, case.batch, case.depth)
    rules = Rules(setting.generator)
    game = Game(rules, setting.generator, setting.discriminator, LOSSES["hinge"](), Fixed(WEIGHT))
    update = plan(game, "shared").update

    def steps(count: int, reduce: GradientAverage) -> None:
        def stepper(player: str) -> None:
            reduce(game.parameters(player))
            setting.optimisers[player].step()
            setting.optimisers[player].zero_grad()

        def last_backward(player: str, simple: bool) -> AbstractContextManager[None]:
            if not isinstance(reduce, OverlappedAverage):
                return nullcontext()
            return reduce.last_backward(game.parameters(player), simple)

        for step in range(count):
            update(game, setting.image, step, stepper, last_backward=last_backward)

    return steps


def measure(rank: int, port: int, cases: Sequence[Case], rounds: int, least: float, folder: str) -> None:
    """Take turns in this process, pinned to a core: rank 0 alone, then both; rank 0 writes the times."""
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=2)
    found: list[list[Times]] = []
    one_call, buckets = GradientAverage(), OverlappedAverage(BUCKET)
    for case in cases:
        steps = stepping(case)
        begun = time.perf_counter()
        steps(1, one_call)
        count = torch.tensor(max(1, round(least / (time.perf_counter() - begun))))
        dist.broadcast(count, 0)
        turns: list[Times] = []
        for _ in range(rounds):
            alone = 0.0  # which rank 0 alone measures
            dist.barrier()
            if rank == 0:
                with without_collectives():
                    alone, _ = timed(steps, int(count), one_call)
            turn: Times = (alone,)
            for reduce in (one_call, buckets) if case.varied == "processes" else (one_call,):
                dist.barrier()
                reduce.seconds()
                turn += timed(steps, int(count), reduce)
            turns.append(turn)
        found.append(turns)
        if rank == 0:
            sys.stderr.write(f"{case}: {1000 * turns[-1][0]:.0f} ms, {1000 * turns[-1][1]:.0f} ms\n")
    if rank == 0:
        Path(folder, "times").write_text(json.dumps(found))
    dist.destroy_process_group()


def timed(
    steps: Callable[[int, GradientAverage], None], count: int, reduce: GradientAverage
) -> tuple[float, float]:
    """Return the seconds of a step, of `count` taken, and those of averaging in it."""
    begun = time.perf_counter()
    steps(count, reduce)
    return (time.perf_counter() - begun) / count, reduce.seconds() / count


def measured(cases: Sequence[Case], rounds: int, least: float) -> list[list[Times]]:
    """Return the times of each case, a turn each round; a turn takes at least about `least` seconds."""
    with socket.socket() as listener, tempfile.TemporaryDirectory() as folder:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.close()
        mp.spawn(measure, (port, list(cases), rounds, least, folder), nprocs=2)
        read = json.loads(Path(folder, "times").read_text())
        return [[tuple(turn) for turn in turns] for turns in read]


def second_process(case: Case, turns: Sequence[Times], rounds: int) -> str:
    """Return the section on what a second process brings."""
    batch, side = case.batch, case.side
    one, *both = (statistics.median(column) for column in zip(*turns, strict=True))
    ratios = ([2 * turn[0] / turn[column] for turn in turns] for column in (1, 3))
    rows = [
        ("1", f"{batch / one:.1f}", f"{1000 * one:.0f}", "", "1"),
        *(
            (
                name,
                f"{2 * batch / two:.1f}",
                f"{1000 * two:.0f}",
                f"{1000 * reducing:.1f} ({reducing / two:.1%})",
                f"{statistics.median(ratio):.2f} ({min(ratio):.2f} to {max(ratio):.2f})",
            )
            for name, two, reducing, ratio in zip(
                ("2, in one call", f"2, in buckets of {BUCKET / 1e6:.0f} MB"),
                both[::2],
                both[1::2],
                ratios,
                strict=True,
            )
        ),
    ]
    head = ("processes", "images a second", "ms a step", "ms of it averaging gradients", "images, beside one")
    text = (
        f"{side}x{side} images, {batch} a process, one thread and one core a process, gloo; the shared "
        f"update on a U-Net and a patch discriminator, Adam. Median of {rounds} turns, alone and together "
        "one after the other (and the range). Buckets are averaged while the backward pass goes on "
        "(`trainer.bucket_mb`). The time of averaging includes waiting for the other process."
    )
    return f"{text}\n\n{table(head, rows)}"


def cost(cases: Sequence[Case], found: Sequence[Sequence[Times]], rounds: int) -> str:
    """Return the section on the cost of a step."""
    rows = []
    for case, turns in zip(cases, found, strict=True):
        one, two, reducing, *_ = (statistics.median(column) for column in zip(*turns, strict=True))
        brings = statistics.median(2 * turn[0] / turn[1] for turn in turns)
        rows.append(
            (
                case.varied,
                case.batch,
                f"{case.side}x{case.side}",
                case.depth,
                f"{1000 * one:.0f}",
                f"{1000 * one / case.batch:.1f}",
                f"{1000 * two:.0f}",
                f"{reducing / two:.1%}",
                f"{brings:.2f}",
            )
        )
    head = (
        *("varied", "images a process", "size", "halvings", "ms a step, one process", "ms an image"),
        *("ms a step, two processes", "of it averaging, waiting included", "images of two, beside one"),
    )
    text = (
        "The same step by batch, image size and depth of the U-Net, in one process and in two; medians of "
        f"{rounds} turns. The discriminator is the same in all, so depth adds more weights to average than "
        "arithmetic."
    )
    return f"{text}\n\n{table(head, rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small images, one round: does it run?")
    quick = parser.parse_args().quick
    cases, rounds, least = (SMALL, 1, 0.0) if quick else (CASES, 5, 0.7)
    main_case = Case("processes", 2, 32) if quick else MEASURED
    first, *found = measured([main_case, *cases], rounds, least)
    write("Processes", second_process(main_case, first, rounds), keep=not quick)
    write("Cost of a step", cost(cases, found, rounds), keep=not quick)


if __name__ == "__main__":
    main()
