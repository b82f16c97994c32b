"""A critic of masked images and a map of confidence: shapes, gradients, sizes."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from ganatomy.networks.discriminators.confidence import ConfidenceMap
from ganatomy.networks.discriminators.masked_critic import MaskedCritic

SIDES = (20, 16, 24)


def learns(network: torch.nn.Module, *outputs: torch.Tensor) -> None:
    sum((out * torch.randn_like(out)).sum() for out in outputs).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


@pytest.mark.parametrize("dims", [2, 3])
def test_the_critic_tells_every_scale_from_the_pixels_on(dims: int) -> None:
    torch.manual_seed(0)
    network, x = MaskedCritic(dims, 2, [4, 8]), torch.randn(2, 2, *SIDES[:dims])
    pixels, fine, coarse = network(x)
    assert pixels is x
    assert fine.shape == (2, 4, *(side // 2 for side in SIDES[:dims]))
    assert coarse.shape == (2, 8, *(side // 4 for side in SIDES[:dims]))
    learns(network, coarse)


@pytest.mark.parametrize("dims", [2, 3])
def test_confidence_has_the_sides_of_the_image(dims: int) -> None:
    torch.manual_seed(0)
    network, sides = ConfidenceMap(dims, 3, [4, 8]), tuple(side + 3 for side in SIDES[:dims])
    *features, logits = network(torch.randn(2, 3, *sides))
    assert logits.shape == (2, 1, *sides) and [f.shape[1] for f in features] == [4, 8]
    learns(network, logits)


def test_the_papers_size() -> None:
    """Five 4x4 convolutions, 21 classes in: Σ 16 c c' + c'."""
    network = ConfidenceMap(2, 21)
    expected = sum(16 * a * b + b for a, b in pairwise([21, 64, 128, 256, 512, 1]))
    assert sum(p.numel() for p in network.parameters()) == expected == 2_783_169


@pytest.mark.parametrize("network", [ConfidenceMap(2, 3, [4, 8]), MaskedCritic(2, 3, [4, 8])])
def test_no_sample_sees_another(network: torch.nn.Module) -> None:
    x = torch.randn(3, 3, 16, 16)
    for together, alone in zip(network(x), network(x[1:2]), strict=True):
        torch.testing.assert_close(together[1:2], alone)
