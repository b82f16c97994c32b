"""Similarity in a region equals the published evaluation of SynthRAD, computed here in another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ganatomy.metrics.translation import region
from ganatomy.metrics.translation.case import SCORES, score_case
from ganatomy.metrics.translation.region import Range, Span

Array = np.ndarray
HU: Range = (-1024.0, 3071.0)
WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]


def images(*shape: int, seed: int = 0) -> tuple[Array, Array, Array]:
    """(prediction, truth, mask) of smooth values in HU, some beyond the range, and a box with a hole."""
    draw = np.random.default_rng(seed)
    waves = sum(np.sin(place / (4 + axis)) for axis, place in enumerate(np.indices(shape)))
    truth = 700 * waves + draw.normal(0, 300, shape)
    prediction = truth + draw.normal(60, 150, shape)
    prediction[:2], truth[-3:] = 4500, -1500
    mask = np.zeros(shape, bool)
    mask[tuple(slice(1, side - 2) for side in shape)] = True
    mask[tuple(slice(side // 4, side // 4 + 3) for side in shape)] = False
    return prediction, truth, mask


def window_means(values: Array, side: int) -> Array:
    """Means over all whole windows, from running sums."""
    for axis in range(values.ndim):
        sums = np.cumsum(np.moveaxis(values, axis, 0), 0, dtype=np.longdouble)
        first = np.zeros_like(sums[:1])
        sums = np.concatenate([first, sums])
        values = np.moveaxis((sums[side:] - sums[:-side]) / side, 0, axis)
    return values.astype(np.float64)


def published_ms_ssim(prediction: Array, truth: Array, mask: Array, low: float, high: float) -> float:
    """The formulas of the published evaluation: see `region.ms_ssim`."""
    a, b = (np.where(mask, np.clip(image, low, high), low) - low for image in (prediction, truth))
    pads = []
    for side in a.shape:
        missing = max(97 - side, 0)
        pads.append((missing // 2, missing - missing // 2))
    a, b, mask = (np.pad(array, pads, mode="edge") for array in (a, b, mask))
    points, width, product = 7**a.ndim, high - low, 1.0
    c1, c2 = (0.01 * width) ** 2, (0.03 * width) ** 2
    for weight in WEIGHTS:
        ua, ub = window_means(a, 7), window_means(b, 7)
        unbiased = points / (points - 1)
        va, vb, vab = (
            unbiased * (window_means(x * y, 7) - m * n)
            for x, y, m, n in ((a, a, ua, ua), (b, b, ub, ub), (a, b, ua, ub))
        )
        sa, sb = np.sqrt(np.maximum(va, 0)), np.sqrt(np.maximum(vb, 0))
        light = np.maximum((2 * ua * ub + c1) / (ua**2 + ub**2 + c1), 0)
        contrast = np.maximum((2 * sa * sb + c2) / (va + vb + c2), 0)
        structure = np.maximum((vab + c2 / 2) / (sa * sb + c2 / 2), 0)
        found = light**weight * contrast**weight * structure**weight
        product *= np.clip(found[mask[(slice(3, -3),) * a.ndim]].mean(), 0, 1)
        small = np.ones((2,) * a.ndim) / 2**a.ndim
        a, b = (fftconvolve(image, small, mode="same")[(slice(None, None, 2),) * a.ndim] for image in (a, b))
        mask = mask[(slice(None, None, 2),) * mask.ndim]
    return float(product)


def ours(
    prediction: Array,
    truth: Array,
    mask: Array | None,
    given: Range = HU,
    names: tuple[str, ...] = SCORES[:4],
) -> dict[str, float]:
    """Scores of one image, as a batch of one."""
    parts = (None if array is None else torch.from_numpy(array)[None, None] for array in (prediction, truth))
    region = None if mask is None else torch.from_numpy(mask)[None, None]
    return score_case(*parts, region, given, names)  # type: ignore[misc]


@pytest.mark.parametrize("shape", [(40, 33, 20), (25, 101, 98), (64, 80), (130, 97)])
def test_scores_are_those_of_the_published_evaluation(shape: tuple[int, ...]) -> None:
    prediction, truth, mask = images(*shape)
    low, high = -1024.0, 3071.0
    found = ours(prediction, truth, mask)
    clipped, true = np.clip(prediction, low, high), np.clip(truth, low, high)
    assert found["mae"] == pytest.approx(np.abs(prediction - truth)[mask].mean(), rel=1e-12)
    expected = peak_signal_noise_ratio(true[mask], clipped[mask], data_range=high - low)
    assert found["psnr"] == pytest.approx(expected, abs=1e-9)
    a, b = (np.where(mask, image, low) - low for image in (clipped, true))
    _, similarity = structural_similarity(b, a, data_range=high - low, full=True)
    middle = (slice(3, -3),) * len(shape)
    assert found["ssim"] == pytest.approx(similarity[middle][mask[middle]].mean(), abs=1e-9)
    expected = published_ms_ssim(prediction, truth, mask, low, high)
    assert found["multiscale_ssim"] == pytest.approx(expected, abs=1e-9)


def test_without_a_mask_all_of_the_image_counts() -> None:
    prediction, truth, _ = images(30, 40, 25)
    every = np.ones(truth.shape, bool)
    found, masked = ours(prediction, truth, None), ours(prediction, truth, every)
    assert found == pytest.approx(masked, rel=1e-12)
    low, high = -1024.0, 3071.0
    clipped, true = np.clip(prediction, low, high), np.clip(truth, low, high)
    assert found["ssim"] == pytest.approx(
        structural_similarity(true - low, clipped - low, data_range=high - low), abs=1e-9
    )


def test_values_outside_the_region_do_not_count() -> None:
    prediction, truth, mask = images(40, 33, 20)
    other = np.where(mask, prediction, prediction + 900)
    names = SCORES
    same = ours(prediction, truth, mask, names=names)
    assert ours(other, truth, mask, names=names) == pytest.approx(same, rel=1e-12, nan_ok=True)
    assert ours(other, truth, None)["mae"] > ours(prediction, truth, None)["mae"] + 100


def test_slices_are_scored_together_in_their_planes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean over the region of all slices, so that an empty slice does not count; slabs change nothing."""
    stacks = [images(40, 50, seed=seed) for seed in range(3)]
    prediction, truth, mask = (
        torch.from_numpy(np.stack(parts)[:, None]) for parts in zip(*stacks, strict=True)
    )
    mask[1] = False
    found = score_case(prediction, truth, mask, HU, ("mae", "ssim", "multiscale_ssim"))
    each = [ours(*stacks[n], names=("mae", "ssim")) for n in (0, 2)]
    assert found["mae"] == pytest.approx(np.mean([row["mae"] for row in each]), rel=1e-12)
    assert found["ssim"] == pytest.approx(np.mean([row["ssim"] for row in each]), rel=1e-12)
    monkeypatch.setattr(region, "AT_ONCE", 500)
    assert score_case(prediction, truth, mask, HU, tuple(found)) == pytest.approx(found, rel=1e-12)


