"""Noise by name: the same at every validation, in any batch and any process."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.records import Batch


def row_names(batch: Batch) -> list[str]:
    """Return one name per row: the case, with the slice number for sliced volumes."""
    if "slice" not in batch:
        return list(batch["case"])
    return [f"{case} {z}" for case, z in zip(batch["case"], batch["slice"].tolist(), strict=True)]


def fixed_noise(seed: int, name: str, length: int) -> Tensor:
    """Return standard normal numbers that depend on the seed and the name alone.

    Args:
        seed: Seed of the run.
        name: Name of the noise.
        length: Number of values.
    """
    draw = np.random.default_rng([seed, *name.encode()])
    return torch.from_numpy(draw.standard_normal(length, dtype=np.float32))


def fixed_rows(batch: Batch, seed: int, length: int) -> Tensor:
    """Return the noise of each row of a batch by its name, [B, length], as the images are.

    Args:
        batch: Evaluation batch.
        seed: Seed of the run.
        length: Number of values for each row.
    """
    return torch.stack([fixed_noise(seed, name, length) for name in row_names(batch)]).to(batch["image"])
