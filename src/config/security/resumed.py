"""What a resumed run takes from the machine it goes on at, and not from its config.yaml.

Whoever made the run directory decides its numbers, but neither where this machine is written to outside of
it, nor what is sent from here.
"""

from __future__ import annotations

import os
import sys

from omegaconf import DictConfig, OmegaConf

FREE = (
    "trainer.max_steps",
    "trainer.val_every",
    "trainer.log_every",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.hang_after",
    "trainer.bucket_mb",
    "trainer.checkpointing",
    "trainer.threads",
    "trainer.test_checkpoint",
    "callbacks.",
    "guard",
    "save_predictions",
    "save_samples",
    "save_format",
    "task.evaluator",
    "task.structure.run",
    "task.structure.source_run",
    "data.workers",
    "data.cache",
    "data.changed",
    "data.download",
    "data.secret",
    "logger.mode",
    "logger.artifacts",
    "paths.cache",
    "debug",
)
"""Beginnings of the keys that may differ when a run goes on."""
FREE_KEYS = ("task.perceptual",)
"""Keys that may differ likewise, while others that begin so may not: where the same weights lie."""


def keep_local(saved: DictConfig, cfg: DictConfig) -> None:
    """Set the places outside the run and the connections of a resumed run to what was typed or stands here.

    A line on stderr says so for each value that differs from what the run had.

    Args:
        saved: Configuration of the run that goes on, which is changed.
        cfg: What the command line and conf/ of this machine compose to.
    """
    lines = []
    own = saved.data.get("cache_dir") not in (None, saved.paths.get("cache"))
    saved.paths = OmegaConf.to_container(cfg.paths, resolve=True)
    if "cache_dir" in saved.data:
        here = cfg.data.get("cache_dir") or cfg.paths.cache
        if saved.data.get("cache") == "disk" and saved.data.cache_dir not in (None, here):
            key = "data.cache_dir" if own else "paths.cache"
            lines.append(
                f"{key}: {saved.data.cache_dir} stands in the run's config.yaml, its cache is now in {here}; "
                f"type {key}=... for another place"
            )
        saved.data.cache_dir = here
    if saved.logger.get("mode") == "online" and cfg.logger.get("mode") != "online":
        saved.logger.mode = "offline"
        lines.append(_closed("logger.mode", "online", "W&B goes on offline"))
    if saved.data.get("download") and not cfg.data.get("download"):
        saved.data.download = False
        lines.append(_closed("data.download", "true", "nothing is downloaded"))
    if "GANATOMY_LAUNCH" not in os.environ:  # its parent has said it
        sys.stderr.write("".join(f"{line}\n" for line in lines))


def _closed(key: str, value: str, instead: str) -> str:
    return f"{key}: {value} in the run's config.yaml counts only if it is typed; {instead}"
