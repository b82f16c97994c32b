"""The runs of an experiment: every arm and seed, each after those whose weights it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganatomy.config.compose import composed
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.errors import UserError
from ganatomy.experiments.fingerprint import digest, fingerprint
from ganatomy.experiments.pinned import Pinned
from ganatomy.experiments.spec import FILE, RUN, Experiment

QUIET = ("logger=csv", "trainer.threads=1", "callbacks.progress=lines", "callbacks.samples=2")
"""Of every run, before its own words: nothing that changes what is learned."""


@dataclass(frozen=True)
class PlannedRun:
    """One arm and seed.

    words: what `train` is given, but for its directory. config, data: hashes of what decides its numbers, and
    of the part of that which is data. needs: the runs that it reads from, in order.
    """

    arm: str
    seed: int
    words: tuple[str, ...]
    config: str
    data: str
    directory: Path
    needs: tuple[PlannedRun, ...] = ()

    @property
    def key(self) -> tuple[str, int]:
        return self.arm, self.seed


def runs(experiment: Experiment, place: Path, paths: Sequence[str] = ()) -> list[PlannedRun]:
    """All of them. UserError for an arm whose words do not compose.

    place: the folder of the run directories. paths: words such as paths.data=DIR, which decide no number.
    """
    spread = _Spread(experiment, place, tuple(paths))
    for arm in experiment.sheet.arms:
        for seed in experiment.sheet.seeds:
            spread.make(arm, seed)
    return list(spread.made.values())


def try_arms(experiment: Experiment, todo: Sequence[PlannedRun]) -> None:
    """UserError for an arm that `train` would refuse, before the first run begins."""
    for arm, run in {run.arm: run for run in todo}.items():
        try:
            composed(run.words, check=True)
        except UserError as error:
            raise wrong(experiment, arm, error) from error


def wrong(experiment: Experiment, arm: str, what: object) -> UserError:
    """The line for what is wrong with an arm."""
    return UserError(f"{experiment.folder / FILE}: arms.{arm}: {what}")


class _Spread:
    def __init__(self, experiment: Experiment, place: Path, paths: tuple[str, ...]) -> None:
        self.experiment, self.place, self.paths = experiment, place, paths
        self.hashes: dict[str, tuple[str, str]] = {}
        self.made: dict[tuple[str, int], PlannedRun] = {}
        self.pinned = Pinned(experiment.folder, list(experiment.sheet.arms))
        self.below: dict[str, list[str]] = {}  # what the file says of each arm

    def make(self, arm: str, seed: int) -> PlannedRun:
        """The run, after those it needs."""
        if (arm, seed) in self.made:
            return self.made[arm, seed]
        config, data = self.hash(arm)
        config = digest([config, seed])
        needs = {other: self.make(other, seed) for other in self.needed(arm)}
        words = [RUN.sub(lambda m: str(needs[m[1]].directory), word) for word in self.words(arm)]
        # Named by its settings too, so that a run of older ones is neither taken up nor taken for it.
        directory = self.place / f"{arm}_seed{seed}_{config[:8]}"
        everything = (*words, *self.paths, f"seed={seed}")
        before = dict.fromkeys(run for other in needs.values() for run in (*other.needs, other))
        run = PlannedRun(arm, seed, everything, config, data, directory, tuple(before))
        self.made[arm, seed] = run
        return run

    def words(self, arm: str) -> list[str]:
        sheet = self.experiment.sheet
        scale = sheet.scales[self.experiment.scale]
        own = [*sheet.base, *sheet.arms[arm].words, *scale.words, *scale.arms.get(arm, ())]
        if arm not in self.below:
            self.below[arm] = self.pinned.words(arm, own)
        return [*self.below[arm], *QUIET, *own]

    def needed(self, arm: str) -> list[str]:
        """The arms whose runs this one's words name."""
        known = self.experiment.sheet.arms
        found = list(dict.fromkeys(name for word in self.words(arm) for name in RUN.findall(word)))
        for other in found:
            if other not in known:
                raise wrong(
                    self.experiment, arm, f"${{run:{other}}}: no arm is called so{nearest(other, known)}"
                )
        return found

    def hash(self, arm: str, above: tuple[str, ...] = ()) -> tuple[str, str]:
        """Of the arm whatever the seed; `above` are the arms that need this one."""
        if arm in above:
            raise wrong(self.experiment, arm, f"needs itself, by {' and '.join(above)}")
        if arm not in self.hashes:
            needs = {other: self.hash(other, (*above, arm))[0] for other in self.needed(arm)}
            try:
                words = [RUN.sub(lambda m: needs[m[1]], word) for word in self.words(arm)]
                self.hashes[arm] = fingerprint(words)
            except UserError as error:
                raise wrong(self.experiment, arm, error) from error
        return self.hashes[arm]
