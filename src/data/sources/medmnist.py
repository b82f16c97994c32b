"""MedMNIST: one .npz file per set, 2D or 3D, with its published split."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ganatomy.data.records import SPLITS, Case, Record
from ganatomy.data.sources.files.base import Files
from ganatomy.data.sources.files.channels import coloured
from ganatomy.errors import UserError


@dataclass(kw_only=True)
class MedMnist(Files):
    """Images with one class each, from `root`/`name`.npz.

    With `download`, a missing file is fetched by the package medmnist. If that package is installed, the
    file's checksum is compared with the published one.

    Attributes:
        name: name of the set, such as pneumoniamnist or pathmnist_64.
        finding: for a set with several labels per image (chestmnist), the label that becomes the class, by
            name or number: 0 without it, 1 with it.
        download: fetch a missing file from the network.
    """

    units: ClassVar[str] = "px"

    name: str = "pneumoniamnist"
    finding: str | int | None = None
    download: bool = False
    SPLIT: ClassVar[dict[str, str]] = {"train": "train", "val": "val", "test": "test"}

    def __post_init__(self) -> None:
        Path(self.root).expanduser().mkdir(parents=True, exist_ok=True)
        super().__post_init__()
        self.path = self.folder / f"{self.name}.npz"
        if not self.path.exists():
            self._fetch()
        self._verify()

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        try:
            with np.load(self.path, allow_pickle=False) as file:
                return {
                    f"{split}_{what}": file[f"{split}_{what}"]
                    for split in SPLITS
                    for what in ("images", "labels")
                }
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{self.path}: is not a MedMNIST file, or is damaged; remove it and fetch it again"
            ) from error

    def records(self) -> list[Record]:
        if self.arrays["train_images"].ndim - 1 - self._coloured() != self.spatial_dims:
            raise UserError(
                f"data.spatial_dims={self.spatial_dims}: {self.name} is {5 - self.spatial_dims}D; "
                f"set it to {5 - self.spatial_dims}"
            )
        rows = {
            split: self.arrays[f"{split}_labels"].reshape(len(self.arrays[f"{split}_images"]), -1)
            for split in SPLITS
        }
        column = self._column(rows["train"].shape[1])
        if not self.image_classes:
            self.image_classes = self._image_classes()
        return [
            Record(
                f"{split}-{index:06d}",
                f"{split}-{index:06d}",
                split,
                {"index": index, "class": int(row[column])},
                str(row[column]),
            )
            for split in SPLITS
            for index, row in enumerate(rows[split])
        ]

    def _column(self, labels: int) -> int:
        """Return the index of the label that is the class. Raises UserError if it is not determined."""
        names = list(self._names()) if labels > 1 else []
        names = names if len(names) == labels else [str(number) for number in range(labels)]
        if labels == 1:
            if self.finding is not None:
                raise UserError(
                    f"data.finding={self.finding}: {self.name} has one label per image; remove data.finding"
                )
            return 0
        chosen = str(self.finding)
        if chosen not in names and not (chosen.isdigit() and int(chosen) < labels):
            given = "" if self.finding is None else f"={chosen}"
            raise UserError(
                f"data.finding{given}: {self.name} has {labels} labels per image; choose one of "
                + ", ".join(names)
            )
        found = names.index(chosen) if chosen in names else int(chosen)
        if not self.image_classes:
            self.image_classes = (f"no {names[found]}", names[found])
        return found

    def fingerprint(self, record: Record) -> str:
        finding = "" if self.finding is None else f" {self.finding}"
        return f"medmnist-1 {self._digest} {record.case} {self.channels}{finding}"

    content = fingerprint

    def load(self, record: Record) -> Case:
        image = self.arrays[f"{record.split or record.case.split('-')[0]}_images"][record.content["index"]]
        image = np.moveaxis(image, -1, 0) if self._coloured() else image[None]
        spacing = np.ones(image.ndim - 1)
        return {
            "image": coloured(image, self.channels, self.path),
            "affine": np.eye(4),
            "spacing": spacing,
            "class": np.asarray(record.content["class"], np.int64),
        }

    def _coloured(self) -> bool:
        shape = self.arrays["train_images"].shape
        return len(shape) > 3 and shape[-1] == 3

    @cached_property
    def _digest(self) -> str:
        return hashlib.md5(self.path.read_bytes(), usedforsecurity=False).hexdigest()

    def _image_classes(self) -> tuple[str, ...]:
        return self._names() or tuple(map(str, range(int(self.arrays["train_labels"].max()) + 1)))

    def _names(self) -> tuple[str, ...]:
        """Return the names of the labels; empty if unknown."""
        label = (self._published() or {}).get("label", {})
        return tuple(label[key] for key in sorted(label, key=int))

    def _published(self) -> dict[str, Any] | None:
        """Return the package's entry for this set; None without the package, or for a user's own file."""
        try:
            from medmnist import INFO
        except ImportError:
            return None
        found: dict[str, Any] | None = INFO.get(self.name.rpartition("_")[0] or self.name)
        return found

    def _verify(self) -> None:
        published = self._published()
        size = self.name.rpartition("_")[2] if "_" in self.name else ""
        expected = (published or {}).get(f"MD5_{size}" if size else "MD5")
        if expected and expected != self._digest:
            raise UserError(
                f"{self.path}: its checksum differs from the published one; remove it and fetch it again"
            )

    def _fetch(self) -> None:
        if not self.download:
            raise UserError(
                f"{self.path}: is not there; put it there, or install medmnist and set data.download=true"
            )
        base, _, size = self.name.partition("_")
        try:
            import medmnist

            kind = getattr(medmnist, medmnist.INFO[base]["python_class"])
            kind(split="train", download=True, root=str(self.folder), **({"size": int(size)} if size else {}))
        except ImportError as error:
            raise UserError(
                f"{self.path}: is not there; put it there, or install medmnist to fetch it"
            ) from error
        except KeyError as error:
            raise UserError(
                f"data.name={self.name}: medmnist has no such set; see its list, medmnist.INFO"
            ) from error
        except (OSError, RuntimeError) as error:
            raise UserError(f"{self.path}: is not there and cannot be fetched ({error})") from error
