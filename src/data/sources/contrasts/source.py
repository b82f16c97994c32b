"""A virtual cohort in several contrasts: T1, T2, PD and a CT of the same heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ganatomy.data.records import Case, Record
from ganatomy.data.sources.brain import Brain, to_world
from ganatomy.data.sources.contrasts.head import Points
from ganatomy.data.sources.contrasts.settings import (
    check_amounts,
    check_shares,
    contrasts_of,
    is_among,
    planter,
    suited_to,
)
from ganatomy.data.sources.contrasts.signals import CONTRASTS
from ganatomy.data.sources.contrasts.subject import Head
from ganatomy.data.sources.lesions import Lesion
from ganatomy.errors import UserError

CLASSES = ("background", "csf", "gm", "wm", "bone", "scalp", "lesion")
OF_CLASS = (0, 1, 2, 3, 4, 4, 5, 5, 6)
"""Class of each of `TISSUES`; bone includes the marrow, scalp is fat and skin."""
TURN = 0.5
"""Largest rotation of a misaligned target, degrees per voxel of `misalign`."""


class BrainContrasts(Brain):
    """Virtual heads (see `Brain`) in several contrasts of one anatomy, with skull and scalp.

    `image` holds the contrasts of `source`, `target` those of `target`. T1, T2 and PD are magnitudes in
    arbitrary scanner units, from shares of tissue and the equations in `signals.py`; CT is in HU, int16 if it
    is alone. `label` holds `classes`, `mask` the head. The template ends at the brain's surface: skull and
    scalp are layers derived around it (`head.py`), with no face, no sinuses and no ears.

    In training the target may be misaligned by a known rigid movement, see `movement`, and may lack the
    source's lesions. In validation and test both sides always show the same.

    Args:
        source: contrasts of the image, of t1, t2, pd and ct; one or several.
        target: contrasts of the target; None or empty for none.
        subjects: number of subjects, see `Brain`.
        size: side of 240 mm in voxels, see `Brain`.
        slices: axial slices in 2D, see `Brain`.
        spatial_dims: 2 or 3.
        deformation: see `Brain`, mm.
        bias: standard deviation of the logarithm of the coil's field, in MR only.
        scatter: standard deviation of the relative change of each tissue's relaxation times and CT number
            from subject to subject; proton densities change half as much.
        noise: sigma of the Rician noise of MR, relative to white matter's tabulated signal in T1, T2 and PD.
        ct_noise: sigma of the Gaussian noise of CT, HU.
        misalign: shift of the target in training, voxels.
        lesions: fraction of the subjects with lesions.
        target_lesions: in training, fraction of the subjects whose target shows lesions, whatever the image
            shows; None: as the image.
        lesion_count: largest number of lesions of a subject, at least 1.
        lesion_radius: least and largest mean radius, mm.
        cohort_seed: seed of the cohort.
    """

    field_of_view = 240.0

    def __init__(
        self,
        source: str | Sequence[str] = ("t1",),
        target: str | Sequence[str] | None = ("ct",),
        subjects: int = 24,
        size: int | None = None,
        slices: int = 24,
        spatial_dims: Literal[2, 3] = 2,
        deformation: float = 2.0,
        bias: float = 0.2,
        scatter: float = 0.05,
        noise: float = 0.03,
        ct_noise: float = 5.0,
        misalign: float = 0.0,
        lesions: float = 0.0,
        target_lesions: float | None = None,
        lesion_count: int = 5,
        lesion_radius: tuple[float, float] = (6.0, 14.0),
        cohort_seed: int = 0,
    ) -> None:
        super().__init__(subjects, size, slices, spatial_dims, deformation, bias, 0.0, noise, cohort_seed)
        self.inputs, self.outputs = contrasts_of("source", source), contrasts_of("target", target or ())
        if not self.inputs:
            raise UserError(f"data.source=[]: name one or several of {', '.join(CONTRASTS)}")
        if both := set(self.inputs) & set(self.outputs):
            raise UserError(f"data.target: {min(both)} is in data.source too; take it out of one of them")
        check_amounts(scatter=scatter, ct_noise=ct_noise, misalign=misalign)
        if misalign > self.size / 4:
            raise UserError(f"data.misalign={misalign}: moves the head out of an image of {self.size} voxels")
        check_shares(lesions=lesions, target_lesions=target_lesions)
        self.channels, self.target_channels = len(self.inputs), len(self.outputs) or None
        self.scatter, self.ct_noise, self.misalign = scatter, ct_noise, misalign
        self.lesions, self.target_lesions = lesions, target_lesions
        self.two_sided = False  # `data.unpaired` sets it
        self.planter = planter(lesion_count, lesion_radius, cohort_seed)
        self._lesions: dict[int, list[Lesion]] = {}
        self.classes = CLASSES if lesions or target_lesions else CLASSES[:-1]

    def records(self) -> list[Record]:
        """Return a record per subject, stratified by subjects with and without lesions."""
        found = super().records()
        if not self.lesions:
            return found
        return [
            Record(r.case, r.subject, content=r.content, stratum="lesion" if sick else "healthy")
            for r in found
            for sick in [is_among(r.content["index"], self.lesions)]
        ]

    def fingerprint(self, record: Record) -> str:
        shape = (self.size, self.slices if self.spatial_dims == 2 else self.size, self.spatial_dims)
        strengths = (self.deformation, self.bias, self.scatter, self.noise, self.ct_noise)
        planted = (self.planter.lesions, self.planter.radius) if any(self._lesions_of(record)) else None
        sides = (self.inputs, self.outputs, self._lesions_of(record))
        moved = self.misalign if record.split == "train" else 0.0
        subject = (self.cohort_seed, record.content["index"])
        return f"contrasts-2 {subject} {shape} {strengths} {sides} {planted} {moved}"

    content = fingerprint

    def load(self, record: Record) -> Case:
        head = self._head(record.content["index"])
        axes, spacing = self._grid()
        step, points = self.field_of_view / self.size, Points.of(axes)
        ours, theirs = self._lesions_of(record)
        shares = head.tissues(points, step, ours)
        coil = self.bias * points.smooth(head.person.coil[None])[0]
        case: Case = {
            "image": self._scanned(self.inputs, record, head, shares, coil),
            "label": np.array(OF_CLASS, np.uint8)[shares.argmax(0)][None],
            "mask": shares[:1] < 0.5,
            "affine": to_world(axes, spacing),
            "spacing": spacing,
        }
        if self.outputs:
            shift, degrees = self.movement(record)
            if shift.any() or ours != theirs:
                moved = Points.of(axes, np.pad(shift, (0, 3 - len(shift))) * spacing, degrees)
                shares = head.tissues(moved, step, theirs)
            case["target"] = self._scanned(self.outputs, record, head, shares, coil)
        return case

    def movement(self, record: Record) -> tuple[np.ndarray, float]:
        """Return by how much the target of a case is moved against its image; nothing outside training.

        Returns:
            The shift along the axes of the array, voxels ([2] in the plane of slices, [3] in volumes), of
            length `misalign` in a random direction; and the angle about the vertical axis through the middle,
            degrees, at most `TURN` per voxel, before the shift.
        """
        dims = self.spatial_dims
        if not self.misalign or record.split != "train":
            return np.zeros(dims), 0.0
        rng = np.random.default_rng([self.cohort_seed, record.content["index"], 3])
        direction = rng.standard_normal(dims)
        degrees = TURN * self.misalign * rng.uniform(-1, 1)
        return self.misalign * direction / np.linalg.norm(direction), float(degrees)

    def intensity(self) -> Any:
        """Return the setting that suits the image: a window for CT, percentiles for MR."""
        return suited_to(self.inputs)

    def target_intensity(self) -> Any:
        """Return the setting that suits the target; None without one."""
        return suited_to(self.outputs) if self.outputs else None

    def doubts(self, intensity: Any) -> list[str]:
        """Return notes about training targets that do not match their images, where these are pairs."""
        found: list[str] = []
        if self.two_sided or not self.outputs:
            return found
        if self.misalign:
            found.append(
                f"data.misalign={self.misalign:g}: each training target is moved by so many voxels against "
                "its image; those of validation and test are not"
            )
        if self.target_lesions not in (None, self.lesions):
            found.append(
                f"data.target_lesions={self.target_lesions}, data.lesions={self.lesions}: training targets "
                "do not show the lesions of their images; meant for data.unpaired=true"
            )
        return found

    def _head(self, index: int) -> Head:
        """Draw a subject: its brain, skull, scalp, tissues and the units of its scanners."""
        person = self.person(index)
        if index not in self._lesions and is_among(index, max(self.lesions, self.target_lesions or 0)):
            self._lesions[index] = self.planter.plant(index, person)
        return Head.drawn(person, self._lesions.get(index, []), [self.cohort_seed, index, 2], self.scatter)

    def _scanned(
        self, contrasts: tuple[str, ...], record: Record, head: Head, shares: np.ndarray, coil: np.ndarray
    ) -> np.ndarray:
        """Return the contrasts of one side [C,H,W,D], each with the noise of its own scan."""
        seed = [self.cohort_seed, record.content["index"], self.size]
        channels = []
        for contrast in contrasts:
            rng = np.random.default_rng([*seed, CONTRASTS.index(contrast)])
            channels.append(
                head.ct(shares, self.ct_noise, rng)
                if contrast == "ct"
                else head.magnitude(contrast, shares, coil, self.noise, rng)
            )
        return np.stack(channels).astype(np.int16 if contrasts == ("ct",) else np.float32)

    def _lesions_of(self, record: Record) -> tuple[bool, bool]:
        """Return True for each side of a case, source and target, that shows the subject's lesions."""
        index = record.content["index"]
        ours = is_among(index, self.lesions)
        if self.target_lesions is None or record.split != "train":
            return ours, ours
        return ours, is_among(index, self.target_lesions)
