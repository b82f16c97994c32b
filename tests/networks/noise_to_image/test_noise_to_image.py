"""Generators that begin with noise, and the discriminators that face them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, leaky_relu

from ganatomy.errors import UserError
from ganatomy.networks.article import DenseGenerator, StridedDiscriminator
from ganatomy.networks.layers import Halve
from ganatomy.networks.noise_to_image.dcgan import DcganDiscriminator, DcganGenerator
from ganatomy.networks.noise_to_image.fastgan import FastGenerator
from ganatomy.networks.noise_to_image.r3gan import Block, R3Discriminator, R3Generator

Maker = Callable[[int, Sequence[int]], nn.Module]


def awake(network: nn.Module) -> nn.Module:
    """With branches that begin at 0 a little above it, so that every weight has a gradient."""
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0.0, 0.1)
    return network


GENERATORS: dict[str, Maker] = {
    "dcgan": lambda dims, size: DcganGenerator(dims, 2, size, latent=6, channels=2),
    "r3gan": lambda dims, size: awake(R3Generator(dims, 2, size, latent=6, channels=2, blocks=1)),
    "dense": lambda dims, size: DenseGenerator(2, size, latent=6, hidden=8),
}
DISCRIMINATORS: dict[str, Maker] = {
    "dcgan": lambda dims, size: DcganDiscriminator(dims, 2, size, channels=2),
    "dcgan_plain": lambda dims, size: DcganDiscriminator(dims, 2, size, channels=2, norm=False, start="he"),
    "r3gan": lambda dims, size: awake(R3Discriminator(dims, 2, size, channels=2, blocks=1)),
    "strided": lambda dims, size: StridedDiscriminator(dims, 2, size, channels=[2, 4, 4, 4]),
}
SIZES = [(28, 28), (64, 64), (96, 80), (100, 37), (256, 256), (16, 20, 8), (48, 64, 48)]


def weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def all_learn(network: nn.Module, output: Tensor) -> None:
    (output * torch.randn_like(output)).sum().backward()
    for own, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), own


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", GENERATORS)
def test_images_of_any_size_from_noise(name: str, size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    generator = GENERATORS[name](len(size), size)
    images = generator(torch.randn(3, 6))
    assert images.shape == (3, 2, *size)
    all_learn(generator, images)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_one_logit_for_images_of_any_size(name: str, size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    discriminator = DISCRIMINATORS[name](len(size), size)
    *features, logits = discriminator(torch.randn(3, 2, *size))
    assert logits.shape == (3, 1) and len(features) >= 1
    all_learn(discriminator, logits)


def test_r3gan_s_block_is_its_formula() -> None:
    """In float64 by torch's own layers; at the start it is the identity."""
    torch.manual_seed(0)
    block = Block(2, 8, depth=16, group=4).double()
    x = torch.randn(2, 8, 5, 5, dtype=torch.float64)
    assert torch.equal(block(x), x)
    first, second = block.enter.weight.detach(), block.mix.weight.detach()
    assert second.shape == (16, 4, 3, 3), "four groups of four channels"
    assert first.std() == pytest.approx((2 / 1.04 / 8) ** 0.5 * 16**-0.25, rel=0.15)
    assert second.std() == pytest.approx((2 / 1.04 / 36) ** 0.5 * 16**-0.25, rel=0.15)
    awake(block)
    y = leaky_relu(conv2d(x, block.enter.weight, block.enter.bias), 0.2)
    y = leaky_relu(conv2d(y, second, block.mix.bias, padding=1, groups=4), 0.2)
    torch.testing.assert_close(block(x), x + conv2d(y, block.leave.weight), rtol=1e-12, atol=1e-12)


