"""Looks at an experiment's results while seeds are added, and the part of the error that each may spend."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from ganatomy.errors import UserError
from ganatomy.runs.directory import write_atomically

LOOKS = "looks.json"
GROWTH = 1.5
"""Each look has about so many times the seeds of the one before: more looks would each have less to spend."""
POWER = 3
"""After n of N seeds (n / N)^3 of the error is spent (Kim and DeMets, Biometrika 74 (1987) 149): little at
first, as O'Brien and Fleming would have it, so that few seeds are lost to looking."""


@dataclass(frozen=True)
class Looks:
    """Looks that were made: `made` has the number of seeds at each, `max_seeds` the most there may be."""

    max_seeds: int
    made: tuple[int, ...] = ()

    def shares(self) -> list[float]:
        """Return the part of the error that each look may spend; in all at most 1."""
        spent = [(seeds / self.max_seeds) ** POWER for seeds in (0, *self.made)]
        return [after - before for before, after in pairwise(spent)]

    def ahead(self, first: int) -> list[int]:
        """Return the seeds at the looks that are still to be made; the first of all has `first` seeds."""
        last = self.made[-1] if self.made else 0
        return [seeds for seeds in schedule(first, self.max_seeds) if seeds > last]

    def after(self, seeds: int) -> Looks:
        """Return these looks and one more."""
        return replace(self, made=(*self.made, seeds))

    @classmethod
    def read(cls, folder: Path) -> Looks | None:
        """Read looks.json of a folder of results; None without one, UserError for a broken one."""
        path = folder / LOOKS
        if not path.is_file():
            return None
        try:
            content: Any = json.loads(path.read_text(encoding="utf-8"))
            found = cls(content["max_seeds"], tuple(content["made"]))
            steps = (0, *found.made, found.max_seeds)
            if not all(type(step) is int for step in steps):
                raise ValueError("numbers of seeds are whole numbers")
            if not found.made or sorted(set(found.made)) != list(found.made) or steps[-2] > steps[-1]:
                raise ValueError("looks go up, to max_seeds at most")
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: is broken ({error}); restore it from version control") from error
        return found

    def write(self, folder: Path) -> None:
        """Write looks.json, whole or not at all."""
        write_atomically(folder / LOOKS, (json.dumps(asdict(self)) + "\n").encode())


def schedule(first: int, most: int) -> list[int]:
    """Return the seeds at each look, from `first` to `most`; steps are set from the last one back.

    Args:
        first: Seeds at the first look: those that the experiment states.
        most: Seeds at the last look.
    """
    looks = [most]
    while (before := math.ceil(looks[0] / GROWTH)) > first:
        looks.insert(0, before)
    return [first, *looks] if first < most else [most]
