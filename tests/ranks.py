"""Processes of one run as torchrun starts them, but forked: each fresh one would import for seconds."""

from __future__ import annotations

import os
import runpy
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from lightning_fabric.utilities.rank_zero import rank_zero_only

from tests import commands


def ddp(count: int) -> list[str]:
    return ["trainer=ddp", f"trainer.devices={count}"]


def together(count: int, folder: Path, *words: str) -> list[str]:
    """Train in processes that read their places from torchrun's variables; return what each one said.

    Args:
        count: Number of processes; each one that fails fails the test.
        folder: Their current folder.
        words: Overrides of the command line; those of `ddp` are added.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    return commands.spawn(train_as, [count, port, str(folder), [*words, *ddp(count)]], count)


def train_as(rank: int, count: int, port: str, folder: str, words: Sequence[str]) -> None:
    """Run the command in this process as one of several."""
    size, own = str(count), str(rank)
    place = {"RANK": own, "LOCAL_RANK": own, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "GROUP_RANK": "0"}
    os.environ |= {**place, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "none"}
    rank_zero_only.rank = rank  # which Lightning reads from the environment when it is imported
    os.chdir(folder)
    sys.argv = ["src.train", *words]
    runpy.run_module("src.train", run_name="__main__", alter_sys=True)
