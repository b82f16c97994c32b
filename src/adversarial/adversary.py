"""One discriminator of the game with its own penalties, augmentation and names in the log."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ganatomy.adversarial.discriminator import DiscriminatorPass, X
from ganatomy.adversarial.history import History
from ganatomy.adversarial.penalties.base import Penalty
from ganatomy.errors import UserError

COLOURS = {"brightness", "contrast", "noise"}
"""Changes of an augmentation that act on its first `image_channels` only."""


@dataclass(frozen=True)
class Adversary:
    """A discriminator with its penalties and the augmentation of its inputs.

    Attributes:
        name: Name in the rules and in the log; empty for the only discriminator of a game.
        network: The discriminator.
        penalties: Its penalties.
        augment: Augmentation of real and fake inputs, or None.
        history: Earlier fakes that it learns from, or None.
    """

    name: str
    network: nn.Module
    penalties: Sequence[Penalty]
    augment: nn.Module | None
    history: History | None = None

    def due_penalties(self, step: int) -> list[Penalty]:
        """Return the penalties that D's update at this step (batches done so far) takes."""
        return [penalty for penalty in self.penalties if penalty.is_due(step)]

    def label(self, group: str, quantity: str) -> str:
        """Name a logged quantity: `logits/real`, or `logits/<name>/real` where there are several."""
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
            if number == 1 or f.dim() < 3 or not f.is_floating_point() or not _is_generated(f, r):
                continue
            if keys := self._keys_of_first_input():
                raise UserError(
                    f"{keys[0]}: acts on the first of D's arguments alone, and argument {number} is an image "
                    "of the generator's too; give each image a discriminator of its own, by name "
                    "(model.discriminator: {a: ..., b: ...}), or take it out"
                )

    def _keys_of_first_input(self) -> list[str]:
        """Return the keys of penalties and augmentation that act on the first argument alone."""
        keys = [
            f"penalties.{p.name}"
            for p in self.penalties
            if p.needs_real_gradient or p.needs_fake_gradient or p.on_first_input
        ]
        limited = getattr(self.augment, "image_channels", None) is not None
        return [*keys, "augment"] if limited and COLOURS & set(getattr(self.augment, "policy", ())) else keys


@dataclass(frozen=True)
class PassPair:
    """The passes of one discriminator over a batch.

    Attributes:
        adversary: The discriminator, with its penalties and augmentation.
        real: Pass over the real input; None if no loss or penalty needs it.
        fake: Pass over the fake input.
    """

    adversary: Adversary
    real: DiscriminatorPass | None
    fake: DiscriminatorPass

    @property
    def both(self) -> tuple[DiscriminatorPass, DiscriminatorPass]:
        """Return (real, fake), for losses and penalties that compare the two."""
        assert self.real is not None
        return self.real, self.fake


def build_adversaries(
    discriminator: nn.Module, penalties: Sequence[Penalty], augment: nn.Module | None, history: int = 0
) -> list[Adversary]:
    """List the discriminators of a game.

    Args:
        discriminator: One network, or several by name in an `nn.ModuleDict`.
        penalties: A single network keeps these; several get copies, as a penalty may hold state.
        augment: The same holds for it.
        history: Earlier fakes that each learns from; 0 for none.

    Returns:
        One entry per network.

    Raises:
        UserError: A name that the log cannot hold, or an empty `nn.ModuleDict`.
    """
    if not isinstance(discriminator, nn.ModuleDict):
        return [Adversary("", discriminator, penalties, augment, History(history) if history else None)]
    for name in discriminator:
        if not re.fullmatch(r"[A-Za-z]\w*", name):
            raise UserError(f"discriminator.{name}: name discriminators by letters and digits, letter first")
    if not discriminator:
        raise UserError("discriminator: names no network; name at least one, or give null for none")
    return [
        Adversary(
            name,
            network,
            copy.deepcopy(list(penalties)),
            copy.deepcopy(augment),
            History(history, name) if history else None,
        )
        for name, network in discriminator.items()
    ]


def _is_generated(fake: Tensor, real: Tensor | None) -> bool:
    if fake.requires_grad or real is None or fake is real:
        return fake.requires_grad
    return fake.shape != real.shape or not bool((fake == real).all())
