"""Whole splits, read without a trainer: every process reads the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.data.pipeline import as_item, collate, plain, slices
from src.data.records import Record


def evaluation_batches(data: Any, split: str, device: torch.device) -> Iterator[dict[str, Any]]:
    """A batch a case, as evaluation serves it, on the device."""
    yield from _batches(data, data.records[split], device)


def training_batches(data: Any, most: int, device: torch.device) -> Iterator[dict[str, Any]]:
    """About `most` training images in such batches, without augmentation, of cases spread evenly."""
    apart = max(1, len(data.train_items()) // most)
    yield from _batches(data, data.labels.used(data.records["train"])[::apart], device)


def _batches(data: Any, records: Sequence[Record], device: torch.device) -> Iterator[dict[str, Any]]:
    for record in records:
        case = data.evaluated(record)
        batch = collate(slices(record, case) if data.sliced else [plain(as_item(record, case, None))])
        yield {name: v.to(device) if isinstance(v, Tensor) else v for name, v in batch.items()}


def some_training(data: Any, most: int) -> Tensor:
    """Up to `most` training images [n, C, *spatial] without augmentation, spread evenly over the cohort."""
    total = len(data.train_items())
    wanted = set(np.linspace(0, total - 1, min(most, total)).round().astype(int).tolist())
    kept: list[Tensor] = []
    first = 0
    for record in data.labels.used(data.records["train"]):
        image = torch.from_numpy(np.asarray(data.evaluated(record)["image"])).float()
        images = image if data.sliced else image[None]
        kept += [images[i] for i in range(len(images)) if first + i in wanted]
        first += len(images)
    return torch.stack(kept)
