"""Plan of a sweep: its space, the overrides all trials share, how it searches and where it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from ganatomy.config.compose import composed, known_key, parsed
from ganatomy.config.mistakes.keys import search_path
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.config.schema import PathsConfig
from ganatomy.config.section import Section
from ganatomy.config.security.connections import check_connections, check_space
from ganatomy.config.security.elsewhere import check_hydra
from ganatomy.config.targets import build
from ganatomy.config.translate import announce, word_of_today, words_of_today
from ganatomy.config.versions import key_of_today
from ganatomy.errors import UserError
from ganatomy.launch.warm import launch_words
from ganatomy.metrics.registry import describe, register
from ganatomy.runs.checkpoints.thinning import Keep
from ganatomy.sweeps.objectives import OBJECTIVES
from ganatomy.sweeps.space import Parameter, Values, probes, read_space, words

OURS = ("seed", "run_dir", "resume", "name", "paths.runs", "hydra.run.dir")
"""Keys of a run that the sweep sets for each trial."""


class Named(Section):
    """A sampler or a pruner by name, with the arguments of its class."""

    model_config = Section.model_config | {"extra": "allow"}
    name: str


class Sweep(Section):
    """conf/sweep.yaml."""

    paths: PathsConfig
    study: Annotated[str, Field(pattern=r"^[\w.=+-]+$")]
    directory: str
    storage: str | None
    trials: PositiveInt
    jobs: PositiveInt
    keep: Keep
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**32)]], Field(min_length=1)]
    direction: Literal["maximize", "minimize"] | None
    second: str | None
    sampler: Named
    pruner: Named
    train: list[str]
    launch: str | None
    heartbeat: PositiveFloat
    patience: PositiveFloat
    space: dict[str, Any]
    debug: bool


@dataclass(frozen=True)
class Plan:
    """Checked sweep; it is sent to the worker processes."""

    study: str
    directory: Path
    storage: str | None
    trials: int
    jobs: int
    keep: Keep
    seeds: tuple[int, ...]
    direction: Literal["maximize", "minimize"]
    score: str
    second: str | None
    second_direction: Literal["maximize", "minimize"]
    sampler: dict[str, Any]
    pruner: dict[str, Any]
    train: tuple[str, ...]
    folders: tuple[str, ...]
    launch: tuple[str, ...]
    warm: bool
    heartbeat: float
    patience: float
    max_steps: int
    val_every: int
    devices: int
    space: tuple[Parameter, ...]

    def words(self, values: Values) -> list[str]:
        """Return the words that start a run of these values, without its seed and its directory."""
        own = [word_of_today(word) for word in [*self.train, *words(values)]]
        return [*own, *search_path(self.folders)]

    def place(self, number: int) -> Path:
        """Return the folder of a trial, which holds a run directory for each seed."""
        return self.directory / "trials" / f"{number:04d}"

    def identity(self) -> dict[str, Any]:
        """Return what must not change during a study, as its scores would no longer compare."""
        space = {p.key: f"{p.over} {dict(p.when) or ''}".strip() for p in self.space}
        kept = ("seeds", "direction", "score", "train", *(["second"] if self.second else []))
        return {key: value for key, value in asdict(self).items() if key in kept} | {"space": space}

    def directions(self) -> list[Literal["maximize", "minimize"]]:
        """Return which way is better, for each objective."""
        return [self.direction, *([self.second_direction] if self.second else [])]


def _check_words(train: Sequence[str], given: Sequence[str], folders: Sequence[str]) -> None:
    """Announce renamed keys; raise UserError for unknown keys and for those that the sweep sets itself."""
    try:
        announce(words_of_today(train)[1])
    except UserError as error:
        raise UserError(f"train: {error}") from error
    announce(words_of_today(given)[1])
    tops = [*composed([], folders), *Sweep.model_fields, "experiment"]
    for top in (override.key_or_group.split(".")[0] for override in parsed(list(map(word_of_today, given)))):
        if top not in tops:
            raise UserError(f"{top}: no such key{nearest(top, tops)}")
    for override in parsed([*train, *given]):
        if override.key_or_group in OURS:
            hint = "; give seeds=[...]" if override.key_or_group == "seed" else ""
            raise UserError(f"{override.key_or_group}: is set by the sweep for each trial{hint}")


def read_plan(cfg: Mapping[str, Any], given: Sequence[str], folders: Sequence[str]) -> Plan:
    """Check a sweep.

    Args:
        cfg: conf/sweep.yaml, composed.
        given: Overrides for `train` on the command line.
        folders: Folders with configuration files of the user's own.

    Returns:
        The plan.

    Raises:
        UserError: One line for the first mistake.
    """
    if not cfg["space"]:
        raise UserError("space: is empty; choose one with +sweep=NAME (see --help)")
    asked = Sweep.from_plain(cfg)
    shared = [*asked.train, *given]
    _check_words(asked.train, given, folders)
    check_hydra([*asked.train, *map(str, asked.space)])
    space = read_space(asked.space)
    plain = composed([word_of_today(word) for word in shared], folders)
    check_connections(plain, given)
    check_space(asked.space)
    score = plain["task"]["monitor"]
    for metric in build(plain["task"].get("metrics") or [], "task.metrics"):
        register(metric)
    better = describe(score.split("/")[1]).sign
    if not better and not asked.direction:
        raise UserError(f"direction: {score} does not say which way is better; give maximize or minimize")
    if plain["logger"]["name"] == "none":
        raise UserError("logger: a sweep reads the scores of a run from its history; use logger=csv")
    launch, warm = launch_words(asked.launch)
    return Plan(
        study=asked.study,
        directory=Path(asked.directory).absolute(),
        storage=asked.storage,
        trials=asked.trials,
        jobs=asked.jobs,
        keep=asked.keep,
        seeds=tuple(asked.seeds),
        direction=asked.direction or ("maximize" if better > 0 else "minimize"),
        score=score,
        second=asked.second,
        second_direction=_second_direction(asked.second, score),
        sampler=asked.sampler.to_plain(),
        pruner=asked.pruner.to_plain(),
        train=tuple(shared),
        folders=tuple(str(Path(folder).absolute()) for folder in folders),
        launch=launch,
        warm=warm and plain["trainer"]["devices"] == 1,
        heartbeat=asked.heartbeat,
        patience=asked.patience,
        max_steps=plain["trainer"]["max_steps"],
        val_every=plain["trainer"]["val_every"],
        devices=_devices(plain["trainer"]["devices"], space),
        space=tuple(space),
    )


def _second_direction(second: str | None, score: str) -> Literal["maximize", "minimize"]:
    """Return which way is better for the second objective; UserError for one that may choose no model."""
    if second in (None, *OBJECTIVES):
        return "minimize"
    if not str(second).startswith("val/") or second == score:
        named = ", ".join(OBJECTIVES)
        raise UserError(f"second: {second}: give {named}, or a validation score other than {score}")
    better = describe(str(second).split("/")[1]).sign
    if not better:
        raise UserError(f"second: {second} does not say which way is better; take another score")
    return "maximize" if better > 0 else "minimize"


def _devices(fixed: int, space: Sequence[Parameter]) -> int:
    """Return the devices of a run; the most of them if they are varied."""
    varied = [end for each in space if key_of_today(each.key) == "trainer.devices" for end in each.ends()]
    return max([fixed, *(end for end in varied if isinstance(end, int))])


def try_space(plan: Plan) -> None:
    """Compose every parameter at its ends, or each of its choices; UserError for what `train` refuses."""
    fixed = {key_of_today(word.partition("=")[0]) for word in plan.train}
    for parameter, values in probes(list(plan.space)):
        key = key_of_today(parameter.key)
        if parameter.key in OURS or key in fixed:
            raise UserError(f"space.{parameter.key}: is set already; a key is fixed or varied, not both")
        others = {name: value for name, value in values.items() if name != parameter.key}
        try:
            known_key(key, composed(plan.words(others)))
            composed(plan.words(values), check=True)
        except UserError as error:
            raise UserError(f"space.{parameter.key}: {error}") from error
