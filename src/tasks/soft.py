"""Hooks of a task whose predictions can be averaged: what is averaged, and what is then decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from torch import Tensor

from ganatomy.data.records import Batch

SoftKind = Literal["", "classes", "presence", "values"]


class SoftHooks:
    """Hooks between the networks and a prediction; a task with them can answer as one of several networks.

    Attributes:
        soft_kind: Content of the part of a soft prediction that `doubted` names: "classes", probabilities
            [B, K, *spatial] that add up to 1; "presence", the probability of each of K things [B, K, *cells];
            "values", an image [B, C, *spatial] or a map [B, *spatial]; "" if predictions cannot be averaged.
        doubted: Number of the part that doubt is about.
        stride: Pixels along each side of a cell of the soft prediction.
        members: Function in the place of `soft_prediction` where several networks answer as one; see
            `ganatomy.inference.ensembles.ensemble`.

    Example:
        >>> import torch
        >>> class Thresholded(SoftHooks):
        ...     soft_kind = "presence"
        ...     def soft_prediction(self, batch):
        ...         return batch["image"].sigmoid()
        ...     def decide(self, batch, soft):
        ...         return soft > 0.5
        >>> Thresholded().decide({}, Thresholded().averaged({"image": torch.tensor([[[[-1.0, 2.0]]]])}))
        tensor([[[[False,  True]]]])
    """

    soft_kind: SoftKind = ""
    doubted = 0
    stride = 1
    members: Callable[[Batch], Any] | None = None

    def soft_prediction(self, batch: Batch) -> Any:
        """Return the prediction of `self.evaluator` before anything is decided.

        A tensor, or a named tuple of tensors. Parts with more than two axes end in the spatial ones; others
        are numbers of each row.
        """
        raise NotImplementedError

    def decide(self, batch: Batch, soft: Any) -> Any:
        """Return the prediction that follows from a soft one, of one network or the mean of several."""
        return soft

    def averaged(self, batch: Batch) -> Any:
        """Return the soft prediction: this network's, or the mean over the members of an ensemble."""
        return (self.members or self.soft_prediction)(batch)

    def mirrored_back(self, soft: Any, axes: Sequence[int]) -> Any:
        """Return the soft prediction of images from that of the images flipped along axes.

        Args:
            soft: Soft prediction of the flipped images, whose sides are whole cells.
            axes: The axes, counted from the last, -1.
        """
        return each_part(soft, lambda part: part.flip(list(axes)) if part.dim() > 2 else part)

    def join(self, others: Sequence[Any]) -> None:
        """Take over the mean of this task's thresholds and those of others, to answer for all of them."""


def parts_of(soft: Any) -> list[Tensor]:
    """Return the tensors of a soft prediction."""
    return list(soft) if isinstance(soft, tuple) else [soft]


def rebuilt(soft: Any, parts: Sequence[Tensor]) -> Any:
    """Return a soft prediction like another, of other tensors."""
    return type(soft)(*parts) if isinstance(soft, tuple) else parts[0]


def each_part(soft: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a soft prediction with every tensor changed."""
    return rebuilt(soft, [change(part) for part in parts_of(soft)])
