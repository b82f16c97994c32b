"""An experiment from what was asked to what was found."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PositiveFloat, PositiveInt
from rich.console import Console
from rich.markup import escape

from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.config.schema import PathsConfig
from ganatomy.config.section import Section
from ganatomy.errors import UserError
from ganatomy.experiments import store
from ganatomy.experiments.claims.claims import Verdict
from ganatomy.experiments.plan import PlannedRun, runs, try_arms
from ganatomy.experiments.results import report
from ganatomy.experiments.results.wording import count, finding, number, score_kind
from ganatomy.experiments.runner import Crew, alone, missing, same_data
from ganatomy.experiments.spec import Experiment, read
from ganatomy.experiments.store import Key, Result, collect, done, load, valid
from ganatomy.invocation import child_command


class Keys(Section):
    """conf/experiment.yaml."""

    named: str
    folder: str
    scale: str
    arms: list[str] | None
    seeds: list[Annotated[int, Field(ge=0)]] | None
    jobs: PositiveInt
    verify: bool
    pin: bool
    launch: str | None
    patience: PositiveFloat
    paths: PathsConfig
    debug: bool


@dataclass(frozen=True)
class Request:
    """What the command line asks for."""

    named: str
    root: Path
    scale: str
    arms: list[str] | None
    seeds: list[int] | None
    jobs: int
    verify: bool
    pin: bool
    launch: tuple[str, ...]
    patience: float
    place: Path
    paths: tuple[str, ...]

    def chosen(self, experiment: Experiment, every: Sequence[PlannedRun]) -> list[PlannedRun]:
        """The runs asked for. UserError for an arm or a seed that the experiment does not have."""
        for arm in self.arms or ():
            if arm not in experiment.sheet.arms:
                raise UserError(
                    f"arms: {experiment.name} has no arm {arm}{nearest(arm, experiment.sheet.arms)}"
                )
        for seed in self.seeds or ():
            if seed not in experiment.sheet.seeds:
                known = ", ".join(map(str, experiment.sheet.seeds))
                raise UserError(f"seeds: {experiment.name} has no seed {seed}; choose from {known}")
        return [
            run
            for run in every
            if (self.arms is None or run.arm in self.arms) and (self.seeds is None or run.seed in self.seeds)
        ]


def read_request(plain: Mapping[str, Any]) -> Request:
    """The checked keys of the command."""
    keys = Keys.from_plain(plain)
    paths = {key: str(Path(value).absolute()) for key, value in keys.paths.to_plain().items()}
    return Request(
        named=keys.named,
        root=Path(keys.folder),
        scale=keys.scale,
        arms=keys.arms,
        seeds=keys.seeds,
        jobs=keys.jobs,
        verify=keys.verify,
        pin=keys.pin,
        launch=tuple(shlex.split(keys.launch) if keys.launch else child_command("train")),
        patience=keys.patience,
        place=Path(paths["runs"]) / "experiments" / keys.named / keys.scale,
        paths=tuple(f"paths.{key}={paths[key]}" for key in ("data", "cache")),
    )


def run_experiment(asked: Request, console: Console) -> int:
    """Run what is missing and write what all runs say; the value is the exit code."""
    experiment = read(asked.root, asked.named, asked.scale)
    every = runs(experiment, asked.place, asked.paths)
    chosen = asked.chosen(experiment, every)
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
    with alone(asked.place):
        return _carry_out(experiment, kept, todo, known, len(every), asked, console)


def _carry_out(
    experiment: Experiment,
    kept: dict[Key, Result],
    todo: Sequence[PlannedRun],
    known: dict[str, str],
    total: int,
    asked: Request,
    console: Console,
) -> int:
    if kept and todo:
        console.print(f"{experiment.name}: going on after {len(kept)} of {total} runs")

    def told(run: PlannedRun) -> str:
        kept[run.key] = collect(run, experiment)
        if len(kept) < total:  # so that nothing is lost when this command is killed
            store.save(experiment, kept)
        return says(experiment, kept[run.key])

    outcome = Crew(asked.launch, asked.jobs, asked.patience, known, told).work(todo, total)
    if kept:
        show(experiment, report.write(experiment, kept), console)
    for line in outcome.failed:
        sys.stderr.write(f"error: {line}\n")
    if outcome.signum is not None:
        console.print("stopped; start the same command again to go on")
        return 128 + outcome.signum
    return 1 if outcome.failed else 0


def says(experiment: Experiment, result: Result) -> str:
    """The scores of a run in a line."""
    told = []
    for name in experiment.sheet.scores:
        kind = score_kind(experiment, name)
        told.append(f"{kind.label} {number(result.score(name), kind.decimals)}")
    seconds = result.line.get("seconds")
    return ", ".join(told) + (f" ({seconds} s)" if seconds else "")


def show(experiment: Experiment, verdicts: Sequence[Verdict], console: Console) -> None:
    """Each claim's outcome, and where the table is."""
    for verdict in verdicts:
        console.print(escape(finding(experiment, verdict)), soft_wrap=True)
    console.print(
        f"{experiment.name}: {count(verdicts)}; {experiment.results / report.TABLE}", soft_wrap=True
    )
