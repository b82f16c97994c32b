"""The deterministic part of the way from file to network; what it returns is what is cached."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from src.data.intensity import Intensity, mapping
from src.data.records import Case


@dataclass(frozen=True)
class Preparation:
    """Settings of the preparation, and the preparation itself."""

    intensity: Intensity = "zscore"

    def __call__(self, case: Case, spatial_dims: int) -> Case:
        """Normalised float32 images; volumes for a 2D network become stacks of slices, first axis [S,C,H,W].

        Adds `offset` and `scale`: the input's own units are image * scale + offset. `spacing` and
        `affine` stay those of the volume [H,W,S].
        """
        offset, scale = mapping(case["image"], self.intensity)
        ready = dict(case)
        for key in ("image", "target"):
            if key in case:
                ready[key] = ((case[key].astype(np.float64) - offset) / scale).astype(np.float32)
        if case["image"].ndim - 1 == 3 and spatial_dims == 2:
            for key in ("image", "target", "label"):
                if key in ready:
                    ready[key] = np.ascontiguousarray(np.moveaxis(ready[key], -1, 0))
        ready["offset"], ready["scale"] = np.array([offset]), np.array([scale])
        return ready
