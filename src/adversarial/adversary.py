"""One discriminator of the game with all that is its own: penalties, augmentation, names in the log."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ganatomy.adversarial.discriminator import DiscriminatorPass, X
from ganatomy.adversarial.penalties.base import Penalty
from ganatomy.errors import UserError

COLOURS = {"brightness", "contrast", "noise"}
"""Changes of an augmentation that only touch its first `image_channels`."""


@dataclass(frozen=True)
class Adversary:
    """A discriminator, the penalties on it and the augmentation of what it is shown.

    name: as the rules and the log call it; empty where it is the game's only one.
    """

    name: str
    network: nn.Module
    penalties: Sequence[Penalty]
    augment: nn.Module | None

    def due(self, step: int) -> list[Penalty]:
        """The penalties that D's update at this step (batches done so far) takes."""
        return [penalty for penalty in self.penalties if penalty.due(step)]

    def label(self, group: str, quantity: str) -> str:
        """Name of a logged quantity: `logits/real`, or `logits/<name>/real` where there are several."""
        return f"{group}/{self.name}/{quantity}" if self.name else f"{group}/{quantity}"

    def check_reach(self, fake: X, real: X | None = None) -> None:
        """Refuse a penalty or an augmentation that would miss an image among D's arguments.

        An image is a tensor [B, C, *spatial] that the generator made: one with a gradient or, where `real` is
        given, one that differs from its counterpart there. A condition is the same in both.

        Raises:
            UserError: The penalty or the augmentation acts on the first argument alone.
        """
        if isinstance(fake, Tensor):
            return
        reals = [None] * len(fake) if real is None or isinstance(real, Tensor) else real
        for number, (f, r) in enumerate(zip(fake, reals, strict=True), 1):
            if number == 1 or f.dim() < 3 or not f.is_floating_point() or not _made(f, r):
                continue
            if keys := self._narrow_keys():
                raise UserError(
                    f"{keys[0]}: acts on the first of D's arguments alone, and argument {number} is an image "
                    "of the generator's too; give each image a discriminator of its own, by name "
                    "(model.discriminator: {a: ..., b: ...}), or take it out"
                )

    def _narrow_keys(self) -> list[str]:
        """Keys of the penalties, and of the augmentation, that act on the first argument alone."""
        keys = [f"penalties.{p.name}" for p in self.penalties if p.at_real or p.at_fake or p.on_first_input]
        limited = getattr(self.augment, "image_channels", None) is not None
        return [*keys, "augment"] if limited and COLOURS & set(getattr(self.augment, "policy", ())) else keys


@dataclass(frozen=True)
class Showing:
    """What one discriminator was shown; `real` is None where nobody needs its answer to it."""

    adversary: Adversary
    real: DiscriminatorPass | None
    fake: DiscriminatorPass

    @property
    def both(self) -> tuple[DiscriminatorPass, DiscriminatorPass]:
        """(real, fake), for losses and penalties that compare the two."""
        assert self.real is not None
        return self.real, self.fake


def adversaries(
    discriminator: nn.Module, penalties: Sequence[Penalty], augment: nn.Module | None
) -> list[Adversary]:
    """The discriminators of a game; several come in an `nn.ModuleDict`, by name.

    A single one keeps the penalties and the augmentation themselves; several get copies, as either may
    remember what it has seen of its discriminator.
    """
    if not isinstance(discriminator, nn.ModuleDict):
        return [Adversary("", discriminator, penalties, augment)]
    for name in discriminator:
        if not re.fullmatch(r"[A-Za-z]\w*", name):
            raise UserError(f"discriminator.{name}: name discriminators by letters and digits, letter first")
    if not discriminator:
        raise UserError("discriminator: names no network; name at least one, or give null for none")
    return [
        Adversary(name, network, copy.deepcopy(list(penalties)), copy.deepcopy(augment))
        for name, network in discriminator.items()
    ]


def _made(fake: Tensor, real: Tensor | None) -> bool:
    if fake.requires_grad or real is None or fake is real:
        return fake.requires_grad
    return fake.shape != real.shape or not bool((fake == real).all())
