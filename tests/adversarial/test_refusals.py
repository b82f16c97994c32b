"""Arguments of the game's parts that mean nothing are refused by their key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from ganatomy.adversarial.adversary import build_adversaries
from ganatomy.adversarial.augment.ada import Ada
from ganatomy.adversarial.augment.diffaugment import DiffAugment
from ganatomy.adversarial.discriminator import DiscriminatorOutput
from ganatomy.adversarial.losses.features import feature_matching
from ganatomy.adversarial.losses.weighting import Adaptive
from ganatomy.adversarial.penalties.lecam import LeCam
from ganatomy.adversarial.penalties.reconstruction import Reconstruction
from ganatomy.adversarial.schedule import Cosine
from ganatomy.errors import UserError
from ganatomy.optim.schedules import BurnIn

LOGITS = DiscriminatorOutput([torch.zeros(2, 1)], [[]])


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (
            lambda: build_adversaries(nn.ModuleDict({"1st": nn.Identity()}), [], None),
            "discriminator.1st: name discriminators by letters and digits, letter first",
        ),
        (
            lambda: build_adversaries(nn.ModuleDict(), [], None),
            "discriminator: names no network; name at least one",
        ),
        (lambda: Ada(start=1.5), "augment.start: 1.5 is outside [0, 1]"),
        (lambda: Ada(interval=0), "augment: interval and images must be at least 1"),
        (lambda: DiffAugment(["cutout"], cutout=-0.1), "augment.cutout: -0.1 is outside [0, 1]"),
        (
            lambda: feature_matching(LOGITS, LOGITS),
            "feature_matching: the discriminator returns no features; ",
        ),
        (lambda: Adaptive()(0), "weight: adaptive needs a task loss to compare with; use weight=fixed"),
        (lambda: LeCam(every=0), "penalties.lecam.every: 0; give 1 for every batch, k for every k-th"),
        (lambda: LeCam(decay=1.0), "penalties.lecam.decay: 1.0 is outside [0, 1)"),
        (
            lambda: Reconstruction().prepare(nn.Identity()),
            "penalties.reconstruction: Identity has no decoders; take it out, or choose model=fastgan",
        ),
        (lambda: Cosine(1, 2, 10, 2), "burn_in: 2 is outside (0, 1]"),
        (
            lambda: BurnIn(torch.optim.SGD([torch.zeros(1)]), 10, 0.1),
            "beta2: 0.9 is outside [0, 1), or the optimiser has none; give null",
        ),
    ],
)
def test_an_argument_that_means_nothing(ask: Callable[[], Any], line: str) -> None:
    with pytest.raises(UserError) as refused:
        ask()
    assert str(refused.value).startswith(line)
