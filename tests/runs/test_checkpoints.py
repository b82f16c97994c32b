"""The checkpoints of a run: none is lost while one is written, and the newest sound one is gone on from."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from ganatomy.errors import UserError
from ganatomy.runs import checkpoint_file, checkpoints
from ganatomy.runs.checkpoints import Resumption, check_fits, resumption, tidy
from tests.runs.test_checkpoint_file import state


def save(folder: Path, name: str, step: int, keep: int = 2, best: tuple[float, int] | None = None) -> None:
    content = state(step)
    if best is not None:
        content["callbacks"] = {"Checkpoints": {"best_score": best[0], "best_step": best[1]}}
    checkpoints.write(folder / name, checkpoint_file.encode(content), keep)


def steps(folder: Path) -> dict[str, int]:
    return {path.name: checkpoint_file.load(path)["batches_done"] for path in sorted(folder.iterdir())}


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "run" / "checkpoints"
    place.mkdir(parents=True)
    return place


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_last_ones_are_kept(folder: Path, monkeypatch: Any, keep: int, links: bool) -> None:
    if not links:  # as on file systems without hard links

        def none(*_: Any) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", none)
    for step in (1, 2, 3, 4):
        save(folder, "last.ckpt", step, keep)
        save(folder, "best.ckpt", step, keep)
    kept = {"best.ckpt": 4, "last.ckpt": 4, "last-1.ckpt": 3, "last-2.ckpt": 2}
    assert steps(folder) == dict(sorted(list(kept.items())[: keep + 1]))


def test_fewer_are_kept_from_the_next_one_on(folder: Path) -> None:
    for step, keep in ((1, 3), (2, 3), (3, 3), (4, 2)):
        save(folder, "last.ckpt", step, keep)
    assert steps(folder) == {"last.ckpt": 4, "last-1.ckpt": 3}


class Kill(BaseException):
    """As SIGKILL: nothing of ours runs after it."""


@pytest.mark.parametrize("keep", [2, 3])
def test_a_kill_at_any_point_leaves_a_sound_last_one(tmp_path: Path, keep: int) -> None:
    """Killed before its n-th change of the folder, for every n; two different ones are always whole."""
    moments = 0
    for moment in range(99):
        folder = tmp_path / str(moment) / "checkpoints"
        folder.mkdir(parents=True)
        for step in (1, 2, 3):
            save(folder, "last.ckpt", step, keep)
        if not _killed_at(moment, lambda folder=folder: save(folder, "last.ckpt", 4, keep)):
            break
        moments += 1
        chosen = resumption(folder)
        assert chosen.path.name == "last.ckpt" and chosen.step in (3, 4) and chosen.lines == ()
        tidy(folder, chosen)
        found = steps(folder)  # orphans would be listed
        assert found["last.ckpt"] == chosen.step and len(set(found.values())) >= 2
        save(folder, "last.ckpt", 5, keep)
        assert steps(folder)["last.ckpt"] == 5 and steps(folder)["last-1.ckpt"] == chosen.step
    assert moments >= 4


def _killed_at(moment: int, act: Any) -> bool:
    """Return True if `act` was ended before its change number `moment`."""
    calls = [0]

    def counted(change: Any) -> Any:
        def call(*given: Any, **more: Any) -> Any:
            calls[0] += 1
            if calls[0] > moment:
                raise Kill
            return change(*given, **more)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "unlink"):
            patch.setattr(Path, name, counted(getattr(Path, name)))
        for name in ("link", "fsync"):
            patch.setattr(os, name, counted(getattr(os, name)))
        try:
            act()
        except Kill:
            return True
    return False


def test_a_full_disk_leaves_what_was_there(folder: Path, monkeypatch: Any) -> None:
    for step in (1, 2):
        save(folder, "last.ckpt", step)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"last\.ckpt"):
            save(folder, "last.ckpt", 3)
    assert steps(folder) == {"last.ckpt": 2, "last-1.ckpt": 1}


def test_the_newest_sound_one_is_taken(folder: Path) -> None:
    for step in (1, 2, 3):
        save(folder, "last.ckpt", step, 3)
    spoil(folder / "last.ckpt")
    chosen = resumption(folder)
    assert (chosen.path.name, chosen.step) == ("last-1.ckpt", 2)
    (line,) = chosen.lines
    assert line.startswith(f"{folder}/last.ckpt: is damaged") and line.endswith("from last-1.ckpt, step 2")
    tidy(folder, chosen)
    assert steps(folder) == {"last.ckpt": 2, "last-2.ckpt": 1}
    save(folder, "last.ckpt", 3, 3)
    assert steps(folder) == {"last.ckpt": 3, "last-1.ckpt": 2, "last-2.ckpt": 1}


def test_an_earlier_one_that_is_damaged_is_named_and_removed(folder: Path) -> None:
    for step in (1, 2):
        save(folder, "last.ckpt", step)
    spoil(folder / "last-1.ckpt")
    chosen = resumption(folder)
    assert (chosen.path.name, chosen.step) == ("last.ckpt", 2) and "last-1.ckpt: is damaged" in chosen.lines[
        0
    ]
    tidy(folder, chosen)
    assert steps(folder) == {"last.ckpt": 2}


@pytest.mark.parametrize("step, taken", [(4, "last-1.ckpt"), (6, "best.ckpt")])
def test_the_best_is_gone_on_from_where_it_is_newer(folder: Path, step: int, taken: str) -> None:
    save(folder, "last.ckpt", 5, best=(0.5, 4))
    save(folder, "best.ckpt", step, best=(0.5, step))
    save(folder, "last.ckpt", 7, best=(0.5, step))
    (folder / "last.ckpt").unlink()
    chosen = resumption(folder)
    assert chosen.path.name == taken and "last.ckpt: is missing" in chosen.lines[0]
    tidy(folder, chosen)
    assert steps(folder) == {"best.ckpt": step, "last.ckpt": chosen.step} | (
        {"last-1.ckpt": 5} if taken == "best.ckpt" else {}
    )


def test_without_a_sound_one_the_line_names_all(folder: Path) -> None:
    for step in (1, 2):
        save(folder, "last.ckpt", step)
    spoil(folder / "last-1.ckpt")
    (folder / "last.ckpt").write_bytes(b"")
    (folder / "best.ckpt").write_bytes(b"PK")
    with pytest.raises(UserError) as error:
        resumption(folder)
    line = str(error.value)
    assert "last.ckpt is empty; last-1.ckpt is damaged" in line and "best.ckpt is cut" in line
    assert "\n" not in line and "put back" in line


@pytest.mark.parametrize("how", ["damaged", "missing", "older", "another model", "newer", "as recorded"])
def test_the_best_weights_are_looked_at_when_a_run_goes_on(folder: Path, how: str) -> None:
    save(folder, "last.ckpt", 9, best=(0.5, 6))
    save(folder, "best.ckpt", {"older": 3, "newer": 10}.get(how, 6))
    if how == "damaged":
        spoil(folder / "best.ckpt")
    if how == "missing":
        (folder / "best.ckpt").unlink()
    if how == "another model":
        other = {**state(6), "state_dict": {"c": torch.zeros(1)}}
        (folder / "best.ckpt").write_bytes(checkpoint_file.encode(other))
    chosen = resumption(folder)
    gone = how not in ("newer", "as recorded")
    assert chosen.step == 9 and chosen.missing_best == (6 if gone else None)
    assert [how in line or "of step 3, not 6" in line for line in chosen.lines] == [True] * gone


def test_weights_of_another_model_are_refused() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    fitting = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    check_fits(Resumption(Path("last.ckpt"), 3, fitting), network)
    other: Any = {**fitting, "0.weight": (5, 5), "2.bias": (1,)}
    del other["1.bias"]
    with pytest.raises(UserError) as error:
        check_fits(Resumption(Path("last.ckpt"), 3, other), network)
    assert "1 missing (1.bias), 1 unknown (2.bias), 1 of another shape (0.weight)" in str(error.value)


def test_only_files_that_nobody_writes_are_removed(folder: Path) -> None:
    host, run = socket.gethostname(), folder.parent
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    living = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    files = {
        f"checkpoints/.last.ckpt.{host}-{ended.pid}.tmp": False,
        f".config.yaml.{host}-{os.getpid()}.tmp": False,  # its number is used again
        f"samples/.a.png.{host}-{living.pid}.tmp": True,
        ".metrics.csv.elsewhere-7.tmp": True,
        "old/.metrics.csv.elsewhere-7.tmp": False,
        "old/.last.ckpt.7.tmp": False,
        "wandb/.some.tmp": True,
        "notes.tmp": True,
    }
    for name in files:
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).touch()
        if name.startswith(("old", "wandb")):
            os.utime(run / name, (0, 0))
    save(folder, "last.ckpt", 1)
    tidy(folder, resumption(folder))
    living.communicate(b"\n")
    assert {name: (run / name).exists() for name in files} == files
