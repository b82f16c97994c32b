"""Settings that keep W&B from sending anything."""

from __future__ import annotations

import os


def stay_offline() -> None:
    """Have W&B send nothing in this process and its children; call it before W&B is first used.

    `wandb.init(mode="offline")` alone is not enough: wandb 0.31.0 reports its own use to its makers, from a
    timer and at exit, unless WANDB_MODE says offline too.
    """
    os.environ |= {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false"}
