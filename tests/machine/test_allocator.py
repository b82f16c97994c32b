"""The allocator of a process that trains: which, when, and that nothing else of the process changes."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ganatomy.machine import allocator
from tests.conftest import TINY, environment

TAKEN = ("LD_PRELOAD", "GLIBC_TUNABLES", "GANATOMY_ALLOCATOR")
GLIBC = sys.platform == "linux" and platform.libc_ver()[0] == "glibc"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a shell that sets none of the variables."""
    for name in TAKEN:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def without_tcmalloc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(allocator, "FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(allocator.sys, "prefix", str(tmp_path))
    return tmp_path


@pytest.mark.skipif(not GLIBC, reason="this machine has another C library than glibc")
def test_glibc_is_told_to_keep_its_memory(without_tcmalloc: Path) -> None:
    more = allocator.environment()
    tunables = dict(word.split("=") for word in more["GLIBC_TUNABLES"].split(":"))
    # Both the loader and the library know these names, and no other word is among them.
    known = subprocess.run(
        [sys.executable, "-c", "pass"], env={**os.environ, **more}, capture_output=True, text=True, check=True
    )
    assert known.stderr == ""
    assert set(tunables) == {
        f"glibc.malloc.{n}" for n in ("hugetlb", "mmap_max", "trim_threshold", "top_pad")
    }


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is Linux's")
def test_tcmalloc_is_taken_where_it_lies(without_tcmalloc: Path) -> None:
    library = without_tcmalloc / "libtcmalloc_minimal.so.4"
    library.touch()
    assert allocator.environment() == {"GANATOMY_ALLOCATOR": "tcmalloc", "LD_PRELOAD": str(library)}


@pytest.mark.parametrize("name", TAKEN)
def test_what_the_user_set_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "system")
    assert allocator.environment() == {}


def test_other_programs_are_not_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*given: object) -> None:
        raise AssertionError(given)

    monkeypatch.setattr(allocator.os, "execve", never)
    monkeypatch.setattr(
        allocator.sys, "argv", ["ganatomy train", "seed=1"]
    )  # as a test of the command has it
    allocator.start_anew()


@pytest.mark.parametrize("tool", ["settrace", "setprofile"])
def test_a_debugger_keeps_its_process(tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[object] = []
    monkeypatch.setattr(allocator.os, "execve", lambda *given: begun.append(given))
    monkeypatch.setattr(allocator, "_is_train", lambda: True)
    monkeypatch.setattr(allocator, "environment", lambda *_: {"GANATOMY_ALLOCATOR": "tcmalloc"})
    before = sys.gettrace(), sys.getprofile()
    try:
        sys.settrace(None)  # of coverage, if it measures this
        sys.setprofile(None)
        allocator.start_anew()
        assert len(begun) == 1
        getattr(sys, tool)(lambda *_: None)
        allocator.start_anew()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    assert len(begun) == 1


@pytest.mark.skipif(not GLIBC, reason="this machine has another C library than glibc")
@pytest.mark.parametrize("start", [["-m", "src.train"], ["-m", "ganatomy", "train"]])
def test_the_command_starts_anew_as_the_same_process(start: list[str], tmp_path: Path) -> None:
    words = [*TINY, "trainer.max_steps=-1", "name='a b'"]  # refused in one line, after the start
    process = subprocess.Popen(
        [sys.executable, *start, *words],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2
    assert said.count("trainer.max_steps") == 1


def test_a_run_says_which_it_had(run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANATOMY_ALLOCATOR", "tcmalloc")
    done = run("run", "trainer.max_steps=1", "trainer.val_every=1")
    assert json.loads((done / "environment.json").read_text())["allocator"] == "tcmalloc"
