"""Process group of a run: how many processes, who started them, and Lightning's view of it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ganatomy.errors import UserError
from ganatomy.launch.loopback import loopback_store, stays_here
from ganatomy.launch.watchdog import stop_watching, watch
from ganatomy.runs.process_place import process_place

if TYPE_CHECKING:
    from lightning_fabric.plugins import ClusterEnvironment

    from ganatomy.config.schema import Config, TrainerConfig

LATER = timedelta(minutes=2)
"""The process group's own timeout comes so long after that of the watchdog, which can say more."""


def settle_place(cfg: Config) -> Config:
    """Take the number of processes from whoever started them; UserError where the configuration differs."""
    devices, nodes = devices_and_nodes(cfg.trainer, resumes=bool(cfg.resume))
    if process_place() is None:
        return cfg
    trainer = {**cfg.trainer.to_plain(), "devices": devices, "num_nodes": nodes}
    return cfg.with_values(trainer=trainer)


def devices_and_nodes(trainer: TrainerConfig, resumes: bool) -> tuple[int, int]:
    """Count the devices of each machine, and the machines.

    Args:
        trainer: what the configuration asks for.
        resumes: a run that goes on takes any number, whatever it began with.

    Raises:
        UserError: for a number that whoever started the processes does not give.
    """
    here, nodes = process_place(), trainer.num_nodes
    asked = trainer.devices * nodes
    if here is None:
        if nodes > 1:
            raise UserError(
                f"trainer.num_nodes: {nodes} machines are started by srun or torchrun, one "
                "process for each device (docs/cluster.md)"
            )
        return trainer.devices, nodes
    if asked not in (1, here.world_size) and not resumes:
        raise UserError(
            f"trainer.devices: {asked} processes are asked for, and {here.launcher} started "
            f"{here.world_size}; leave trainer.devices and trainer.num_nodes to it"
        )
    return here.local_size, here.nodes


def cluster() -> ClusterEnvironment | None:
    """Return Lightning's environment for the launcher of this process; None for a single process."""
    from pytorch_lightning.plugins.environments import (  # type: ignore[attr-defined]
        SLURMEnvironment,
        TorchElasticEnvironment,
    )

    here = process_place()
    if here is None:
        return None
    return SLURMEnvironment(auto_requeue=False) if here.launcher == "srun" else TorchElasticEnvironment()


def join_group(trainer: TrainerConfig, directory: Path) -> Path:
    """Form the process group before anything is written; return rank zero's run directory.

    NCCL between GPUs, gloo between CPUs. UserError where the port is taken.
    """
    import torch
    import torch.distributed as dist

    environment = cluster()
    if environment is None:
        return directory
    gpu = trainer.accelerator != "cpu" and torch.cuda.is_available()
    address, port = environment.main_address, environment.main_port
    os.environ |= {"MASTER_ADDR": str(address), "MASTER_PORT": str(port)}
    if gpu:
        torch.cuda.set_device(environment.local_rank())
    rank, count = environment.global_rank(), environment.world_size()
    patience = timedelta(seconds=trainer.hang_after) + LATER
    try:
        store = loopback_store(int(port), rank, count, patience) if stays_here(str(address)) else None
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if gpu else "gloo",
            store=store,
            rank=rank,
            world_size=count,
            timeout=patience,
        )
    except (dist.DistNetworkError, OSError) as error:
        if "EADDRINUSE" not in str(error) and "in use" not in str(error):
            raise
        raise UserError(
            f"MASTER_PORT: port {port} on {address} is taken by another program; choose another"
        ) from error
    shared = [str(directory.absolute())]
    dist.broadcast_object_list(shared)
    watch(Path(shared[0]), trainer.hang_after)
    return Path(shared[0])


def leave_group() -> None:
    """Destroy the process group, if there is one."""
    import torch.distributed as dist

    stop_watching()
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
