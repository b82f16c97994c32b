"""Private table from the pseudonyms in a run back to the names of its cases."""

from __future__ import annotations

import csv
import os
from typing import TYPE_CHECKING

from ganatomy.runs.directory import Run

if TYPE_CHECKING:
    from ganatomy.data.records import Source


def write_keys(run: Run, source: Source) -> None:
    """Write data/keys.csv, readable by its owner alone (mode 0600), for a source with such keys (DICOM).

    It holds the hospital's names of the cases. Nothing else in a run may read or show it.
    """
    if not run.is_rank_zero or not hasattr(source, "keys"):
        return
    rows = source.keys()
    folder = run.path / "data"
    folder.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(folder / "keys.csv", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
