"""Read the files of a series as one array with its affine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganatomy.data.io.dicom.files import opened, pydicom
from ganatomy.data.io.dicom.geometry import arranged
from ganatomy.data.io.dicom.multiframe import Frame, frames_of
from ganatomy.data.io.dicom.pixels import filled, rescaled, values_of

HARMLESS = ("CS", "DS", "IS", "FL", "FD", "SL", "SS", "UL", "US")
"""Value representations of codes and numbers, which name nobody."""


def read_series(
    paths: Sequence[Path], chosen: Sequence[tuple[str, str]] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Read a volume [C,columns,rows,slices] with slices sorted along their normal, or a picture [C,H,W].

    C is 3 in colour, else 1. Slices may be files, frames of one file, or both. `chosen` holds pairs of a
    DICOM keyword and a value; only slices with these values are read.

    Returns the array and its affine (RAS, mm). Raises ValueError if slices differ in size or direction, share
    a position, are missing (uneven steps), or have no position in space.
    """
    frames, affine = slices_of(paths, chosen)
    if affine is None:
        return _picture(frames[0])
    values = {id(file): values_of(file) for file in {id(frame.file): frame.file for frame in frames}.values()}
    slices = [values[id(frame.file)][frame.number] for frame in frames]
    if len({pixels.shape for pixels, _ in slices}) > 1:
        raise ValueError("some of its slices are grey and some in colour")
    volume = np.stack([pixels.T for pixels, _ in slices], -1)
    volume = volume.astype(np.float32) if volume.dtype == np.float64 else volume
    if any(padding is not None for _, padding in slices):
        masks = [np.zeros(pixels.shape, bool) if mask is None else mask for pixels, mask in slices]
        volume = filled(volume, np.stack([mask.T for mask in masks], -1))
    return (volume if volume.ndim == 4 else volume[None]), affine


def slices_of(
    paths: Sequence[Path], chosen: Sequence[tuple[str, str]] = (), pixels: bool = True
) -> tuple[list[Frame], np.ndarray | None]:
    """Return the frames of a series in the order of the volume's slices, and the volume's affine.

    Args:
        paths: The files of the series.
        chosen: See `read_series`.
        pixels: False to read headers only.

    Returns:
        The frames, and the affine [4,4] (RAS, mm); None for the single frame of a picture.

    Raises:
        ValueError: The frames are not a volume.
    """
    files = [opened(path, pixels=pixels) for path in paths]
    _check_copies(files, paths)
    frames = [frame for file in files for frame in frames_of(file)]
    for keyword, value in chosen:
        frames = _having(frames, keyword, value)
    if len(frames) == 1 and len(files) == 1 and not int(files[0].get("NumberOfFrames") or 1) > 1:
        return frames, None
    if len(frames) == 1:
        raise ValueError("has a single slice with the values of data.series")
    if len({(frame.file.Rows, frame.file.Columns) for frame in frames}) > 1:
        raise ValueError("its slices differ in size")
    try:
        order, affine = arranged(frames)
    except ValueError as error:
        raise ValueError(_placeless(frames, str(error))) from error
    return [frames[place] for place in order], affine


def _picture(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    array = rescaled(frame.file)
    array = np.moveaxis(array, -1, 0) if array.ndim == 3 else array[None]
    measures = frame.macro("PixelMeasuresSequence")
    spacing = measures.get("PixelSpacing") or frame.file.get("ImagerPixelSpacing") or (1, 1)
    return array, np.diag([float(spacing[0]), float(spacing[1]), 1.0, 1.0])


def _having(frames: Sequence[Frame], keyword: str, value: str) -> list[Frame]:
    """Return the frames whose header has `value` under `keyword`, alone or among other values."""
    kept = [frame for frame in frames if _says(frame.fact(keyword), value)]
    if not kept:
        there = list(dict.fromkeys(said for frame in frames if (said := frame.fact(keyword)) is not None))
        named = pydicom().datadict.dictionary_VR(keyword) not in HARMLESS  # may hold a name
        listed = f"{len(there)} others" if there and named else ", ".join(there[:8])
        raise ValueError(
            f"no slice has the {keyword} {value} of data.series; there are {listed or 'none with a value'}"
        )
    return kept


def _says(said: str | None, value: str) -> bool:
    if said is None:
        return False
    for part in (said, *said.split("\\")):
        if part.lower() == value.lower():
            return True
        try:
            if np.isclose(float(part), float(value), rtol=1e-6, atol=0):
                return True
        except ValueError:
            pass
    return False


def _check_copies(files: Sequence[Any], paths: Sequence[Path]) -> None:
    """Raise ValueError if two files have the same SOPInstanceUID."""
    uids = {str(file.get("SOPInstanceUID") or path) for file, path in zip(files, paths, strict=True)}
    if len(uids) < len(files):
        raise ValueError("two of its files have the same SOPInstanceUID; remove the wrong one")


def _placeless(frames: Sequence[Frame], words: str) -> str:
    """Return why the frames are not a volume; for independent pictures, also the way to read them."""
    if "no position in space" not in words:
        return words
    what = str(frames[0].file.get("Modality") or "modality not named")
    if int(frames[0].file.get("NumberOfFrames") or 1) > 1:
        return (
            f"holds {len(frames)} frames ({what}) without a position in space, which are not a volume "
            f"({words}); export the frames as pictures"
        )
    return f"{words}; read its {len(frames)} files ({what}) as pictures: data=folder 'data.image=\"**/*\"'"
