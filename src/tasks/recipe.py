"""Players, objective and optimisers of a run; `ganatomy.training.build` makes them from a configuration."""

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
    """Players, objective and optimisers of one run; dictionaries are keyed by player.

    Attributes:
        generator: The generator.
        discriminator: The discriminator; None for supervised training.
        game: Keyword arguments of `ganatomy.adversarial.Game` other than rules and players.
        optimizers: For each player a callable from parameters to an optimiser.
        schedulers: For each player a callable from its optimiser to a schedule, or None.
        clip: For each player the largest gradient norm, or None.
        ema_half_life: Images after which an old weight counts half in the generator's average; None: none.
        ema_burn_in: Images over which that half-life rises.
        seed: Seed of the run.
        log_every: Batches between two lines of the log.
        bucket_mb: Megabytes of a bucket of gradients, averaged while the backward pass goes on; 0: one call.
        classes: Names of the label map's values, background first.
        spatial_dims: 2 or 3.
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
    bucket_mb: float = 0.0
    classes: tuple[str, ...] = ()
    spatial_dims: int = 2
