"""The folder that `synthetic` names, and the run whose generator drew its images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganatomy.data.io.text_tables import rows_of
from ganatomy.data.summary import content_hash
from ganatomy.errors import UserError
from ganatomy.runs.integrity.checked import read_file
from ganatomy.runs.integrity.checksums import Damaged
from ganatomy.text.values import as_typed

if TYPE_CHECKING:
    from ganatomy.data.datamodule import DataModule

KEY = "synthetic"
ALIKE = ("channels", "spatial_dims", "size", "resize", "spacing", "orientation")
"""Keys of `data` that decide what an image holds, how large anatomy is in it, and where it points."""
SPLIT = ("split", "split_seed", "folds", "fold", "split_file", "label_fraction")
"""Keys of `data` that decide who trains."""
SCALED = ("zscore", "percentile", "range")
"""Beginnings of intensities that are the same for all units of an image."""


@dataclass(frozen=True)
class Origin:
    """Where synthetic images come from.

    Attributes:
        typed: The run or folder, as it was typed.
        folder: Folder of the images.
        provenance: Content of its provenance.json.
        summary: Content of the data.json of the run that drew them; None for a folder of its own.
    """

    typed: str
    folder: Path
    provenance: Mapping[str, Any]
    summary: Mapping[str, Any] | None

    @property
    def weights(self) -> str:
        """Return the SHA-256 of the generator's weights."""
        return str(self.provenance["generator"]["sha256"])

    @property
    def data(self) -> Mapping[str, Any]:
        """Return section `data` of the configuration of the run that drew the images."""
        found: Mapping[str, Any] = self.provenance["configuration"]["data"]
        return found

    @property
    def drawn_later(self) -> bool:
        """Return True if `generate` drew the images, from label maps that somebody gave."""
        return "made" in self.provenance

    def to_plain(self) -> dict[str, Any]:
        """Return what a run keeps of the source."""
        return {
            "source": self.typed,
            "weights_sha256": self.weights,
            "data_sha256": self.provenance["data"]["sha256"],
        }

    def check_prepared(self, data: DataModule, ours: Mapping[str, Any], column: str) -> None:
        """Raise UserError unless the images are of the classes, size and units of these data.

        Args:
            data: Data of the run that trains on them.
            ours: Its section `data`, plain.
            column: What the task learns from, "label" or "kind", a column of index.csv.
        """
        for key in ALIKE:
            if ours.get(key) != (theirs := self.data.get(key)):
                raise UserError(
                    f"{KEY}: {self.typed} has data.{key}={as_typed(theirs)}, this run "
                    f"{as_typed(ours.get(key))}; make them equal"
                )
        if column not in columns_of(self.folder):
            what, model = {"label": ("label maps", "spade"), "kind": ("classes", "fast_class")}[column]
            raise UserError(
                f"{KEY}: {self.folder} has no {what}, which this task needs; give images that were drawn "
                f"from {what} (model={model})"
            )
        key, here = {"label": ("classes", data.mask_classes), "kind": ("kinds", data.image_classes)}[column]
        if self.summary is not None and list(here) != (theirs := self.summary.get(key)):
            raise UserError(
                f"{KEY}: {self.typed} has the classes {as_typed(theirs)}, this run {as_typed(here)}; give "
                "images of these"
            )
        units, form = self.provenance["units"], self.provenance["format"]
        settings = data.intensity if isinstance(data.intensity, list | tuple) else [data.intensity]
        scaled = all(isinstance(one, str) and one.startswith(SCALED) for one in settings)
        if form != "nifti" and (units["slope"], units["inter"]) != (1, 0) and not scaled:
            raise UserError(
                f"{KEY}: {self.folder} holds scaled numbers, which data.intensity={as_typed(data.intensity)} "
                "would take for the units of the data; write the images with save_format=nifti"
            )

    def same_split(self, data: DataModule, ours: Mapping[str, Any]) -> bool:
        """Return True if the run that drew the images had these very data, and the same patients train.

        Args:
            data: Data of the run that trains on them.
            ours: Its section `data`, plain.
        """
        same = all(self.data.get(key) == ours.get(key) for key in SPLIT)
        return same and self.provenance["data"]["sha256"] == content_hash(data)


def columns_of(folder: Path) -> list[str]:
    """Return the columns of index.csv; UserError for a table that cannot be read or names no image."""
    where = f"{KEY}: {folder / 'index.csv'}"
    rows = rows_of(folder / "index.csv", where)
    if not rows:
        raise UserError(f"{where}: names no image; draw the images again")
    return list(rows[0][1])


def origin_of(typed: str) -> Origin:
    """Open a finished run of synthesis that saved images, or a folder that `generate` wrote.

    Raises:
        UserError: It is neither, or is damaged.
    """
    path = Path(typed).expanduser()
    is_run = (path / "config.yaml").is_file()
    folder = path / "synthetic" if is_run else path
    file = folder / "provenance.json"
    if is_run and not file.is_file():
        raise UserError(
            f"{KEY}: {typed} holds no synthetic images; write some with resume={typed} save_samples=1000, or "
            "name a folder that generate wrote"
        )
    if not file.is_file():
        raise UserError(
            f"{KEY}: {typed} is no folder of synthetic images (it has no provenance.json); name a finished "
            "run of task=synthesis with save_samples, or a folder that generate wrote"
        )
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        summary = read_file(path, "data.json") if is_run else None
        origin = Origin(typed, folder, known, summary)
        _ = origin.weights, origin.data, known["data"]["sha256"], known["units"]["slope"], known["format"]
    except (OSError, ValueError, KeyError, TypeError, Damaged) as error:
        raise UserError(f"{KEY}: {file}: is damaged ({error}); draw the images again") from error
    if known.get("finished") is False:
        raise UserError(f"{KEY}: {typed} is not finished; give the same command of generate again")
    if not (folder / "index.csv").is_file():
        raise UserError(f"{KEY}: {folder / 'index.csv'}: is missing; draw the images again")
    return origin
