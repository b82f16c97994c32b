"""Copies of training volumes, told by their planes; the verdict."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch.nn.functional import avg_pool2d, avg_pool3d

from ganatomy.metrics.synthesis.memorisation import nearest
from ganatomy.metrics.synthesis.planes import PLANES, central_planes
from ganatomy.pictures import grey
from ganatomy.tasks.synthesis.memorisation import PAIRS, describe, measure_memorisation


def test_a_shifted_copy_of_a_volume_is_told_by_its_planes() -> None:
    torch.manual_seed(0)
    fields = avg_pool3d(torch.randn(20, 1, 32, 32, 32), 5, 1, 2)
    training, others = central_planes(fields[:12]), central_planes(fields[12:])
    theirs, _, _ = nearest(others, [training], PLANES)
    for shift, axes in (((0,), (2,)), ((2,), (3,)), ((2, -2), (2, 4))):
        copies = central_planes(fields[:8].roll(shift, axes))
        ours, index, images = nearest(copies, training.split(5), PLANES)
        assert ours.min() > theirs.max() + 0.1
        assert torch.equal(index, torch.arange(8)) and torch.equal(images, training[:8])


def test_planes_of_three_volumes_are_no_copy_of_one() -> None:
    torch.manual_seed(0)
    training = central_planes(avg_pool3d(torch.randn(3, 1, 32, 32, 32), 5, 1, 2))
    patched = torch.stack([training[view, view] for view in range(PLANES)])[None]
    found, _, _ = nearest(patched, [training], PLANES)
    alone = [nearest(patched[:, v : v + 1], [training[:, v : v + 1]])[0] for v in range(PLANES)]
    assert torch.allclose(torch.stack(alone), torch.ones(PLANES, 1)) and found < 0.8


def test_the_verdict_in_one_line() -> None:
    held_out = torch.linspace(0, 1, 200)
    assert describe(held_out - 0.001, held_out) == "no sign of copies: 1% too near, 1% expected"
    half = torch.cat([torch.full((100,), 2.0), held_out[:100]])
    assert describe(half, held_out) == "copies are likely: 50% too near, 1% expected"
    five = torch.linspace(0, 1, 5)
    assert describe(five + 2, five) == "too few images to tell copies: 100% too near, 17% expected"


def test_the_picture_shows_the_nearest_pairs_first() -> None:
    torch.manual_seed(0)
    images = avg_pool2d(torch.randn(140, 1, 64, 64), 5, 1, 2)
    training, held_out, fake = images[:100], images[100:120], images[120:].clone()
    fake[9] = training[84] + 0.01 * torch.randn(1, 64, 64)  # among the last, of the second batch that is read
    cases = [{"image": image.numpy()} for image in training]
    labels = SimpleNamespace(used=lambda records: records)
    data: Any = SimpleNamespace(
        spatial_dims=2,
        sliced=False,
        labels=labels,
        records={"train": range(100)},
        evaluated=cases.__getitem__,
    )
    found = measure_memorisation(data, fake, held_out, (-1.0, 1.0))
    assert found.fake > found.held_out
    ours, theirs = found.picture.columns.values()
    assert len(ours) == len(theirs) == PAIRS
    np.testing.assert_array_equal(ours[0], grey(fake[9:10, 0].numpy(), (-1.0, 1.0))[0])
    np.testing.assert_array_equal(theirs[0], grey(training[84:85, 0].numpy(), (-1.0, 1.0))[0])


def test_pairs_of_colour_images_are_drawn_in_colour() -> None:
    """Red is drawn red; the three planes of a volume are no colours."""
    red = torch.rand(12, 3, 16, 16) * torch.tensor([1.0, 0.0, 0.0])[:, None, None]
    labels = SimpleNamespace(used=lambda records: records)
    for dims, coloured in ((2, True), (3, False)):
        data = SimpleNamespace(
            spatial_dims=dims, sliced=True, labels=labels, records={"train": range(12)},
            evaluated=lambda n: {"image": red[n : n + 1].numpy()},
        )  # fmt: skip
        drawn = measure_memorisation(data, red[:8] + 0.01, red[4:], (0.0, 1.0)).picture.columns
        for pixels in drawn.values():
            assert (int(pixels[..., 0].max()) - int(pixels[..., 1].max()) > 50) is coloured
