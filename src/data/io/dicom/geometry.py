"""Geometry of a volume: the order of the slices along their normal, and the affine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ganatomy.data.io.dicom.multiframe import Frame

SAME = 1e-3
"""Tolerance for equal directions (cosines) and positions (mm)."""
UNEVEN = 0.1
"""Largest distance of a slice from an even grid, as a fraction of the step."""
DIFFER = (
    "EchoTime", "EffectiveEchoTime", "EchoNumbers", "TemporalPositionIdentifier", "TemporalPositionIndex",
    "DiffusionBValue", "DiffusionGradientOrientation", "InversionTime", "InversionTimes", "FlipAngle",
    "TriggerTime", "NominalCardiacTriggerDelayTime", "NominalPercentageOfCardiacPhase", "FrameReferenceTime",
    "ComplexImageComponent", "ImageType", "FrameType", "ConvolutionKernel", "KVP", "AcquisitionNumber",
    "StackID", "AcquisitionTime", "FrameAcquisitionDateTime", "FrameReferenceDateTime", "ContentTime",
)  # fmt: skip
"""Keywords in which two slices at the same position commonly differ, the most informative first."""
ALIKE = (
    "EchoTime",
    "EffectiveEchoTime",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "DiffusionBValue",
)
"""Keywords whose values must agree within one percent in all slices of a volume."""


def arranged(frames: Sequence[Frame]) -> tuple[list[int], np.ndarray]:
    """Return the order of the slices along their normal, and the affine [4,4].

    The affine maps (column, row, slice) to mm in RAS. Slices shifted evenly against each other (gantry tilt)
    shear it. Raises ValueError with the reason if the slices are not a single volume.
    """
    across, down = _direction(frames)
    spacing = frames[0].spacing
    if any(np.abs(frame.spacing - spacing).max() > SAME * spacing.max() for frame in frames):
        raise ValueError("its slices differ in PixelSpacing")
    if spacing.min() <= 0:
        raise ValueError(f"its PixelSpacing is {spacing[0]:g} x {spacing[1]:g} mm")
    positions = np.array([frame.position for frame in frames])
    along = positions @ np.cross(across, down)
    order = np.argsort(along, kind="stable")
    steps = np.diff(along[order])
    if steps.min() < SAME:
        raise ValueError(_mixed(frames, order, steps))
    if steps.max() > 1.5 * np.median(steps):
        found = f"steps of {steps.min():.2f} to {steps.max():.2f} mm"
        raise ValueError(f"a slice is missing: {found}; export the series again")
    step = (positions[order[-1]] - positions[order[0]]) / (len(order) - 1)
    even = positions[order[0]] + np.arange(len(order))[:, None] * step
    off = np.linalg.norm(positions[order] - even, axis=1).max()
    if off > max(UNEVEN * np.linalg.norm(step), 10 * SAME):
        raise ValueError(
            f"its slices are spaced unevenly: steps of {steps.min():.2f} to {steps.max():.2f} mm, "
            f"{off:.2f} mm off an even grid"
        )
    _check_alike(frames)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = across * spacing[1], down * spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = positions[order[0]]
    return [int(place) for place in order], np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _direction(frames: Sequence[Frame]) -> tuple[np.ndarray, np.ndarray]:
    """Return the unit vectors along which columns and rows count up, common to all slices."""
    directions = np.array([frame.direction for frame in frames])
    across, down = directions[0]
    if max(abs(np.linalg.norm(across) - 1), abs(np.linalg.norm(down) - 1), abs(across @ down)) > 0.01:
        raise ValueError("its ImageOrientationPatient is not a pair of orthogonal unit vectors")
    same = np.abs(directions - directions[0]).max((1, 2)) <= SAME
    if not same.all():
        raise ValueError(
            f"its slices differ in direction ({same.sum()} of {len(same)} match the first); "
            f"{_other_differences(frames, 'a localiser of several planes, or several volumes')}"
        )
    return across, down


def _check_alike(frames: Sequence[Frame]) -> None:
    """Raise ValueError if slices at different positions were acquired in different ways."""
    for word in ALIKE:
        values = _values(frames, word)
        if len(values) == 1:
            continue
        try:
            numbers = [float(value) for value in values]
        except ValueError:
            numbers = [0, 1]
        if max(numbers) - min(numbers) > 0.01 * max(map(abs, numbers)):
            differences = ", ".join(values[:4])
            raise ValueError(
                f"its slices differ in {word} ({differences}): choose, such as data.series={word}:{values[0]}"
            )


def _mixed(frames: Sequence[Frame], order: np.ndarray, steps: np.ndarray) -> str:
    """Return the message for slices at the same position: how they differ, and how to choose among them."""
    close = steps < SAME
    pair = order[np.flatnonzero(close)[0] :][:2]
    differ = [word for word in DIFFER if frames[pair[0]].fact(word) != frames[pair[1]].fact(word)][:2]
    count = int((np.r_[False, close] | np.r_[close, False]).sum())
    where = f"{count} of its {len(frames)} slices lie at the same place as another"
    if not differ:
        return f"{where}, and nothing known tells them apart; remove the copies"
    differences = [f"{word} ({', '.join(_values(frames, word)[:4])})" for word in differ]
    where += f"; they differ in {' and '.join(differences)}"
    if len(_values(frames, differ[0])) > len(frames) // 2:
        return f"{where}; move them to series of their own"
    one, other = (str(frames[place].fact(differ[0])).split("\\") for place in pair)
    example = next((part for part in one if part not in other), one[0])
    return f"{where}: choose, such as data.series={differ[0]}:{example}"


def _other_differences(frames: Sequence[Frame], otherwise: str) -> str:
    """Return the other keywords in which the slices differ, as text."""
    found = [word for word in ("StackID", "ImageType") if len(_values(frames, word)) > 1]
    differences = [f"{word} ({', '.join(_values(frames, word)[:4])})" for word in found]
    return f"they differ in {' and '.join(differences)} too" if differences else otherwise


def _values(frames: Sequence[Frame], keyword: str) -> list[str]:
    """Return the different values of a keyword, in the order of the frames."""
    return list(dict.fromkeys(str(frame.fact(keyword)) for frame in frames))
