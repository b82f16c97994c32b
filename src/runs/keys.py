"""Private table from the pseudonyms in a run back to the names of its cases."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganatomy.runs.directory import Run
from ganatomy.text.tables import csv_text

if TYPE_CHECKING:
    from ganatomy.data.records import Source


def write_keys(run: Run, source: Source) -> None:
    """Write data/keys.csv, readable by its owner alone (mode 0600), for a source with such keys (DICOM).

    It holds the hospital's names of the cases. Nothing else in a run may read or show it.
    """
    if not run.is_rank_zero or not hasattr(source, "keys"):
        return
    folder = run.path / "data"
    folder.mkdir(mode=0o700, exist_ok=True)
    write_private(folder / "keys.csv", source.keys())


def write_private(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write rows as a CSV table that its owner alone may read (mode 0600)."""
    content = csv_text(list(rows[0]), rows).encode(errors="surrogateescape")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
