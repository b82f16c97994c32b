"""The command train where trainer.precision=16-mixed runs on a CPU, for games.py and tests only.

The product refuses 16-mixed without a GPU. What a scaler does at an overflow is the same on both.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

import torch

from ganatomy import train
from ganatomy.training import trainer


class ScalingOnCpu(trainer.TwoPlayerScaling):
    """As `TwoPlayerScaling`, with autocast and scaler of the CPU whatever device is named."""

    def __init__(self, precision: Any, device: str) -> None:
        super().__init__(precision, "cpu", torch.amp.GradScaler("cpu"))


def allow() -> None:
    """Let `build_trainer` believe in a GPU, and give it the scaler of the CPU."""
    trainer.torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: True))  # type: ignore[attr-defined]
    trainer.TwoPlayerScaling = ScalingOnCpu  # type: ignore[misc]


if __name__ == "__main__":
    allow()
    train.main()
