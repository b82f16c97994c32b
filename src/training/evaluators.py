"""The finished run that `task.evaluator` names: a network of synthesis, or one that reads translations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch

from ganatomy.config.resolve import validate
from ganatomy.errors import UserError
from ganatomy.runs.integrity.checked import read_bytes
from ganatomy.runs.integrity.checksums import Damaged
from ganatomy.tasks.translation.scores.reader import TargetReader
from ganatomy.training.build import build_task
from ganatomy.training.pretrained import REPAIR, OpenedRun, attach_mask_evaluator, opened

if TYPE_CHECKING:
    from ganatomy.config.schema import Config
    from ganatomy.data.datamodule import DataModule
    from ganatomy.tasks.base import AdversarialTask

KEY, STATE = "task.evaluator", "task.safetensors"
ALIKE = ("size", "resize", "spacing", "orientation")
"""Keys of `data` that decide how an image reaches a network; both runs must have the same values."""
LESIONS = ("lesion", "lesions", "tumor", "tumour", "tumors", "tumours")
"""Names of a class that are taken for lesions if `task.lesion` is null."""


@runtime_checkable
class TakesReader(Protocol):
    """A task whose images a finished run on other images can read."""

    notes: list[str]

    def attach_reader(self, reader: TargetReader) -> None:
        """Have the test's images read by a finished run, and score what it finds."""


def attach_evaluator(cfg: Config, task: AdversarialTask, data: DataModule) -> None:
    """Give the task the run that `task.evaluator` names, if it names one.

    Args:
        cfg: Configuration of this run.
        task: Task whose images are to be evaluated.
        data: Data of this run.

    Raises:
        UserError: The named run does not suit; see `attach_reader` and `attach_mask_evaluator`.
    """
    run = cfg.task.extra.get("evaluator")
    if run is not None and isinstance(task, TakesReader):
        attach_reader(cfg, task, data)
    elif run is not None:
        attach_mask_evaluator(cfg, task, data)
    elif cfg.task.extra.get("lesion") is not None and isinstance(task, TakesReader):
        raise UserError("task.lesion: nothing looks for lesions; name a finished run (task.evaluator)")


def attach_reader(cfg: Config, task: TakesReader, data: DataModule) -> None:
    """Give a translation the run that `task.evaluator` names.

    Args:
        cfg: Configuration of this run.
        task: Task whose images are to be read.
        data: Data of this run.

    Raises:
        UserError: The named run is of another task, has not finished or is damaged, takes other images than
            this run's targets, knows no class `task.lesion`, or was trained on subjects of this run's test.
    """
    theirs = opened(cfg.task.extra["evaluator"], KEY, boxes=True)
    theirs.require({key: cfg.data.extra.get(key) for key in ALIKE})
    theirs.require_images(data, "target")
    if known := theirs.tested_here(data):
        raise UserError(f"{KEY}: {theirs.path} was trained on {known}; give both runs the same split")
    task.notes += _unknown_subjects(theirs, data)
    own = _task(theirs)
    if data.sliced and not own.makes_label_maps:
        raise UserError(
            f"{KEY}: {theirs.path} finds boxes in whole images, and this run's are slices of volumes; give a "
            "run of task=segmentation"
        )
    named: str | None = cfg.task.extra.get("lesion")
    found = theirs.classes[1:] if own.makes_label_maps else theirs.classes
    if named is not None and named not in found:
        raise UserError(f"task.lesion: {theirs.path} finds no {named}; choose among {', '.join(found)}")
    lesion = named or next((name for name in found if name.lower() in LESIONS), None)
    task.attach_reader(TargetReader(own, theirs.classes, lesion, data.mask_classes, data.box_classes))


def _unknown_subjects(theirs: OpenedRun, data: DataModule) -> list[str]:
    """Return a note if the two runs share no subject by name, so that nobody can tell who trained both."""
    names = {name for names in theirs.subjects.values() for name in names}
    if names & {record.subject for records in data.records.values() for record in records}:
        return []
    return [
        f"note: {KEY}: {theirs.path.name} knows no subject of this run by name, so it may have been trained "
        "on those of the test; give both runs the same names (data.subject) and the same split"
    ]


def _task(theirs: OpenedRun) -> AdversarialTask:
    """Build the task of a finished run with its tested weights."""
    import safetensors.torch

    weights = theirs.network().state_dict()
    try:
        with torch.random.fork_rng(devices=[]):
            task = build_task(validate(theirs.config), theirs.classes)
        task.generator.load_state_dict(weights)
        task.evaluator.load_state_dict(weights)
        if task.state_to_keep():
            content = read_bytes(theirs.path, STATE)
            if content is None:
                raise Damaged(f"{theirs.path / STATE}: is missing")
            task.load_kept_state(safetensors.torch.load(content))
    except (Damaged, safetensors.SafetensorError, RuntimeError, KeyError) as error:
        words = " ".join(str(error).split())[:120]
        raise UserError(
            f"{KEY}: {theirs.path}: is damaged ({words}); {REPAIR.format(run=theirs.path)}"
        ) from error
    except UserError as error:
        raise UserError(f"{KEY}: {theirs.path}: {error}") from error
    return task
