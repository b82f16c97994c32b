"""What a method of anomaly detection stands beside at the test: baselines, a threshold, a slower search."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from ganatomy.baselines.anomaly import (
    Map,
    blurred_residual,
    denoising_autoencoder,
    intensity,
    principal_components,
)
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Split
from ganatomy.metrics.ranking import auroc
from ganatomy.networks.image_to_image.unet import UNet
from ganatomy.tasks.anomaly.anomaly_map import Findings
from ganatomy.tasks.anomaly.healthy import Healthy
from ganatomy.tasks.shared.cohort import evaluation_batches

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


def with_truth(
    data: DataModule, healthy: Healthy, device: torch.device, split: Split
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (images [B, C, *spatial], true where anomalous [B]) for every case of a split, on the device."""
    for batch in evaluation_batches(data, split, device):
        yield batch["image"], healthy.truth(batch)[0]


def threshold(
    images: Iterable[tuple[Tensor, Tensor]], judge: Callable[[Tensor], Findings], quantile: float
) -> float:
    """Return the quantile of the pixels of the maps of healthy images.

    Args:
        images: batches as `with_truth` gives them, of the validation split.
        judge: the method's findings of images [B, C, *spatial].
        quantile: between 0 and 1.
    """
    values = [judge(x[~ill]).map.flatten().cpu().numpy() for x, ill in images if not bool(ill.all())]
    pixels = np.concatenate(values)
    return float(np.quantile(pixels[:: max(1, len(pixels) // MOST_PIXELS)], quantile))


def searched(
    images: Iterable[tuple[Tensor, Tensor]],
    judge: Callable[[Tensor], Findings],
    slow: Callable[[Tensor], Tensor],
    count: int,
) -> dict[str, float]:
    """Return AUROC and images a second of a method and, as search/..., of its slower search.

    Args:
        images: batches as `with_truth` gives them, of the test split.
        judge: the method's findings of images [B, C, *spatial].
        slow: scores [B] of the search.
        count: images to score at most, half of them anomalous, spread evenly over the split.
    """
    parts, truths = zip(*images, strict=True)
    truth = torch.cat(truths).cpu().numpy()
    places = np.concatenate([_some(np.flatnonzero(truth == kind), count // 2) for kind in (0, 1)])
    every = torch.cat(parts)
    some = every[torch.from_numpy(places).to(every.device)]
    begun = time.perf_counter()
    found, middle = slow(some).cpu(), time.perf_counter()
    ours, ended = judge(some).score.cpu(), time.perf_counter()
    return {
        "subset_auroc": auroc(ours.numpy(), truth[places]),
        "images_per_second": len(some) / (ended - middle),
        "search/subset_auroc": auroc(found.numpy(), truth[places]),
        "search/images_per_second": len(some) / (middle - begun),
    }


def _some(places: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` of the places, evenly spread."""
    if not len(places):
        return places
    chosen: np.ndarray = places[np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int)]
    return chosen
