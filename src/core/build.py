"""From a validated configuration to data, task and trainer."""

from __future__ import annotations

import functools
import json
import math
from copy import copy
from pathlib import Path
from typing import Any

import torch

from src.core.config import Plain, data_keys
from src.core.objectives import build_objectives, class_of
from src.core.players import built, filled, networks
from src.core.targets import build, parameters_of, resolve
from src.errors import UserError
from src.tasks.recipe import PLAYERS, Recipe

LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""With channels innermost, by the number of a weight's axes."""


def build_data(cfg: Plain) -> Any:
    """The data module: source opened, nothing read yet."""
    from src.data.datamodule import DataModule

    source, common = data_keys(cfg["data"])
    if common.get("cache_dir", ...) is None:
        common["cache_dir"] = cfg["paths"]["cache"]
    arguments = build(common, "data")
    degrade = build(cfg["degradation"], "degradation")
    given = {"seed": cfg["seed"], "degrade": degrade, "pieces": cfg["update"]["accumulate"]}
    given["held"] = _held(cfg["resume"]) if cfg.get("resume") else None
    if "task" in cfg:
        given["one_size"] = getattr(resolve(cfg["task"], "task"), "one_size", False)
    return DataModule(source=build(source, "data"), **given, **arguments)


def _held(run: str) -> Any:
    """The split of a run that goes on."""
    from src.data.held import Held

    try:
        return Held.of(run, json.loads((Path(run) / "data.json").read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"resume: {run} has no data.json that says who trains and who tests; start a new run"
        ) from error


def complete(cfg: Plain, data: Any) -> Plain:
    """The configuration with what the data decide about the networks filled in: it rebuilds them alone."""
    cfg = _suited(cfg, data)
    model = dict(cfg["model"])
    task: Any = resolve(cfg["task"], "task")
    settings = task.settings(data, cfg["task"])
    channels = task.channels(data)
    for player in PLAYERS:
        if model[player] is not None:
            model[player] = filled(model[player], player, data.spatial_dims, channels)
    adversarial = {**model["adversarial"], "penalties": _sized(model["adversarial"]["penalties"], cfg, data)}
    model["adversarial"] = adversarial
    augment = adversarial["augment"]
    if augment is not None:
        named = augment if isinstance(augment, dict) else {"name": augment}
        takes = "_target_" not in named or "image_channels" in parameters_of(resolve(named, "augment"))
        known = {"image_channels": data.channels} if takes else {}
        model["adversarial"] = {**adversarial, "augment": {**known, **named}}
    return {**cfg, "task": settings, "model": model}


def _suited(cfg: Plain, data: Any) -> Plain:
    """The configuration with what data.intensity=auto turned out to be, also as the range of scores."""
    if cfg["data"].get("intensity") != "auto":
        return cfg
    task = {key: copy(data.intensity) if value == "auto" else value for key, value in cfg["task"].items()}
    return {**cfg, "data": {**cfg["data"], "intensity": data.intensity}, "task": task}


def _sized(penalties: list[Plain], cfg: Plain, data: Any) -> list[Plain]:
    """The penalties; where γ follows from the images' size and is not given, with γ."""
    from src.adversarial import PENALTIES, size_rule

    def sized(node: Plain) -> Plain:
        kind = class_of(node, PENALTIES, "model.adversarial.penalties")
        if not getattr(kind, "sized", False) or node.get("gamma") is not None:
            return node
        return {**node, "gamma": size_rule(math.prod(data.shape), cfg["data"]["batch_size"])}

    return [sized(node) for node in penalties]


def build_task(cfg: Plain, classes: tuple[str, ...]) -> Any:
    """The task with its players, from a completed configuration; weights depend on the seed alone."""
    from src.adversarial import over_processes

    torch.manual_seed(cfg["seed"])
    model = cfg["model"]
    innermost = cfg["trainer"].get("channels_last", False)

    def placed(network: torch.nn.Module) -> torch.nn.Module:
        return over_processes(laid_out(network, innermost))

    generator = built(model["generator"], "model.generator", placed)
    opponent = model["discriminator"]
    discriminator = None if opponent is None else built(opponent, "model.discriminator", placed)
    game = build_objectives(model["adversarial"])
    lazy = max((penalty.every for penalty in game["penalties"]), default=1)
    optimizers = {
        player: _maker(node, f"model.optimizer.{player}") for player, node in model["optimizer"].items()
    }
    optimizers["discriminator"] = functools.partial(lazily, optimizers["discriminator"], lazy)
    recipe = Recipe(
        generator=generator,
        discriminator=discriminator,
        game=game,
        optimizers=optimizers,
        schedulers={
            player: _maker(node, f"model.scheduler.{player}") for player, node in model["scheduler"].items()
        },
        clip=cfg["update"]["clip"],
        ema_half_life=model["ema_half_life"],
        ema_burn_in=model.get("ema_burn_in", 0.0) * cfg["trainer"]["max_steps"] * cfg["data"]["batch_size"],
        seed=cfg["seed"],
        log_every=cfg["trainer"]["log_every"],
        classes=tuple(classes),
        spatial_dims=next(iter(networks(model["generator"], "model.generator").values()))[0].get(
            "spatial_dims", 2
        ),
    )
    task = resolve(cfg["task"], "task")
    return task(
        recipe,
        **{key: build(value, f"task.{key}") for key, value in cfg["task"].items() if key != "_target_"},
    )


def laid_out(network: Any, channels_last: bool) -> Any:
    """The network; where asked for, with channels innermost in its weights, and so in all it makes."""
    for weight in network.parameters() if channels_last else ():
        if weight.dim() in LAYOUTS:
            weight.data = weight.data.to(memory_format=LAYOUTS[weight.dim()])
    return network


def lazily(make: Any, every: int, parameters: Any) -> Any:
    """D's optimiser; Adam's rate and betas are corrected when a penalty comes every k-th step."""
    from src.adversarial import lazy_adam

    optimizer = make(parameters)
    for group in optimizer.param_groups:
        if "betas" in group:
            group["lr"], group["betas"] = lazy_adam(group["lr"], group["betas"], every)
    return optimizer


def _maker(node: Plain | None, path: str) -> Any:
    if node is None:
        return None
    return functools.partial(build, node, path)
