"""Networks refuse numbers that they cannot be built with, by the name of the argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.centernet import CenterNet
from ganatomy.networks.image_to_image.denoisers import ConvDenoiser, RedCnn
from ganatomy.networks.image_to_image.resnet import ResidualGenerator
from ganatomy.networks.image_to_image.super_resolution import SrResNet
from ganatomy.networks.image_to_image.unet import UNet
from ganatomy.networks.noise_to_image.dcgan import levels
from ganatomy.networks.patch_projection import PatchProjection


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (lambda: CenterNet(2, 1, ["a"], nn.Identity(), stride=3), "stride: 3; choose 1, 2 or 4"),
        (lambda: CenterNet(2, 1, [], nn.Identity()), "data: these cases have no boxes; choose data that "),
        (
            lambda: CenterNet(2, 1, ["a"], nn.Conv2d(16, 4, 3)),
            "body: must return one tensor at the resolution of its input, as a U-Net does",
        ),
        (lambda: ConvDenoiser(2, 1, 1, layers=1), "layers: 1 must be 2 or more"),
        (lambda: ResidualGenerator(2, 1, 1, (8, 16), size=4), "size: 4; give an odd number"),
        (lambda: ResidualGenerator(2, 1, 1, (8,)), "channels: [8]; give two levels or more"),
        (
            lambda: ConvDenoiser(2, 1, 2, residual=True),
            "residual: 2 channels out cannot be added to 1 in; set it to false",
        ),
        (
            lambda: UNet(2, 1, 2, (4, 8), residual=True),
            "residual: 2 channels out cannot be added to 1 in",
        ),
        (
            lambda: RedCnn(2, 1, 2),
            "2 channels out cannot be added to 1 in, as this",
        ),
        (
            lambda: SrResNet(2, 1, 2),
            "2 channels out cannot be added to 1 in, as this",
        ),
        (lambda: levels([7, 64]), "data.size: 7x64 is too small; give sides of 8 or more"),
        (
            lambda: PatchProjection(2, 1, 1, layers=[0, 2], channels=[4]),
            "channels: [4]; give one number for each of the 2 layers",
        ),
        (
            lambda: PatchProjection.arguments_beside({"layers": [0]}, {"translator": nn.Conv2d(1, 1, 3)}),
            "model.generator.translator: Conv2d has no method encode that returns the features of its layers",
        ),
        (
            lambda: PatchProjection.arguments_beside({"layers": [0]}, {}),
            "model.generator.translator: there is none, but PatchProjection projects its features; add it",
        ),
    ],
)
def test_an_argument_that_cannot_be(ask: Callable[[], Any], line: str) -> None:
    with pytest.raises(UserError) as refused:
        ask()
    assert str(refused.value).startswith(line)
