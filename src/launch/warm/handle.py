"""A forked run, with the methods of `subprocess.Popen`."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time

from ganatomy.launch.warm.messages import receive


class Handle:
    """Process that the server forked for this one.

    Its exit is known from the server, which keeps the process id until it is asked for. If the handle is
    dropped while the process runs, the process gets SIGTERM, as if its parent had died.

    Args:
        pid: Process id.
        channel: Connection to the server, for this process alone.
        line: Command line, for messages.
        dies_with_parent: It gets SIGTERM when the server dies; otherwise it is left to itself.

    Attributes:
        returncode: None while it runs; its exit code, or -n after signal n.
        orphaned: The server died before it, and its exit code is not known.
    """

    def __init__(self, pid: int, channel: socket.socket, line: list[str], dies_with_parent: bool) -> None:
        self.pid, self.args = pid, line
        self.returncode: int | None = None
        self.orphaned = False
        self._channel = channel
        self._if_orphaned = -signal.SIGTERM if dies_with_parent else -signal.SIGKILL
        try:
            self._process: int | None = os.pidfd_open(pid)
        except ProcessLookupError:  # the server has died, and nobody held the id
            self._process = None

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, at most `timeout` seconds.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None and self._process is not None:
            signal.pidfd_send_signal(self._process, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def __del__(self) -> None:
        if self.returncode is None and getattr(self, "_process", None) is not None:
            self._close()

    def _look(self, timeout: float | None) -> int | None:
        """Wait for the exit code, at most `timeout` seconds."""
        if self.returncode is not None:
            return self.returncode
        until = None if timeout is None else time.monotonic() + timeout
        if not self.orphaned:
            if not _readable(self._channel.fileno(), until):
                return None
            message, _ = receive(self._channel)
            self.orphaned = message is None
            self.returncode = message["code"] if message else None
        if self.orphaned:
            if self._process is not None and not _readable(self._process, until):
                return None
            self.returncode = self._if_orphaned
        self._close()
        return self.returncode

    def _close(self) -> None:
        self._channel.close()
        if self._process is not None:
            os.close(self._process)
            self._process = None


def _readable(file: int, until: float | None) -> bool:
    """Wait until there is something to read, at most until this time."""
    looks = select.poll()
    looks.register(file, select.POLLIN)
    left = None if until is None else max(0.0, until - time.monotonic()) * 1000
    return bool(looks.poll(left))
