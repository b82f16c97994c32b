"""Was a validation score still getting better when the training ended, and how many steps might do?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ganatomy.metrics.registry import describe

SHARE = 0.1
"""Part of what is missing that the last third of the steps has to bring for a score to be still rising."""
ENDED = 0.1
"""Fraction of the largest learning rate below which a score stays where it is, whatever is left to learn."""
MOST, LEAST = 10.0, 2.0
"""Bounds of the factor by which steps are proposed to grow."""


@dataclass(frozen=True)
class Trend:
    """Validation scores of a run, at its end.

    Attributes:
        score: Part of its flat name, such as psnr.
        steps: Steps that the run trained, whichever of its checkpoints was tested.
        gain: Best score of the last third of the steps less the best before, positive if it got better; NaN
            if one of them holds no validation.
        since: Step of the best before; 0 if there is none.
        until: Step of the best of the last third; 0 if there is none.
        rate: Learning rate at the end, as a fraction of its largest.
        climb: Gain from the first validation to the best one, by the logarithm of the ratio of their steps.
    """

    score: str
    steps: int
    gain: float
    since: int = 0
    until: int = 0
    rate: float = 1.0
    climb: float = 0.0

    def rising(self, missing: float) -> bool:
        """Return True if the last third brought more than a tenth of what is missing to a better rival."""
        return self.gain > SHARE * missing

    def wanted(self, missing: float) -> int:
        """Return steps that might bring what is missing, two digits, twice to ten times those of the run.

        The score is taken to grow with the logarithm of the steps: as fast as from `since` to `until` if it
        was rising, else as fast as from the first validation on.
        """
        rising = self.rising(missing)
        climb = self.gain / math.log(self.until / self.since) if rising else self.climb
        needed = missing / climb if climb > 0 else 0.0
        steps = self.steps * min(max(math.exp(min(needed, math.log(MOST))), LEAST), MOST)
        unit: int = 10 ** max(0, math.floor(math.log10(steps)) - 1)
        return int(math.ceil(round(steps / unit, 6)) * unit)

    def words(self, missing: float, unit: str = "mm") -> str:
        """Return what the validations say of more steps.

        Args:
            missing: Difference to what the run is behind, 0 or more.
            unit: Unit of distances, mm or px.
        """
        entry = describe(self.score.split("/")[0])
        steps = f"{self.steps} step{'s' if self.steps != 1 else ''}"
        if math.isnan(self.gain):
            often = max(1, self.steps // 6)
            return (
                f"{steps}, with too few validations to say if more would help: trainer.val_every={often} "
                "shows it"
            )
        unit = f" {unit if entry.unit == 'mm' else entry.unit}" if entry.unit else ""
        change = f"{(entry.sign or 1) * self.gain:+.{entry.decimals}f}{unit} since step {self.since}"
        verb = "rising" if entry.sign >= 0 else "falling"
        if not self.rising(missing):
            slowly = round(self.gain, entry.decimals) > 0
            state = f"{verb} slowly" if slowly else f"no longer {verb}"
            flat = f"{steps}: the validation score was {state} ({change})"
            if self.rate < ENDED:
                return (
                    f"{flat}, as the learning rate had ended: a longer run has a longer schedule "
                    f"(trainer.max_steps={self.wanted(missing)})"
                )
            return f"{flat}: more steps alone will {'hardly' if slowly else 'not'} do"
        more = f"more steps (trainer.max_steps={self.wanted(missing)})"
        return f"{steps}: the validation score was still {verb} ({change}): {more}"


def trend(score: str, history: Sequence[tuple[int, float]], steps: int, rate: float = 1.0) -> Trend:
    """Return the trend of the validations of a run.

    Args:
        score: Part of its flat name, such as psnr.
        history: Steps and scores of the validations; those that are not finite do not count.
        steps: Steps that the run trained.
        rate: Learning rate at the end, as a fraction of its largest.

    Example:
        >>> found = trend("psnr", [(20, 28.0), (40, 29.0), (60, 29.4)], 60)
        >>> round(found.gain, 2), found.rising(missing=1.0), found.wanted(missing=1.0)
        (0.4, True, 170)
    """
    sign = describe(score.split("/")[0]).sign or 1
    known = [(step, sign * value) for step, value in history if math.isfinite(value)]
    early = [(value, -step) for step, value in known if 3 * step <= 2 * steps and step > 0]
    late = [(value, -step) for step, value in known if 3 * step > 2 * steps]
    if not early or not late:
        return Trend(score, steps, math.nan, rate=rate)
    (before, since), (now, until) = max(early), max(late)
    first, (best, at) = min(step for step, _ in known if step > 0), max(early + late)
    climb = (best - dict(known)[first]) / math.log(-at / first) if -at > first else 0.0
    return Trend(score, steps, now - before, -since, -until, rate, climb)
