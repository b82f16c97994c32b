"""Results of a sweep: a table, trials.csv, pictures, and the best configuration as a file for `train`."""

from __future__ import annotations

import statistics
import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ganatomy.config.compose import experiment
from ganatomy.invocation import typed
from ganatomy.metrics.registry import describe
from ganatomy.pictures import sweep as pictures
from ganatomy.runs.directory import HEALTHY, write_atomically
from ganatomy.sweeps.plan import Plan
from ganatomy.sweeps.space import words
from ganatomy.sweeps.study import wanted
from ganatomy.sweeps.workers import says
from ganatomy.text.tables import csv_text

SHOWN = 10
"""Rows of the table on the terminal; trials.csv has all of them."""


def summarise(plan: Plan, study: Study) -> list[Path]:
    """Write the results of the trials that ended; return the files."""
    trials = study.get_trials(deepcopy=False)[: wanted(plan)]
    files = [write_atomically(plan.directory / "trials.csv", _csv(plan, trials).encode())]
    done = _ranked(plan, trials)
    if not done:
        return files
    text = experiment([*plan.train, *words(done[0].params)], _origin(plan, done[0]))
    files.append(write_atomically(plan.directory / "experiment" / "best.yaml", text.encode()))
    label, sign = describe(plan.score.split("/")[1]).heading, _sign(plan)
    ended = [(t.number, _value(t), t.state.name.lower()) for t in trials if t.state.is_finished()]
    drawn = {
        "history": pictures.history(ended, label, sign),
        "parallel": pictures.parallel(
            [t.params for t in done], [float(t.value or 0) for t in done], label, sign
        ),
        "importance": pictures.importance(importance(study, done)),
    }
    for name, picture in drawn.items():
        if picture is not None:
            files.append(write_atomically(plan.directory / f"{name}.png", picture))
    return files


def importance(study: Study, done: list[FrozenTrial]) -> dict[str, float]:
    """Return each parameter's share in what sets the best trials apart.

    PED-ANOVA, Watanabe et al., IJCAI 2023.

    Empty where it cannot be told: fewer than four results, or only one value of everything.
    """
    if len(done) < 4:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            shares = optuna.importance.get_param_importances(study)
        except (ValueError, RuntimeError):
            return {}
    return shares if any(shares.values()) else {}


def show(plan: Plan, study: Study, console: Console) -> None:
    """Print the best trials, and why others failed."""
    trials = study.get_trials(deepcopy=False)[: wanted(plan)]
    done = _ranked(plan, trials)
    shares = importance(study, done)
    table = Table(
        title=f"{plan.study}: {_count(trials)}", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
    )
    table.add_column("trial", justify="right")
    table.add_column(Text(describe(plan.score.split("/")[1]).heading), justify="right")
    names = sorted((p.key for p in plan.space), key=lambda key: -shares.get(key, 0.0))
    for name, short in zip(names, pictures.shorten(names), strict=True):
        head = short.replace(".", ".\n") + (f"\n{shares[name]:.0%}" if name in shares else "")
        table.add_column(head, justify="right")
    for trial in done[:SHOWN]:
        cells = [_short(trial.params[name]) if name in trial.params else "–" for name in names]
        table.add_row(str(trial.number), _score(trial), *cells, style="bold" if trial is done[0] else "")
    if done:
        console.print(table)
    for trial in done[:SHOWN]:
        if (game := trial.user_attrs.get("game", HEALTHY)) != HEALTHY:
            console.print(f"trial {trial.number}: the game failed: {game}", markup=False, soft_wrap=True)
    for trial in trials:
        if trial.state == TrialState.FAIL:
            console.print(f"trial {trial.number} {says(trial, plan.score)}", markup=False, soft_wrap=True)


def _ranked(plan: Plan, trials: list[FrozenTrial]) -> list[FrozenTrial]:
    done = [t for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
    return sorted(done, key=lambda trial: (-_sign(plan) * float(trial.value or 0), trial.number))


def _sign(plan: Plan) -> int:
    return 1 if plan.direction == "maximize" else -1


def _value(trial: FrozenTrial) -> float | None:
    """Return the score of a trial; that of a pruned one is the last it reached."""
    if trial.state == TrialState.PRUNED:
        return trial.intermediate_values.get(trial.last_step or 0)
    return trial.value if trial.state == TrialState.COMPLETE else None


def _count(trials: list[FrozenTrial]) -> str:
    states = [trial.state for trial in trials]
    names = {
        TrialState.COMPLETE: "done",
        TrialState.PRUNED: "pruned",
        TrialState.FAIL: "failed",
        TrialState.RUNNING: "still running elsewhere",
        TrialState.WAITING: "to come",
    }
    return ", ".join(f"{states.count(s)} {name}" for s, name in names.items() if s in states)


def _score(trial: FrozenTrial) -> str:
    scores = trial.user_attrs.get("scores", [])
    spread = f" ± {statistics.stdev(scores):.2g}" if len(scores) > 1 else ""
    return f"{trial.value:.4g}{spread}"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _origin(plan: Plan, best: FrozenTrial) -> str:
    return (
        f"Trial {best.number} of the sweep {plan.study}: {plan.score} {_score(best)} "
        f"(seeds {', '.join(map(str, plan.seeds))}), the best of {plan.trials}.\n"
        f"{again(plan)}"
    )


def again(plan: Plan) -> str:
    """Return the command that trains the best configuration."""
    return f"{typed('train')} --config-dir {near(plan.directory)} experiment=best"


def near(path: Path) -> Path:
    """Return the path relative to the current folder if it lies in it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _csv(plan: Plan, trials: list[FrozenTrial]) -> str:
    """Return trials.csv, a row for each trial; `spread` is the standard deviation over seeds."""
    keys = [parameter.key for parameter in plan.space]
    head = ["trial", "state", "score", "spread", "steps", "seconds", *keys, "game", "error", "run"]
    rows = []
    for trial in trials:
        scores = trial.user_attrs.get("scores", [])
        rows.append(
            {
                "trial": trial.number,
                "state": trial.state.name.lower(),
                "score": "" if _value(trial) is None else repr(_value(trial)),
                "spread": repr(statistics.stdev(scores)) if len(scores) > 1 else "",
                "steps": trial.last_step,
                "seconds": round(trial.duration.total_seconds(), 1) if trial.duration else "",
                **trial.params,
                "game": trial.user_attrs.get("game", ""),
                "error": trial.user_attrs.get("error", ""),
                "run": str(plan.place(trial.number).relative_to(plan.directory)),
            }
        )
    return csv_text(head, rows)
