"""What to change in a game that failed: one thing, chosen by the event that ended it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganatomy.guard.events import OF_DATA

if TYPE_CHECKING:
    from ganatomy.config.section import Plain
    from ganatomy.guard.events import Event

PLAYERS = ("generator", "discriminator")
USUAL, LEAST, MOST, WILD = 2e-4, 2e-5, 5e-3, 1e-2
"""Learning rates of Adam and its kin: the one of Radford et al. 2016 (arXiv 1511.06434), the range in which
the models of conf/model lie, and the rate above which no smaller step helps."""
ADAPTIVE = ("Adam", "RMSprop", "NAdam", "RAdam")
"""Optimisers whose steps do not grow with the gradient, so that one range of rates fits all networks."""
CRITICAL = ("r1", "r2", "gradient_penalty", "spectral_norm", "weight_clip")
"""Penalties that keep D from becoming too steep; a game without any of them gets r1."""


@dataclass(frozen=True)
class Change:
    """A key of the configuration, and its value before and after."""

    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.key} {_short(self.before)} -> {_short(self.after)}"


Remedy = tuple[Change, ...]
"""One thing that is changed: a rate has several keys if both players or a schedule share it."""


def remedy(event: Event, plain: Mapping[str, Any], tried: Sequence[Change]) -> Remedy | None:
    """Choose what to change after an event.

    Args:
        event: Why the game failed.
        plain: Configuration that it was played with.
        tried: All changes that earlier rollbacks of this run made; none is made twice.

    Returns:
        The change; None if the cause lies in the data.
    """
    if event.name in OF_DATA:
        return None
    other = next((player for player in PLAYERS if player != event.player), "")
    for rule in RULES.get(event.name, UNKNOWN):
        found = rule(plain, event.player, other)
        if found and not any(change in tried for change in found):
            return found
    return (Change("seed", plain["seed"], (int(plain["seed"]) + 1) % 2**32),)


def changed(plain: Mapping[str, Any], changes: Sequence[Change], undo: bool = False) -> Plain:
    """Return a configuration with these changes made, in order.

    Args:
        plain: Configuration as plain values; it stays as it is.
        changes: What to change.
        undo: Set the values from before, from the last change to the first.
    """
    result = deepcopy(dict(plain))
    for change in reversed(changes) if undo else changes:
        *sections, last = change.key.split(".")
        node: Any = result
        for section in sections:
            node = node[section]
        node[last] = deepcopy(change.before if undo else change.after)
    return result


Rule = Callable[[Mapping[str, Any], str, str], Remedy | None]


def _tame(plain: Mapping[str, Any], player: str, other: str) -> Remedy | None:
    """Lower rates that are above all usual ones: wild ones to a usual one, others to a tenth."""
    high = {name: rate for name, rate in _rates(plain).items() if _adaptive(plain, name) and rate > MOST}
    wild = {name for name, rate in high.items() if rate > WILD}
    return _set_rates(plain, {n: _usual(plain, n) if n in wild else rate / 10 for n, rate in high.items()})


def _wake(plain: Mapping[str, Any], player: str, other: str) -> Remedy | None:
    """Raise rates of 0, and Adam's below all usual ones, to the other player's or a usual one."""
    low = {n for n, rate in _rates(plain).items() if rate <= 0 or (_adaptive(plain, n) and rate < LEAST)}
    return _set_rates(plain, {name: _usual(plain, name) for name in low})


def _slow(plain: Mapping[str, Any], player: str, other: str) -> Remedy | None:
    """Divide the player's rate by 10, that of both if the event names none."""
    rates = {n: r / 10 for n, r in _rates(plain).items() if n == player or player not in PLAYERS}
    return _set_rates(plain, {n: r for n, r in rates.items() if r >= LEAST or not _adaptive(plain, n)})


def _slow_other(plain: Mapping[str, Any], player: str, other: str) -> Remedy | None:
    return _slow(plain, other, player) if player in PLAYERS else None


