"""Start and stop of the server, and requests to it; a process it cannot fork starts afresh."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ganatomy.invocation import child_command
from ganatomy.launch.signals import die_with_parent
from ganatomy.launch.warm.handle import Handle
from ganatomy.launch.warm.messages import receive, send
from ganatomy.machine import allocator
from ganatomy.runs.integrity.checked import warn_once

Process = Handle | subprocess.Popen[bytes]
"""A forked process, or a fresh one."""
FRESH = "fresh"
"""Value of the key `launch` that turns the server off."""
DEATHS = 3
"""Deaths of the server after which it is not started again."""
File = int | IO[Any] | None
"""Standard stream of a process: a descriptor, a file, `subprocess.DEVNULL`; None for that of this process."""


class Client:
    """Starts processes through a server, or afresh where it refuses; each reason is said once.

    Args:
        address: Address of the server, from `Server.address`; empty: every process starts afresh.
    """

    def __init__(self, address: str = "") -> None:
        self.address = address

    def run(self, module: str, words: Sequence[str], **more: Any) -> Process:
        """Start `python -m <module> <words>`; further arguments are those of `start_process`."""
        safe = ["-P"] if sys.flags.safe_path else []
        return self.start_process([sys.executable, *safe, "-m", module, *words], **more)

    def start_process(
        self,
        line: Sequence[str],
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        stdin: File = None,
        stdout: File = None,
        stderr: File = None,
        new_session: bool = True,
        dies_with_parent: bool = True,
    ) -> Process:
        """Start a process; pipes are not made here.

        Args:
            line: Whole command line. Only `<this Python> -m MODULE ...` can be forked.
            cwd: Its current folder; None: this one.
            env: Its whole environment; None: that of this process.
            stdin: Its standard input.
            stdout: Its standard output.
            stderr: Its standard error; `subprocess.STDOUT`: where its output goes.
            new_session: It leads a session, and so a process group, of its own.
            dies_with_parent: It gets SIGTERM when this process dies.

        Returns:
            A handle with the methods of `subprocess.Popen`.
        """
        module = _module(line) if self.address else None
        if module is not None:
            request = {
                "module": module,
                "words": list(line[list(line).index("-m") + 2 :]),
                "line": list(line),
                "safe_path": line[1] == "-P",
                "folder": str(Path.cwd() if cwd is None else Path(cwd).absolute()),
                "environment": dict(os.environ if env is None else env),
                "new_session": new_session,
                "dies_with_parent": dies_with_parent,
            }
            with contextlib.ExitStack() as stack:
                files = [
                    _descriptor(stack, file, number) for number, file in enumerate((stdin, stdout, stderr))
                ]
                files[2] = files[1] if stderr == subprocess.STDOUT else files[2]
                handle, why = self._ask(request, files)
            if handle is not None:
                return handle
            warn_once(f"warm start: {why}; a run starts as a fresh process")
        return subprocess.Popen(
            line,
            cwd=cwd,
            env=env,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=new_session,
            preexec_fn=functools.partial(die_with_parent, os.getpid()) if dies_with_parent else None,
        )

    def _ask(self, request: dict[str, Any], files: Sequence[int]) -> tuple[Handle | None, str]:
        """Return the forked process, or None and why there is none."""
        channel = socket.socket(socket.AF_UNIX)
        try:
            channel.connect(self.address)
            send(channel, request, files)
            answer, _ = receive(channel)
        except OSError as error:
            answer = {"refused": f"the server does not answer ({error.strerror})"}
        if answer and "pid" in answer:
            return Handle(answer["pid"], channel, request["line"], request["dies_with_parent"]), ""
        channel.close()
        return None, answer["refused"] if answer else "the server has ended"


class Server(Client):
    """A server of this process, which ends with it; a context manager.

    Where the system is not Linux there is none, and every process starts afresh.

    Args:
        safe_path: Its Python does not import from the current folder (`-P`).
        env: Its environment, with which the libraries are imported; None: that of this process.
        wanted: False starts none, and every process starts afresh.
    """

    def __init__(
        self, safe_path: bool | None = None, env: Mapping[str, str] | None = None, wanted: bool = True
    ) -> None:
        super().__init__()
        self.safe_path = sys.flags.safe_path if safe_path is None else safe_path
        self.env, self.wanted, self.deaths = env, wanted, 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server; the first process asked for waits for its imports."""
        if sys.platform != "linux" or not self.wanted:
            return
        address = self.address or f"\0ganatomy-{secrets.token_hex(16)}"  # no file, and nobody can guess it
        given = os.environ if self.env is None else self.env
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen(socket.SOMAXCONN)
            safe = ["-P"] if self.safe_path else []
            words = ["-m", "ganatomy.launch.warm.process", str(listener.fileno()), str(os.getpid())]
            self.process = subprocess.Popen(
                [sys.executable, *safe, *words],
                env={**given, **allocator.environment(given)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
        self.address = address

    def stop(self) -> None:
        """End the server; processes that still run get SIGTERM."""
        if self.process is not None:
            self.process.kill()  # it hears no other signal
            self.process.wait()
        self.process, self.address = None, ""

    def revive(self) -> None:
        """Start the server again, at the same address, if it died, and say so; not after DEATHS of them."""
        if self.process is not None and self.process.poll() is not None and self.deaths < DEATHS:
            self.deaths += 1
            again = "it is started again" if self.deaths < DEATHS else "runs start as fresh processes"
            sys.stderr.write(f"warm start: the server died ({_ended(self.process.returncode)}); {again}\n")
            if self.deaths < DEATHS:
                self.start()

    def alive(self) -> bool:
        """Return True while the server runs."""
        return self.process is not None and self.process.poll() is None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def launch_words(launch: str | None) -> tuple[tuple[str, ...], bool]:
    """Return the words that start `train`, and True if a server may fork it.

    Args:
        launch: Command of the user's own; None: this Python's, forked; "fresh": this Python's, not forked.
    """
    if launch in (None, FRESH):
        return tuple(child_command("train")), launch is None
    return tuple(shlex.split(launch)), False


def orphaned(process: Process) -> bool:
    """Return True if a process ended with its server, and not by itself."""
    return isinstance(process, Handle) and process.orphaned


def _ended(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _module(line: Sequence[str]) -> str | None:
    """Return the module of `<this Python> [-P] -m MODULE ...`; None for any other command line."""
    rest = [word for word in line[1:2] if word != "-P"] + list(line[2:])
    if not line or line[0] != sys.executable or len(rest) < 2 or rest[0] != "-m":
        return None
    return rest[1]


def _descriptor(stack: contextlib.ExitStack, file: File, number: int) -> int:
    """Return the file descriptor of a standard stream; `number` is its own."""
    if file is None or file == subprocess.STDOUT:
        return number
    if file == subprocess.DEVNULL:
        return stack.enter_context(Path(os.devnull).open("r+b", buffering=0)).fileno()
    return file if isinstance(file, int) else file.fileno()
