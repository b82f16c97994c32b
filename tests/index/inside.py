"""A command in the process of the tests, which is far faster than in one of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest


class Said(NamedTuple):
    """Exit code and output of a command."""

    returncode: int
    stdout: str
    stderr: str


class Inside:
    """Runs one command."""

    def __init__(self, verb: str, start: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> None:
        self.verb, self.start, self.capsys = verb, start, capsys

    def __call__(self, folder: Path, *words: str, width: int = 120) -> Said:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setenv("COLUMNS", str(width))
            patch.setattr(sys, "argv", [f"ganatomy {self.verb}", *words])
            self.capsys.readouterr()
            code = 0
            try:
                self.start()
            except SystemExit as ended:
                code = int(ended.code or 0)
            os.environ.pop("HYDRA_FULL_ERROR", None)
        return Said(code, *self.capsys.readouterr())
