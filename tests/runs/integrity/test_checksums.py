"""checksums.txt: what sha256sum checks, any bit of it guarded, and whole under a kill between two writes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from ganatomy.runs import directory
from ganatomy.runs.directory import Run
from ganatomy.runs.integrity.checked import read_bytes
from ganatomy.runs.integrity.checksums import NAME, Damaged, read_checksums
from ganatomy.runs.integrity.restore import restore


@pytest.fixture
def written(tmp_path: Path) -> Run:
    run = Run(tmp_path / "run")
    run.write("data.json", {"hash": "abc"})
    run.status("running")
    run.status("done")
    run.write_bytes("generator.safetensors", b"weights")
    return run


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_a_reviewer_checks_a_run_with_sha256sum(written: Run) -> None:
    def asked() -> subprocess.CompletedProcess[str]:
        words = ["sha256sum", "--strict", "--check", NAME]
        return subprocess.run(words, cwd=written.path, capture_output=True, text=True)

    done = asked()
    assert done.returncode == 0 and done.stdout.count(": OK") == 5  # three files and two copies
    (written.path / "data.json").write_text("{}")
    assert asked().returncode == 1 and "data.json: FAILED" in asked().stdout


def test_digests_are_those_of_the_files(written: Run) -> None:
    known = read_checksums(written.path)
    assert known is not None
    for name, digests in known.items():
        assert digests[0] == hashlib.sha256((written.path / name).read_bytes()).hexdigest()


def test_any_flipped_bit_of_checksums_is_noticed(tmp_path: Path) -> None:
    written = Run(tmp_path)
    for content in (b"old", b"new"):
        written.write_bytes("generator.safetensors", content)
    path = written.path / NAME
    assert "# before: " in path.read_text()
    content = path.read_bytes()
    for bit in range(8 * len(content)):
        place, mask = bit // 8, 1 << bit % 8
        path.write_bytes(content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :])
        with pytest.raises(Damaged, match="is damaged"):
            read_checksums(written.path)


@pytest.mark.parametrize("writes", range(3))
def test_a_kill_between_two_writes_is_no_damage(
    written: Run, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """The checksum, the file and its copy are written one after the other."""
    write, left = directory.write_atomically, [writes]

    def killed(path: Path, content: bytes) -> Path:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(directory, "write_atomically", killed)
        for content in ({"hash": "def"}, {"hash": "ghi"}):  # and again, before the first one was written
            try:
                written.write("data.json", content)
            except KeyboardInterrupt:
                continue
    assert restore(written.path) == []
    assert written.read("data.json")["hash"] in ("abc", "def", "ghi")


def test_a_reader_waits_for_a_file_that_is_being_replaced(
    written: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It read the file before two writes, and checksums.txt after them."""
    path = written.path / "status.json"
    now = path.read_bytes()
    path.write_bytes(b"stale")
    monkeypatch.setattr("time.sleep", lambda _: path.write_bytes(now))
    assert read_bytes(written.path, "status.json") == now


def test_the_private_table_of_names_has_no_digest(written: Run) -> None:
    (written.path / "data").mkdir()
    (written.path / "data/keys.csv").write_text("case,name\n1,Ann\n")
    written.status("done")
    assert "keys.csv" not in (written.path / NAME).read_text()
