"""From a validated configuration to data, task and trainer."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch

from src.core.config import Plain
from src.core.targets import build, fill, resolve
from src.errors import UserError
from src.tasks.recipe import PLAYERS, Recipe

OURS = {"source", "seed", "batches_done"}
"""Arguments of the DataModule that are not the user's."""


def data_keys(data: Plain) -> tuple[Plain, Plain]:
    """The section `data` in two: what its source takes (with `_target_`), and what the loaders take."""
    from src.data.datamodule import DataModule

    common = set(inspect.signature(DataModule).parameters) - OURS
    return {k: v for k, v in data.items() if k not in common}, {k: v for k, v in data.items() if k in common}


def build_data(cfg: Plain) -> Any:
    """The data module: source opened, nothing read yet."""
    from src.data.datamodule import DataModule

    source, common = data_keys(cfg["data"])
    if common.get("cache_dir", ...) is None:
        common["cache_dir"] = cfg["paths"]["cache"]
    arguments = build(common, "data")
    return DataModule(source=build(source, "data"), seed=cfg["seed"], **arguments)


def complete(cfg: Plain, data: Any) -> Plain:
    """The configuration with what the data decide about the networks filled in: it rebuilds them alone."""
    model = dict(cfg["model"])
    channels = resolve(cfg["task"], "task").channels(data)  # type: ignore[attr-defined]
    for player in PLAYERS:
        if model[player] is not None:
            known = {"spatial_dims": data.spatial_dims, **channels[player]}
            model[player] = fill(model[player], f"model.{player}", known)
    return {**cfg, "model": model}


def build_task(cfg: Plain, classes: tuple[str, ...]) -> Any:
    """The task with its players, from a completed configuration; weights depend on the seed alone."""
    torch.manual_seed(cfg["seed"])
    model = cfg["model"]
    generator = build(model["generator"], "model.generator")
    discriminator = build(model["discriminator"], "model.discriminator")
    recipe = Recipe(
        generator=generator,
        discriminator=discriminator,
        game=_game(model["adversarial"]),
        update=_update(cfg["update"]),
        optimizers={
            player: _maker(model["optimizer"][player], f"model.optimizer.{player}") for player in PLAYERS
        },
        schedulers={
            player: _maker(model["scheduler"][player], f"model.scheduler.{player}") for player in PLAYERS
        },
        clip=cfg["update"]["clip"],
        ema_half_life=model["ema_half_life"],
        seed=cfg["seed"],
        log_every=cfg["trainer"]["log_every"],
        classes=tuple(classes),
        spatial_dims=model["generator"].get("spatial_dims", 2),
    )
    task = resolve(cfg["task"], "task")
    return task(
        recipe,
        **{key: build(value, f"task.{key}") for key, value in cfg["task"].items() if key != "_target_"},
    )


def _maker(node: Plain | None, path: str) -> Any:
    if node is None:
        return None
    return functools.partial(build, node, path)


def _named(node: Any, names: dict[str, Any], path: str) -> Any:
    """`hinge` or `{name: r1, gamma: 1}`: the object of that name."""
    arguments = dict(node) if isinstance(node, dict) else {"name": node}
    try:
        return names[arguments.pop("name")](**arguments)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _game(adversarial: Plain) -> dict[str, Any]:
    from src import adversarial as game

    weight = adversarial["weight"]
    path = "model.adversarial"
    return {
        "loss": _named(adversarial["loss"], game.LOSSES, f"{path}.loss"),
        "weight": _named(
            weight if isinstance(weight, dict) else {"name": "fixed", "value": weight}, game.WEIGHTS, path
        ),
        "feature_matching": adversarial["feature_matching"],
        "penalties": [_named(node, game.PENALTIES, f"{path}.penalties") for node in adversarial["penalties"]],
        "augment": _named(adversarial["augment"], game.AUGMENTS, path) if adversarial["augment"] else None,
    }