def test_range_of_the_truth_and_width_alone() -> None:
    """None: the truth's ends in the region, and clipping to them; a width: no clipping."""
    prediction, truth, mask = images(40, 33, 20)
    inside = truth[mask]
    ends = float(inside.min()), float(inside.max())
    assert ours(prediction, truth, mask, None) == pytest.approx(
        ours(prediction, truth, mask, ends), rel=1e-12
    )
    width = ours(prediction, truth, mask, 500.0, ("psnr",))["psnr"]
    squared = ((prediction - truth)[mask] ** 2).mean()
    assert width == pytest.approx(10 * np.log10(500**2 / squared), rel=1e-12)
    moved = ours(prediction + 1e4, truth + 1e4, mask, 4095.0)
    assert moved == pytest.approx(ours(prediction, truth, mask, 4095.0), rel=1e-6)  # no unit of its own


def test_channels_with_units_of_their_own() -> None:
    first, second = images(40, 50), images(40, 50, seed=1)
    both = [torch.from_numpy(np.stack([one, other])[None]) for one, other in zip(first, second, strict=True)]
    found = score_case(both[0], both[1], None, [HU, 100.0], ("psnr",))["psnr"]
    each = ours(*first[:2], None, HU)["psnr"], ours(*second[:2], None, 100.0)["psnr"]
    assert found == pytest.approx(np.mean(each), rel=1e-12)
    with pytest.raises(ValueError, match="1 ranges for 2 channels"):
        score_case(both[0], both[1], None, [HU], ("psnr",))


def test_identical_images_and_thin_regions() -> None:
    _, truth, mask = images(40, 50)
    assert ours(truth, truth, mask) == pytest.approx(
        {"mae": 0, "psnr": 120, "ssim": 1, "multiscale_ssim": 1}, abs=1e-12
    )
    thin = np.zeros_like(mask)
    thin[:, 0] = True  # no window is centred there
    found = ours(truth + 1, truth, thin)
    assert found["mae"] == 1 and np.isnan(found["ssim"]) and np.isnan(found["multiscale_ssim"])


def test_what_cannot_be_scored_is_refused() -> None:
    prediction, truth, mask = images(40, 50)
    with pytest.raises(ValueError, match="the mask is empty"):
        ours(prediction, truth, mask & False)
    with pytest.raises(ValueError, match=r"data_range: 0\.0 must be above 0"):
        ours(prediction, truth * 0, mask, None)
    with pytest.raises(ValueError, match="not finite"):
        ours(prediction / 0, truth, mask)
    with pytest.raises(ValueError, match="differ in shape"):
        ours(prediction[1:], truth, mask)
    assert Span.of(None, truth, mask).clips and not Span.of(3.0, truth, mask).clips
