"""What was predicted from what: a line as soon as a case is done, and predictions.csv over all of them."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ganatomy.runs.directory import write_atomically
from ganatomy.text.tables import csv_text

TABLE, KEPT, LINES = "predictions.csv", ".predictions.jsonl", ".predictions-*.jsonl"
FIRST = ("case", "input", "output", "status", "warnings", "error")
LAST = (
    *("seconds", "time", "version", "device", "run", "weights_sha256", "settings_sha256"),
    *("input_sha256", "output_sha256"),
)


@dataclass(frozen=True)
class Entry:
    """One case of an audit log.

    Attributes:
        case: Name of the case.
        input: Its files as they were found; none if names may identify a person.
        output: Its answers, below the folder of the answers.
        status: done or failed.
        warnings: How the input is unlike the training images.
        error: Why it failed.
        seconds: Time it took.
        time: When it was done, UTC.
        version: Version of GANatomy.
        device: Device and precision.
        run: Name of the run, or of several.
        weights_sha256: Hash of the weights.
        settings_sha256: Hash of the settings that decide the answers.
        input_sha256: Hash of the input's files.
        output_sha256: Hashes of the answers, in their order.
        values: Numbers about the case.
        boxes: Boxes: corners, score and class of each.
        shape: Shape of the input file.
        format: Why the answer has another format than the input; empty: it has the same.
    """

    case: str
    input: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    status: str = "done"
    warnings: str = ""
    error: str = ""
    seconds: float = 0.0
    time: str = ""
    version: str = ""
    device: str = ""
    run: str = ""
    weights_sha256: str = ""
    settings_sha256: str = ""
    input_sha256: str = ""
    output_sha256: list[str] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)
    boxes: list[list[Any]] | None = None
    shape: list[int] = field(default_factory=list)
    format: str = ""

    def stands(self, folder: Path) -> bool:
        """Return True if its answers are in the folder as they were written."""
        return self.status == "done" and all(
            (folder / name).is_file() and sha256_of([folder / name]) == digest
            for name, digest in zip(self.output, self.output_sha256, strict=True)
        )


class Journal:
    """File of one process, to which a line is added when a case is done."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LINES.replace("*", str(os.getpid()))
        self.lock = threading.Lock()

    def add(self, entry: Entry) -> None:
        """Write the line of a case; it is whole once this returns."""
        line = json.dumps(asdict(entry), allow_nan=True) + "\n"
        with self.lock, self.path.open("a", encoding="utf-8") as file:
            file.write(line)


def read(folder: Path) -> dict[str, Entry]:
    """Return the entries that earlier calls and processes left in a folder, by case; the last one counts.

    A line that was cut by a kill is left out: its case is done again.
    """
    found: dict[str, Entry] = {}
    files = sorted(folder.glob(LINES), key=lambda path: path.stat().st_mtime)
    for path in [folder / KEPT, *files]:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        for line in text.splitlines():
            try:
                entry = Entry(**json.loads(line))
            except (ValueError, TypeError):
                continue
            found[entry.case] = entry
    return found


def write(folder: Path, entries: Sequence[Entry]) -> None:
    """Write predictions.csv, and one file in place of those of the processes."""
    numbers = sorted({name for entry in entries for name in entry.values})
    rows = []
    for entry in entries:
        cells = {key: getattr(entry, key) for key in (*FIRST, *LAST)}
        cells |= {key: "; ".join(value) for key, value in cells.items() if isinstance(value, list)}
        rows.append(cells | {name: f"{entry.values[name]:.8g}" for name in numbers if name in entry.values})
    columns = [*FIRST, *numbers, *LAST]
    rows = [{name: row.get(name, "") for name in columns} for row in rows]
    write_atomically(folder / TABLE, csv_text(columns, rows).encode())
    lines = "".join(f"{json.dumps(asdict(entry))}\n" for entry in entries)
    write_atomically(folder / KEPT, lines.encode())
    for path in folder.glob(LINES):
        path.unlink()


def sha256_of(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of a file; of several that of their hashes, sorted, one a line."""
    hashes = []
    for path in paths:
        with path.open("rb") as file:
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(hashes) == 1:
        return hashes[0]
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()
