"""What the machine is asked to do for a run, and the words that say so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

FLOAT, HALF = "32-true", "bf16-mixed"


@dataclass(frozen=True)
class Choice:
    """Settings of a run that decide its speed, and its numbers by rounding.

    Attributes:
        precision: `trainer.precision`.
        layout: Players with channels innermost in memory.
        threads: `trainer.threads`; None leaves it to torch.
        speed: Updates in the time of one in float32 with channels first; 1 if nothing was timed.
        why: Reason for the precision, in a few words.
    """

    precision: str = FLOAT
    layout: tuple[str, ...] = ()
    threads: int | None = None
    speed: float = 1.0
    why: str = ""

    @property
    def channels_last(self) -> bool | str:
        """Return `trainer.channels_last`: true for both players, the name of one, or false."""
        return len(self.layout) > 1 if len(self.layout) != 1 else self.layout[0]

    def keys(self) -> dict[str, Any]:
        """Return the keys of `trainer`."""
        return {"precision": self.precision, "channels_last": self.channels_last, "threads": self.threads}

    def because(self, why: str) -> Choice:
        """Return the choice with another reason for its precision."""
        return replace(self, why=why)

    def with_threads(self, threads: int) -> Choice:
        """Return the choice with another number of threads."""
        return replace(self, threads=threads)

    def __str__(self) -> str:
        kind = {FLOAT: "float32", HALF: "bfloat16"}.get(self.precision, self.precision)
        parts = [f"{kind} ({self.why})" if self.why else kind]
        if self.layout:
            parts.append(f"channels last in {' and '.join(self.layout)}")
        if self.speed != 1.0:
            parts.append(f"{self.speed:.2f} times as fast as float32 with channels first")
        return ", ".join(parts)
