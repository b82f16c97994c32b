"""What a detection run leaves: boxes as COCO results and as a table, in the coordinates of the files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganatomy.baselines.detection import Boxes
from ganatomy.data.records import Batch
from ganatomy.data.transforms.boxes import move_boxes, usable_boxes
from ganatomy.metrics.detection.table import Image
from ganatomy.tasks.shared.as_written import Originals, grids


def image_of(batch: Batch, row: int, files: Originals | None) -> Callable[[Boxes], Image]:
    """From the boxes found on the network's grid to one image's, there and on the file's grid.

    Where files are scored both are those of the file, found and true, as they are written: cut to the image,
    beside which `data.resize` may have padded.
    """
    case, (here, file) = batch["case"][row], grids(batch, row)
    truth, classes = (batch[key][row].float().cpu().numpy() for key in ("boxes", "classes"))
    if files is None:
        true = move_boxes(truth.astype(np.float64), here, file)
    else:
        read = files.truth(case)
        cut, usable = usable_boxes(read["boxes"].astype(np.float64), file.shape)
        truth = true = rounded(cut[usable])
        classes = read["classes"][usable]

    def of(found: Boxes) -> Image:
        boxes, scores, kinds = found
        there = move_boxes(boxes.astype(np.float64), here, file)
        if files is not None:
            within, usable = usable_boxes(there, file.shape)
            boxes = there = rounded(within[usable])
            scores, kinds = scores[usable], kinds[usable]
        return Image(case, boxes, scores, kinds, truth, classes, np.array(file.shape), there, true)

    return of


def write_boxes(directory: Path, images: Sequence[Image], classes: Sequence[str], threshold: float) -> None:
    """`boxes.json`, every candidate as a COCO result; `truth.json`, the COCO file they refer to; `boxes.csv`,
    what scores at least `threshold`.

    Pictures have x to the right and y down, in pixels from the outer corner of the first. Volumes have i,
    j, k, in voxels along the file's own axes; their `bbox` holds the lower corner and three sides.
    """
    directory.mkdir(parents=True, exist_ok=True)
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, 1)]
    results: list[dict[str, Any]] = []
    truth: dict[str, Any] = {"images": [], "annotations": [], "categories": categories}
    for number, image in enumerate(images, 1):
        about = {"id": number, "file_name": image.case}
        sides = [int(side) for side in image.shape]
        truth["images"].append(
            about | ({"height": sides[0], "width": sides[1]} if len(sides) == 2 else {"shape": sides})
        )
        for box, kind in zip(image.file_truth, image.truth_classes, strict=True):
            bbox = _bbox(box)
            truth["annotations"].append(
                {
                    "id": len(truth["annotations"]) + 1,
                    "image_id": number,
                    "category_id": int(kind) + 1,
                    "bbox": bbox,
                    "area": float(np.prod(bbox[len(sides) :])),
                    "iscrowd": 0,
                }
            )
        for box, score, kind in zip(image.file_boxes, image.scores, image.classes, strict=True):
            results.append(
                {
                    "image_id": number,
                    "category_id": int(kind) + 1,
                    "bbox": _bbox(box),
                    "score": float(str(np.float32(score))),  # its shortest digits: no tie that was none
                }
            )
    (directory / "boxes.json").write_text(json.dumps(results))
    (directory / "truth.json").write_text(json.dumps(truth))
    (directory / "boxes.csv").write_text(_table(images, classes, threshold))


def _table(images: Sequence[Image], classes: Sequence[str], threshold: float) -> str:
    text = io.StringIO()
    dims = images[0].boxes.shape[1] // 2 if images else 2
    axes = "xy" if dims == 2 else "ijk"
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "class", "score", *(f"{a}{n}" for n in (1, 2) for a in axes)])
    for image in images:
        for box, score, kind in zip(image.file_boxes, image.scores, image.classes, strict=True):
            if score >= threshold:
                corners = [f"{value:.2f}" for value in _corners(box)]
                writer.writerow([image.case, classes[int(kind)], f"{score:.4f}", *corners])
    return text.getvalue()


def _corners(box: np.ndarray) -> list[float]:
    """Lower and upper corner; of pictures, columns come first."""
    dims = len(box) // 2
    ends = [box[:dims], box[dims:]]
    return [float(value) for end in ends for value in (end[::-1] if dims == 2 else end)]


def rounded(boxes: np.ndarray) -> np.ndarray:
    """Corners as the files have them, to a thousandth of a pixel."""
    return np.round(boxes, 3)


def _bbox(box: np.ndarray) -> list[float]:
    corners = rounded(np.array(_corners(box)))
    low, high = np.split(corners, 2)
    return [*low.tolist(), *np.round(high - low, 3).tolist()]
