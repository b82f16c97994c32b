"""The finished run that `task.evaluator` names: a network of synthesis, or one that reads translations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch

from ganatomy.config.resolve import load, validate
from ganatomy.config.targets import resolve
from ganatomy.errors import UserError
from ganatomy.runs.integrity.checked import read_bytes, read_file
from ganatomy.runs.integrity.checksums import Damaged
from ganatomy.tasks.translation.scores.reader import TargetReader
from ganatomy.training.build import build_task
from ganatomy.training.pretrained import REPAIR, WEIGHTS, SegmentationRun, attach_mask_evaluator

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
    opened = _opened(cfg.task.extra["evaluator"], data)
    _suits(opened, cfg, data)
    task.notes += _unknown_subjects(opened, data)
    own = _task(opened)
    named: str | None = cfg.task.extra.get("lesion")
    found = opened.classes[1:] if own.makes_label_maps else opened.classes
    if named is not None and named not in found:
        raise UserError(f"task.lesion: {opened.path} finds no {named}; choose among {', '.join(found)}")
    lesion = named or next((name for name in found if name.lower() in LESIONS), None)
    task.attach_reader(TargetReader(own, opened.classes, lesion, data.mask_classes, data.box_classes))


def _opened(run: str, data: DataModule) -> SegmentationRun:
    """Open a finished run of segmentation or detection."""
    path = Path(run).expanduser()
    try:
        config = load(path)
        about: dict[str, Any] = read_file(path, "data.json") or {}
    except (UserError, Damaged) as error:
        raise UserError(f"{KEY}: {error}") from error
    task = resolve(config["task"], f"{KEY}: {run}: task")
    segments, detects = getattr(task, "makes_label_maps", False), getattr(task, "learned", "") == "boxes"
    if not segments and not detects:
        raise UserError(f"{KEY}: {run} is no run of task=segmentation or task=detection; give one that is")
    if not (path / WEIGHTS).is_file():
        raise UserError(f"{KEY}: {run} has no {WEIGHTS}: that run has not finished; finish it first")
    if detects and data.sliced:
        raise UserError(
            f"{KEY}: {run} finds boxes in whole images, and this run's are slices of volumes; give a run of "
            "task=segmentation"
        )
    try:
        classes = tuple(about["classes" if segments else "box_classes"])
        trained = frozenset(about["subjects"]["train"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{KEY}: {path / 'data.json'}: says too little; {REPAIR.format(run=run)}") from error
    return SegmentationRun(path, KEY, config, classes, trained)


def _suits(opened: SegmentationRun, cfg: Config, data: DataModule) -> None:
    """Raise UserError if a run does not take this run's targets, or knows its test subjects."""
    opened.require({key: cfg.data.extra.get(key) for key in ALIKE})
    theirs, here = opened.config["data"], data.preparation
    wanted = here.intensity if here.target_intensity is None else here.target_intensity
    if _plain(theirs.get("intensity")) != _plain(wanted):
        key = "data.intensity" if here.target_intensity is None else "data.target_intensity"
        raise UserError(
            f"{KEY}: {opened.path} reads its images with data.intensity={theirs.get('intensity')}, and this "
            f"run its targets with {key}={wanted}; make them the same"
        )
    about: dict[str, Any] = read_file(opened.path, "data.json") or {}
    facts = {"channels": data.target_channels, "spatial_dims": data.spatial_dims}
    for key, ours in facts.items():
        if about.get(key, ours) != ours:
            raise UserError(
                f"{KEY}: {opened.path} takes images of {key}={about[key]}, and this run's targets have "
                f"{ours}; give a run on images like the targets"
            )
    tested = {record.subject for record in data.records["test"]}
    if shared := tested & opened.trained:
        raise UserError(
            f"{KEY}: {opened.path} was trained on {len(shared)} of this run's {len(tested)} test subjects; "
            "give both runs the same split"
        )


def _unknown_subjects(opened: SegmentationRun, data: DataModule) -> list[str]:
    """Return a note if the two runs share no subject by name, so that nobody can tell who trained both."""
    subjects: dict[str, list[str]] = (read_file(opened.path, "data.json") or {}).get("subjects") or {}
    theirs = {name for names in subjects.values() for name in names}
    ours = {record.subject for records in data.records.values() for record in records}
    if theirs & ours:
        return []
    return [
        f"note: {KEY}: {opened.path.name} knows no subject of this run by name, so it may have been trained "
        "on those of the test; give both runs the same names (data.subject) and the same split"
    ]


def _plain(intensity: Any) -> Any:
    """Return a setting of intensity as lists and numbers that can be compared."""
    if isinstance(intensity, str) or not isinstance(intensity, Sequence):
        return intensity
    return [_plain(part) for part in intensity]


def _task(opened: SegmentationRun) -> AdversarialTask:
    """Build the task of a finished run with its tested weights."""
    import safetensors.torch

    weights = opened.network().state_dict()
    try:
        with torch.random.fork_rng(devices=[]):
            task = build_task(validate(opened.config), opened.classes)
        task.generator.load_state_dict(weights)
        task.evaluator.load_state_dict(weights)
        if task.state_to_keep():
            content = read_bytes(opened.path, STATE)
            if content is None:
                raise Damaged(f"{opened.path / STATE}: is missing")
            task.load_kept_state(safetensors.torch.load(content))
    except UserError as error:
        raise UserError(f"{KEY}: {opened.path}: {error}") from error
    except (Damaged, safetensors.SafetensorError, RuntimeError, KeyError) as error:
        words = " ".join(str(error).split())[:120]
        raise UserError(
            f"{KEY}: {opened.path}: is damaged ({words}); {REPAIR.format(run=opened.path)}"
        ) from error
    return task
