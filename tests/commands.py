"""Our commands, started at once: forked from a process of the tests that has imported once.

`run` and `start` take the command line of `subprocess` and answer like it. A line that is not
`<this Python> -m ...` starts afresh, as does one whose environment would have decided something at import
(PYTHONPATH, OMP_NUM_THREADS, ...). A test about a fresh interpreter calls `subprocess` itself.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ganatomy.launch.warm import Server

ROOT = Path(__file__).resolve().parents[1]


def environment(**more: str) -> dict[str, str]:
    """This process's, with the project importable anywhere, and no name of a test, which libraries read."""
    own = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    folders = [str(ROOT / "tests/reached"), str(ROOT)] if "GANATOMY_REACHED" in own else [str(ROOT)]
    path = os.pathsep.join(folders)
    return {**own, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "120", **more}


class Started:
    """A process with the methods of `subprocess.Popen` that tests use; its output is text from pipes.

    Args:
        line: Whole command line.
        cwd: Its current folder.
        env: Its whole environment.
        merged: Its errors go where its output goes, as with `stderr=subprocess.STDOUT`.
    """

    def __init__(
        self, line: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None, merged: bool = False
    ) -> None:
        self.args = list(line)
        pipes = [os.pipe() for _ in range(1 if merged else 2)]
        ends = [write for _, write in pipes]
        try:
            self._process = _server().start_process(
                self.args, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=ends[0], stderr=ends[-1]
            )
        finally:
            for end in ends:
                os.close(end)
        files: list[IO[str]] = [os.fdopen(read) for read, _ in pipes]
        self.stdout, self.stderr = files[0], None if merged else files[1]
        self._readers: list[_Reader] = []

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    def poll(self) -> int | None:
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        return self._process.wait(timeout)

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return output and errors, once nobody holds the pipes any more and the process has ended."""
        until = None if timeout is None else time.monotonic() + timeout
        if not self._readers:
            self._readers = [_Reader(file) for file in (self.stdout, self.stderr) if file]
        for reader in self._readers:
            reader.join(None if until is None else max(0.0, until - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        self.wait(None if until is None else max(0.0, until - time.monotonic()))
        said = [reader.text for reader in self._readers]
        assert None not in said, "what the command wrote is not UTF-8"
        return said[0] or "", (said[1] or "") if self.stderr else ""

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *error: object) -> None:
        self.stdout.close()
        if self.stderr is not None:
            self.stderr.close()
        self.wait()


class _Reader(threading.Thread):
    """Reads a pipe to its end."""

    def __init__(self, file: IO[str]) -> None:
        super().__init__(daemon=True)
        self.file = file
        self.text: str | None = None
        self.start()

    def run(self) -> None:
        with self.file:
            self.text = self.file.read()


def start(
    line: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None, merged: bool = False
) -> Started:
    """Start a command and leave it to run.

    Args:
        line: Whole command line.
        cwd: Its current folder; None: this one.
        env: Its whole environment; None: `environment()`.
        merged: Its errors go where its output goes.
    """
    return Started(line, cwd, environment() if env is None else env, merged)


def run(
    line: Sequence[str],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = 300,
    check: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as `subprocess.run` would with its output captured as text.

    Args:
        line: Whole command line.
        cwd: Its current folder; None: this one.
        env: Its whole environment; None: `environment()`.
        timeout: It is killed after so many seconds.
        check: Fail if it does.

    Raises:
        subprocess.TimeoutExpired: It took too long.
        subprocess.CalledProcessError: It failed, with `check`.
    """
    process = start(line, cwd, env)
    try:
        said = process.communicate(timeout)
    except BaseException:
        process.kill()
        process.wait()
        raise
    done = subprocess.CompletedProcess(process.args, process.wait(), *said)
    if check:
        done.check_returncode()
    return done


def spawn(function: Callable[..., None], arguments: Sequence[Any], count: int) -> list[str]:
    """Call a function of a test module in processes, as `torch.multiprocessing.spawn` does.

    Args:
        function: Called with the number of its process and the arguments.
        arguments: What JSON can hold.
        count: Number of processes.

    Returns:
        What each one wrote.

    Raises:
        AssertionError: One failed; the others have been killed.
    """
    line = [sys.executable, "-m", "tests.call", function.__module__, function.__name__]
    processes = [start([*line, json.dumps([rank, *arguments])], ROOT, merged=True) for rank in range(count)]
    while None in (codes := [process.poll() for process in processes]) and not any(codes):
        time.sleep(0.01)
    for process in processes:
        process.kill()
    said = [process.communicate()[0] for process in processes]
    codes = [process.returncode for process in processes]
    assert codes == [0] * count, "\n".join([f"exit codes {codes}", *said])
    return said


@functools.cache
def _server() -> Server:
    """Return the server of this pytest process, which starts with the first command."""
    server = Server(safe_path=False, env=environment())
    server.start()
    atexit.register(server.stop)
    return server
