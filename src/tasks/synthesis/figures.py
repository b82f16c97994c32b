"""Pictures of what a generator has learned: its images, ways between two, rows of a class, label maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.pictures import Picture, colours, overlay, shown
from ganatomy.tasks.drawer import Drawer
from ganatomy.tasks.shared.cohort import evaluation_batches

Window = tuple[float, float]
WAYS, STEPS = 4, 8
"""Rows of the picture of ways, and images on each."""
ACROSS = 6
"""Synthetic images in a row."""


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """The point at a share of the arc between two vectors [d]; lengths in between change evenly.

    Shoemake, SIGGRAPH 1985; for noise White, arXiv 1609.04468: points on a straight line would be shorter
    than what a generator was trained on.
    """
    angle = torch.arccos(torch.clamp((start / start.norm()) @ (end / end.norm()), -1, 1))
    if float(angle.sin()) < 1e-6:
        return torch.lerp(start, end, share)
    first, last = torch.sin((1 - share) * angle), torch.sin(share * angle)
    return (first * start + last * end) / angle.sin()


@torch.no_grad()
def ways(draw: Drawer, data: DataModule, window: Window) -> Picture:
    """From one fixed noise to another in even steps; what else the generator is told stays along a row.

    A generator that has learned images by heart jumps from one to the next.
    """
    rows = []
    for row, told in enumerate(_told(draw, data, WAYS)):
        start, end = (draw.noise(f"way {row} {which}") for which in ("start", "end"))
        steps = torch.stack([slerp(start, end, step / (STEPS - 1)) for step in range(STEPS)])
        more = (part.expand(STEPS, *part.shape[1:]) for part in told)
        rows.append(draw(steps.to(draw.device), *more).cpu().numpy())
    columns = {
        f"{step}/{STEPS - 1}": shown(np.stack([images[step] for images in rows]), window)
        for step in range(STEPS)
    }
    return Picture("from one noise to another", columns)


@torch.no_grad()
def class_rows(draw: Drawer, data: DataModule, window: Window) -> Picture:
    """A row for each class: a real test image, and the same noises as in every other row."""
    kinds = data.image_classes
    noise = torch.stack([draw.noise(f"class {column}") for column in range(ACROSS)]).to(draw.device)
    made = [
        draw(noise, torch.full((ACROSS,), kind, device=draw.device)).cpu().numpy()
        for kind in range(len(kinds))
    ]
    examples: dict[int, np.ndarray] = {}
    for batch in evaluation_batches(data, "test", torch.device("cpu")):
        for kind, image in zip(batch["class"].tolist(), batch["image"], strict=True):
            examples.setdefault(kind, image.numpy())
    nothing = np.full_like(made[0][0], window[0])
    real = np.stack([examples.get(kind, nothing) for kind in range(len(kinds))])
    columns = {"real": shown(real, window)} | {
        f"synthetic {column + 1}": shown(np.stack([images[column] for images in made]), window)
        for column in range(ACROSS)
    }
    return Picture("the same noise for every class", columns, kinds)


def window(images: Tensor) -> Window:
    """Grey values that are shown as black and white: the 0.5th and the 99.5th percentile of the images."""
    kept = images if images.shape[1] == 3 else images[:, 0]
    low, high = np.percentile(kept.float().cpu().numpy(), (0.5, 99.5))
    return float(low), float(high)


def grid(real: Tensor, fake: Tensor) -> dict[str, np.ndarray]:
    """Each row: a real image, and beside it synthetic ones."""
    ends = window(real)
    across = min(ACROSS, len(fake))
    rows = len(fake) // across
    tiles = shown(fake[: rows * across].float().cpu().numpy(), ends)
    places = np.linspace(0, len(fake) - 1, rows).round().astype(int)
    return {
        "real": shown(real[places].float().cpu().numpy(), ends),
        **{f"synthetic {column + 1}": tiles[column::across] for column in range(across)},
    }


def triples(batch: Batch, prediction: Tensor, classes: int) -> dict[str, np.ndarray]:
    """Label map, what was drawn over it, and the real image that it belongs to."""
    ends = window(batch["image"])
    label = batch["label"][:, 0].cpu().numpy()
    fake, real = (images.float().cpu().numpy() for images in (prediction, batch["image"]))
    return {
        "label map": overlay(np.zeros_like(label, np.float32), label, classes, (0.0, 1.0)),
        "synthetic": shown(fake, ends),
        "real": shown(real, ends),
        "synthetic, outlined": overlay(fake, label, classes, ends),
    }


def legends(classes: tuple[str, ...]) -> dict[str, Any]:
    """For the columns of `triples`."""
    return {"label map": colours(classes)}


def _told(draw: Drawer, data: DataModule, count: int) -> list[tuple[Tensor, ...]]:
    """What the generator is told in each of `count` rows, each with one row: classes in turn, or label maps
    of the test split that show something."""
    if draw.condition.classes:
        kinds = (torch.tensor([row % draw.condition.classes]) for row in range(count))
        return [(kind.to(draw.device),) for kind in kinds]
    if not draw.condition.masks:
        return [()] * count
    found: list[tuple[Tensor, ...]] = []
    for batch in evaluation_batches(data, "test", draw.device):
        marked = batch["label"].flatten(1).any(1).nonzero()[:, 0].tolist()
        middle = marked[len(marked) // 2 : len(marked) // 2 + 1]
        found += [draw.condition.told({"label": batch["label"][row : row + 1]}) for row in middle]
        if len(found) == count:
            break
    return found
