"""Synthetic images by number: the same in any order and by any process."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Case
from ganatomy.data.transforms.intensity import in_units
from ganatomy.tasks.synthesis.drawer import Drawer


class Synthetic(NamedTuple):
    """A synthetic image and its conditioning.

    Attributes:
        image: Image [C, *spatial] in the data's units, float64.
        kind: Its class; None without class conditioning.
        label: Its label map [1, *spatial]; None without label maps.
    """

    image: np.ndarray
    kind: int | None = None
    label: np.ndarray | None = None


class Sampler:
    """Make the n-th image, n from 1 on, from noise that depends on the run's seed and n alone.

    Images are made one at a time: in a larger batch their last bits would depend on its size. Classes take
    turns. Label maps are those of training images, in an order drawn by the seed; an image made from the map
    of a test subject would leak that subject into what is trained on it. Images are scaled back to the data's
    units by the median scale and offset of the training cases.

    Attributes:
        affine: Voxel sizes and directions in mm, [4, 4], without a position.
    """

    def __init__(self, draw: Drawer, data: DataModule) -> None:
        self.draw, self.data = draw, data
        draw.network.eval()
        self.places = data.train_items().places
        self.order = np.random.default_rng(draw.seed).permutation(len(self.places))
        records = data.labels.used(data.records["train"])
        scalings = [(case["scale"], case["offset"]) for case in map(data.evaluated, records)]
        self.scale, self.offset = (np.median(each, axis=0) for each in zip(*scalings, strict=True))
        self.affine = _directions(data.evaluated(records[0]))

    @torch.no_grad()
    def __call__(self, number: int) -> Synthetic:
        """Return the image of this number."""
        draw, condition = self.draw, self.draw.condition
        noise = draw.noise(f"synthetic {number}")[None].to(draw.device)
        kind = (number - 1) % len(self.data.image_classes) if condition.classes else None
        label = self._label(number) if condition.masks else None
        batch = {
            **({} if kind is None else {"class": torch.tensor([kind], device=draw.device)}),
            **({} if label is None else {"label": torch.from_numpy(label)[None].to(draw.device)}),
        }
        image = draw(noise, *condition.conditioning(batch))[0]
        values = in_units(image.double().cpu().numpy(), self.offset, self.scale)
        return Synthetic(values, kind, label)

    def _label(self, number: int) -> np.ndarray:
        record, z = self.places[self.order[(number - 1) % len(self.order)]]
        label = np.asarray(self.data.evaluated(record)["label"])
        return label if z is None else label[z]

    def span(self) -> tuple[float, float]:
        """Return the least and the greatest value of the training images, in their units."""
        records = self.data.labels.used(self.data.records["train"])
        lows, highs = [], []
        for case in map(self.data.evaluated, records):
            image = np.moveaxis(case["image"], 1, 0) if self.data.sliced else case["image"]
            flat = image.reshape(len(image), -1).astype(np.float64)
            ends = in_units(np.stack([flat.min(1), flat.max(1)], 1), case["offset"], case["scale"])
            lows.append(float(ends.min()))
            highs.append(float(ends.max()))
        return min(lows), max(highs)


def _directions(case: Case) -> np.ndarray:
    affine = np.eye(4)
    own = np.asarray(case["affine"], float)
    sides = len(own) - 1
    affine[:sides, :sides] = own[:sides, :sides]
    return affine
