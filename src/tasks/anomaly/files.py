"""Boxes of anomalies as rows of a table, in the coordinates of the files they were found in."""

from __future__ import annotations

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
from ganatomy.tasks.shared.volumes import rows_by_case

COLUMNS = ("case", "score", "lower", "upper")


def boxes(batch: Batch, names: list[str], maps: Tensor, threshold: float) -> list[dict[str, Any]]:
    """A row a box: the highest value in it, and its corners in voxels of the case's file (i to i + 1),
    cut to it."""
    rows = []
    for row, name in enumerate(names):
        found, peaks = boxes_of(maps[row].cpu().numpy(), threshold)
        sides = list(maps.shape[1:])
        if "slice" in batch:
            z = float(batch["slice"][row])
            found = np.insert(found, [len(sides), 2 * len(sides)], [z, z + 1], axis=1).astype(np.float32)
            sides.append(int(batch["slice"].max()) + 1)
        there = Grid(_array(batch["input_affine"][row]), tuple(_array(batch["input_shape"][row]).astype(int)))
        moved = move_boxes(found, Grid(_array(batch["affine"][row]), tuple(sides)), there)
        within, usable = usable_boxes(moved, there.shape)  # `data.resize` may have padded
        for box, peak in zip(np.round(within[usable], 2), np.asarray(peaks)[usable], strict=True):
            corners = [" ".join(f"{value:g}" for value in corner) for corner in np.split(box, 2)]
            rows.append(dict(zip(COLUMNS, (name, round(float(peak), 4), *corners), strict=True)))
    return rows


def marked(
    files: Originals, batch: Batch, lesion: int | None, ill: Tensor
) -> tuple[list[list[Tensor]] | None, Tensor]:
    """The lesions of the files, for each row those of its planes, and whether rows are anomalous."""
    if lesion is None:
        return None, ill
    found: list[list[Tensor]] = [[] for _ in batch["case"]]
    ill = ill.clone()
    for case, rows in rows_by_case(batch):
        for row, planes in files.shared(batch, rows, files.truth(case)["label"] == lesion):
            found[row] = [torch.from_numpy(plane[0].copy()) for plane in planes]
            ill[row] = bool(ill[row]) | any(bool(plane.any()) for plane in found[row])
    return found, ill


def gathered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of all processes, each once, in the order of their cases."""
    every = [rows]
    if dist.is_available() and dist.is_initialized():
        every = [[] for _ in range(dist.get_world_size())]
        dist.all_gather_object(every, rows)
    once = {tuple(row.values()): row for part in every for row in part}
    return [once[key] for key in sorted(once)]


def _array(values: Tensor) -> np.ndarray:
    found: np.ndarray = torch.as_tensor(values).cpu().numpy()
    return found
