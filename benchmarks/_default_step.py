"""Worker: the default step of a task, taken on demand in a process of its own.

Run as `python _default_step.py FOLDER PRECISION LAYOUT key=value ...`: FOLDER is a checkout of GANatomy,
today's or an earlier one, LAYOUT the players with channels innermost (`none`, `generator`, `discriminator`,
`both`). Each line on its standard input is a number of steps; it answers with their seconds of CPU time.
"""

from __future__ import annotations

import importlib
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PLAYERS = {"none": (), "both": ("generator", "discriminator")}


class Steps:
    """Loader that gives one batch again and again, as many times as each line of input asks for."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return 10**9

    def __iter__(self) -> Iterator[Any]:
        for line in sys.stdin:
            begun = time.process_time()
            for _ in range(int(line)):
                yield dict(self.batch)
            sys.stdout.write(f"seconds {time.process_time() - begun}\n")
            sys.stdout.flush()


def today(words: list[str]) -> tuple[Any, Any]:
    """Build data and task of today's package."""
    from ganatomy.config.compose import composed
    from ganatomy.config.resolve import validate
    from ganatomy.training import build, preflight

    cfg = validate({**composed(words), "run_dir": "."})
    data = build.build_data(cfg)
    data.setup()
    cfg = build.complete(cfg, data)
    task = build.build_task(cfg, data.mask_classes)
    sys.stderr.write(preflight.plan_update(cfg.update, task, data) + "\n")
    return data, task


def earlier(words: list[str]) -> tuple[Any, Any]:
    """Build data and task of commit 062eb33."""
    core = {name: importlib.import_module(f"src.core.{name}") for name in ("build", "compose", "prepare")}
    cfg = {**core["compose"].composed(words), "run_dir": "."}
    data = core["build"].build_data(cfg)
    data.setup()
    cfg = core["build"].complete(cfg, data)
    task = core["build"].build_task(cfg, data.classes)
    sys.stderr.write(core["prepare"].plan_update(cfg, task, data) + "\n")
    return data, task


def main() -> None:
    folder, precision, layout, *words = Path(sys.argv[1]).resolve(), *sys.argv[2:]
    sys.path[0] = str(folder)
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(1)
    is_today = (folder / "src" / "config").is_dir()
    data, task = today(words) if is_today else earlier(words)
    kinds = {4: torch.channels_last, 5: torch.channels_last_3d}
    for player in PLAYERS.get(layout, (layout,)):
        for weight in getattr(task, player).parameters():
            weight.data = weight.data.to(memory_format=kinds.get(weight.dim(), torch.contiguous_format))
    import pytorch_lightning as pl

    data.start_at(0)
    batch = next(iter(data.train_dataloader()))
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        precision=precision,  # type: ignore[arg-type]
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
    )
    trainer.fit(task, train_dataloaders=Steps(batch))


if __name__ == "__main__":
    main()
