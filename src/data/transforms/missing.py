"""Contrasts that some cases lack: their channels are 0, and training drops more of them at random."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ganatomy.data.records import Case
from ganatomy.data.transforms.intensity import Intensity, one_each, units
from ganatomy.errors import UserError, one_of

Missing = Literal["zero"] | None
"""Meaning of a case that lacks some channels: a fault (None), or zeros in their place after normalisation."""


def check_missing(missing: Missing, drop: float, channels: int) -> None:
    """Refuse settings of missing channels that mean nothing.

    Args:
        missing: The setting data.missing.
        drop: The setting data.drop.
        channels: Channels of the image.

    Raises:
        UserError: A setting is invalid, or they contradict each other.
    """
    one_of("data.missing", missing, (None, "zero"))
    if not 0 <= drop < 1:
        raise UserError(f"data.drop={drop}: is a probability, 0 up to below 1")
    if drop and missing is None:
        raise UserError(
            f"data.drop={drop}: drops channels in training; set data.missing=zero too, or data.drop=0"
        )
    if drop and channels < 2:
        raise UserError(
            f"data.drop={drop}: the images have one channel, and one is always kept; set data.drop=0"
        )


def units_of_sides(
    case: Case, intensity: Intensity, target_intensity: Intensity
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return offset and scale of a case's image, and of its target, by key, as far as they are there.

    Args:
        case: Arrays as the source loads them.
        intensity: Setting of the image, or one for each channel.
        target_intensity: That of the target; None for the units of the image.

    Raises:
        UserError: A setting does not fit.
    """
    if "image" not in case:
        given, key = target_intensity, "data.target_intensity"
        given, key = (intensity, "data.intensity") if given is None else (given, key)
        return {"target": units(case["target"], given, key)}
    found = {"image": _units_of_present(case, intensity)}
    if "target" in case and target_intensity is not None:
        found["target"] = units(case["target"], target_intensity, "data.target_intensity")
    elif "target" in case:
        found["target"] = found["image"]
        if len(found["image"][0]) not in (1, len(case["target"])):
            raise UserError(
                f"data.intensity: has a setting for each of {len(case['image'])} channels, and the "
                f"target has {len(case['target'])}; set data.target_intensity"
            )
    return found


def _units_of_present(case: Case, intensity: Intensity) -> tuple[np.ndarray, np.ndarray]:
    """Return offset and scale of a case's image, see `units`, from the channels that are there.

    Missing channels get the offset 0 and the scale 1 where each channel has its own.

    Args:
        case: Arrays as the source loads them; `present` [C] bool if channels may be missing.
        intensity: The setting, or one for each channel.

    Raises:
        UserError: A setting does not fit the image.
    """
    image, present = case["image"], case.get("present")
    settings = one_each(intensity)
    if present is None or present.all():
        return units(image, intensity)
    if settings is None:
        return units(image[present], intensity)
    if len(settings) != len(image):
        return units(image, intensity)  # which says what is wrong
    offset, scale = np.zeros(len(image)), np.ones(len(image))
    offset[present], scale[present] = units(
        image[present], [s for s, p in zip(settings, present, strict=True) if p]
    )
    return offset, scale


def zeroed(image: np.ndarray, present: np.ndarray | None) -> np.ndarray:
    """Return a normalised image [C,*spatial] with 0 in the channels that are missing."""
    if present is not None and not present.all():
        image[~present] = 0
    return image


def with_presence(case: Case, missing: Missing) -> Case:
    """Return a case with `present`, all channels unless it says otherwise, if some may be missing."""
    if missing is None or "present" in case or "image" not in case:
        return case
    return case | {"present": np.ones(len(case["image"]), bool)}


def with_drops(item: dict[str, Any], drop: float, seed: int) -> dict[str, Any]:
    """Return a training item with some of its channels dropped, never all of them.

    Missing channels are 0 again, whatever augmentation did to them.

    Args:
        item: Tensors of one row; `present` [C] bool.
        drop: Probability that a channel is dropped.
        seed: Seed of the item's augmentation; the draws are a function of it.
    """
    if "present" not in item:
        return item
    present: np.ndarray = item["present"].numpy()
    if drop and present.any():
        rng = np.random.default_rng([seed, 2])  # not the streams of patches and of noise
        left = present & (rng.random(len(present)) >= drop)
        one = rng.choice(np.flatnonzero(present))
        left[one] |= not left.any()
        present = left
    import torch

    kept = torch.from_numpy(present.copy())
    image = torch.where(kept.reshape(-1, *[1] * (item["image"].ndim - 1)), item["image"], 0.0)
    return item | {"image": image, "present": kept}


def lacks(names: list[str], channels: int) -> str:
    """Return how a message names the channels that a case lacks, and the remedy.

    Args:
        names: The missing channels, as their data set calls them.
        channels: Channels of the image.
    """
    some = "channel" if len(names) == 1 else "channels"
    return (
        f"lacks the {some} {', '.join(names)} of data.channels={channels}; add the files, leave it out, "
        "or let channels be missing: data.missing=zero"
    )
