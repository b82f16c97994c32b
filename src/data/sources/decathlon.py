"""A folder with dataset.json: the Medical Segmentation Decathlon's layout, and nnU-Net's raw one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.data.readers import stem
from src.data.records import Record
from src.data.sources.files import Files
from src.data.splits import read_splits
from src.errors import UserError


@dataclass(kw_only=True)
class Decathlon(Files):
    """Volumes with label maps; channels and classes come from dataset.json.

    The published test images have no labels and are left out. subject: how many leading characters of the
    case name the person, null for all of it. splits: a CSV below `root` with the columns file and split.
    """

    spatial_dims: Any = 3
    subject: int | None = None
    splits: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        path = self.folder / "dataset.json"
        try:
            self.about: dict[str, Any] = json.loads(path.read_text())
            names = self.about.get("channel_names") or self.about["modality"]
            labels = self.about["labels"]
        except FileNotFoundError as error:
            raise UserError(f"data.root={self.root}: has no dataset.json; use the source folder") from error
        except (ValueError, KeyError) as error:
            raise UserError(f"{path}: is no dataset.json of the Decathlon or nnU-Net ({error})") from error
        self.channels = len(names)
        by_value = (
            {int(v): k for k, v in labels.items()}
            if self._nnunet(labels)
            else {int(k): v for k, v in labels.items()}
        )
        if sorted(by_value) != list(range(len(by_value))):
            raise UserError(f"{path}: label values {sorted(by_value)} are not 0, 1, 2, ...")
        self.classes = tuple(str(by_value[value]) for value in sorted(by_value))

    @staticmethod
    def _nnunet(labels: dict[str, Any]) -> bool:
        """nnU-Net writes name: value, the Decathlon value: name."""
        return not all(key.isdigit() for key in labels)

    def records(self) -> list[Record]:
        pairs = self._listed() if isinstance(self.about.get("training"), list) else self._found()
        if not pairs:
            raise UserError(f"data.root={self.root}: no training images are listed or found")
        given = read_splits(self.folder / self.splits) if self.splits else {}
        return [self._record(case, images, label, given) for case, images, label in pairs]

    def _listed(self) -> list[tuple[str, list[str], str]]:
        listed = [
            (entry["image"].removeprefix("./"), entry["label"].removeprefix("./"))
            for entry in self.about["training"]
        ]
        return sorted((stem(image), [image], label) for image, label in listed)

    def _found(self) -> list[tuple[str, list[str], str]]:
        ending = self.about.get("file_ending", ".nii.gz")
        labels = sorted((self.folder / "labelsTr").glob(f"*{ending}"))
        cases = [path.name.removesuffix(ending) for path in labels]
        return [
            (
                case,
                [f"imagesTr/{case}_{k:04d}{ending}" for k in range(self.channels)],
                f"labelsTr/{case}{ending}",
            )
            for case in cases
        ]

    def _record(self, case: str, images: list[str], label: str, given: dict[str, Any]) -> Record:
        group, split = next(
            (given[k] for k in (images[0], Path(images[0]).name, case) if k in given), (None, None)
        )
        return Record(case, group or case[: self.subject], split, {"image": images, "label": label})
