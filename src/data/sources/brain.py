"""A virtual cohort: the ICBM-152 template with a random anatomy and a random scanner per subject.

Real anatomy without a download: the symmetric non-linear 2009a T1 template with its grey- and white-matter
maps (Fonov et al., NeuroImage 2011) is part of the package nilearn. The subjects are virtual: each one is the
same average brain, warped.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.interpolate import CubicSpline

from ganatomy.data.records import Case, Record
from ganatomy.data.sources.icbm import sampled, template
from ganatomy.errors import UserError

FIELD_OF_VIEW = 192.0
CENTRE = np.array([98.0, 117.0, 76.0])
"""Middle of the brain in the template's voxels (1 mm, right to left, back to front, foot to head)."""
SLAB = (12.0, 142.0)
"""First and last axial slice of a 2D cohort, mm above the template's first slice."""
WHITE = 0.85
"""Intensity of white matter in the template, 0 to 1."""
ELASTIC_KNOTS, BIAS_KNOTS = 7, 4
FIELD = "abc,xa,yb,zc->xyz"
"""From knots and the functions of three axes to a field."""


@dataclass(frozen=True)
class Person:
    """One virtual subject in one scanner, defined for any grid.

    Attributes:
        matrix: [3,3], from mm about the centre to the template.
        shift: [3], mm, added after `matrix`.
        elastic: [3,k,k,k], displacement at the knots, mm.
        change: [3], factors of the intensity of CSF, grey and white matter.
        bias: strength of the logarithm of the coil's field.
        coil: knots of the logarithm of the coil's field.
        gain: the scanner's unit.
    """

    matrix: np.ndarray
    shift: np.ndarray
    elastic: np.ndarray
    change: np.ndarray
    bias: float
    coil: np.ndarray
    gain: float

    @property
    def white(self) -> float:
        """Return the intensity of white matter."""
        return float(self.gain * self.change[2] * WHITE)

    def maps(self, axes: list[np.ndarray]) -> np.ndarray:
        """Return T1, head, grey and white matter of the subject [4,H,W,D], 0 to 1, from the template."""
        points = np.stack(np.meshgrid(-axes[1], -axes[0], axes[2], indexing="ij")).swapaxes(1, 2)
        elastic = smooth(self.elastic, axes)
        places = np.tensordot(self.matrix, points, 1) + (CENTRE + self.shift)[:, None, None, None]
        return sampled(places + elastic)

    def scan(self, axes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return the noise-free signal [H,W,D], and shares of air, CSF, grey and white matter [4,H,W,D]."""
        t1, brain, grey, white = self.maps(axes)
        tissues = np.stack([1 - brain, np.clip(brain - grey - white, 0, None), grey * brain, white * brain])
        shading = np.exp(self.bias * smooth(self.coil[None], axes)[0])
        signal = self.gain * shading * t1 * (1 + np.tensordot(self.change - 1, tissues[1:], 1))
        return signal, tissues


class Brain:
    """T1-like scans of virtual subjects with labels of CSF, grey and white matter.

    The image [1,H,W,D] is in arbitrary scanner units, upright in radiological view (axes to posterior, left,
    superior). In 2D a case is a stack of axial slices, in 3D a cube. A subject depends on (cohort_seed,
    subject) only; its anatomy, bias and contrast do not depend on the size.

    Args:
        subjects: number of subjects, at least 3.
        size: side of a slice or cube in voxels; None is 96 in 2D and 64 in 3D.
        slices: number of axial slices in 2D.
        spatial_dims: 2 or 3.
        deformation: standard deviation of the elastic displacement, mm.
        bias: standard deviation of the logarithm of the coil's field.
        contrast: standard deviation of the relative change of each tissue's intensity.
        noise: sigma of the Rician noise relative to the intensity of white matter.
        cohort_seed: seed of the cohort.
    """

    channels = 1
    field_of_view = FIELD_OF_VIEW
    classes: tuple[str, ...] = ("background", "csf", "gm", "wm")
    box_classes: tuple[str, ...] = ()
    image_classes: tuple[str, ...] = ()

    def __init__(
        self,
        subjects: int = 24,
        size: int | None = None,
        slices: int = 24,
        spatial_dims: Literal[2, 3] = 2,
        deformation: float = 3.0,
        bias: float = 0.2,
        contrast: float = 0.06,
        noise: float = 0.05,
        cohort_seed: int = 0,
    ) -> None:
        if spatial_dims not in (2, 3):
            raise UserError(f"data.spatial_dims={spatial_dims}: choose 2 (slices) or 3 (volumes)")
        self.size = size or (96 if spatial_dims == 2 else 64)
        for key, value, least in (("subjects", subjects, 3), ("size", self.size, 8), ("slices", slices, 2)):
            if value < least:
                raise UserError(f"data.{key}={value}: at least {least} are needed")
        for key, strength in (
            ("deformation", deformation),
            ("bias", bias),
            ("contrast", contrast),
            ("noise", noise),
        ):
            if strength < 0:
                raise UserError(f"data.{key}={strength}: must not be negative")
        self.subjects, self.slices, self.spatial_dims, self.cohort_seed = (
            subjects,
            slices,
            spatial_dims,
            cohort_seed,
        )
        self.deformation, self.bias, self.contrast, self.noise = deformation, bias, contrast, noise

    def records(self) -> list[Record]:
        names = [f"virtual-{index:03d}" for index in range(self.subjects)]
        return [Record(name, name, content={"index": index}) for index, name in enumerate(names)]

    def fingerprint(self, record: Record) -> str:
        shape = (self.size, self.slices if self.spatial_dims == 2 else self.size)
        strengths = (self.deformation, self.bias, self.contrast, self.noise)
        return f"brain-2 {self.cohort_seed} {record.content['index']} {shape} {strengths}"

    content = fingerprint

    def load(self, record: Record) -> Case:
        person = self.person(record.content["index"])
        axes, spacing = self._grid()
        signal, tissues = person.scan(axes)
        scanner = np.random.default_rng([self.cohort_seed, record.content["index"], self.size])
        sigma = self.noise * person.gain * person.change[2] * WHITE
        return {
            "image": rician(signal, sigma, scanner)[None].astype(np.float32),
            "label": tissues.argmax(0)[None].astype(np.uint8),
            "affine": to_world(axes, spacing),
            "spacing": spacing,
        }

    def person(self, index: int) -> Person:
        """Draw the anatomy of a subject and the field of its coil."""
        rng = np.random.default_rng([self.cohort_seed, index])
        turn = rotation(rng.normal(0, np.deg2rad(4), 3))
        stretch = np.eye(3) * rng.uniform(0.98, 1.1, 3) + rng.normal(0, 0.02, (3, 3))
        shift = rng.normal(0, 2, 3)
        elastic = self.deformation * rng.standard_normal((3, *3 * (ELASTIC_KNOTS,)))
        change = 1 + self.contrast * rng.standard_normal(3)
        coil = rng.standard_normal(3 * (BIAS_KNOTS,))
        return Person(turn @ stretch, shift, elastic, change, self.bias, coil, rng.uniform(300, 1500))

    def _grid(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Return the offsets from the centre along each axis (mm: back, left, up), and the spacing."""
        step = self.field_of_view / self.size
        plane = (np.arange(self.size) - (self.size - 1) / 2) * step
        up = np.linspace(*SLAB, self.slices) - CENTRE[2] if self.spatial_dims == 2 else plane
        return [plane, plane, up], np.array([step, step, up[1] - up[0]])


def rician(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Return the magnitude of a complex signal with Gaussian noise in both parts (Gudbjartsson, Patz 1995).

    Args:
        image: the signal without noise.
        sigma: standard deviation of the noise in each part.
        rng: source of the noise.
    """
    real, imaginary = sigma * rng.standard_normal((2, *image.shape), dtype=np.float32)
    magnitude: np.ndarray = np.hypot(image + real, imaginary)
    return magnitude


@functools.cache
def spline(knots: int) -> CubicSpline:
    """Return the functions [knots] that are 1 at one of the knots over `FIELD_OF_VIEW`, and 0 at others."""
    return CubicSpline(np.linspace(-FIELD_OF_VIEW / 2, FIELD_OF_VIEW / 2, knots), np.eye(knots))


def at_knots(places: np.ndarray, knots: int) -> np.ndarray:
    """Return what each knot of `spline` counts at places [...] along an axis, mm: [...,knots].

    Beyond the knots it is what it is at the outermost one.
    """
    found: np.ndarray = spline(knots)(np.clip(places, -FIELD_OF_VIEW / 2, FIELD_OF_VIEW / 2))
    return found


@functools.cache
def _order(knots: int, *shape: int) -> list[object]:
    """Return the order of the products of `smooth` that numpy chooses for a grid of this shape."""
    bases = [np.empty((side, knots)) for side in shape]
    return list(np.einsum_path(FIELD, np.empty(3 * (knots,)), *bases, optimize="greedy")[0])


def smooth(fields: np.ndarray, axes: list[np.ndarray]) -> np.ndarray:
    """Evaluate at the grid cubic-spline fields [n,H,W,D] through knots [n,k,k,k] over the field of view."""
    knots = fields.shape[-1]
    bases = [at_knots(axis, knots) for axis in axes]
    order: Any = _order(knots, *map(len, axes))
    return np.stack([np.einsum(FIELD, field, *bases, optimize=order) for field in fields])


def rotation(angles: np.ndarray) -> np.ndarray:
    """Return the rotation about the three axes in turn [3,3]; angles in radians."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    turn: np.ndarray = about_x @ about_y @ about_z
    return turn


def to_world(axes: list[np.ndarray], spacing: np.ndarray) -> np.ndarray:
    """Return the affine from this grid's voxels to mm, before the warp."""
    matrix = np.zeros((4, 4))
    matrix[0, 1], matrix[1, 0], matrix[2, 2], matrix[3, 3] = -spacing[1], -spacing[0], spacing[2], 1
    matrix[:3, 3] = CENTRE + np.array([-axes[1][0], -axes[0][0], axes[2][0]])
    return template()[1] @ matrix
