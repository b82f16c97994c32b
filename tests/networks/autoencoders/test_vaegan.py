"""VAE/GAN: encoder and decoder fit each other, and are two networks."""

from __future__ import annotations

import pytest
import torch

from ganatomy.errors import UserError
from ganatomy.networks.autoencoders.vaegan import VaeGan


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (16, 17, 18)])
def test_images_become_codes_and_codes_images(size: tuple[int, ...]) -> None:
    network = VaeGan(len(size), 2, size, latent=5, channels=4).eval()
    images = network(torch.randn(3, 5))
    mean, log_variance = network.encode(images)
    assert images.shape == (3, 2, *size) and mean.shape == log_variance.shape == (3, 5)
    assert not torch.allclose(mean, log_variance)
    (images.sum() + mean.sum()).backward()
    assert all(p.grad is not None for p in network.decoder.parameters())


@pytest.mark.parametrize("given, message", [({"latent": 0}, "latent: 0"), ({"channels": 0}, "channels: 0")])
def test_refused_in_one_line(given: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        VaeGan(2, 1, (16, 16), **given)
