"""benchmarks/gpu.py, rehearsed on a CPU: it will run on a card once, and unattended."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import _gpu_exact, _gpu_time
from benchmarks._gpu_run import Section, lacking, missing_packages, run

ROOT = Path(__file__).resolve().parents[2]


def script(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks/gpu.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_a_rehearsal_measures_everything_but_the_command(tmp_path: Path) -> None:
    names = ["syncs", "resume", "nccl", "step", "graphs", "penalties", "layout", "memory"]
    results = tmp_path / "results.md"
    done = script("--device", "cpu", "--only", ",".join(names), "--results", str(results))
    assert done.returncode == 0, done.stderr
    text = results.read_text()
    for name in names:
        assert f"\n## GPU: CPU rehearsal: {name}\n" in text
        assert f"| {name} | done |" in text
    assert "OTHER BITS" not in text and "| NO |" not in text
    assert "numbers of no meaning" in text


def test_without_a_card_it_says_so_and_nothing_else(tmp_path: Path) -> None:
    results = tmp_path / "results.md"
    assert script("--results", str(results)).returncode == 0
    assert "## GPU\n\nNot run: no GPU was at hand." in results.read_text()
    results.write_text("# Measured\n\n## GPU\n\nMeasured.\n")
    assert script("--results", str(results), "--device", "cuda").returncode == 2
    assert results.read_text() == "# Measured\n\n## GPU\n\nMeasured.\n"


def test_an_unknown_section_is_named() -> None:
    done = script("--only", "stepp")
    assert done.returncode == 2 and "stepp is no section; choose among syncs" in done.stderr


def test_a_section_that_fails_dies_or_is_late_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(device: str, tiny: bool) -> str:
        raise ValueError("two\nlines | and a bar")

    section = Section("_gpu_exact.syncs", (), 5)
    monkeypatch.setattr(_gpu_exact, "syncs", fails)
    assert run(section, "cpu", True, 60) == ("", "failed: ValueError: two lines / and a bar")
    monkeypatch.setattr(_gpu_exact, "syncs", lambda device, tiny: time.sleep(60))
    assert run(section, "cpu", True, 0.5) == ("", "failed: not done after 0 s")
    monkeypatch.setattr(_gpu_exact, "syncs", lambda device, tiny: sys.modules["os"]._exit(9))
    assert run(section, "cpu", True, 60) == ("", "failed: its process ended with 9")


def test_missing_packages_come_with_the_way_to_bring_them() -> None:
    sections = {"a": Section("x.y", ("torch", "no_such_thing"), 1), "b": Section("x.y", ("torch",), 1)}
    assert lacking(sections["a"].needs) == ["no_such_thing"]
    said = missing_packages(sections)
    assert "  a: not run, needs no_such_thing" in said and "  b:" not in said
    assert "--no-index --no-deps --find-links wheels no_such_thing" in said
    assert missing_packages({"b": sections["b"]}) == "packages: all there"


def test_a_ladder_without_time_keeps_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 70.0, 80.0, 90.0])  # allowed until 75 of 100 seconds
    monkeypatch.setattr(_gpu_time.time, "monotonic", lambda: next(clock))
    _gpu_time.allow(100)
    assert list(_gpu_time.in_time("abcd")) == ["a", "b"]
    assert "2 more cases" in _gpu_time.left_out()