def _update(update: Plain) -> Any:
    from src import adversarial as game

    return game.UPDATES[update["name"]](n_critic=update["n_critic"], accumulate=update["accumulate"])


def check_size(task: Any, data: Any) -> None:
    """Raise one line when the generator cannot take the images' size. On meta tensors: shapes alone."""
    size = tuple(data.train_items()[0, 0]["image"].shape[1:])
    trial = functools.partial(_runs, task, data.channels)
    if trial(size):
        return
    near = [s for s in _neighbours(size) if trial(s)]
    hint = f"; nearest sizes that fit: {', '.join('x'.join(map(str, s)) for s in near[:2])}" if near else ""
    shape = "x".join(map(str, size))
    raise UserError(f"data.size: {type(task.generator).__name__} cannot halve images of {shape}{hint}")


def _runs(task: Any, channels: int, size: tuple[int, ...]) -> bool:
    import copy

    try:
        with torch.no_grad():
            image = torch.empty(2, channels, *size, device="meta")
            generator = copy.deepcopy(task.generator).to("meta")
            output = generator(image)
            return not isinstance(output, torch.Tensor) or output.shape[2:] == image.shape[2:]
    except NotImplementedError:  # an operation without a meta kernel: nothing is known, so nothing is said
        return True
    except (RuntimeError, ValueError, AssertionError):
        return False


def _neighbours(size: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Sizes near `size`, nearest first: each axis rounded down and up to multiples of 8, 16 and 32."""
    found = set()
    for base in (8, 16, 32):
        found.add(tuple(max(base, side // base * base) for side in size))
        found.add(tuple(-(-side // base) * base for side in size))
    return sorted(found, key=lambda s: (sum(abs(a - b) for a, b in zip(s, size, strict=True)), s))


def describe(run: Any, cfg: Plain, data: Any, task: Any) -> int:
    """Write what the run is, once all of it stands; the value is the step it begins at."""
    from src.core.run import check_room, environment

    start = 0
    if cfg["resume"]:
        start = int(torch.load(run.last, map_location="cpu", weights_only=True)["batches_done"])
    weights = sum(value.numel() * value.element_size() for value in task.state_dict().values())
    check_room(
        run.path, 8 * weights + 20_000_000
    )  # two checkpoints with Adam's moments, a third while it is written
    run.write("config.yaml", cfg)
    run.write("environment.json", environment(cfg["seed"]))
    run.write("data.json", data.summary())
    run.status("running", f"from step {start}")
    return start


def build_trainer(cfg: Plain, run: Any, start: int) -> Any:
    """Lightning's Trainer: counts batches, validates every `val_every`, watched by our callbacks."""
    import pytorch_lightning as pl

    from src.callbacks.checkpoint import AtomicCheckpointIO, Checkpoints
    from src.callbacks.loggers import build_loggers
    from src.callbacks.progress import TrainingProgress
    from src.callbacks.samples import Samples

    trainer, watch = cfg["trainer"], cfg["callbacks"]
    callbacks: list[pl.Callback] = [Checkpoints(run, watch["checkpoint_every"])]
    if watch["samples"]:
        callbacks.append(Samples(run, watch["samples"]))
    if watch["progress"] != "none":
        callbacks.append(TrainingProgress(watch["progress"]))
    return pl.Trainer(
        max_steps=trainer["max_steps"],
        val_check_interval=min(trainer["val_every"], trainer["max_steps"]),
        check_val_every_n_epoch=None,
        accelerator=trainer["accelerator"],
        devices=trainer["devices"],
        precision=trainer["precision"],
        deterministic=trainer["deterministic"],
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        logger=build_loggers(cfg, run, start if cfg["resume"] else None) or False,
        use_distributed_sampler=False,  # ours knows its rank; Lightning's shuffles even when told not to
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        inference_mode=False,  # metrics and sliding windows write in place
    )
