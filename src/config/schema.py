"""Schema of the configuration of a run, and of a check of data: keys, types, ranges.

A section with a `_target_` names the keys that are asked for by name; its class checks the others.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from ganatomy.config.section import Section, TargetSection

Node = dict[str, Any]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Patterns = Annotated[list[str], BeforeValidator(lambda given: [given] if isinstance(given, str) else given)]
Cases = Annotated[int, BeforeValidator(lambda given: -1 if given == "all" else given), Field(ge=-1)]


class TaskConfig(TargetSection):
    """The task; further keys are its own."""

    monitor: Annotated[str, Field(pattern=r"^val/")]
    metrics: list[Node] = Field(default_factory=list)


def _unpaired(given: Any) -> Any:
    if given in (False, True, "disjoint"):
        return given
    raise AssertionError("choose false, true or disjoint")


class DataConfig(TargetSection):
    """A source and its loading; further keys belong to the source, or to the DataModule."""

    batch_size: Count
    workers: Annotated[int, Field(ge=0)]
    cache: Literal["memory", "disk", "none"]
    augment: list[Node]
    unpaired: Annotated[bool | Literal["disjoint"], PlainValidator(_unpaired)] = False


class PlayersConfig(Section):
    """A section for each player."""

    generator: Node
    discriminator: Node | None


class OptimizersConfig(PlayersConfig):
    """Optimisers by player; an encoder has one only where a model trains it beside its generator."""

    encoder: Node | None = None


class SchedulersConfig(Section):
    """Schedules of the learning rates by player."""

    generator: Node | None
    discriminator: Node | None
    encoder: Node | None = None


class ClipConfig(Section):
    """Largest norm of each player's gradient."""

    generator: Positive | None
    discriminator: Positive | None


def _choice(given: Any) -> Any:
    if isinstance(given, str) or (isinstance(given, dict) and all(isinstance(key, str) for key in given)):
        return given
    raise AssertionError("give a name, or a section with name or _target_")  # a ValueError would name no key


Choice = Annotated[str | Node, PlainValidator(_choice)]
"""`hinge`, `{name: r1, gamma: 1}`, or a class of the user's own: `{_target_: mylab.losses.Mine}`."""


class AdversarialConfig(Section):
    """Loss, weight, penalties, augmentation and history of the game."""

    loss: Choice
    weight: Share | Node
    feature_matching: Share
    penalties: list[Node]
    augment: Choice | None
    history: Annotated[int, Field(ge=0)] = 0


class ModelConfig(Section):
    """Players and how they are trained."""

    tasks: list[str] | None = None
    generator: Node
    discriminator: Node | None
    adversarial: AdversarialConfig
    optimizer: OptimizersConfig
    scheduler: SchedulersConfig
    ema_half_life: Positive | None
    ema_burn_in: Annotated[float, Field(ge=0, le=1)] = 0.0


class UpdateConfig(Section):
    """Order of the players' steps."""

    name: str
    n_critic: Count
    accumulate: Count
    clip: ClipConfig


class TrainerConfig(Section):
    """Length of the run, device and precision."""

    max_steps: Count
    val_every: Count
    log_every: Count
    test_checkpoint: Literal["best", "last"]
    accelerator: Literal["auto", "cpu", "gpu"]
    devices: Count
    num_nodes: Count = 1
    hang_after: Positive = 1800.0
    bucket_mb: Annotated[float, Field(ge=0)] = 0.0
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
    channels_last: bool | Literal["auto", "generator", "discriminator"] = False
    checkpointing: bool | Literal["generator", "discriminator"] = False
    deterministic: bool
    threads: Count | Literal["auto"] | None


class WandbConfig(Section):
    """History in W&B and in metrics.csv."""

    name: Literal["wandb"]
    project: str
    mode: Literal["offline", "online"]
    artifacts: bool = False


class TrackerConfig(Section):
    """History in a tracker's files in the run directory, and in metrics.csv."""

    name: Literal["mlflow", "trackio"]
    project: str
    artifacts: bool = False


class LoggerConfig(Section):
    """History in files."""

    name: Literal["csv", "tensorboard", "none"]


class CallbacksConfig(Section):
    """Checkpoints, pictures, progress and report."""

    checkpoint_every: Count
    keep_checkpoints: Count
    samples: Annotated[int, Field(ge=0)]
    progress: Literal["auto", "bar", "lines", "none"]
    report: bool


class GuardConfig(Section):
    """What is done about a game that fails."""

    name: Literal["warn", "stop", "rollback", "none"]
    tries: Count


class PathsConfig(Section):
    """Folders of runs, data and caches."""

    runs: str
    data: str
    cache: str


class Config(Section):
    """Configuration of a run; `to_plain` gives the content of its config.yaml."""

    task: TaskConfig
    data: DataConfig
    degradation: TargetSection | None
    model: ModelConfig
    update: UpdateConfig
    trainer: TrainerConfig
    logger: Annotated[WandbConfig | TrackerConfig | LoggerConfig, Field(discriminator="name")]
    callbacks: CallbacksConfig
    guard: GuardConfig
    paths: PathsConfig
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    name: Annotated[str, Field(pattern=r"^[\w.=,+-]+$")]
    run_dir: str
    resume: str | None
    resume_force: bool = False
    init: Annotated[str, Field(min_length=1)] | None = None
    init_players: Literal["both", "generator", "discriminator"] = "both"
    init_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    freeze: Patterns = Field(default_factory=list)
    freeze_discriminator: Annotated[int, Field(ge=0)] = 0
    synthetic: Annotated[str, Field(min_length=1)] | None = None
    synthetic_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    synthetic_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    plan: Annotated[str, Field(min_length=1)] | None = None
    plan_minutes: Positive = 10.0
    plan_memory: Positive = 8.0
    plan_for: Node | None = None
    plan_estimate: Node | None = None
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


class CheckConfig(Section):
    """Configuration of `check`: what it reads, and what it writes."""

    paths: PathsConfig
    data: DataConfig
    output: str | None
    pictures: Annotated[int, Field(ge=0)]
    duplicates: Annotated[int, Field(ge=0)]
    plan: bool = False
    plan_task: str | None = None
    minutes: Positive = 10.0
    memory: Positive = 8.0
    overwrite: bool = False
    seed: Annotated[int, Field(ge=0)]
    debug: bool
