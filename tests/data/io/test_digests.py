"""A digest is the file's, whatever was done to it since; and a file that stays is read once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ganatomy.data.io import digests
from ganatomy.data.io.digests import Digests
from ganatomy.data.sources.files.versions import companions

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Files count as settled at once."""
    monkeypatch.setattr(digests, "SETTLED", 0)


@pytest.fixture
def hashed(monkeypatch):
    """Names of the files that are read whole, in order."""
    names, digest = [], hashlib.file_digest

    def counted(file, kind):
        names.append(Path(file.name).name)
        return digest(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    return names


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wait() -> None:
    time.sleep(0.03)  # more than a tick of the file system's clock


def test_a_file_is_read_once_by_all_processes_that_come_after(tmp_path, hashed):
    for name in "ab":
        (tmp_path / name).write_text(name)
    wait()
    for _ in range(2):
        kept = Digests(tmp_path / "cache", tmp_path)
        for name in "aabb":
            assert kept(tmp_path / name) == hashlib.sha256(name.encode()).hexdigest()
        kept.save()
    assert hashed == ["a", "b"]


def in_place(one: Path, other: Path) -> None:
    one.write_text("now")


def renamed(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def copied(one: Path, other: Path) -> None:
    one.unlink()
    shutil.copy2(other, one)


def hard_link(one: Path, other: Path) -> None:
    one.unlink()
    one.hardlink_to(other)


def symbolic_link(one: Path, other: Path) -> None:
    one.unlink()
    one.symlink_to(other)


@pytest.mark.parametrize("change", [in_place, renamed, copied, hard_link, symbolic_link])
def test_a_file_of_the_same_size_and_date_is_told_from_what_was_there(tmp_path, change):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("old")
    other.write_text("new")
    os.utime(one, (1e9, 1e9))
    os.utime(other, (1e9, 1e9))
    wait()
    kept = Digests(tmp_path / "cache", tmp_path)
    assert kept(one) == sha(one)
    kept.save()
    wait()
    change(one, other)
    os.utime(one, (1e9, 1e9))
    assert one.stat().st_size == 3 and one.stat().st_mtime == 1e9
    for asked in (kept, Digests(tmp_path / "cache", tmp_path)):
        assert asked(one) == sha(one) != hashlib.sha256(b"old").hexdigest()


def test_a_file_changed_within_a_tick_of_the_clock_is_not_trusted(tmp_path, monkeypatch):
    """On a file system whose dates and inodes tell nothing."""
    monkeypatch.setattr(digests, "SETTLED", 2)
    monkeypatch.setattr(digests, "state", lambda stat: (0, 0, 0, 0, 0))
    kept, file = Digests(tmp_path / "cache", tmp_path), tmp_path / "file"
    for content in ("old", "new"):
        file.write_text(content)
        assert kept(file) == sha(file)
        kept.save()


@pytest.mark.parametrize("damage", ["cut", "noise", "digit", "other", "empty"])
def test_a_damaged_store_is_forgotten(tmp_path, damage, hashed):
    file = tmp_path / "file"
    file.write_text("content")
    wait()
    kept = Digests(tmp_path / "cache", tmp_path)
    own = kept(file)
    kept.save()
    (store,) = (tmp_path / "cache" / "digests").iterdir()
    text = store.read_bytes()
    wrong = text.replace(own[:8].encode(), b"0" * 8)
    other = json.dumps([1, 2]).encode()
    other = hashlib.sha256(other).hexdigest().encode() + b"\n" + other
    store.write_bytes(
        {"cut": text[:-9], "noise": b"\xff" * 99, "digit": wrong, "other": other, "empty": b""}[damage]
    )
    again = Digests(tmp_path / "cache", tmp_path)
    assert again(file) == own == sha(file)
    again.save()
    assert Digests(tmp_path / "cache", tmp_path)(file) == own
    assert hashed == ["file", "file"]


def test_what_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "cache").write_text("no folder")
    file = tmp_path / "file"
    file.write_text("content")
    wait()
    kept = Digests(tmp_path / "cache", tmp_path)
    assert kept(file) == sha(file)
    kept.save()


PROCESS = """
import sys
from pathlib import Path
from ganatomy.data.io import digests
digests.SETTLED = digests.EVERY = 0
root, first = Path(sys.argv[1]), int(sys.argv[2])
kept = digests.Digests(root / "cache", root)
for number in range(first, first + 40):
    kept(root / f"{number % 80:02d}")
kept.save()
"""


def test_several_processes_share_a_store(tmp_path, hashed):
    for number in range(80):
        (tmp_path / f"{number:02d}").write_text(str(number))
    wait()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(tmp_path), str(first)], env=environment)
        for first in (0, 20, 40, 60)
    ]
    assert [process.wait() for process in running] == [0] * 4
    kept = Digests(tmp_path / "cache", tmp_path)
    assert all(kept(path) == sha(path) for path in tmp_path.glob("??"))
    assert len(hashed) <= 60  # the last to write had asked for 40, and kept at least those of one other
    assert [path.suffix for path in (tmp_path / "cache" / "digests").iterdir()] == [".json"]


def test_a_store_forgets_files_that_are_gone_and_stores_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "STORES", 3)
    for number in range(5):
        root = tmp_path / str(number)
        root.mkdir()
        for name in "ab":
            (root / name).write_text(name)
        wait()
        kept = Digests(tmp_path / "cache", root)
        kept(root / "a")
        kept.save()
        (root / "a").unlink()
        kept = Digests(tmp_path / "cache", root)
        kept(root / "b")
        kept.save()
        assert list(Digests(tmp_path / "cache", root)._read()) == [str(root / "b")]
    assert len(list((tmp_path / "cache" / "digests").iterdir())) == 3


def test_voxels_in_a_file_of_their_own_are_found(tmp_path):
    for name in ("a.hdr", "a.img", "a.mat", "b.img", "c.raw", "elsewhere.raw"):
        (tmp_path / name).touch()
    (tmp_path / "c.mhd").write_text("NDims = 3\nElementDataFile = elsewhere.raw\n")
    (tmp_path / "d.nhdr").write_text("NRRD0004\ndata file: ./elsewhere.raw\n")
    (tmp_path / "e.mhd").write_text("ElementDataFile = LIST\nb.img\n")

    def names(name):
        return [path.name for path in companions(tmp_path / name)]

    assert names("a.hdr") == ["a.img", "a.mat"] and names("a.img") == ["a.hdr", "a.mat"]
    assert names("b.img") == [] and names("a.mat") == []
    assert names("c.mhd") == ["elsewhere.raw"] and names("d.nhdr") == ["elsewhere.raw"]
