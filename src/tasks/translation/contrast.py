"""Translation learned without pairs from one direction alone: CUT and FastCUT."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.adversarial.gradient_cut import full_precision
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.networks.patch_projection import NO_ENCODER, PatchProjection
from ganatomy.tasks.translation.base import Method, Players

MADE = ("translation", "identity")
"""Images that are made: of the images, and of the targets."""
Positions = list[Tensor]
"""For each chosen layer the places of the compared patches in its flattened grid, int64 [P]."""


class Contrast(Method):
    """Keep what an image shows by contrast of its patches. Park et al., arXiv 2007.15651, eqs. 3 to 6.

    The generator is {translator, head}. Features of the translation at a place, in the translator's own
    encoder, must be more like the image's at the same place than like the image's elsewhere; the head
    (`PatchProjection`) projects both. One optimiser steps both networks. The discriminator is {target}: it
    sees translations and images of the target side.

    Differences from the paper: positions are the same for all images of a batch and losses are means over the
    layers, both as in the authors' code; features are taken behind normalisation and activation; the loss of
    the target side is added with a weight of its own, where the authors' code halves the sum.

    Args:
        weight: Weight of the contrast between image and translation: 1 for CUT, 10 for FastCUT.
        identity: Weight of the same contrast between targets and what the translator makes of them: 1 for
            CUT, 0 for FastCUT, which leaves their passes out.
        patches: Positions in each layer; all of a layer that has fewer.
        temperature: Divisor of the cosines.

    Raises:
        UserError: A value is out of range.
    """

    unpaired = True

    def __init__(
        self, weight: float = 1.0, identity: float = 1.0, patches: int = 256, temperature: float = 0.07
    ) -> None:
        super().__init__()
        for key, number in (("weight", weight), ("temperature", temperature)):
            if not 0 < number < math.inf:
                raise UserError(f"{key}: {number} must be above 0")
        if not 0 <= identity < math.inf:
            raise UserError(f"identity: {identity} must be 0 or more")
        if patches < 2:
            raise UserError(f"patches: {patches} must be 2 or more")
        self.weight, self.identity = weight, identity
        self.patches, self.temperature = patches, temperature

    @property
    def generator_passes(self) -> tuple[int, int]:
        return (4, 1) if self.identity else (2, 1)  # half of them end behind the encoder

    def begin(self, players: Players) -> None:
        """Check that there are a translator with an encoder, its head, and a discriminator."""
        super().begin(players)
        networks = players.generator
        if not isinstance(networks, nn.ModuleDict) or {"translator", "head"} - set(networks):
            raise UserError(
                "model.generator: needs two networks, translator and head; take those of model=cut"
            )
        if not callable(getattr(networks["translator"], "encode", None)):
            name = type(networks["translator"]).__name__
            raise UserError(NO_ENCODER.format(name=name))
        if players.discriminator is None:
            raise UserError(
                "model.discriminator: null, but without pairs only a discriminator says what targets look "
                "like; take that of model=cut, or choose model=translation_unet for pairs"
            )
        if not isinstance(players.discriminator, nn.ModuleDict) or set(players.discriminator) != {"target"}:
            raise UserError(
                "model.discriminator: this method has one, of the name target; give "
                "model.discriminator: {target: {_target_: ...}}"
            )

    def translator(self, generator: nn.Module) -> nn.Module:
        return cast(nn.ModuleDict, generator)["translator"]

    @property
    def head(self) -> PatchProjection:
        """Return the head that is trained."""
        return cast(PatchProjection, cast(nn.ModuleDict, self.players.generator)["head"])

    def generate(self, batch: Batch) -> dict[str, Any]:
        """Translate the images and, if they are compared, the targets; remember patches of both.

        Returns:
            `translation` and perhaps `identity`, [B, K, *spatial]; `keys`, features of each chosen layer
            without gradient, [B or 2 B, P, channels], and their `positions`, [P].
        """
        images = batch["image"]
        if self.identity > 0 and torch.is_grad_enabled():
            images = torch.cat([images, self.head.entry(batch["target"]).to(images.dtype)])
        network: Any = self.translator(self.players.generator)
        if hasattr(network, "decode"):
            features = network.encode(images)
            made = network.decode(features)
        else:
            made = network(images)
            with torch.no_grad():
                features = network.encode(images)
        chosen = [features[layer] for layer in self.head.layers]
        positions = [drawn(each, self.patches) for each in chosen]
        output = {"keys": taken([each.detach() for each in chosen], positions), "positions": positions}
        return {**output, **dict(zip(MADE, torch.split(made, len(batch["image"])), strict=False))}

    def translated(self, output: Mapping[str, Any]) -> Tensor:
        found: Tensor = output["translation"]
        return found

    def discriminator_inputs(self, batch: Batch, output: Any) -> dict[str, tuple[Tensor, Tensor]]:
        return {"target": (batch["target"], output["translation"])}

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        made = torch.cat([output[name] for name in MADE if name in output])
        queries = self.head(taken(self._encoded(self.head.entry(made)), output["positions"]))
        with torch.no_grad():
            keys = self.head(output["keys"])
        pairs = zip(queries, keys, strict=True)
        values = torch.stack([patch_contrast(*pair, self.temperature) for pair in pairs]).mean(0)
        weights = {"contrast": self.weight, "identity": self.identity}
        parts = torch.split(values, len(output["translation"]))
        return {name: weights[name] * part.mean() for name, part in zip(weights, parts, strict=False)}

    def _encoded(self, images: Tensor) -> list[Tensor]:
        """Return the features of the chosen layers; the encoder stops behind the last if it can."""
        network: Any = self.translator(self.players.generator)
        can_stop = "last" in inspect.signature(network.encode).parameters
        features = network.encode(images, **({"last": max(self.head.layers)} if can_stop else {}))
        return [features[layer] for layer in self.head.layers]


def drawn(features: Tensor, count: int) -> Tensor:
    """Return positions, int64 [P], in the flattened grid of features [B, C, *spatial], none of them twice.

    They are the same for all rows, so every process draws the same ones.
    """
    places = features[0, 0].numel()
    return torch.randperm(places, device=features.device)[:count]


def taken(features: Sequence[Tensor], positions: Positions) -> list[Tensor]:
    """Return the features [B, C, *spatial] of each layer at its positions, [B, P, C]."""
    pairs = zip(features, positions, strict=True)
    return [each.flatten(2).index_select(2, places).transpose(1, 2) for each, places in pairs]


def patch_contrast(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Return the cross entropy of each query finding its own key among those of its image, means [B].

    Park et al., arXiv 2007.15651, eq. 3: -log(exp(q_s k_s / t) / sum_n exp(q_s k_n / t)), n over all places.

    Args:
        queries: Vectors of length 1, [B, P, D].
        keys: Vectors of length 1 at the same positions, [B, P, D].
        temperature: t.
    """
    with full_precision():
        logits = queries @ keys.transpose(1, 2) / temperature
    own = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape[:2])
    return F.cross_entropy(logits.transpose(1, 2), own, reduction="none").mean(1)
