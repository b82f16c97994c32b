"""Volumes are judged by the planes through their middle."""

from __future__ import annotations

import torch

from ganatomy.metrics.synthesis.planes import central_planes


def test_the_planes_through_the_middle_as_channels() -> None:
    x = torch.arange(2 * 2 * 4 * 6 * 5.0).reshape(2, 2, 4, 6, 5)
    planes = central_planes(x)
    assert planes.shape == (2, 6, 6, 6), "the largest of 4x6, 4x5 and 6x5"
    assert torch.equal(planes[:, :2, 1:5], x[..., 2]), "continued by one row on either side"
    assert torch.equal(planes[:, 0, 0], planes[:, 0, 1])
    assert torch.equal(planes[:, 2:4, 1:5, 0:5], x[:, :, :, 3])
    assert torch.equal(planes[:, 4:, :, 0:5], x[:, :, 2])
    assert torch.equal(planes[:, 4:, :, 5], x[:, :, 2, :, 4])
    image = torch.randn(2, 1, 4, 5)
    assert central_planes(image) is image
