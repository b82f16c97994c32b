"""One server for the tests of this folder: its imports take seconds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ganatomy.launch.warm import Process, Server
from tests.conftest import environment


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server(env=environment()) as running:
        yield running
        assert running.alive(), "a run has ended the server"


@dataclass
class Script:
    """A module of one's own, started by the server and, to compare with, by Python itself."""

    server: Server
    folder: Path

    def write(self, text: str, name: str = "script") -> None:
        (self.folder / f"{name}.py").write_text(text)

    def start(self, *words: str, **more: Any) -> Process:
        """Start it by the server."""
        with (self.folder / "output").open("wb") as output:
            more = {"cwd": self.folder, "env": environment(), "stdin": subprocess.DEVNULL} | more
            return self.server.run("script", words, stdout=output, stderr=subprocess.STDOUT, **more)

    def output(self) -> str:
        return (self.folder / "output").read_text()

    def fresh(self, *words: str) -> tuple[int, str]:
        """Run it as a fresh process; return its exit code and its output."""
        found = subprocess.run(
            [sys.executable, "-m", "script", *words],
            cwd=self.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        return found.returncode, found.stdout


@pytest.fixture
def script(server: Server, tmp_path: Path) -> Script:
    return Script(server, tmp_path)
