"""The runs of an experiment: every arm and seed, each after those whose weights it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.core.compose import composed
from src.core.names import nearest
from src.errors import UserError
from src.experiments.fingerprint import fingerprint
from src.experiments.sheet import FILE, RUN, Experiment

QUIET = ("logger=csv", "trainer.threads=1", "callbacks.progress=lines", "callbacks.samples=2")
"""Of every run, before its own words: nothing that changes what is learned."""


@dataclass(frozen=True)
class Run:
    """One arm and seed.

    words: what `train` is given, but for its directory. config, data: hashes of what decides its numbers, and
    of the part of that which is data. needs: the runs that it reads from.
    """

    arm: str
    seed: int
    words: tuple[str, ...]
    config: str
    data: str
    directory: Path
    needs: tuple[Run, ...] = ()

    @property
    def key(self) -> tuple[str, int]:
        return self.arm, self.seed


def runs(experiment: Experiment, place: Path, paths: Sequence[str] = (), check: bool = True) -> list[Run]:
    """All of them. UserError for an arm that does not compose, or that `train` would refuse (`check`).

    place: the folder of the run directories. paths: words such as paths.data=DIR, which decide no number.
    """
    spread = _Spread(experiment, place, tuple(paths))
    for arm in experiment.sheet.arms:
        for seed in experiment.sheet.seeds:
            spread.make(arm, seed)
        words = spread.made[arm, experiment.sheet.seeds[0]].words
        try:
            if check:
                composed(words, check=True)
        except UserError as error:
            raise spread.wrong(arm, error) from error
    return list(spread.made.values())


class _Spread:
    def __init__(self, experiment: Experiment, place: Path, paths: tuple[str, ...]) -> None:
        self.experiment, self.place, self.paths = experiment, place, paths
        self.made: dict[tuple[str, int], Run] = {}

    def make(self, arm: str, seed: int, above: tuple[str, ...] = ()) -> Run:
        """The run, after those it needs; `above` are the arms that need this one."""
        if (arm, seed) in self.made:
            return self.made[arm, seed]
        if arm in above:
            raise self.wrong(arm, f"needs itself, by {' and '.join(above)}")
        sheet = self.experiment.sheet
        own = [*QUIET, *sheet.base, *sheet.arms[arm].words, *sheet.scales[self.experiment.scale].words]
        needs: dict[str, Run] = {}
        for other in dict.fromkeys(name for word in own for name in RUN.findall(word)):
            if other not in sheet.arms:
                raise self.wrong(arm, f"${{run:{other}}}: no arm is called so{nearest(other, sheet.arms)}")
            needs[other] = self.make(other, seed, (*above, arm))
        seeded = [*own, f"seed={seed}"]
        try:
            config, data = fingerprint([RUN.sub(lambda m: needs[m[1]].config, word) for word in seeded])
        except UserError as error:
            raise self.wrong(arm, error) from error
        words = [RUN.sub(lambda m: str(needs[m[1]].directory), word) for word in seeded]
        # Named by its settings too, so that a run of older ones is neither taken up nor taken for it.
        directory = self.place / f"{arm}_seed{seed}_{config[:8]}"
        run = Run(arm, seed, (*words, *self.paths), config, data, directory, tuple(needs.values()))
        self.made[arm, seed] = run
        return run

    def wrong(self, arm: str, what: object) -> UserError:
        return UserError(f"{self.experiment.folder / FILE}: arms.{arm}: {what}")
