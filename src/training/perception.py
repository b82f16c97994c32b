"""`task.perceptual`: the segmentation run whose features a translation compares in training."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ganatomy.errors import UserError
from ganatomy.training.pretrained import segmentation_run

if TYPE_CHECKING:
    from ganatomy.config.schema import Config
    from ganatomy.data.datamodule import DataModule
    from ganatomy.tasks.base import AdversarialTask

KEY = "task.perceptual"
SAME = ("spatial_dims", "spacing", "orientation", "resize")
"""Keys of `data` that decide how large anatomy is for the network, and where it points."""
SCALED = ("letterbox", "cover", "stretch")
"""Values of `data.resize` that make the scale depend on `data.size`."""
NAMED = 3
"""Subjects that the note names."""


def attach_perception(cfg: Config, task: AdversarialTask, data: DataModule) -> Config:
    """Give the task the network of the run that `task.perceptual` names, if it names one.

    Args:
        cfg: Completed configuration of this run.
        task: Task whose translations are compared with their targets.
        data: Data of this run.

    Returns:
        The configuration with the SHA-256 of that run's weights as `task.perceptual_hash`.

    Raises:
        UserError: The named run is of another task or other images, is damaged, or its weights are not those
            that this run began with.
    """
    from ganatomy.tasks.translation import TranslationTask
    from ganatomy.tasks.translation.perceptual import Perceptual

    run = cfg.task.extra.get("perceptual")
    if run is None or not isinstance(task, TranslationTask):
        return cfg
    theirs = segmentation_run(run, KEY)
    _check_images(cfg, theirs.config["data"], run, data)
    network = theirs.network()
    found, wanted = hashlib.sha256(theirs.content()).hexdigest(), cfg.task.extra.get("perceptual_hash")
    if wanted not in (None, found):
        raise UserError(
            f"{KEY}: the weights of {run} are not those of task.perceptual_hash ({str(wanted)[:12]}..., "
            f"found {found[:12]}...); put them back, or start a new run"
        )
    extra = cfg.task.extra
    task.perceptual = Perceptual(
        network, extra.get("perceptual_weight", 1.0), extra.get("perceptual_layers") or ()
    )
    layers = task.perceptual.layers_of(data.target_channels, data.shape)
    task.notes.append(f"perceptual loss: {type(network).__name__} of {run}, features of {', '.join(layers)}")
    tested = {record.subject for record in data.records["test"]}
    if shared := sorted(tested & theirs.trained):
        names = ", ".join(shared[:NAMED]) + (", ..." if len(shared) > NAMED else "")
        task.notes.append(
            f"{KEY}: {run} was trained on labels of {len(shared)} of this run's {len(tested)} test subjects "
            f"({names}), so its features may know them; give both runs the same split"
        )
    return cfg.with_values(task={**cfg.task.to_plain(), "perceptual_hash": found})


def _check_images(cfg: Config, theirs: dict[str, Any], run: str, data: DataModule) -> None:
    """Raise UserError if that run's images are not prepared as the targets of this one."""
    ours = cfg.data.extra
    keys = [*SAME, "size"] if ours.get("resize") in SCALED else list(SAME)
    for key in keys:
        if ours.get(key) != theirs.get(key):
            raise UserError(
                f"{KEY}: {run} has data.{key}={theirs.get(key)}, this run {ours.get(key)}; make them the same"
            )
    if theirs.get("channels", 1) != data.target_channels:
        raise UserError(
            f"{KEY}: {run} segments images of {theirs.get('channels', 1)} channels, the target has "
            f"{data.target_channels}; give a run on images of the target's contrast"
        )
    key = "data.intensity" if data.preparation.target_intensity is None else "data.target_intensity"
    wanted = data.preparation.target_intensity or data.preparation.intensity
    if theirs.get("intensity") != wanted:
        raise UserError(
            f"{KEY}: {run} has data.intensity={theirs.get('intensity')}, the target here {key}={wanted}; "
            f"set data.target_intensity={theirs.get('intensity')}, or give a run on images prepared so"
        )
