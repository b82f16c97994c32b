"""Virtual microscopy: touching blobs under uneven light, each with its box and its number."""

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

TRIES = 60
"""Places tried for a blob before it is left out."""
APART = 0.8
"""Least distance of two centres, relative to the sum of their radii: below 1, borders overlap."""
LEAST = 12
"""Fewest pixels of an object; parts of others, at the edge of an image, are background."""
BRIGHT, FAINT = (0.55, 1.0), (0.12, 0.3)
"""Brightness of objects and of faint ones."""
GREY = 1000.0
"""Grey levels of brightness 1."""


class Cells:
    """Virtual images of 30 to 150 touching blobs of different sizes, some of them faint.

    An image depends on (cohort_seed, its number) and on the settings alone. `label` is 1 in all objects,
    `instances` holds i + 1 in the object of box i; where two overlap, a pixel belongs to the object that it
    is deeper in. The image [1, size, size] is in grey levels, with a background of 100 to 200.

    Args:
        subjects: Number of images, each of a subject of its own, at least 3.
        size: Side in pixels.
        objects: Fewest and most objects of an image; fewer, if no place is left.
        radius: Least and largest mean radius, pixels.
        touching: Share of the objects that are placed beside another one.
        faint: Share of the objects that are faint.
        light: Unevenness of the light, relative to its mean.
        blur: Deviation of the microscope's blur, pixels.
        noise: Deviation of the noise, relative to a bright object.
        cohort_seed: Seed of the images.
        spatial_dims: 2.

    Raises:
        UserError: A setting is out of range.
    """

    channels, spatial_dims = 1, 2
    classes = ("background", "cell")
    box_classes = ("cell",)
    image_classes: tuple[str, ...] = ()

    def __init__(
        self,
        subjects: int = 48,
        size: int = 256,
        objects: Sequence[int] = (30, 150),
        radius: Sequence[float] = (5.0, 11.0),
        touching: float = 0.6,
        faint: float = 0.15,
        light: float = 0.4,
        blur: float = 1.0,
        noise: float = 0.06,
        cohort_seed: int = 0,
        spatial_dims: Literal[2] = 2,
    ) -> None:
        for key, value, fewest in (("subjects", subjects, 3), ("size", size, 16)):
            if value < fewest:
                raise UserError(f"data.{key}={value}: at least {fewest} are needed")
        if spatial_dims != 2:
            raise UserError(f"data.spatial_dims={spatial_dims}: they are pictures (2); volumes: data=nodules")
        self.objects, self.radius = check_counts("objects", objects, 0), check_range("radius", radius, 1)
        check_shares(touching=touching, faint=faint)
        for key, strength in (("light", light), ("blur", blur), ("noise", noise)):
            if strength < 0:
                raise UserError(f"data.{key}={strength}: must not be negative")
        self.subjects, self.size, self.cohort_seed = subjects, size, cohort_seed
        self.touching, self.faint, self.light, self.blur, self.noise = touching, faint, light, blur, noise

    def records(self) -> list[Record]:
        names = [f"virtual-{index:03d}" for index in range(self.subjects)]
        return [Record(name, name, content={"index": index}) for index, name in enumerate(names)]

    def fingerprint(self, record: Record) -> str:
        settings = (self.size, self.objects, self.radius, self.touching, self.faint)
        camera = (self.light, self.blur, self.noise)
        return f"cells-1 {self.cohort_seed} {record.content['index']} {settings} {camera}"

    content = fingerprint

    def load(self, record: Record) -> Case:
        rng = np.random.default_rng([self.cohort_seed, record.content["index"]])
        blobs = self.placed(rng)
        ranges = [FAINT if rng.random() < self.faint else BRIGHT for _ in blobs]
        drawn = scene(blobs, [rng.uniform(*ends) for ends in ranges], (self.size, self.size), rim=0.08)
        numbers, boxes = numbered(drawn.numbers, LEAST)
        image = self.photographed(drawn.covers, rng)
        return {
            "image": image[None].astype(np.float32),
            "label": (numbers > 0)[None].astype(np.uint8),
            "instances": numbers[None],
            "boxes": boxes,
            "classes": np.zeros(len(boxes), np.int64),
            "affine": np.eye(4),
            "spacing": np.ones(2),
        }

    def placed(self, rng: np.random.Generator) -> list[Blob]:
        """Draw the objects of an image; none is nearer to another than `APART` of the sum of their radii."""
        found: list[Blob] = []
        for _ in range(int(rng.integers(self.objects[0], self.objects[1] + 1))):
            radius = float(np.exp(rng.uniform(*np.log(self.radius))))
            for _ in range(TRIES):
                centre = rng.uniform(0, self.size, 2)
                if found and rng.random() < self.touching:
                    other = found[rng.integers(len(found))]
                    angle = rng.uniform(0, 2 * np.pi)
                    away = (radius + other.radius) * rng.uniform(APART, 1.0)
                    centre = other.centre + away * np.array([np.sin(angle), np.cos(angle)])
                if self._is_free(centre, radius, found):
                    found.append(drawn_blob(rng, centre, radius, stretch=0.25, deform=0.25))
                    break
        return found

    def photographed(self, covers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image of brightnesses [size, size]: light, blur and noise, in grey levels."""
        field = gaussian_filter(rng.normal(size=covers.shape), self.size / 4, mode="reflect")
        field = field / max(float(np.abs(field).max()), 1e-9)
        sharp = (0.1 + 0.1 * rng.random() + covers) * (1 + self.light * field)
        seen = gaussian_filter(sharp, self.blur) if self.blur else sharp
        shot = self.noise * rng.normal(size=covers.shape) * np.sqrt(0.3 + np.clip(seen, 0, None))
        grey: np.ndarray = GREY * np.clip(seen + shot, 0, None)
        return grey

    def _is_free(self, centre: np.ndarray, radius: float, others: Sequence[Blob]) -> bool:
        if not ((centre >= 0) & (centre < self.size)).all():
            return False
        least = [APART * (radius + other.radius) - 1e-9 for other in others]
        away = [np.linalg.norm(centre - other.centre) for other in others]
        return bool((np.array(away) >= least).all())
