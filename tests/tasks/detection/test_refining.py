"""Sides moved towards edges: planted ones, flat images, the share that a validation chooses."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import Tensor

from ganatomy.inference.loaded import load_run
from ganatomy.metrics.detection.table import Image
from ganatomy.tasks.detection.centernet_decoding import Found
from ganatomy.tasks.detection.refining import STRENGTHS, edge_shifts, refined, sampled


def block(dims: int, channels: int = 1) -> tuple[Tensor, Tensor]:
    """A bright block and its box; of several channels only the last shows it."""
    sides, box = (40, 36, 32)[:dims], torch.tensor([[*[10.0] * dims, *(24.0, 22.0, 20.0)[:dims]]])
    image = torch.zeros(channels, *sides)
    image[(-1, *(slice(10, high) for high in (24, 22, 20)[:dims]))] = 3.0
    return image, box


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dims", [2, 3])
def test_sides_find_the_edges_of_a_block_from_inside_and_outside(dims: int, channels: int) -> None:
    image, box = block(dims, channels)
    wrong = torch.tensor([1.0, -1.2, 0.8])[:dims]
    found = torch.cat([box, box + torch.cat([wrong, -wrong])])
    shifts = edge_shifts(image, found)
    torch.testing.assert_close(found + shifts, box.expand(2, -1), atol=0.5, rtol=0)
    half = refined(image, Found(found, torch.ones(2), torch.zeros(2)), 0.5)
    torch.testing.assert_close(half.boxes, found + 0.5 * shifts)


def test_nothing_moves_in_a_flat_image_without_boxes_or_with_no_share() -> None:
    image, box = block(2)
    found = Found(box + 1, torch.ones(1), torch.zeros(1))
    assert refined(image, found, 0.0) is found
    assert torch.equal(refined(torch.ones_like(image), found, 0.5).boxes, found.boxes)
    nothing = Found(box[:0], torch.ones(0), torch.zeros(0))
    assert len(refined(image, nothing, 0.5).boxes) == 0


def test_boxes_stay_in_the_image_and_keep_a_volume() -> None:
    image = torch.rand(1, 20, 20, generator=torch.Generator().manual_seed(0))
    thin = torch.tensor([[0.0, 0.0, 20, 20], [4.0, 4.0, 4.2, 4.2], [-0.0, 5, 3, 20]])
    moved = refined(image, Found(thin, torch.ones(3), torch.zeros(3)), 0.75).boxes
    assert (moved >= 0).all() and (moved <= 20).all() and (moved[:, 2:] > moved[:, :2]).all()


@pytest.mark.parametrize("dims", [2, 3])
def test_an_image_is_sampled_between_the_centres_of_its_voxels(dims: int) -> None:
    """Linear along each axis: the value at the centre of voxel i is i; beyond the rim the last one holds."""
    sides = (5, 7, 4)[:dims]
    ramps = torch.stack(torch.meshgrid(*map(torch.arange, sides), indexing="ij")).float()
    points = torch.tensor([[1.5, 3.0, 2.25], [4.5, 0.5, 0.5], [9.0, -3.0, 1.0]])[:, :dims].reshape(
        3, 1, 1, dims
    )
    expected = (points[:, 0, 0] - 0.5).clamp_min(0).minimum(torch.tensor(sides) - 1.0)
    torch.testing.assert_close(sampled(ramps, points)[:, :, 0, 0].T, expected)


REFINED = ["task.refine=edges", "task=detection", "data.size=32", "data.subjects=6", "data.split=[4,1,1]"]
REFINED += ["data.slices=6", "data.healthy=0", "model.generator.stem=4", "model.generator.head=4"]
REFINED += [
    "model.generator.body.channels=[4,8]",
    "model.generator.body.strides=[2]",
    "model.discriminator=null",
]


@pytest.fixture
def small():
    return lambda *words: [*REFINED, *words]


def test_a_validation_takes_the_best_share_and_the_table_of_its_boxes(prepared) -> None:
    """Boxes that are too large, in a batch whose image shows the objects: all the way is best."""
    _, task = prepared()
    image, box = block(2)
    wrong = Found(box + torch.tensor([-2.3, -2.3, 2.3, 2.3]), torch.ones(1), torch.zeros(1))
    batch = {"image": image[None]}
    for found, best in ((wrong, STRENGTHS[-1]), (Found(box, *wrong[1:]), 0.0)):
        prediction = task.with_refined(batch, {"found": [found]})
        assert prediction["unrefined"][0] is found
        tried = task.tried("val", batch, prediction)
        assert len(tried) == len(STRENGTHS)
        task.refinement.fill_(0.1)
        for (table, moved), strength in zip(tried, STRENGTHS, strict=True):
            torch.testing.assert_close(moved[0].boxes, refined(image, found, strength).boxes)
            score, kind = wrong.scores.numpy(), wrong.classes.numpy()
            where = moved[0].boxes.numpy(), score, kind, box.numpy(), kind, np.array(image.shape[1:])
            table.update(Image("a", *where, moved[0].boxes.numpy(), box.numpy()))
        task.choose_refinement()
        assert task.strength == best
        assert float(task.tables["val"].compute()["map75"]) == 1
        task.tables["val"].reset()
        assert all(not table.images() for table in task.trials)
    (table, found) = task.tried("test", batch, prediction)[0]
    assert table is task.tables["test"] and found is prediction["found"]


def test_the_share_goes_with_the_weights_and_old_runs_have_none(train_small, prepared) -> None:
    directory = train_small("run", "trainer.max_steps=8", "trainer.val_every=4", "data.radius=[20,30]")
    best = torch.load(directory / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    loaded = load_run(directory, "cpu")
    assert loaded.task.strength == float(best["refinement"])
    assert "test/map75" in json.loads((directory / "metrics.json").read_text())
    _, plain = prepared("task.refine=null")
    assert "refinement" not in plain.state_dict() and not len(plain.trials) and plain.strength == 0


def test_boxes_of_a_decision_that_does_not_refine_stay_as_they_are(prepared) -> None:
    """A subclass may decide in its own way: the share is then none, and the scores are those of its boxes."""
    _, task = prepared()
    image, box = block(2)
    found = Found(box, torch.ones(1), torch.zeros(1))
    task.refinement.fill_(0.5)
    score, kind = found.scores.numpy(), found.classes.numpy()
    for table, boxes in task.tried("val", {"image": image[None]}, {"found": [found]}):
        assert boxes[0] is found
        where = found.boxes.numpy(), score, kind, box.numpy(), kind, np.array(image.shape[1:])
        table.update(Image("a", *where, found.boxes.numpy(), box.numpy()))
    task.choose_refinement()
    assert task.strength == 0 and float(task.tables["val"].compute()["map75"]) == 1
