"""Requests to stop: which signals they are, and who hears them for a while."""

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
    """Within, requests to stop go to `handler`, and afterwards to whom they went before.

    Nothing changes outside the main thread, where no handler may be set.
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
