"""`until=decided`: seeds are added, and looked at, until every claim is decided or hopeless."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from ganatomy.errors import UserError
from ganatomy.experiments.claims.claims import FEWEST, Verdict
from ganatomy.experiments.claims.verdicts import verdicts
from ganatomy.experiments.deciding.power import chance
from ganatomy.experiments.looks import Looks
from ganatomy.experiments.plan import runs
from ganatomy.experiments.results import report
from ganatomy.experiments.results.wording import count
from ganatomy.experiments.run import Request, conclude, train
from ganatomy.experiments.runner import alone
from ganatomy.experiments.spec import FILE, Experiment, read
from ganatomy.metrics.differences.statistics import LEVEL

HOPELESS = 0.1
"""Smallest chance of a decision for which further seeds are trained."""


def run_until(asked: Request, console: Console) -> int:
    """Train the seeds of a look, look, and go on; return the exit code."""
    _begun(asked)  # before anything is written
    with alone(asked.place):
        experiment, looks = _begun(asked)
        stated = experiment.spec.seeds
        planned = replace(experiment, looks=looks)
        every = runs(planned, asked.place, asked.paths)
        ahead = looks.ahead(len(stated))
        chosen = [] if looks.made else [run for run in every if run.seed in stated]
        while True:
            trained = train(experiment, every, chosen, asked, console)
            if trained.outcome.failed or trained.outcome.signum is not None:
                return conclude(experiment, trained, console)
            if chosen:
                looks = looks.after(ahead.pop(0))
                experiment = replace(experiment, looks=looks)
            found = verdicts(experiment, trained.kept)
            hopes = chances(found, looks, ahead)
            console.print(
                f"look {len(looks.made)}, {looks.made[-1]} seeds of at most {looks.max_seeds}: {count(found)}"
            )
            arms = {
                arm
                for hope, verdict in zip(hopes, found, strict=True)
                if hope >= HOPELESS
                for arm in verdict.claim.arms
            }
            if not arms:
                code = conclude(experiment, trained, console)
                _closing(found, hopes, ahead, console)
                return code
            report.write(experiment, trained.kept)
            wanted = planned.seeds[: ahead[0]]
            chosen = [run for run in every if run.seed in wanted and run.arm in arms]


def _begun(asked: Request) -> tuple[Experiment, Looks]:
    """Return the experiment and its looks so far; UserError for a request that it refuses."""
    experiment = read(asked.root, asked.named, asked.scale)
    looks = experiment.looks or Looks(_most(experiment, asked.max_seeds))
    _same_cap(experiment, asked.max_seeds)
    return experiment, looks


def chances(found: Sequence[Verdict], looks: Looks, ahead: Sequence[int]) -> list[float]:
    """Return each claim's chance to be decided at the last look; 0 if it is decided, or none is ahead.

    Args:
        found: Verdicts so far.
        looks: Looks that were made.
        ahead: Seeds at those to be made.
    """
    if not ahead:
        return [0.0] * len(found)
    level = LEVEL * replace(looks, made=(*looks.made, *ahead)).shares()[-1]
    words: list[str] = [verdict.word for verdict in found]
    # Holm's first step among the claims, or their contraries, that are not rejected yet
    levels = tuple(level / max(len(words) - words.count(word), 1) for word in ("supported", "not supported"))
    return [
        chance(verdict.claim, verdict.estimate, ahead[-1], (levels[0], levels[1]))
        if verdict.word == "undecided"
        else 0.0
        for verdict in found
    ]


def _closing(
    found: Sequence[Verdict], hopes: Sequence[float], ahead: Sequence[int], console: Console
) -> None:
    """Say why no seed is added for a claim that is undecided."""
    for verdict, hope in zip(found, hopes, strict=True):
        if verdict.word == "undecided" and ahead:
            console.print(
                f"no further seeds for {verdict.claim}: the chance that {ahead[-1]} decide it is {hope:.0%}",
                soft_wrap=True,
            )


def _most(experiment: Experiment, asked: int | None) -> int:
    """Return the most seeds of looks that begin now; UserError for a number that allows none."""
    stated = len(experiment.spec.seeds)
    if not experiment.claims:
        raise UserError(f"{experiment.folder / FILE}: claims: there is none to decide")
    if stated < FEWEST:
        raise UserError(
            f"{experiment.folder / FILE}: seeds: until=decided begins with {FEWEST} or more; state them"
        )
    if asked is None or asked <= stated:
        why = "is missing" if asked is None else f"{asked} are no more than those stated"
        raise UserError(f"max_seeds: {why}; give the most seeds that an arm may have, such as {3 * stated}")
    return asked


def _same_cap(experiment: Experiment, asked: int | None) -> None:
    """Raise UserError for another cap than the first look's: what each look may spend depends on it."""
    known = experiment.looks
    if known and asked is not None and asked != known.max_seeds:
        raise UserError(
            f"max_seeds: the looks at {experiment.name} began with {known.max_seeds}, and a cap that moves "
            f"with the results does not keep the error; go on with max_seeds={known.max_seeds}"
        )
