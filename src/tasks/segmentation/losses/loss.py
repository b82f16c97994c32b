"""The loss of a segmentation: weighted terms, at one or several resolutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.tasks.segmentation.losses.maps import Maps
from ganatomy.tasks.segmentation.losses.terms import terms_of
from ganatomy.tasks.shared.heads import Heads, head_weights


class SegmentationLoss(nn.Module):
    """Weighted losses of logits by name.

    Args:
        terms: A name of `LOSSES`, or weights by name; see `terms_of`.
        class_weights: A weight for each class, background first, or for each region; None for equal weights.
            Only their ratios count.
        sigmoid: True for regions that may overlap.

    Raises:
        UserError: If `terms` or `class_weights` is not usable.

    Example:
        >>> truth = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
        >>> loss = SegmentationLoss({"dice": 1.0, "cross_entropy": 0.5})
        >>> {name: round(float(value), 2) for name, value in loss(torch.zeros(1, 2, 1, 2), truth).items()}
        {'dice': 0.5, 'cross_entropy': 0.35}
    """

    class_weights: Tensor | None

    def __init__(
        self,
        terms: str | Mapping[str, Any] = "dice_ce",
        class_weights: Sequence[float] | None = None,
        sigmoid: bool = False,
    ) -> None:
        super().__init__()
        self.terms, self.sigmoid = terms_of(terms), sigmoid
        own = {name: term.own for name, term in self.terms.items() if term.own is not None}
        self.own = nn.ModuleDict(own)
        weights = None if class_weights is None else scaled(class_weights)
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(
        self,
        logits: Heads,
        truth: Tensor,
        valid: Tensor | None = None,
        progress: float = 1.0,
    ) -> dict[str, Tensor]:
        """Return the weighted losses by name, 0-dim.

        Args:
            logits: [B, K, *spatial]; or those of several heads, the finest first, of any sides. Each head
                counts half as much as the one before, their weights add up to 1, and coarse heads see the
                truth at their own resolution (Isensee et al., nnU-Net).
            truth: One-hot or multi-hot [B, K, *spatial], float.
            valid: [B, 1, *spatial], False for voxels that do not count; None where all do. One of the two
                throughout a run: processes must agree.
            progress: Share of the run that is done, for terms that are ramped in.
        """
        heads = [logits] if isinstance(logits, Tensor) else list(logits)
        shares = head_weights(len(heads))
        totals: dict[str, Tensor] = {}
        for share, head in zip(shares, heads, strict=True):
            maps = Maps(head, *_at(head, truth, valid), self.class_weights, self.sigmoid)
            for name, term in self.terms.items():
                value = share * term.weight_at(progress) * term.loss(maps)
                totals[name] = totals[name] + value if name in totals else value
        return totals


def scaled(weights: Sequence[float]) -> Tensor:
    """Return class weights scaled to a mean of 1; UserError for what is no list of weights."""
    given = torch.tensor([float(weight) for weight in weights])
    if not len(given) or not given.isfinite().all() or (given < 0).any() or not given.any():
        raise UserError(
            f"task.class_weights: {list(weights)}; give a number >= 0 for each class, one of them above 0"
        )
    return given / given.mean()


def _at(head: Tensor, truth: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return truth and valid voxels at the resolution of a head."""
    sides = head.shape[2:]
    if truth.shape[2:] == sides:
        return truth, valid
    coarse = F.interpolate(truth, sides, mode="nearest-exact")
    return coarse, None if valid is None else F.interpolate(valid.float(), sides, mode="nearest-exact") > 0.5
