"""Networks with a code in the middle: shapes in any dimension, and every weight learns."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from ganatomy.errors import UserError
from ganatomy.networks.autoencoders.encoder import Encoder
from ganatomy.networks.autoencoders.fanogan import FAnoGan
from ganatomy.networks.autoencoders.ganomaly import Ganomaly

SIZES = [(64, 64), (28, 28), (100, 37), (16, 20, 8)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("norm", [True, False])
def test_an_image_to_its_code(size: Sequence[int], norm: bool) -> None:
    torch.manual_seed(0)
    network = Encoder(len(size), 2, size, 7, channels=4, norm=norm)
    codes = network(torch.randn(6, 2, *size))
    assert codes.shape == (6, 7) and 0.2 < codes.std() < 5
    codes.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_codes_and_images_of_both(size: Sequence[int]) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 2, *size)
    network = FAnoGan(len(size), 2, size, latent=5, channels=4)
    assert network(x).shape == x.shape and network.latent == 5
    network.eval()
    torch.testing.assert_close(network(x), network.decoder(network.encoder(x)))
    image, code, again = Ganomaly(len(size), 2, size, latent=5, channels=4)(x)
    assert image.shape == x.shape and code.shape == again.shape == (3, 5)
    assert not torch.allclose(code, again)


@pytest.mark.parametrize("make", [FAnoGan, Ganomaly])
def test_refused_in_one_line(make: type) -> None:
    with pytest.raises(UserError, match="latent: 0 must be 1 or more"):
        make(2, 1, (16, 16), latent=0, channels=4)
    with pytest.raises(UserError, match="too small"):
        make(2, 1, (6, 16))
