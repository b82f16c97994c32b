"""The shape of a configuration: keys, types, ranges. A `_target_` class checks its own arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from src.core.names import nearest
from src.errors import UserError

Node = dict[str, Any]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Cases = Annotated[int, BeforeValidator(lambda given: -1 if given == "all" else given), Field(ge=-1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


class Open(Section):
    """A section whose further keys belong to its `_target_` class."""

    model_config = ConfigDict(extra="allow", strict=True)
    target: Annotated[str, Field(alias="_target_")]


class Task(Open):
    monitor: Annotated[str, Field(pattern=r"^val/")]
    metrics: list[Node] = []


class Data(Open):
    batch_size: Count
    workers: Annotated[int, Field(ge=0)]
    cache: Literal["memory", "disk", "none"]
    augment: list[Node]


class Players(Section):
    generator: Node
    discriminator: Node | None


class Movers(Players):
    """Of what has an optimiser; an encoder only where a model trains one beside its generator."""

    encoder: Node | None = None


class OptionalPlayers(Section):
    generator: Node | None
    discriminator: Node | None
    encoder: Node | None = None


class Clip(Section):
    generator: Positive | None
    discriminator: Positive | None


def _choice(given: Any) -> Any:
    if isinstance(given, str) or (isinstance(given, dict) and all(isinstance(key, str) for key in given)):
        return given
    raise PydanticCustomError("choice", "give a name, or a section with name or _target_")


Choice = Annotated[str | Node, PlainValidator(_choice)]
"""`hinge`, `{name: r1, gamma: 1}`, or a class of one's own: `{_target_: mylab.losses.Mine}`."""


class Adversarial(Section):
    loss: Choice
    weight: Share | Node
    feature_matching: Share
    penalties: list[Node]
    augment: Choice | None


class Model(Section):
    tasks: list[str] | None = None
    generator: Node
    discriminator: Node | None
    adversarial: Adversarial
    optimizer: Movers
    scheduler: OptionalPlayers
    ema_half_life: Positive | None
    ema_burn_in: Annotated[float, Field(ge=0, le=1)] = 0.0


class Update(Section):
    name: str
    n_critic: Count
    accumulate: Count
    clip: Clip


class Trainer(Section):
    max_steps: Count
    val_every: Count
    log_every: Count
    judged: Literal["best", "last"]
    accelerator: Literal["auto", "cpu", "gpu"]
    devices: Count
    num_nodes: Count = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    channels_last: bool = False
    deterministic: bool
    threads: Count | None


class Wandb(Section):
    name: Literal["wandb"]
    project: str
    mode: Literal["offline", "online"]


class PlainLogger(Section):
    name: Literal["csv", "tensorboard", "none"]


class Callbacks(Section):
    checkpoint_every: Count
    samples: Annotated[int, Field(ge=0)]
    progress: Literal["auto", "bar", "lines", "none"]
    report: bool


class Paths(Section):
    runs: str
    data: str
    cache: str


class Config(Section):
    """A whole run."""

    task: Task
    data: Data
    degradation: Open | None
    model: Model
    update: Update
    trainer: Trainer
    logger: Annotated[Wandb | PlainLogger, Field(discriminator="name")]
    callbacks: Callbacks
    paths: Paths
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    name: Annotated[str, Field(pattern=r"^[\w.=,+-]+$")]
    run_dir: str
    resume: str | None
    save_predictions: Cases
    save_samples: Annotated[int, Field(ge=0)] = 0
    save_format: Literal["png8", "png16", "nifti", "npz"] | None = None
    debug: bool

    @model_validator(mode="after")
    def _pieces(self) -> Config:
        count = self.trainer.devices * self.trainer.num_nodes
        if count > 1 and self.data.batch_size < count * self.update.accumulate:
            raise ValueError(
                f"data.batch_size: {self.data.batch_size} is the batch of all processes; give at least "
                f"{count * self.update.accumulate} to {count} of them"
            )
        if self.update.accumulate > self.data.batch_size:
            raise ValueError(
                f"update.accumulate: {self.update.accumulate} pieces of a batch of {self.data.batch_size}"
            )
        return self


def check_shape(cfg: Mapping[str, Any], schema: type[Section] = Config) -> None:
    """Raise one line for each key that is unknown, missing, of a wrong type or out of range."""
    try:
        schema.model_validate(cfg)
    except ValidationError as error:
        lines = [_line(problem, schema) for problem in error.errors()]
        raise UserError("\n".join(dict.fromkeys(lines))) from error


def _line(problem: Any, schema: type[Section]) -> str:
    location = [
        part for part in problem["loc"] if part not in ("wandb", "csv", "tensorboard", "none", "float", "int")
    ]
    path = ".".join(str(part) for part in location if not str(part).startswith("dict["))
    if problem["type"] == "extra_forbidden":
        return f"{path}: no such key{nearest(str(location[-1]), _keys(schema, location[:-1]))}"
    if problem["type"] == "missing":
        return f"{path}: is missing"
    if problem["type"] == "none_required":
        return f"{path}: must be null or a section"
    if problem["type"] == "value_error":  # a check between keys, which names them itself
        return str(problem["ctx"]["error"])
    return f"{path}: {problem['msg'][0].lower()}{problem['msg'][1:]}, got {problem['input']!r}"


def _keys(schema: type[Section], path: list[Any]) -> list[str]:
    """Names of the fields of the section at `path`."""
    for part in path:
        field = schema.model_fields.get(str(part))
        sections = list(_flatten(field.annotation)) if field else []
        schema = next(
            (kind for kind in sections if isinstance(kind, type) and issubclass(kind, Section)), Section
        )
    return [field.alias or name for name, field in schema.model_fields.items()]


def _flatten(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, Annotated) or get_args(annotation):
        return [kind for part in get_args(annotation) for kind in _flatten(part)]
    return [annotation]
