"""The private way back from names that do not show who somebody is."""

from __future__ import annotations

import csv
import os
from typing import TYPE_CHECKING

from ganatomy.runs.directory import Run

if TYPE_CHECKING:
    from ganatomy.data.records import Source


def write_keys(run: Run, source: Source) -> None:
    """data/keys.csv of a run, for its owner's eyes (mode 0600), where the source has such keys: DICOM.

    It holds what its cases are called in the hospital. Nothing else in a run may read or show it.
    """
    if not run.mine or not hasattr(source, "keys"):
        return
    rows = source.keys()
    folder = run.path / "data"
    folder.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(folder / "keys.csv", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
