"""Images of a whole split, read without a trainer: every process reads the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.data.pipeline import as_item, collate, plain, slices
from ganatomy.data.records import Batch, Record, Split


def evaluation_batches(data: DataModule, split: Split, device: torch.device) -> Iterator[Batch]:
    """Yield the cases of a split as evaluation batches, one case each.

    Args:
        data: Data of the run.
        split: Split to read.
        device: Device of the tensors.
    """
    yield from _batches(data, data.records[split], device)


def training_batches(data: DataModule, max_images: int, device: torch.device) -> Iterator[Batch]:
    """Yield training cases, spread evenly, as evaluation batches without augmentation.

    Args:
        data: Data of the run.
        max_images: Number of images, about.
        device: Device of the tensors.
    """
    stride = max(1, len(data.train_items()) // max_images)
    yield from _batches(data, data.labels.used(data.records["train"])[::stride], device)


def _batches(data: DataModule, records: Sequence[Record], device: torch.device) -> Iterator[Batch]:
    for record in records:
        case = data.evaluated(record)
        batch = collate(slices(record, case) if data.sliced else [plain(as_item(record, case, None))])
        yield {name: v.to(device) if isinstance(v, Tensor) else v for name, v in batch.items()}


def sample_training_images(data: DataModule, max_images: int) -> Tensor:
    """Return up to `max_images` training images [n, C, *spatial], evenly spread, without augmentation."""
    return torch.cat([images for _, images in _sample(data, max_images)])


def sample_classified_images(data: DataModule, max_images: int) -> tuple[Tensor, Tensor]:
    """Return the images of `sample_training_images`, and the class of each, [n]."""
    found = list(_sample(data, max_images))
    kinds = [torch.full((len(images),), int(case["class"])) for case, images in found]
    return torch.cat([images for _, images in found]), torch.cat(kinds)


def _sample(data: DataModule, max_images: int) -> Iterator[tuple[dict[str, Any], Tensor]]:
    """Yield training cases with the chosen ones of their images."""
    total = len(data.train_items())
    wanted = set(np.linspace(0, total - 1, min(max_images, total)).round().astype(int).tolist())
    first = 0
    for record in data.labels.used(data.records["train"]):
        case = data.evaluated(record)
        image = torch.from_numpy(np.asarray(case["image"])).float()
        images = image if data.sliced else image[None]
        rows = [i for i in range(len(images)) if first + i in wanted]
        first += len(images)
        if rows:
            yield case, images[rows]
