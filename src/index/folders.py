"""Run directories under a folder, at any depth, and their size on the disk; nothing is written."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PARTS = {
    *("checkpoints", "copies", "jobs", "predictions", "rollbacks", "samples", "synthetic"),
    *("wandb", "mlflow", "trackio"),
}
"""Folders of a run that hold no runs."""
BESIDE = {"checkpoints", "checksums.txt", "data.json", "environment.json", "metrics.json"}
"""Entries of a run, one of which lies beside a config.yaml that is a run's."""


@dataclass
class Folder:
    """A run directory.

    Attributes:
        path: Its path.
        names: Names of the files and folders in it.
        size: Bytes of all files below it.
    """

    path: Path
    names: Collection[str]
    size: int = 0


@dataclass
class Found:
    """Result of a search.

    Attributes:
        runs: Run directories, by path.
        closed: Folders that could not be read.
    """

    runs: list[Folder] = field(default_factory=list)
    closed: list[Path] = field(default_factory=list)


def find(root: Path) -> Found:
    """Return every run directory at or below a folder.

    Links to folders are followed after all else, and nothing is listed twice.
    """
    found, seen = Found(), set[str]()
    waiting: list[tuple[str, list[Folder], bool]] = [(str(root), [], False)]
    links: list[str] = []
    while waiting or links:
        place, owners, is_part = waiting.pop() if waiting else (links.pop(), [], False)
        real = os.path.realpath(place)
        if real in seen or (entries := _entries(place, found)) is None:
            continue
        seen.add(real)
        names = {entry.name for entry in entries}
        if not is_part and is_run(names):
            found.runs.append(Folder(Path(place), names))
            owners = [*owners, found.runs[-1]]
        for entry in entries:
            if entry.is_symlink():
                links += [entry.path] if not owners and _is_folder(entry) else []
            elif _is_folder(entry):
                waiting.append((entry.path, owners, is_part or bool(owners and entry.name in PARTS)))
            elif owners:
                _add_size(entry, owners)
    found.runs.sort(key=lambda folder: str(folder.path))
    return found


def is_run(names: Collection[str]) -> bool:
    """Return True if a folder with entries of these names is a run directory, perhaps a damaged one."""
    return "status.json" in names or ("config.yaml" in names and not BESIDE.isdisjoint(names))


def _entries(place: str, found: Found) -> list[os.DirEntry[str]] | None:
    try:
        with os.scandir(place) as entries:
            return list(entries)
    except FileNotFoundError:  # removed meanwhile
        return None
    except OSError:
        found.closed.append(Path(place))
        return None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _add_size(entry: os.DirEntry[str], owners: list[Folder]) -> None:
    try:
        size = entry.stat(follow_symlinks=False).st_size
    except OSError:  # removed meanwhile
        return
    for owner in owners:
        owner.size += size


def pictures_of(run: Path) -> Iterator[Path]:
    """Yield the pictures of a run that may stand for it, the best first: of the test, then the newest."""
    folder = run / "samples"
    yield folder / "test.png"
    try:
        yield from sorted(folder.glob("step_*.png"), reverse=True)
    except OSError:
        return
