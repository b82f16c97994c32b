"""How long HD95 of a volume takes beside MONAI's, masks in memory."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from monai.metrics import get_mask_edges, get_surface_distance
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from benchmarks._results import table, write
from ganatomy.metrics.labelmaps import hd95
from ganatomy.metrics.surfaces import surface_distances

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


def seconds(score: Callable[..., float], pair: tuple[torch.Tensor, torch.Tensor]) -> tuple[float, float]:
    """(processor time, score)."""
    begun = time.process_time()
    value = score(*pair)
    return time.process_time() - begun, value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="each once in turn, so often")
    parser.add_argument("--quick", action="store_true", help="one round on small masks: does it run?")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name, pair in masks((48, 48, 24) if options.quick else SHAPE).items():
        times: list[tuple[float, float]] = []
        for _ in range(1 if options.quick else options.rounds):
            (own, value), (theirs, reference) = seconds(ours, pair), seconds(monais, pair)
            if value != reference:
                raise SystemExit(f"{name}: {value} mm, MONAI says {reference}")
            times.append((own, theirs))
        ratios = [own / theirs for own, theirs in times]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        rows.append([name, spread, f"{1000 * statistics.median(own for own, _ in times):.0f}"])
    text = "HD95 of two masks of 256x256x128: processor time over that of MONAI's edges, distances and\n"
    text += (
        "torch.quantile, which give the same number to the last bit. In turn, one thread; median, range.\n\n"
    )
    text += table(["masks", "ratio", "ms"], rows)
    write("HD95", text, ("torch", "monai", "scipy"), keep=not options.quick)


if __name__ == "__main__":
    main()
