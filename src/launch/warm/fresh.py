"""A forked process made like a fresh one: its own streams, environment, command line and random numbers."""

from __future__ import annotations

import importlib
import os
import runpy
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ganatomy.launch.signals import die_with_parent
from ganatomy.launch.warm.messages import close


@dataclass(frozen=True)
class Request:
    """A process that a client asks for.

    Args:
        module: Module to run, as `python -m` would.
        words: Words after it.
        line: Whole command line, as a fresh process would have been started.
        safe_path: Nothing is imported from the current folder (`-P`).
        folder: Current folder.
        environment: All variables.
        new_session: It leads a session, and so a process group, of its own.
        dies_with_parent: It gets SIGTERM when the server or the client dies.
        files: File descriptors of standard input, output and error.
        begun: File descriptor that the server reads until it is closed.
    """

    module: str
    words: list[str]
    line: list[str]
    safe_path: bool
    folder: str
    environment: dict[str, str]
    new_session: bool
    dies_with_parent: bool
    files: list[int]
    begun: int = -1


def begin(request: Request, server: int, made: dict[str, str], masked: set[int]) -> Callable[[], object]:
    """Make this forked process like one that was started afresh; the value runs what was asked for.

    Args:
        request: What the client asked for.
        server: Process id of the server.
        made: Variables that the imports set.
        masked: Signals to block, those that the server was started with.
    """
    if request.new_session:
        os.setsid()
    if request.dies_with_parent:
        die_with_parent(server)
    for number, file in enumerate(request.files):
        os.dup2(file, number)
    close(request.files)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment | made)
    if "GANATOMY_PARENT" in os.environ:  # which `follow_parent` compares with its parent
        os.environ["GANATOMY_PARENT"] = str(server)
    if not sys.flags.safe_path:
        sys.path[0] = str(Path.cwd())
    signal.pthread_sigmask(signal.SIG_SETMASK, masked)
    os.close(request.begun)
    importlib.invalidate_caches()
    sys.orig_argv[:] = request.line
    sys.argv[:] = [request.module, *request.words]
    if not os.environ.get("PYTHONUNBUFFERED"):
        sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]  # it is a text stream
    tempfile.tempdir = None
    _draw_anew()
    return lambda: runpy.run_module(request.module, run_name="__main__", alter_sys=True)


def _draw_anew() -> None:
    """Seed the global generators from the system, as imports do; Python seeds its own at a fork."""
    import numpy as np
    import torch

    np.random.seed()  # noqa: NPY002 - libraries draw from the global generator
    torch.default_generator.seed()
