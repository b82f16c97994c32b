"""Inference as in the run's own test: windows, slices of volumes, and mirrored images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

from ganatomy.errors import UserError
from ganatomy.tasks.shared.mirrors import mirrored
from ganatomy.tasks.shared.sliding_window import aligned, slide


class AsTrained(Inferer):
    """Run the network on one prepared image [1, C, *spatial], or on the slices [S, C, H, W] of a volume.

    Args:
        window: Sides of the sliding window; None for whole images.
        mirror_axes: Axes along which images are mirrored, and the answers averaged.
        probabilities: Return probabilities of the classes, the softmax of the network's answer.
        sigmoid: Of regions that overlap, the sigmoid in its place.
        factor: Enlargement of super-resolution; no window cuts a block of it.
        sides: Sides of the training images, the window for images that the network does not take whole.
    """

    def __init__(
        self,
        window: int | Sequence[int] | None = None,
        mirror_axes: Sequence[int] = (),
        probabilities: bool = False,
        factor: int | None = None,
        sides: Sequence[int] | None = None,
        sigmoid: bool = False,
    ) -> None:
        Inferer.__init__(self)
        self.window, self.mirror_axes = window, tuple(mirror_axes)
        self.probabilities, self.factor, self.sides = probabilities, factor, sides
        self.sigmoid = sigmoid

    @torch.no_grad()
    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Return the network's answer for every row."""
        try:
            return self._slid(inputs, network, self.window)
        except (RuntimeError, UserError) as error:
            known = self.sides is None or tuple(inputs.shape[2:]) == tuple(self.sides)
            if self.window is not None or known or isinstance(error, torch.OutOfMemoryError):
                raise
        return self._slid(inputs, network, self.sides)

    def _slid(
        self, inputs: Tensor, network: Callable[..., Tensor], given: int | Sequence[int] | None
    ) -> Tensor:
        window = aligned(given, inputs.shape[2:], self.factor) if self.factor else given

        def answer(part: Tensor) -> Tensor:
            found = slide(network, part, window)
            if not self.probabilities:
                return found
            return found.sigmoid() if self.sigmoid else found.softmax(1)

        return mirrored(answer, inputs, self.mirror_axes)
