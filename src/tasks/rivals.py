"""What a method of anomaly detection stands beside at the test: baselines, a threshold, a slower search."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from src.baselines.anomaly import (
    Map,
    blurred_residual,
    denoising_autoencoder,
    intensity,
    principal_components,
)
from src.metrics.ranking import auroc
from src.networks.unet import UNet
from src.tasks.readers import evaluation_batches

if TYPE_CHECKING:
    from src.tasks.anomaly import AnomalyTask

NAMES = ("intensity", "blur", "pca", "denoising")
AUTOENCODER = (8, 16, 32)
"""Channels of the small denoising autoencoder."""
BATCH = 16
MOST_PIXELS = 10_000_000
"""Of which a quantile is taken."""


def fitted(training: Tensor, components: int, steps: int, seed: int) -> dict[str, Map]:
    """The baselines of `NAMES`, from training images [n, C, *spatial]."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        dims, channels = training.dim() - 2, training.shape[1]
        network = UNet(dims, channels, channels, AUTOENCODER).to(training.device)
    return {
        "intensity": intensity,
        "blur": blurred_residual,
        "pca": principal_components(training, components),
        "denoising": denoising_autoencoder(network, training, steps, BATCH, seed),
    }


def threshold(task: AnomalyTask, data: Any, quantile: float) -> float:
    """The quantile of the pixels of the task's maps of healthy validation images."""
    values = []
    for batch in evaluation_batches(data, "val", task.device):
        ill, _ = task.healthy.truth(batch)
        if not bool(ill.all()):
            values.append(task.judge(batch["image"][~ill]).map.flatten().cpu().numpy())
    pixels = np.concatenate(values)
    return float(np.quantile(pixels[:: max(1, len(pixels) // MOST_PIXELS)], quantile))


def searched(task: AnomalyTask, data: Any, count: int, steps: int) -> dict[str, float]:
    """AUROC and images a second of the method and, by names that begin with search/, of its slower search.

    On `count` test images at most, half of them anomalous, spread evenly over the split.
    """
    if not task.method.searches:
        return {}
    images, truths = [], []
    for batch in evaluation_batches(data, "test", task.device):
        images.append(batch["image"])
        truths.append(task.healthy.truth(batch)[0])
    truth = torch.cat(truths).cpu().numpy()
    places = np.concatenate([_some(np.flatnonzero(truth == kind), count // 2) for kind in (0, 1)])
    some = torch.cat(images)[torch.from_numpy(places).to(task.device)]
    begun = time.perf_counter()
    slow, middle = task.method.searched(some, steps).cpu(), time.perf_counter()
    quick, ended = task.judge(some).score.cpu(), time.perf_counter()
    return {
        "subset_auroc": auroc(quick.numpy(), truth[places]),
        "images_per_second": len(some) / (ended - middle),
        "search/subset_auroc": auroc(slow.numpy(), truth[places]),
        "search/images_per_second": len(some) / (middle - begun),
    }


def _some(places: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` of the places, evenly spread."""
    if not len(places):
        return places
    chosen: np.ndarray = places[np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int)]
    return chosen
