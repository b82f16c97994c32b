"""A forked process made like a fresh one: its own streams, environment, command line and random numbers."""

from __future__ import annotations

import atexit
import importlib
import os
import runpy
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
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


def begin(
    request: Request,
    server: int,
    made: dict[str, str],
    masked: set[int],
    temporary: Sequence[tempfile.TemporaryDirectory[str]],
) -> Callable[[], object]:
    """Make this forked process like one that was started afresh; the value runs what was asked for.

    Args:
        request: What the client asked for.
        server: Process id of the server.
        made: Variables that the imports set.
        masked: Signals to block, those that the server was started with.
        temporary: Temporary folders of libraries, which this process makes anew and removes at its end.
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
    for folder in temporary:
        folder.__init__()  # type: ignore[misc]  # at another place, and with an end of its own
    _draw_anew()
    return lambda: _run(request.module)


def _run(module: str) -> None:
    """Run a module as `python -m` does, and end without taking down the libraries, which takes seconds.

    What was registered for the end is run, and threads are waited for. An error ends the process as usual.
    """
    code: object = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    if not isinstance(code, int | None):
        raise SystemExit(code)  # Python writes it
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit((code or 0) & 0xFF)


def _draw_anew() -> None:
    """Seed the global generators from the system, as imports do; Python seeds its own at a fork."""
    import numpy as np
    import torch

    np.random.seed()  # noqa: NPY002 - libraries draw from the global generator
    torch.default_generator.seed()
