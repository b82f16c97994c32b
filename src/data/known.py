"""Optional methods of sources that know more about their data, such as DICOM from its headers."""

from __future__ import annotations

from collections.abc import Sequence

from ganatomy.data.records import Source
from ganatomy.data.transforms.body import check_mode
from ganatomy.data.transforms.intensity import Intensity
from ganatomy.data.transforms.missing import Missing
from ganatomy.data.transforms.prepare import Preparation
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


def preparation_of(
    source: Source,
    intensity: Intensity,
    orientation: str | None,
    spacing: Sequence[float | None] | None,
    resize: str | None,
    patched: bool,
    target_intensity: Intensity,
    mask: str | None,
    missing: Missing,
    drop: float,
) -> Preparation:
    """Return the preparation of a source's cases, see `Preparation`, once it suits their channels.

    Args:
        source: the data set.
        intensity: intensity of the images, no longer `auto`.
        orientation: orientation of volumes.
        spacing: mm of each axis.
        resize: how images are brought to the source's size.
        patched: patches are cut.
        target_intensity: intensity of targets; `auto`: as the source suggests.
        mask: see `check_mode`.
        missing: see `transforms.missing`.
        drop: share of the channels that training drops.
    """
    size = source.size if isinstance(source.size, int) or source.size is None else tuple(source.size)
    grid = (orientation, tuple(spacing) if spacing else None, size, resize, patched)
    more = (suited(source, target_intensity, "target_intensity"), check_mode(mask, source), missing)
    found = Preparation(source.spatial_dims, intensity, *grid, *more)
    found.check_channels(source.channels, getattr(source, "target_channels", None) or source.channels, drop)
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
    """Have a source make instance maps too of what it makes boxes of, if they are wanted; return it.

    Before its records are listed.
    """
    if wanted and hasattr(source, "with_instances"):
        source.with_instances = True
    return source
