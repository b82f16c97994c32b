"""Slices into a volume: their order along the normal, and the affine of the whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from src.data.dicom.multiframe import Frame

SAME = 1e-3
"""Below it, directions (cosines) and places (mm) are the same."""
UNEVEN = 0.1
"""So far, in steps, a slice may lie off an even grid."""
DIFFER = (
    "EchoTime", "EffectiveEchoTime", "EchoNumbers", "TemporalPositionIdentifier", "TemporalPositionIndex",
    "DiffusionBValue", "DiffusionGradientOrientation", "InversionTime", "InversionTimes", "FlipAngle",
    "TriggerTime", "NominalCardiacTriggerDelayTime", "NominalPercentageOfCardiacPhase", "FrameReferenceTime",
    "ComplexImageComponent", "ImageType", "FrameType", "ConvolutionKernel", "KVP", "AcquisitionNumber",
    "StackID", "AcquisitionTime", "FrameAcquisitionDateTime", "FrameReferenceDateTime", "ContentTime",
)  # fmt: skip
"""What commonly tells two slices at one place apart, the most telling first."""
ALIKE = (
    "EchoTime",
    "EffectiveEchoTime",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "DiffusionBValue",
)
"""What is the same, within a hundredth, in all slices of one volume, wherever they lie."""


def arranged(frames: Sequence[Frame]) -> tuple[list[int], np.ndarray]:
    """The order of the slices along their normal, and the affine [4,4] from (column, row, slice) to mm in
    RAS; slices that are shifted evenly against each other (a gantry's tilt) shear it.

    Raises ValueError, which says what of the series is no single volume.
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
        raise ValueError(f"a slice is missing: steps of {steps.min():.2f} to {steps.max():.2f} mm")
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
    """Where columns and rows of all slices lead."""
    directions = np.array([frame.direction for frame in frames])
    across, down = directions[0]
    if max(abs(np.linalg.norm(across) - 1), abs(np.linalg.norm(down) - 1), abs(across @ down)) > 0.01:
        raise ValueError("its ImageOrientationPatient is no pair of unit vectors at right angles")
    same = np.abs(directions - directions[0]).max((1, 2)) <= SAME
    if not same.all():
        raise ValueError(
            f"its slices differ in direction ({same.sum()} of {len(same)} lie like the first); "
            f"{_told(frames, 'a localiser of several planes, or several volumes')}"
        )
    return across, down


def _check_alike(frames: Sequence[Frame]) -> None:
    """Raises ValueError when slices were taken in different ways, though each has a place of its own."""
    for word in ALIKE:
        values = _values(frames, word)
        if len(values) == 1:
            continue
        try:
            numbers = [float(value) for value in values]
        except ValueError:
            numbers = [0, 1]
        if max(numbers) - min(numbers) > 0.01 * max(map(abs, numbers)):
            told = ", ".join(values[:4])
            raise ValueError(
                f"its slices differ in {word} ({told}): choose, such as data.series={word}:{values[0]}"
            )


def _mixed(frames: Sequence[Frame], order: np.ndarray, steps: np.ndarray) -> str:
    """What tells slices at one place apart, and how to choose among them."""
    close = steps < SAME
    pair = order[np.flatnonzero(close)[0] :][:2]
    differ = [word for word in DIFFER if frames[pair[0]].fact(word) != frames[pair[1]].fact(word)][:2]
    count = int((np.r_[False, close] | np.r_[close, False]).sum())
    where = f"{count} of its {len(frames)} slices lie at the same place as another"
    if not differ:
        return f"{where}, and nothing known tells them apart; remove the copies"
    told = [f"{word} ({', '.join(_values(frames, word)[:4])})" for word in differ]
    where += f"; they differ in {' and '.join(told)}"
    if len(_values(frames, differ[0])) > len(frames) // 2:
        return f"{where}; move them to series of their own"
    one, other = (str(frames[place].fact(differ[0])).split("\\") for place in pair)
    example = next((part for part in one if part not in other), one[0])
    return f"{where}: choose, such as data.series={differ[0]}:{example}"


def _told(frames: Sequence[Frame], otherwise: str) -> str:
    """What differs besides, in words."""
    found = [word for word in ("StackID", "ImageType") if len(_values(frames, word)) > 1]
    told = [f"{word} ({', '.join(_values(frames, word)[:4])})" for word in found]
    return f"they differ in {' and '.join(told)} too" if told else otherwise


def _values(frames: Sequence[Frame], keyword: str) -> list[str]:
    """The different values of a keyword, in the order of the frames."""
    return list(dict.fromkeys(str(frame.fact(keyword)) for frame in frames))
