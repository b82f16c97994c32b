"""Rectified flow: noise is carried to images along a learned velocity. Liu et al., arXiv 2209.03003."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, prod

import torch
from monai.networks.nets import DiffusionModelUNet
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.networks.layers import check_positive
from ganatomy.networks.noise_to_image.conditional import at_least_two
from ganatomy.networks.noise_to_image.dcgan import cut

MONAI_STEPS = 1000.0
"""The network is told 1000 (1 - t), as by MONAI's `RFlowScheduler`: 1000 at noise, 0 at an image."""
HEAD = 32
"""Channels of a head of attention, at most."""


class RectifiedFlow(nn.Module):
    """Generator from noise [B, latent] to images [B, out_channels, *size] in `steps` steps of Euler's method.

    dx/dt = v(x, t), from noise at t = 0 to an image at t = 1 (Liu et al., arXiv 2209.03003, eq. 2; Lipman et
    al., arXiv 2210.02747, eq. 1). The noise is a normal number for each value of the image, so `latent` is
    out_channels times the pixels. v is MONAI's `DiffusionModelUNet`; sides that it cannot halve are padded
    with zeros for it.

    The steps are computed here: those of `RFlowScheduler` are in float16 and end at whole times, so their
    lengths need not add up to 1.

    Args:
        spatial_dims: 2 or 3.
        out_channels: Channels of the images.
        size: Sides of the images in pixels.
        steps: Steps from noise to image; each is a pass of the network.
        channels: Channels of each level, finest first; sides are halved between levels.
        blocks: Residual blocks at each level.
        attention: Number of coarsest levels with self-attention.
        classes: Number of image classes in the data.
        class_conditional: Add a learned vector of the class to that of the time.

    Raises:
        UserError: For numbers below 1, more levels with attention than levels, or `class_conditional` without
            classes.
    """

    def __init__(
        self,
        spatial_dims: int,
        out_channels: int,
        size: Sequence[int],
        steps: int = 20,
        channels: Sequence[int] = (16, 32, 64),
        blocks: int = 1,
        attention: int = 1,
        classes: int = 0,
        class_conditional: bool = False,
    ) -> None:
        super().__init__()
        check_positive(steps=steps)
        check_positive(blocks=blocks)
        count = len(channels)
        if not count or min(channels) < 1:
            raise UserError(f"channels: {list(channels)}; give a number above 0 for each level")
        if not 0 <= attention <= count:
            raise UserError(f"attention: {attention} of {count} levels; give 0 to {count}")
        self.shape, self.steps = (out_channels, *size), steps
        self.latent, self.multiple = prod(self.shape), 2 ** (count - 1)
        self.classes = at_least_two(classes) if class_conditional else 0
        self.network = DiffusionModelUNet(
            spatial_dims,
            out_channels,
            out_channels,
            num_res_blocks=blocks,
            channels=tuple(channels),
            attention_levels=tuple(level >= count - attention for level in range(count)),
            norm_num_groups=gcd(8, *channels),
            num_head_channels=tuple(gcd(HEAD, width) for width in channels),
            num_class_embeds=self.classes or None,
        )

    def velocity(self, x: Tensor, t: Tensor, *kind: Tensor) -> Tensor:
        """Return dx/dt [B, C, *spatial] at x, of the same shape.

        Args:
            x: Something between noise and image.
            t: Its time [B], 0 for noise and 1 for an image.
            *kind: Class numbers [B], or nothing without classes.
        """
        before = []
        for side in reversed(x.shape[2:]):
            more = -side % self.multiple
            before += [more // 2, more - more // 2]
        padded = F.pad(x, before) if any(before) else x
        found: Tensor = self.network(padded, MONAI_STEPS * (1 - t), None, *kind)
        return cut(found, x.shape[2:])

    def forward(self, z: Tensor, *kind: Tensor) -> Tensor:
        x = z.reshape(-1, *self.shape)
        for step in range(self.steps):
            t = torch.full((len(x),), step / self.steps, device=x.device)
            x = x + self.velocity(x, t, *kind).to(x.dtype) / self.steps
        return x
