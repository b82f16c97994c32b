"""The server: imports once, then forks a process for each run that a client asks for.

`python -m ganatomy.launch.warm.process FILE PARENT` listens on the socket of that file descriptor and ends
with that parent. It has one thread, touches no GPU and computes nothing, so that a fork is safe.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ganatomy.launch.signals import SIGNALS, die_with_parent
from ganatomy.launch.warm.fresh import Request, begin
from ganatomy.launch.warm.imports import Imported
from ganatomy.launch.warm.messages import close, receive, send
from ganatomy.machine import allocator

PATIENCE = 10.0
"""Seconds in which a client that has connected must send its request."""


@dataclass
class _Child:
    """A forked process; `channel` is None once its client has gone."""

    pid: int
    channel: socket.socket | None
    process: int
    dies_with_parent: bool
    ended: bool = False


class _Service:
    """Loop of the server: requests, and ends of processes."""

    def __init__(self, listener: socket.socket, imported: Imported) -> None:
        self.listener, self.imported = listener, imported
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ)
        self.children: list[_Child] = []

    def serve(self) -> Request:
        """Answer requests; return, in the forked process alone, what it is to run."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    if request := self._accept():
                        return request
                elif key.fd == key.data.process:
                    self._ended(key.data)
                else:
                    self._left(key.data)

    def _accept(self) -> Request | None:
        channel, _ = self.listener.accept()
        if _user(channel) != os.getuid():
            channel.close()
            return None
        channel.settimeout(PATIENCE)
        try:
            message, files = receive(channel, 3)
        except (OSError, ValueError):
            message, files = None, []
        if message is None:
            channel.close()
            return None
        request = Request(**message, files=files)
        request.environment.update(
            allocator.environment(request.environment)
        )  # as `train` does when it starts
        why, pid = self._refusal(request), -1
        begun, beginning = os.pipe()
        if not why:
            try:
                pid = os.fork()
            except OSError as error:  # no memory, or too many processes
                why = f"a process cannot be forked ({error.strerror})"
        if pid == 0:
            self._leave(channel)
            os.close(begun)
            return replace(request, begun=beginning)
        os.close(beginning)
        if not why:
            os.read(begun, 1)  # until it is in its session and its folder, as after an exec
        close([*files, begun])
        self._answer(channel, request, pid, why)
        return None

    def _refusal(self, request: Request) -> str:
        """Return why this run cannot be forked from here; empty if it can."""
        if self.imported.refusal:
            return self.imported.refusal
        if name := self.imported.differs(request.environment):
            return f"{name} is another than when the libraries were imported"
        folder = Path(request.folder)
        if request.safe_path != sys.flags.safe_path:
            return "-P is another than that of the server"
        if not os.access(folder, os.R_OK | os.X_OK):
            return f"{folder} cannot be read"
        if name := self.imported.hidden_by(folder):
            return f"{name} is also in the current folder"
        return _unsafe()

    def _answer(self, channel: socket.socket, request: Request, pid: int, why: str) -> None:
        """Tell the client, and watch the process."""
        child = _Child(pid, channel, -1 if why else os.pidfd_open(pid), request.dies_with_parent)
        try:
            send(channel, {"refused": why} if why else {"pid": pid, "server": os.getpid()})
        except OSError:
            if not why:
                os.kill(pid, signal.SIGTERM)
            child.channel = None
        if why:
            channel.close()
            return
        self.children.append(child)
        self.selector.register(child.process, selectors.EVENT_READ, child)
        if child.channel is None:
            channel.close()
        else:
            self.selector.register(channel, selectors.EVENT_READ, child)

    def _ended(self, child: _Child) -> None:
        """Tell the client the exit code; its process id stays taken until the client has gone."""
        found = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if found is None:
            return
        self.selector.unregister(child.process)
        child.ended = True
        code = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        if child.channel is not None:
            with contextlib.suppress(OSError):  # the client has gone, which is seen next
                send(child.channel, {"code": code})
        else:
            self._forget(child)

    def _left(self, child: _Child) -> None:
        """End what a client has left: it knows the exit code, or it died."""
        if child.channel is None:
            return
        self.selector.unregister(child.channel)
        child.channel.close()
        child.channel = None
        if child.ended:
            self._forget(child)
        elif child.dies_with_parent:
            os.kill(child.pid, signal.SIGTERM)

    def _forget(self, child: _Child) -> None:
        os.waitpid(child.pid, 0)
        os.close(child.process)
        self.children.remove(child)

    def _leave(self, channel: socket.socket) -> None:
        """Close what belongs to the server, in the forked process."""
        self.selector.close()
        self.listener.close()
        channel.close()
        for child in self.children:
            os.close(child.process)
            if child.channel is not None:
                child.channel.close()


def _user(channel: socket.socket) -> int:
    """Return the user id of the other side."""
    credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])


def _unsafe() -> str:
    """Return why a fork of this process is unsafe now; empty if it is safe."""
    threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    return "" if threads == 1 else f"a library has started {threads - 1} threads in the server"


def _try_fork() -> str:
    """Fork once; return why a run must not be forked, empty if it may.

    BLAS ends its threads at the first fork and starts new ones in the process that needs them.
    """
    import torch

    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # Linux before 5.3, and some containers
        return "the system cannot watch a process by a file"
    pid = os.fork()
    if pid == 0:
        used = torch.cuda.is_initialized() or torch.cuda._is_in_bad_fork()  # type: ignore[no-untyped-call]
        os._exit(int(used))
    if os.waitpid(pid, 0)[1]:
        return "a library has used the GPU when it was imported"
    return _unsafe()


def main(words: list[str]) -> Callable[[], object]:
    """Serve until killed; in a forked process, return what runs what was asked for.

    The caller runs it, so that a run has as few frames above it as a fresh process, and ends like one.
    """
    file, parent = map(int, words)
    die_with_parent(parent, signal.SIGKILL)
    masked = signal.pthread_sigmask(
        signal.SIG_BLOCK, SIGNALS
    )  # a request to stop a whole job is for the runs
    server = os.getpid()
    imported = Imported()
    imported.refusal = _try_fork()
    gc.collect()
    gc.freeze()
    request = _Service(socket.socket(fileno=file), imported).serve()
    return begin(request, server, imported.made, masked, imported.temporary)


if __name__ == "__main__":
    main(sys.argv[1:])()
