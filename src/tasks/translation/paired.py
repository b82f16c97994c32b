"""Translation learned from pairs: losses against the target, and an adversary that sees both."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ganatomy.adversarial.gradient_cut import full_precision
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.registration import roughness, warp
from ganatomy.tasks.translation.base import Method, Players
from ganatomy.tasks.translation.losses import region_mean, weighted_losses

TRANSLATOR, REGISTRATION = "translator", "registration"
"""Names of the generator's networks where the translation is compared after a registration."""


class Paired(Method):
    """Map an image to its own target. Isola et al., arXiv 1611.07004.

    Each discriminator sees (image, target) and (image, output); one with the attribute `alone`, or named
    `target` among several, sees target or output without the image. Where the batch has a `mask`, losses are
    means over it, and |output - target| outside of it counts a little, so that air stays air.

    With `registration` the target may be misaligned by a smooth field: besides the translator the generator
    has a network R, and the loss is |warp(output, R(output, target)) - target|. Evaluation is without R. Kong
    et al. (RegGAN), arXiv 2110.06465.

    Args:
        losses: Weights of the losses against the target, see `weighted_losses`. Default: {"l1": 1.0}.
        data_range: Range of the target's intensities in the network's units, for ssim and lncc; None: what
            its normalisation gives.
        registration: {"weight": ..., "smooth": ...}, the weights of that loss and of the field's roughness.
        outside: Weight of the mean |output - target| outside of the mask; 0 leaves what lies there to chance.

    Raises:
        UserError: A weight is not usable, or none is above 0.
    """

    def __init__(
        self,
        losses: dict[str, Any] | None = None,
        data_range: float | None = None,
        registration: dict[str, float] | None = None,
        outside: float = 0.1,
    ) -> None:
        super().__init__()
        if not 0 <= outside < math.inf:
            raise UserError(f"task.method.outside: {outside} is no weight; give a number of 0 or more")
        self.outside = outside
        self.weights, self.data_range = {"l1": 1.0} if losses is None else losses, data_range
        weighted_losses(self.weights, 2, 1.0)  # names and weights are refused here, before the data are read
        self.registration = None if registration is None else _checked(registration)
        own = {name: each["loss"] for name, each in self.weights.items() if isinstance(each, dict) and each}
        self.own_losses = nn.ModuleDict({k: loss for k, loss in own.items() if isinstance(loss, nn.Module)})

    def begin(self, players: Players) -> None:
        super().begin(players)
        self._check_networks(players.generator)
        self.losses = weighted_losses(
            self.weights, players.spatial_dims, self.data_range or players.target_range
        )
        if not self.losses and self.registration is None:
            raise UserError("losses: all weights are 0; give at least one above 0")

    def _check_networks(self, generator: nn.Module) -> None:
        """Raise UserError if the generator's networks are not those that this game needs."""
        names = set(generator) if isinstance(generator, nn.ModuleDict) else set()
        needed = set() if self.registration is None else {TRANSLATOR, REGISTRATION}
        if names == needed:
            return
        if needed:
            raise UserError(
                "task.method.registration: needs model.generator: {translator: ..., registration: ...}, got "
                f"{', '.join(sorted(names)) or 'one network'}; choose model=translation_reggan, or null"
            )
        raise UserError(
            f"model.generator: {', '.join(sorted(names))}: a translation learned from pairs has one network; "
            "give one, or translator and registration with task.method.registration={weight: 1, smooth: 0.5}"
        )

    def translator(self, generator: nn.Module) -> nn.Module:
        if self.registration is None:
            return generator
        assert isinstance(generator, nn.ModuleDict)
        return generator[TRANSLATOR]

    def generate(self, batch: Batch) -> Any:
        generator: Any = self.players.generator
        if self.registration is None:
            return generator(batch["image"])
        image = generator[TRANSLATOR](batch["image"])
        both = torch.cat([image, batch["target"].to(image.dtype)], 1)
        return {"image": image, "field": generator[REGISTRATION](both)}

    def translated(self, output: Any) -> Tensor:
        found: Tensor = output if self.registration is None else output["image"]
        return found

    def discriminator_inputs(self, batch: Batch, output: Any) -> Any:
        discriminator, image = self.players.discriminator, self.translated(output)
        if not isinstance(discriminator, nn.ModuleDict):
            return _seen(discriminator, "", batch, image)
        return {name: _seen(each, name, batch, image) for name, each in discriminator.items()}

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        image, target, mask = self.translated(output), batch["target"], batch.get("mask")
        found = {name: loss(image, target, mask) for name, loss in self.losses.items()}
        if mask is not None and self.outside:
            error = (image.to(target.dtype) - target).abs()
            found["outside"] = self.outside * region_mean(error, ~mask)
        if self.registration is None:
            return found
        with full_precision():
            field = output["field"].to(target.dtype)
            error = (warp(image.to(target.dtype), field) - target).abs()
            found["registration"] = self.registration["weight"] * region_mean(error, mask)
            found["roughness"] = self.registration["smooth"] * roughness(field)
        return found


def _seen(discriminator: nn.Module | None, name: str, batch: Batch, output: Tensor) -> tuple[Tensor, Tensor]:
    """Return (real, fake) as a discriminator sees them."""
    if name == "target" or getattr(discriminator, "alone", False):
        return batch["target"], output
    real, fake = (torch.cat([batch["image"], image], 1) for image in (batch["target"], output))
    return real, fake


def _checked(registration: dict[str, float]) -> dict[str, float]:
    """Return the weights of the registration; raise UserError if they are not two numbers of 0 and more."""
    fits = all(type(value) in (int, float) and 0 <= value < math.inf for value in registration.values())
    if not fits or set(registration) != {"weight", "smooth"} or registration["weight"] == 0:
        raise UserError(
            f"task.method.registration: {registration}; give {{weight: 1.0, smooth: 0.5}}, the weights of "
            "the loss after registration (above 0) and of the field's roughness"
        )
    return dict(registration)
