"""A finished run whose network serves another run: it scores images, or compares what it sees in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from ganatomy.config.resolve import load
from ganatomy.config.targets import build, check_targets, resolve
from ganatomy.data.records import SPLITS
from ganatomy.errors import UserError
from ganatomy.runs.integrity.checked import read_bytes
from ganatomy.runs.integrity.checksums import Damaged
from ganatomy.runs.integrity.contents import parsed
from ganatomy.text.values import as_typed

if TYPE_CHECKING:
    from torch import nn

    from ganatomy.config.schema import Config
    from ganatomy.config.section import Plain
    from ganatomy.data.datamodule import DataModule
    from ganatomy.tasks.base import AdversarialTask
    from ganatomy.tasks.synthesis.conditioning import Condition

WEIGHTS = "generator.safetensors"
REPAIR = "put it back, or give another run; resume={run} mends its files"
ALIKE = ("channels", "spatial_dims", "size", "resize", "spacing", "orientation", "intensity")
"""Keys of `data` that decide how an image reaches a network; both runs must have the same values."""


@runtime_checkable
class TakesEvaluator(Protocol):
    """A task whose images a segmentation network can score."""

    condition: Condition

    def attach_mask_evaluator(self, network: nn.Module, window: int | list[int] | None) -> None:
        """Segment the synthetic test images with this network and score the result."""


@dataclass(frozen=True)
class OpenedRun:
    """A finished run of segmentation or detection; of its files only tensors and plain values are read.

    Attributes:
        path: Its directory.
        key: Key that named it, for messages.
        config: Its configuration.
        classes: Names of its classes; of segmentation background first.
        subjects: Its subjects by split.
        channels: Channels of its images; None if its data.json does not say.
    """

    path: Path
    key: str
    config: Plain
    classes: tuple[str, ...]
    subjects: Mapping[str, Sequence[str]]
    channels: int | None = None

    @property
    def window(self) -> int | list[int] | None:
        """Return the side or sides of its sliding window; None for whole images."""
        found: int | list[int] | None = self.config["task"].get("window")
        return found

    def require(self, data: Mapping[str, Any]) -> None:
        """Raise UserError if one of these keys of `data` has another value there."""
        for key, ours in data.items():
            if ours != (theirs := self.config["data"].get(key)):
                raise UserError(
                    f"{self.key}: {self.path} has data.{key}={as_typed(theirs)}, this run {as_typed(ours)}; "
                    "make them the same"
                )

    def require_images(self, data: DataModule, side: Literal["image", "target"]) -> None:
        """Raise UserError if its images are not prepared as those of a side of these data."""
        made, ours = data.preparation, data.channels if side == "image" else data.target_channels
        if self.channels not in (None, ours):
            raise UserError(
                f"{self.key}: {self.path} takes images of {self.channels} channels, and the {side} here has "
                f"{ours}; give a run on images like the {side}"
            )
        own = side == "target" and made.target_intensity is not None
        wanted, key = (made.target_intensity, "target_intensity") if own else (made.intensity, "intensity")
        if as_lists(theirs := self.config["data"].get("intensity")) != as_lists(wanted):
            raise UserError(
                f"{self.key}: {self.path} has data.intensity={as_typed(theirs)}, the {side} here "
                f"data.{key}={as_typed(wanted)}; make them the same, or give a run on images prepared alike"
            )

    def tested_here(self, data: DataModule) -> str:
        """Return how many test subjects of these data it was trained on, in words; empty for none."""
        tested = {record.subject for record in data.records["test"]}
        known = len(tested & set(self.subjects["train"]))
        return f"{known} of this run's {len(tested)} test subjects" if known else ""

    def checked_hash(self, wanted: str | None, key: str) -> str:
        """Return the SHA-256 of its weights; UserError if `wanted`, of this key, is that of others."""
        found = hashlib.sha256(self.content()).hexdigest()
        if wanted not in (None, found):
            raise UserError(
                f"{self.key}: {self.path} has other weights than this run began with "
                f"({key}={wanted[:12]}..., found {found[:12]}...); put them back, or start a new run"
            )
        return found

    def content(self) -> bytes:
        """Return the content of generator.safetensors; UserError if the run did not write it so."""
        return [_checked(self.path, name, self.key) for name in ("config.yaml", "data.json", WEIGHTS)][-1]

    def network(self) -> nn.Module:
        """Build its generator with its weights; UserError for weights that are not its own."""
        import safetensors.torch

        node, weights = self.config["model"]["generator"], self.path / WEIGHTS
        check_targets(node, f"{self.key}: model.generator")
        content = self.content()
        network: nn.Module = build(node, f"{self.key}: model.generator")
        try:
            state = safetensors.torch.load(content)
        except (safetensors.SafetensorError, ValueError, KeyError) as error:
            raise UserError(
                f"{self.key}: {weights}: is damaged ({_line(error)}); {REPAIR.format(run=self.path)}"
            ) from error
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise UserError(
                f"{self.key}: {weights}: is of another network than its run's config.yaml names "
                f"({_line(error)}); {REPAIR.format(run=self.path)}"
            ) from error
        if wrong := [name for name, value in state.items() if not bool(value.isfinite().all())]:
            raise UserError(f"{self.key}: {weights}: {wrong[0]} is not finite; give a run that ended well")
        return network


def opened(run: str, key: str, boxes: bool = False) -> OpenedRun:
    """Open a finished run of segmentation.

    Args:
        run: Its directory.
        key: Key that names it, for messages.
        boxes: A run of detection will do, too.

    Raises:
        UserError: It is no such run, has not finished, or is damaged.
    """
    path = Path(run).expanduser()
    try:
        config = load(path)
    except (UserError, Damaged) as error:
        raise UserError(f"{key}: {error}") from error
    task = resolve(config["task"], f"{key}: {run}: task")
    segments = getattr(task, "makes_label_maps", False)
    if not segments and not (boxes and getattr(task, "learned", "") == "boxes"):
        kinds = "task=segmentation or task=detection" if boxes else "task=segmentation"
        raise UserError(f"{key}: {run} is not a run of {kinds}; give one that is")
    if segments and (config["task"].get("label_map") or {}).get("regions"):
        raise UserError(f"{key}: {run} answers with overlapping regions; give a run with one class a voxel")
    if not (path / WEIGHTS).is_file():
        raise UserError(f"{key}: {run} has no {WEIGHTS}: that run has not finished; finish it first")
    summary = path / "data.json"
    try:
        found = parsed(summary.name, summary.read_bytes() if summary.is_file() else b"")
        classes = tuple(found["classes" if segments else "box_classes"])
        subjects: dict[str, tuple[str, ...]] = {split: tuple(found["subjects"][split]) for split in SPLITS}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{key}: {summary}: is damaged ({error}); {REPAIR.format(run=run)}") from error
    return OpenedRun(path, key, config, classes, subjects, found.get("channels"))


def as_lists(setting: Any) -> Any:
    """Return a setting with its sequences as lists, so that two can be compared."""
    if isinstance(setting, str) or not isinstance(setting, Sequence):
        return setting
    return [as_lists(part) for part in setting]


def attach_mask_evaluator(cfg: Config, task: AdversarialTask, data: DataModule) -> None:
    """Give a task of synthesis the network of the run that `task.evaluator` names.

    Args:
        cfg: Configuration of this run.
        task: Task whose images are to be evaluated.
        data: Data of this run.

    Raises:
        UserError: The named run is of another task or other classes, prepares images in another way, or was
            trained on subjects of this run's test split.
    """
    run = cfg.task.extra["evaluator"]
    assert isinstance(task, TakesEvaluator)
    if not task.condition.masks:
        raise UserError(
            "task.evaluator: only images made from label maps can be evaluated; set it to null, or use "
            "model=spade"
        )
    theirs = opened(run, "task.evaluator")
    theirs.require({key: cfg.data.extra.get(key) for key in ALIKE})
    if theirs.classes != data.mask_classes:
        raise UserError(
            f"task.evaluator: {run} has the classes {as_typed(theirs.classes)}, this run "
            f"{as_typed(data.mask_classes)}; give a run with the same classes"
        )
    if known := theirs.tested_here(data):
        raise UserError(f"task.evaluator: {run} was trained on {known}; give both runs the same split")
    task.attach_mask_evaluator(theirs.network(), theirs.window)


def _checked(run: Path, name: str, key: str) -> bytes:
    """Return the bytes of a file of a run; UserError if they are not what that run wrote."""
    try:
        content = read_bytes(run, name)
        if content is None:
            raise Damaged(f"{run / name}: is missing")
    except Damaged as error:
        raise UserError(f"{key}: {error}; {REPAIR.format(run=run)}") from error
    return content


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
