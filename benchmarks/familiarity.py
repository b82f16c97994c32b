"""Warnings that an image is unlike the training cases: how many are false, and how many mistakes are seen.

The limits are fitted to the training images of each set. Held-out images of the same set are judged as they
are, then after one mistake each. Real sets are read from the folder that GANATOMY_DATA names; absent ones
are left out. With --write the table goes into docs/after.md.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

import numpy as np

from benchmarks._familiar_sets import MADE, REAL, Row, Scan, made, mednist, mistakes
from benchmarks._results import table, versions
from ganatomy.data.quality.familiarity.case_summary import Summary, summarise
from ganatomy.data.quality.familiarity.fit import fitted
from ganatomy.data.quality.familiarity.judge import reasons_of

PAGE = Path(__file__).resolve().parents[1] / "docs/after.md"
BEGIN, END = "<!-- familiarity: written by benchmarks/familiarity.py -->", "<!-- familiarity: end -->"
TRAINED, HELD_OUT = 20, 60
"""Images of each made-up set."""
KINDS = ("AbdomenCT", "BreastMRI", "CXR", "Hand", "HeadCT")
SPOILT = 40
"""Held-out images of a set that the mistakes are made with, at most."""


def measured(scan: Scan) -> Summary:
    return summarise(scan.image, scan.affine, scan.spacing)


def rows_of(name: str, data: Path) -> list[Row]:
    if name in REAL:
        return list(REAL[name](data))
    scans = made(name, TRAINED + HELD_OUT)
    return [("train" if n < TRAINED else "test", str(n), scan) for n, scan in enumerate(scans)]


def judge(rows: list[Row]) -> dict[str, Any]:
    """Return number of training and held-out cases, false warnings, and the share seen of each mistake."""
    train = [row for row in rows if row[0] == "train"]
    held = [scan for split, _, scan in rows if split != "train"]
    kept = fitted([measured(scan) for *_, scan in train], [subject for _, subject, _ in train])
    assert kept is not None
    false = sum(bool(reasons_of(kept, measured(scan))) for scan in held)
    seen: dict[str, list[bool]] = defaultdict(list)
    for number, scan in enumerate(held[:: max(1, len(held) // SPOILT)][:SPOILT]):
        for mistake, spoilt in mistakes(scan, np.random.default_rng(number)).items():
            seen[mistake].append(bool(reasons_of(kept, measured(spoilt))))
    return {
        "train": len(train),
        "held": len(held),
        "false": false,
        "seen": {mistake: float(np.mean(marks)) for mistake, marks in seen.items()},
        "cannot": kept["cannot_be_told"],
    }


def kinds(data: Path) -> str:
    """Return a table: images of one kind of MedNIST judged by the limits of another; all have 8 bits."""
    cases = {kind: [measured(scan) for *_, scan in mednist(data, kind)] for kind in KINDS}
    rows = []
    for kind, own in cases.items():
        kept = fitted(own[::2], [str(number) for number in range(len(own[::2]))])
        assert kept is not None
        given = {other: found[1::2] for other, found in cases.items()}
        shares = [np.mean([bool(reasons_of(kept, case)) for case in found]) for found in given.values()]
        rows.append([kind, *(f"{100 * share:.0f} %" for share in shares)])
    return table(["learned from", *(f"given {kind}" for kind in KINDS)], rows)


def main() -> None:
    """Judge all sets; print the table, and write it with --write."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python benchmarks/familiarity.py --write"
    )
    parser.add_argument("--write", action="store_true", help="write the table into docs/after.md")
    write = parser.parse_args().write
    data = Path(os.environ.get("GANATOMY_DATA", "data"))
    folders = {
        "hippocampus": "hippocampus_msd",
        "busi": "busi_256",
        "cbc": "cbc_blood",
        "nih_cxr": "nih_cxr_256",
    }
    found = {}
    for name in [*REAL, *MADE]:
        folder = folders.get(name, "oct_sdoct" if name == "oct" else "mednist_64_subset")
        if name in REAL and not (data / folder).is_dir():
            sys.stderr.write(f"{name}: {data / folder} is absent; left out\n")
            continue
        found[name] = judge(rows_of(name, data))
        sys.stderr.write(f"{name}: {found[name]}\n")
    columns = list(dict.fromkeys(mistake for row in found.values() for mistake in row["seen"]))
    head = ["set", "training cases", "false warnings on held-out cases", *columns]
    rows = [
        [
            name,
            row["train"],
            f"{row['false']} of {row['held']}",
            *(f"{100 * row['seen'][c]:.0f} %" if c in row["seen"] else "-" for c in columns),
        ]
        for name, row in found.items()
    ]
    others = ""
    if (data / "mednist_64_subset").is_dir():
        words = "Images of one kind judged by the limits of another, all 64x64 and of 8 bits (MedNIST):"
        others = f"{words}\n\n{kinds(data)}\n\n"
    text = f"{BEGIN}\n{table(head, rows)}\n\n{others}*{versions(('numpy', 'scipy'))}.*\n{END}"
    sys.stdout.write(f"{text}\n")
    if write:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: text, page, flags=re.S), encoding="utf-8")


if __name__ == "__main__":
    main()
