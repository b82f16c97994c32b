"""CenterNet's losses beside the formula written out in loops."""

from __future__ import annotations

import math

import pytest
import torch

from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.centernet import Maps
from ganatomy.tasks.detection.centernet_targets import Truth, encode
from ganatomy.tasks.detection.losses import WEIGHTS, box_losses, centre_focal, loss_weights


def by_hand(logits: torch.Tensor, truth: torch.Tensor) -> float:
    """Equation 1 of arXiv 1904.07850, image by image."""
    total = 0.0
    for image, wanted in zip(logits.double(), truth.double(), strict=True):
        loss, count = 0.0, 0
        for logit, y in zip(image.flatten().tolist(), wanted.flatten().tolist(), strict=True):
            p = 1 / (1 + math.exp(-logit))
            if y == 1:
                loss += (1 - p) ** 2 * math.log(p)
                count += 1
            else:
                loss += (1 - y) ** 4 * p**2 * math.log(1 - p)
        total += -loss / max(count, 1)
    return total / len(logits)


@pytest.mark.parametrize("dims", [2, 3])
def test_focal_loss_is_the_paper_s(dims):
    torch.manual_seed(0)
    shape = (3, 2, *[5] * dims)
    logits, truth = torch.randn(shape) * 2, torch.rand(shape) * 0.9
    truth[0].view(-1)[[1, 7, 30]] = 1
    truth[2].view(-1)[4] = 1  # the second image holds nothing
    assert float(centre_focal(logits, truth)) == pytest.approx(by_hand(logits, truth), rel=1e-5)


def test_focal_loss_survives_certainty():
    logits = torch.tensor([-200.0, 200.0, -200.0, 200.0]).reshape(1, 1, 2, 2).requires_grad_()
    truth = torch.tensor([1.0, 1.0, 0.0, 0.0]).reshape(1, 1, 2, 2)
    loss = centre_focal(logits, truth)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(200) and torch.isfinite(logits.grad).all()


def of_sizes(found: torch.Tensor, truth: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The loss `size` of these maps, with every place of an image weighted alike."""
    count = torch.bincount(places[:, 0], minlength=len(found))[places[:, 0]]
    centre = torch.zeros(len(found), 1, *found.shape[2:])
    whole = Truth(centre, found.detach(), places, truth, torch.zeros_like(truth), count.float())
    maps = Maps(centre, found, torch.zeros_like(found))
    return box_losses(maps, whole, loss_weights({"size": 1.0, "offset": 0.0}))["size"]


def test_l1_looks_at_centres_alone_and_weighs_images_alike():
    found = torch.full((3, 2, 4, 4), 100.0)
    found[0, :, 1, 2], found[0, :, 3, 3] = torch.tensor([5.0, 2.0]), torch.tensor([1.0, 1.0])
    found[2, :, 0, 0] = torch.tensor([0.0, 4.0])
    places = torch.tensor([[0, 1, 2], [0, 3, 3], [2, 0, 0]])
    truth = torch.tensor([[4.0, 4.0], [1.0, 1.0], [3.0, 3.0]])
    assert float(of_sizes(found, truth, places)) == pytest.approx(((1 + 2 + 0) / 2 + 0 + (3 + 1)) / 3)


def test_no_centre_at_all_is_no_error_and_no_gradient():
    found = torch.randn(2, 2, 4, 4, requires_grad=True)
    loss = of_sizes(found, torch.zeros(0, 2), torch.zeros(0, 3, dtype=torch.long))
    loss.backward()
    assert float(loss.detach()) == 0 and float(found.grad.abs().max()) == 0


@pytest.mark.parametrize("box_cells", ["near", "gaussian"])
@pytest.mark.parametrize("dims", [2, 3])
def test_boxes_that_are_right_cost_nothing_and_each_loss_pulls_towards_them(dims, box_cells):
    low = torch.tensor([[1.3] * dims, [12.6] * dims])  # far apart: no cell tells of both
    boxes, sides = torch.cat([low, low + torch.tensor([3.0, 9.0, 5.0][:dims])], 1), [12] * dims
    truth = encode([boxes, boxes[:0]], [torch.zeros(2), torch.zeros(0)], 1, sides, 2, box_cells=box_cells)
    index = (truth.places[:, 0], slice(None), *truth.places[:, 1:].unbind(1))
    for name in set(WEIGHTS) - {"centre"}:
        weights = loss_weights({**dict.fromkeys(WEIGHTS, 0.0), "centre": 1.0, name: 2.0})
        maps = [torch.full((2, dims, *sides), value) for value in (3.0, 0.3)]
        maps[0][index], maps[1][index] = truth.size, truth.offset
        exact = [each.clone().requires_grad_() for each in maps]
        right = box_losses(Maps(truth.centre, *exact), truth, weights)
        assert set(right) == {"centre", name} and float(right[name].detach()) == pytest.approx(0, abs=1e-5)
        wrong = [(each + 0.4).requires_grad_() for each in maps]
        before = box_losses(Maps(truth.centre, *wrong), truth, weights)[name]
        before.backward()
        moved = [each.detach() - 0.2 * grad for each, grad in zip(wrong, gradients(wrong), strict=True)]
        after = box_losses(Maps(truth.centre, *moved), truth, weights)[name]
        assert 0 < float(after) < float(before.detach()), name
        touched = torch.zeros(2, *sides, dtype=torch.bool)
        touched[(truth.places[:, 0], *truth.places[:, 1:].unbind(1))] = True
        assert not any((grad.abs().sum(1) * ~touched).any() for grad in gradients(wrong)), name


def gradients(maps: list[torch.Tensor]) -> list[torch.Tensor]:
    return [torch.zeros_like(each) if each.grad is None else each.grad for each in maps]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"wiou": 1.0},
            "task.losses: wiou is no loss; choose among centre, size, offset, log_size, iou, giou",
        ),
        ({"giou": -1.0}, "task.losses.giou: -1.0; give a weight of 0"),
        ({"giou": float("nan")}, "task.losses.giou: nan"),
        ({"giou": True}, "task.losses.giou: true"),
        ({"size": None}, "task.losses.size: null"),
        ({"centre": 0.0}, "task.losses.centre: 0"),
    ],
)
def test_weights_that_make_no_sense_are_one_line(given, message):
    with pytest.raises(UserError, match=message):
        loss_weights(given)


def test_weights_that_are_not_given_are_those_of_the_first_version():
    assert {name: weight for name, weight in loss_weights({}).items() if weight} == {
        "centre": 1.0,
        "size": 0.1,
        "offset": 1.0,
    }
