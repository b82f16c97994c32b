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
from ganatomy.adversarial.losses.weighting import Adaptive, Fixed, Warmup
from ganatomy.adversarial.penalties.gradient import R1
from ganatomy.adversarial.penalties.lecam import LeCam
from ganatomy.adversarial.penalties.path_length import PathLength
from ganatomy.adversarial.penalties.reconstruction import Reconstruction
from ganatomy.adversarial.schedule import Cosine
from ganatomy.adversarial.updates.microbatches import batch_size
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
        (lambda: Fixed(-1), "weight.value: -1 must be 0 or more"),
        (lambda: Warmup(steps=0), "weight.steps: 0 must be at least 1"),
        (lambda: Adaptive(share=-0.2), "weight.share: -0.2 must be 0 or more; give the share of the task's "),
        (lambda: Adaptive(ceiling=0), "weight.ceiling: 0 must be above 0"),
        (lambda: R1(gamma=None), "penalties.r1.gamma: null works in a configuration only; give a number"),
        (lambda: PathLength(every=0), "path_length: weight 2.0, every 0, decay 0.01; give weight >= 0, "),
        (
            lambda: batch_size({"case": ["a"], "spacing": torch.tensor(1.0)}),
            "batch: holds no tensor with a batch dimension; return tensors [B, ...] from the loader",
        ),
        (lambda: LeCam(every=0), "penalties.lecam.every: 0; give 1 for every batch, k for every k-th"),
        (lambda: LeCam(decay=1.0), "penalties.lecam.decay: 1.0 is outside [0, 1)"),
        (
            lambda: Reconstruction().prepare(nn.Identity()),
            "penalties.reconstruction: Identity has no decoders; take it out, or choose model=fastgan",
        ),
        (lambda: BurnIn(torch.optim.SGD([torch.zeros(1)]), 10, -0.1), "final: -0.1 must be >= 0"),
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
