"""Numbers that change over a run."""

from __future__ import annotations

from math import cos, pi

from ganatomy.errors import UserError


class Cosine:
    """From `first` to `last` along half a cosine over the first share `burn_in` of `steps`; then `last`.

    R3GAN's schedule. Huang et al., arXiv 2501.05441, appendix.
    """

    def __init__(self, first: float, last: float, steps: int, burn_in: float = 1.0) -> None:
        if not 0 < burn_in <= 1:
            raise UserError(f"burn_in: {burn_in} is outside (0, 1]")
        if steps < 1 and first != last:
            raise UserError(f"steps: {steps}; say how many the run has: ${{trainer.max_steps}}")
        self.first, self.last, self.over = first, last, burn_in * steps

    def __call__(self, step: float) -> float:
        """The value after so many steps."""
        if step >= self.over:
            return self.last
        return self.last + 0.5 * (self.first - self.last) * (1 + cos(pi * step / self.over))
