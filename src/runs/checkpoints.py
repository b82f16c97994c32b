"""Checkpoints of a run: last.ckpt, the ones before it (last-1.ckpt, ...) and best.ckpt.

last.ckpt is the newest, and never absent once it was there: files are written beside, flushed and renamed.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganatomy.errors import UserError
from ganatomy.files import write_whole
from ganatomy.runs import checkpoint_file
from ganatomy.runs.checkpoint_file import Damaged
from ganatomy.runs.orphans import remove_orphans
from ganatomy.runs.process_place import from_rank_zero

if TYPE_CHECKING:
    from torch import nn

Shapes = dict[str, tuple[int, ...] | None]
LAST, BEST = "last.ckpt", "best.ckpt"
EARLIER = re.compile(r"last-(\d+)\.ckpt")


@dataclass(frozen=True)
class Resumption:
    """Where a resumed run goes on from.

    Attributes:
        path: Newest checkpoint that is as it was written.
        step: Batches done in it.
        weights: Shapes of its state dict, see `shapes`.
        lines: A line for each checkpoint that is not as it was written.
        useless: Names of the earlier checkpoints that are not.
        missing_best: Step of the recorded best weights where best.ckpt does not hold them, else None.
    """

    path: Path
    step: int
    weights: Shapes
    lines: tuple[str, ...] = ()
    useless: tuple[str, ...] = ()
    missing_best: int | None = None


def write(path: Path, content: bytes, keep: int) -> None:
    """Write a checkpoint; one that replaces last.ckpt leaves the `keep - 1` before it as last-1.ckpt, ...

    Args:
        path: File to write.
        content: Its content, by `checkpoint_file.encode`.
        keep: Number of last checkpoints to keep.

    Raises:
        OSError: The file cannot be written; last.ckpt and those before it stay as they were.
    """
    rotated = path.name == LAST
    before = _second_name(path) if rotated and keep > 1 and path.is_file() else None
    try:
        write_whole(path, content)
        if before is not None:
            for number in range(keep - 1, 1, -1):
                with suppress(FileNotFoundError):
                    _earlier(path, number - 1).replace(_earlier(path, number))
            before.replace(_earlier(path, 1))
    finally:
        if before is not None:
            before.unlink(missing_ok=True)
    if rotated:
        for other, number in _numbered(path.parent):
            if number >= keep:
                other.unlink(missing_ok=True)
    _sync(path.parent)


def resumption(folder: Path) -> Resumption:
    """Choose the checkpoint to go on from; every process of a run gets the choice of rank zero.

    Args:
        folder: Folder of the checkpoints.

    Raises:
        UserError: None is as it was written.
    """
    return from_rank_zero(lambda: _newest(folder))


def _newest(folder: Path) -> Resumption:
    """Return the newest sound checkpoint, having compared all of them with their checksums."""
    faults: dict[str, str] = {}
    path, state = _load_newest(folder, faults)
    step, best = state["batches_done"], state["callbacks"].get("Checkpoints", {})
    weights = shapes(state["state_dict"])
    del state  # it and best.ckpt may not fit into memory together
    lines = [
        f"{folder / name}: {reason}; going on from {path.name}, step {step}"
        for name, reason in faults.items()
    ]
    missing: int | None = None
    if best.get("best_score") is not None:
        fault = fault_of_best(folder / BEST, best["best_step"], weights, or_later=True)
        if fault:
            missing = best["best_step"]
            lines.append(
                f"{folder / BEST}: {fault}; the best weights (step {missing}) are gone, and the best from "
                f"step {step} on will be kept instead"
            )
    return Resumption(path, step, weights, tuple(lines), tuple(faults), missing)


def _load_newest(folder: Path, faults: dict[str, str]) -> tuple[Path, dict[str, Any]]:
    """Load the newest sound checkpoint; add to `faults` what is wrong with others, by their names."""
    path, state = folder, None
    for candidate in (folder / LAST, *(path for path, _ in _numbered(folder))):
        try:
            if state is None:
                path, state = candidate, checkpoint_file.load(candidate)
            else:
                checkpoint_file.check(candidate)
        except Damaged as damage:
            faults[candidate.name] = damage.reason
    if LAST in faults and (folder / BEST).is_file():  # it is as good, and may be newer than the one before
        try:
            best = checkpoint_file.load(folder / BEST)
            if state is None or best["batches_done"] > state["batches_done"]:
                path, state = folder / BEST, best
        except Damaged as damage:
            if state is None:
                faults[BEST] = damage.reason
    if state is None:
        named = "; ".join(f"{name} {reason}" for name, reason in faults.items())
        raise UserError(
            f"resume: {folder} holds nothing to go on from ({named}); put back a copy of one as last.ckpt, "
            "or start the run anew with another run_dir"
        )
    return path, state


def fault_of_best(path: Path, step: int, weights: Shapes, or_later: bool = False) -> str:
    """Return why best.ckpt does not hold the best weights, or "".

    Args:
        path: The file.
        step: Batches done when the best score was reached.
        weights: Shapes of the run's weights.
        or_later: Accept weights of a later step: a run that was killed writes them again when it gets there.
    """
    try:
        state = checkpoint_file.load(path)
    except Damaged as damage:
        return damage.reason
    found, held = state["batches_done"], shapes(state["state_dict"])
    if held.keys() != weights.keys() or any(held[name] != shape for name, shape in weights.items()):
        return "is of another model"
    return "" if found == step or (or_later and found > step) else f"is of step {found}, not {step}"


def check_fits(chosen: Resumption, network: nn.Module) -> None:
    """Raise UserError when the checkpoint does not hold the weights of this network, by name and shape."""
    mine = shapes(network.state_dict())
    kinds = {
        "missing": [name for name in mine if name not in chosen.weights],
        "unknown": [name for name in chosen.weights if name not in mine],
        "of another shape": [
            name for name, shape in mine.items() if chosen.weights.get(name, shape) != shape
        ],
    }
    found = [f"{len(names)} {kind} ({names[0]})" for kind, names in kinds.items() if names]
    if found:
        raise UserError(
            f"{chosen.path}: is not of the model in config.yaml; weights: {', '.join(found)}; put the run's "
            "own file back, or go on with the version that wrote it (environment.json)"
        )


def tidy(folder: Path, chosen: Resumption) -> None:
    """Make the chosen checkpoint last.ckpt, and remove useless ones and files that a killed process left.

    Args:
        folder: Folder of the checkpoints.
        chosen: Where the run goes on from.
    """
    if chosen.path.name == BEST:
        _second_name(chosen.path).replace(folder / LAST)
    elif chosen.path.name != LAST:
        chosen.path.replace(folder / LAST)
    for name in set(chosen.useless) - {LAST}:
        (folder / name).unlink(missing_ok=True)
    remove_orphans(folder.parent)
    _sync(folder)


def shapes(state_dict: Mapping[str, Any]) -> Shapes:
    """Return the shape of each entry of a state dict; None for one that is no tensor."""
    return {
        name: tuple(value.shape) if hasattr(value, "shape") else None for name, value in state_dict.items()
    }


def _earlier(last: Path, number: int) -> Path:
    return last.with_name(f"last-{number}.ckpt")


def _numbered(folder: Path) -> list[tuple[Path, int]]:
    """Return last-1.ckpt, last-2.ckpt, ... that are there, newest first, with their numbers."""
    found = [(path, EARLIER.fullmatch(path.name)) for path in folder.glob("last-*.ckpt")]
    return sorted(((path, int(match[1])) for path, match in found if match), key=lambda item: item[1])


def _second_name(path: Path) -> Path:
    """Give a file a second, temporary name: a hard link, or a copy where the file system has none."""
    other = path.with_name(f".{path.name}-before.{socket.gethostname()}-{os.getpid()}.tmp")
    other.unlink(missing_ok=True)
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)
        with other.open("rb+") as file:
            os.fsync(file.fileno())
    return other


def _sync(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
