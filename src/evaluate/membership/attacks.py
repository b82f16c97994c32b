"""Attacks on a synthesis run: a score of each real image, higher if it was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.evaluate.data import EvaluatedData
from ganatomy.evaluate.membership.told import LOGIT, NEAREST, Images
from ganatomy.inference.applied import to_device
from ganatomy.inference.loaded import LoadedRun
from ganatomy.launch.progress import CountedProgress
from ganatomy.metrics.synthesis.memorisation import nearest
from ganatomy.metrics.synthesis.planes import PLANES, central_planes
from ganatomy.tasks.synthesis.task import ROWS, SynthesisTask
from ganatomy.training.initial.source import open_source


def restore_discriminator(loaded: LoadedRun) -> str:
    """Load the discriminator that trained the tested generator; return why that is not possible, or ""."""
    if loaded.task.discriminator is None:
        return "the run has none"
    weights = open_source(str(loaded.path), {"discriminator"}).states.get("discriminator")
    if not weights:
        return "no checkpoint of the run holds the tested weights any more"
    loaded.task.discriminator.load_state_dict(weights)
    loaded.task.discriminator.eval()
    return ""


def attacked(
    loaded: LoadedRun, data: EvaluatedData, members: set[str], count: int, with_logits: bool
) -> Images:
    """Score every image by each attack.

    By the generator alone: the correlation with the nearest of its images (Chen et al., arXiv 1909.03935,
    section 4.2). By the discriminator: its logit (Hayes et al., arXiv 1705.07663, section 4.1).

    Args:
        loaded: The run.
        data: The cases.
        members: Names of the cases that were trained on.
        count: Number of synthetic images.
        with_logits: Ask the discriminator too.
    """
    task = loaded.task
    assert isinstance(task, SynthesisTask)
    real, maps, logits = [], [], []
    cases: list[str] = []
    subjects: list[str] = []
    with loaded.precision(), CountedProgress("real images", len(data.records["test"])) as progress:
        for batch in data.test_dataloader():
            batch = to_device(batch, loaded.device)
            real.append(central_planes(batch["image"]).cpu())
            cases += batch["case"]
            subjects += batch["subject"]
            if task.condition.masks:
                maps.append(batch["label"].cpu())
            if with_logits:
                logits.append(task.overfitting.logits(batch, batch["image"]).cpu())
            progress.step(len(set(batch["case"])))
    synthetic = list(_synthetic(loaded, count, torch.cat(maps) if maps else None))
    views = PLANES if data.spatial_dims == 3 else 1
    found = [
        nearest(part.to(loaded.device), synthetic, views)[0] for part in torch.split(torch.cat(real), ROWS)
    ]
    scores = {NEAREST: torch.cat(found).double().cpu().numpy()}
    if logits:
        scores[LOGIT] = torch.cat(logits).double().numpy()
    return Images(scores, np.array([case in members for case in cases]), subjects)


def _synthetic(loaded: LoadedRun, count: int, maps: Tensor | None) -> Iterator[Tensor]:
    """Yield the first images of the generator, [n, C, H, W]; of volumes the central planes.

    Classes take turns. Label maps are those of the audited images, in an order that favours none.
    """
    task, device = loaded.task, loaded.device
    assert isinstance(task, SynthesisTask)
    draw = task.drawer
    order = np.random.default_rng(draw.seed).permutation(len(maps)) if maps is not None else None
    numbers = torch.arange(count)
    with loaded.precision(), CountedProgress("synthetic images", count) as progress:
        for part in torch.split(numbers, ROWS):
            batch: dict[str, Any] = {}
            if task.condition.classes:
                batch["class"] = (part % task.condition.classes).to(device)
            if maps is not None and order is not None:
                batch["label"] = maps[order[part.numpy() % len(order)]].to(device)
            noise = torch.stack([draw.noise(f"synthetic {number + 1}") for number in part.tolist()])
            images = draw(noise.to(device), *task.condition.conditioning(batch))
            yield central_planes(images).cpu()
            progress.step(len(part))