def test_r3gan_hears_of_classes() -> None:
    torch.manual_seed(0)
    g = R3Generator(2, 1, (16, 16), classes=3, latent=6, channels=4, embedding=5)
    z, kinds = torch.randn(4, 6), torch.tensor([2, 0, 1, 2])
    plain = R3Generator(2, 1, (16, 16), latent=11, channels=4)
    plain.load_state_dict({name: w for name, w in g.state_dict().items() if name != "vectors.weight"})
    beside = torch.cat([z, g.vectors.weight[kinds]], 1)
    torch.testing.assert_close(g(z, kinds), plain(beside))
    d = R3Discriminator(2, 1, (16, 16), classes=3, channels=4, projection=True)
    *features, logits = d(torch.randn(4, 1, 16, 16), kinds)
    shared = d.basis.weight[:, 0] * d.judge.weight[0, :, None, None]
    own = d.vectors.weight[kinds].reshape(4, *shared.shape)
    expected = (features[-1] * (shared + own)).sum((1, 2, 3))[:, None]
    torch.testing.assert_close(logits, expected)


def test_sizes_of_the_papers() -> None:
    """Radford et al., figure 1. The tutorial: four layers of 128 and one to 784 pixels."""
    dcgan = DcganGenerator(2, 3, (64, 64), latent=100, channels=64)
    kernels = 16 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)
    assert weights(dcgan) == 100 * 512 * 16 + kernels + 3 + 2 * (512 + 256 + 128 + 64)
    article = DenseGenerator(1, (28, 28))
    assert weights(article) == 100 * 128 + 3 * 128**2 + 4 * 256 + 128 * 784 + 784


