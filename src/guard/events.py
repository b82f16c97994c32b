"""Events of a game: what was seen, its cause and advice in one plain sentence each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

HEALTHY = "healthy"
"""Name of a game that did not fail."""

ADVICE: dict[str, str] = {
    "not_finite": "lower the learning rate, clip gradients (update.clip) or check the data",
    "constant_images": "look at the images and at data.intensity with `ganatomy check`",
    "few_images": "add images: no network learns how images vary from so few",
    "one_class": "check data.label, data.classes and data.split: training needs every class",
    "generator_frozen": "raise model.optimizer.generator.lr, or leave it at the model's default",
    "discriminator_frozen": "raise model.optimizer.discriminator.lr, or leave it at the model's default",
    "weights_thrown": "divide model.optimizer.{player}.lr by 10 or more",
    "collapse": "lower model.optimizer.generator.lr, add one of model.adversarial.penalties, or change seed",
    "constant_output": "lower model.adversarial.weight against the task's losses, or check the labels",
    "discriminator_wins": "lower model.optimizer.discriminator.lr or add one of model.adversarial.penalties",
    "discriminator_loses": "raise model.optimizer.discriminator.lr or update.n_critic",
    "overfitting": "use model.adversarial.augment=ada, more images, or fewer steps (trainer.max_steps)",
    "falling": "lower the learning rates, or end earlier; best.ckpt holds the weights of the best validation",
    "worse_than_baseline": "look at the data with `ganatomy check`; if it is right, lower the learning rates",
}
"""Events by name, those that say most about the cause first, with what to do."""

OF_DATA = ("constant_images", "few_images", "one_class")
"""Events of the training data, which no other rate or seed mends."""


@dataclass(frozen=True)
class Event:
    """Something wrong with a game.

    Attributes:
        name: One of `ADVICE`.
        step: Batches done when it was seen.
        player: "generator", "discriminator" or "".
        cause: One sentence: what was seen.
        advice: One sentence: what to do, with the key to change.
        fatal: True if the game failed; False for a warning.

    Example:
        >>> Event.named("collapse", 300, "generator", "all images are alike").line
        'step 300: collapse: all images are alike; lower model.optimizer.generator.lr, ...'
    """

    name: str
    step: int
    player: str
    cause: str
    advice: str
    fatal: bool

    @classmethod
    def named(cls, name: str, step: int, player: str, cause: str, fatal: bool = True) -> Event:
        """Return the event of this name with its advice.

        Args:
            name: One of `ADVICE`.
            step: Batches done.
            player: "generator", "discriminator" or "".
            cause: One sentence: what was seen.
            fatal: True if the game failed.
        """
        return cls(name, step, player, cause, ADVICE[name].format(player=player), fatal)

    @property
    def line(self) -> str:
        """Return the event as one line for the user."""
        return f"step {self.step}: {self.name}: {self.cause}; {self.advice}"

    def to_plain(self) -> dict[str, Any]:
        """Return plain values, for JSON and checkpoints."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Event:
        """Read what `to_plain` returned; further keys are left out."""
        return cls(**{each.name: plain[each.name] for each in fields(cls)})

    def warning(self) -> Event:
        """Return the same event as a warning."""
        return replace(self, fatal=False)


class GameFailed(Exception):
    """Raised where a failed game shall not go on; `event` says why."""

    def __init__(self, event: Event) -> None:
        super().__init__(event.line)
        self.event = event


def ordered(events: Iterable[Event]) -> list[Event]:
    """Return events of different names, those that say most about the cause first."""
    order = list(ADVICE)
    return sorted({event.name: event for event in events}.values(), key=lambda event: order.index(event.name))


def game_of(events: Iterable[Event]) -> str:
    """Return the name of the failed game, or `healthy` if no event is fatal.

    Example:
        >>> game_of([Event.named("few_images", 0, "", "3 images", fatal=False)])
        'healthy'
    """
    return next((event.name for event in ordered(event for event in events if event.fatal)), HEALTHY)


def standing(events: Iterable[Mapping[str, Any]]) -> list[Event]:
    """Return the fatal events of status.json that hold at the end of the run, the most telling first."""
    left = (Event.from_plain(event) for event in events if event["fatal"] and not event.get("healed"))
    return ordered(left)
