"""A finished segmentation run as the evaluator of images that are synthesised from label maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ganatomy.config.resolve import load
from ganatomy.config.targets import build, check_targets, resolve
from ganatomy.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from ganatomy.config.schema import Config
    from ganatomy.config.section import Plain
    from ganatomy.data.datamodule import DataModule
    from ganatomy.tasks.base import AdversarialTask
    from ganatomy.tasks.synthesis.conditioning import Condition

ALIKE = ("channels", "spatial_dims", "size", "resize", "spacing", "orientation", "intensity")
"""Keys of `data` that decide how an image reaches a network; both runs must have the same values."""


@runtime_checkable
class TakesEvaluator(Protocol):
    """A task whose images a segmentation network can score."""

    condition: Condition

    def attach_mask_evaluator(self, network: nn.Module, window: int | list[int] | None) -> None:
        """Segment the synthetic test images with this network and score the result."""


def attach_evaluator(cfg: Config, task: AdversarialTask, data: DataModule) -> None:
    """Give the task the network of the run that `task.evaluator` names, if it names one.

    Args:
        cfg: Configuration of this run.
        task: Task whose images are to be evaluated.
        data: Data of this run.

    Raises:
        UserError: The named run is of another task or other classes, prepares images in another way, or was
            trained on subjects of this run's test split.
    """
    run = cfg.task.extra.get("evaluator")
    if run is None:
        return
    assert isinstance(task, TakesEvaluator)
    if not task.condition.masks:
        raise UserError(
            "task.evaluator: only images made from label maps can be evaluated; set it to null, or use "
            "model=spade"
        )
    theirs, weights = load(run), Path(run) / "generator.safetensors"
    if not getattr(resolve(theirs["task"], f"task.evaluator: {run}: task"), "makes_label_maps", False):
        raise UserError(f"task.evaluator: {run} is not a run of task=segmentation; give one that is")
    if not weights.is_file():
        raise UserError(
            f"task.evaluator: {run} has no generator.safetensors: that run has not finished; finish it first"
        )
    for key in ALIKE:
        ours, other = cfg.data.extra.get(key), theirs["data"].get(key)
        if ours != other:
            raise UserError(
                f"task.evaluator: {run} has data.{key}={other}, this run {ours}; make them the same"
            )
    summary = json.loads((Path(run) / "data.json").read_text(encoding="utf-8"))
    if tuple(summary["classes"]) != data.mask_classes:
        raise UserError(
            f"task.evaluator: {run} has the classes {summary['classes']}, this run "
            f"{list(data.mask_classes)}; give a run with the same classes"
        )
    tested = {record.subject for record in data.records["test"]}
    if shared := tested & set(summary["subjects"]["train"]):
        raise UserError(
            f"task.evaluator: {run} was trained on {len(shared)} of this run's {len(tested)} test subjects; "
            "give both runs the same split"
        )
    task.attach_mask_evaluator(_network(theirs["model"]["generator"], weights), theirs["task"].get("window"))


def _network(node: Plain, weights: Path) -> nn.Module:
    import safetensors.torch

    check_targets(node, "task.evaluator: model.generator")
    network: nn.Module = build(node, "task.evaluator: model.generator")
    network.load_state_dict(safetensors.torch.load_file(weights))
    return network