@pytest.mark.parametrize("size", [(64, 64), (96, 96), (256, 256)])
def test_outputs_begin_with_a_deviation_near_one(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    images = DcganGenerator(2, 1, size, latent=64, channels=16)(torch.randn(8, 64))
    assert 0.3 < images.std() < 2
    *_, logits = DcganDiscriminator(2, 1, size, channels=16, norm=False, start="he")(
        torch.randn(16, 1, *size)
    )
    assert 0.2 < logits.std() < 5


def test_a_layer_at_full_size_draws_the_image() -> None:
    torch.manual_seed(0)
    plain, refined = (DcganGenerator(2, 1, (32, 32), latent=8, channels=4, refine=r) for r in (0, 3))
    assert weights(refined) - weights(plain) == (16 * 4 * 3 + 2 * 3 + 9 * 3 + 1) - (16 * 4 + 1)
    images = refined(torch.randn(16, 8))
    assert images.shape == (16, 1, 32, 32) and 0.3 < images.std() < 2


def test_a_layer_at_full_size_looks_at_the_grain() -> None:
    """Without it the first layer looks through strides of 2; with it, the rest is as before."""
    torch.manual_seed(0)
    plain = DcganDiscriminator(2, 1, (32, 32), channels=4, norm=False)
    refined = DcganDiscriminator(2, 1, (32, 32), channels=4, norm=False, refine=3)
    assert weights(refined) - weights(plain) == (9 * 3 + 3) + 16 * 4 * (3 - 1)
    x = torch.randn(2, 1, 32, 32)
    stem, *features, logits = refined(x)
    expected = leaky_relu(conv2d(x, refined.down[0][0].weight, refined.down[0][0].bias, padding=1), 0.2)
    torch.testing.assert_close(stem, expected)
    assert [f.shape for f in features] == [f.shape for f in plain(x)[:-1]] and logits.shape == (2, 1)


def test_no_checkerboard_is_built_in() -> None:
    """With equal weights everywhere a constant stays constant, borders aside."""
    generator: Any = DcganGenerator(2, 1, (64, 64), latent=4, channels=2)
    x = torch.ones(1, 16, 4, 4)
    for up in generator.up:
        nn.init.constant_(up.weight, 0.1)
        x = up(x)
    inner = x[..., 24:40, 24:40]
    assert inner.std() < 1e-4 * inner.mean()


def test_projection_adds_the_product_with_the_classs_vector() -> None:
    torch.manual_seed(0)
    discriminator = DcganDiscriminator(2, 1, (16, 16), channels=4, norm=False, classes=3, projection=True)
    x, kinds = torch.randn(5, 1, 16, 16), torch.tensor([0, 1, 2, 1, 0])
    *features, logits = discriminator(x, kinds)
    for row, kind in enumerate(kinds):
        last = features[-1][row].flatten()
        expected = discriminator.judge(last) + last @ discriminator.vectors.weight[kind]
        torch.testing.assert_close(logits[row], expected)


def test_a_conditional_generator_is_one_of_noise_and_a_vector() -> None:
    torch.manual_seed(0)
    generator = DcganGenerator(2, 1, (16, 16), classes=3, latent=6, channels=4, embedding=3).eval()
    z, kinds = torch.randn(4, 6), torch.tensor([2, 0, 1, 2])
    plain = DcganGenerator(2, 1, (16, 16), latent=9, channels=4).eval()
    assert generator.vectors is not None and generator.latent == 6
    nn.init.eye_(generator.vectors.weight)  # then it is one-hot
    plain.load_state_dict({k: w for k, w in generator.state_dict().items() if k != "vectors.weight"})
    torch.testing.assert_close(generator(z, kinds), plain(torch.cat([z, torch.eye(3)[kinds]], 1)))
    with pytest.raises(UserError, match=r"^data\.image_classes: there are 1, and"):
        DcganGenerator(2, 1, (16, 16), classes=1, embedding=3)


@pytest.mark.parametrize("length", [4, 32])
@pytest.mark.parametrize("make", [DcganGenerator, R3Generator, FastGenerator])
def test_at_the_start_noise_outweighs_the_class(make: Any, length: int) -> None:
    """What enters the first layer: noise has a squared length of 64, a class's vector of 1."""
    torch.manual_seed(0)
    generator = make(2, 1, (16, 16), classes=50, latent=64, channels=4, embedding=length)
    assert float(generator.vectors.weight.detach().square().sum(1).mean()) == pytest.approx(1, rel=0.3)
    assert generator.enter.in_features == 64 + length


@pytest.mark.parametrize("make", [DcganGenerator, R3Generator, FastGenerator])
def test_a_vector_of_no_length_in_one_line(make: Any) -> None:
    with pytest.raises(UserError, match="embedding: -1 must be 0 or more"):
        make(2, 1, (16, 16), classes=3, embedding=-1)


@pytest.mark.parametrize("make", [DcganGenerator, DcganDiscriminator])
def test_what_no_player_can_have_in_one_line(make: Any) -> None:
    with pytest.raises(UserError, match=r"data\.size: 6x64 is too small"):
        make(2, 1, (6, 64))
    with pytest.raises(UserError, match="channels: 0 must be 1 or more"):
        make(2, 1, (16, 16), channels=0)
    with pytest.raises(UserError, match="refine: -1 must be 0 or more"):
        make(2, 1, (16, 16), refine=-1)


def test_halving_is_interpolation_that_does_not_alias() -> None:
    x = torch.randn(2, 3, 12, 16)
    theirs = interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True)
    torch.testing.assert_close(Halve(2)(x)[..., 1:-1, 1:-1], theirs[..., 1:-1, 1:-1])


@pytest.mark.parametrize("dims", [2, 3])
def test_halving_is_doubling_transposed(dims: int) -> None:
    """⟨Halve x, y⟩ = ⟨x, double y⟩ / 2^dims where y is 0 beside the border."""
    x = torch.randn(2, 3, *[12] * dims, dtype=torch.float64)
    y = torch.zeros(2, 3, *[6] * dims, dtype=torch.float64)
    inside = (..., *[slice(1, -1)] * dims)
    y[inside] = torch.randn_like(y[inside])
    doubled = interpolate(y, scale_factor=2, mode="bilinear" if dims == 2 else "trilinear")
    torch.testing.assert_close((Halve(dims).double()(x) * y).sum(), (x * doubled).sum() / 2**dims)


def test_beyond_the_border_is_nothing() -> None:
    halved = Halve(2)(torch.ones(1, 1, 8, 8))[0, 0]
    assert [float(halved[0, 0]), float(halved[0, 1]), float(halved[1, 1])] == [0.875**2, 0.875, 1.0]
