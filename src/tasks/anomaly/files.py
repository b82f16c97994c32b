"""Boxes and lesions on the grids of the cases' files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.data.regrid import Grid
from ganatomy.data.transforms.boxes import move_boxes, usable_boxes
from ganatomy.tasks.anomaly.anomaly_map import boxes_of
from ganatomy.tasks.shared.as_written import Originals
from ganatomy.tasks.shared.volumes import rows_by_case, stack_slices
from ganatomy.text.tables import csv_text

COLUMNS = ("case", "score", "lower", "upper")


def box_rows(batch: Batch, row_names: list[str], maps: Tensor, threshold: float) -> list[dict[str, Any]]:
    """Return one table row per box: case, peak value, and corners in voxels of the case's file.

    Voxel i covers i to i + 1; boxes are clipped to the file's grid.

    Args:
        batch: Evaluation batch.
        row_names: Name of each row of the batch.
        maps: Anomaly maps [B, *spatial].
        threshold: Value above which a pixel is in a box.
    """
    rows = []
    for row, name in enumerate(row_names):
        found, peaks = boxes_on_file(batch, row, maps[row], threshold)
        for box, peak in zip(found, peaks, strict=True):
            corners = [" ".join(f"{value:g}" for value in corner) for corner in np.split(box, 2)]
            rows.append(dict(zip(COLUMNS, (name, round(float(peak), 4), *corners), strict=True)))
    return rows


def boxes_on_file(
    batch: Batch, row: int, anomaly_map: Tensor, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes of a row in voxels of its case's file [N, 2 * dims], and their peak values [N].

    Args:
        batch: Evaluation batch.
        row: Row of the map.
        anomaly_map: Anomaly map [*spatial].
        threshold: Value above which a pixel is in a box.
    """
    found, peaks = boxes_of(anomaly_map.cpu().numpy(), threshold)
    sides = list(anomaly_map.shape)
    if "slice" in batch:
        z = float(batch["slice"][row])
        found = np.insert(found, [len(sides), 2 * len(sides)], [z, z + 1], axis=1).astype(np.float32)
        sides.append(int(batch["slice"].max()) + 1)
    file_grid = Grid(_array(batch["input_affine"][row]), tuple(_array(batch["input_shape"][row]).astype(int)))
    on_file = move_boxes(found, Grid(_array(batch["affine"][row]), tuple(sides)), file_grid)
    within, usable = usable_boxes(on_file, file_grid.shape)  # `data.resize` may have padded
    return np.round(within[usable], 2), np.asarray(peaks)[usable]


def lesions_of_files(
    files: Originals, batch: Batch, lesion: int | None, ill: Tensor
) -> tuple[list[list[Tensor]] | None, Tensor]:
    """Return the lesions on the files' grids, by row, and which rows are anomalous.

    Args:
        files: Files of the test cases.
        batch: Evaluation batch.
        lesion: Label of lesions; None without outlines.
        ill: True for rows that are anomalous on the network's grid, [B].

    Returns:
        (for each row the lesion masks of its planes, or None; True for anomalous rows, [B]).
    """
    if lesion is None:
        return None, ill
    found: list[list[Tensor]] = [[] for _ in batch["case"]]
    ill = ill.clone()
    for case, rows in rows_by_case(batch):
        for row, planes in files.planes_by_row(batch, rows, files.truth(case)["label"] == lesion):
            found[row] = [torch.from_numpy(plane[0].copy()) for plane in planes]
            ill[row] = bool(ill[row]) | any(bool(plane.any()) for plane in found[row])
    return found, ill


def maps_of_files(files: Originals, batch: Batch, maps: Tensor, role: str) -> list[list[Tensor]]:
    """Return for each row its planes of the files that the maps would be written to.

    Args:
        files: Files of the test cases.
        batch: Evaluation batch.
        maps: Anomaly maps [B, *spatial].
        role: See `Originals.as_written`.
    """
    found: list[list[Tensor]] = [[] for _ in maps]
    for _, rows in rows_by_case(batch):
        case_map = stack_slices(batch, maps[:, None], rows)
        file_map = files.as_written(batch, rows, case_map, role)
        for row, planes in files.planes_by_row(batch, rows, file_map.numbers):
            found[row] = [torch.from_numpy(plane[0]) for plane in planes]
    return found


def gather_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of all processes, each once, sorted by case."""
    every = [rows]
    if dist.is_available() and dist.is_initialized():
        every = [[] for _ in range(dist.get_world_size())]
        dist.all_gather_object(every, rows)
    once = {tuple(row.values()): row for part in every for row in part}
    return [once[key] for key in sorted(once)]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the rows of `box_rows` as CSV."""
    path.write_bytes(csv_text(COLUMNS, rows).encode())


def _array(values: Tensor) -> np.ndarray:
    found: np.ndarray = torch.as_tensor(values).cpu().numpy()
    return found
