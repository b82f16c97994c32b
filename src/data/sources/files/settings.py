"""Settings of all file-based data sets, and the paths of a record's files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from ganatomy.data.io.digests import Digests
from ganatomy.data.problems import files_of
from ganatomy.data.records import Record
from ganatomy.data.sources.files.masks import INSTANCES
from ganatomy.data.transforms.missing import Missing
from ganatomy.errors import UserError


@dataclass(kw_only=True)
class FileSettings:
    """Settings of a folder of files.

    Attributes:
        root: the folder.
        channels: channels of the image. Grey pictures become colour (3) by repetition; colour (RGB, a colour
            palette) becomes grey by luminance; frames, echoes, vectors and contrasts must match.
        spatial_dims: 2 for pictures and for volumes served slice by slice, 3 for volumes.
        size: shape that every case is brought to, a side or one number per axis; null keeps each its own.
        classes: names of the values of `label`, background first.
        box_classes: names of the classes of the boxes.
        image_classes: names of the classes of the images.
        label_values: the values in the files, in the order of `classes`; null: 0, 1, 2, ...
        ignore_label: the value of voxels that nobody has labelled: they are `IGNORED`; null: there are none.
        boxes_from_label: make one box for each object in the masks.
        axes: axis order of bare arrays (.npy), of rows H, columns W, slices D and channels C, e.g. HWC or
            DHW; null refuses ambiguous arrays.
        target_channels: channels of the target, if different from `channels`.
        instances: definition of an object. `files`: everything in one mask file; `values`: one value of a
            mask (values then number objects, not classes); `parts`: one connected part of a class; null:
            files where an image has several files of one class, else parts. Or the name of files that number
            the objects, as the source names files; boxes are made of them.
        missing_label: meaning of an image without a mask. `background`: nothing is marked; `fault`: a fault.
        missing: `zero` lets a case lack some channels of its image, see `transforms.missing`; null: a fault.
        target_grid: `image` resamples a target that lies on other voxels than its image; null refuses it.
        target_modality: modality of the targets in DICOM's words (CT, MR, PT), for the files of predictions.
        shared: roles among image, target, label and mask whose files may be used by several cases.
    """

    root: str
    channels: int = 1
    spatial_dims: Literal[2, 3] = 2
    size: int | Sequence[int] | None = None
    classes: Sequence[str] = ()
    box_classes: Sequence[str] = ()
    image_classes: Sequence[str] = ()
    label_values: Sequence[int] | None = None
    ignore_label: int | None = None
    boxes_from_label: bool = False
    axes: str | None = None
    target_channels: int | None = None
    instances: str | None = None
    missing_label: Literal["fault", "background"] = "fault"
    shared: Sequence[str] = ()
    missing: Missing = None
    target_grid: Literal["image"] | None = None
    target_modality: Any = None
    private: ClassVar[bool] = False
    """True if names of files and folders may identify a person: a case's content is its bytes alone."""
    files_are_channels: ClassVar[bool] = True
    """True if several image files of a case are its channels; all cases then need the same number."""
    names_maps: ClassVar[str] = ""
    """What names the files of instance maps, for messages; empty if the source reads none."""

    def __post_init__(self) -> None:
        self.folder = Path(self.root).expanduser()
        if not self.folder.is_dir():
            raise UserError(
                f"data.root={self.root}: no such folder; set data.root or GANATOMY_DATA "
                "(see conf/data for where to find published sets)"
            )
        self.with_instances = False  # the task learns from instance maps
        self.digests, self.place = Digests(root=self.folder), self.folder.resolve()
        self.classes, self.image_classes = tuple(self.classes), tuple(self.image_classes)
        by_label = self.boxes_from_label or (self.maps and getattr(self, "label", None))
        made = self.classes[1:] if by_label else ("object",) if self.maps else ()
        self.box_classes = tuple(self.box_classes) or made

    @property
    def maps(self) -> str | None:
        """Return the name of the files that number objects; None if `instances` defines objects."""
        return None if self.instances in (None, *INSTANCES) else self.instances

    def paths(self, record: Record, role: str) -> list[Path]:
        """Return the files of `image`, `target`, `label`, `mask` or `instances`."""
        return [self.folder / name for name in files_of(record, role)]
