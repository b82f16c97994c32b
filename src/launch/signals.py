"""Requests to stop: which signals, and a handler for them within a block."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Ctrl-C, a scheduler's request to end, and SLURM's warning before it."""
DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux's prctl(2)."""
Handler = Callable[[int, FrameType | None], Any]


@contextmanager
def heard_by(handler: Handler) -> Iterator[None]:
    """Send requests to stop to `handler` within the block, then restore the former handlers.

    Outside the main thread nothing changes, as Python sets handlers there only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def die_with_parent(parent: int, number: int = signal.SIGTERM) -> None:
    """Have the kernel send this process a signal when its parent is killed (Linux); called in the child."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, number)
        if os.getppid() != parent:  # it was killed before
            os.kill(os.getpid(), number)
