"""Cases that differ most between two arms, and the pictures of what each arm predicted for them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image

from ganatomy.compare.arms import Arm, task_of
from ganatomy.compare.pairing import Pair
from ganatomy.metrics.registry import describe
from ganatomy.pictures.draw import OKABE_ITO, grey, shown
from ganatomy.pictures.panel import panel, png
from ganatomy.text.tables import read_csv

canonical: Any = nibabel.as_closest_canonical  # nibabel leaves it untyped
ENDINGS = (".png", ".tiff", ".nii.gz")
LABELS = ("segmentation",)
"""Tasks whose predictions are label maps."""
LARGEST = 500_000_000
"""Bytes of a prediction from which on it is not drawn."""


@dataclass(frozen=True)
class Group:
    """Cases of one kind.

    Attributes:
        title: What they have in common.
        cases: Names of the cases; they are not shown.
        lines: For each, where it stands and its scores.
    """

    title: str
    cases: Sequence[str]
    lines: Sequence[str]


def groups(pair: Pair, score: str, count: int) -> list[Group]:
    """Return the cases in which each arm is better by most, and those that are worst for both.

    Args:
        pair: Two arms.
        score: Name of the score.
        count: Number of cases of each kind.
    """
    sign = describe(score.split("/")[0]).sign or 1
    values = {case: (pair.first.score(case, score), pair.other.score(case, score)) for case in pair.shared}
    known = {case: two for case, two in values.items() if all(map(math.isfinite, two))}
    lead = {case: sign * (one - other) for case, (one, other) in known.items()}
    kinds = (
        (
            f"Best for {pair.first.letter}, worst for {pair.other.letter}",
            sorted((c for c in lead if lead[c] > 0), key=lambda c: -lead[c]),
        ),
        (
            f"Best for {pair.other.letter}, worst for {pair.first.letter}",
            sorted((c for c in lead if lead[c] < 0), key=lambda c: lead[c]),
        ),
        ("Worst for both", sorted(known, key=lambda c: sign * sum(known[c]))),
    )
    return [
        Group(title, cases[:count], [_line(pair, case, score, known[case]) for case in cases[:count]])
        for title, cases in kinds
        if cases[:count]
    ]


def _line(pair: Pair, case: str, score: str, values: tuple[float, float]) -> str:
    decimals = describe(score.split("/")[0]).decimals
    one, other = (
        f"{arm.letter} {value:.{decimals}f}"
        for arm, value in zip((pair.first, pair.other), values, strict=True)
    )
    gap = round(values[0] - values[1], decimals) + 0.0  # no -0.000
    return f"{pair.first.row(case)}: {one}, {other}, difference {gap:+.{decimals}f}"


def drawn(pair: Pair, group: Group) -> bytes | None:
    """Return a picture of the predictions side by side, a row for each case; None where files are missing."""
    is_labels = task_of(pair.first.runs[0].config) in LABELS
    columns: dict[str, Any] = {pair.first.letter: [], pair.other.letter: [], "difference": []}
    rows = []
    for place, case in enumerate(group.cases):
        both = [_prediction(arm, case) for arm in (pair.first, pair.other)]
        if both[0] is None or both[1] is None or both[0].shape != both[1].shape:
            continue
        tiles = _tiles(both[0], both[1], is_labels)
        for column, tile in zip(columns.values(), tiles, strict=True):
            column.append(tile)
        rows.append(group.lines[place].partition(":")[0])
    return png(panel(columns, group.title, rows=rows)) if rows else None


def _tiles(first: np.ndarray, other: np.ndarray, is_labels: bool) -> list[np.ndarray]:
    """Return what each predicted and where they differ, of the slice in which they differ most."""
    if first.ndim == 4:
        gaps = np.abs(first.astype(np.float64) - other).sum((0, 1, 2))
        first, other = first[..., int(gaps.argmax())], other[..., int(gaps.argmax())]
    if is_labels:
        apart = (first != other).any(0)
        return [_labels(first[0]), _labels(other[0]), grey(apart[None].astype(np.float32), (0.0, 1.0))[0]]
    window = (float(min(first.min(), other.min())), float(max(first.max(), other.max())))
    gap = np.abs(first.astype(np.float32) - other)
    return [shown(first[None], window)[0], shown(other[None], window)[0], grey(gap.max(0)[None])[0]]


def _labels(values: np.ndarray) -> np.ndarray:
    """Draw a label map in colours; the lowest value is the background."""
    tile = np.zeros((*values.shape, 3), np.float32)
    for number, value in enumerate(np.unique(values)[:64]):
        colour = np.array(
            OKABE_ITO[(int(value) - 1) % len(OKABE_ITO)] if number or value else (0, 0, 0), np.float32
        )
        tile[values == value] = colour
    factor = max(1, 192 // max(values.shape))
    return tile.astype(np.uint8).repeat(factor, 0).repeat(factor, 1)


def _prediction(arm: Arm, case: str) -> np.ndarray | None:
    """Return the prediction of the first run of an arm that wrote one, [C, *spatial]."""
    for run in arm.runs:
        if path := _file(run.path, case):
            try:
                return _read(path)
            except (OSError, ValueError, SyntaxError, EOFError, nibabel.filebasedimages.ImageFileError):
                continue
    return None


def _file(run: Path, case: str) -> Path | None:
    """Return the file of predictions/ that belongs to a case, by predictions.csv."""
    try:
        rows: list[Mapping[str, str]] = list(read_csv(run / "predictions.csv"))
    except (OSError, ValueError):
        return None
    name = next((row.get("prediction", "") for row in rows if row.get("case") == case), "")
    if not name or Path(name).name != name:
        return None
    paths = [run / "predictions" / f"{name}{ending}" for ending in ENDINGS]
    return next((p for p in paths if p.is_file() and p.stat().st_size <= LARGEST), None)


def _read(path: Path) -> np.ndarray:
    if path.name.endswith(".nii.gz"):
        image = canonical(nibabel.load(path))
        values = np.asarray(image.dataobj)
        values = values[..., None] if values.ndim == 2 else values
        upright = np.flip(values.swapaxes(0, 1), 0)  # rows from anterior to posterior, as radiologists look
        return upright[None] if upright.ndim == 3 else np.moveaxis(upright, -1, 0)
    if path.suffix == ".tiff":
        import tifffile

        values = np.asarray(tifffile.imread(path))
    else:
        with Image.open(path, formats=("PNG",)) as picture:
            values = np.asarray(picture)
    return values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)
