"""Pairs of series of one patient, such as MR and CT."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ganatomy.data.io.dicom.choice import Choice, chosen, listed
from ganatomy.data.io.dicom.series import Series
from ganatomy.errors import UserError


class Sides(NamedTuple):
    """Series that become cases.

    Attributes:
        images: Series of the images, one a case.
        targets: Series of the targets; empty if none are asked for.
    """

    images: list[Series]
    targets: list[Series]


def sides(
    found: Sequence[Series],
    image: tuple[Choice, Choice],
    target: tuple[Choice, Choice],
    least: int,
) -> Sides:
    """Return the series of the images and of the targets.

    Args:
        found: All series.
        image: data.series and data.modality.
        target: data.target_series and data.target_modality; without both there are no targets.
        least: Minimum number of slices.

    Raises:
        UserError: An entry matches nothing, or several modalities are mixed and no key chooses among them.
    """
    if not any(map(listed, target)):
        return Sides(chosen(found, *image, least), [])
    targets = chosen(found, *target, least, side="target_")
    own = {id(one) for one in targets}
    return Sides(chosen([one for one in found if id(one) not in own], *image, least), targets)


def partners(both: Sides) -> dict[str, list[Series]]:
    """Return the targets that each image may have, by the image's SeriesInstanceUID.

    They are of the same patient, and of the same study if one is; a single one is its target.
    """
    owned: dict[str, list[Series]] = defaultdict(list)
    for one in both.targets:
        owned[one.owner].append(one)
    found = {}
    for image in both.images:
        together = [one for one in owned[image.owner] if one.study and one.study == image.study]
        found[image.uid] = together or owned[image.owner]
    return found


def lone_targets(both: Sides, pairs: Mapping[str, Sequence[Series]]) -> list[Series]:
    """Return the targets that are of no image.

    Args:
        both: Series of images and targets.
        pairs: What `partners` returns.
    """
    used = {targets[0].uid for targets in pairs.values() if len(targets) == 1}
    return [one for one in both.targets if one.uid not in used]


def mismatch(targets: Sequence[Series], series: Choice, modality: Choice) -> str:
    """Return why an image has no target, and the remedy; empty if it has one.

    Args:
        targets: Targets that it may have.
        series: data.target_series.
        modality: data.target_modality.
    """
    keys = {"target_series": series, "target_modality": modality}
    said = " and ".join(f"data.{key}={','.join(map(str, listed(one)))}" for key, one in keys.items() if one)
    if not targets:
        return (
            f"its patient has no series of {said}; add it, or leave the image out (data.series); where "
            "images and targets need not match, set data.unpaired=true"
        )
    if len(targets) == 1:
        return ""
    return (
        f"its patient has {len(targets)} series of {said}; choose one with data.target_series: a part of its "
        "description, its number, or its SeriesInstanceUID"
    )


def path_near(template: str, key: str, series: str, folder: str) -> str:
    """Return the path of a label or mask beside a series.

    Args:
        template: The setting, with {series} and {folder}.
        key: Its key, for messages.
        series: SeriesInstanceUID of the image.
        folder: Folder of its first file, below the root.

    Raises:
        UserError: The template holds another word.
    """
    try:
        return template.format(series=series, folder=folder)
    except (KeyError, IndexError, ValueError) as error:
        raise UserError(f"data.{key}={template}: only {{series}} and {{folder}} are replaced") from error
