"""The classifier of real images against brute force, and on classes that are easy to tell."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganatomy.metrics.synthesis.classifier import RIDGES, RealClassifier
from tests.metrics.synthesis.anatomy import anatomies


def kinds_of(images: torch.Tensor) -> torch.Tensor:
    """Two kinds, of which one has a bar, and a third of few, which are negatives."""
    kinds = torch.arange(len(images)) % 2
    kinds[::9] = 2
    images[kinds == 1, :, :, 5:8] += 1
    images[kinds == 2] *= -1
    return kinds


def test_ridge_and_leaving_one_out_by_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """The primal solution, fitted anew without each image for every ridge."""
    images = anatomies(18, 16, seed=0)
    kinds = kinds_of(images)
    found = RealClassifier(images, kinds, 3)
    features = found.features(images).numpy()
    x, y = features - features.mean(0), np.eye(3)[kinds]
    y = y - y.mean(0)
    scale = np.linalg.eigvalsh(x @ x.T).clip(0).mean()

    def weights(rows: list[int], ridge: float) -> np.ndarray:
        kernel = x[rows] @ x[rows].T + ridge * scale * np.eye(len(rows))
        return x[rows].T @ np.linalg.solve(kernel, y[rows])

    errors = [
        sum(((y[i] - x[i] @ weights([j for j in range(18) if j != i], ridge)) ** 2).sum() for i in range(18))
        for ridge in RIDGES
    ]
    expected = weights(list(range(18)), RIDGES[int(np.argmin(errors))])
    np.testing.assert_allclose(found.weights.numpy(), expected, atol=1e-6 * np.abs(expected).max())


def test_unseen_images_of_the_kinds_are_named() -> None:
    training, unseen = anatomies(90, 24, seed=0), anatomies(60, 24, seed=1)
    known, truth = kinds_of(training), kinds_of(unseen)
    classify = RealClassifier(training, known, 3)
    assert (classify(unseen) == truth).double().mean() > 0.9
    shuffled = truth[torch.randperm(60, generator=torch.Generator().manual_seed(0))]
    assert (classify(unseen) == shuffled).double().mean() < 0.75
    in_units = RealClassifier(training * 900 + 50, known, 3)
    assert (in_units(unseen * 900 + 50) == classify(unseen)).double().mean() > 0.98
