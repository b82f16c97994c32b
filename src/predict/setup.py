"""What a process of `predict` works with: the run with the settings of the command, and its job."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ganatomy.data.records import Record
from ganatomy.errors import UserError
from ganatomy.inference.ensembles.ensemble import load_runs, member_tasks
from ganatomy.inference.familiar import reasons
from ganatomy.inference.inputs import Named
from ganatomy.inference.interpolation import interpolated
from ganatomy.inference.loaded import LoadedRun
from ganatomy.inference.predictor import Loaded, Predictor
from ganatomy.predict.settings import PredictConfig
from ganatomy.predict.work import Job
from ganatomy.training.build import laid_out


def load(config: PredictConfig) -> LoadedRun:
    """Load the run, or the runs, with the settings of the command.

    Raises:
        UserError: A setting does not suit the run.
    """
    loaded = load_runs(
        config.runs,
        config.device,
        config.mirror_axes,
        config.samples,
        doubt=config.doubt,
        change=mixture(config),
    )
    if config.precision != "run":
        if config.precision == "16-mixed" and loaded.device.type == "cpu":
            raise UserError("precision=16-mixed: needs a GPU; use bf16-mixed or 32-true here")
        trainer = {**loaded.cfg.trainer.to_plain(), "precision": config.precision}
        loaded = replace(loaded, cfg=loaded.cfg.with_values(trainer=trainer))
        if config.precision == "bf16-mixed":
            laid_out(loaded.task, True)  # faster in half precision, and no bit is promised there
    if config.window is not None:
        if not hasattr(loaded.task, "window"):
            raise UserError("window: this run's task takes whole images; set it to null")
        dims = loaded.preprocessing.spatial_dims
        if isinstance(config.window, list) and len(config.window) != dims:
            raise UserError(f"window={config.window}: give one number, or {dims}, one for each axis")
        for task in member_tasks(loaded):
            task.window = config.window  # type: ignore[assignment]
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    return loaded


def mixture(config: PredictConfig) -> Callable[[LoadedRun], LoadedRun]:
    """Return what sets a loaded GAN between its twin and itself; without `alpha` it stays as it is.

    Raises:
        UserError: There are several runs, or a twin without an `alpha`.
    """
    if config.alpha is None:
        if config.twin is not None:
            raise UserError("twin: is mixed in by alpha alone; give alpha=0 (the twin) to alpha=1 (the GAN)")
        return lambda loaded: loaded
    if len(config.runs) > 1:
        raise UserError("alpha: several runs have no twin in common; give one run, or alpha=null")
    return functools.partial(interpolated, alpha=config.alpha, twin=config.twin)


def job_of(
    config: PredictConfig, loaded: LoadedRun, source: Named, records: list[Record], names: dict[str, str]
) -> Job:
    """Return what a process works on.

    Args:
        config: Keys of the command.
        loaded: The run.
        source: Where the cases come from.
        records: All cases, in order; the first ones are drawn.
        names: Path of each case's answer, by case.
    """
    drawn = frozenset(record.case for record in records[: config.pictures])
    kept = loaded.preprocessing.familiarity if config.familiarity else None
    factor = getattr(loaded.task, "factor", None)
    return Job(config, Predictor(loaded, source, records), names, drawn, warner(kept, factor))


def warner(kept: Any, factor: int | None = None) -> Callable[[Loaded], list[str]]:
    """Return the test of a loaded case against what the run kept of its training images.

    Args:
        kept: What the run kept.
        factor: Enlargement of super-resolution. A picture, which has no spacing, is none the finer for it.
    """

    def unlike(ready: Loaded) -> list[str]:
        case, spacing = ready.case, np.asarray(ready.case["spacing"])
        if ready.finer and factor and len(spacing) == 2 and np.allclose(spacing * factor, 1):
            case = {**case, "spacing": np.ones(2)}
        return [str(reason) for reason in reasons(kept, case)]

    return unlike
