"""Optional methods of sources that know more about their data, such as DICOM from its headers."""

from __future__ import annotations

from ganatomy.data.records import Source
from ganatomy.data.transforms.intensity import Intensity
from ganatomy.errors import UserError


def suited(source: Source, intensity: Intensity, key: str = "intensity") -> Intensity:
    """Return the intensity, or for `auto` the one that the source's method of that name suggests.

    Args:
        source: the data set.
        intensity: the setting.
        key: "intensity" or "target_intensity".

    Raises:
        UserError: the source has no such method.
    """
    if intensity != "auto":
        return intensity
    if not hasattr(source, key):
        knows = "brain_contrasts knows its contrasts"
        knows = knows if key == "target_intensity" else f"dicom knows its modality, and data={knows}"
        raise UserError(
            f"data.{key}=auto: only data={knows}; choose zscore, percentile, range, none "
            "or a window [low,high]"
        )
    found: Intensity = getattr(source, key)()
    return found


def doubts(source: Source, intensity: Intensity) -> list[str]:
    """Return the source's objections to this intensity, from its method `doubts` if there is one."""
    found: list[str] = source.doubts(intensity) if hasattr(source, "doubts") else []
    return found


def overview(source: Source) -> list[tuple[str, ...]]:
    """Return the header and rows of the source's own overview for the terminal; empty without one."""
    rows: list[tuple[str, ...]] = source.overview() if hasattr(source, "overview") else []
    return rows


def set_instances(source: Source, wanted: bool) -> Source:
    """Have a source that makes boxes of masks make instance maps too, if they are wanted; return it."""
    for each in (source, getattr(source, "source", source)):
        if wanted and hasattr(each, "with_instances"):
            each.with_instances = True
    return source
