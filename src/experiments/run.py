"""An experiment from the request on the command line to its results."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt
from rich.console import Console

from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.config.schema import PathsConfig
from ganatomy.config.section import Section
from ganatomy.errors import UserError
from ganatomy.experiments import store
from ganatomy.experiments.disk import RunDisk
from ganatomy.experiments.plan import PlannedRun, runs, try_arms
from ganatomy.experiments.results import report
from ganatomy.experiments.results.behind import behind_lines
from ganatomy.experiments.results.lines import says, show
from ganatomy.experiments.runner import Outcome, Runner, alone, missing, same_data
from ganatomy.experiments.spec import Experiment, read
from ganatomy.experiments.store import Key, Result, collect, done, load, valid
from ganatomy.invocation import PROGRAM
from ganatomy.launch.warm import launch_words
from ganatomy.runs.checkpoints.thinning import Keep

LIST, CHECK, ARCHIVE = "list", "check", "archive"
"""Words that may stand in place of an experiment's name."""


class Keys(Section):
    """Keys of conf/experiment.yaml."""

    named: str
    of: str | None
    folder: str
    scale: str
    arms: list[str] | None
    seeds: list[Annotated[int, Field(ge=0)]] | None
    jobs: PositiveInt
    keep: Keep
    verify: bool
    pin: bool
    plan: bool
    minutes: PositiveFloat | None
    until: Literal["decided"] | None
    max_seeds: PositiveInt | None
    launch: str | None
    patience: PositiveFloat
    output: str | None
    weights: bool
    licence: str | None
    paths: PathsConfig
    debug: bool


@dataclass(frozen=True)
class Request:
    """Request of the command line."""

    named: str
    of: str | None
    root: Path
    scale: str
    arms: list[str] | None
    seeds: list[int] | None
    jobs: int
    keep: Keep
    verify: bool
    pin: bool
    plan: bool
    minutes: float | None
    until: bool
    max_seeds: int | None
    launch: tuple[str, ...]
    warm: bool
    patience: float
    output: str | None
    weights: bool
    licence: str | None
    runs: Path
    paths: tuple[str, ...]

    @property
    def place(self) -> Path:
        """Folder of the run directories."""
        return self.runs / self.named / self.scale

    def chosen(self, experiment: Experiment, every: Sequence[PlannedRun]) -> list[PlannedRun]:
        """Return the requested runs; UserError for an arm or a seed that the experiment does not have."""
        for arm in self.arms or ():
            if arm not in experiment.spec.arms:
                raise UserError(
                    f"arms: {experiment.name} has no arm {arm}{nearest(arm, experiment.spec.arms)}"
                )
        for seed in self.seeds or ():
            if seed not in experiment.seeds:
                known = ", ".join(map(str, experiment.seeds))
                raise UserError(f"seeds: {experiment.name} has no seed {seed}; choose from {known}")
        seeds = experiment.spec.seeds if self.seeds is None else self.seeds
        return [run for run in every if run.seed in seeds and (self.arms is None or run.arm in self.arms)]


def read_request(plain: Mapping[str, Any]) -> Request:
    """Check the keys of the command."""
    keys = Keys.from_plain(plain)
    _check(keys)
    launch, warm = launch_words(keys.launch)
    paths = {key: str(Path(value).absolute()) for key, value in keys.paths.to_plain().items()}
    return Request(
        named=keys.named,
        of=keys.of,
        root=Path(keys.folder),
        scale=keys.scale,
        arms=keys.arms,
        seeds=keys.seeds,
        jobs=keys.jobs,
        keep=keys.keep,
        verify=keys.verify,
        pin=keys.pin,
        plan=keys.plan,
        minutes=keys.minutes,
        until=keys.until is not None,
        max_seeds=keys.max_seeds,
        launch=launch,
        warm=warm,
        patience=keys.patience,
        output=keys.output,
        weights=keys.weights,
        licence=keys.licence,
        runs=Path(paths["runs"]) / "experiments",
        paths=tuple(f"paths.{key}={paths[key]}" for key in ("data", "cache")),
    )


