"""Tables of names: keys that were added since the first version (062eb33), classes and keys renamed since.

They keep the hashes of experiments and open the runs, files and command lines of earlier versions
(`config.versions`). Whoever moves a class, renames a key or adds one writes a row here.
"""

from __future__ import annotations

from typing import Any

ADDED: dict[str, Any] = {
    "callbacks.keep_checkpoints": 2,
    "trainer.channels_last": False,
    "trainer.hang_after": 1800.0,
    "trainer.bucket_mb": 0.0,
    "trainer.checkpointing": False,
    "guard.name": "warn",
    "guard.tries": 3,
    "data.changed": "stop",
    "data.missing_label": "fault",
    "data.instances": None,
    "data.shared": [],
    "data.subject": None,
    "data.match": None,
    "data.finding": None,
    "data.target_intensity": None,
    "data.target_channels": None,
    "data.axes": None,
    "data.mask": None,
    "data.missing": None,
    "data.drop": 0.0,
    "data.sampling": None,
    "data.class_sampling": None,
    "data.target_grid": None,
    "data.target_series": None,
    "data.target_modality": None,
    "data.series": None,
    "data.modality": None,
    "data.outside": False,
    "data.download": False,
    "data.unpaired": False,
    "data.regions": None,
    "data.regions_class_order": None,
    "data.ignore_label": None,
    "data.secret": None,
    "data.box_units": None,
    "task.path_length.per_layer": False,
    "task.method": None,
    "task.scored": "network",
    "task.metrics": [],
    "task.scores": [],
    "task.postprocess": None,
    "task.loss": "dice_ce",
    "task.class_weights": None,
    "task.mirror_axes": [],
    "task.instances": False,
    "task.gaussian": "circle",
    "task.box_cells": "near",
    "task.vote": False,
    "task.window": None,
    "task.fusion": "maps",
    "task.zooms": [],
    "task.refine": None,
    "resume_force": False,
    "init": None,
    "init_players": "both",
    "init_hash": None,
    "synthetic": None,
    "synthetic_share": 0.5,
    "synthetic_hash": None,
    "freeze": [],
    "freeze_discriminator": 0,
    "model.adversarial.history": 0,
    "model.generator.strided": False,
    "model.discriminator.strided": False,
    "model.discriminator.filters": 3,
    "model.discriminator.batch_norm": False,
    "model.discriminator.alone": False,
    "plan": None,
    "plan_minutes": 10.0,
    "plan_memory": 8.0,
    "plan_for": None,
    "plan_estimate": None,
}
"""A key that came after 062eb33 -> its FIRST default, which says what runs did before it was there.

It stays that, whatever conf/ says later: the key is not hashed while it has this value, and a configuration
without the key means this value. The names are today's."""

ADDED_FOR: dict[str, tuple[str, ...]] = {
    "data.subject": ("ganatomy.data.sources.coco.", "ganatomy.data.sources.voc."),
    "data.match": ("ganatomy.data.sources.coco.", "ganatomy.data.sources.voc."),
    "task.method": ("ganatomy.tasks.synthesis.",),
    "task.mirror_axes": ("ganatomy.tasks.enhancement.", "ganatomy.tasks.translation."),
    "task.window": ("ganatomy.tasks.detection.",),
}
"""A key of `ADDED` that some classes had from the first -> beginnings of those that got it later."""

ADDED_SECTIONS = ("guard",)
"""Sections that came after 062eb33; all of their keys are in `ADDED`."""

MOVED_CLASSES: dict[str, str] = {
    "ganatomy": "src",
    "ganatomy.networks.autoencoders.encoder": "src.networks.encoder",
    "ganatomy.networks.autoencoders.fanogan": "src.networks.fanogan",
    "ganatomy.networks.autoencoders.ganomaly": "src.networks.ganomaly",
    "ganatomy.networks.discriminators.confidence": "src.networks.confidence",
    "ganatomy.networks.discriminators.critic": "src.networks.critic",
    "ganatomy.networks.discriminators.masked_critic": "src.networks.masked_critic",
    "ganatomy.networks.discriminators.unet": "src.networks.unet_discriminator",
    "ganatomy.networks.image_to_image.centernet": "src.networks.centernet",
    "ganatomy.networks.image_to_image.denoisers": "src.networks.denoisers",
    "ganatomy.networks.image_to_image.spade": "src.networks.spade",
    "ganatomy.networks.image_to_image.super_resolution": "src.networks.super_resolution",
    "ganatomy.networks.image_to_image.unet": "src.networks.unet",
    "ganatomy.networks.noise_to_image.conditional": "src.networks.conditional",
    "ganatomy.networks.noise_to_image.dcgan": "src.networks.dcgan",
    "ganatomy.networks.noise_to_image.fastgan": "src.networks.fastgan",
    "ganatomy.networks.noise_to_image.modulated": "src.networks.modulated",
    "ganatomy.networks.noise_to_image.r3gan": "src.networks.r3gan",
    "ganatomy.networks.noise_to_image.stylegan2": "src.networks.stylegan2",
    "ganatomy.optim.schedules": "src.tasks.schedules",
    "ganatomy.runs.multirun": "src.core.multirun",
    "ganatomy.tasks.anomaly.methods": "src.tasks.methods",
    "ganatomy.tasks.anomaly.methods.FAnoGanTraining": "src.tasks.methods.FAnoGan",
    "ganatomy.tasks.anomaly.methods.GanomalyTraining": "src.tasks.methods.Ganomaly",
    "ganatomy.tasks.segmentation.self_training": "src.tasks.semi",
}
"""Dotted prefix of a `_target_` today -> what it was called in 062eb33. The longest prefix counts."""

MOVED_KEYS: dict[str, str] = {
    # data
    "data.image_classes": "data.kinds",
    "data.resize": "data.fit",
    "data.unlabelled_fraction": "data.unlabelled",
    # model
    "model.generator.class_conditional": "model.generator.told",
    # task
    "task.evaluator": "task.judge",
    "task.match_iou": "task.hit",
    "task.max_detections": "task.top",
    "task.max_images": "task.most",
    "task.mirror_axes": "task.mirror",
    "task.nms_iou": "task.overlap",
    # trainer
    "trainer.test_checkpoint": "trainer.judged",
}
"""Dotted key, or section, today -> what it was called in 062eb33; a comment a section."""

WENT: dict[str, str] = {
    "src.core": "ganatomy.config, ganatomy.runs, ganatomy.launch, ganatomy.training",
    "src.losses": "ganatomy.tasks.detection, ganatomy.tasks.enhancement",
}
"""A package of 062eb33 that is gone -> where its modules went, except those with a row in MOVED_CLASSES."""


def added(task: Any, data: Any) -> dict[str, Any]:
    """Return the keys of `ADDED` that came later for the classes of a task and its data, by today's names."""
    classes = {"task": str(task), "data": str(data)}
    return {
        key: first
        for key, first in ADDED.items()
        if classes.get(key.partition(".")[0], "").startswith(ADDED_FOR.get(key, ""))
    }
