"""Where this process stands among those of a run, how they come together, and Lightning's part in it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from src.core.config import Plain
from src.errors import UserError

PATIENCE = timedelta(minutes=30)
"""How long a process waits for another. One that ends is noticed at once; this is for one that hangs."""
LOST = re.compile(r"gloo|NCCL|Connection (closed|reset|refused)|Broken pipe|Socket|TCPStore|store", re.I)


@dataclass(frozen=True)
class Place:
    """Of this process: its number among all, and on its machine."""

    rank: int
    world_size: int
    local_rank: int
    local_size: int
    launcher: str

    @property
    def nodes(self) -> int:
        return self.world_size // self.local_size


def place() -> Place | None:
    """What torchrun, srun or our own launcher says in the environment; None for a process by itself.

    Of SLURM it is the step that counts: in a batch script itself there is one process, whatever the job has.
    """
    here = os.environ
    if "GANATOMY_LAUNCH" in here or "TORCHELASTIC_RUN_ID" in here:
        size, local_size = (int(here.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
        rank, local = (int(here.get(name, "0")) for name in ("RANK", "LOCAL_RANK"))
        return Place(rank, size, local, local_size, "torchrun") if size > 1 else None
    if "SLURM_STEP_ID" in here and "SLURM_PROCID" in here:
        size = int(here.get("SLURM_STEP_NUM_TASKS") or here.get("SLURM_NTASKS", "1"))
        nodes = int(here.get("SLURM_STEP_NUM_NODES") or here.get("SLURM_NNODES", "1"))
        local = int(here.get("SLURM_LOCALID", "0"))
        return Place(int(here["SLURM_PROCID"]), size, local, size // nodes, "srun") if size > 1 else None
    return None


def settle_place(cfg: Plain) -> None:
    """Take the number of processes from whoever started them; UserError where the configuration differs."""
    here, trainer = place(), cfg["trainer"]
    nodes = trainer.get("num_nodes", 1)
    asked = trainer["devices"] * nodes
    if here is None:
        if nodes > 1:
            raise UserError(
                f"trainer.num_nodes: {nodes} machines are started by srun or torchrun, one "
                "process for each device (docs/cluster.md)"
            )
        return
    if asked not in (1, here.world_size) and not cfg["resume"]:
        raise UserError(
            f"trainer.devices: {asked} processes are asked for, and {here.launcher} started "
            f"{here.world_size}; leave trainer.devices and trainer.num_nodes to it"
        )
    trainer["devices"], trainer["num_nodes"] = here.local_size, here.nodes


def cluster() -> Any:
    """Lightning's view of `place`, or None."""
    from pytorch_lightning.plugins.environments import (  # type: ignore[attr-defined]
        SLURMEnvironment,
        TorchElasticEnvironment,
    )

    here = place()
    if here is None:
        return None
    return SLURMEnvironment(auto_requeue=False) if here.launcher == "srun" else TorchElasticEnvironment()


def join(cfg: Plain, directory: Path) -> Path:
    """Form the group of processes, before anything is written; the value is the first one's directory.

    NCCL between GPUs, gloo between CPUs; a UserError where the port is taken.
    """
    import torch
    import torch.distributed as dist

    environment = cluster()
    if environment is None:
        return directory
    gpu = cfg["trainer"]["accelerator"] != "cpu" and torch.cuda.is_available()
    address, port = environment.main_address, environment.main_port
    os.environ |= {"MASTER_ADDR": str(address), "MASTER_PORT": str(port)}
    if gpu:
        torch.cuda.set_device(environment.local_rank())
    try:
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if gpu else "gloo",
            rank=environment.global_rank(),
            world_size=environment.world_size(),
            timeout=PATIENCE,
        )
    except dist.DistNetworkError as error:
        if "EADDRINUSE" not in str(error) and "in use" not in str(error):
            raise
        raise UserError(
            f"MASTER_PORT: port {port} on {address} is taken by another program; choose another"
        ) from error
    told = [str(directory.absolute())]
    dist.broadcast_object_list(told)
    return Path(told[0])


def leave() -> None:
    """Dissolve the group."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def first() -> bool:
    """Whether this is the process that writes and speaks."""
    here = place()
    return here is None or here.rank == 0


def lost(error: BaseException) -> bool:
    """Whether the error is only that another process ended."""
    return place() is not None and isinstance(error, RuntimeError) and bool(LOST.search(str(error)))
