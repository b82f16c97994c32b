"""A finished segmentation run as the evaluator of images that are synthesised from label maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ganatomy.config.resolve import load
from ganatomy.config.targets import build, check_targets, resolve
from ganatomy.errors import UserError
from ganatomy.runs.integrity.checked import read_bytes
from ganatomy.runs.integrity.checksums import Damaged
from ganatomy.runs.integrity.contents import parsed

if TYPE_CHECKING:
    from torch import nn

    from ganatomy.config.schema import Config
    from ganatomy.config.section import Plain
    from ganatomy.data.datamodule import DataModule
    from ganatomy.tasks.base import AdversarialTask
    from ganatomy.tasks.synthesis.conditioning import Condition

REPAIR = "put it back, or give another run; resume={run} mends its files"
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
    classes, trained = _classes_and_subjects(Path(run))
    if classes != data.mask_classes:
        raise UserError(
            f"task.evaluator: {run} has the classes {list(classes)}, this run "
            f"{list(data.mask_classes)}; give a run with the same classes"
        )
    tested = {record.subject for record in data.records["test"]}
    if shared := tested & trained:
        raise UserError(
            f"task.evaluator: {run} was trained on {len(shared)} of this run's {len(tested)} test subjects; "
            "give both runs the same split"
        )
    for name in ("config.yaml", "data.json"):
        _checked(Path(run), name)
    network = _network(theirs["model"]["generator"], weights)
    task.attach_mask_evaluator(network, theirs["task"].get("window"))


def _classes_and_subjects(run: Path) -> tuple[tuple[str, ...], set[str]]:
    """Return the classes of the evaluator's run, and the subjects that it was trained on."""
    path = run / "data.json"
    try:
        summary = parsed(path.name, path.read_bytes() if path.is_file() else b"")
        return tuple(summary["classes"]), set(summary["subjects"]["train"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"task.evaluator: {path}: is damaged ({error}); {REPAIR.format(run=run)}") from error


def _checked(run: Path, name: str) -> bytes:
    """Return the bytes of a file of the evaluator's run; UserError if they are not what that run wrote."""
    try:
        content = read_bytes(run, name)
        if content is None:
            raise Damaged(f"{run / name}: is missing")
    except Damaged as error:
        raise UserError(f"task.evaluator: {error}; {REPAIR.format(run=run)}") from error
    return content


def _network(node: Plain, weights: Path) -> nn.Module:
    """Build the evaluator's network with its weights; UserError for weights that are not its own."""
    import safetensors.torch

    check_targets(node, "task.evaluator: model.generator")
    network: nn.Module = build(node, "task.evaluator: model.generator")
    content = _checked(weights.parent, weights.name)
    try:
        state = safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise UserError(
            f"task.evaluator: {weights}: is damaged ({_line(error)}); {REPAIR.format(run=weights.parent)}"
        ) from error
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"task.evaluator: {weights}: is of another network than its run's config.yaml names "
            f"({_line(error)}); {REPAIR.format(run=weights.parent)}"
        ) from error
    if wrong := [name for name, value in state.items() if not bool(value.isfinite().all())]:
        raise UserError(f"task.evaluator: {weights}: {wrong[0]} is not finite; give a run that ended well")
    return network


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
