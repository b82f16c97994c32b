"""Sockets of the processes of one machine: on the loopback interface alone."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

LOOPBACK = ("127.0.0.1", "localhost")


def stays_here(address: str) -> bool:
    """Return True for processes of our launcher, which are on this machine, at a loopback address."""
    return "GANATOMY_LAUNCH" in os.environ and address in LOOPBACK


def loopback_store(port: int, rank: int, world_size: int, timeout: timedelta) -> TCPStore:
    """Return the store in which processes find each other; have gloo and NCCL use the loopback interface.

    By itself torch's store listens on all interfaces, to anyone and without a password.

    Args:
        port: Port of the store.
        rank: Rank of this process; rank zero listens.
        world_size: Number of processes.
        timeout: Timeout of the store.

    Raises:
        OSError: If the port is taken.
    """
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    names = {name for _, name in socket.if_nameindex()}
    if interface := next((name for name in ("lo", "lo0") if name in names), None):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", interface)
    if rank:
        return TCPStore(LOOPBACK[0], port, world_size, False, timeout)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK[0], port))
    listener.listen(128)
    return TCPStore(LOOPBACK[0], port, world_size, True, timeout, master_listen_fd=listener.detach())
