"""Projections of an encoder's features at single positions, whose likeness a contrastive loss takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.networks.layers import check_positive, conv, initialise

SIDES = {2: 64, 3: 32}
"""Sides of the image that shows how many channels an encoder's layers have, by dimensions."""
NO_ENCODER = (
    "model.generator.translator: {name} has no method encode that returns the features of its layers; choose "
    "ganatomy.networks.image_to_image.resnet.ResidualGenerator, or add one"
)
"""Refusal of a translating network whose features cannot be compared."""


class PatchProjection(nn.Module):
    """Project features of chosen layers of an encoder onto the unit sphere.

    One perceptron of two layers for each layer of the encoder. Park et al., arXiv 2007.15651, section 3.
    Where the images of the two sides have different numbers of channels, a 1x1 convolution, `entry`, leads
    those of the target's into the encoder; it begins as their mean.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the images that the encoder takes.
        out_channels: Channels of the images of the target side.
        layers: Numbers of the layers in what `encode` of the translating network returns, from 0.
        channels: Channels of each of these layers; those of the network that translates if left out of a
            configuration.
        width: Channels inside the perceptrons, and of the result.

    Raises:
        UserError: A number is out of range, or there are not as many channels as layers.

    Attributes:
        beside_translator: True for a network whose input is not an image but the features of another one.

    Example:
        >>> project = PatchProjection(2, 1, 1, layers=[0, 2], channels=[1, 32], width=16)
        >>> [x.shape for x in project([torch.ones(2, 5, 1), torch.ones(2, 5, 32)])]
        [torch.Size([2, 5, 16]), torch.Size([2, 5, 16])]
    """

    beside_translator = True

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        layers: Sequence[int],
        channels: Sequence[int],
        width: int = 256,
    ) -> None:
        super().__init__()
        check_layers(layers)
        check_positive(width=width, **{f"channels[{n}]": count for n, count in enumerate(channels)})
        if len(channels) != len(layers):
            raise UserError(
                f"channels: {list(channels)}; give one number for each of the {len(layers)} layers"
            )
        self.layers, self.channels = tuple(layers), tuple(channels)
        self.entry: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.entry = conv(spatial_dims, out_channels, in_channels, 1)
        self.each = nn.ModuleList(
            nn.Sequential(nn.Linear(inside, width), nn.ReLU(), nn.Linear(width, width)) for inside in channels
        )
        initialise(self.each, "normal")
        for name, parameter in self.each.named_parameters():
            if name.endswith("bias"):  # else features of zeros, as outside the body, have no direction
                nn.init.normal_(parameter, 0.0, 0.02)
        for name, parameter in self.entry.named_parameters():
            nn.init.constant_(parameter, 1 / out_channels if name == "weight" else 0.0)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return vectors of length 1, float32 at least, [B, P, width], of each layer's [B, P, channels]."""
        vectors = [project(each) for project, each in zip(self.each, features, strict=True)]
        return [F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=-1) for x in vectors]

    @staticmethod
    def arguments_beside(given: dict[str, Any], others: dict[str, nn.Module]) -> dict[str, Any]:
        """Return the constructor arguments that the other networks of the generator decide.

        Args:
            given: Section of this network in the configuration, with what the data decide.
            others: The other networks by name, `translator` among them.

        Raises:
            UserError: There is no translator, it has no `encode`, or not these layers.
        """
        translator: Any = others.get("translator")
        if translator is None:
            raise UserError(
                "model.generator.translator: there is none, but PatchProjection projects its features; add it"
            )
        name = type(translator).__name__
        if not callable(getattr(translator, "encode", None)):
            raise UserError(NO_ENCODER.format(name=name))
        dims, layers = given.get("spatial_dims", 2), given.get("layers", [])
        check_layers(layers)
        with torch.no_grad():
            features = translator.eval().encode(torch.zeros(1, given["in_channels"], *[SIDES[dims]] * dims))
        if max(layers) >= len(features):
            raise UserError(
                f"model.generator.head.layers: {list(layers)}; {name} has {len(features)} layers, 0 to "
                f"{len(features) - 1}"
            )
        return {"channels": [features[layer].shape[1] for layer in layers]}


def check_layers(layers: Sequence[int]) -> None:
    """Raise UserError if these are no numbers of layers, each once."""
    if not layers or min(layers) < 0 or len(set(layers)) < len(layers):
        raise UserError(
            f"model.generator.head.layers: {list(layers)}; give numbers of layers from 0 on, each once"
        )
