"""What a source knows of its data before a pixel is read, where it knows anything: DICOM by its headers."""

from __future__ import annotations

from ganatomy.data.records import Source
from ganatomy.data.transforms.intensity import Intensity
from ganatomy.errors import UserError


def suited(source: Source, intensity: Intensity) -> Intensity:
    """The intensity itself; for `auto` the one that suits the source (its `intensity`)."""
    if intensity != "auto":
        return intensity
    if not hasattr(source, "intensity"):
        raise UserError(
            "data.intensity=auto: only data=dicom tells its modality; choose zscore, percentile, range, none "
            "or a window [low,high]"
        )
    found: Intensity = source.intensity()
    return found


def doubts(source: Source, intensity: Intensity) -> list[str]:
    """What a source says against this intensity (its `doubts`), where it knows better."""
    found: list[str] = source.doubts(intensity) if hasattr(source, "doubts") else []
    return found


def overview(source: Source) -> list[tuple[str, ...]]:
    """Heads and rows of a table of what was found, for the terminal; empty where a source makes none."""
    rows: list[tuple[str, ...]] = source.overview() if hasattr(source, "overview") else []
    return rows
