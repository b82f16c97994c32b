"""The adversarial game: players, losses, penalties, updates. Pure torch."""

from __future__ import annotations

from src.adversarial.ada import Ada
from src.adversarial.augment import Augment, DiffAugment
from src.adversarial.average import Average
from src.adversarial.draw import Rows
from src.adversarial.ema import Ema
from src.adversarial.finite import NotFinite, Watch
from src.adversarial.game import Game, Rules
from src.adversarial.losses import LOSSES
from src.adversarial.pair import AdversarialLoss
from src.adversarial.path_length import PathLength
from src.adversarial.penalties import PENALTIES, size_rule
from src.adversarial.penalty import Penalty, lazy_adam
from src.adversarial.plan import UPDATES, Cost, Plan, plan
from src.adversarial.schedule import Cosine
from src.adversarial.seen import Verdict, verdict
from src.adversarial.updates import Update
from src.adversarial.weight import WEIGHTS, Weight
from src.adversarial.whole import over_processes

AUGMENTS: dict[str, type[Augment]] = {"diffaugment": DiffAugment, "ada": Ada}

__all__ = [
    "AUGMENTS",
    "LOSSES",
    "PENALTIES",
    "UPDATES",
    "WEIGHTS",
    "AdversarialLoss",
    "Augment",
    "Average",
    "Cosine",
    "Cost",
    "Ema",
    "Game",
    "NotFinite",
    "PathLength",
    "Penalty",
    "Plan",
    "Rows",
    "Rules",
    "Update",
    "Verdict",
    "Watch",
    "Weight",
    "lazy_adam",
    "over_processes",
    "plan",
    "size_rule",
    "verdict",
]
