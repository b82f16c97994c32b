"""FastGAN's players, and drawing real images again."""

from __future__ import annotations

import pytest
import torch
from monai.metrics.regression import compute_ssim_and_cs
from torch import nn

from ganatomy.adversarial import PENALTIES
from ganatomy.adversarial.discriminator import run_discriminator
from ganatomy.adversarial.penalties.reconstruction import similarity
from ganatomy.errors import UserError
from ganatomy.networks.noise_to_image.fastgan import Excitation, FastDiscriminator, FastGenerator, quartered

SIZES = [(28, 28), (64, 48), (32, 21)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_images_of_any_size_their_logits_and_what_is_drawn_again(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    g, d = FastGenerator(2, 2, size, latent=6, channels=2), FastDiscriminator(2, 2, size, channels=2)
    images = g(torch.randn(3, 6))
    *features, logits = d(images)
    assert images.shape == (3, 2, *size) and logits.shape[:2] == (3, 1)
    for quarter in range(4):
        pairs = d.rebuild(features, images.detach(), quarter)
        assert [made.shape for made, _ in pairs] == [wanted.shape for _, wanted in pairs]
    redrawn = PENALTIES["reconstruction"]()(
        d, run_discriminator(d, (images,)), run_discriminator(d, (images,)), 0
    )
    ((logits * torch.randn_like(logits)).sum() + redrawn).backward()
    for name, parameter in [*g.named_parameters(), *d.named_parameters()]:
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_quarters_are_the_corners() -> None:
    x = torch.arange(25.0).reshape(1, 1, 5, 5)
    corners = [quartered(x, quarter)[0, 0].tolist() for quarter in range(4)]
    assert corners == [[[0, 1], [5, 6]], [[3, 4], [8, 9]], [[15, 16], [20, 21]], [[18, 19], [23, 24]]]


def test_excitation_weights_channels_by_what_a_coarse_map_says() -> None:
    torch.manual_seed(0)
    layer = Excitation(3, 5)
    coarse, fine = torch.randn(2, 3, 4, 4), torch.randn(2, 5, 32, 32)
    ratio = layer(coarse, fine) / fine
    assert ratio.flatten(2).std(2).max() < 1e-5 and ratio.min() > 0 and ratio.max() < 1
    seen = (coarse[:, None] * layer.look.weight).sum((2, 3, 4))
    said = nn.functional.leaky_relu(seen, 0.2) @ layer.say.weight[:, :, 0, 0].T
    torch.testing.assert_close(ratio[..., 0, 0], torch.sigmoid(said), rtol=1e-4, atol=1e-5)


def test_similarity_equals_monai_s() -> None:
    torch.manual_seed(0)
    b = torch.rand(1, 2, 20, 17, dtype=torch.float64) * 300 - 100
    a = b + 40 * torch.randn_like(b)
    span = float(b.max() - b.min())
    expected, _ = compute_ssim_and_cs(
        a, b, spatial_dims=2, data_range=span, kernel_size=[7, 7], kernel_sigma=[1, 1], kernel_type="uniform"
    )
    torch.testing.assert_close(similarity(a, b).float(), expected.flatten(1).mean(1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(similarity(b, b), torch.ones(1, dtype=torch.float64))


class Drawn(nn.Module):
    """Draws again what it was shown, and half of it."""

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [x, x.mean((1, 2, 3))]

    def rebuild(self, features: list[torch.Tensor], image: torch.Tensor, quarter: int) -> object:
        self.quarter = quarter
        return [(features[0], image), (0.5 * image, image)]


def test_reconstruction_is_its_formula_and_its_quarter_goes_round() -> None:
    torch.manual_seed(0)
    d, x = Drawn(), torch.rand(2, 1, 9, 9, dtype=torch.float64)
    seen = run_discriminator(d, (x,))
    penalty, quarters = PENALTIES["reconstruction"](weight=2.0, every=2), []
    for step in range(0, 10, 2):
        value = penalty(d, seen, seen, step)
        quarters.append(d.quarter)
    expected = 2 * (0.5 * x.mean() + 1 - similarity(0.5 * x, x).mean())
    torch.testing.assert_close(value, expected)
    assert quarters == [0, 1, 2, 3, 0]
    with pytest.raises(UserError, match=r"penalties.reconstruction: Identity has no decoders"):
        penalty.prepare(nn.Identity())


def test_classes_reach_both_players() -> None:
    torch.manual_seed(0)
    g = FastGenerator(2, 1, (16, 16), classes=3, latent=4, channels=2, embedding=3)
    d = FastDiscriminator(2, 1, (16, 16), channels=2, classes=3, projection=True)
    z, kinds = torch.randn(2, 4), torch.tensor([0, 2])
    assert g.latent == 4 and not torch.allclose(g(z, kinds), g(z, kinds.flip(0)))
    x = torch.randn(2, 1, 16, 16)
    *features, logits = d(x, kinds)
    *_, other = d(x, kinds.flip(0))
    apart = (features[-1].flatten(1) * (d.vectors.weight[kinds] - d.vectors.weight[kinds.flip(0)])).sum(1)
    torch.testing.assert_close(
        logits - other, apart.reshape(-1, 1, 1, 1).expand_as(logits), atol=1e-5, rtol=1e-4
    )
