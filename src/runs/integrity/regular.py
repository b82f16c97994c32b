"""Names in a run directory under which something else than a file stands: a folder, a pipe, a device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ganatomy.errors import UserError
from ganatomy.runs.integrity import checksums

CHECKPOINTS = "checkpoints"


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
    lines = (
        f"{path}: is {'a folder' if path.is_dir() else 'no ordinary file'} where a file is needed; move it away"
        for path in found
    )
    if found:
        raise UserError("\n".join(lines))


def _paths(run: Path, names: tuple[str, ...], copies: str) -> Iterator[Path]:
    for name in (checksums.NAME, *names):
        yield run / name
        yield run / copies / name
    yield run / CHECKPOINTS / "best.ckpt"
    yield from sorted((run / CHECKPOINTS).glob("last*.ckpt"))
