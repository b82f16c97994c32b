"""The adversarial game: players, losses, penalties, updates. Pure torch."""

from __future__ import annotations

from src.adversarial.ema import Ema
from src.adversarial.game import Game, Rules, Verdict, verdict
from src.adversarial.losses import LOSSES
from src.adversarial.pair import AdversarialLoss
from src.adversarial.penalties import PENALTIES
from src.adversarial.penalty import Penalty, lazy_adam
from src.adversarial.plan import UPDATES, Cost, Plan, plan
from src.adversarial.updates import Update
from src.adversarial.weight import WEIGHTS, Weight

__all__ = [
    "LOSSES",
    "PENALTIES",
    "UPDATES",
    "WEIGHTS",
    "AdversarialLoss",
    "Cost",
    "Ema",
    "Game",
    "Penalty",
    "Plan",
    "Rules",
    "Update",
    "Verdict",
    "Weight",
    "lazy_adam",
    "plan",
    "verdict",
]
