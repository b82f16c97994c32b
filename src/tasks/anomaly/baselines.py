"""Baselines of anomaly detection, the threshold of boxes, and the comparison with a slower search."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from ganatomy.baselines.anomaly import (
    CELLS,
    NOISE,
    Denoising,
    Map,
    PrincipalComponents,
    blurred_residual,
    denoising_autoencoder,
    intensity,
    principal_components,
)
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Split
from ganatomy.metrics.ranking import auroc
from ganatomy.networks.image_to_image.unet import UNet
from ganatomy.networks.quick_layers import LAYOUTS, with_quick_layers
from ganatomy.tasks.anomaly.anomaly_map import Findings
from ganatomy.tasks.anomaly.healthy import Healthy
from ganatomy.tasks.shared import fit_cache
from ganatomy.tasks.shared.cohort import evaluation_batches

NAMES = ("intensity", "blur", "pca", "denoising")
AUTOENCODER = (8, 16, 32)
"""Channels of the small denoising autoencoder."""
BATCH = 16
SETTINGS = [*AUTOENCODER, BATCH, NOISE, CELLS]
"""All that `fitted` depends on besides its arguments."""
FITTED_BEFORE = "baselines pca and denoising: fitted by an earlier run on the same images, from the cache"
MOST_PIXELS = 10_000_000
"""Pixels that a quantile is computed from, at most."""


def fitted(training: Tensor, components: int, steps: int, seed: int) -> dict[str, Map]:
    """Fit the baselines of `NAMES`.

    Args:
        training: Training images [n, C, *spatial].
        components: Principal components of `pca`.
        steps: Training steps of `denoising`.
        seed: Seed of `denoising`.
    """
    network = autoencoder(training.dim() - 2, training.shape[1], seed).to(training.device)
    return {
        "intensity": intensity,
        "blur": blurred_residual,
        "pca": principal_components(training, components),
        "denoising": denoising_autoencoder(network, training, steps, BATCH, seed),
    }


def fitted_once(
    data: DataModule, training: Tensor, components: int, steps: int, seed: int
) -> tuple[dict[str, Map], list[str]]:
    """Fit the baselines as `fitted` does, or take them from an earlier run on the same images.

    Args:
        data: Data of the run.
        training: See `fitted`.
        components: See `fitted`.
        steps: See `fitted`.
        seed: See `fitted`.

    Returns:
        The baselines, and a line for the user if an earlier run fitted them.
    """
    given = {"anomaly": SETTINGS, "components": components, "steps": steps, "seed": seed}
    fit = partial(fitted, training, components, steps, seed)
    kept, known = fit_cache.fitted_once(data, training, given, lambda: states(fit()))
    return from_states(kept, data, training.device), [FITTED_BEFORE] if known else []


def autoencoder(dims: int, image_channels: int, seed: int) -> nn.Module:
    """Return the small network of the baseline `denoising`, untrained, with channels innermost.

    Args:
        dims: Spatial axes.
        image_channels: Channels of an image.
        seed: Seed of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = with_quick_layers(UNet(dims, image_channels, image_channels, AUTOENCODER))
    return network.to(memory_format=LAYOUTS[dims + 2])  # type: ignore[call-overload,no-any-return]


def states(maps: Mapping[str, Map]) -> dict[str, np.ndarray]:
    """Return arrays, `<baseline>/<array>`, from which `from_states` makes the same baselines."""
    fitted = {name: each for name, each in maps.items() if isinstance(each, PrincipalComponents | Denoising)}
    return {f"{name}/{key}": array for name, each in fitted.items() for key, array in each.state().items()}


def from_states(arrays: Mapping[str, np.ndarray], data: DataModule, device: torch.device) -> dict[str, Map]:
    """Return the baselines that gave these arrays; those that gave none are left out, if they are fitted.

    Args:
        arrays: What `states` returned.
        data: Data with images of the same axes and channels.
        device: Device of the tensors.
    """
    own = {
        name: {key.partition("/")[2]: v for key, v in arrays.items() if key.startswith(f"{name}/")}
        for name in NAMES
    }
    found: dict[str, Map] = {"intensity": intensity, "blur": blurred_residual}
    if own["pca"]:
        found["pca"] = PrincipalComponents.from_state(own["pca"], device)
    if own["denoising"]:
        state = {name: torch.from_numpy(value) for name, value in own["denoising"].items()}
        network = autoencoder(data.spatial_dims, data.channels, seed=0).to(device)
        network.load_state_dict(state)
        found["denoising"] = Denoising(network.eval(), torch.empty(0, device=device))
    return found


def with_truth(
    data: DataModule, healthy: Healthy, device: torch.device, split: Split
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (images [B, C, *spatial], True where anomalous [B]) for every case of a split.

    Args:
        data: Data of the run.
        healthy: Which images are healthy.
        device: Device of the tensors.
        split: Split to read.
    """
    for batch in evaluation_batches(data, split, device):
        yield batch["image"], healthy.truth(batch)[0]


def threshold(
    images: Iterable[tuple[Tensor, Tensor]], score_images: Callable[[Tensor], Findings], quantile: float
) -> float:
    """Return the quantile of the pixels of the maps of healthy images.

    Args:
        images: Batches of `with_truth` of the validation split.
        score_images: Function from images [B, C, *spatial] to findings.
        quantile: Between 0 and 1.
    """
    values = [score_images(x[~ill]).map.flatten().cpu().numpy() for x, ill in images if not bool(ill.all())]
    pixels = np.concatenate(values)
    return float(np.quantile(pixels[:: max(1, len(pixels) // MOST_PIXELS)], quantile))


def compare_with_search(
    images: Iterable[tuple[Tensor, Tensor]],
    score_images: Callable[[Tensor], Findings],
    search_scores: Callable[[Tensor], Tensor],
    count: int,
) -> dict[str, float]:
    """Return AUROC and images per second of a method and, as search/..., of its slower search.

    Args:
        images: Batches of `with_truth` of the test split.
        score_images: Function from images [B, C, *spatial] to findings.
        search_scores: Function from images to the scores [B] of the search.
        count: Images to score, at most: half of them anomalous, spread evenly over the split.
    """
    parts, truths = zip(*images, strict=True)
    truth = torch.cat(truths).cpu().numpy()
    places = np.concatenate([_spread(np.flatnonzero(truth == kind), count // 2) for kind in (0, 1)])
    every = torch.cat(parts)
    chosen = every[torch.from_numpy(places).to(every.device)]
    begun = time.perf_counter()
    found, middle = search_scores(chosen).cpu(), time.perf_counter()
    ours, ended = score_images(chosen).score.cpu(), time.perf_counter()
    return {
        "subset_auroc": auroc(ours.numpy(), truth[places]),
        "images_per_second": len(chosen) / (ended - middle),
        "search/subset_auroc": auroc(found.numpy(), truth[places]),
        "search/images_per_second": len(chosen) / (middle - begun),
    }


def _spread(places: np.ndarray, count: int) -> np.ndarray:
    """Return up to `count` of the places, evenly spread."""
    if not len(places):
        return places
    chosen: np.ndarray = places[np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int)]
    return chosen
