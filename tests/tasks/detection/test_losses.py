"""CenterNet's losses beside the formula written out in loops."""

from __future__ import annotations

import math

import pytest
import torch

from ganatomy.tasks.detection.losses import centre_focal, centre_l1


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


def test_l1_looks_at_centres_alone_and_weighs_images_alike():
    found = torch.full((3, 2, 4, 4), 100.0)
    found[0, :, 1, 2], found[0, :, 3, 3] = torch.tensor([5.0, 2.0]), torch.tensor([1.0, 1.0])
    found[2, :, 0, 0] = torch.tensor([0.0, 4.0])
    places = torch.tensor([[0, 1, 2], [0, 3, 3], [2, 0, 0]])
    truth = torch.tensor([[4.0, 4.0], [1.0, 1.0], [3.0, 3.0]])
    assert float(centre_l1(found, truth, places)) == pytest.approx(((1 + 2 + 0) / 2 + 0 + (3 + 1)) / 3)


def test_no_centre_at_all_is_no_error_and_no_gradient():
    found = torch.randn(2, 2, 4, 4, requires_grad=True)
    loss = centre_l1(found, torch.zeros(0, 2), torch.zeros(0, 3, dtype=torch.long))
    loss.backward()
    assert float(loss.detach()) == 0 and float(found.grad.abs().max()) == 0