def _check(keys: Keys) -> None:
    """Check keys against each other."""
    deeds = [key for key in ("plan", "until", "verify", "pin") if getattr(keys, key)]
    if len(deeds) > 1:
        raise UserError(f"{deeds[1]}: is another deed than {deeds[0]}; give one of them")
    if keys.minutes is not None and not keys.plan:
        raise UserError("minutes: are those of a plan; add plan=true")
    if keys.max_seeds is not None and not keys.until:
        raise UserError("max_seeds: is the cap of until=decided; add that")
    if keys.until and (keys.arms is not None or keys.seeds is not None):
        raise UserError(
            "until: looks at all claims, and chooses arms and seeds itself; leave out arms and seeds"
        )
    if keys.of is not None and keys.named not in (ARCHIVE, CHECK):
        raise UserError(f"of={keys.of}: goes with {ARCHIVE} and {CHECK}, not with {keys.named}; leave it out")
    if keys.named == ARCHIVE and keys.of is None:
        raise UserError(f"{ARCHIVE}: which experiment? {PROGRAM} experiment {ARCHIVE} NAME")
    if keys.named != ARCHIVE and (keys.output or keys.licence or not keys.weights):
        raise UserError(f"output, weights, licence: are of an archive; {PROGRAM} experiment {ARCHIVE} NAME")
    if keys.named in (ARCHIVE, CHECK, LIST) and deeds:
        raise UserError(f"{deeds[0]}: is another deed than {keys.named}; give one of them")


@dataclass(frozen=True)
class Trained:
    """Runs that are kept now, how their training ended, and what they take on the disk."""

    kept: dict[Key, Result]
    outcome: Outcome
    disk: str


def run_experiment(asked: Request, console: Console) -> int:
    """Run what is missing and write the results; return the exit code."""
    asked.chosen(*_read(asked))  # what is wrong is said before anything is written
    with alone(asked.place):  # before the results are read: another command may be adding to them
        experiment, every = _read(asked)
        trained = train(experiment, every, asked.chosen(experiment, every), asked, console)
        return conclude(experiment, trained, console)


def _read(asked: Request) -> tuple[Experiment, list[PlannedRun]]:
    experiment = read(asked.root, asked.named, asked.scale)
    return experiment, runs(experiment, asked.place, asked.paths)


def train(
    experiment: Experiment,
    every: Sequence[PlannedRun],
    chosen: Sequence[PlannedRun],
    asked: Request,
    console: Console,
) -> Trained:
    """Find what is missing of the chosen runs and run it.

    Args:
        experiment: The experiment at one scale.
        every: All of its runs.
        chosen: Those to have afterwards.
        asked: Request of the command line.
        console: Console for the lines.
    """
    kept = valid(load(experiment), every, experiment)
    for run in every:  # trained, but the command was killed before its line was written
        if run.key not in kept and done(run.directory):
            kept[run.key] = collect(run, experiment)
    known: dict[str, str] = {}
    for run in every:
        if run.key in kept:
            same_data(known, run, kept[run.key].line["data"])
    wanted = {run.key for run in chosen} | {other.key for run in chosen for other in run.needs}
    todo = [run for run in missing(every, kept) if run.key in wanted]
    try_arms(experiment, todo)
    stated = {run.key for run in every if run.seed in experiment.spec.seeds}
    total = len(stated | wanted | kept.keys())
    disk = RunDisk(every, todo, asked.jobs, asked.keep, asked.place)
    if kept and todo:
        console.print(f"{experiment.name}: going on after {len(kept)} of {total} runs")
        for line in disk.forecast():
            console.print(line, soft_wrap=True)

    def keep(run: PlannedRun) -> str:
        kept[run.key] = collect(run, experiment)
        if len(kept) < total:  # so that nothing is lost when this command is killed
            store.save(experiment, kept)
        disk.ended(run)
        for line in disk.forecast():
            runner.console.print(line, soft_wrap=True)
        return says(experiment, kept[run.key])

    runner = Runner(asked.launch, asked.jobs, asked.patience, known, keep, asked.warm)
    return Trained(kept, runner.work(todo, total), disk.closing())


def conclude(experiment: Experiment, trained: Trained, console: Console) -> int:
    """Write the results, say what came out and what failed, and return the exit code."""
    kept, outcome = trained.kept, trained.outcome
    if kept:
        show(experiment, report.write(experiment, kept), behind_lines(experiment, kept), console)
    if trained.disk:
        console.print(trained.disk)
    for line in outcome.failed:
        sys.stderr.write(f"error: {line}\n")
    if outcome.signum is not None:
        console.print("stopped; start the same command again to go on")
        return 128 + outcome.signum
    return 1 if outcome.failed else 0
