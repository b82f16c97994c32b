"""Label maps that a user gives to be drawn from: found, checked, and brought to the network."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ganatomy.data.io.readers import KNOWN, ReadError, passed_over, read_label, sifted, suffix
from ganatomy.data.io.readers.names import ITK, VOLUMES
from ganatomy.data.label_values import distinct
from ganatomy.data.records import Case
from ganatomy.data.regrid import Grid
from ganatomy.data.sources.files.masks import class_numbers, whole
from ganatomy.data.transforms.prepare import restore
from ganatomy.errors import UserError
from ganatomy.launch.progress import CountedProgress
from ganatomy.tasks.synthesis.facts import ImageFacts
from ganatomy.training.preprocessing import Preprocessing

GEOMETRIC = (*VOLUMES, *ITK)
"""Extensions of files that say where their voxels are."""


class GivenMask(NamedTuple):
    """A label map on both grids.

    Attributes:
        label: [1, *spatial], class numbers on the grid of the file.
        planes: What the network gets, each [1, *spatial]: one, or the slices of a volume.
        prepared: The prepared case, which knows the way back.
        affine: Affine of the images drawn from it, [4, 4], mm.
    """

    label: np.ndarray
    planes: Sequence[np.ndarray]
    prepared: Case
    affine: np.ndarray

    def on_file(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the images [C, *spatial] of its planes on the grid of the file."""
        stacked = self.label.ndim > images[0].ndim
        values = np.stack(images, -1) if stacked else images[0]
        return restore(values, self.prepared, fill=float(values.min()))


@dataclass(frozen=True)
class GivenMasks:
    """Files of label maps; image n is drawn from the n-th of them, and after the last comes the first.

    Attributes:
        paths: The files.
        kept: Preprocessing of the run.
        facts: Facts about the training images.
        digest: SHA-256 of the label maps, hex.
        volumes: True if one of the files is a volume.
        geometric: True if one of the files says where its voxels are, as NIfTI does.
    """

    paths: tuple[Path, ...]
    kept: Preprocessing
    facts: ImageFacts
    digest: str = ""
    volumes: bool = False
    geometric: bool = False

    @classmethod
    def found(cls, given: str, kept: Preprocessing, facts: ImageFacts) -> GivenMasks:
        """Find and check the files of a path: a file, a folder with all below it, or a pattern.

        Raises:
            UserError: There is no such file, or one is no label map for this run; the line names it.
        """
        paths = files_of(given)
        masks = cls(tuple(paths), kept, facts)
        digest, volumes, faults = hashlib.sha256(), False, []
        with CountedProgress("masks", len(paths)) as progress:
            for path in paths:
                progress.step()
                try:
                    mask = masks.read(path)
                except (ReadError, UserError) as error:
                    faults.append(str(error))
                    continue
                digest.update(repr(mask.label.shape).encode() + np.ascontiguousarray(mask.label).tobytes())
                digest.update(np.round(mask.affine, 6).tobytes())
                volumes = volumes or mask.label.ndim == 4
        if faults:
            more = f" ({len(faults) - 1} more of {len(paths)} files do not fit)" if len(faults) > 1 else ""
            raise UserError(f"masks: {faults[0]}{more}")
        geometric = volumes or any(suffix(path) in GEOMETRIC for path in paths)
        return replace(masks, digest=digest.hexdigest(), volumes=volumes, geometric=geometric)

    def only(self, number: int) -> GivenMasks:
        """Return the label map of one image alone."""
        return replace(self, paths=(self.path(number),))

    def path(self, number: int) -> Path:
        """Return the file that an image is drawn from."""
        return self.paths[(number - 1) % len(self.paths)]

    def to_plain(self) -> dict[str, Any]:
        """Return what identifies them; their names, which may identify patients, are left out."""
        return {"files": len(self.paths), "sha256": self.digest}

    def read(self, path: Path) -> GivenMask:
        """Read one file and bring it to the network as training does.

        Raises:
            ReadError: It cannot be read.
            UserError: It is no label map of the run's classes, or not of a size that the generator makes.
        """
        facts, kept = self.facts, self.kept
        array, grid = read_label(path, facts.label_values, kept.axes, kept.spatial_dims)
        array = whole(array, path)
        _check_values(array, path, facts)
        label = class_numbers(array, path, facts.label_values)
        dims = len(grid.shape)
        if dims < kept.spatial_dims:
            raise UserError(f"{path}: is a picture, and this run draws volumes of {_shape(facts.shape)}")
        prepared = self._prepared(path, label, grid)
        planes = prepared["label"]
        planes = planes if planes.ndim > kept.spatial_dims + 1 else planes[None]
        if planes.shape[2:] != facts.shape:
            raise UserError(
                f"{path}: is {_shape(planes.shape[2:])} as the network would get it, and this generator "
                f"makes images of {_shape(facts.shape)}; crop, pad or resample it"
            )
        placed = dims == 3 or suffix(path) in GEOMETRIC
        affine = np.asarray(grid.affine, float) if placed else np.array(facts.affine)
        return GivenMask(label, list(planes), prepared, affine)

    def _prepared(self, path: Path, label: np.ndarray, grid: Grid) -> Case:
        empty = np.zeros((self.facts.image_channels, *label.shape[1:]), np.float32)
        case = {"image": empty, "label": label, "affine": grid.affine, "spacing": grid.spacing}
        preparation = self.kept.preparation
        try:
            share = preparation.kept(grid)
            prepared = preparation(case)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        if share < 1:
            raise UserError(
                f"{path}: has {_shape(grid.shape)} voxels, of which this generator fills {share:.0%} "
                f"({_shape(self.facts.shape)}); crop or resample it"
            )
        return prepared


def files_of(given: str) -> list[Path]:
    """Return the images that a path names: a file, those below a folder, or those of a pattern, sorted.

    Raises:
        UserError: There are none.
    """
    path = Path(given).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        found, _ = sifted(entry for entry in path.rglob("*") if entry.is_file())
        if not found:
            raise UserError(f"masks={given}: holds no image; known are {', '.join(KNOWN)}")
        return found
    anchor = Path(path.anchor)
    matches = anchor.glob(str(path.relative_to(anchor))) if given else iter(())
    found = sorted(match for match in matches if match.is_file() and not passed_over(match))
    if not found:
        what = "no image matches" if set("*?[") & set(given) else "there is no such file or folder"
        raise UserError(f"masks={given}: {what}")
    return found


def _check_values(array: np.ndarray, path: Path, facts: ImageFacts) -> None:
    """Raise UserError for a value that is no class of the run."""
    strange = sorted(set(distinct(array.astype(np.int64)).tolist()) - set(facts.label_values))
    if strange:
        names = facts.mask_classes or tuple(map(str, facts.label_values))
        known = ", ".join(f"{value} ({name})" for value, name in zip(facts.label_values, names, strict=False))
        raise UserError(f"{path}: label value {strange[0]} is none of the run's, which are {known}")


def _shape(sides: Sequence[int]) -> str:
    return "x".join(map(str, sides))
