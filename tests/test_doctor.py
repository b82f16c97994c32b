"""`ganatomy doctor`: what it reports, what it keeps to itself, and that it works where nothing else does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from ganatomy.machine import inventory
from ganatomy.machine.packages import Installed
from tests.conftest import ROOT, environment


def doctor(folder: Path, *flags: str, **more: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, *flags, "-m", "ganatomy", "doctor"]
    return subprocess.run(words, cwd=folder, env=environment(**more), capture_output=True, text=True)


def test_it_reports_all_and_names_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "patient_doe"
    folder.mkdir()
    more = {"HOME": str(folder), "USER": "dr_who", "LOGNAME": "dr_who", "GANATOMY_DATA": str(folder)}
    done = doctor(folder, **more, OMP_NUM_THREADS="1", WANDB_API_KEY="not_for_you")
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    rows = {line[:11].strip() for line in done.stdout.splitlines()} - {""}
    assert {
        "GANatomy",
        "Python",
        "system",
        "packages",
        "processor",
        "torch",
        "speed",
        "memory",
        "disk",
    } <= rows
    assert "OMP_NUM_THREADS=1" in done.stdout and "GANATOMY_DATA" in done.stdout
    assert socket.gethostname() not in done.stdout.split()
    for secret in ("patient_doe", "dr_who", "not_for_you", "/"):
        assert secret not in done.stdout
    assert done.stdout.splitlines()[-1].split(None, 1)[1] == "0 faults in this installation"


def test_it_works_where_no_package_is_installed(tmp_path: Path) -> None:
    done = doctor(tmp_path, "-S")
    assert done.returncode == 1 and not done.stderr
    assert "torch: cannot be imported (ModuleNotFoundError: No module named 'torch')" in done.stdout
    assert "\nmemory " in done.stdout and "\nspeed" not in done.stdout


@pytest.mark.parametrize(("word", "code"), [("--help", 0), ("all", 2)])
def test_it_takes_no_words(word: str, code: int, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "src.doctor", word]
    done = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode == code
    assert done.stdout.count("Usage: python -m src.doctor\n") == 1 - code // 2
    assert done.stderr == ("error: doctor: all: takes no words\n" if code else "")


def test_old_and_missing_packages_are_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "planted-1.0.dist-info"
    folder.mkdir()
    asked = ("numpy>=2", "rich>=999", "no-such-package", 'torch>=1; extra == "a"', 'torch>=999; extra == "b"')
    lines = [
        "Metadata-Version: 2.1",
        "Name: planted",
        "Version: 1.0",
        "Provides-Extra: a",
        "Provides-Extra: b",
    ]
    (folder / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {line}" for line in asked)]))
    monkeypatch.syspath_prepend(str(tmp_path))
    found = Installed.of("planted")
    assert list(found.versions) == ["numpy", "rich", "no-such-package"]
    assert [line.partition(":")[0] for line in found.faults] == ["rich", "no-such-package"]
    assert found.faults[0].endswith(", >=999 is needed") and "missing" in found.faults[1]
    assert found.missing == {"a": [], "b": ["torch"]}


def test_memory_and_disk_are_those_of_other_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = inventory.memory()
    assert room is not None
    if not any(map(os.path.exists, inventory.LIMITS)):
        assert room.total == psutil.virtual_memory().total
    (tmp_path / "limit").write_text("1000000\n")
    monkeypatch.setattr(inventory, "LIMITS", (str(tmp_path / "none"), str(tmp_path / "limit")))
    assert inventory.memory() == (1000000, 1000000)
    (tmp_path / "limit").write_text("max\n")
    assert inventory.memory() is not None and inventory.memory().total == psutil.virtual_memory().total  # type: ignore[union-attr]
    disk = inventory.disk(tmp_path)
    assert disk is not None and disk.total == psutil.disk_usage(str(tmp_path)).total
    assert inventory.disk(tmp_path / "none") is None
    assert inventory.processors()[1] == psutil.cpu_count()
    assert inventory.temporary() == Path(tempfile.gettempdir())
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "none")])
    assert inventory.temporary() is None
