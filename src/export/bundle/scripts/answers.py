"""From the network's output to the answer of a task, before it goes back to the file's grid."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform
from torch import Tensor

from ganatomy.data.regrid import Grid
from ganatomy.data.transforms.boxes import move_boxes, usable_boxes
from ganatomy.errors import UserError
from ganatomy.tasks.detection.centernet_decoding import decode
from ganatomy.tasks.detection.refining import refined
from ganatomy.tasks.detection.views import SoftMaps
from ganatomy.tasks.segmentation.postprocessing.steps import Steps, postprocessed


class Labels(Transform):
    """Choose the most probable class; of a gate, no class at all where nothing is suspicious.

    Outside of a region of interest, where the prepared image has one, all is background.

    Args:
        threshold: Lowest suspicion at which a label map is kept; None for no gate.
        suspicious: Fraction of an image's pixels, the most suspicious, whose mean is compared.
        order: Of regions that overlap, (channel, class number) of each, the first written first: a voxel is
            of a region from above 0.5. None for classes, the background first.
        steps: What is done to the holes and components of the whole label map, by class number.
    """

    def __init__(
        self,
        threshold: float | None = None,
        suspicious: float = 0.003,
        order: Sequence[Sequence[int]] | None = None,
        steps: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.threshold, self.suspicious, self.order = threshold, suspicious, order
        self.steps = {int(number): Steps(**own) for number, own in (steps or {}).items()}

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the data with `pred` [1, *spatial], class numbers."""
        found = data["pred"]
        labels = self._labels(found)
        region = data["file"].get("mask")
        inside = None if region is None else torch.from_numpy(region).reshape(labels.shape)
        labels = labels if inside is None else labels * inside
        answer = stacked(labels, data).to(torch.int16)
        if self.steps:
            spacing = np.asarray(data["file"]["spacing"], np.float32).tolist()  # as batches hold it
            answer = torch.from_numpy(postprocessed(answer[0].numpy(), spacing, self.steps))[None]
            answer = answer if inside is None else answer * stacked(inside, data)
        if self.threshold is not None:
            lesion = found[:, 0 if self.order else 1 :].amax(1, keepdim=True)
            lesion = (lesion if inside is None else lesion * inside).flatten(1)
            most = lesion.topk(max(1, round(self.suspicious * lesion.shape[1]))).values.mean(1)
            answer = answer * (most.amax() >= self.threshold)
        return {**data, "pred": answer}

    def _labels(self, found: Tensor) -> Tensor:
        """Return class numbers [rows, 1, *spatial] of probabilities [rows, K, *spatial]."""
        if self.order is None:
            return found.argmax(1, keepdim=True)
        labels = torch.zeros_like(found[:, :1], dtype=torch.int64)
        for channel, number in self.order:
            labels[found[:, channel : channel + 1] > 0.5] = number
        return labels


class Images(Transform):
    """Return the images of all rows as one: the slices of a volume, or the only one.

    Args:
        channel: Only this channel; None for all.
    """

    def __init__(self, channel: int | None = None) -> None:
        self.channel = channel

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the data with `pred` [C, *spatial]."""
        found = data["pred"]
        kept = found if self.channel is None else found[:, self.channel : self.channel + 1]
        return {**data, "pred": stacked(kept, data)}


class Scores(Transform):
    """Write the score of an image into a JSON file; it fills the last channel of the network's output.

    Args:
        output_dir: Folder of the file.
    """

    def __init__(self, output_dir: str) -> None:
        self.folder = Path(output_dir)

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Write the highest score of an image's rows, and return the data."""
        score = float(data["pred"][:, -1].flatten(1)[:, 0].amax())
        _write(self.folder, data, {"score": score})
        return dict(data)


class Boxes(Transform):
    """Decode the maps of CenterNet and write the boxes into a JSON file, in voxels of the image's file.

    Boxes are [lower corner, upper corner] along the array's axes; voxel i covers i to i + 1.

    Args:
        output_dir: Folder of the file.
        classes: Names of the classes.
        stride: Voxels per cell of the maps.
        threshold: Score from which on a box counts.
        max_detections: Most boxes per image.
        nms_iou: Of two boxes of a class with a larger IoU, the one with the lower score is dropped.
        vote: Average the box of each peak with those of the cells around it.
        refinement: Share of the way to the nearest edge that the sides of boxes are moved.
    """

    def __init__(
        self,
        output_dir: str,
        classes: list[str],
        stride: int,
        threshold: float,
        max_detections: int,
        nms_iou: float,
        vote: bool = False,
        refinement: float = 0.0,
    ) -> None:
        self.folder, self.classes, self.threshold = Path(output_dir), classes, threshold
        self.stride, self.max_detections, self.nms_iou = stride, max_detections, nms_iou
        self.vote, self.refinement = vote, refinement

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Write the boxes of one image, and return the data with `boxes`."""
        image, file = data["image"], data["file"]
        dims = image.dim() - 1
        if dims > file["dims"]:
            raise UserError("this bundle finds boxes in pictures, and this is a volume; save slices as PNG")
        centre, size, offset = torch.split(data["pred"], [len(self.classes), dims, dims], 1)
        maps = SoftMaps(centre.sigmoid(), size, offset)
        found = decode(
            maps, self.stride, image.shape[1:], self.max_detections, nms_iou=self.nms_iou, vote=self.vote
        )[0]
        found = refined(torch.as_tensor(image), found, self.refinement)
        here = Grid(np.asarray(file["affine"]), tuple(image.shape[1:]))
        there = Grid(np.asarray(file["input_affine"]), tuple(int(n) for n in file["input_shape"]))
        moved = move_boxes(found.boxes.cpu().numpy().astype(np.float64), here, there)
        boxes, usable = usable_boxes(moved, there.shape)
        names = [self.classes[int(number)] for number in found.classes[torch.from_numpy(usable)]]
        written = [
            {"box": box.tolist(), "score": float(score), "class": name}
            for box, score, name in zip(boxes[usable], found.scores.cpu().numpy()[usable], names, strict=True)
        ]
        _write(self.folder, data, {"threshold": self.threshold, "boxes": written})
        return {**data, "boxes": written}


def stacked(rows: Tensor, data: Mapping[str, Any]) -> Tensor:
    """Return the rows [S, C, H, W] of a volume as [C, H, W, S], or the only row."""
    return rows.movedim(0, -1) if data["image"].dim() == rows.dim() else rows[0]


def _write(folder: Path, data: Mapping[str, Any], content: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = Path(data["file"]["path"]).name.split(".")[0]
    (folder / f"{name}_pred.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
