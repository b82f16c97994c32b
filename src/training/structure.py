"""`task.structure`: the segmentation runs whose answers to image and translation are compared in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch

from ganatomy.errors import UserError
from ganatomy.text.values import as_typed
from ganatomy.training.pretrained import OpenedRun, opened

if TYPE_CHECKING:
    from torch import nn

    from ganatomy.config.schema import Config
    from ganatomy.data.datamodule import DataModule
    from ganatomy.tasks.base import AdversarialTask

SECTION = "task.structure"
ALIKE = ("spatial_dims", "size", "resize", "spacing", "orientation")
"""Keys of `data` that decide what of the anatomy reaches a network, and how large."""
HASHES = {"run": "hash", "source_run": "source_hash"}
"""Key of a run -> key of the SHA-256 of its weights."""


def attach_structure(cfg: Config, task: AdversarialTask, data: DataModule) -> Config:
    """Give the task the networks of the runs that `task.structure` names, if it uses any.

    Args:
        cfg: Completed configuration of this run.
        task: Task whose translations are compared with their images.
        data: Data of this run.

    Returns:
        The configuration with the SHA-256 of those runs' weights.

    Raises:
        UserError: A named run is of another task, other classes or other images, is damaged, or its weights
            are not those that this run began with.
    """
    from ganatomy.tasks.translation import TranslationTask

    given = cfg.task.extra.get("structure")
    if not given or not given.get("segmentation") or not isinstance(task, TranslationTask):
        return cfg
    own = given.get("source_run") is None
    sides: dict[str, Literal["image", "target"]] = {"run": "target"}
    sides |= {} if own else {"source_run": "image"}
    runs = {key: opened(given[key], f"{SECTION}.{key}") for key in sides}
    if own:
        _check_classes(runs["run"], data.mask_classes, "the labels of these data")
    else:
        _check_classes(runs["run"], runs["source_run"].classes, str(given["source_run"]))
    networks: dict[str, nn.Module] = {}
    hashes: dict[str, str] = {}
    for key, side in sides.items():
        runs[key].require({name: cfg.data.extra.get(name) for name in ALIKE})
        runs[key].require_images(data, side)
        networks[key], name = runs[key].network(), HASHES[key]
        hashes[name] = runs[key].checked_hash(given[name], f"{SECTION}.{name}")
        channels = data.target_channels if side == "target" else data.channels
        _check_answer(networks[key], runs[key], (channels, *data.shape))
    task.structure.attach(networks["run"], networks.get("source_run"))
    return cfg.with_values(task={**cfg.task.to_plain(), "structure": {**given, **hashes}})


def _check_classes(theirs: OpenedRun, classes: Sequence[str], named: str) -> None:
    """Raise UserError if the run that sees translations has other classes than what it is compared with."""
    if not classes:
        raise UserError(
            f"{SECTION}.source_run: these data have no labels to compare with; name a run of "
            "task=segmentation on images like the source"
        )
    if tuple(classes) != theirs.classes:
        raise UserError(
            f"{theirs.key}: {theirs.path} has the classes {as_typed(theirs.classes)}, {named} have "
            f"{as_typed(classes)}; give runs with the same classes"
        )


def _check_answer(network: nn.Module, theirs: OpenedRun, shape: tuple[int, ...]) -> None:
    """Raise UserError if a network answers images of this shape, [C, *spatial], with no map per class."""
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            answer = network.eval()(torch.zeros(1, *shape))
    except (RuntimeError, ValueError, AssertionError) as error:
        line, size = " ".join(str(error).split())[:120], "x".join(map(str, shape))
        raise UserError(
            f"{theirs.key}: the network of {theirs.path} cannot take images of {size} ({line}); give a run "
            "on such images"
        ) from error
    wanted = (1, len(theirs.classes), *shape[1:])
    if not isinstance(answer, torch.Tensor) or tuple(answer.shape) != wanted:
        raise UserError(f"{theirs.key}: the network of {theirs.path} does not answer with one map a class")
