"""`task.perceptual`: the segmentation run whose features a translation compares in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganatomy.training.pretrained import opened

if TYPE_CHECKING:
    from ganatomy.config.schema import Config
    from ganatomy.data.datamodule import DataModule
    from ganatomy.tasks.base import AdversarialTask

KEY = "task.perceptual"
SAME = ("spatial_dims", "spacing", "orientation", "resize")
"""Keys of `data` that decide how large anatomy is for the network, and where it points."""
SCALED = ("letterbox", "cover", "stretch")
"""Values of `data.resize` that make the scale depend on `data.size`."""


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
    theirs, extra, ours = opened(run, KEY), cfg.task.extra, cfg.data.extra
    keys = [*SAME, "size"] if ours.get("resize") in SCALED else list(SAME)
    theirs.require({key: ours.get(key) for key in keys})
    theirs.require_images(data, "target")
    network = theirs.network()
    found = theirs.checked_hash(extra.get("perceptual_hash"), f"{KEY}_hash")
    task.perceptual = Perceptual(
        network, extra.get("perceptual_weight", 1.0), extra.get("perceptual_layers") or ()
    )
    layers = task.perceptual.layers_of(data.target_channels, data.shape)
    task.notes.append(f"perceptual loss: {type(network).__name__} of {run}, features of {', '.join(layers)}")
    if known := theirs.tested_here(data):
        task.notes.append(
            f"note: {KEY}: {run} was trained on labels of {known}, so its features may know them; give both "
            "runs the same split"
        )
    return cfg.with_values(task={**cfg.task.to_plain(), "perceptual_hash": found})
