"""Set-up of a process before it trains: seeds, threads, and quiet libraries."""

from __future__ import annotations

import logging
import random
import sys
import warnings

import numpy as np
import torch

from ganatomy.runs.process_place import is_rank_zero
from ganatomy.text.names import printable

NOISE = (
    # One process is what the user asked for; Lightning suggests more workers whatever the data.
    ".*does not have many workers.*",
    # The history has its own interval (trainer.log_every), which Lightning does not know.
    ".*The number of training batches .* is smaller than the logging interval.*",
    # MONAI 1.6 still calls torch's older names when it is imported.
    ".*torch.jit.*",
    ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",
    # The checkpoint folder of a resumed run holds the checkpoint that is resumed.
    ".*Checkpoint directory .* exists and is not empty.*",
    # The averaged generator stays in evaluation mode on purpose.
    ".*module\\(s\\) in eval mode at the start of training.*",
    # The names of the scores are asked for before the first case is scored.
    ".*The ``compute`` method of metric .* was called before the ``update`` method.*",
    # Scores are gathered over processes by their tables, which give all of them the same numbers.
    ".*It is recommended to use `self.log.*sync_dist=True.*",
    # Schedules count batches, also those in which the generator rests (update.n_critic).
    ".*lr_scheduler.step\\(\\)` before `optimizer.step\\(\\)`.*",
    # Boxes stay on the CPU, where the detection task keeps them; the data have no such method of their own.
    ".*You have overridden `transfer_batch_to_device` in `LightningModule`.*",
    # A resumed run may have another guard, and no state of it is missed.
    ".*callbacks used to create the checkpoint need to be provided.*",
)


def silence_libraries() -> None:
    """Silence logs of libraries and warnings that no user can act on."""
    for name in ("pytorch_lightning", "lightning.fabric", "lightning.pytorch", "wandb", "monai"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for pattern in NOISE:
        warnings.filterwarnings("ignore", pattern)


def print_status(line: str) -> None:
    """Write a line to stderr, from rank zero only; stdout is for results."""
    if is_rank_zero():
        sys.stderr.write(f"{printable(line)}\n")


def seed_everything(seed: int, threads: int | str | None) -> None:
    """Seed the global generators, and set the number of CPU threads; None, or `auto`, leaves it to torch."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries draw from the global generator
    torch.manual_seed(seed)
    set_threads(threads)


def set_threads(threads: int | str | None) -> None:
    """Set the number of CPU threads; None, or `auto`, leaves it to torch."""
    if isinstance(threads, int):
        torch.set_num_threads(threads)
