"""Files of a detection run: boxes as COCO results and as a table, in the coordinates of the input files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ganatomy.baselines.detection import Boxes
from ganatomy.data.records import Batch
from ganatomy.data.transforms.boxes import move_boxes, usable_boxes
from ganatomy.errors import UserError
from ganatomy.metrics.detection.table import Image
from ganatomy.tasks.shared.answers import FoundBoxes
from ganatomy.tasks.shared.as_written import Originals, grids
from ganatomy.text.tables import csv_text


def image_of(batch: Batch, row: int, files: Originals | None) -> Callable[[Boxes], Image]:
    """Return a callable from boxes on the network's grid to an `Image` that has them on the file's grid too.

    If files are scored, found and true boxes are those of the file, as written: clipped to the image, beyond
    which `data.resize` may have padded.

    Args:
        batch: Evaluation batch.
        row: Row of the image.
        files: Files of the cases if these are scored, else None.
    """
    case, (grid, file_grid) = batch["case"][row], grids(batch, row)
    truth, truth_classes = (batch[key][row].float().cpu().numpy() for key in ("boxes", "classes"))
    if files is None:
        file_truth = move_boxes(truth.astype(np.float64), grid, file_grid)
    else:
        annotated = files.truth(case)
        clipped, usable = usable_boxes(annotated["boxes"].astype(np.float64), file_grid.shape)
        truth = file_truth = rounded(clipped[usable])
        truth_classes = annotated["classes"][usable]

    def of(found: Boxes) -> Image:
        boxes, scores, classes = found
        file_boxes = move_boxes(boxes.astype(np.float64), grid, file_grid)
        if files is not None:
            clipped, usable = usable_boxes(file_boxes, file_grid.shape)
            boxes = file_boxes = rounded(clipped[usable])
            scores, classes = scores[usable], classes[usable]
        shape = np.array(file_grid.shape)
        return Image(case, boxes, scores, classes, truth, truth_classes, shape, file_boxes, file_truth)

    return of


def boxes_on_file(batch: Batch, row: int, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes on the file's grid, clipped to it and rounded as in the files, and which of them remain.

    Args:
        batch: Evaluation batch.
        row: Row of the image.
        boxes: Boxes [N, 2 * dims] on the network's grid.

    Returns:
        (boxes [M, 2 * dims] in voxels of the file, float64; True for those of the N that remain).

    Raises:
        UserError: The row is a slice of a volume.
    """
    if "slice" in batch:
        raise UserError(
            f"{batch['case'][row]}: this run finds boxes in pictures, and this is a volume, or a slice "
            "of one; save slices as PNG, or train with data.spatial_dims=3"
        )
    grid, file_grid = grids(batch, row)
    clipped, usable = usable_boxes(move_boxes(boxes.astype(np.float64), grid, file_grid), file_grid.shape)
    return rounded(clipped[usable]), usable


def boxes_found(
    batch: Batch, row: int, found: Sequence[Tensor], class_names: Sequence[str], threshold: float
) -> tuple[FoundBoxes, np.ndarray]:
    """Return the boxes of an image as they are answered, and which of them these are.

    Args:
        batch: Evaluation batch.
        row: Row of the image.
        found: Boxes [N, 2 * dims] on the network's grid, scores [N] and classes [N].
        class_names: Names of the box classes.
        threshold: Score from which on a box counts.

    Returns:
        (boxes on the file's grid; True for those of the N that remain there).

    Raises:
        UserError: The row is a slice of a volume.
    """
    boxes, scores, classes = (values.float().cpu().numpy() for values in found)
    on_file, usable = boxes_on_file(batch, row, boxes)
    kinds = [class_names[int(number)] for number in classes[usable]]
    return FoundBoxes(on_file, scores[usable], kinds, threshold), usable


def write_boxes(directory: Path, images: Sequence[Image], classes: Sequence[str], threshold: float) -> None:
    """Write `boxes.json` (COCO results), `truth.json` (the COCO file they refer to) and `boxes.csv`.

    2D boxes have x to the right and y down, in pixels from the outer corner of the first pixel. 3D boxes have
    i, j, k in voxels along the file's own axes; their `bbox` holds the lower corner and three sides.

    Args:
        directory: Folder of the files; made if needed.
        images: Images with their found and true boxes on the file's grid.
        classes: Names of the box classes.
        threshold: Lowest score of a box in `boxes.csv`; `boxes.json` has all candidates.
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
        for box, label in zip(image.file_truth, image.truth_classes, strict=True):
            bbox = coco_box(box)
            truth["annotations"].append(
                {
                    "id": len(truth["annotations"]) + 1,
                    "image_id": number,
                    "category_id": int(label) + 1,
                    "bbox": bbox,
                    "area": float(np.prod(bbox[len(sides) :])),
                    "iscrowd": 0,
                }
            )
        for box, score, label in zip(image.file_boxes, image.scores, image.classes, strict=True):
            results.append(
                {
                    "image_id": number,
                    "category_id": int(label) + 1,
                    "bbox": coco_box(box),
                    "score": float(str(np.float32(score))),  # shortest digits of float32: no new ties
                }
            )
    (directory / "boxes.json").write_text(json.dumps(results))
    (directory / "truth.json").write_text(json.dumps(truth))
    (directory / "boxes.csv").write_bytes(_table(images, classes, threshold).encode())


def _table(images: Sequence[Image], classes: Sequence[str], threshold: float) -> str:
    dims = images[0].boxes.shape[1] // 2 if images else 2
    axes = "xy" if dims == 2 else "ijk"
    columns = ["case", "class", "score", *(f"{a}{n}" for n in (1, 2) for a in axes)]
    rows: list[dict[str, str]] = []
    for image in images:
        for box, score, label in zip(image.file_boxes, image.scores, image.classes, strict=True):
            if score >= threshold:
                corners = [f"{value:.2f}" for value in corners_of(box)]
                cells = [image.case, classes[int(label)], f"{score:.4f}", *corners]
                rows.append(dict(zip(columns, cells, strict=True)))
    return csv_text(columns, rows)


def corners_of(box: np.ndarray) -> list[float]:
    """Return lower and upper corner; in 2D x, the column, comes first."""
    dims = len(box) // 2
    ends = [box[:dims], box[dims:]]
    return [float(value) for end in ends for value in (end[::-1] if dims == 2 else end)]


def rounded(boxes: np.ndarray) -> np.ndarray:
    """Round corners to a thousandth of a pixel, as in the files."""
    return np.round(boxes, 3)


def coco_box(box: np.ndarray) -> list[float]:
    """Return lower corner and sides as COCO has them, rounded; in 2D x, the column, comes first."""
    corners = rounded(np.array(corners_of(box)))
    low, high = np.split(corners, 2)
    return [*low.tolist(), *np.round(high - low, 3).tolist()]
