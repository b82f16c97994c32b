"""Rank of this process among those of a run."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class ProcessPlace:
    """Rank and local rank of this process, and how many processes there are."""

    rank: int
    world_size: int
    local_rank: int
    local_size: int
    launcher: str

    @property
    def nodes(self) -> int:
        return self.world_size // self.local_size


def process_place() -> ProcessPlace | None:
    """Read the environment that torchrun, srun or our launcher set; None for a single process.

    SLURM's step counts, not its job: a batch script itself is one process, whatever the job has.
    """
    here = os.environ
    if "GANATOMY_LAUNCH" in here or "TORCHELASTIC_RUN_ID" in here:
        size, local_size = (int(here.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
        rank, local = (int(here.get(name, "0")) for name in ("RANK", "LOCAL_RANK"))
        return ProcessPlace(rank, size, local, local_size, "torchrun") if size > 1 else None
    if "SLURM_STEP_ID" in here and "SLURM_PROCID" in here:
        size = int(here.get("SLURM_STEP_NUM_TASKS") or here.get("SLURM_NTASKS", "1"))
        nodes = int(here.get("SLURM_STEP_NUM_NODES") or here.get("SLURM_NNODES", "1"))
        local = int(here.get("SLURM_LOCALID", "0"))
        return (
            ProcessPlace(int(here["SLURM_PROCID"]), size, local, size // nodes, "srun") if size > 1 else None
        )
    return None


def is_rank_zero() -> bool:
    """Return True for the process that writes files and prints."""
    here = process_place()
    return here is None or here.rank == 0
