"""Repeat a kept run and compare the scores."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from ganatomy.errors import UserError
from ganatomy.experiments.plan import runs, try_arms
from ganatomy.experiments.run import Request
from ganatomy.experiments.runner import Runner
from ganatomy.experiments.spec import Experiment, read
from ganatomy.experiments.store import Result, collect, load, valid

ALIKE = ("device", "threads", "torch", "python")
"""With these the same, a run gives the same bits."""


def verify(asked: Request, console: Console) -> int:
    """Repeat the first run asked for in a temporary folder; return exit code 1 if a score disagrees."""
    experiment = read(asked.root, asked.named, asked.scale)
    with tempfile.TemporaryDirectory(prefix="experiment-", dir=_made(asked.place)) as folder:
        every = runs(experiment, Path(folder), asked.paths)
        kept = valid(load(experiment), every, experiment)
        chosen = [run for run in asked.chosen(experiment, every) if run.key in kept]
        if not chosen:
            raise UserError(
                f"verify: {experiment.name} keeps no such run; train it first, without verify=true"
            )
        run = replace(chosen[0], directory=Path(folder) / "again")
        known = kept[run.key]
        data = {run.data: known.line["data"]}
        todo = [*run.needs, run]
        try_arms(experiment, todo)
        outcome = Runner(asked.launch, asked.jobs, asked.patience, data, lambda _: "done", asked.warm).work(
            todo, len(todo)
        )
        if outcome.signum is not None:
            return 128 + outcome.signum
        if outcome.failed:
            raise UserError("verify: " + outcome.failed[0])
        again = collect(run, experiment)
    lines = compare(experiment, known, again)
    for line, _ in lines:
        console.print(f"{run.arm} seed {run.seed}: {line}", markup=False, soft_wrap=True)
    return 0 if all(good for _, good in lines) else 1


def compare(experiment: Experiment, known: Result, again: Result) -> list[tuple[str, bool]]:
    """Compare two results of a run.

    Scores must be equal on the same kind of machine, else within their tolerance. A score that a clock
    measures is always held to its tolerance; without one it is not compared.

    Args:
        experiment: Experiment that names scores and tolerances.
        known: Kept result.
        again: Result of the repeated run.

    Returns:
        For each score a line, and True if it agrees.
    """
    spec, same = experiment.spec, all(known.line[key] == again.line[key] for key in ALIKE)
    lines = []
    for name in experiment.scores:
        if not known.line.get(name):
            continue
        clocked = name in spec.clocked
        within = 0.0 if same and not clocked else spec.tolerance.get(name)
        gap = abs(known.score(name) - again.score(name))
        text = f"{name}: {again.score(name):.10g}, kept {known.score(name):.10g}"
        if within is None:
            lines.append(
                (f"{text}: not compared, as no tolerance is stated{_why(known.line, again.line)}", True)
            )
        elif gap <= within or (gap != gap and known.score(name) != known.score(name) != again.score(name)):
            lines.append((f"{text}: {'equal' if not gap else f'within {within:g}'}", True))
        else:
            lines.append((f"{text}: differs by {gap:.3g}, allowed {within:g}", False))
    return lines


def _why(known: Mapping[str, str], again: Mapping[str, str]) -> str:
    other = [f"{key} {again[key]} for {known[key]}" for key in ALIKE if known[key] != again[key]]
    return f" ({', '.join(other)})" if other else ""


def _made(place: Path) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    return place
