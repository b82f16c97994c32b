"""What the Lightning path adds to a step: the Trainer beside the same update in a bare loop."""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.functional import l1_loss
from torch.utils.data import DataLoader

from benchmarks._players import WEIGHT, Repeated, Rules, Setting
from benchmarks._results import table, write
from ganatomy.adversarial import LOSSES, Game, plan
from ganatomy.adversarial.losses.weighting import Fixed
from ganatomy.tasks.base import AdversarialTask
from ganatomy.tasks.recipe import Recipe


class Copying(AdversarialTask):
    """The bare loop's game as a task."""

    def generate(self, batch: dict[str, Tensor]) -> Any:
        return self.generator(batch["image"])

    def discriminator_inputs(self, batch: dict[str, Tensor], output: Tensor) -> tuple[Tensor, Tensor]:
        return batch["image"], output

    def task_losses(self, batch: dict[str, Tensor], output: Tensor) -> dict[str, Tensor]:
        return {"l1": l1_loss(output, batch["image"])}


class Clock(pl.Callback):
    """CPU seconds from the second batch to the last."""

    def on_train_batch_start(self, trainer: pl.Trainer, task: Any, batch: Any, index: int) -> None:
        if index == 1:
            self.begun = time.process_time()

    def on_train_epoch_end(self, trainer: pl.Trainer, task: Any) -> None:
        self.seconds = time.process_time() - self.begun


def lightning(setting: Setting, batches: DataLoader[Any]) -> float:
    """Seconds a step under the Trainer."""
    makers = {
        player: lambda parameters: torch.optim.Adam(parameters, 2e-4, (0.5, 0.99), fused=True)
        for player in ("generator", "discriminator")
    }
    game = {"loss": LOSSES["hinge"](), "weight": Fixed(WEIGHT)}
    task = Copying(Recipe(setting.generator, setting.discriminator, game, makers), monitor="none")
    clock = Clock()
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        precision="bf16-mixed" if setting.bf16 else "32-true",
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(task, batches)
    return clock.seconds / (len(batches) - 1)


def bare(setting: Setting, batches: DataLoader[Any]) -> float:
    """Seconds a step in a loop."""
    rules = Images(setting.generator)
    game = Game(rules, setting.generator, setting.discriminator, LOSSES["hinge"](), Fixed(WEIGHT))
    update = plan(game, "shared").update

    def stepper(player: str) -> None:
        setting.optimisers[player].step()
        setting.optimisers[player].zero_grad()

    for step, batch in enumerate(batches):
        if step == 1:
            begun = time.process_time()
        with setting.precision():
            update(game, batch, step, stepper)
    return (time.process_time() - begun) / (len(batches) - 1)


class Images(Rules):
    """The game on batches as loaders give them."""

    def generate(self, batch: dict[str, Tensor]) -> Any:  # type: ignore[override]
        return super().generate(batch["image"])

    def discriminator_inputs(self, batch: dict[str, Tensor], output: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return super().discriminator_inputs(batch["image"], output)

    def task_losses(self, batch: dict[str, Tensor], output: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        return {"l1": l1_loss(output, batch["image"])}


def compare(size: int, batch: int, bf16: bool, rounds: int) -> str:
    """`1.02 (1.01 to 1.03)`: the Trainer's time over the loop's in the same round; median and quartiles."""
    paired = []
    for number in range(rounds + 1):
        found = {}
        for path in (lightning, bare) if number % 2 else (bare, lightning):
            setting = Setting(size, batch, bf16=bf16)
            loader = DataLoader(Repeated(setting.image, 7), batch_size=batch)
            found[path.__name__] = path(setting, loader)
        paired.append(found["lightning"] / found["bare"])
    low, middle, high = statistics.quantiles(paired[1:], n=4, method="inclusive")
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small size, two rounds: does it run?")
    quick = parser.parse_args().quick
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows = [
        (
            f"{size}, batch {batch}",
            *(compare(size, batch, bf16, 2 if quick else 11) for bf16 in (False, True)),
        )
        for size, batch in ([(64, 8)] if quick else [(64, 8), (128, 4)])
    ]
    text = (
        "Time of a step under the Trainer over that of the same update in a bare loop on the same loader: "
        "seeding, the watch over gradients, hooks and bookkeeping are what it adds. Median and quartiles, "
        "one pinned thread."
    )
    ratios = table(("images", "float32", "bfloat16"), rows)
    write("Lightning path", f"{text}\n\n{ratios}", ("torch", "pytorch-lightning"), keep=not quick)


if __name__ == "__main__":
    main()
