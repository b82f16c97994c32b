"""Virtual volumes of small nodules among branching tubes, as vessels in a lung."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter

from ganatomy.data.records import Case, Record
from ganatomy.data.sources.blobs.shapes import (
    Blob,
    check_counts,
    check_range,
    check_shares,
    drawn_blob,
    numbered,
    scene,
)
from ganatomy.errors import UserError

AIR, SOFT = -850.0, 0.0
"""HU of the lung's tissue and of vessels and nodules."""
LEAST, GAP, TRIES = 8, 2.0, 200
"""Fewest voxels of a nodule; least gap between two, voxels; places tried for one."""
STEP, TURN, SHORT = 0.5, 0.15, 12.0
"""Voxels between two points of a vessel's axis, how far it turns from one to the next, and the length below
which a vessel is left out: it would be a nodule that is not marked."""


class Nodules:
    """Virtual volumes [1, size, size, size], in HU, of small round nodules and of vessels as bright as they.

    A volume depends on (cohort_seed, its number) and on the settings alone. A vessel is a tube whose axis
    wanders through the volume, so that a section of it looks like a nodule. Some nodules touch a vessel.
    `label` is 1 in all nodules, `instances` holds i + 1 in the nodule of box i, `class` says if there is one.

    Args:
        subjects: Number of volumes, each of a subject of its own, at least 3.
        size: Side in voxels of 1 mm.
        objects: Fewest and most nodules of a volume that has any.
        radius: Least and largest mean radius of a nodule, voxels.
        vessels: Number of vessels.
        calibre: Least and largest radius of a vessel, voxels.
        healthy: Share of the subjects without a nodule.
        noise: Deviation of the noise, HU.
        cohort_seed: Seed of the volumes.
        spatial_dims: 3.

    Raises:
        UserError: A setting is out of range.
    """

    channels, spatial_dims = 1, 3
    classes = ("background", "nodule")
    box_classes = ("nodule",)
    image_classes = ("healthy", "nodule")

    def __init__(
        self,
        subjects: int = 48,
        size: int = 64,
        objects: Sequence[int] = (1, 6),
        radius: Sequence[float] = (2.0, 5.0),
        vessels: int = 10,
        calibre: Sequence[float] = (1.0, 2.5),
        healthy: float = 0.25,
        noise: float = 60.0,
        cohort_seed: int = 0,
        spatial_dims: Literal[3] = 3,
    ) -> None:
        for key, value, fewest in (("subjects", subjects, 3), ("size", size, 16), ("vessels", vessels, 0)):
            if value < fewest:
                raise UserError(f"data.{key}={value}: at least {fewest} are needed")
        if spatial_dims != 3:
            raise UserError(f"data.spatial_dims={spatial_dims}: these are volumes (3); pictures: data=cells")
        self.objects, self.radius = check_counts("objects", objects, 1), check_range("radius", radius, 1)
        self.calibre = check_range("calibre", calibre, 0.5)
        check_shares(healthy=healthy)
        if noise < 0:
            raise UserError(f"data.noise={noise}: must not be negative")
        self.subjects, self.size, self.cohort_seed = subjects, size, cohort_seed
        self.vessels, self.healthy, self.noise = vessels, healthy, noise

    def records(self) -> list[Record]:
        found = []
        for index in range(self.subjects):
            name, stratum = f"virtual-{index:03d}", self.image_classes[not self._is_healthy(index)]
            found.append(Record(name, name, content={"index": index}, stratum=stratum))
        return found

    def fingerprint(self, record: Record) -> str:
        settings = (self.size, self.objects, self.radius, self.vessels, self.calibre, self.noise)
        healthy = self._is_healthy(record.content["index"])
        return f"nodules-1 {self.cohort_seed} {record.content['index']} {healthy} {settings}"

    content = fingerprint

    def load(self, record: Record) -> Case:
        index = record.content["index"]
        rng = np.random.default_rng([self.cohort_seed, index])
        tubes, axes = self.tubes(rng)
        blobs = [] if self._is_healthy(index) else self.placed(rng, axes)
        shape = (self.size,) * 3
        drawn = scene(blobs, [1.0] * len(blobs), shape, rim=0.12)
        numbers, boxes = numbered(drawn.numbers, LEAST)
        tissue = np.maximum(tubes, np.clip(drawn.covers, 0, 1))
        texture = 40 * gaussian_filter(rng.normal(size=shape), 1.0) / 0.1
        image = AIR + texture + (SOFT - AIR) * gaussian_filter(tissue, 0.5)
        image += self.noise * rng.normal(size=shape)
        return {
            "image": image[None].astype(np.float32),
            "label": (numbers > 0)[None].astype(np.uint8),
            "instances": numbers[None],
            "boxes": boxes,
            "classes": np.zeros(len(boxes), np.int64),
            "class": np.array(int(len(boxes) > 0), np.int64),
            "affine": np.diag([-1.0, -1, 1, 1]),
            "spacing": np.ones(3),
        }

    def tubes(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw the vessels: their share of each voxel [*spatial], and points of their axes [N, 3]."""
        share, points = np.zeros((self.size,) * 3), [np.zeros((0, 3))]
        around = np.stack(np.meshgrid(*[np.arange(-5, 6)] * 3, indexing="ij"), -1)
        for _ in range(self.vessels):
            place, way = rng.uniform(0, self.size, 3), rng.normal(size=3)
            calibre, walked = rng.uniform(*self.calibre), []
            for _ in range(int(3 * self.size / STEP)):
                way = way / np.linalg.norm(way) + TURN * rng.normal(size=3)
                place = place + STEP * way / np.linalg.norm(way)
                if not ((place >= 0) & (place < self.size)).all():
                    break
                walked.append(place)
            if len(walked) * STEP < SHORT:
                continue
            points.append(np.array(walked).reshape(-1, 3))
            for at in points[-1]:
                voxels = np.round(at).astype(int) + around.reshape(-1, 3)
                voxels = voxels[((voxels >= 0) & (voxels < self.size)).all(1)]
                inside = np.clip(calibre + 0.5 - np.linalg.norm(voxels - at, axis=1), 0, 1)
                np.maximum.at(share, tuple(voxels.T), inside)
        return share, np.concatenate(points)

    def placed(self, rng: np.random.Generator, axes: np.ndarray) -> list[Blob]:
        """Draw nodules at a distance from each other; a third of them beside a point of a vessel's axis."""
        wanted = int(rng.integers(self.objects[0], self.objects[1] + 1))
        found: list[Blob] = []
        for _ in range(TRIES):
            radius = rng.uniform(*self.radius)
            centre = rng.uniform(radius, self.size - 1 - radius, 3)
            if len(axes) and rng.random() < 1 / 3:
                side = rng.normal(size=3)
                centre = axes[rng.integers(len(axes))] + radius * side / np.linalg.norm(side)
                centre = np.clip(centre, radius, self.size - 1 - radius)
            gaps = [np.linalg.norm(centre - o.centre) - radius - o.radius for o in found]
            if min(gaps, default=np.inf) >= GAP:
                found.append(drawn_blob(rng, centre, radius, stretch=0.2, deform=0.15))
            if len(found) == wanted:
                break
        return found

    def _is_healthy(self, index: int) -> bool:
        """Return True for healthy subjects, spread evenly: any first n hold the same share of them."""
        return int((index + 1) * self.healthy) > int(index * self.healthy)
