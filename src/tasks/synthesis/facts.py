"""Facts about the training images that turn what a generator draws into files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ganatomy.data.datamodule import DataModule
from ganatomy.data.io.synthetic import NOTE, Form, Format, Span, form
from ganatomy.data.io.writers import Original, original
from ganatomy.data.records import Case
from ganatomy.data.summary import content_hash
from ganatomy.data.transforms.intensity import in_units

PRIVATE = ("paths", "run_dir", "resume", "debug")
"""Keys of the configuration that describe the machine, not the images."""
Affine = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class ImageFacts:
    """Section `synthesis` of preprocessing.json: what is needed of the data once they are gone; no image.

    Attributes:
        shape: Spatial shape of an image.
        image_channels: Channels of an image.
        sliced: True if an image is a slice of a volume.
        scale: Median scale of the training cases, [1] or [C]; see `in_units`.
        offset: Median offset, alike.
        affine: Voxel sizes and directions in mm, [4, 4], without a position.
        span: Least and greatest value of the training images, in their units.
        dtype: Type of the numbers in the files of the data.
        slope: Value = number * slope + inter.
        inter: See `slope`.
        image_classes: Names of the values of `class`.
        mask_classes: Names of the values of `label`, background first.
        label_values: Values of masks in files, in the order of `mask_classes`.
        data_hash: Hash of the data's content.
        training_images: Number of training images.
        steps: Steps of training of the tested weights; 0 before the test.
        memorisation: What the run's test found about copies of training images; None if it did not look.
    """

    shape: tuple[int, ...]
    image_channels: int
    sliced: bool
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    affine: Affine
    span: Span
    dtype: str
    slope: float
    inter: float
    image_classes: tuple[str, ...]
    mask_classes: tuple[str, ...]
    label_values: tuple[int, ...]
    data_hash: str
    training_images: int
    steps: int = 0
    memorisation: str | None = None

    @classmethod
    def of(cls, data: DataModule) -> ImageFacts:
        """Read every training case once; units are the medians of the cases' own scale and offset."""
        items = data.train_items()
        records = data.labels.used(data.records["train"])
        scalings, lows, highs = [], [], []
        for case in map(data.evaluated, records):
            scalings.append((case["scale"], case["offset"]))
            low, high = _ends(case, data.sliced)
            lows.append(low)
            highs.append(high)
        scale, offset = (np.median(each, axis=0) for each in zip(*scalings, strict=True))
        like = original(data.source, data.records["train"][0])
        return cls(
            shape=data.shape,
            image_channels=data.channels,
            sliced=data.sliced,
            scale=_floats(scale),
            offset=_floats(offset),
            affine=tuple(map(_floats, directions(np.asarray(data.evaluated(records[0])["affine"], float)))),
            span=(min(lows), max(highs)),
            dtype=str(like.dtype),
            slope=float(like.slope),
            inter=float(like.inter),
            image_classes=data.image_classes,
            mask_classes=data.mask_classes,
            label_values=data.label_values,
            data_hash=content_hash(data),
            training_images=len(items),
        )

    def tested(self, steps: int, memorisation: str | None) -> ImageFacts:
        """Return the facts with those that the test adds."""
        return replace(self, steps=steps, memorisation=memorisation)

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ImageFacts:
        """Read what `to_plain` returned.

        Raises:
            KeyError: An entry is missing.
            TypeError: An entry is of a wrong kind.
        """
        known = {name: plain[name] for name in cls.__dataclass_fields__}
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in known.items()}
        values["affine"] = tuple(map(_floats, plain["affine"]))
        return cls(**values)

    def form(self, wanted: Format | None, key: str = "save_format") -> Form:
        """Return the format of the images' files, by default that of the data.

        Args:
            wanted: The format asked for, None for the default.
            key: Key that asked for it, for messages.

        Raises:
            UserError: A PNG cannot hold these images.
        """
        like = Original(np.dtype(self.dtype), self.slope, self.inter)
        return form(
            wanted, like, self.image_channels, len(self.shape), self.sliced, span=lambda: self.span, key=key
        )


def provenance(
    facts: ImageFacts,
    form: Form,
    images: int,
    seed: int,
    weights_hash: str,
    scores: Mapping[str, float | None],
    configuration: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of provenance.json.

    Args:
        facts: Facts about the training images.
        form: Format of the images.
        images: Number of images.
        seed: Seed of their noise.
        weights_hash: SHA-256 of generator.safetensors, hex.
        scores: Scores of the run; those of the test are kept.
        configuration: Configuration of the run, plain.
        environment: Content of the run's environment.json.
    """
    public = {key: value for key, value in configuration.items() if key not in PRIVATE}
    own = {key: v for key, v in public["data"].items() if key not in ("root", "cache_dir")}
    return {
        "synthetic": True,
        "what": NOTE,
        "images": images,
        "format": form.format,
        "type": str(form.dtype),
        "units": {"of": "the data", "value": "number * slope + inter"}
        | {"slope": form.slope, "inter": form.inter},
        "generator": {"file": "generator.safetensors", "sha256": weights_hash, "steps": facts.steps},
        "seed": seed,
        "noise": "of image n: default_rng([seed, *b'synthetic n']).standard_normal(latent, float32)",
        "data": {"sha256": facts.data_hash, "images": facts.training_images},
        "copies": facts.memorisation,
        "scores": {name: value for name, value in scores.items() if name.startswith("test/")},
        "versions": environment.get("versions"),
        "git": environment.get("git"),
        "configuration": public | {"data": own},
    }


def directions(affine: np.ndarray) -> np.ndarray:
    """Return voxel sizes and directions of an affine [n, n] as [4, 4], without a position."""
    found = np.eye(4)
    sides = len(affine) - 1
    found[:sides, :sides] = affine[:sides, :sides]
    return found


def _ends(case: Case, stacked: bool) -> Span:
    image = np.moveaxis(case["image"], 1, 0) if stacked else case["image"]
    flat = image.reshape(len(image), -1).astype(np.float64)
    ends = in_units(np.stack([flat.min(1), flat.max(1)], 1), case["offset"], case["scale"])
    return float(ends.min()), float(ends.max())


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in np.atleast_1d(values))