def _hold_back(stronger: str) -> Rule:
    """Make the rule that divides a player's rate by 10 if it is over three times the other's."""
    weaker = next(player for player in PLAYERS if player != stronger)

    def rule(plain: Mapping[str, Any], player: str, other: str) -> Remedy | None:
        rates = _rates(plain)
        uneven = rates.get(stronger, 0.0) > 3 * rates.get(weaker, float("inf"))
        return _slow(plain, stronger, weaker) if uneven else None

    return rule


def _penalise(plain: Mapping[str, Any], player: str, other: str) -> Remedy | None:
    """Add R1 to a game without any penalty on D's steepness."""
    model = plain["model"]
    penalties = model["adversarial"]["penalties"]
    if not model["discriminator"] or any(node.get("name") in CRITICAL for node in penalties):
        return None
    added = [*penalties, {"name": "r1", "every": 4}]
    return (Change("model.adversarial.penalties", penalties, added),)


def _soften(plain: Mapping[str, Any], player: str, other: str) -> Remedy | None:
    """Divide the adversarial weight by 10 where G has losses of its task beside it."""
    weight = plain["model"]["adversarial"]["weight"]
    if "synthesis" in plain["task"]["_target_"] or not plain["model"]["discriminator"]:
        return None
    key, value = "model.adversarial.weight", weight
    if isinstance(weight, Mapping):
        key, value = f"{key}.value", weight.get("value")
    return (Change(key, value, value / 10),) if isinstance(value, int | float) and value > 0 else None


_UNEVEN = (_hold_back("discriminator"), _hold_back("generator"))
UNKNOWN: tuple[Rule, ...] = (_tame, _wake, *_UNEVEN, _penalise, _soften, _slow)
"""Rules for an event without rules of its own; another seed comes after the last in all of them."""
RULES: dict[str, tuple[Rule, ...]] = {
    "not_finite": (_tame, _slow, _slow_other, _penalise),
    "weights_thrown": (_tame, _slow, _slow_other, _penalise),
    "discriminator_wins": (_tame, _wake, _UNEVEN[0], _penalise, _soften, _slow),
    "discriminator_loses": (_tame, _wake, _UNEVEN[1], _penalise, _slow_other),
    "generator_frozen": (_tame, _wake, _slow_other),
    "discriminator_frozen": (_tame, _wake, _slow_other),
    "overfitting": (_penalise, _tame, _soften, _UNEVEN[0]),
}
"""Rules by event, tried from left to right."""


def _rates(plain: Mapping[str, Any]) -> dict[str, float]:
    """Return the learning rates by player; a player without one in the configuration is left out."""
    sections = plain["model"]["optimizer"].items()
    present = {n: node for n, node in sections if node and plain["model"].get(n, True)}
    return {n: float(node["lr"]) for n, node in present.items() if isinstance(node.get("lr"), int | float)}


def _adaptive(plain: Mapping[str, Any], player: str) -> bool:
    return any(kind in plain["model"]["optimizer"][player]["_target_"] for kind in ADAPTIVE)


def _usual(plain: Mapping[str, Any], player: str) -> float:
    """Return the other player's rate if it is a usual one, else the usual one of Adam."""
    others = [r for n, r in _rates(plain).items() if n != player and (LEAST <= r <= MOST)]
    return others[0] if others else USUAL


def _set_rates(plain: Mapping[str, Any], rates: Mapping[str, float]) -> Remedy | None:
    """Change the rates of players, and with each those that its schedule names (`max_lr`, `eta_min`)."""
    changes = []
    for player, rate in rates.items():
        before = plain["model"]["optimizer"][player]["lr"]
        rate = float(f"{rate:.6g}")
        changes.append(Change(f"model.optimizer.{player}.lr", before, rate))
        schedule = plain["model"]["scheduler"].get(player) or {}
        for key in ("max_lr", "base_lr", "min_lr", "eta_min"):
            value = schedule.get(key)
            if isinstance(value, int | float) and (value if before else key == "max_lr"):
                scaled = float(f"{value * rate / before:.6g}") if before else rate
                changes.append(Change(f"model.scheduler.{player}.{key}", value, scaled))
    return tuple(changes) or None


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(str(v.get('name', v)) if isinstance(v, dict) else str(v) for v in value)}]"
    return str(value)
