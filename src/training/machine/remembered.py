"""Choices that were timed before on this machine, one small file each in the folder of caches."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ganatomy.files import write_whole
from ganatomy.machine import allocator, processor
from ganatomy.tasks.recipe import PLAYERS
from ganatomy.training.machine.choice import Choice
from ganatomy.version import __version__

if TYPE_CHECKING:
    from ganatomy.config.schema import Config


class Memory:
    """The file of one choice, found by what decides the time of an update; learning rates do not.

    Args:
        cfg: Completed configuration.
        shape: Shape of an image.
        device: Where the run computes.
        start: Settings that were given.
        allowed: What could be chosen.
    """

    def __init__(
        self,
        cfg: Config,
        shape: tuple[int, ...],
        device: torch.device,
        start: Choice,
        allowed: dict[str, bool],
    ) -> None:
        plain = cfg.to_plain()
        decisive = {
            "version": __version__,
            "torch": torch.__version__,
            "machine": processor.name(device),
            "allocator": allocator.in_use(),
            "task": cfg.task.target,
            "players": {player: plain["model"][player] for player in PLAYERS},
            "adversarial": {key: plain["model"]["adversarial"][key] for key in ("penalties", "augment")},
            "update": plain["update"],
            "shape": shape,
            "batch": cfg.data.batch_size // (cfg.trainer.devices * cfg.trainer.num_nodes),
            "start": asdict(start),
            "allowed": allowed,
        }
        text = json.dumps(decisive, sort_keys=True, default=str)
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        self.path = Path(cfg.paths.cache) / "machine" / f"{name}.json"

    def read(self) -> Choice | None:
        """Return the choice that was made before; None if there is none, or its file is damaged."""
        try:
            found: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
            return Choice(**{**found, "layout": tuple(found["layout"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, choice: Choice) -> None:
        """Keep a choice, if the folder can be written."""
        try:
            write_whole(self.path, json.dumps(asdict(choice)).encode())
        except OSError:
            return
