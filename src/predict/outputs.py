"""The files of predictions: an image or label map for each case, boxes of all cases together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganatomy.inference.predictor import Predicted
from ganatomy.predict.journal import Entry
from ganatomy.runs.directory import write_atomically
from ganatomy.tasks.detection.coco_files import coco_box, corners_of
from ganatomy.tasks.shared.answers import FoundBoxes
from ganatomy.text.tables import csv_text

RESULTS, IMAGES, TABLE = "boxes.json", "images.json", "boxes.csv"


def files_of(predicted: Predicted, name: str, own_format: bool = True) -> list[tuple[str, bytes]]:
    """Return names and contents of the files of one case.

    Args:
        predicted: Prediction of the case.
        name: Path of its answer below the folder of the answers, without an extension.
        own_format: Write the input's own format; else NIfTI for volumes, PNG or TIFF for pictures.
    """
    files = []
    named = {"": predicted.file, **{f"_{kind}": each for kind, each in predicted.maps.items()}}
    for kind, written in named.items():
        if written is not None:
            ending, content = written.returned() if own_format else written.encoded()
            files.append((f"{name}{kind}{ending}", content))
    return files


def plain_boxes(found: FoundBoxes | None) -> list[list[Any]] | None:
    """Return boxes as plain values: the corners of each, its score, its class and if it counts."""
    if found is None:
        return None
    return [
        [box.tolist(), float(str(np.float32(score))), name, bool(score >= found.threshold)]
        for box, score, name in zip(found.boxes, found.scores, found.classes, strict=True)
    ]


def write_boxes(folder: Path, entries: Sequence[Entry]) -> None:
    """Write the boxes of all cases: COCO results, the images they refer to, and a table of those that count.

    In 2D x is to the right and y down, in pixels; in 3D i, j, k are voxels along the file's axes.

    Args:
        folder: Folder of the answers.
        entries: What was predicted, in order.
    """
    boxed = [(n, entry) for n, entry in enumerate(entries, 1) if entry.boxes is not None]
    if not boxed:
        return
    names = sorted({box[2] for _, entry in boxed for box in entry.boxes or []})
    numbers = {name: number for number, name in enumerate(names, 1)}
    results, images, rows = [], [], []
    dims = next((len(entry.shape) for _, entry in boxed), 2)
    columns = ["case", "class", "score", *(f"{a}{n}" for n in (1, 2) for a in ("xy" if dims == 2 else "ijk"))]
    for number, entry in boxed:
        sides = {"height": entry.shape[0], "width": entry.shape[1]} if dims == 2 else {"shape": entry.shape}
        images.append({"id": number, "file_name": (entry.input or [entry.case])[0], **sides})
        for box, score, name, counts in entry.boxes or []:
            place = np.array(box)
            results.append({"image_id": number, "category_id": numbers[name]} | {"bbox": coco_box(place)})
            results[-1] |= {"score": score}
            if counts:
                cells = [entry.case, name, f"{score:.4f}", *(f"{value:.2f}" for value in corners_of(place))]
                rows.append(dict(zip(columns, cells, strict=True)))
    about = {"images": images, "categories": [{"id": i, "name": name} for name, i in numbers.items()]}
    write_atomically(folder / RESULTS, json.dumps(results).encode())
    write_atomically(folder / IMAGES, json.dumps(about).encode())
    write_atomically(folder / TABLE, csv_text(columns, rows).encode())
