"""Rank of this process among those of a run, and what rank zero decides for all."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ganatomy.errors import UserError

T = TypeVar("T")


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


def from_rank_zero(decide: Callable[[], T]) -> T:
    """Return in every process what rank zero decides; a UserError of its is raised in all."""
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return decide()
    shared: list[Any] = [None, ""]
    if dist.get_rank() == 0:
        try:
            shared[0] = decide()
        except UserError as error:
            shared[1] = str(error)
    dist.broadcast_object_list(shared)
    if shared[1]:
        raise UserError(shared[1])
    decided: T = shared[0]
    return decided
