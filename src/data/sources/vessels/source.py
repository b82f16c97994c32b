"""Virtual images of vessels: trees of known radius and course in a round field of view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter

from ganatomy.data.records import Case, Record
from ganatomy.data.sources.vessels.tree import Field, Tree, grown, painted
from ganatomy.errors import UserError

TISSUE, RIM, DARK = 0.55, 0.95, 0.04
"""Grey values of tissue, of the bright rim around the field, and of the camera where it sees nothing."""
RIM_WIDTH = 0.015
"""Width of the rim in sides of the image."""
REFLEX = 0.35
"""Half width of the central reflex in radii of its vessel."""
BLOBS, BLOB_SIZE = (3, 8), (0.012, 0.045)
"""Least and largest number of spots that are no vessels, and their size in sides of the image."""


class Vessels:
    """Images of vessels darker than the tissue around them, with their label and the field of view.

    Branching random walks taper from the largest radius to the least, and their contrast falls with the
    radius; thick ones have a bright line along their middle. Lighting is uneven, soft spots that are no
    vessels lie between them, and noise lies over everything. `mask` is the field of view, a circle (a ball in
    3D); outside are a bright rim and the noise of a camera that sees nothing. Labels are empty there. A
    subject depends on (cohort_seed, subject) and on the settings.

    Args:
        subjects: number of subjects, one image each, at least 3.
        size: side in voxels; None is 256 in 2D and 64 in 3D.
        spatial_dims: 2 or 3.
        radius: least and largest radius of vessels, voxels; None is 1 to 4 at 256 voxels a side, and 1 to
            less at fewer.
        roots: number of vessels that each tree begins with.
        contrast: darkness of the thickest vessels as a fraction of the tissue around them.
        lighting: standard deviation of the logarithm of the lighting.
        noise: standard deviation of the noise; the tissue is 0.55.
        cohort_seed: seed of the cohort.
    """

    channels = 1
    units = "px"
    classes: tuple[str, ...] = ("background", "vessel")
    box_classes: tuple[str, ...] = ()
    image_classes: tuple[str, ...] = ()

    def __init__(
        self,
        subjects: int = 40,
        size: int | None = None,
        spatial_dims: Literal[2, 3] = 2,
        radius: Sequence[float] | None = None,
        roots: int = 4,
        contrast: float = 0.35,
        lighting: float = 0.25,
        noise: float = 0.03,
        cohort_seed: int = 0,
    ) -> None:
        if spatial_dims not in (2, 3):
            raise UserError(f"data.spatial_dims={spatial_dims}: choose 2 (images) or 3 (volumes)")
        self.size = size or (256 if spatial_dims == 2 else 64)
        for key, count, least in (("subjects", subjects, 3), ("size", self.size, 24), ("roots", roots, 1)):
            if count < least:
                raise UserError(f"data.{key}={count}: at least {least} are needed")
        for key, strength in (("contrast", contrast), ("lighting", lighting), ("noise", noise)):
            if strength < 0:
                raise UserError(f"data.{key}={strength}: must not be negative")
        if contrast > 1:
            raise UserError(f"data.contrast={contrast}: is a fraction of the tissue's grey value, 0 to 1")
        ends = (1.0, max(2.0, self.size / 64)) if radius is None else radius
        if not isinstance(ends, Sequence) or len(ends) != 2 or not 0.5 <= ends[0] <= ends[1] <= self.size / 4:
            raise UserError(
                f"data.radius={radius}: give the least (0.5 voxels or more) and the largest (a quarter of "
                "data.size or less), such as [1,4]"
            )
        self.subjects, self.spatial_dims, self.roots = subjects, spatial_dims, roots
        self.cohort_seed = cohort_seed
        self.radius = (float(ends[0]), float(ends[1]))
        self.contrast, self.lighting, self.noise = contrast, lighting, noise

    def records(self) -> list[Record]:
        names = [f"virtual-{index:03d}" for index in range(self.subjects)]
        return [Record(name, name, content={"index": index}) for index, name in enumerate(names)]

    def fingerprint(self, record: Record) -> str:
        shape = (self.size, self.spatial_dims, self.radius, self.roots)
        strengths = (self.contrast, self.lighting, self.noise)
        return f"vessels-1 {self.cohort_seed} {record.content['index']} {shape} {strengths}"

    content = fingerprint

    def load(self, record: Record) -> Case:
        field, tree = self.anatomy(record.content["index"])
        rng = np.random.default_rng([self.cohort_seed, record.content["index"], 1])
        shape = (self.size,) * self.spatial_dims
        depth, thick = painted(tree, shape)
        places = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1)
        away = field.distance(places)
        mask = away < field.radius
        image = self._tissue(rng, away / field.radius) * self._absorbed(depth, thick)
        rim = np.exp(-(((away - field.radius) / (RIM_WIDTH * self.size) - 1) ** 2))
        seen = gaussian_filter(np.where(mask, image, DARK + (RIM - DARK) * rim), 0.6)
        seen = seen + self.noise * rng.standard_normal(shape)
        return {
            "image": np.clip(seen, 0, None)[None].astype(np.float32),
            "label": ((depth > 0) & mask)[None].astype(np.uint8),
            "mask": mask[None],
            "affine": np.eye(4),
            "spacing": np.ones(self.spatial_dims),
        }

    def anatomy(self, index: int) -> tuple[Field, Tree]:
        """Return the field of view and the vessels of a subject."""
        rng = np.random.default_rng([self.cohort_seed, index])
        centre = (self.size - 1) / 2 + rng.uniform(-0.02, 0.02, self.spatial_dims) * self.size
        field = Field(centre, float(rng.uniform(0.43, 0.46)) * self.size)
        return field, grown(rng, field, self.size, self.radius, self.roots)

    def _tissue(self, rng: np.random.Generator, outwards: np.ndarray) -> np.ndarray:
        """Return tissue in uneven light, with spots; `outwards` is 0 in the middle, 1 at the rim."""
        shape, side = outwards.shape, self.size
        light = _smooth(rng, shape, side / 5) - 0.6 * outwards**2
        tissue = TISSUE * np.exp(self.lighting * light) * (1 + 0.03 * _smooth(rng, shape, 1.5))
        spots = np.zeros(shape)
        for _ in range(rng.integers(*BLOBS, endpoint=True)):
            centre, wide = rng.uniform(0.15, 0.85, len(shape)) * side, rng.uniform(*BLOB_SIZE) * side
            axes = np.ix_(
                *(np.exp(-(((np.arange(n) - c) / wide) ** 2)) for n, c in zip(shape, centre, strict=True))
            )
            spots += rng.choice([-0.6, 0.8]) * self.contrast * np.prod(np.broadcast_arrays(*axes), axis=0)
        brighter: np.ndarray = tissue * (1 + spots)
        return brighter

    def _absorbed(self, depth: np.ndarray, thick: np.ndarray) -> np.ndarray:
        """Return the fraction of light that vessels let through, brighter along the middle of thick ones."""
        inside = np.clip(depth + 0.5, 0, 1)
        strength = self.contrast * np.sqrt(thick / self.radius[1])
        from_middle = (thick - depth) / np.maximum(thick, 1e-6)
        reflex = np.clip(thick / self.radius[1] - 0.4, 0, 0.6) * np.exp(-((from_middle / REFLEX) ** 2))
        through: np.ndarray = 1 - strength * inside * (1 - reflex * inside)
        return through


def _smooth(rng: np.random.Generator, shape: tuple[int, ...], wide: float) -> np.ndarray:
    """Return smooth noise of mean 0 and standard deviation 1; `wide` is the scale in voxels."""
    field = gaussian_filter(rng.standard_normal(shape), wide, mode="reflect")
    found: np.ndarray = (field - field.mean()) / max(float(field.std()), 1e-12)
    return found
