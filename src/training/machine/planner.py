"""Choose precision, memory layout and threads of a run: the fastest of those that change rounding alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ganatomy.adversarial.distributed.collectives import without_collectives
from ganatomy.machine import allocator, processor
from ganatomy.runs.process_place import from_rank_zero
from ganatomy.tasks.recipe import PLAYERS
from ganatomy.training.machine.choice import FLOAT, Choice
from ganatomy.training.machine.evidence import reason_against
from ganatomy.training.machine.remembered import Memory
from ganatomy.training.machine.timing import CROWDED, Timing
from ganatomy.training.machine.trial import undisturbed

if TYPE_CHECKING:
    from ganatomy.config.schema import Config
    from ganatomy.data.datamodule import DataModule
    from ganatomy.tasks.base import AdversarialTask

WORTH = 100
"""Fewest steps of a run that is timed: a shorter one ends before a choice pays."""


def plan_machine(cfg: Config, task: AdversarialTask, data: DataModule) -> tuple[Config, str]:
    """Replace each `auto` of the section `trainer`. With several processes the first one chooses for all.

    Args:
        cfg: Completed configuration.
        task: The task with its update; it is not changed.
        data: Data, of which some items are shown to a copy of the task.

    Returns:
        The configuration without `auto`, and a line that says what was chosen and why; empty without `auto`.
    """
    trainer = cfg.trainer
    if "auto" not in (trainer.precision, trainer.channels_last, trainer.threads):
        return cfg, ""
    choice, more = from_rank_zero(lambda: _alone(cfg, task, data))
    threads = choice.threads or torch.get_num_threads()
    count = f"{threads} thread{'s' if threads > 1 else ''}{more}"
    line = f"machine: {choice}; {count}; allocator: {allocator.in_use()}"
    return cfg.with_values(trainer={**trainer.to_plain(), **choice.keys()}), line


def _alone(cfg: Config, task: AdversarialTask, data: DataModule) -> tuple[Choice, str]:
    """Return the choice, and a word on its threads if they were changed."""
    trainer = cfg.trainer
    start = _given(cfg)
    if trainer.max_steps < WORTH:
        return start.because(f"runs of fewer than {WORTH} steps are not tuned"), ""
    device = _device(trainer.accelerator)
    unit = processor.bfloat16_unit(device)
    against = reason_against(cfg) if unit else f"{processor.name(device)} has no unit for bfloat16"
    half = trainer.precision == "auto" and not against
    if trainer.precision == "auto":
        start = start.because(against or f"by {unit}")
    allowed = {"half": half, "layouts": trainer.channels_last == "auto"}
    memory = Memory(cfg, data.shape, device, start, allowed)
    threads = torch.get_num_threads()
    counts = trainer.threads == "auto" and device.type == "cpu" and threads > 1
    known = memory.read()
    if known is not None and not counts:
        return known, ""
    try:
        with without_collectives(), undisturbed(device):
            torch.set_num_threads(1)
            timing = Timing(cfg, task, data, device)
            choice = known or timing.choose(start, **allowed)
            slower = timing.crowded(threads) if counts else 0.0
    except Exception as error:  # a task of the user's own may refuse to be copied
        return start.because(f"could not be timed: {type(error).__name__}"), ""
    memory.write(choice)
    if slower > CROWDED:
        return choice.with_threads(1), f", as {threads} take {slower:.1f} times as long on this busy machine"
    return choice, ""


def _given(cfg: Config) -> Choice:
    """Return the settings that were asked for, with plain ones where nothing was."""
    trainer = cfg.trainer
    precision = FLOAT if trainer.precision == "auto" else trainer.precision
    wanted: Any = trainer.channels_last
    named = (wanted,) if wanted in PLAYERS else ()
    layout = PLAYERS if wanted is True else named
    return Choice(precision, layout, None if trainer.threads == "auto" else trainer.threads)


def _device(accelerator: str) -> torch.device:
    """Return where Lightning will train."""
    return torch.device("cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu")
