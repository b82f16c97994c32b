"""Everything a task is trained with, built from a configuration by `ganatomy.training.build`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

PLAYERS = ("generator", "discriminator")

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]
MakeScheduler = Callable[[Optimizer], LRScheduler]


@dataclass
class Recipe:
    """Players, objective and optimisers of one run.

    `game` holds the keyword arguments of `ganatomy.adversarial.Game` apart from rules and players;
    dictionaries are keyed by player. `ema_half_life` and `ema_burn_in` count images; `classes` names the
    labels, background first.
    """

    generator: nn.Module
    discriminator: nn.Module | None
    game: dict[str, Any]
    optimizers: dict[str, MakeOptimizer]
    schedulers: dict[str, MakeScheduler | None] = field(default_factory=dict)
    clip: dict[str, float | None] = field(default_factory=dict)
    ema_half_life: float | None = None
    ema_burn_in: float = 0.0
    seed: int = 0
    log_every: int = 10
    classes: tuple[str, ...] = ()
    spatial_dims: int = 2
