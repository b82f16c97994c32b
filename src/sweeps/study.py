"""The study on its storage: samplers and pruners by name, and a slot for every trial."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study

from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.config.targets import check_arguments
from ganatomy.errors import UserError
from ganatomy.invocation import redacted
from ganatomy.sweeps.plan import Plan
from ganatomy.sweeps.space import grid

SAMPLERS: dict[str, type[BaseSampler]] = {
    "tpe": optuna.samplers.TPESampler,
    "random": optuna.samplers.RandomSampler,
    "gp": optuna.samplers.GPSampler,
    "grid": optuna.samplers.RandomSampler,  # the points stand in the slots, nothing is left to draw
}
PRUNERS: dict[str, type[BasePruner]] = {
    "median": optuna.pruners.MedianPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
    "halving": optuna.pruners.SuccessiveHalvingPruner,
    "none": optuna.pruners.NopPruner,
}


def open_storage(plan: Plan) -> BaseStorage:
    """Open the journal file in the sweep's directory, or the database that a URL names."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    plan.directory.mkdir(parents=True, exist_ok=True)
    if plan.storage is None or plan.storage.endswith(".log"):
        from ganatomy.sweeps.journal import CheckedJournal

        path = Path(plan.storage) if plan.storage else plan.directory / "journal.log"
        return optuna.storages.JournalStorage(CheckedJournal(path))
    return _database(plan.storage)


def _database(url: str, tries: int = 3) -> BaseStorage:
    """Open a database; try again, as of two machines that make the tables at one moment one fails."""
    arguments = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {"pool_pre_ping": True}
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=arguments)
    except ImportError as error:
        raise UserError(f"storage: {error}; {_driver(url)}") from error
    except Exception as error:
        if not type(error).__module__.startswith("sqlalchemy"):  # Optuna's dependency, not ours
            raise
        if tries > 1 and type(error).__name__ != "ArgumentError":
            time.sleep(1)
            return _database(url, tries - 1)
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise UserError(f"storage: cannot be opened ({redacted(reason)})") from error


def _driver(url: str) -> str:
    """Return how to get the package that a URL's database needs."""
    kind = url.partition(":")[0]
    if kind == "postgresql+psycopg":
        return "pip install 'ganatomy[postgres]'"
    if kind.startswith("postgres"):
        return "write postgresql+psycopg://..., whose driver pip install 'ganatomy[postgres]' brings"
    return (
        f"install the driver of {kind}, or write sqlite:///FILE, postgresql+psycopg://... or a file FILE.log"
    )


def begun(plan: Plan) -> bool:
    """Return True if the storage has a study of that name; its space was checked then."""
    if plan.storage is None and not (plan.directory / "journal.log").exists():
        return False
    return plan.study in optuna.get_all_study_names(open_storage(plan))


def open_study(plan: Plan, storage: BaseStorage, number: int = 0) -> Study:
    """Load the study for the worker of trial `number`; draws depend on the seed and that number alone."""
    return optuna.load_study(
        study_name=plan.study, storage=storage, sampler=_sampler(plan, number), pruner=_pruner(plan)
    )


def prepare(plan: Plan) -> Study:
    """Make the study or find it again, and a slot for each trial: a waiting trial, whose number is its own.

    Slots beyond those asked for (two machines began at one moment) wait for ever.
    """
    _sampler(plan, 0), _pruner(plan)  # a wrong argument ends it before anything is written
    storage = open_storage(plan)
    study = optuna.create_study(
        study_name=plan.study, storage=storage, directions=plan.directions(), load_if_exists=True
    )
    identity = json.dumps(plan.identity(), default=str, sort_keys=True)
    known = study.user_attrs.get("plan")
    if known is None:
        study.set_user_attr("plan", identity)
    elif known != identity:
        _refuse(plan, json.loads(known), json.loads(identity))
    points = grid(list(plan.space)) if plan.sampler["name"] == "grid" else None
    for index in range(len(study.get_trials(deepcopy=False)), wanted(plan)):
        study.enqueue_trial(points[_spread(index, len(points))] if points else {})
    return open_study(plan, storage)


def wanted(plan: Plan) -> int:
    """Return how many results the sweep shall have."""
    points = len(grid(list(plan.space))) if plan.sampler["name"] == "grid" else plan.trials
    return min(plan.trials, points)


def _spread(index: int, count: int) -> int:
    """Return a grid point's index in random order, so that part of the grid covers all axes."""
    return int(np.random.default_rng(0).permutation(count)[index])


def _refuse(plan: Plan, known: dict[str, Any], now: dict[str, Any]) -> None:
    key = next(key for key in now if known.get(key) != now[key])
    detail = key
    if key == "space":
        names = sorted({*known[key], *now[key]})
        detail = next(name for name in names if known[key].get(name) != now[key].get(name))
        detail = f"space.{detail}"
    raise UserError(
        f"study: {plan.study} was begun with another {detail}, and its scores would not compare; "
        "take another name (study=...)"
    )


def _sampler(plan: Plan, number: int) -> BaseSampler:
    arguments = {"seed": 0} | plan.sampler
    cls: Any = _class(arguments, SAMPLERS, "sampler")
    seed = int(np.random.SeedSequence([arguments.pop("seed"), number]).generate_state(1)[0])
    sampler: BaseSampler = cls(seed=seed, **arguments)
    return sampler


def _pruner(plan: Plan) -> BasePruner:
    arguments = dict(plan.pruner)
    cls = _class(arguments, PRUNERS, "pruner")
    if cls is optuna.pruners.HyperbandPruner:  # resources are steps
        steps = {"min_resource": min(plan.val_every, plan.max_steps), "max_resource": plan.max_steps}
        arguments = steps | arguments
    pruner: BasePruner = cls(**arguments)
    return pruner


def _class(arguments: dict[str, Any], names: dict[str, Any], path: str) -> Any:
    """Take the name out of `arguments` and check the rest against its class."""
    name = arguments.pop("name")
    if name not in names:
        raise UserError(f"{path}.name: no such choice {name!r}{nearest(str(name), names)}")
    given = {key: value for key, value in arguments.items() if key != "seed"}
    check_arguments(names[name], given, path)
    return names[name]


def settled(study: Study, count: int) -> bool:
    """Return True if each of the first `count` trials has ended."""
    trials = study.get_trials(deepcopy=False)
    return len(trials) >= count and all(t.state.is_finished() for t in trials[:count])
