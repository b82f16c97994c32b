"""Boxes of zoomed images: one bright rectangle, and a network that measures it in the image that it sees."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganatomy.networks.image_to_image.centernet import Maps
from ganatomy.tasks.detection.centernet_targets import encode
from ganatomy.tasks.detection.decoder import Decoder
from ganatomy.tasks.detection.views import SoftMaps, SoftViews, mirrored_back, zoomed

STRIDE = 4


def measured(images: Tensor) -> Maps:
    """Return the maps of what is above a half in each image."""
    cells = [-(-side // STRIDE) for side in images.shape[2:]]
    found = [torch.nonzero(image[0] > 0.5) for image in images]
    boxes = [torch.cat([each.amin(0), each.amax(0) + 1]).float()[None] for each in found]
    truth = encode(boxes, [torch.tensor([0])] * len(boxes), 1, cells, STRIDE, gaussian="ellipse")
    offset = torch.full((len(images), len(cells), *cells), 0.5)
    batch, *cell = truth.places.unbind(1)
    offset[(batch, slice(None), *cell)] = truth.offset
    return Maps(torch.logit(truth.centre, eps=1e-6), truth.spread, offset)


def rectangle(shape: tuple[int, ...], box: list[int]) -> Tensor:
    image = torch.zeros(1, 1, *shape)
    image[
        (0, 0, *(slice(low, high) for low, high in zip(box[: len(shape)], box[len(shape) :], strict=True)))
    ] = 1
    return image


@pytest.mark.parametrize(
    ("shape", "box"),
    [((80, 120), [11, 30, 40, 70]), ((50, 63), [20, 33, 44, 57]), ((24, 40, 32), [4, 9, 6, 16, 31, 26])],
)
@pytest.mark.parametrize("fusion", ["maps", "wbf"])
def test_boxes_of_all_sizes_meet_on_the_image(shape: tuple[int, ...], box: list[int], fusion: str) -> None:
    images = rectangle(shape, box)
    decoder = Decoder(STRIDE, 5, 0.5, fusion=fusion, zooms=(0.5, 1.5))  # type: ignore[arg-type]
    soft = decoder.soft(measured, images, [0])
    assert isinstance(soft, SoftViews)
    assert len(soft.views) == (3 if fusion == "maps" else 6)
    assert soft.presence.shape[2:] == tuple(-(-side // STRIDE) for side in shape)
    found = decoder(soft, shape)[0]
    for view in soft.views:
        alone = decoder._decoded(view, soft.presence.shape[2:], shape)[0]
        torch.testing.assert_close(alone.boxes[0], torch.tensor(box).float(), rtol=0, atol=1.01)
    torch.testing.assert_close(found.boxes[0], torch.tensor(box).float(), rtol=0, atol=0.6)
    assert float(found.scores[0]) == pytest.approx(1, abs=0.15)
    assert len(found.scores) == 1 or float(found.scores[1]) < 0.5 * float(found.scores[0])


def test_without_zooms_nothing_changes() -> None:
    images = rectangle((40, 40), [8, 8, 20, 24])
    soft = Decoder(STRIDE).soft(measured, images, [])
    assert isinstance(soft, SoftMaps)
    assert Decoder(STRIDE).shared([]) == "maps"
    assert Decoder(STRIDE, zooms=(0.5,)).shared([1]) == "maps, zooms [0.5]"
    assert Decoder(STRIDE, fusion="wbf", zooms=(0.5,)).shared([1]) == "wbf over [1], zooms [0.5]"


def test_views_of_flipped_images_are_flipped_back_each_on_its_own_cells() -> None:
    images, decoder = rectangle((48, 64), [8, 12, 20, 40]), Decoder(STRIDE, zooms=(0.75, 2.0))
    there = decoder.soft(measured, images, [])
    back = mirrored_back(decoder.soft(measured, images.flip(-1), []), [-1])
    assert isinstance(back, SoftViews)
    for ours, theirs in zip(decoder(back, (48, 64)), decoder(there, (48, 64)), strict=True):
        torch.testing.assert_close(ours.boxes[0], theirs.boxes[0], rtol=0, atol=0.3)


def test_zoomed_images_have_whole_cells_and_at_least_one() -> None:
    assert zoomed(torch.zeros(2, 3, 10, 33), 4, 0.25).shape == (2, 3, 4, 8)
    assert zoomed(torch.zeros(2, 3, 10, 33), 4, 1.5).shape == (2, 3, 16, 56)
    values = torch.rand(1, 1, 16, 16)
    torch.testing.assert_close(
        zoomed(values, 4, 0.5),
        torch.nn.functional.interpolate(values, (8, 8), mode="bilinear", antialias=True),
    )
