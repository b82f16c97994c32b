"""Build data and task of a run from its validated configuration."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.optim import Optimizer

from ganatomy.config.objectives import build_objectives, class_of
from ganatomy.config.resolve import data_keys
from ganatomy.config.schema import Config, Node
from ganatomy.config.targets import build, parameters_of, resolve
from ganatomy.errors import UserError
from ganatomy.networks.quick_layers import LAYOUTS, with_quick_layers
from ganatomy.runs.integrity.checked import read_file
from ganatomy.tasks.recipe import PLAYERS, Recipe
from ganatomy.training.players import built, filled, networks

if TYPE_CHECKING:
    from ganatomy.config.schema import DataConfig, PathsConfig, TrainerConfig
    from ganatomy.config.section import Plain, Section
    from ganatomy.data.datamodule import DataModule
    from ganatomy.data.splits.held import Held
    from ganatomy.tasks.base import AdversarialTask


def build_data(cfg: Config) -> DataModule:
    """Build the data module of a run: its source is opened, nothing is read yet."""
    task = resolve(cfg.task.to_plain(), "task")
    return open_data(
        cfg.data,
        cfg.paths,
        seed=cfg.seed,
        degrade=build(cfg.degradation and cfg.degradation.to_plain(), "degradation"),
        pieces=cfg.update.accumulate,
        held=_held(cfg.resume) if cfg.resume else None,
        one_size=getattr(task, "one_size", False),
        with_boxes=getattr(task, "uses_boxes", True),
        learned=getattr(task, "learned", "") or ("class" if getattr(task, "from_noise", False) else ""),
        with_instances=bool(cfg.task.to_plain().get("instances", False)),
    )


def open_data(section: DataConfig, paths: PathsConfig, **given: Any) -> DataModule:
    """Build the data module of a section `data`.

    Args:
        section: Keys of the source and of the loaders, mixed.
        paths: Where the cache lies, if the section does not say.
        given: Arguments of the DataModule that are not the user's; and `with_instances`, True for a task
            that learns from instance maps.
    """
    from ganatomy.data.datamodule import DataModule
    from ganatomy.data.known import set_instances

    source, common = data_keys(section)
    wanted = given.pop("with_instances", False)
    if common.get("cache_dir", ...) is None:
        common["cache_dir"] = paths.cache
    arguments = build(common, "data")
    opened = set_instances(build(source, "data"), wanted)
    return DataModule(source=opened, **given, **arguments)


def _held(run: str) -> Held:
    """Read the split of the run that is resumed."""
    from ganatomy.data.splits.held import Held

    try:
        return Held.of(run, read_file(Path(run), "data.json"))
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"resume: {run} has no data.json that says who trains and who tests; start a new run"
        ) from error


def complete(cfg: Config, data: DataModule) -> Config:
    """Fill in what the data decide about the networks, so that the configuration alone rebuilds them."""
    plain = _suited(cfg.to_plain(), data)
    model = plain["model"]
    task = cast("type[AdversarialTask]", resolve(plain["task"], "task"))
    settings = _settings(task, data, plain["task"])
    task = cast("type[AdversarialTask]", resolve(settings, "task"))  # it may hand over to another class
    channels = task.network_arguments(data)
    for player in PLAYERS:
        if model[player] is not None:
            model[player] = filled(model[player], player, data.spatial_dims, channels)
    adversarial = model["adversarial"]
    batch_size = cfg.data.batch_size
    adversarial["penalties"] = [_sized(node, data, batch_size) for node in adversarial["penalties"]]
    augment = adversarial["augment"]
    if augment is not None:
        named = augment if isinstance(augment, dict) else {"name": augment}
        takes = "_target_" not in named or "image_channels" in parameters_of(resolve(named, "augment"))
        known = {"image_channels": data.channels} if takes else {}
        adversarial["augment"] = {**known, **named}
    _refuse_unread(settings, model["generator"], data)
    return Config.from_plain({**plain, "task": settings})


def _refuse_unread(task: Plain, generator: Plain, data: DataModule) -> None:
    """Raise UserError for regions, or an ignore label, where the task takes label maps as they are."""
    if data.given_regions[0] and not task.get("label_map"):
        raise UserError("data.regions: only task=segmentation learns regions that overlap; leave it out")
    structure = task.get("structure") or {}
    readers = {
        "task.lesion": task.get("lesion"),
        "task.evaluator": task.get("evaluator"),
        "task.structure.segmentation": structure.get("segmentation"),
        "model.generator.label_channels": generator.get("label_channels"),
    }
    if data.ignores and not task.get("label_map") and (key := next((k for k, v in readers.items() if v), "")):
        raise UserError(
            f"data.ignore_label: {key} takes label maps as complete, and these have voxels that nobody has "
            "labelled; only task=segmentation leaves them out"
        )


def _settings(task: type[AdversarialTask], data: DataModule, given: Plain) -> Plain:
    """Return what `resolve_settings` makes of the task's section; raise UserError if it loses needed keys."""
    found: Any = task.resolve_settings(data, given)
    kept = found if isinstance(found, Mapping) else {}
    if lost := [key for key in ("_target_", "monitor") if key in given and key not in kept]:
        raise UserError(
            f"task: {task.__name__}.resolve_settings returns no {' and no '.join(lost)}; "
            "return `given` with its own keys added: {**given, ...}"
        )
    return dict(found)


