"""Pictures of a generator's images: samples, interpolations, a row per class, images of label maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.pictures import Picture, colours, overlay, shown
from ganatomy.tasks.shared.cohort import evaluation_batches
from ganatomy.tasks.synthesis.drawer import Drawer

Window = tuple[float, float]
INTERPOLATIONS, STEPS = 4, 8
"""Rows of the picture of interpolations, and images in each."""
COLUMNS = 6
"""Synthetic images in a row."""


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Interpolate on the arc between two vectors [d].

    Shoemake, SIGGRAPH 1985; for noise White, arXiv 1609.04468: points on a straight line would be shorter
    than the noise a generator was trained on.

    Args:
        start: Vector at share 0.
        end: Vector at share 1.
        share: Position on the arc, 0 to 1.
    """
    angle = torch.arccos(torch.clamp((start / start.norm()) @ (end / end.norm()), -1, 1))
    if float(angle.sin()) < 1e-6:
        return torch.lerp(start, end, share)
    first, last = torch.sin((1 - share) * angle), torch.sin(share * angle)
    return (first * start + last * end) / angle.sin()


@torch.no_grad()
def interpolations(draw: Drawer, data: DataModule, window: Window) -> Picture:
    """Draw images between two fixed noises in even steps; each row keeps its conditioning.

    A generator that has memorised images jumps from one to the next.

    Args:
        draw: Generator.
        data: Data of the run, for label maps of the test split.
        window: Intensities that are drawn as black and white.
    """
    rows = []
    for row, conditioning in enumerate(conditioning_rows(draw, data, INTERPOLATIONS)):
        start, end = (draw.noise(f"way {row} {which}") for which in ("start", "end"))
        steps = torch.stack([slerp(start, end, step / (STEPS - 1)) for step in range(STEPS)])
        repeated = (part.expand(STEPS, *part.shape[1:]) for part in conditioning)
        rows.append(draw(steps.to(draw.device), *repeated).cpu().numpy())
    columns = {
        f"{step}/{STEPS - 1}": shown(np.stack([images[step] for images in rows]), window)
        for step in range(STEPS)
    }
    return Picture("from one noise to another", columns)


@torch.no_grad()
def class_rows(draw: Drawer, data: DataModule, window: Window) -> Picture:
    """Draw a row per class: a real test image, and images of the same noises in every row.

    Args:
        draw: Class-conditional generator.
        data: Data of the run.
        window: Intensities that are drawn as black and white.
    """
    kinds = data.image_classes
    noise = torch.stack([draw.noise(f"class {column}") for column in range(COLUMNS)]).to(draw.device)
    fake = [
        draw(noise, torch.full((COLUMNS,), kind, device=draw.device)).cpu().numpy()
        for kind in range(len(kinds))
    ]
    examples: dict[int, np.ndarray] = {}
    for batch in evaluation_batches(data, "test", torch.device("cpu")):
        for kind, image in zip(batch["class"].tolist(), batch["image"], strict=True):
            examples.setdefault(kind, image.numpy())
    blank = np.full_like(fake[0][0], window[0])
    real = np.stack([examples.get(kind, blank) for kind in range(len(kinds))])
    columns = {"real": shown(real, window)} | {
        f"synthetic {column + 1}": shown(np.stack([images[column] for images in fake]), window)
        for column in range(COLUMNS)
    }
    return Picture("the same noise for every class", columns, kinds)


def further_pictures(draw: Drawer, data: DataModule, window: Window) -> dict[str, Picture]:
    """Return the pictures of the test that need no test batch, by file name.

    Args:
        draw: Generator.
        data: Data of the run.
        window: Intensities that are drawn as black and white.
    """
    rows = {"classes": class_rows(draw, data, window)} if draw.condition.classes else {}
    return {"interpolation": interpolations(draw, data, window), **rows}


def grey_window(images: Tensor) -> Window:
    """Return the intensities to draw as black and white: the 0.5th and 99.5th percentile of the images."""
    kept = images if images.shape[1] == 3 else images[:, 0]
    low, high = np.percentile(kept.float().cpu().numpy(), (0.5, 99.5))
    return float(low), float(high)


def panels(batch: Batch, prediction: Tensor, masks: int) -> dict[str, np.ndarray]:
    """Return rows of a real image and synthetic ones from fixed noise, or of label map, fake and real.

    Args:
        batch: Real images, and label maps that the others were made from.
        prediction: Synthetic images [B, C, *spatial].
        masks: Number of label map classes; 0 for images from noise.
    """
    if masks:
        return label_map_triples(batch, prediction, masks)
    return sample_grid(batch["image"], prediction)


def sample_grid(real: Tensor, fake: Tensor) -> dict[str, np.ndarray]:
    """Return tiles of a grid whose rows hold a real image and synthetic ones, by column."""
    ends = grey_window(real)
    columns = min(COLUMNS, len(fake))
    rows = len(fake) // columns
    tiles = shown(fake[: rows * columns].float().cpu().numpy(), ends)
    places = np.linspace(0, len(fake) - 1, rows).round().astype(int)
    return {
        "real": shown(real[places].float().cpu().numpy(), ends),
        **{f"synthetic {column + 1}": tiles[column::columns] for column in range(columns)},
    }


def label_map_triples(batch: Batch, prediction: Tensor, classes: int) -> dict[str, np.ndarray]:
    """Return tiles of label maps, the images made from them, and the real images, by column.

    Args:
        batch: Real images and label maps.
        prediction: Synthetic images [B, C, H, W].
        classes: Number of label map classes.
    """
    ends = grey_window(batch["image"])
    label = batch["label"][:, 0].cpu().numpy()
    fake, real = (images.float().cpu().numpy() for images in (prediction, batch["image"]))
    return {
        "label map": overlay(np.zeros_like(label, np.float32), label, classes, (0.0, 1.0)),
        "synthetic": shown(fake, ends),
        "real": shown(real, ends),
        "synthetic, outlined": overlay(fake, label, classes, ends),
    }


def legends(classes: tuple[str, ...]) -> dict[str, Any]:
    """Return the legends of the columns of `label_map_triples`."""
    return {"label map": colours(classes)}


def conditioning_rows(draw: Drawer, data: DataModule, count: int) -> list[tuple[Tensor, ...]]:
    """Return the conditioning of each of `count` rows: classes in turn, or label maps that are not empty.

    Args:
        draw: Generator.
        data: Data of the run; label maps are those of its test split.
        count: Number of rows.

    Returns:
        Arguments of the generator after its noise, with one row each; fewer than `count` where the split has
        too few label maps.
    """
    if draw.condition.classes:
        kinds = (torch.tensor([row % draw.condition.classes]) for row in range(count))
        return [(kind.to(draw.device),) for kind in kinds]
    if not draw.condition.masks:
        return [()] * count
    found: list[tuple[Tensor, ...]] = []
    for batch in evaluation_batches(data, "test", draw.device):
        marked = batch["label"].flatten(1).any(1).nonzero()[:, 0].tolist()
        middle = marked[len(marked) // 2 : len(marked) // 2 + 1]
        found += [draw.condition.conditioning({"label": batch["label"][row : row + 1]}) for row in middle]
        if len(found) == count:
            break
    return found
