"""Tissues of a whole virtual head: the template's brain, and a shell of bone and scalp derived around it."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from ganatomy.data.sources.brain import CENTRE, Person, at_knots
from ganatomy.data.sources.contrasts.signals import TISSUES
from ganatomy.data.sources.icbm import sampled, template

MARGIN, COARSE = 24, 2
"""Voxels added around the template, and every how many of them the depth is known."""
CLOSING, ROUNDING = 12.0, 3.0
"""Widest groove of the brain that the skull bridges, and blur of the skull's inner surface; both mm."""
LAYERS = {"bone": 1.75, "marrow": 3.5, "outer bone": 1.75, "fat": 4.0, "skin": 2.0}
"""Mean thickness of the layers from the inside out, mm; the first three are the skull."""


@dataclass(frozen=True)
class Points:
    """Points where a head is sampled, mm about the centre: a plane that may be turned, at several heights.

    Attributes:
        plane: [2,H,W], to the back and to the left.
        up: [D].
    """

    plane: np.ndarray
    up: np.ndarray

    @classmethod
    def of(cls, axes: list[np.ndarray], shift: np.ndarray | None = None, degrees: float = 0.0) -> Points:
        """Return the grid of three axes, such that the head is seen turned about the middle, then shifted.

        Args:
            axes: offsets to the back, to the left and up, mm.
            shift: [3], mm; None for none.
            degrees: angle about the vertical axis, from the back to the left.
        """
        back, left, above = np.zeros(3) if shift is None else shift
        plane = np.stack(np.meshgrid(axes[0] - back, axes[1] - left, indexing="ij"))
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        turned = np.tensordot(np.array([[cos, sin], [-sin, cos]]), plane, 1)
        return cls(turned, axes[2] - above)

    def smooth(self, fields: np.ndarray) -> np.ndarray:
        """Evaluate cubic-spline fields through knots [n,k,k,k], as `brain.smooth` does: [n,H,W,D]."""
        knots, shape = fields.shape[-1], self.plane.shape[1:]
        back, left = (at_knots(along.ravel(), knots) for along in self.plane)
        flat = (back[:, :, None] * left[:, None, :]).reshape(-1, knots**2)
        columns = np.tensordot(fields, at_knots(self.up, knots), (3, 1)).reshape(len(fields), knots**2, -1)
        values: np.ndarray = (flat @ columns).reshape(len(fields), *shape, len(self.up))
        return values

    @property
    def coordinates(self) -> np.ndarray:
        """Return the points [3,H,W,D], mm to the back, to the left and up."""
        shape = (*self.plane.shape[1:], len(self.up))
        plane = (np.broadcast_to(along[..., None], shape) for along in self.plane)
        return np.stack([*plane, np.broadcast_to(self.up, shape)])

    def in_template(self, person: Person) -> np.ndarray:
        """Return where the points lie in the template of a subject, voxels [3,H,W,D]."""
        back, left, up = self.coordinates
        points = np.tensordot(person.matrix, np.stack([-left, -back, up]), 1)
        middle = (CENTRE + person.shift)[:, None, None, None]
        places: np.ndarray = points + middle + self.smooth(person.elastic)
        return places


def tissues(points: np.ndarray, skull: np.ndarray, scalp: float, step: float) -> np.ndarray:
    """Return the share of each of `TISSUES` in every voxel [9,H,W,D] in float32; there is no lesion.

    Args:
        points: [3,H,W,D], voxels of the template.
        skull: [H,W,D], factor of the skull's thickness.
        scalp: factor of the scalp's thickness.
        step: side of a voxel, mm: an edge between two layers is as wide.
    """
    _, _, grey, white = sampled(points)
    depth = depths(points)
    edges = np.cumsum([0.0, *LAYERS.values()])
    surfaces = [edge * skull for edge in edges[:4]]
    surfaces += [surfaces[-1] + scalp * (edge - edges[3]) for edge in edges[4:]]
    beyond = np.stack([np.clip((depth - surface) / step + 0.5, 0, 1) for surface in surfaces])
    inner, spongy, outer, fat, skin = beyond[:-1] - beyond[1:]
    inside = 1 - beyond[0]
    whole = np.maximum(grey + white, 1)
    found = np.zeros((len(TISSUES), *depth.shape), np.float32)
    found[0], found[2], found[3] = beyond[-1], inside * grey / whole, inside * white / whole
    found[1] = inside - found[2] - found[3]
    found[4:8] = inner + outer, spongy, fat, skin
    return found


def depths(points: np.ndarray) -> np.ndarray:
    """Return the distance to the skull's inner surface, mm of the template, below 0 inside.

    Args:
        points: [3,...], voxels of the template.
    """
    places = ((points + MARGIN) / COARSE).astype(np.float32)
    found: np.ndarray = map_coordinates(_depth(), places, np.float32, order=1, mode="nearest")
    return found


@functools.cache
def _depth() -> np.ndarray:
    """Return the template's `depths` on a grid of `COARSE` mm.

    The template holds a brain alone, so its skull is one that fits: the brain's surface with the layer of CSF
    around it, whose grooves are closed and whose edges are rounded.
    """
    head = np.pad(template()[0][1] > 0, MARGIN)[::COARSE, ::COARSE, ::COARSE]
    reach = CLOSING / COARSE
    closed = distance_transform_edt(distance_transform_edt(~head) <= reach) > reach
    signed = distance_transform_edt(~closed) - distance_transform_edt(closed)
    signed -= np.sign(signed) / 2  # the surface lies between two voxels
    smooth: np.ndarray = gaussian_filter(COARSE * signed, ROUNDING / COARSE).astype(np.float32)
    return smooth
