"""Whole splits, read without a trainer: every process reads the same."""

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
    """A batch a case, as evaluation serves it, on the device."""
    yield from _batches(data, data.records[split], device)


def training_batches(data: DataModule, most: int, device: torch.device) -> Iterator[Batch]:
    """About `most` training images in such batches, without augmentation, of cases spread evenly."""
    apart = max(1, len(data.train_items()) // most)
    yield from _batches(data, data.labels.used(data.records["train"])[::apart], device)


def _batches(data: DataModule, records: Sequence[Record], device: torch.device) -> Iterator[Batch]:
    for record in records:
        case = data.evaluated(record)
        batch = collate(slices(record, case) if data.sliced else [plain(as_item(record, case, None))])
        yield {name: v.to(device) if isinstance(v, Tensor) else v for name, v in batch.items()}


def sample_training_images(data: DataModule, most: int) -> Tensor:
    """Up to `most` training images [n, C, *spatial] without augmentation, spread evenly over the cohort."""
    return torch.cat([images for _, images in _some(data, most)])


def some_classified(data: DataModule, most: int) -> tuple[Tensor, Tensor]:
    """The same images, and the class of each, [n]."""
    found = list(_some(data, most))
    kinds = [torch.full((len(images),), int(case["class"])) for case, images in found]
    return torch.cat([images for _, images in found]), torch.cat(kinds)


def _some(data: DataModule, most: int) -> Iterator[tuple[dict[str, Any], Tensor]]:
    """Training cases, and those of their images that are wanted."""
    total = len(data.train_items())
    wanted = set(np.linspace(0, total - 1, min(most, total)).round().astype(int).tolist())
    first = 0
    for record in data.labels.used(data.records["train"]):
        case = data.evaluated(record)
        image = torch.from_numpy(np.asarray(case["image"])).float()
        images = image if data.sliced else image[None]
        rows = [i for i in range(len(images)) if first + i in wanted]
        first += len(images)
        if rows:
            yield case, images[rows]
