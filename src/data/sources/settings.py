"""Settings of all data sets made of files, and where the files of a record lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from src.data.digests import Digests
from src.data.problems import files_of
from src.data.records import Record
from src.data.sources.masks import Instances
from src.errors import UserError


@dataclass(kw_only=True)
class FileSettings:
    """Settings of a folder of files.

    channels: grey pictures become colour (3) by repetition, colour (RGB, a colour palette) becomes grey by
    luminance; frames, echoes, vectors and contrasts must match. target_channels: those of the target, where
    they are not as many. axes: of bare arrays (.npy), the order of rows H, columns W, pages D and channels C,
    e.g. HWC or DHW; null refuses what could be either. spatial_dims: 2 for pictures and for volumes served
    slice by slice, 3 for volumes. size: what every case is brought to, a side or one number per axis; null
    keeps each its own. classes, box_classes, kinds: names of the values of `label` (background first), of
    the boxes, of the images. label_values: the values in the files, in the order of `classes`; null: 0, 1,
    2, ... boxes_from_label: one box for each object in the masks. instances: what an object is: `files`, all
    that one mask file marks; `values`, one value of a mask (which then tells objects, not classes); `parts`,
    one connected part of a class; null: files where an image has several of a class, else parts.
    missing_label: `background`: an image without a mask has nothing marked; fault: it is one. shared: of
    image, target and label, those whose files may serve several cases.
    """

    root: str
    channels: int = 1
    spatial_dims: Literal[2, 3] = 2
    size: int | Sequence[int] | None = None
    classes: Sequence[str] = ()
    box_classes: Sequence[str] = ()
    kinds: Sequence[str] = ()
    label_values: Sequence[int] | None = None
    boxes_from_label: bool = False
    axes: str | None = None
    target_channels: int | None = None
    instances: Instances | None = None
    missing_label: Literal["fault", "background"] = "fault"
    shared: Sequence[str] = ()
    files_are_channels: ClassVar[bool] = True
    """Whether several image files of a case are its channels, of which all cases have as many."""

    def __post_init__(self) -> None:
        self.folder = Path(self.root).expanduser()
        if not self.folder.is_dir():
            raise UserError(
                f"data.root={self.root}: no such folder; set data.root or GANATOMY_DATA "
                "(conf/data tells where published sets are found)"
            )
        self.digests, self.place = Digests(root=self.folder), self.folder.resolve()
        self.classes, self.kinds = tuple(self.classes), tuple(self.kinds)
        self.box_classes = tuple(self.box_classes) or (self.classes[1:] if self.boxes_from_label else ())

    def paths(self, record: Record, role: str) -> list[Path]:
        """The files of `image`, `target` or `label`."""
        return [self.folder / name for name in files_of(record, role)]
