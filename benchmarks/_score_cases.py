"""What benchmarks/scores.py scores: functions from (package name of GANatomy, quick) to a ready call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

Made = Callable[[], Iterable[float]]


def drawn(count: int, side: int = 64, seed: int = 0) -> torch.Tensor:
    """Smooth random images with a little noise, [count, 1, side, side]."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 1, side // 4, side // 4, generator=draw)
    fine = torch.rand(count, 1, side, side, generator=draw)
    return F.interpolate(coarse, (side, side), mode="bilinear") + 0.1 * fine


def sets(count: int, imagenet: bool = False, kept: bool = False) -> Callable[[str, bool], Made]:
    """All scores of a synthetic set; `kept`: the real set has been used before."""

    def make(root: str, quick: bool) -> Made:
        module = import_module(f"{root}.metrics.synthesis.scores")
        kind, number = getattr(module, "Judge" if root == "src" else "SetScores"), 40 if quick else count
        # of another contrast: a distance near 0 is a small difference of large sums, and has fewer digits
        real, fake = drawn(number, seed=1), drawn(number).square()
        scores = kind(real, imagenet) if kept else None
        return lambda: (scores or kind(real, imagenet))(fake).values()

    return make


def one_score(module: str, name: str, features: bool) -> Callable[[str, bool], Made]:
    def make(root: str, quick: bool) -> Made:
        score, number = (
            getattr(import_module(f"{root}.metrics.synthesis.{module}"), name),
            40 if quick else 1000,
        )
        pair = [drawn(number, seed=seed) for seed in (0, 1)]
        if features:
            describe = import_module(f"{root}.metrics.synthesis.features").RandomConvolutions(pair[1])
            pair = [describe(images) for images in pair]
        if module == "variety":
            return lambda: [score(pair[0], 1.1)]

        def values() -> Iterable[float]:
            found = score(*pair)
            return found.values() if isinstance(found, dict) else np.atleast_1d(found)

        return values

    return make


def copies(root: str, quick: bool) -> Made:
    nearest = import_module(f"{root}.metrics.synthesis.memorisation").nearest
    queries, training = drawn(40 if quick else 200), drawn(128 if quick else 1000, seed=1)
    return lambda: nearest(queries, torch.split(training, 64))[0].tolist()


def boxes(root: str, quick: bool) -> Made:
    """Boxes of 16 images from maps with a hundred peaks each."""
    old = root == "src"
    module = import_module("src.tasks.centres" if old else f"{root}.tasks.detection.centernet_decoding")
    draw = torch.Generator().manual_seed(0)
    maps = [torch.randn(2 if quick else 16, n, 24, 24, generator=draw) for n in (1, 2, 2)]
    maps[1:] = [maps[1].abs() * 3 + 1, maps[2].sigmoid()]
    kind = module.Maps if old else module.SoftMaps
    if not old:
        maps[0] = maps[0].sigmoid()
    return lambda: (float(s) for found in module.decode(kind(*maps), 4, (96, 96)) for s in found.scores)


def detection(root: str, quick: bool) -> Made:
    """Everything that a validation computes of 200 images with 60 boxes each."""
    module, draw = import_module(f"{root}.metrics.detection.table"), np.random.default_rng(0)
    images = []
    for number in range(10 if quick else 200):
        low = draw.random((60, 2)).astype(np.float32) * 80
        found, truth = np.concatenate([low, low + 8], 1), np.concatenate([low[:3], low[:3] + 9], 1)
        parts = (
            found,
            draw.random(60).astype(np.float32),
            draw.integers(0, 2, 60),
            truth,
            draw.integers(0, 2, 3),
        )
        images.append(module.Image(f"{number}", *parts, np.array([96, 96]), found, truth))

    def values() -> Iterable[float]:
        table = module.DetectionTable(["a", "b"], 2)
        for image in images:
            table.update(image)
        table.threshold = table.choose()
        table.per_case()
        return (float(value) for value in table.compute().values())

    return values


