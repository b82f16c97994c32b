"""The losses of images without labels, against closed forms."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ganatomy.adversarial import LOSSES, DiscriminatorOutput
from ganatomy.errors import UserError
from ganatomy.tasks.segmentation.self_training import SelfTraining, confident


def logit(p: float) -> float:
    return float(torch.tensor(p).logit())


def test_only_pixels_that_the_discriminator_believes_teach():
    logits = torch.randn(2, 3, 1, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    sure = torch.tensor([[0.1, 0.3, 0.25, 0.05], [0.9, 0.15, 0.21, 0.19]]).logit()[:, None, None]
    judged = DiscriminatorOutput([sure], [[]])
    semi = SelfTraining(threshold=0.2, weight=0.5, adversarial=0.25)
    losses = semi.losses(logits, judged, LOSSES["non_saturating"]())
    believed = torch.tensor([[0, 1, 1, 0], [1, 0, 1, 0]], dtype=torch.bool)
    best = logits.softmax(1).amax(1)[:, 0]
    expected = 0.5 * (-best.log())[believed].sum() / 8
    torch.testing.assert_close(losses["self_training"], expected)
    torch.testing.assert_close(losses["unlabelled"], 0.25 * F.softplus(-sure).mean())
    (gradient,) = torch.autograd.grad(losses["self_training"], logits)
    assert torch.equal(gradient.abs().sum(1)[:, 0] > 0, believed)


@pytest.mark.parametrize("dims", [2, 3])
def test_confidence_of_patches_and_of_whole_images(dims: int):
    sides = (4, 6, 8)[:dims]
    patches = torch.full((1, 1, *(side // 2 for side in sides)), logit(0.1))
    patches[0, 0, 0] = logit(0.5)
    found = confident(DiscriminatorOutput([patches], [[]]), 0.2, torch.Size(sides))
    assert found.shape == (1, *sides) and found[0, :2].all() and not found[0, 2:].any()
    whole = torch.tensor([[logit(0.1)], [logit(0.3)]])
    found = confident(DiscriminatorOutput([whole], [[]]), 0.2, torch.Size(sides))
    assert found.shape == (2, *sides) and not found[0].any() and found[1].all()


@pytest.mark.parametrize("wrong", [{"threshold": 1.5}, {"weight": -1.0}, {"start": -1}])
def test_settings_out_of_range(wrong):
    (key, value), *_ = wrong.items()
    with pytest.raises(UserError, match=rf"^{key}: {value} must be"):
        SelfTraining(**wrong)
