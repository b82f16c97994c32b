"""Lesions planted in the virtual brains: soft ellipsoids of known position, size and contrast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit

from ganatomy.data.records import Case, Record
from ganatomy.data.sources.brain import CENTRE, SLAB, Brain, Person, rician, rotation, to_world
from ganatomy.errors import UserError

PLACES = np.array([[-80.0, 80], [-65, 65], [SLAB[0] - CENTRE[2] + 10, SLAB[1] - CENTRE[2] - 10]])
"""Range of lesion centres: mm from the middle of the field of view, to the back, to the left, up."""
GAP = 4.0
"""Least distance between two lesions, mm."""
TRIES = 400
AROUND, FILLED = np.array([-6.0, 0, 6]), 0.75
"""Offsets, mm, of a cube about a centre, and the least fraction of it that is grey or white matter."""


@dataclass(frozen=True)
class Lesion:
    """One soft ellipsoid.

    Attributes:
        centre: [3], mm.
        axes: [3,3], the half axes as rows, divided by their squared lengths.
        contrast: fraction of white matter's intensity, negative for a dark lesion.
        softness: width of the rim relative to the radius.
    """

    centre: np.ndarray
    axes: np.ndarray
    contrast: float
    softness: float

    def profile(self, axes: list[np.ndarray]) -> np.ndarray:
        """Return the lesion [H,W,D]: 1 inside, 0 outside, 1/2 on the ellipsoid."""
        return self.profile_at(np.stack(np.meshgrid(*axes, indexing="ij")))

    def profile_at(self, points: np.ndarray) -> np.ndarray:
        """Return the lesion at points [3,H,W,D], mm from the middle of the field of view: [H,W,D]."""
        about = points - self.centre[:, None, None, None]
        radius = np.linalg.norm(np.tensordot(self.axes, about, 1), axis=0)
        inside: np.ndarray = expit((1 - radius) / self.softness)
        return inside


class BrainLesions(Brain):
    """The virtual cohort with lesions planted in grey and white matter, their boxes and their mask.

    In 2D a case is one axial slice of a subject; boxes surround a lesion's section in that slice. `label` is
    the mask (where a lesion has at least half of its contrast); `class` separates slices (3D: volumes) with
    and without a lesion.

    Args:
        subjects: number of subjects, see `Brain`.
        size: side in voxels, see `Brain`.
        slices: axial slices in 2D, see `Brain`.
        spatial_dims: 2 or 3.
        deformation: see `Brain`, mm.
        bias: see `Brain`.
        contrast: see `Brain`.
        noise: see `Brain`.
        cohort_seed: seed of the cohort.
        lesions: largest number of lesions per subject, at least 1.
        radius: least and largest mean radius, mm.
        strength: least and largest contrast relative to white matter's intensity.
        sign: bright, dark, or both with equal probability.
        softness: width of the rim relative to the radius.
        healthy: fraction of subjects without a lesion.
        train_healthy: plant no lesion in any training subject.
    """

    classes = ("background", "lesion")
    box_classes = ("lesion",)
    image_classes = ("healthy", "lesion")

    def __init__(
        self,
        subjects: int = 48,
        size: int | None = None,
        slices: int = 24,
        spatial_dims: Literal[2, 3] = 2,
        deformation: float = 3.0,
        bias: float = 0.2,
        contrast: float = 0.06,
        noise: float = 0.03,
        cohort_seed: int = 0,
        lesions: int = 5,
        radius: tuple[float, float] = (6.0, 14.0),
        strength: tuple[float, float] = (0.35, 0.7),
        sign: Literal["bright", "dark", "both"] = "both",
        softness: float = 0.15,
        healthy: float = 0.25,
        train_healthy: bool = False,
    ) -> None:
        super().__init__(
            subjects, size, slices, spatial_dims, deformation, bias, contrast, noise, cohort_seed
        )
        if lesions < 1:
            raise UserError(f"data.lesions={lesions}: at least 1 is needed; healthy subjects: data.healthy")
        if not 0 <= healthy <= 1:
            raise UserError(f"data.healthy={healthy}: must be a fraction of the subjects, 0 to 1")
        for key, (low, high) in (("radius", radius), ("strength", strength)):
            if not 0 < low <= high:
                raise UserError(f"data.{key}=[{low},{high}]: give the least and the largest, above 0")
        if sign not in ("bright", "dark", "both"):
            raise UserError(f"data.sign={sign}: choose bright, dark or both")
        if softness <= 0:
            raise UserError(f"data.softness={softness}: must be above 0")
        self.lesions, self.softness, self.healthy, self.train_healthy = (
            lesions,
            softness,
            healthy,
            train_healthy,
        )
        self.radius, self.strength = (radius[0], radius[1]), (strength[0], strength[1])
        self._planted: dict[int, list[Lesion]] = {}  # drawn once for all slices of a subject
        self.signs = {"bright": (1,), "dark": (-1,), "both": (1, -1)}[sign]

    def records(self) -> list[Record]:
        """Return a record per slice in 2D, per subject in 3D, stratified by healthy and lesion subjects."""
        found = []
        for index in range(self.subjects):
            name = f"virtual-{index:03d}"
            stratum = self.image_classes[0 if self._is_healthy(index) else 1]
            for z in range(self.slices) if self.spatial_dims == 2 else (None,):
                content = {"index": index} if z is None else {"index": index, "slice": z}
                case = name if z is None else f"{name}-z{z:02d}"
                found.append(Record(case, name, content=content, stratum=stratum))
        return found

    def fingerprint(self, record: Record) -> str:
        shape = (self.size, self.slices if self.spatial_dims == 2 else self.size, self.spatial_dims)
        strengths = (self.deformation, self.bias, self.contrast, self.noise)
        planted = (self.lesions, self.radius, self.strength, self.signs, self.softness)
        lesions = planted if self._has_lesions(record) else None
        place = (record.content["index"], record.content.get("slice"))
        return f"lesions-2 {self.cohort_seed} {place} {shape} {strengths} {lesions}"

    content = fingerprint

    def load(self, record: Record) -> Case:
        index, z = record.content["index"], record.content.get("slice")
        person = self.person(index)
        axes, spacing = self._grid()
        if z is not None:
            axes[2] = axes[2][z : z + 1]
        signal, tissues = person.scan(axes)
        if self._has_lesions(record) and index not in self._planted:
            self._planted[index] = self.plant(index, person)
        found = self._planted[index] if self._has_lesions(record) else []
        shapes = [lesion.profile(axes) * (1 - tissues[0]) for lesion in found]
        for lesion, shape in zip(found, shapes, strict=True):
            signal = np.maximum(signal + lesion.contrast * person.white * shape, 0)
        scanner = np.random.default_rng([self.cohort_seed, index, self.size, *([] if z is None else [z])])
        image = rician(signal, self.noise * person.white, scanner)
        masks = [shape > 0.5 for shape in shapes]
        label = np.any(masks, axis=0) if masks else np.zeros(signal.shape, bool)
        if z is not None:
            image, label, masks = image[..., 0], label[..., 0], [mask[..., 0] for mask in masks]
        boxes = [around(mask) for mask in masks if mask.any()]
        return {
            "image": image[None].astype(np.float32),
            "label": label[None].astype(np.uint8),
            "boxes": np.array(boxes, np.float32).reshape(-1, 2 * image.ndim),
            "classes": np.zeros(len(boxes), np.int64),
            "class": np.array(int(label.any()), np.int64),
            "affine": to_world(axes, spacing),
            "spacing": spacing[: image.ndim],
        }

    def plant(self, index: int, person: Person) -> list[Lesion]:
        """Draw the lesions of a subject: centres in grey or white matter, at a distance from each other."""
        rng = np.random.default_rng([self.cohort_seed, index, 1])
        wanted = int(rng.integers(1, self.lesions + 1))
        chosen: list[Lesion] = []
        reach: list[float] = []
        for centre in self._tissue(rng, person):
            radius = rng.uniform(*self.radius)
            half = radius * rng.uniform(0.8, 1.25, 3)
            distances = [np.linalg.norm(centre - o.centre) - r for o, r in zip(chosen, reach, strict=True)]
            if min(distances, default=np.inf) < half.max() + GAP:
                continue
            axes = rotation(rng.uniform(0, np.pi, 3)) / half[:, None]
            contrast = rng.uniform(*self.strength) * rng.choice(self.signs)
            chosen.append(Lesion(centre, axes, contrast, self.softness))
            reach.append(float(half.max()))
            if len(chosen) == wanted:
                break
        return chosen

    def _tissue(self, rng: np.random.Generator, person: Person) -> Iterator[np.ndarray]:
        """Draw points inside grey and white matter, mm from the middle of the field of view."""
        for _ in range(TRIES):
            point = rng.uniform(PLACES[:, 0], PLACES[:, 1])
            _, _, grey, white = person.maps([point[k] + AROUND for k in range(3)])
            tissue = grey + white
            if tissue[1, 1, 1] > 0.5 and tissue.mean() > FILLED:
                yield point

    def _is_healthy(self, index: int) -> bool:
        """Return True for healthy subjects, spread evenly: any first n hold the same fraction of them."""
        return int((index + 1) * self.healthy) > int(index * self.healthy)

    def _has_lesions(self, record: Record) -> bool:
        if self.train_healthy and record.split == "train":
            return False
        return not self._is_healthy(record.content["index"])


def around(mask: np.ndarray) -> np.ndarray:
    """Return the box of a mask's voxels [2*dims]: lower corner, upper corner."""
    places = np.argwhere(mask)
    return np.concatenate([places.min(0), places.max(0) + 1])
