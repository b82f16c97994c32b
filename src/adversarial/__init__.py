"""The adversarial game: players, losses, penalties, updates. Pure torch."""

from __future__ import annotations

from ganatomy.adversarial.augment.ada import Ada
from ganatomy.adversarial.augment.diffaugment import Augment, DiffAugment
from ganatomy.adversarial.discriminator import DiscriminatorOutput, read_output
from ganatomy.adversarial.distributed.global_layers import convert_global_layers
from ganatomy.adversarial.distributed.gradient_average import GradientAverage
from ganatomy.adversarial.distributed.overlapped_average import OverlappedAverage
from ganatomy.adversarial.distributed.random import Rows
from ganatomy.adversarial.ema import Ema
from ganatomy.adversarial.game import Game, Rules
from ganatomy.adversarial.losses.base import AdversarialLoss
from ganatomy.adversarial.losses.classic import LOSSES
from ganatomy.adversarial.losses.weighting import WEIGHTS, Weight
from ganatomy.adversarial.penalties.base import Penalty, lazy_adam
from ganatomy.adversarial.penalties.gradient import PENALTIES, size_rule
from ganatomy.adversarial.penalties.path_length import PathLength
from ganatomy.adversarial.recomputation import recompute_activations
from ganatomy.adversarial.schedule import Cosine
from ganatomy.adversarial.stability.gradient_monitor import GradientMonitor, NotFinite
from ganatomy.adversarial.updates.orders import Update
from ganatomy.adversarial.updates.planner import UPDATES, Cost, Plan, plan

AUGMENTS: dict[str, type[Augment]] = {"diffaugment": DiffAugment, "ada": Ada}

__all__ = [
    "AUGMENTS",
    "LOSSES",
    "PENALTIES",
    "UPDATES",
    "WEIGHTS",
    "AdversarialLoss",
    "Augment",
    "Cosine",
    "Cost",
    "DiscriminatorOutput",
    "Ema",
    "Game",
    "GradientAverage",
    "GradientMonitor",
    "NotFinite",
    "OverlappedAverage",
    "PathLength",
    "Penalty",
    "Plan",
    "Rows",
    "Rules",
    "Update",
    "Weight",
    "convert_global_layers",
    "lazy_adam",
    "plan",
    "read_output",
    "recompute_activations",
    "size_rule",
]
