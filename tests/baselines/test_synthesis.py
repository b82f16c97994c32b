"""The moments of images that cost nothing."""

from __future__ import annotations

import torch

from ganatomy.baselines.synthesis import trivial_images


def test_moments_of_each() -> None:
    draw = torch.Generator().manual_seed(0)
    mixing = torch.randn(12, 12, generator=draw)
    training = (5 + torch.randn(60, 12, generator=draw) @ mixing).reshape(60, 1, 3, 4)
    made = trivial_images(training, 40_000)
    assert {len(images) for images in made.values()} == {40_000}
    rows = made["pca"].flatten(1)
    truth = training.flatten(1)
    torch.testing.assert_close(rows.mean(0), truth.mean(0), atol=0.1, rtol=0)
    torch.testing.assert_close(rows.T.cov(), truth.T.cov(), atol=0.8, rtol=0.05)
    assert torch.equal(made["mean"][7], training.mean(0))
    low, high = training.min(), training.max()
    assert made["noise"].min() >= low and made["noise"].max() <= high
    assert abs(made["noise"].mean() - (low + high) / 2) < 0.1


def test_fewer_images_than_components() -> None:
    made = trivial_images(torch.rand(3, 1, 16, 16), 5)
    assert made["pca"].shape == (5, 1, 16, 16) and made["pca"].isfinite().all()
    assert torch.equal(made["pca"], trivial_images(torch.rand(3, 1, 16, 16), 5)["pca"]) is False
