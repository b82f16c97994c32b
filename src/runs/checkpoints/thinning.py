"""Which checkpoints of a run stay once it has ended for good, where many runs share a disk."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal

from ganatomy.runs.checkpoints.rotation import BEST, LAST, numbered
from ganatomy.runs.lock import in_use

Keep = Literal["all", "best", "last", "none"]
NOTE = "removed.txt"
"""File beside the checkpoints that says which were removed, and why."""


def thin(run: Path, keep: Keep) -> None:
    """Remove the checkpoints that do not stay, of a run that has ended for good.

    Where the one to keep is not there (no validation score was ever defined), the other one stays.

    Args:
        run: Run directory; nothing is done where another process writes in it.
        keep: The checkpoints that stay: best.ckpt, last.ckpt, none, or all with those before the last.
    """
    folder = run / "checkpoints"
    there = [path for path in (folder / BEST, folder / LAST) if path.is_file()]
    kept: dict[Keep, list[Path]] = {"none": [], "best": there[:1], "last": there[-1:]}
    stays = kept.get(keep)
    if stays is None or in_use(run):
        return
    gone = [path for path in (*there, *(path for path, _ in numbered(folder))) if path not in stays]
    if not gone:
        return
    names = ", ".join([removed(folder), *(path.name for path in gone)]).removeprefix(", ")
    with contextlib.suppress(OSError):  # a full disk: the files go all the same
        (folder / NOTE).write_text(
            f"{names}\nremoved by keep={keep}, as the run had ended\n", encoding="utf-8"
        )
    for path in gone:
        path.unlink(missing_ok=True)


def removed(folder: Path) -> str:
    """Return the names of the checkpoints that `thin` removed from a folder; empty if none."""
    note = folder / NOTE
    return note.read_text(encoding="utf-8").partition("\n")[0] if note.is_file() else ""
