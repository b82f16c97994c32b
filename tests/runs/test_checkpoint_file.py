"""Every change of a checkpoint file is noticed before it is loaded, and named in one line."""

from __future__ import annotations

import errno
import io
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ganatomy.runs.checkpoints import checkpoint_file
from ganatomy.runs.checkpoints.checkpoint_file import Damaged

Change = Callable[[bytes], bytes]


def state(step: int = 5) -> dict[str, Any]:
    weights = OrderedDict(a=torch.arange(40.0).view(5, 8), b=torch.zeros(3, dtype=torch.bfloat16))
    rest: dict[str, Any] = {"latest": {}, "callbacks": {}, "loops": {}}
    rest |= {"optimizer_states": [], "lr_schedulers": []}
    return {"state_dict": weights, "batches_done": step, **rest}


def earlier_version(content: dict[str, Any]) -> bytes:
    """As torch alone writes it."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "last.ckpt"


def test_torch_and_zip_programs_read_it(path: Path) -> None:
    path.write_bytes(checkpoint_file.encode(state()))
    assert torch.equal(torch.load(path, weights_only=True)["state_dict"]["a"], state()["state_dict"]["a"])
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None and archive.comment.startswith(b"sha256:")


@pytest.mark.parametrize("write", [checkpoint_file.encode, earlier_version])
def test_what_was_written_is_loaded(path: Path, write: Callable[[Any], bytes]) -> None:
    path.write_bytes(write(state()))
    loaded = checkpoint_file.load(path)
    assert loaded["batches_done"] == 5 and loaded["state_dict"]["b"].dtype == torch.bfloat16
    assert torch.equal(loaded["state_dict"]["a"], state()["state_dict"]["a"])


def test_every_flipped_bit_is_noticed(path: Path) -> None:
    """Names, numbers, headers and padding of the archive, and the checksum itself."""
    whole = checkpoint_file.encode(state())
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= 1 << (place % 8)
        path.write_bytes(content)
        with pytest.raises(Damaged):
            checkpoint_file.check(path)


@pytest.mark.parametrize("write", [checkpoint_file.encode, earlier_version])
def test_every_cut_is_noticed(path: Path, write: Callable[[Any], bytes]) -> None:
    whole = write(state())
    for length in {*range(0, len(whole), 61), *range(len(whole) - 100, len(whole))}:
        path.write_bytes(whole[:length])
        with pytest.raises(Damaged):
            checkpoint_file.load(path)


def test_flipped_weights_of_an_earlier_version_are_noticed(path: Path) -> None:
    whole = earlier_version(state())
    place = whole.index(struct.pack("<3f", 7.0, 8.0, 9.0))
    for bit in range(96):
        content = bytearray(whole)
        content[place + bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(content)
        with pytest.raises(Damaged, match="does not match its checksum"):
            checkpoint_file.load(path)


CHANGES: dict[str, tuple[Change, str]] = {
    "emptied": (lambda whole: b"", "is empty"),
    "a page zeroed": (lambda whole: whole[:64] + bytes(512) + whole[576:], "does not match its checksum"),
    "all zeros": (lambda whole: bytes(len(whole)), "is cut short, or no checkpoint"),
    "longer": (lambda whole: whole + b"\0", "is cut short, or no checkpoint"),
    "twice": (lambda whole: whole + whole, "does not match its checksum"),
    "some text": (lambda whole: b"not a checkpoint\n" * 99, "is cut short, or no checkpoint"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_line_names_file_and_remedy(path: Path, change: str) -> None:
    alter, said = CHANGES[change]
    path.write_bytes(alter(checkpoint_file.encode(state())))
    with pytest.raises(Damaged) as error:
        checkpoint_file.load(path)
    line = str(error.value)
    assert line.startswith(f"{path}: ") and said in line and "put back a copy" in line and "\n" not in line


def marker() -> None:
    Path("marker").touch()


class Calls:
    """Its pickle calls the harmless `marker` as it is read."""

    def __reduce__(self) -> Any:
        return marker, ()


def zipped(compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("archive/data.pkl", b"x" * 99)
    return buffer.getvalue()


NOT_OURS: dict[str, tuple[bytes, str]] = {
    "weights alone": (earlier_version({"state_dict": {}}), "has no batches_done"),
    "a step that is none": (checkpoint_file.encode({**state(), "batches_done": "5"}), "has no batches_done"),
    "a tensor": (earlier_version(torch.zeros(3)), "is no checkpoint of a run"),
    "a module": (earlier_version(torch.nn.Linear(1, 1)), "could run code"),
    "code": (earlier_version({**state(), "latest": Calls()}), "could run code"),
    "code with a checksum": (checkpoint_file.encode({**state(), "latest": Calls()}), "could run code"),
    "another archive": (zipped(zipfile.ZIP_STORED), "damaged, or no checkpoint"),
    "a compressed archive": (zipped(zipfile.ZIP_DEFLATED), "is no checkpoint"),
}


@pytest.mark.parametrize("kind", NOT_OURS)
def test_another_file_is_refused(path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    content, said = NOT_OURS[kind]
    path.write_bytes(content)
    with pytest.raises(Damaged, match=said):
        checkpoint_file.load(path)
    assert not Path("marker").exists()


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.ckpt", tmp_path):
        with pytest.raises(Damaged, match="is missing"):
            checkpoint_file.check(path)


def test_memory_that_runs_out_is_no_damage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(checkpoint_file.encode(state()))

    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(torch, "load", full)
    with pytest.raises(RuntimeError, match="allocate") as error:
        checkpoint_file.load(path)
    assert not isinstance(error.value, Damaged)


def test_a_disk_that_fails_is_damage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(checkpoint_file.encode(state()))

    def failing(file: Any) -> str:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(checkpoint_file, "_fault", failing)
    with pytest.raises(Damaged, match=r"last\.ckpt: cannot be read \(the disk reports an error\); put back"):
        checkpoint_file.load(path)
