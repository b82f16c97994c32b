"""The generator that draws over a label map."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.spade import SpadeGenerator
from ganatomy.networks.noise_to_image.dcgan import cut


def one_hot(classes: int, *size: int) -> torch.Tensor:
    label = torch.randint(0, classes, size, generator=torch.Generator().manual_seed(0))
    return F.one_hot(label, classes).movedim(-1, 1).float()


@pytest.mark.parametrize("size", [(16, 16), (26, 20), (8, 12, 9)])
def test_images_of_any_size_begin_with_a_deviation_near_one(size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    generator = SpadeGenerator(len(size), 2, size, label_channels=3, latent=5, channels=2, hidden=4)
    with torch.no_grad():
        images = generator(torch.randn(3, 5), one_hot(3, 3, *size))
    assert images.shape == (3, 2, *size) and 0.1 < images.std() < 3
    assert torch.equal(cut(generator._widened(one_hot(3, 1, *size)), size), one_hot(3, 1, *size))


def test_an_image_depends_on_its_noise_and_its_map_and_on_no_other_image() -> None:
    torch.manual_seed(0)
    generator = SpadeGenerator(2, 1, (16, 16), label_channels=2, latent=5, channels=2, hidden=4)
    z, maps = torch.randn(3, 5), one_hot(2, 3, 16, 16)
    with torch.no_grad():
        images = generator(z, maps)
        torch.testing.assert_close(generator(z[1:2], maps[1:2]), images[1:2])
        assert not torch.allclose(generator(z.roll(1, 0), maps), images, atol=1e-3)
        other = maps.clone()
        other[:, :, :4, :4] = 1 - other[:, :, :4, :4]
        change = (generator(z, other) - images).abs().mean((0, 1))
    assert change[:4, :4].mean() > 3 * change[8:, 8:].mean() > 0, "mostly where the map has changed"


def test_each_level_is_normalised_and_modulated_by_the_map_at_its_size() -> None:
    """Eq. 1 of the paper, by hand, for the first normalisation of the finest block."""
    torch.manual_seed(0)
    generator = SpadeGenerator(2, 1, (16, 16), label_channels=2, latent=5, channels=2, hidden=4)
    norm = generator.blocks[-1].norm_0
    x, maps = torch.randn(2, 4, 8, 8), one_hot(2, 2, 16, 16)
    small = maps[:, :, ::2, ::2]
    seen = F.leaky_relu(
        F.conv2d(small, norm.mlp_shared.conv.weight, norm.mlp_shared.conv.bias, padding=1), 0.01
    )
    gamma, beta = (
        F.conv2d(seen, layer.conv.weight, layer.conv.bias, padding=1)
        for layer in (norm.mlp_gamma, norm.mlp_beta)
    )
    centred = x - x.mean((2, 3), keepdim=True)
    expected = centred / (x.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt() * (1 + gamma) + beta
    torch.testing.assert_close(norm(x, maps), expected, atol=1e-5, rtol=1e-5)


def test_a_map_of_one_class_says_which() -> None:
    torch.manual_seed(0)
    generator = SpadeGenerator(2, 1, (16, 16), label_channels=2, latent=5, channels=2, hidden=4)
    z, first = torch.randn(1, 5), torch.zeros(1, 2, 16, 16)
    first[:, 0] = 1
    with torch.no_grad():
        change = (generator(z, first) - generator(z, first.flip(1)))[..., 4:12, 4:12]
    assert change.abs().mean() > 0.05


def test_data_without_label_maps_are_refused_in_one_line() -> None:
    with pytest.raises(UserError, match=r"data\.label: there are no label maps") as refusal:
        SpadeGenerator(2, 1, (16, 16), label_channels=0)
    assert "\n" not in str(refusal.value)
