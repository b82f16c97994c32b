"""Requests to stop: which signals, and a handler for them within a block."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Ctrl-C, a scheduler's request to end, and SLURM's warning before it."""
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
