"""Shapes and gradients of the discriminators, and the edges that one of them looks at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import sobel
from torch import nn

from ganatomy.networks.discriminators.critic import Critic
from ganatomy.networks.discriminators.unet import (
    DualDiscriminator,
    UNetDiscriminator,
    gradient_magnitude,
    sobel_kernels,
)


def check_gradients(network: nn.Module, logits: list[torch.Tensor]) -> None:
    sum((scale * torch.randn_like(scale)).sum() for scale in logits).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


@pytest.mark.parametrize("dims", [2, 3])
def test_critic_gives_one_logit_and_its_features(dims: int) -> None:
    torch.manual_seed(0)
    network = Critic(dims, 1, [4, 8, 8], hidden=16)
    *features, logits = network(torch.randn(2, 1, *(17, 12, 8)[:dims]))
    assert logits.shape == (2, 1)
    assert [tuple(f.shape[1:3]) for f in features] == [(4, 17), (8, 9), (8, 9)]
    check_gradients(network, [logits])


@pytest.mark.parametrize("dims", [2, 3])
def test_unet_discriminators_judge_the_whole_and_every_pixel(dims: int) -> None:
    torch.manual_seed(0)
    sides = (16, 12, 8)[:dims]
    x = torch.randn(2, 1, *sides)
    for network, domains in (
        (UNetDiscriminator(dims, 1, [4, 8]), 1),
        (DualDiscriminator(dims, 1, [4, 8]), 2),
    ):
        logits, features = network(x)
        assert [tuple(scale.shape) for scale in logits] == [(2, 1), (2, 1, *sides)] * domains
        assert len(features) == len(logits) and all(features)
        check_gradients(network, logits)


def test_no_discriminator_mixes_samples() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 1, 16, 16)
    for network in (Critic(2, 1, [4, 8]), DualDiscriminator(2, 1, [4, 8])):
        together, alone = network(x), network(x[1:2])
        together, alone = ([*o[0]] if isinstance(o, tuple) else [o[-1]] for o in (together, alone))
        for a, b in zip(together, alone, strict=True):
            torch.testing.assert_close(a[1:2], b)


@pytest.mark.parametrize("dims", [2, 3])
def test_edges_are_scipys_sobel(dims: int) -> None:
    x = torch.randn(2, 2, *(9, 8, 7)[:dims], dtype=torch.double)
    found = gradient_magnitude(x, sobel_kernels(dims))
    for place in np.ndindex(2, 2):
        slopes = [sobel(x[place].numpy(), axis, mode="nearest") / 2 / 4 ** (dims - 1) for axis in range(dims)]
        np.testing.assert_allclose(
            found[place].numpy(), np.sqrt(sum(s**2 for s in slopes) + 1e-12), rtol=1e-9
        )


def test_flat_images_have_finite_gradients() -> None:
    x = torch.zeros(1, 1, 8, 8, requires_grad=True)
    logits, _ = DualDiscriminator(2, 1, [4, 8])(x)
    (slope,) = torch.autograd.grad(sum(scale.sum() for scale in logits), x)
    assert slope.isfinite().all()
