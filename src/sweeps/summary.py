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
from ganatomy.sweeps.objectives import heading
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
    for trial, name in [(done[0], "best"), *((t, f"front_{t.number}") for t in front(plan, done))]:
        text = experiment([*plan.train, *words(trial.params)], _origin(plan, trial))
        files.append(write_atomically(plan.directory / "experiment" / f"{name}.yaml", text.encode()))
    label, sign = describe(plan.score.split("/")[1]).heading, _sign(plan)
    ended = [(t.number, _value(t), t.state.name.lower()) for t in trials if t.state.is_finished()]
    drawn = {
        "history": pictures.history(ended, label, sign),
        "parallel": pictures.parallel([t.params for t in done], [t.values[0] for t in done], label, sign),
        "importance": pictures.importance(importance(study, done)),
    }
    if plan.second:
        best = {t.number for t in front(plan, done)}
        points = [(t.values[0], t.values[1], t.number in best) for t in done]
        drawn["front"] = pictures.front(points, label, heading(plan.second))
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
            shares = optuna.importance.get_param_importances(study, target=_first)
        except (ValueError, RuntimeError):
            return {}
    return shares if any(shares.values()) else {}


def _first(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def front(plan: Plan, done: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that no other one beats in one objective without losing in the other.

    Empty for one objective.
    """
    if not plan.second:
        return []
    signs = [1 if direction == "maximize" else -1 for direction in plan.directions()]
    better = {t.number: [sign * value for sign, value in zip(signs, t.values, strict=True)] for t in done}

    def beaten(number: int) -> bool:
        own = better[number]
        return any(
            other != own and all(a >= b for a, b in zip(other, own, strict=True)) for other in better.values()
        )

    return [t for t in done if not beaten(t.number)]


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
    if plan.second:
        table.add_column(Text(heading(plan.second)), justify="right")
    names = sorted((p.key for p in plan.space), key=lambda key: -shares.get(key, 0.0))
    for name, short in zip(names, pictures.shorten(names), strict=True):
        head = short.replace(".", ".\n") + (f"\n{shares[name]:.0%}" if name in shares else "")
        table.add_column(head, justify="right")
    on_front = front(plan, done)
    for trial in (on_front + [t for t in done if t not in on_front])[:SHOWN]:
        cells = [_short(trial.params[name]) if name in trial.params else "–" for name in names]
        second = [f"{trial.values[1]:.4g}"] if plan.second else []
        bold = trial in on_front if plan.second else trial is done[0]
        table.add_row(str(trial.number), _score(trial), *second, *cells, style="bold" if bold else "")
    if done:
        console.print(table)
    for trial in done[:SHOWN]:
        if (game := trial.user_attrs.get("game", HEALTHY)) != HEALTHY:
            console.print(f"trial {trial.number}: the game failed: {game}", markup=False, soft_wrap=True)
    for trial in trials:
        if trial.state == TrialState.FAIL:
            console.print(f"trial {trial.number} {says(trial, plan)}", markup=False, soft_wrap=True)


def _ranked(plan: Plan, trials: list[FrozenTrial]) -> list[FrozenTrial]:
    done = [t for t in trials if t.state == TrialState.COMPLETE and t.values]
    return sorted(done, key=lambda trial: (-_sign(plan) * trial.values[0], trial.number))


def _sign(plan: Plan) -> int:
    return 1 if plan.direction == "maximize" else -1


def _value(trial: FrozenTrial) -> float | None:
    """Return the score of a trial; that of a pruned one is the last it reached."""
    if trial.state == TrialState.PRUNED:
        return trial.intermediate_values.get(trial.last_step or 0)
    return trial.values[0] if trial.state == TrialState.COMPLETE else None


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
    return f"{trial.values[0]:.4g}{spread}"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _origin(plan: Plan, best: FrozenTrial) -> str:
    of = f"{plan.second} {best.values[1]:.4g}, on the front of" if plan.second else "the best of"
    return (
        f"Trial {best.number} of the sweep {plan.study}: {plan.score} {_score(best)} "
        f"(seeds {', '.join(map(str, plan.seeds))}), {of} {plan.trials}.\n"
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
    more = ["second", "front"] if plan.second else []
    head = ["trial", "state", "score", "spread", *more, "steps", "seconds", *keys, "game", "error", "run"]
    best = {t.number for t in front(plan, _ranked(plan, trials))} if plan.second else set()
    rows = []
    for trial in trials:
        scores = trial.user_attrs.get("scores", [])
        second = repr(trial.values[1]) if plan.second and trial.values else ""
        rows.append(
            {
                **({"second": second, "front": int(trial.number in best)} if plan.second else {}),
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
