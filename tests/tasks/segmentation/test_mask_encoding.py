"""What a discriminator is shown, against closed forms."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ganatomy.tasks.segmentation.mask_encoding import MASKS, masked, soft, softened, straight_through


@pytest.fixture
def some() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    label = torch.randint(0, 3, (2, 1, 5, 6), generator=draw)
    return label, (3 * torch.randn(2, 3, 5, 6, generator=draw)).requires_grad_()


@pytest.mark.parametrize("name", MASKS)
def test_both_sum_to_one_and_gradients_reach_the_prediction_alone(name, some):
    label, logits = some
    truth, shown = MASKS[name](label, logits)
    torch.testing.assert_close(truth.sum(1), torch.ones(2, 5, 6))
    torch.testing.assert_close(shown.sum(1), torch.ones(2, 5, 6))
    assert torch.equal(truth.argmax(1, keepdim=True), label)
    assert shown.requires_grad and not truth.requires_grad


def test_soft_is_one_hot_against_softmax(some):
    label, logits = some
    truth, shown = soft(label, logits)
    assert set(truth.unique().tolist()) == {0, 1} and torch.equal(shown, F.softmax(logits, 1))


def test_straight_through_is_hard_ahead_and_soft_backwards(some):
    label, logits = some
    truth, shown = straight_through(label, logits)
    assert torch.equal(shown.argmax(1), logits.argmax(1)) and set(truth.unique().tolist()) == {0, 1}
    torch.testing.assert_close(shown, (shown > 0.5).float())
    weights = torch.randn(shown.shape, generator=torch.Generator().manual_seed(1))
    (ours,) = torch.autograd.grad((weights * shown).sum(), logits)
    (expected,) = torch.autograd.grad((weights * logits.softmax(1)).sum(), logits)
    torch.testing.assert_close(ours, expected)


def test_softened_truth_by_hand():
    """p = (.5, .3, .2) where class 0 is true: .9 for it, .1 shared 3 to 2. p = (.95, ...): the prediction."""
    logits = torch.tensor([[0.5, 0.95], [0.3, 0.03], [0.2, 0.02]]).log()[None, :, :, None]
    truth, shown = softened(torch.zeros(1, 1, 2, 1), logits)
    torch.testing.assert_close(truth[0, :, 0, 0], torch.tensor([0.9, 0.06, 0.04]))
    torch.testing.assert_close(truth[0, :, 1, 0], shown[0, :, 1, 0])


def test_softened_truth_is_the_nearest_distribution(some):
    """No other with .9 or more at the true class has a smaller divergence from the prediction."""
    label, logits = some
    truth, shown = softened(label, logits.double())
    shown = shown.detach()

    def divergence(other: torch.Tensor) -> torch.Tensor:
        return (other * (other / shown).log()).sum(1)

    draw = torch.Generator().manual_seed(2)
    for _ in range(50):
        other = torch.rand(shown.shape, generator=draw, dtype=torch.double)
        other.scatter_(1, label, 0.0)
        own = 0.9 + 0.1 * torch.rand(label.shape, generator=draw, dtype=torch.double)
        other = other / other.sum(1, keepdim=True) * (1 - own)
        other.scatter_(1, label, own)
        assert (divergence(truth) <= divergence(other) + 1e-9).all()


def test_certainty_makes_no_bad_number():
    logits = torch.tensor([1e4, 0.0])[None, :, None].expand(1, 2, 3)
    for label in (0, 1):
        truth, _ = softened(torch.full((1, 1, 3), label), logits)
        assert truth.isfinite().all() and (truth[0, label] >= 0.9).all()


def test_a_masked_image_a_class_without_the_background():
    image, mask = torch.randn(2, 2, 4, 5), torch.rand(2, 3, 4, 5)
    shown = masked(image, mask)
    assert shown.shape == (2, 4, 4, 5)
    for number in (1, 2):
        expected = image * mask[:, number : number + 1]
        assert torch.equal(shown[:, 2 * number - 2 : 2 * number], expected)
