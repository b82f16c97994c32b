"""What the guard has seen of a run so far: lines of the log, and looks at validations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

MOST_LINES, MOST_LOOKS = 200, 200
NAN = float("nan")


@dataclass(frozen=True)
class Line:
    """A line of the log.

    Attributes:
        step: Batches done.
        loss: Adversarial loss of D at this step; NaN without D.
    """

    step: int
    loss: float = NAN


@dataclass(frozen=True)
class Look:
    """A validation.

    Attributes:
        step: Batches done.
        score: Monitored score.
        trivial: The same score of a baseline that every trained game beats; NaN if unknown.
        diversity: Variance over images of what D sees of fakes, over that of real ones; NaN without D.
        match: 0 if each answer is nearest to its own truth, 1 if it tells nothing of it; NaN without truths.
        guess: Adversarial loss of a D that cannot tell real from fake; NaN if it has none, or 0.
        separation: Probability that D gives a real image a larger logit than a fake one; NaN without D.
        drift: For each player the relative change of its weights since the start, |w - w_0| / |w_0|.
        moved: The same of the one weight tensor of the player that changed most.
        memory: How far D's logits of held-out images lie from those of training images towards those of
            fakes: 0 for none of the way, 1 for all of it; NaN if unknown.
    """

    step: int
    score: float = NAN
    trivial: float = NAN
    diversity: float = NAN
    match: float = NAN
    guess: float = NAN
    separation: float = NAN
    drift: Mapping[str, float] = field(default_factory=dict)
    moved: Mapping[str, float] = field(default_factory=dict)
    memory: float = NAN


@dataclass
class Record:
    """Lines and looks of a run, oldest first.

    Attributes:
        sign: 1 if a higher monitored score is better, -1 if a lower one is.
        from_noise: True if the generator makes images from noise, so that they must differ.
        lines: Lines of the log.
        looks: Validations.
        phase: Phase of the run that they belong to; another one begins anew.
    """

    sign: int = 1
    from_noise: bool = False
    lines: list[Line] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    phase: int = 0

    @property
    def step(self) -> int:
        """Return the batches done at the last look."""
        return self.looks[-1].step if self.looks else 0

    def add(self, line: Line) -> None:
        """Add a line of the log."""
        self.lines = [*(each for each in self.lines[1 - MOST_LINES :] if each.step < line.step), line]

    def look(self, look: Look) -> None:
        """Add a validation; one at the same step is replaced."""
        self.looks = [*(each for each in self.looks[1 - MOST_LOOKS :] if each.step < look.step), look]

    def recent(self) -> list[Line]:
        """Return the lines of the last three tenths of the run so far."""
        return [line for line in self.lines if line.step > 0.7 * self.step]

    def scored(self) -> list[Look]:
        """Return the looks whose monitored score is a number."""
        return [look for look in self.looks if math.isfinite(look.score)]

    def to_plain(self) -> dict[str, Any]:
        """Return plain values, for a checkpoint; what is unknown is left out."""
        return {
            "lines": [_finite(asdict(line)) for line in self.lines],
            "looks": [_finite(asdict(look)) for look in self.looks],
            "phase": self.phase,
        }

    def load(self, plain: Mapping[str, Any]) -> None:
        """Read what `to_plain` returned."""
        self.lines = [Line(**line) for line in plain["lines"]]
        self.looks = [Look(**look) for look in plain["looks"]]
        self.phase = plain["phase"]

    def begin(self, phase: int) -> None:
        """Forget the phase before."""
        self.lines, self.looks, self.phase = [], [], phase


def _finite(plain: dict[str, Any]) -> dict[str, Any]:
    """Leave out NaN, which is not equal to itself."""
    return {key: value for key, value in plain.items() if value == value}
