"""preprocessing.json: what a run keeps so that new files reach its network, and come back, as in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ganatomy.data.transforms.prepare import Preparation

if TYPE_CHECKING:
    from ganatomy.data.datamodule import DataModule
    from ganatomy.tasks.base import AdversarialTask

NAME = "preprocessing.json"
VERSION = 1
LISTED = ("label_classes", "label_values", "box_classes", "image_classes", "spacing", "size", "shape")
"""Entries that are lists in JSON and tuples here."""
TYPES = 16
"""Targets whose files are looked at for the type of those that are written."""


@dataclass(frozen=True)
class Preprocessing:
    """Settings between a file and the network, in both directions, without any case of the training data.

    Attributes:
        version: Version of this file's content.
        spatial_dims: Spatial axes of the network; with 2, volumes are taken slice by slice.
        channels: Channels of the image.
        target_channels: Channels of the target, where that differs.
        intensity: See `Preparation`, and so for the next five.
        orientation: See `Preparation`.
        spacing: See `Preparation`, mm.
        size: See `Preparation`.
        resize: See `Preparation`.
        target_intensity: See `Preparation`; None if outputs are in the units of their input.
        one_size: Images are cropped to `size` in evaluation too.
        shape: Sides of the images, or patches, that the networks trained on.
        axes: Axis order of bare arrays (.npy); None refuses ambiguous ones.
        label_classes: Names of the values of `label`, background first.
        label_values: Values of masks in files, in the order of `label_classes`; empty for 0, 1, 2, ...
        box_classes: Names of the classes of boxes.
        image_classes: Names of the classes of images.
        units: Unit of distances, mm or px.
        mask: See `Preparation`.
        missing: See `Preparation`.
        target: Of outputs in units of their own: `dtype`, `slope` and `inter` of their files, the median
            `offset` and `scale` of the training cases, and `modality` in DICOM's words, if it is known; None
            if outputs are in the units of their input.
        target_file: `dtype`, `slope` and `inter` of the files of targets in the units of the images, but of
            another type; else None.
        familiarity: Statistics of the training images, by which an input unlike them is told.
        synthesis: What images drawn from noise need to become files.
        baselines: Settings of the fitted baselines, beside baselines.safetensors.
    """

    spatial_dims: int
    channels: int
    target_channels: int | None = None
    intensity: Any = "zscore"
    orientation: str | None = None
    spacing: tuple[float | None, ...] | None = None
    size: int | tuple[int | None, ...] | None = None
    resize: str | None = None
    target_intensity: Any = None
    mask: str | None = None
    missing: Any = None
    one_size: bool = False
    shape: tuple[int, ...] = ()
    axes: str | None = None
    label_classes: tuple[str, ...] = ()
    label_values: tuple[int, ...] = ()
    box_classes: tuple[str, ...] = ()
    image_classes: tuple[str, ...] = ()
    units: str = "mm"
    target: Mapping[str, Any] | None = None
    target_file: Mapping[str, Any] | None = None
    familiarity: Mapping[str, Any] | None = None
    synthesis: Mapping[str, Any] | None = None
    baselines: Mapping[str, Any] | None = None
    version: int = field(default=VERSION)

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        plain = asdict(self)
        return {key: list(v) if isinstance(v, tuple) else v for key, v in plain.items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Preprocessing:
        """Read what `to_plain` returned; entries of a later version are left out.

        Raises:
            KeyError: An entry that every version has is missing.
            ValueError: An entry is of a version that this one cannot read.
        """
        if int(plain["version"]) > VERSION:
            raise ValueError(f"version {plain['version']} is newer than this GANatomy can read ({VERSION})")
        known: dict[str, Any] = {key: plain[key] for key in ("spatial_dims", "channels")}
        known |= {f.name: plain[f.name] for f in fields(cls) if f.name in plain}
        tuples = {key: tuple(known[key]) for key in LISTED if isinstance(known.get(key), list)}
        return cls(**known | tuples)

    @property
    def preparation(self) -> Preparation:
        """Return the preparation of a case."""
        return Preparation(
            self.spatial_dims,
            self.intensity,
            self.orientation,
            self.spacing,
            self.size,  # type: ignore[arg-type]
            self.resize,
            target_intensity=self.target_intensity,
            mask=self.mask,
            missing=self.missing,
        )


def preprocessing_of(data: DataModule, task: AdversarialTask) -> Preprocessing:
    """Return what a run with these data keeps of its preprocessing.

    Args:
        data: Data of the run, set up.
        task: Task of the run, tested; `TaskHooks.sections_to_keep` adds its own sections.
    """
    from ganatomy.data.quality.raw import units_of

    made, source = data.preparation, data.source
    values = getattr(source, "label_values", None) or ()
    return Preprocessing(
        spatial_dims=data.spatial_dims,
        channels=data.channels,
        target_channels=None if data.target_channels == data.channels else data.target_channels,
        intensity=made.intensity,
        orientation=made.orientation,
        spacing=made.spacing,
        size=made.size,
        resize=made.resize,
        target_intensity=made.target_intensity,
        mask=made.mask,
        missing=made.missing,
        one_size=data.one_size,
        shape=data.shape,
        axes=getattr(source, "axes", None),
        label_classes=data.mask_classes,
        label_values=tuple(int(value) for value in values),
        box_classes=data.box_classes,
        image_classes=data.image_classes,
        units=units_of(source, data.records["train"]),
        target=_target(data) if data.own_target else None,
        target_file=_target_file(data),
        familiarity=data.familiarity(),
        **task.sections_to_keep(data),
    )


def _target_file(data: DataModule) -> dict[str, Any] | None:
    """Return type and scaling of the target's files where their type is not that of the images; else None."""
    from ganatomy.data.io.writers import original

    images, targets = data.records["train"], data.target_cases("train")
    if data.own_target or not targets or not targets[0].content.get("target"):
        return None
    image, target = original(data.source, images[0]), original(data.source, targets[0], "target")
    if image.dtype == target.dtype:
        return None
    return {"dtype": str(target.dtype), "slope": target.slope, "inter": target.inter}


def _target(data: DataModule) -> dict[str, Any]:
    """Return type and scaling of the target's files, and the median of the training cases' units."""
    from ganatomy.data.io.writers import in_common, original

    cases = data.target_cases("train")
    like = in_common([original(data.source, case, "target") for case in cases[:TYPES]])
    scalings = [_units(case) for case in map(data.evaluated_target, cases)]
    offsets, scales = (np.median(np.array(each), axis=0) for each in zip(*scalings, strict=True))
    return {
        "dtype": str(like.dtype),
        "slope": like.slope,
        "inter": like.inter,
        "modality": _modality(data),
        "offset": offsets.tolist(),
        "scale": scales.tolist(),
        "fixed": bool(np.ptp(np.array(scalings), axis=0).max() == 0),
    }


def _modality(data: DataModule) -> str | None:
    """Return the modality of the targets, as the source knows it or a key says it, if it is known."""
    known = getattr(data.source, "target_modality", None)
    return known.upper() if isinstance(known, str) else None


def _units(case: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    offset, scale = (np.atleast_1d(np.asarray(case[f"target_{key}"], float)) for key in ("offset", "scale"))
    return offset, scale
