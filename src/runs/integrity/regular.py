"""First look at a run directory: that its files are files, and which version wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ganatomy.errors import UserError
from ganatomy.runs.integrity import checksums

CHECKPOINTS = "checkpoints"
AS_THEY_STAND = "the files are taken as they stand, and both are written anew"


def refuse_folders(run: Path, names: tuple[str, ...], copies: str) -> None:
    """Refuse a run directory in which a folder or a pipe has the name of a file that is read again.

    Args:
        run: Run directory.
        names: Names of its files.
        copies: Folder of their copies.

    Raises:
        UserError: Something else than a file has such a name; each is a line.
    """
    found = [path for path in _paths(run, names, copies) if path.exists() and not path.is_file()]
    kinds = ((path, "a folder" if path.is_dir() else "no ordinary file") for path in found)
    lines = (f"{path}: is {kind} where a file is needed; move it away" for path, kind in kinds)
    if found:
        raise UserError("\n".join(lines))


def has_name(run: Path) -> bool:
    """Return True if environment.json names the run: then its version wrote checksums and copies, too."""
    path = run / "environment.json"
    return path.is_file() and b'\n  "run": "' in path.read_bytes()


def _paths(run: Path, names: tuple[str, ...], copies: str) -> Iterator[Path]:
    for name in (checksums.NAME, *names):
        yield run / name
        yield run / copies / name
    yield run / CHECKPOINTS / "best.ckpt"
    yield from sorted((run / CHECKPOINTS).glob("last*.ckpt"))
