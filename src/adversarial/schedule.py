"""Numbers that change over a run."""

from __future__ import annotations

from math import cos, pi

from ganatomy.errors import UserError


class Cosine:
    """Half a cosine from `first` to `last` over the first `burn_in` of the steps, then constant.

    R3GAN's schedule. Huang et al., arXiv 2501.05441, appendix.

    Args:
        first: Value at step 0.
        last: Value from step `burn_in * steps` on.
        steps: Steps of the run.
        burn_in: Fraction of the steps, in (0, 1].

    Raises:
        UserError: `burn_in` is out of range, or the value changes and `steps` is missing.

    Example:
        >>> factor = Cosine(1.0, 0.2, steps=100, burn_in=0.5)
        >>> [round(factor(step), 2) for step in (0, 25, 50, 100)]
        [1.0, 0.6, 0.2, 0.2]
    """

    def __init__(self, first: float, last: float, steps: int, burn_in: float = 1.0) -> None:
        if not 0 < burn_in <= 1:
            raise UserError(f"burn_in: {burn_in} is outside (0, 1]")
        if steps < 1 and first != last:
            raise UserError(f"steps: {steps}; give the number of steps of the run: ${{trainer.max_steps}}")
        self.first, self.last, self.over = first, last, burn_in * steps

    def __call__(self, step: float) -> float:
        """Return the value after so many steps."""
        if step >= self.over:
            return self.last
        return self.last + 0.5 * (self.first - self.last) * (1 + cos(pi * step / self.over))
