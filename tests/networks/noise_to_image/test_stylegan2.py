"""StyleGAN2's layers against explicit forms, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu

from ganatomy.adversarial.penalties.path_length import PathLength, path_lengths
from ganatomy.errors import UserError
from ganatomy.networks.noise_to_image.modulated import EqualConv, EqualLinear, Mapping, ModulatedConv
from ganatomy.networks.noise_to_image.stylegan2 import StyleDiscriminator, StyleGenerator
from ganatomy.training.build import laid_out

SIZES = [(28, 28), (64, 48), (32, 20)]


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("size", [1, 3])
def test_a_modulated_convolution_equals_one_convolution_for_each_sample(size: int, demodulate: bool) -> None:
    """Karras et al. 2020, eqs. 1 to 3, with weights made for every sample."""
    torch.manual_seed(0)
    layer = ModulatedConv(5, 4, size, style=6, demodulate=demodulate).double()
    x, style = torch.randn(3, 5, 7, 6, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64)
    scale = style @ layer.style.weight.T * 6**-0.5 + layer.style.bias
    expected = []
    for row in range(3):
        weight = scale[row][None, :, None, None] * layer.weight * (5 * size**2) ** -0.5
        if demodulate:
            weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        expected.append(conv2d(x[row : row + 1], weight, padding=size // 2))
    torch.testing.assert_close(layer(x, style), torch.cat(expected), rtol=1e-12, atol=1e-12)


def test_styles_begin_at_one_and_features_keep_their_variance() -> None:
    torch.manual_seed(0)
    layer = ModulatedConv(64, 64, 3, style=8)
    out = layer(torch.randn(4, 64, 16, 16), torch.zeros(4, 8))
    assert float(out[..., 1:-1, 1:-1].detach().std()) == pytest.approx(1, abs=0.05)


def test_a_learning_rate_factor_slows_adam_by_that_factor() -> None:
    """Adam's first step is lr whatever the gradient; the weight in use is the raw one times rate / √n."""
    torch.manual_seed(0)
    layer = EqualLinear(16, 3, rate=0.01).double()
    x = torch.randn(5, 16, dtype=torch.float64)

    def used() -> Tensor:
        return (layer(torch.eye(16, dtype=torch.float64)) - layer(torch.zeros(1, 16, dtype=torch.float64))).T

    before = used().detach()
    assert before.std() == pytest.approx(16**-0.5, rel=0.3), "as with a factor of 1"
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1, eps=1e-30)
    layer(x).sum().backward()
    optimizer.step()
    moved = (used().detach() - before).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, 0.1 * 0.01 / 4), rtol=1e-6, atol=0)
    torch.testing.assert_close(layer.bias.detach() * layer.rate, torch.full((3,), -1e-3, dtype=torch.float64))


def test_the_mapping_is_its_formula() -> None:
    torch.manual_seed(0)
    mapping = Mapping(4, 5, layers=2, rate=0.5).double()
    z = torch.randn(3, 9, dtype=torch.float64)
    x = z[:, :4] / (z[:, :4].square().mean(1, keepdim=True) + 1e-8).sqrt()
    for layer in mapping.layers:
        x = 2**0.5 * leaky_relu(x @ layer.weight.T * 0.5 * x.shape[1] ** -0.5 + 0.5 * layer.bias, 0.2)
    torch.testing.assert_close(mapping(z), x, rtol=1e-12, atol=1e-12)