def _suited(plain: Plain, data: DataModule) -> Plain:
    """Replace `auto` of intensities by what was found, data.intensity also as the task's data_range."""
    section, task = plain["data"], plain["task"]
    if section.get("target_intensity") == "auto":
        section = {**section, "target_intensity": deepcopy(data.preparation.target_intensity)}
    if section.get("intensity") == "auto":
        section = {**section, "intensity": data.intensity}
        task |= {"data_range": deepcopy(data.intensity)} if task.get("data_range") == "auto" else {}
    return {**plain, "data": section, "task": task}


def _sized(penalty: Plain, data: DataModule, batch_size: int) -> Plain:
    """Add γ to a penalty that takes it from the images' size, if it is not given."""
    from ganatomy.adversarial import PENALTIES, size_rule

    kind = class_of(penalty, PENALTIES, "model.adversarial.penalties")
    if not getattr(kind, "gamma_from_image_size", False) or penalty.get("gamma") is not None:
        return penalty
    return {**penalty, "gamma": size_rule(math.prod(data.shape), batch_size)}


def build_task(cfg: Config, classes: tuple[str, ...]) -> AdversarialTask:
    """Build the task with its players from a completed configuration; the seed decides the weights."""
    from ganatomy.adversarial import convert_global_layers, recompute_activations

    torch.manual_seed(cfg.seed)
    model = cfg.model

    def player(name: str, node: Node) -> nn.Module:
        def placed(network: nn.Module) -> nn.Module:
            laid_out(network, is_channels_last(cfg.trainer, name))
            network = convert_global_layers(with_quick_layers(network))
            return recompute_activations(network) if cfg.trainer.checkpointing in (True, name) else network

        return built(node, f"model.{name}", placed)

    generator = player("generator", model.generator)
    discriminator = None if model.discriminator is None else player("discriminator", model.discriminator)
    game = build_objectives(model.adversarial.to_plain())
    lazy = max((penalty.every for penalty in game["penalties"]), default=1)
    optimizers = _makers(model.optimizer, "model.optimizer")
    optimizers["discriminator"] = functools.partial(lazily, optimizers["discriminator"], lazy)
    recipe = Recipe(
        generator=generator,
        discriminator=discriminator,
        game=game,
        optimizers=optimizers,
        schedulers=_makers(model.scheduler, "model.scheduler"),
        clip=cfg.update.clip.to_plain(),
        ema_half_life=model.ema_half_life,
        ema_burn_in=model.ema_burn_in * cfg.trainer.max_steps * cfg.data.batch_size,
        seed=cfg.seed,
        log_every=cfg.trainer.log_every,
        bucket_mb=cfg.trainer.bucket_mb,
        classes=tuple(classes),
        spatial_dims=next(iter(networks(model.generator, "model.generator").values()))[0].get(
            "spatial_dims", 2
        ),
    )
    settings = cfg.task.to_plain()
    task = cast("type[AdversarialTask]", resolve(settings, "task"))
    return task(
        recipe,
        **{key: build(value, f"task.{key}") for key, value in settings.items() if key != "_target_"},
    )


def laid_out(network: nn.Module, channels_last: bool) -> nn.Module:
    """Put channels innermost in a network's weights, and so in its outputs, or outermost."""
    for weight in network.parameters():
        if weight.dim() in LAYOUTS:
            wanted = LAYOUTS[weight.dim()] if channels_last else torch.contiguous_format
            weight.data = weight.data.to(memory_format=wanted)
    return network


def is_channels_last(trainer: TrainerConfig, player: str) -> bool:
    """Return True if a player's channels are to be innermost in memory."""
    return trainer.channels_last in (True, player)


def lay_out(task: AdversarialTask, trainer: TrainerConfig) -> None:
    """Put channels innermost in the networks of a task that was built before this was chosen."""
    average = task.average.module if task.average is not None else None
    laid = (("generator", task.generator), ("generator", average), ("discriminator", task.discriminator))
    for player, network in laid:
        if network is not None:
            laid_out(network, is_channels_last(trainer, player))


def lazily(make: Callable[[Any], Optimizer], every: int, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """Make D's optimiser, with Adam's rate and betas corrected for penalties that come every k-th step.

    Args:
        make: Makes the optimiser of some parameters.
        every: Steps between two lazy penalties.
        parameters: Parameters of D.
    """
    from ganatomy.adversarial import lazy_adam

    optimizer = make(parameters)
    for group in optimizer.param_groups:
        if "betas" in group:
            group["lr"], group["betas"] = lazy_adam(group["lr"], group["betas"], every)
    return optimizer


def _makers(section: Section, path: str) -> dict[str, Any]:
    """Return a factory of each player's optimiser or schedule; None for a player without one."""
    return {
        player: None if node is None else functools.partial(build, node, f"{path}.{player}")
        for player, node in section.to_plain().items()
    }
