"""How long HD95 of a volume takes beside other packages, masks in memory.

A package that is not installed is left out; MONAI's number must be ours, to the last bit.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from monai.metrics import get_mask_edges, get_surface_distance
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from benchmarks._results import table, write
from ganatomy.metrics.labelmaps import hd95
from ganatomy.metrics.surfaces import extent, surface, surface_distances

TEXT = """HD95 of two masks of 256x256x128: our processor time over theirs, one thread, in turn; median,
range. MONAI's edges, distances and torch.quantile give the same number to the last bit, edt's distance
maps to rounding. MedPy and seg-metrics pool both directions (findings/hd95-pooled.sh), surface-distance
weighs elements between voxels by their areas, and mikan-rs differs on some masks: other scores of the
same name. SimpleITK and torchmetrics have the largest distance, and no percentile.

"""
SHAPE, SPACING = (256, 256, 128), (0.8, 0.8, 1.5)


def masks(shape: tuple[int, ...]) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """(prediction, truth): a ball and one with a rough surface; many lumps, and others a little different."""
    noise = [gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 4) for seed in (0, 1)]
    axes = [np.arange(side) - side / 2 for side in shape]
    radius = np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")))
    ball = radius < shape[-1] * 0.43, radius + 2 * noise[0] / noise[0].std() < shape[-1] * 0.43
    lumps = noise[0] > 0, noise[0] + 0.2 * noise[1] > 0
    return {
        name: (torch.from_numpy(prediction), torch.from_numpy(truth))
        for name, (truth, prediction) in (("a ball", ball), ("lumps all over", lumps))
    }


def ours(prediction: torch.Tensor, truth: torch.Tensor) -> float:
    return float(hd95(*surface_distances(prediction, truth, SPACING)))


def monais(prediction: torch.Tensor, truth: torch.Tensor) -> float:
    edges = get_mask_edges(prediction, truth)
    sides = ((edges[0], edges[1]), (edges[1], edges[0]))
    return max(float(get_surface_distance(*pair, spacing=SPACING).double().quantile(0.95)) for pair in sides)


def medpys(prediction: torch.Tensor, truth: torch.Tensor) -> float:
    """MedPy's, of the distances of both directions together."""
    score = import_module("medpy.metric.binary").hd95
    return float(score(prediction.numpy(), truth.numpy(), SPACING))


def mikans(prediction: torch.Tensor, truth: torch.Tensor) -> float:
    kind = import_module("mikan").ArrayEvaluator
    masks = (mask.numpy().astype(np.uint8) for mask in (truth, prediction))
    return float(kind(*masks, SPACING).labels([1]).metrics(["hd95"])[0])


def deepminds(prediction: torch.Tensor, truth: torch.Tensor) -> float:
    """DeepMind's, of surface elements between voxels, by their areas."""
    module = import_module("surface_distance")
    found = module.compute_surface_distances(truth.numpy(), prediction.numpy(), SPACING)
    return float(module.compute_robust_hausdorff(found, 95))


def seg_metrics(prediction: torch.Tensor, truth: torch.Tensor) -> float:
    """Those of seg-metrics, of the distances of both directions together, by SimpleITK's distance maps."""
    score = import_module("seg_metrics.seg_metrics").computeQualityMeasures
    masks = (mask.numpy().astype(np.uint8) for mask in (prediction, truth))
    return float(score(*masks, spacing=SPACING[::-1], metrics_names=["hd95"], fullyConnected=False)["hd95"])


def distance_maps(prediction: torch.Tensor, truth: torch.Tensor) -> float:
    """The larger percentile from the distance maps of the package edt, at our surfaces."""
    edt, masks = import_module("edt").edt, [mask.numpy() for mask in (prediction, truth)]
    box = extent(*masks)
    a, b = (np.ascontiguousarray(surface(mask[box])) for mask in masks)
    maps = (
        edt(~other, anisotropy=SPACING, parallel=1, black_border=False)[one]
        for one, other in ((a, b), (b, a))
    )
    return max(float(np.percentile(found, 95)) for found in maps)


PEERS = {
    "monai": monais,
    "edt": distance_maps,
    "mikan-rs": mikans,
    "medpy": medpys,
    "surface-distance": deepminds,
    "seg-metrics": seg_metrics,
}


def seconds(score: Callable[..., float], pair: tuple[torch.Tensor, torch.Tensor]) -> tuple[float, float]:
    """(processor time, score)."""
    begun = time.process_time()
    value = score(*pair)
    return time.process_time() - begun, value


def beside(score: Callable[..., float], pair: tuple[torch.Tensor, torch.Tensor], rounds: int) -> list[str]:
    """Score in turn; return the ratio of the times, our ms, our mm and theirs."""
    times: list[tuple[float, float]] = []
    for _ in range(rounds):
        (own, value), (theirs, reference) = seconds(ours, pair), seconds(score, pair)
        times.append((own, theirs))
    if score is monais and value != reference:
        raise SystemExit(f"{value} mm, MONAI says {reference}")
    ratios = [own / theirs for own, theirs in times]
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return [
        spread,
        f"{1000 * statistics.median(own for own, _ in times):.0f}",
        f"{value:.7g}",
        f"{reference:.7g}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="each once in turn, so often")
    parser.add_argument("--quick", action="store_true", help="one round on small masks: does it run?")
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["RAYON_NUM_THREADS"] = "1"
    rows = []
    for name, pair in masks((48, 48, 24) if options.quick else SHAPE).items():
        for peer, score in PEERS.items():
            try:
                rows.append([name, peer, *beside(score, pair, 1 if options.quick else options.rounds)])
            except ImportError as error:
                rows.append([name, peer, f"not run: {error}", "", "", ""])
    text = TEXT + table(["masks", "beside", "ratio", "our ms", "our mm", "their mm"], rows)
    write("HD95", text, ("torch", "scipy", *PEERS), keep=not options.quick)


if __name__ == "__main__":
    main()
