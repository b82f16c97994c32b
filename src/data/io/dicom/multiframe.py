"""One frame of a DICOM file with one or many frames: its position and its header values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")


@dataclass(frozen=True)
class Frame:
    """Frame `number`, counted from 0, of a dataset."""

    file: Any
    number: int = 0

    @property
    def direction(self) -> np.ndarray:
        """Return [2,3]: unit vectors along which the columns and the rows count up."""
        return self._numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6).reshape(2, 3)

    @property
    def position(self) -> np.ndarray:
        """Return [3], mm: the centre of the first pixel."""
        offsets = self.file.get("GridFrameOffsetVector")
        many = int(self.file.get("NumberOfFrames") or 1) > 1
        if many and not offsets and self.macro("PlanePositionSequence") is self.file:
            raise ValueError("its slices have no position in space (PlanePositionSequence is missing)")
        first = self._numbers("PlanePositionSequence", "ImagePositionPatient", 3)
        if not offsets:
            return first
        along = np.cross(*self.direction)  # of a dose: PS3.3, C.8.8.3.2
        if offsets[0] == 0:
            return first + along * float(offsets[self.number])
        if not np.allclose(np.abs(along), [0, 0, 1], atol=1e-3):
            raise ValueError("its GridFrameOffsetVector does not begin with 0 on an oblique grid")
        return np.array([first[0], first[1], float(offsets[self.number])])

    @property
    def spacing(self) -> np.ndarray:
        """Return [2], mm: between rows, and between columns."""
        return self._numbers("PixelMeasuresSequence", "PixelSpacing", 2)

    def macro(self, name: str) -> Any:
        """Return the functional group `name` of this frame, else the shared one, else the dataset."""
        for where in self._groups():
            if where.get(name):
                return where[name][0]
        return self.file

    def fact(self, keyword: str) -> str | None:
        """Return this frame's value of a DICOM keyword as text, None if there is none."""
        for where in self._groups():
            if (value := _inside(where, keyword)) is not None:
                return _text(value)
        value = self.file.get(keyword)
        return None if value is None or value == "" else _text(value)

    def _groups(self) -> list[Any]:
        """Return the functional groups of this frame, then those shared by all frames."""
        own, shared = (self.file.get(name) for name in GROUPS)
        if own and self.number >= len(own):
            raise ValueError(f"its header describes {len(own)} frames, but it has more")
        return ([own[self.number]] if own else []) + ([shared[0]] if shared else [])

    def _numbers(self, macro: str, keyword: str, count: int) -> np.ndarray:
        try:
            values = np.array([float(value) for value in self.macro(macro)[keyword].value], float)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"its slices have no position in space ({keyword} is missing)") from error
        if values.shape != (count,) or not np.isfinite(values).all():
            raise ValueError(f"its {keyword} is not a list of {count} numbers")
        return values


def frames_of(file: Any) -> list[Frame]:
    """Return the frames of a file, in the order of its pixels."""
    return [Frame(file, number) for number in range(int(file.get("NumberOfFrames") or 1))]


def _inside(group: Any, keyword: str) -> Any:
    """Return the value of a keyword in a group or its nested groups."""
    if keyword in group and group[keyword].value is not None:
        return group[keyword].value
    for element in group:
        if element.VR == "SQ":
            for item in element.value:
                if (value := _inside(item, keyword)) is not None:
                    return value
    return None


def _text(value: Any) -> str:
    many = not isinstance(value, str | bytes) and hasattr(value, "__iter__")
    return "\\".join(str(part) for part in value) if many else str(value)
