"""The tutorial's players from image to image."""

from __future__ import annotations

import pytest
import torch

from ganatomy.errors import UserError
from ganatomy.networks.article import (
    DenseGenerator,
    PairDiscriminator,
    StridedDiscriminator,
    TranslatingGenerator,
)


def weights(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("sides", [(16, 24), (13, 18), (8, 9, 12)])
def test_the_grid_is_kept_the_end_is_bounded_and_every_weight_learns(sides: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = TranslatingGenerator(len(sides), 2, 3, [4, 6, 8], [8, 6, 4])
    output = network(torch.randn(2, 2, *sides))
    assert output.shape == (2, 3, *sides)
    assert network(1e4 * torch.randn(2, 2, *sides)).abs().max() <= 1 and output.std() > 0.01
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_the_answer_lies_where_the_image_does() -> None:
    """A pixel moves only what is drawn within reach of it, also where the sides are no multiple of eight."""
    torch.manual_seed(0)
    network = TranslatingGenerator(2, 1, 1, [4], [4])
    image = torch.zeros(1, 1, 17, 17)
    touched = image.clone()
    touched[..., 12, 6] = 1
    moved = (network(touched) - network(image)).abs()[0, 0] > 1e-6
    rows, columns = torch.where(moved)
    assert (rows - 12).abs().max() <= 4 and (columns - 6).abs().max() <= 4 and moved.any()


def test_sizes() -> None:
    """Down 32, 64, 128 with kernels of 3; up 128, 64, 32 with kernels of 4; 1 with a kernel of 3."""
    down = 9 * (32 + 32 * 64 + 64 * 128) + 32 + 64 + 128
    up = 16 * (128 * 128 + 128 * 64 + 64 * 32) + 128 + 64 + 32 + 9 * 32 + 1
    assert weights(TranslatingGenerator(2, 1, 1)) == down + up
    pair = 9 * (2 * 32 + 32 * 64 + 64 * 128 + 128 * 256) + 32 + 64 + 128 + 256 + 257
    assert weights(PairDiscriminator(2, 2)) == pair


def test_the_article_s_own_discriminators() -> None:
    """4x4 filters in 32, 64, 128, 256 channels, each with a batch normalisation, over 1x1 of 28x28 pixels."""
    layers = 16 * (32 + 32 * 64 + 64 * 128 + 128 * 256) + 3 * (32 + 64 + 128 + 256)
    own = StridedDiscriminator(2, 1, (28, 28), filters=4, batch_norm=True)
    assert weights(own) == layers + 257
    assert own(torch.randn(2, 1, 28, 28))[-1].shape == (2, 1)
    pair = PairDiscriminator(2, 3, filters=4, batch_norm=True, alone=True, image_channels=1)
    assert pair.alone and weights(pair) == layers + 257
    assert pair(torch.randn(2, 1, 40, 33))[-1].shape == (2, 1)
    with pytest.raises(UserError, match=r"channels: 4 layers halve sides of \[8, 28\] to nothing"):
        StridedDiscriminator(2, 1, (8, 28), filters=4)


@pytest.mark.parametrize("sides", [(16, 24), (13, 18), (8, 9, 12)])
def test_one_verdict_an_image_of_any_sides(sides: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = PairDiscriminator(len(sides), 2, [4, 8])
    x = torch.randn(3, 2, *sides)
    *features, logits = network(x)
    assert logits.shape == (3, 1) and [f.shape[1] for f in features] == [4, 8]
    torch.testing.assert_close(network(x[1:2])[-1], logits[1:2])
    logits.sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_as_many_ways_up_as_down() -> None:
    with pytest.raises(UserError, match="down, up"):
        TranslatingGenerator(2, 1, 1, [4, 8], [8])


def test_noise_s_players_refuse_in_one_line() -> None:
    generator = DenseGenerator(1, (8, 8))
    with pytest.raises(UserError, match=r"data.batch_size: .* 2 or more"):
        generator(torch.randn(1, 100))
    assert generator.eval()(torch.randn(1, 100)).shape == (1, 1, 8, 8)
    with pytest.raises(UserError, match=r"channels: \[\]; give a layer or more"):
        StridedDiscriminator(2, 1, (8, 8), channels=[])
