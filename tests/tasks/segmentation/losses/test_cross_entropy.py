"""The cross entropy that repeats itself, beside torch's own."""

from __future__ import annotations

import pytest
import torch

from ganatomy.tasks.segmentation.losses.cross_entropy import cross_entropy, picked


@pytest.mark.parametrize("spatial", [(5, 4), (3, 4, 2)])
def test_picking_from_the_log_softmax_is_cross_entropy(spatial: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, *spatial, dtype=torch.float64, requires_grad=True)
    target = torch.randint(0, 3, (2, *spatial))
    own, wanted = picked(logits, target), torch.nn.functional.cross_entropy(logits, target, reduction="none")
    torch.testing.assert_close(own, wanted, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(loss.mean(), logits)[0] for loss in (own, wanted)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_on_a_processor_it_is_torchs_own_to_the_last_bit() -> None:
    logits, target = torch.randn(2, 3, 5, 4), torch.randint(0, 3, (2, 5, 4))
    assert torch.equal(cross_entropy(logits, target), torch.nn.CrossEntropyLoss()(logits, target))
    each = cross_entropy(logits, target, "none")
    assert torch.equal(each, torch.nn.functional.cross_entropy(logits, target, reduction="none"))