def label_maps(root: str, quick: bool) -> Made:
    score = import_module(f"{root}.metrics.labelmaps").score_volume
    shape = (48, 48, 24) if quick else (256, 256, 128)
    axes = [torch.arange(side) - side / 2 for side in shape]
    radius = sum(axis**2 for axis in torch.meshgrid(*axes, indexing="ij")) ** 0.5
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    truth = (radius < shape[-1] * 0.43).long()
    ours = (radius + noise < shape[-1] * 0.43).long()
    return lambda: score(ours, truth, 2, (0.8, 0.8, 1.5), (1,)).flatten().tolist()


def pair(sides: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    truth = torch.rand(sides, generator=draw)
    return (truth + 0.1 * torch.randn(sides, generator=draw)).clamp(0, 1), truth


def similarity(sides: tuple[int, ...]) -> Callable[[str, bool], Made]:
    def make(root: str, quick: bool) -> Made:
        ssim, (ours, truth) = import_module(f"{root}.metrics.similarity").ssim, pair(sides)
        return lambda: [float(ssim(ours, truth, 1.0))]

    return make


def scikit_similarity(sides: tuple[int, ...]) -> Callable[[str, bool], Made]:
    def make(root: str, quick: bool) -> Made:
        from skimage.metrics import structural_similarity

        ours, truth = (images.double().numpy() for images in pair(sides))
        how = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        inside = (slice(5, -5),) * (len(sides) - 2)

        def values() -> Iterable[float]:
            maps = (
                structural_similarity(t[0], o[0], full=True, **how)[1]
                for o, t in zip(ours, truth, strict=True)
            )
            return [float(np.mean([each[inside].mean() for each in maps]))]

        return values

    return make


def torch_similarity(
    package: str, sides: tuple[int, ...], kind: torch.dtype = torch.float32
) -> Callable[[str, bool], Made]:
    """That of torchmetrics, pytorch-msssim or frame-analytics."""

    def make(root: str, quick: bool) -> Made:
        ours, truth = (images.to(kind) for images in pair(sides))
        if package == "torchmetrics":
            from torchmetrics.functional.image import structural_similarity_index_measure

            return lambda: [float(structural_similarity_index_measure(ours, truth, data_range=1.0))]
        ssim = import_module(package).ssim
        return lambda: [float(ssim(ours, truth, data_range=1.0))]

    return make


def ranked(quick: bool) -> tuple[np.ndarray, np.ndarray]:
    """Anomaly maps and lesion masks, [n, 128, 128]."""
    draw, count = np.random.default_rng(0), 4 if quick else 64
    masks = np.zeros((count, 128, 128), bool)
    for number in range(count):
        y, x = draw.integers(0, 110, 2)
        masks[number, y : y + 12, x : x + 9] = number % 2 == 0
    return (draw.random(masks.shape) + 0.4 * masks).astype(np.float32), masks


def region_overlap(root: str, quick: bool) -> Made:
    shares, aupro = (
        import_module(f"{root}.metrics.anomaly").region_shares,
        import_module(f"{root}.metrics.ranking").aupro,
    )
    maps, masks = ranked(quick)
    return lambda: [aupro(maps.ravel(), np.stack([shares(torch.from_numpy(mask)) for mask in masks]).ravel())]


def anomalib_overlap(root: str, quick: bool) -> Made:
    kind = import_module("anomalib.metrics.aupro")._AUPRO
    maps, masks = (torch.from_numpy(each) for each in ranked(quick))

    def values() -> Iterable[float]:
        metric = kind(fpr_limit=0.3)
        metric.update(maps, masks.long())
        return [float(metric.compute())]

    return values


def found_lesions(quick: bool) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    scores = draw.random(300 if quick else 9_000)
    return scores, draw.random(len(scores)) < scores / 4


def froc(root: str, quick: bool) -> Made:
    steps = import_module(f"{root}.metrics.detection.curves").steps
    scores, hits = found_lesions(quick)

    def values() -> Iterable[float]:
        at = steps(scores, hits)
        return [float(at.hits[:-1].sum()), float(at.false[:-1].sum())]

    return values


def monai_froc(root: str, quick: bool) -> Made:
    """MONAI's curve, which leaves out the lowest score and ends with (0, 0)."""
    from monai.metrics import compute_froc_curve_data

    scores, hits = found_lesions(quick)

    def values() -> Iterable[float]:
        false, found = compute_froc_curve_data(scores[~hits], scores[hits], 1, 1)
        return [float(found.sum()), float(false.sum())]

    return values


def picai_froc(root: str, quick: bool) -> Made:
    """PI-CAI's counts, which leave out the lowest score too; above 10,000 scores it takes a sample."""
    from picai_eval.metrics import Metrics

    scores, hits = found_lesions(quick)
    boxes = {"case": [(int(hit), float(score), 1.0) for score, hit in zip(scores, hits, strict=True)]}

    def values() -> Iterable[float]:
        counts = Metrics(lesion_results=boxes).calculate_counts()
        return [float(counts[name][:-1].sum(dtype=float)) for name in ("TP", "FP")]

    return values


def monai_suppression(root: str, quick: bool) -> Made:
    from monai.data.box_utils import batched_nms

    given = crowded(quick)
    return lambda: [float(n) for n in batched_nms(*given, 0.5)]


def suppression(root: str, quick: bool) -> Made:
    module, given = import_module(f"{root}.tasks.detection.centernet_decoding"), crowded(quick)
    return lambda: [float(n) for n in module.non_maximum_suppression(*given, 0.5)]


def crowded(quick: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw, count = torch.Generator().manual_seed(0), 20 if quick else 100
    low = torch.rand(count, 2, generator=draw) * 80
    return (
        torch.cat([low, low + 9], 1),
        torch.rand(count, generator=draw),
        torch.zeros(count, dtype=torch.long),
    )


STACK, VOLUME = (16, 1, 256, 256), (1, 1, 96, 96, 64)
LARGE = {"5000 images": sets(5000), "5000 images, with ImageNet's features": sets(5000, imagenet=True)}
OURS = {
    "a set of 1000": sets(1000),
    "a set of 1000, the real set used before": sets(1000, kept=True),
    "a set of 100, with ImageNet's features": sets(100, imagenet=True),
    "a set of 1000, with ImageNet's features": sets(1000, imagenet=True),
    "... sliced Wasserstein": one_score("distance", "sliced_wasserstein", False),
    "... density and coverage": one_score("coverage", "density_and_coverage", True),
    "... kernel distance": one_score("kernel", "kernel_distance", True),
    "... MS-SSIM of pairs": one_score("variety", "pair_similarity", False),
    "nearest of 1000 for 200": copies,
    "boxes of 16 images": boxes,
    "mAP and FROC of 200 images": detection,
    "a label map of 256x256x128": label_maps,
    "SSIM of 16 slices of 256x256": similarity(STACK),
    "SSIM of a volume of 96x96x64": similarity(VOLUME),
    "AUPRO of 64 maps of 128x128": region_overlap,
}
PEERS = {
    "SSIM of 16 slices of 256x256": (
        "scikit-image",
        "torchmetrics",
        "pytorch-msssim",
        "frame-analytics, float32",
        "frame-analytics, float64",
    ),
    "SSIM of a volume of 96x96x64": ("scikit-image, volume", "pytorch-msssim, volume"),
    "AUPRO of 64 maps of 128x128": ("anomalib",),
    "FROC of 9000 boxes": ("monai, FROC", "picai-eval"),
    "suppression among 100 boxes": ("monai, suppression",),
}
CASES: dict[str, Callable[[str, bool], Any]] = {
    **LARGE,
    **OURS,
    "scikit-image": scikit_similarity(STACK),
    "scikit-image, volume": scikit_similarity(VOLUME),
    "torchmetrics": torch_similarity("torchmetrics", STACK),
    "pytorch-msssim": torch_similarity("pytorch_msssim", STACK),
    "pytorch-msssim, volume": torch_similarity("pytorch_msssim", VOLUME),
    "frame-analytics, float32": torch_similarity("frame_analytics", STACK),
    "frame-analytics, float64": torch_similarity("frame_analytics", STACK, torch.float64),
    "anomalib": anomalib_overlap,
    "FROC of 9000 boxes": froc,
    "monai, FROC": monai_froc,
    "picai-eval": picai_froc,
    "suppression among 100 boxes": suppression,
    "monai, suppression": monai_suppression,
}
