"""Checks before the first step: image size, update, monitor, schedules; and the record of the run."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from ganatomy.config.mistakes import memory
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.errors import UserError
from ganatomy.metrics.registry import known
from ganatomy.training.players import arguments, parts, title, wrong_answer

if TYPE_CHECKING:
    from ganatomy.config.schema import Config, UpdateConfig
    from ganatomy.data.datamodule import DataModule
    from ganatomy.runs.directory import Run
    from ganatomy.tasks.base import AdversarialTask


def plan_update(update: UpdateConfig, task: AdversarialTask, data: DataModule) -> str:
    """Have the planner choose the task's update; return its one line.

    Args:
        update: Section `update` of the configuration.
        task: Task that gets the update.
        data: Data, of which two items are shown to the discriminator.

    Raises:
        UserError: The discriminator cannot take these images, or memory ran out.
    """
    from ganatomy.adversarial import plan
    from ganatomy.data.pipeline import collate

    items = data.train_items()
    example = collate([items[0, 0], items[0, len(items) - 1]])
    try:
        chosen = plan(task.game, update.name, update.n_critic, update.accumulate, example)
    except UserError:
        raise
    except (RuntimeError, ValueError, MemoryError) as error:
        if memory.ran_out(error):
            raise UserError(
                f"{memory.describe(error, 'a trial of two images')}; set a smaller data.size or data.patch, "
                "or fewer channels (model.generator.channels)"
            ) from error
        name = title(task.discriminator) if task.discriminator is not None else "it"
        raise UserError(
            f"model.discriminator: {name} cannot take these images ({_line(error)}); where they are too "
            "small for it, set a larger data.size or data.patch, or give it fewer layers "
            "(model.discriminator.num_layers_d)"
        ) from error
    task.update = chosen.update
    return str(chosen)


def check_processes(task: AdversarialTask) -> None:
    """Raise one line when a layer needs the whole batch in one process, and there are more."""
    from ganatomy.adversarial.distributed.collectives import processes
    from ganatomy.adversarial.distributed.global_layers import first_unsupported_layer

    for player in ("generator", "discriminator"):
        layer = first_unsupported_layer(getattr(task, player)) if getattr(task, player) is not None else ""
        if layer and processes() > 1:
            raise UserError(
                f"trainer.devices: {layer} in model.{player} looks at the whole batch and knows no other "
                "process; use one process, or another norm (instance, group, batch)"
            )


def check_monitor(task: AdversarialTask) -> None:
    """Raise one line when the score that shall choose the best checkpoint does not exist."""
    names = [f"val/{name}" for name in task.scores("val")]
    if task.monitor in names and not task.direction:
        declare = ", or declare one with ganatomy.metrics.registry.register(metric) in the task's __init__"
        raise UserError(
            f"task.monitor: {task.monitor} declares no direction (higher_is_better); choose another score"
            f"{'' if task.monitor.split('/')[1] in known() else declare}"
        )
    if task.monitor not in names:
        raise UserError(f"task.monitor: no score is named {task.monitor}{nearest(task.monitor, names)}")


def check_schedules(cfg: Config, task: AdversarialTask) -> None:
    """Raise one line when a schedule of learning rates cannot be followed to the last step."""
    steps = cfg.trainer.max_steps
    for player, make in task.recipe.schedulers.items():
        if make is None or player not in task.recipe.optimizers:
            continue
        path, node = f"model.scheduler.{player}", getattr(cfg.model.scheduler, player)
        name = node["_target_"].split(".")[-1]
        try:
            scheduler = make(task.recipe.optimizers[player]([torch.nn.Parameter(torch.zeros(1))]))
        except ZeroDivisionError as error:
            raise UserError(
                f"{path}: {name} cannot divide a run of {steps} steps into its parts; give a larger "
                "trainer.max_steps, or null"
            ) from error
        if (last := getattr(scheduler, "total_steps", steps)) < steps:
            raise UserError(f"{path}: {name} ends after {last} of {steps} steps; give it trainer.max_steps")


def check_size(task: AdversarialTask, data: DataModule) -> None:
    """Raise one line when the generator cannot take images, or windows, of their size, or answers wrongly.

    On meta tensors: shapes alone.
    """
    from ganatomy.tasks.shared.sliding_window import checked_window

    if hasattr(task.generator, "latent"):  # it begins with noise, and was built for this size
        return
    for name, network in parts(task.generator).items():
        if getattr(network, "beside_translator", False):  # it takes no images
            continue
        given = arguments(task.network_arguments(data), "generator", name)
        channels = given.get("in_channels", data.channels)
        answers = given.get("out_channels") if task.plain_answer else None
        heads = bool(answers) and getattr(task, "deep_supervision", False)
        trial = functools.partial(_refusal, network, channels, answers, heads)
        _check_network(network, tuple(data.shape), trial, "data.size")
        window = checked_window(getattr(task, "window", None), len(data.shape))
        if window and window != tuple(data.shape) and not getattr(task, "factor", None):
            _check_network(network, window, trial, "task.window")


def _check_network(
    network: Any, size: tuple[int, ...], trial: Callable[[tuple[int, ...]], str], key: str
) -> None:
    """Raise one line when a network of the generator refuses a size; `trial` tells why it refuses one."""
    refusal = trial(size)
    if not refusal:
        return
    name, shape = type(network).__name__, "x".join(map(str, size))
    if refusal.startswith("returns "):
        raise UserError(f"model.generator: {name} {refusal}")
    near = ["x".join(map(str, other)) for other in _neighbours(size) if not trial(other)]
    if not near:  # so it is not the size
        raise UserError(f"model.generator: {name} cannot take these images ({refusal})")
    raise UserError(
        f"{key}: {name} cannot halve images of {shape}; nearest sizes that fit: {', '.join(near[:2])}"
    )


def _refusal(generator: Any, channels: int, answers: int | None, heads: bool, size: tuple[int, ...]) -> str:
    """Try the generator on images of this size; return what is wrong with its output, or "".

    answers: channels of the one tensor that it must return, in training and in evaluation; None: any.
    heads: True if in training the first of several will do.
    """
    from ganatomy.tasks.shared.heads import heads_of

    network = copy.deepcopy(generator)
    for device in ("meta", "cpu"):  # some operations have no meta kernel
        image = torch.zeros(2, channels, *size, device=device)
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                network = network.to(device) if device == "meta" else copy.deepcopy(generator)
                outputs = [network.train(mode)(image) for mode in (True, False)]
                outputs[0] = heads_of(outputs[0], len(size))[0] if heads else outputs[0]
        except (NotImplementedError, TypeError) as error:
            if device == "meta":
                continue
            return _line(error)
        except (RuntimeError, ValueError, AssertionError, ArithmeticError) as error:
            return _line(error)
        return next(filter(None, (wrong_answer(network, output, answers, size) for output in outputs)), "")
    return ""


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _neighbours(size: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return sizes near `size`, nearest first: axes rounded down and up to multiples of 8, 16, 32, 64."""
    found = set()
    for base in (8, 16, 32, 64):
        found.add(tuple(max(base, side // base * base) for side in size))
        found.add(tuple(-(-side // base) * base for side in size))
    return sorted(found, key=lambda s: (sum(abs(a - b) for a, b in zip(s, size, strict=True)), s))


def describe(
    run: Run, cfg: Config, data: DataModule, task: AdversarialTask, origins: Mapping[str, Any] | None = None
) -> int:
    """Write config.yaml, environment.json and data.json once the run is built.

    Args:
        run: Run directory.
        cfg: Completed configuration.
        data: Data of the run.
        task: Task with its players.
        origins: What is known of the weights that it starts from (`init`) and of the synthetic images that
            it learns from (`synthetic`).

    Returns:
        The step that the run begins at.

    Raises:
        UserError: The checkpoint is of another model, or the disk has too little room.
    """
    from ganatomy.data.summary import summary
    from ganatomy.runs.checkpoints.identity import KEY, identify
    from ganatomy.runs.checkpoints.resumption import check_fits, tidy
    from ganatomy.runs.directory import check_room
    from ganatomy.runs.environment import environment
    from ganatomy.runs.keys import write_keys

    chosen = run.resumption
    if chosen is not None:
        check_fits(chosen, task)
        if chosen.step > cfg.trainer.max_steps:
            raise UserError(
                f"trainer.max_steps: the run is at step {chosen.step} already; give at least that number"
            )
    weights = sum(value.numel() * value.element_size() for value in task.state_dict().values())
    # the last ones with their moments, the best, and one being written
    check_room(run.path, (cfg.callbacks.keep_checkpoints + 2) * 8 * weights // 3 + 20_000_000)
    if chosen is not None and run.is_rank_zero:
        tidy(run.checkpoints, chosen)
    start = chosen.step if chosen is not None else 0
    about, here = summary(data), environment(cfg.seed)
    here |= {name: dict(known) for name, known in (origins or {}).items() if known}
    first = run.read("environment.json") if cfg.resume else None
    known = run.identity or (first or {}).get(KEY) or (chosen.identity if chosen is not None else "")
    run.identity = known or identify(cfg.to_plain(), about["hash"])
    run.write("config.yaml", cfg.to_plain())
    more = {**first, "resumed": [*first.get("resumed", []), here]} if first else here
    run.write("environment.json", {**more, KEY: run.identity})
    run.write("data.json", about)
    write_keys(run, data.source)
    run.status("running", f"from step {start}", game=None, events=None)  # those of an earlier end
    return start