def awake(network: nn.Module) -> Any:
    """With weights that begin at 0 a little above it, so that every other one has a gradient."""
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0.0, 0.1)
    return network


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_images_of_any_size_and_their_logits(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    g = awake(StyleGenerator(2, 2, size, style=6, channels=2, layers=2))
    d = awake(StyleDiscriminator(2, 2, size, channels=2))
    images = g(torch.randn(3, g.latent))
    *features, logits = d(images)
    assert images.shape == (3, 2, *size) and logits.shape == (3, 1) and len(features) >= 2
    logits.sum().backward()
    for name, parameter in [*g.named_parameters(), *d.named_parameters()]:
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_an_image_depends_on_its_own_row_and_on_every_number_of_it() -> None:
    torch.manual_seed(0)
    g = awake(StyleGenerator(2, 1, (16, 16), style=4, channels=2, layers=1)).double()
    assert g.latent == 4 + 16 + 2 * 64 + 2 * 256, "styles, and noise for five layers"
    z = torch.randn(3, g.latent, dtype=torch.float64, requires_grad=True)
    images = g(z)
    torch.testing.assert_close(g(z[1:2]), images[1:2], rtol=1e-10, atol=1e-10)
    (slope,) = torch.autograd.grad(images[0].square().sum(), z)
    assert slope[0].all() and not slope[1:].any()


def test_classes_reach_both_players() -> None:
    torch.manual_seed(0)
    g = StyleGenerator(2, 1, (16, 16), style=4, channels=2, layers=1, classes=3, class_conditional=True)
    d = StyleDiscriminator(2, 1, (16, 16), channels=2, classes=3, projection=True)
    z, kinds = torch.randn(2, g.latent), torch.tensor([0, 2])
    assert not torch.allclose(g(z, kinds), g(z, kinds.flip(0)))
    *features, logits = d(torch.randn(2, 1, 16, 16), kinds)
    own = (features[-1] * d.vectors.weight[kinds]).sum(1, keepdim=True)
    torch.testing.assert_close(logits - own, d.judge(features[-1]))


def test_volumes_are_refused_in_one_line() -> None:
    with pytest.raises(UserError, match="for volumes choose"):
        StyleGenerator(3, 1, (16, 16, 16))


def test_activations_keep_their_size_through_the_discriminator() -> None:
    torch.manual_seed(0)
    *_, logits = StyleDiscriminator(2, 1, (64, 64), channels=8)(torch.randn(16, 1, 64, 64))
    assert 0.02 < logits.std() < 3
    out = EqualConv(32, 32, 3)(torch.randn(2, 32, 16, 16))
    assert float(out[..., 1:-1, 1:-1].detach().std()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("channels", [1, 3])
def test_both_layouts_compute_the_same_and_none_is_mixed(channels: int) -> None:
    """Images, logits, gradients, and those of the gradient penalty; 1x1 filters alone look alike in both."""
    found = []
    for innermost in (False, True):
        torch.manual_seed(0)
        g = laid_out(
            awake(StyleGenerator(2, channels, (16, 24), style=4, channels=3, strided=True)), innermost
        )
        d = laid_out(awake(StyleDiscriminator(2, channels, (16, 24), channels=3, strided=True)), innermost)
        g, d = g.double(), d.double()
        images = g(torch.randn(2, g.latent, dtype=torch.float64))
        *features, logits = d(images)
        assert all(each.is_contiguous() != innermost for each in features[:-2])
        (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        players = [*g.parameters(), *d.parameters()]
        gradients = torch.autograd.grad((slope.square().sum() + logits.sum()), players)
        found.append([images, logits, *gradients])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


class Linear(nn.Module):
    """Images A s of styles s [B, 3]: ‖Jᵀy‖ = ‖Aᵀy‖ for every one."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(8, 3, dtype=torch.float64))

    def styles(self, z: Tensor) -> Tensor:
        return z[:, :3].clone().requires_grad_()

    def paint(self, styles: Tensor, z: Tensor) -> Tensor:
        return (styles @ self.a.T).reshape(-1, 2, 2, 2)


def test_path_lengths_are_their_formula() -> None:
    torch.manual_seed(0)
    g, z = Linear(), torch.randn(5, 7, dtype=torch.float64)
    styles = g.styles(z)
    torch.manual_seed(1)
    lengths = path_lengths(g.paint(styles, z), styles)
    torch.manual_seed(1)
    y = torch.randn(5, 2, 2, 2, dtype=torch.float64).reshape(5, 8) / 2  # √(2 x 2) pixels
    torch.testing.assert_close(lengths, (y @ g.a).norm(dim=1), rtol=1e-12, atol=0)


def test_path_length_s_loss_its_mean_and_its_gradient() -> None:
    """The mean moves by a share `decay` of what was seen, after the step; eq. 4 with the mean before it."""
    torch.manual_seed(0)
    g, z = Linear(), torch.randn(5, 7, dtype=torch.float64)
    penalty, mean = PathLength(weight=3.0, every=4, decay=0.25), 0.0
    for step in (0, 4):
        assert penalty.is_due(step) and not penalty.is_due(step + 1)
        torch.manual_seed(step)
        y = torch.randn(5, 2, 2, 2, dtype=torch.float64).reshape(5, 8) / 2
        lengths = (y @ g.a).norm(dim=1)
        expected = 4 * 3.0 * (lengths - mean).square().mean()
        torch.manual_seed(step)
        got = penalty(g, z)
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=0)
        (ours,), (theirs,) = (torch.autograd.grad(loss, g.a) for loss in (got, expected))
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)
        penalty.adapt()
        mean += 0.25 * (float(lengths.detach().mean()) - mean)
        assert float(penalty.mean) == pytest.approx(mean, rel=1e-6)
    penalty.adapt()
    assert float(penalty.mean) == pytest.approx(mean), "nothing new was seen"
    again = PathLength()
    again.load_state_dict(penalty.state_dict())
    assert torch.equal(again.mean, penalty.mean)


class Layered(Linear):
    """Images Σₗ l A sₗ of a style for each of three layers l = 1, 2, 3."""

    style_count = 3

    def paint(self, styles: Tensor, z: Tensor) -> Tensor:
        own = styles if styles.dim() == 3 else styles[:, None].expand(-1, 3, -1)
        weights = torch.arange(1.0, 4.0, dtype=torch.float64)
        return super().paint((own * weights[:, None]).sum(1), z)


@pytest.mark.parametrize("per_layer, factor", [(True, (1 + 4 + 9) / 3), (False, 36.0)])
def test_path_lengths_are_means_over_the_styles_of_layers(per_layer: bool, factor: float) -> None:
    """As in the authors' code: the squares of 1, 2 and 3 times ‖Aᵀy‖, averaged; in one style (1 + 2 + 3)²."""
    torch.manual_seed(0)
    g, z = Layered(), torch.randn(5, 7, dtype=torch.float64)
    torch.manual_seed(1)
    loss = PathLength(weight=1.0, every=1, per_layer=per_layer)(g, z)
    torch.manual_seed(1)
    y = torch.randn(5, 2, 2, 2, dtype=torch.float64).reshape(5, 8) / 2
    torch.testing.assert_close(loss, factor * (y @ g.a).square().sum(1).mean(), rtol=1e-6, atol=0)


def test_the_style_s_gradient_is_the_sum_of_the_layers_gradients() -> None:
    torch.manual_seed(0)
    g = awake(StyleGenerator(2, 1, (16, 16), style=4, channels=2, layers=1, strided=True)).double()
    z = torch.randn(3, g.latent, dtype=torch.float64)
    one = g.styles(z).detach().requires_grad_()
    each = one.detach()[:, None].repeat(1, g.style_count, 1).requires_grad_()
    assert g.style_count == 6, "five convolutions and the last image, as num_ws of the authors"
    torch.testing.assert_close(g.paint(each, z), g(z), rtol=1e-10, atol=1e-10)
    whole, parts = (torch.autograd.grad(g.paint(w, z).square().sum(), w)[0] for w in (one, each))
    torch.testing.assert_close(parts.sum(1), whole, rtol=1e-10, atol=1e-10)
    assert parts.abs().sum((0, 2)).all(), "every layer has a style of its own"


def test_no_rate_in_one_line() -> None:
    with pytest.raises(UserError, match="rate: 0 must be above 0"):
        EqualLinear(3, 4, rate=0)
