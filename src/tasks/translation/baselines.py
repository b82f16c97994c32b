"""Baselines of translation: which ones a run has, what they are fitted on, and their predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.baselines.translation import Forest, Histogram, Linear, View
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.tasks.shared import fit_cache
from ganatomy.tasks.translation.sampled import Sampled, has_pairs, sample_pairs, sample_sides

NAMES = ("identity", "histogram", "linear", "forest")
FROM_PAIRS = ("linear", "forest")
FITS = 1
"""Part of the name under which a forest is kept: increase it when it is fitted differently."""

Predictor = Histogram | Linear | Forest


def settled(data: DataModule, given: Any) -> list[str]:
    """Return the names of the baselines of a run.

    Args:
        data: Data of the run.
        given: `task.baselines`: null for all that these data allow, or a list.

    Raises:
        UserError: An unknown name, or a baseline that these data do not allow.
    """
    reasons = {}
    if data.channels != data.target_channels:
        reasons["identity"] = (
            f"an image of {data.channels} channels is no target of {data.target_channels}; leave it out"
        )
    if not has_pairs(data):
        reasons |= dict.fromkeys(FROM_PAIRS, "there are no pairs to fit it on (data.unpaired); leave it out")
    if given is None:
        return [name for name in NAMES if name not in reasons]
    listed = [given] if isinstance(given, str) else list(given)
    for name in listed:
        if name not in NAMES:
            raise UserError(f"task.baselines: there is no {name}; choose among {', '.join(NAMES)}")
        if name in reasons:
            raise UserError(f"task.baselines: {name}: {reasons[name]}")
    return [name for name in NAMES if name in listed]


def notes(chosen: Sequence[str]) -> list[str]:
    """Return a line for the start of a run that has no pairs to fit baselines on."""
    if "histogram" in chosen and not set(chosen) & set(FROM_PAIRS):
        return ["note: beside it stand the baselines that need no pairs: " + ", ".join(chosen)]
    return []


@dataclass(frozen=True)
class Baselines:
    """The fitted baselines of a run.

    Attributes:
        fitted: Predictors by name; `identity` needs none.
        identity: True if the image itself is a baseline.
        lines: Lines for the user.
    """

    fitted: Mapping[str, Predictor] = field(default_factory=dict)
    identity: bool = False
    lines: Sequence[str] = ()

    @property
    def available(self) -> list[str]:
        """Return the names of the baselines in the order of `NAMES`."""
        return [name for name in NAMES if name in self.fitted or (name == "identity" and self.identity)]

    def predictions(self, batch: Batch, rows: list[int]) -> dict[str, Tensor]:
        """Return the translations of some rows by each baseline, in the target's network units.

        The image itself is taken in network units too: where image and target share their units, these are
        the same; otherwise it is the image whose normalised values are read as the target's.

        Args:
            batch: Evaluation batch.
            rows: Rows of it.

        Returns:
            Tensors [rows, K, *spatial] by name, on the device of the batch.
        """
        image = batch["image"]
        views = [_view(batch, row) for row in rows] if self.fitted else []
        found = {"identity": image[rows]} if self.identity else {}
        for name, predictor in self.fitted.items():
            made = np.stack([predictor(view).astype(np.float32) for view in views])
            found[name] = torch.from_numpy(made).to(image.device)
        return {name: found[name] for name in self.available}

    def kept(self) -> dict[str, np.ndarray]:
        """Return arrays, `<baseline>/<array>`, from which `restored` makes the same baselines."""
        return {
            f"{name}/{key}": array
            for name, each in self.fitted.items()
            for key, array in each.state().items()
        }


def fit(data: DataModule, chosen: Sequence[str], seed: int) -> Baselines:
    """Fit baselines on training cases; every process fits the same.

    The penalty of `linear` is chosen on validation cases. A forest that an earlier run fitted on the same
    voxels is taken from the cache.

    Args:
        data: Data of the run.
        chosen: Some of `NAMES`.
        seed: Seed of the voxels and of the forest.
    """
    identity, wanted = "identity" in chosen, [name for name in chosen if name != "identity"]
    if not wanted:
        return Baselines(identity=identity)
    if not set(wanted) & set(FROM_PAIRS):
        images, targets = sample_sides(data, seed)
        if not len(images) or not len(targets):
            return Baselines(identity=identity, lines=[_without(wanted)])
        return Baselines({"histogram": Histogram.fitted(images, targets)}, identity)
    training = sample_pairs(data, "train", seed)
    if not len(training.targets):
        return Baselines(identity=identity, lines=[_without(wanted)])
    fitted: dict[str, Predictor] = {}
    lines: list[str] = []
    if "histogram" in wanted:
        fitted["histogram"] = Histogram.fitted(training.images, training.targets)
    if "linear" in wanted:
        held_out = sample_pairs(data, "val", seed, forest=False)
        others = (held_out.patches, held_out.targets) if len(held_out.targets) else None
        fitted["linear"] = Linear.fitted(training.patches, training.targets, others)
    if "forest" in wanted and len(training.contexts):
        fitted["forest"], lines = _forest(data, training, seed)
    return Baselines(fitted, identity, lines)


def restored(kept: Mapping[str, np.ndarray], data: DataModule, chosen: Sequence[str]) -> Baselines:
    """Return the baselines that gave these arrays; those that gave none are left out.

    Args:
        kept: What `Baselines.kept` returned.
        data: Data with images of the same axes and channels.
        chosen: Names of the run's baselines.

    Raises:
        UserError: Arrays that do not fit.
    """
    own = {
        name: {key.partition("/")[2]: v for key, v in kept.items() if key.startswith(f"{name}/")}
        for name in chosen
    }
    inputs, outputs, dims = data.channels, data.target_channels, data.spatial_dims
    fitted: dict[str, Predictor] = {}
    if own.get("histogram"):
        fitted["histogram"] = Histogram.from_state(own["histogram"], inputs, outputs)
    if own.get("linear"):
        fitted["linear"] = Linear.from_state(own["linear"], inputs, outputs, dims)
    if own.get("forest"):
        fitted["forest"] = Forest.from_state(own["forest"], inputs, outputs, dims)
    return Baselines(fitted, "identity" in chosen)


def _forest(data: DataModule, training: Sampled, seed: int) -> tuple[Forest, list[str]]:
    """Fit a forest, or take one that was fitted on the same voxels."""
    features, targets = training.contexts, training.context_targets
    every = torch.from_numpy(np.concatenate([features, targets], 1, dtype=np.float64))
    given = {"translation": FITS, "outputs": targets.shape[1], "seed": seed}
    arrays, known = fit_cache.fitted_once(
        data, every, given, lambda: Forest.fitted(features, targets, seed).state()
    )
    forest = Forest.from_state(arrays, data.channels, targets.shape[1], data.spatial_dims)
    line = "baseline forest: fitted by an earlier run on the same images, from the cache"
    return forest, [line] if known else []


def _without(missing: Sequence[str]) -> str:
    return f"baselines {', '.join(missing)}: left out: no voxel of a complete training case lies in a mask"


def _view(batch: Batch, row: int) -> View:
    """Return one row as the baselines see it."""
    image = batch["image"][row].float().cpu().numpy()
    mask = batch["mask"][row, 0].cpu().numpy().astype(bool) if "mask" in batch else None
    spacing = batch["spacing"][row].tolist()[: image.ndim - 1] if "spacing" in batch else []
    return View(image, mask, spacing)
