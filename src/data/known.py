"""Optional methods of sources that know more about their data, such as DICOM from its headers."""

from __future__ import annotations

from ganatomy.data.records import Source
from ganatomy.data.transforms.intensity import Intensity
from ganatomy.errors import UserError


def suited(source: Source, intensity: Intensity) -> Intensity:
    """Return the intensity, or for `auto` the one that the source's method `intensity` suggests.

    Raises UserError if the source has no such method.
    """
    if intensity != "auto":
        return intensity
    if not hasattr(source, "intensity"):
        raise UserError(
            "data.intensity=auto: only data=dicom knows its modality; choose zscore, percentile, range, none "
            "or a window [low,high]"
        )
    found: Intensity = source.intensity()
    return found


def doubts(source: Source, intensity: Intensity) -> list[str]:
    """Return the source's objections to this intensity, from its method `doubts` if there is one."""
    found: list[str] = source.doubts(intensity) if hasattr(source, "doubts") else []
    return found


def overview(source: Source) -> list[tuple[str, ...]]:
    """Return the header and rows of the source's own overview for the terminal; empty without one."""
    rows: list[tuple[str, ...]] = source.overview() if hasattr(source, "overview") else []
    return rows
