"""A finished segmentation run, called as the judge of a run that draws images over label maps."""

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
"""What decides how an image reaches a network; it must be the same in both runs."""


@runtime_checkable
class TakesJudge(Protocol):
    """A task whose images a segmentation network can score."""

    condition: Condition

    def mask_judge(self, network: nn.Module, window: int | list[int] | None) -> None:
        """Have this network look at what is drawn over the label maps of the test."""


def attach_evaluator(cfg: Config, task: AdversarialTask, data: DataModule) -> None:
    """Give the task the network that `task.judge` names; nothing where it names none.

    UserError for a run that is no judge of these images: of another task, of other classes, with images that
    reach its network in another way, or trained on subjects of this run's test split.
    """
    run = cfg.task.extra.get("judge")
    if run is None:
        return
    assert isinstance(task, TakesJudge)
    if not task.condition.masks:
        raise UserError(
            "task.judge: only images that are drawn over label maps can be judged; set null, or model=spade"
        )
    theirs, weights = load(run), Path(run) / "generator.safetensors"
    if not getattr(resolve(theirs["task"], f"task.judge: {run}: task"), "makes_label_maps", False):
        raise UserError(f"task.judge: {run} is no run of task=segmentation")
    if not weights.is_file():
        raise UserError(f"task.judge: {run} has no generator.safetensors, as its run is not finished")
    for key in ALIKE:
        ours, other = cfg.data.extra.get(key), theirs["data"].get(key)
        if ours != other:
            raise UserError(
                f"task.judge: {run} has data.{key}={other}, and this run {ours}; make them the same"
            )
    told = json.loads((Path(run) / "data.json").read_text(encoding="utf-8"))
    if tuple(told["classes"]) != data.mask_classes:
        raise UserError(
            f"task.judge: {run} knows the classes {told['classes']}, these are {list(data.mask_classes)}"
        )
    tested = {record.subject for record in data.records["test"]}
    if seen := tested & set(told["subjects"]["train"]):
        raise UserError(
            f"task.judge: {run} was trained on {len(seen)} of the {len(tested)} subjects that test this run; "
            "give both the same split"
        )
    task.mask_judge(_network(theirs["model"]["generator"], weights), theirs["task"].get("window"))


def _network(node: Plain, weights: Path) -> nn.Module:
    import safetensors.torch

    check_targets(node, "task.judge: model.generator")
    network: nn.Module = build(node, "task.judge: model.generator")
    network.load_state_dict(safetensors.torch.load_file(weights))
    return network
