"""What a second process brings: images a second of two beside one, each with a thread and a batch."""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from benchmarks._players import WEIGHT, Rules, Setting
from benchmarks._results import table, write
from ganatomy.adversarial import LOSSES, Game, GradientAverage, plan
from ganatomy.adversarial.losses.weighting import Fixed

WARM = 2


def train(rank: int, size: int, port: int, batch: int, side: int, steps: int, folder: str) -> None:
    """Take steps in this process, pinned to a core of its own; rank 0 writes its seconds."""
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    if size > 1:
        dist.init_process_group("gloo", rank=rank, world_size=size)
    setting, reduce = Setting(side, batch), GradientAverage()
    rules = Rules(setting.generator)
    game = Game(rules, setting.generator, setting.discriminator, LOSSES["hinge"](), Fixed(WEIGHT))
    update = plan(game, "shared").update

    def stepper(player: str) -> None:
        reduce(game.parameters(player))
        setting.optimisers[player].step()
        setting.optimisers[player].zero_grad()

    for step in range(WARM + steps):
        if step == WARM:
            reduce.seconds()
            begun = time.perf_counter()
        update(game, setting.image, step, stepper)
    spent, reducing = time.perf_counter() - begun, reduce.seconds()
    if rank == 0:
        Path(folder, "seconds").write_text(f"{spent / steps} {reducing / steps}")
    if size > 1:
        dist.destroy_process_group()


def seconds(size: int, batch: int, side: int, steps: int) -> tuple[float, float]:
    """Return the seconds of a step with `size` processes, and those that averaging gradients takes."""
    with socket.socket() as listener, tempfile.TemporaryDirectory() as folder:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.close()
        mp.spawn(train, (size, port, batch, side, steps, folder), nprocs=size)
        whole, reducing = Path(folder, "seconds").read_text().split()
    return float(whole), float(reducing)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small images, one round: does it run?")
    quick = parser.parse_args().quick
    batch, side, steps, rounds = (2, 32, 2, 1) if quick else (8, 128, 10, 5)
    ones, twos, ratios = [], [], []
    for number in range(rounds):
        sizes = (1, 2) if number % 2 == 0 else (2, 1)
        found = {size: seconds(size, batch, side, steps) for size in sizes}
        ones.append(found[1][0])
        twos.append(found[2])
        ratios.append(2 * found[1][0] / found[2][0])
    one, two, reducing = (
        statistics.median(values) for values in (ones, [t for t, _ in twos], [r for _, r in twos])
    )
    rows = [
        ("1", f"{batch / one:.1f}", f"{1000 * one:.0f}", "", "1"),
        (
            "2",
            f"{2 * batch / two:.1f}",
            f"{1000 * two:.0f}",
            f"{1000 * reducing:.1f} ({reducing / two:.1%})",
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        ),
    ]
    head = ("processes", "images a second", "ms a step", "ms of it averaging gradients", "images, beside one")
    text = (
        f"{side}x{side} images, {batch} a process, one thread and one core a process, gloo; the shared "
        f"update on a U-Net and a patch discriminator, Adam. Median of {rounds} interleaved rounds of "
        f"{steps} steps (and the range). The time of averaging includes waiting for the other process."
    )
    write("Processes", f"{text}\n\n{table(head, rows)}", keep=not quick)


if __name__ == "__main__":
    main()
