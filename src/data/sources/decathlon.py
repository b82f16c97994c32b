"""A folder with dataset.json: the layouts of the Medical Segmentation Decathlon and of nnU-Net's raw data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ganatomy.data.io.readers import stem, suffix
from ganatomy.data.problems import blamed, few
from ganatomy.data.records import Fault, Record
from ganatomy.data.sources.annotations.dataset_json import (
    channel_names,
    channel_numbers,
    labels_of,
    read_about,
)
from ganatomy.data.sources.files.listed import ListedFiles
from ganatomy.data.sources.files.marked import check_settings
from ganatomy.data.sources.files.partners import is_there
from ganatomy.data.sources.files.several import presence
from ganatomy.data.sources.files.templates import Template, visible
from ganatomy.data.splits.lists import read_splits
from ganatomy.data.splits.matching import assigned
from ganatomy.errors import UserError
from ganatomy.text.values import as_typed

Case = tuple[str, list[str], str]
"""Name, image files, label file."""


@dataclass(kw_only=True)
class Decathlon(ListedFiles):
    """Images with label maps; channels, classes, regions and the ignore label come from dataset.json.

    The channels of a case are in one file, or in CASE_0000, CASE_0001, ... (nnU-Net, including its first
    version). The published test images have no labels and are left out.

    Attributes:
        image: channels of the image by name or number, if not all; with `target`, null means all others.
        target: channels of the target, such as T2 or [1]: one contrast is translated into another.
        mask: template of the regions of losses and scores below `root`, masksTr/{case}.nii.gz; `auto` reads
            no files.
        subject: number of leading characters of the case name that identify the person; null for all of it.
        splits: a list below `root` (see `read_splits`).
    """

    spatial_dims: Any = 3
    subject: int | None = None
    splits: str | None = None
    image: Any = None
    target: Any = None
    mask: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.about, _, labels = read_about(self.folder, self.root)
        self.names = channel_names(self.about)
        self.take = self._sides()
        self.channels = len(self.take["image"])
        self.target_channels = len(self.take["target"]) or None
        marked = labels_of(self.about, labels, self.folder / "dataset.json")
        self.classes, self.regions, self.regions_class_order = marked.classes, marked.regions, marked.order
        self.ignore_label = marked.ignored if self.ignore_label is None else self.ignore_label
        check_settings(self)
        self.ending = str(self.about.get("file_ending", ".nii.gz"))

    def _sides(self) -> dict[str, list[int]]:
        """Return the channels of image and target; UserError if a channel is both, or none is left."""
        everything = list(range(len(self.names)))
        target = [] if self.target is None else channel_numbers("target", self.target, self.names)
        left = [n for n in everything if n not in target]
        image = left if self.image is None else channel_numbers("image", self.image, self.names)
        if both := [self.names[n] for n in image if n in target]:
            raise UserError(
                f"data.target={as_typed(self.target)}: {both[0]} is a channel of the image too; take it "
                "out of data.image or data.target"
            )
        if not image:
            raise UserError(
                f"data.target={as_typed(self.target)}: takes all {len(self.names)} channels and leaves none "
                "for the image; name fewer"
            )
        return {"image": image, "target": target}

    @property
    def modalities(self) -> tuple[str, ...]:
        """Return `CT` for each channel of that name, as nnU-Net reads dataset.json; else nothing is known."""
        return tuple("CT" if self.names[n].upper() == "CT" else "" for n in self.take["image"])

    def records(self) -> list[Record]:
        self.files = {
            path.relative_to(self.folder).as_posix()
            for folder in ("imagesTr", "labelsTr")
            for path in visible(self.folder, f"{folder}/*")
        }
        listed = isinstance(self.about.get("training"), list) or isinstance(self.about.get("dataset"), dict)
        cases = self._listed() if listed else self._found()
        if not cases:
            others = {suffix(file) for file in self.files if file.startswith("labelsTr/")}
            there = f" ({', '.join(sorted(others))} are there)" if others else ""
            raise UserError(
                f"data.root={self.root}: no training images are listed, and labelsTr holds no file of "
                f"dataset.json's file_ending {self.ending}{there}"
            )
        records = [self._record(*case) for case in self._with_channels(cases)]
        if self.splits:
            path = self.folder / self.splits
            records = assigned(records, read_splits(path), str(path))
        done = self.completed(records, self._counted(cases))
        self.repeats_grey = False  # a grey file lacks two of the three named channels
        return done

    def _listed(self) -> list[Case]:
        rows: list[tuple[Any, Any, Any]]
        if isinstance(self.about.get("dataset"), dict):
            rows = [
                (name, row.get("images"), row.get("label")) for name, row in self.about["dataset"].items()
            ]
        else:
            rows = [
                (None, row.get("image"), row.get("label"))
                for row in self.about["training"]
                if isinstance(row, dict)
            ]
            if len(rows) < len(self.about["training"]):
                raise UserError(
                    f"{self.folder}/dataset.json: training lists cases without image and label; name both"
                )
        cases = []
        for name, images, label in rows:
            files = [images] if isinstance(images, str) else images
            if not isinstance(label, str) or not isinstance(files, list) or not files:
                raise UserError(
                    f"{self.folder}/dataset.json: case {name or images} has no image and label; name both"
                )
            files = [str(file).removeprefix("./") for file in files]
            cases.append((name or stem(files[0]), files, label.removeprefix("./")))
        return sorted(cases)

    def _found(self) -> list[Case]:
        labels = [f for f in sorted(self.files) if f.startswith("labelsTr/") and f.endswith(self.ending)]
        cases = [label.removeprefix("labelsTr/").removesuffix(self.ending) for label in labels]
        return [
            (case, [f"imagesTr/{case}{self.ending}"], label)
            for case, label in zip(cases, labels, strict=True)
        ]

    def _with_channels(self, cases: Sequence[Case]) -> list[Case]:
        """Replace a missing file NAME by the files NAME_0000, NAME_0001, ... of its channels."""
        several: dict[str, list[str]] = {}
        for file in sorted(self.files):
            if found := re.fullmatch(r"(.+)_(\d{4})(\.[^/]+)", file):
                several.setdefault(found[1] + found[3], []).append(file)
        whole = self.missing or self.two_sided  # a single file is one channel of those that a case may have
        one_each = all(len(files) == 1 for files in several.values())
        done = []
        for case, images, label in cases:
            if len(images) == 1 and not (self.folder / images[0]).exists():
                named = images[0].removesuffix(self._ending(images[0]))
                numbered = [f"{named}_{k:04d}{self._ending(images[0])}" for k in range(len(self.names))]
                extra = [file for file in several.get(images[0], []) if file not in numbered]
                images = numbered[:1] if one_each and several and not whole else [*numbered, *extra]
            done.append((case, images, label))
        return done

    def _ending(self, file: str) -> str:
        return self.ending if file.endswith(self.ending) else Path(file).name[len(stem(file)) :]

    def _record(self, case: str, images: list[str], label: str) -> Record:
        content: dict[str, Any] = {"image": images, "label": label}
        record = Record(case, case[: self.subject], None, content)
        if self.mask not in (None, "auto"):
            content["mask"] = Template(str(self.mask), "mask").filled({"case": case})
        chosen = self.take if self.image is not None or self.target is not None else None
        if chosen and len(images) != len(self.names):  # all channels are in one file
            content["take"] = {role: channels for role, channels in chosen.items() if channels}
            return replace(record, content=content | ({"target": images} if chosen["target"] else {}))
        if chosen:
            content |= {role: [images[n] for n in channels] for role, channels in chosen.items() if channels}
        if self.two_sided and "target" in content and not is_there(record, "image", self.folder):
            return replace(record, content={"target": content["target"]}, side="target")
        if self.two_sided and not is_there(record, "target", self.folder):
            content.pop("target", None)
        return self._with_presence(record)

    def _with_presence(self, record: Record) -> Record:
        """Return a record without the channels whose file is not there, if that is allowed."""
        images = record.content["image"]
        there = [image if image in self.files or (self.folder / image).exists() else "" for image in images]
        names = [self.names[n] for n in self.take["image"]]
        content, gap = (
            presence(there, names, len(names), self.missing) if len(images) == len(names) else ({}, "")
        )
        if content:
            kept = [image for image, one in zip(images, there, strict=True) if one]
            return replace(record, content={**record.content, **content, "image": kept})
        return blamed(record, Fault(record.case, "channels", f"{record.case}: {gap}")) if gap else record

    def _counted(self, cases: Sequence[Case]) -> list[Fault]:
        """Return faults about the number of cases against dataset.json, and about files without a partner."""
        faults = []
        stated = self.about.get("numTraining")
        if isinstance(stated, int | float) and stated != len(cases):
            words = f"{self.folder}/dataset.json: numTraining is {stated:g}, but {len(cases)} cases are there"
            faults.append(Fault("", "count", f"{words}; add the missing ones, or correct it"))
        used = {label for _, _, label in cases}
        known = {case for case, _, _ in cases}
        images = [
            Path(file).name.removesuffix(self.ending)
            for file in self.files
            if file.startswith("imagesTr/") and file.endswith(self.ending)
        ]
        left = sorted({re.sub(r"_\d{4}$", "", name) for name in images if name not in known} - known)
        if left:
            words = f"{self.folder}/imagesTr: {len(left)} images have no label: {few(left)}"
            faults.append(Fault("", "no label", f"{words}; add their labels, or remove them"))
        if left := sorted(f for f in self.files if f.startswith("labelsTr/") and f not in used):
            words = f"{self.folder}: {len(left)} files of labelsTr belong to no listed case: {few(left)}"
            faults.append(Fault("", "no case", words, grave=False))
        return faults
