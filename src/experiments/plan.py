"""Runs of an experiment: every arm and seed, each after those whose weights it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganatomy.config.compose import composed
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.config.security.connections import check_connections
from ganatomy.errors import UserError
from ganatomy.experiments.fingerprint import digest, fingerprint
from ganatomy.experiments.pinned import FIXED, Pinned, words_of
from ganatomy.experiments.spec import FILE, RUN, Experiment

QUIET = ("logger=csv", "trainer.threads=1", "callbacks.progress=lines", "callbacks.samples=2")
"""Words of every run, before its own; they change nothing that is learned."""


@dataclass(frozen=True)
class PlannedRun:
    """A run of one arm and seed.

    Attributes:
        arm: Name of the arm.
        seed: Seed.
        words: Overrides for `train`, without the run directory.
        config: Hash of everything that decides the numbers.
        data: Hash of the part of it that decides the data.
        directory: Run directory.
        needs: Runs whose weights it reads, in order.
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
    """Plan all runs of an experiment.

    Args:
        experiment: The experiment at one scale.
        place: Folder of the run directories.
        paths: Overrides such as paths.data=DIR, which decide no number.

    Returns:
        The runs, each after those it needs.

    Raises:
        UserError: The words of an arm do not compose.
    """
    spread = _Spread(experiment, place, tuple(paths))
    for arm in experiment.spec.arms:
        for seed in experiment.seeds:
            spread.make(arm, seed)
    return list(spread.made.values())


def devices(run: PlannedRun) -> int:
    """Return how many devices the processes of a run have."""
    return int(composed(run.words)["trainer"]["devices"])


def try_arms(experiment: Experiment, todo: Sequence[PlannedRun]) -> None:
    """Raise UserError for an arm that `train` would refuse, before the first run begins."""
    for arm, run in {run.arm: run for run in todo}.items():
        try:
            check_connections(composed(run.words, check=True))
        except UserError as error:
            raise wrong(experiment, arm, error) from error


def wrong(experiment: Experiment, arm: str, what: object) -> UserError:
    """Return the error for an arm.

    Args:
        experiment: Experiment of the arm.
        arm: Name of the arm.
        what: What is wrong with it.
    """
    return UserError(f"{experiment.folder / FILE}: arms.{arm}: {what}")


class _Spread:
    def __init__(self, experiment: Experiment, place: Path, paths: tuple[str, ...]) -> None:
        self.experiment, self.place, self.paths = experiment, place, paths
        self.hashes: dict[str, tuple[str, str]] = {}
        self.made: dict[tuple[str, int], PlannedRun] = {}
        self.pinned = Pinned(experiment.folder, list(experiment.spec.arms))
        self.below: dict[str, list[str]] = {}  # words of configuration.yaml for each arm

    def make(self, arm: str, seed: int) -> PlannedRun:
        """Return the run of an arm and seed, made after those it needs."""
        if (arm, seed) in self.made:
            return self.made[arm, seed]
        config, data = self.hash(arm)
        config = digest([config, seed])
        needs = {other: self.make(other, seed) for other in self.needed(arm)}
        words = [RUN.sub(lambda m: str(needs[m[1]].directory), word) for word in self.words(arm)]
        # The name holds the hash, so that a run of older settings is neither resumed nor taken for this one.
        directory = self.place / f"{arm}_seed{seed}_{config[:8]}"
        everything = (*words, *self.paths, f"seed={seed}")
        before = dict.fromkeys(run for other in needs.values() for run in (*other.needs, other))
        run = PlannedRun(arm, seed, everything, config, data, directory, tuple(before))
        self.made[arm, seed] = run
        return run

    def words(self, arm: str) -> list[str]:
        spec = self.experiment.spec
        scale = spec.scales[self.experiment.scale]
        own = [*spec.base, *spec.arms[arm].words, *scale.words, *scale.arms.get(arm, ())]
        if arm not in self.below:
            self.below[arm] = self.pinned.words(arm, own)
        fixed = [word for key, value in FIXED.items() for word in words_of(key, value)]
        return [*fixed, *self.below[arm], *QUIET, *own]

    def needed(self, arm: str) -> list[str]:
        """Return the arms whose runs this arm's words name."""
        known = self.experiment.spec.arms
        found = list(dict.fromkeys(name for word in self.words(arm) for name in RUN.findall(word)))
        for other in found:
            if other not in known:
                raise wrong(
                    self.experiment, arm, f"${{run:{other}}}: no arm is called so{nearest(other, known)}"
                )
        return found

    def hash(self, arm: str, above: tuple[str, ...] = ()) -> tuple[str, str]:
        """Return the hashes of an arm without its seed; `above` are the arms that need this one."""
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
