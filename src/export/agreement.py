"""Comparison of an exported network with torch on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ganatomy.errors import UserError

if TYPE_CHECKING:
    from ganatomy.export.graphs.graph import Graph
    from ganatomy.export.graphs.trial import Inputs

LIMIT = 1e-4
"""Largest difference at which a file is kept, as a fraction of the range of torch's values."""


@dataclass(frozen=True)
class Agreement:
    """Largest difference between an exported network and torch.

    Attributes:
        difference: As a fraction of the range of torch's values of that output.
        output: Output with this difference.
        images: Number of images compared.
        shapes: Shapes of the inputs, without the batch axis.
    """

    difference: float
    output: str
    images: int
    shapes: tuple[tuple[int, ...], ...]

    @property
    def kept(self) -> bool:
        """Return True if the difference is small enough for the file to be kept."""
        return self.difference <= LIMIT

    def words(self) -> str:
        """Return the comparison as a line for the terminal and for the file."""
        if not self.shapes:
            return f"{self.output} has another shape than torch's"
        sizes = ", ".join("x".join(map(str, shape)) for shape in self.shapes)
        return (
            f"largest difference from torch {self.difference:.1e} of the range of {self.output}, over "
            f"{self.images} inputs ({sizes})"
        )


def compare(graph: Graph, other: Callable[..., Sequence[Any]], batches: Sequence[Inputs]) -> Agreement:
    """Run both on every batch and return the largest difference.

    A score per image has the range from 0 to its largest magnitude, every other output that of its values.

    Args:
        graph: The network in torch.
        other: The exported network: arrays to arrays, in the same order.
        batches: Arguments of each call.

    Raises:
        UserError: A result of torch is not finite.
    """
    pairs = [
        [
            (np.asarray(theirs, np.float64), ours.double().numpy())
            for theirs, ours in zip(other(*(part.numpy() for part in batch)), graph(*batch), strict=True)
        ]
        for batch in batches
    ]
    worst = (0.0, next(iter(graph.outputs)))
    for name, column in zip(graph.outputs, zip(*pairs, strict=True), strict=True):
        if not all(np.isfinite(ours).all() for _, ours in column):
            raise UserError(f"run: its {name} is not finite on an input; export a run that ended well")
        if any(theirs.shape != ours.shape for theirs, ours in column):
            return Agreement(float("inf"), name, 0, ())
        worst = max(worst, (_share(column), name))
    shapes = dict.fromkeys(tuple(batch[0].shape[1:]) for batch in batches)
    return Agreement(worst[0], worst[1], sum(len(batch[0]) for batch in batches), tuple(shapes))


def _share(column: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Return the largest difference of one output as a fraction of its range; infinite for NaN."""
    low, high = min(float(o.min()) for _, o in column), max(float(o.max()) for _, o in column)
    if column[0][1].ndim == 1 or high == low:
        low, high = 0.0, max(abs(low), abs(high))
    gap = max(float(np.abs(theirs - ours).max()) for theirs, ours in column)
    return gap / (high - low or 1.0) if np.isfinite(gap) else float("inf")
