"""Several finished runs that answer as one: folds or seeds of one task, alike prepared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganatomy.errors import UserError
from ganatomy.inference.ensembles.members import Members, dropouts
from ganatomy.inference.loaded import LoadedRun, load_run
from ganatomy.text.values import as_typed
from ganatomy.training.preprocessing import Preprocessing

if TYPE_CHECKING:
    from ganatomy.tasks.base import AdversarialTask

KEYS = {
    "spatial_dims": "data.spatial_dims",
    "channels": "data.channels",
    "target_channels": "data.target_channels",
    "label_classes": "data.classes",
    "box_classes": "data.box_classes",
    "image_classes": "data.kind",
    "label_values": "data.label_values",
    "one_size": "task",
}
"""Key that decides an entry of `Preprocessing`, where that is not `data.<entry>`."""
SETTINGS = ("factor", "method", "smooth", "gate", "postprocess", "regions", "fusion", "refine")
"""Keys of tasks that decide what a soft prediction means, or which thresholds there are."""
OWN = ("familiarity", "synthesis", "baselines", "target_file", "version")
"""Entries in which the runs of an ensemble may differ."""


def load_runs(
    runs: str | Path | Sequence[str | Path],
    device: str = "auto",
    mirror_axes: Sequence[int] | None = None,
    samples: int = 0,
    seed: int = 0,
    doubt: bool = False,
    change: Callable[[LoadedRun], LoadedRun] = lambda loaded: loaded,
) -> LoadedRun:
    """Load one run, or several that answer as one.

    Args:
        runs: A run directory, or several.
        device: `auto`, or a device of torch.
        mirror_axes: See `ensemble`.
        samples: See `ensemble`.
        seed: See `ensemble`.
        doubt: Measure doubt also if there is one member alone, which has an entropy.
        change: Applied to each run once it is loaded.

    Returns:
        What `Predictor`, `applied` and the verbs take; one run alone is as `load_run` gives it.

    Raises:
        UserError: A run cannot be loaded, or they do not belong together.
    """
    several = [runs] if isinstance(runs, str | Path) else list(runs)
    if not several:
        raise UserError("run: names no run; give one, or several as run=[A,B]")
    loaded = [change(load_run(run, device)) for run in several]
    for run in loaded:
        if run.preprocessing.synthesis is not None:
            raise UserError(
                f"run={run.path}: makes images from noise and takes none; use generate run={run.path}"
            )
    if len(loaded) == 1 and not mirror_axes and not samples and not doubt:
        if mirror_axes is not None:
            _without_mirrors(loaded[0])
        return loaded[0]
    return ensemble(loaded, mirror_axes, samples, seed)


def ensemble(
    loaded: Sequence[LoadedRun], mirror_axes: Sequence[int] | None = None, samples: int = 0, seed: int = 0
) -> LoadedRun:
    """Return runs as one that answers for all: it decides on the mean of their soft predictions.

    Segmentation averages class probabilities, enhancement images, detection centre maps, sizes and offsets,
    anomaly detection maps and scores. As all runs prepare a file alike, the mean is the same on the network's
    grid and in the file's units. Thresholds (a gate's, of boxes) are the mean of those of the runs. Members
    are all combinations of runs, mirror images and dropout samples.

    The first run is changed: it holds the members from now on.

    Args:
        loaded: The runs.
        mirror_axes: Axes, from 0, along every subset of which images are mirrored; None for what
            `task.mirror_axes` of each run says, within its own prediction.
        samples: Passes with dropout; 0 for one without.
        seed: Seed of the dropout.

    Raises:
        UserError: The runs do not belong together, or cannot do what is asked.
    """
    check_together(loaded)
    first, dims = loaded[0], loaded[0].preprocessing.spatial_dims
    if samples < 0:
        raise UserError(f"samples={samples}: must be 0 (no dropout) or more")
    for run in loaded:
        if samples and not dropouts(run.task.evaluator):
            raise UserError(
                f"samples={samples}: the network of {run.path} has no dropout; train one with "
                "+model.generator.dropout=0.1, or use several runs or mirror_axes"
            )
    axes = checked_axes(mirror_axes, dims)
    if mirror_axes is not None:
        for run in loaded:
            _without_mirrors(run)
    first.task.join([run.task for run in loaded[1:]])
    first.task.members = Members([run.task for run in loaded], dims, axes, samples, seed)
    return replace(first, weights_hash=joint_hash([run.weights_hash for run in loaded]))


def member_tasks(loaded: LoadedRun) -> list[AdversarialTask]:
    """Return the tasks of all runs that answer, for settings that concern each, such as `window`."""
    members = loaded.task.members
    return list(members.tasks) if isinstance(members, Members) else [loaded.task]


def _without_mirrors(run: LoadedRun) -> None:
    """Leave mirror images to the members, or out."""
    if hasattr(run.task, "mirror_axes"):
        run.task.mirror_axes = ()  # type: ignore[assignment]


def joint_hash(hashes: Sequence[str]) -> str:
    """Return the hash of a run's weights; of several runs that of their hashes, one a line."""
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def checked_axes(mirror_axes: Sequence[int] | None, dims: int) -> tuple[int, ...]:
    """Return the axes to mirror along; UserError for what is none of the images' axes."""
    axes = tuple(mirror_axes or ())
    if not set(axes) <= set(range(dims)) or len(set(axes)) < len(axes):
        raise UserError(f"mirror_axes={list(axes)}: choose among {list(range(dims))}, each once")
    return axes


def check_together(loaded: Sequence[LoadedRun]) -> None:
    """Raise UserError unless the runs answer one question about files that they prepare alike."""
    first = loaded[0]
    if not first.task.soft_kind:
        name = type(first.task).__name__
        raise UserError(
            f"run={first.path}: {name} has no soft prediction, so there is nothing to average or to doubt"
        )
    seen: set[Path] = set()
    for run in loaded:
        if run.path.resolve() in seen:
            raise UserError(f"run={run.path}: is named twice; name each run once")
        seen.add(run.path.resolve())
        for key, ours, theirs in _differences(first, run):
            raise UserError(
                f"run={run.path}: has {key}={as_typed(theirs)}, {first.path} has {as_typed(ours)}; runs "
                "of an ensemble share task, classes, channels and preprocessing"
            )


def _differences(first: LoadedRun, other: LoadedRun) -> list[tuple[str, Any, Any]]:
    """Return (key, value of the first, value of the other) of what has to be equal and is not."""
    pairs = [("task", type(first.task).__name__, type(other.task).__name__)]
    pairs.append(("trainer.precision", first.cfg.trainer.precision, other.cfg.trainer.precision))
    for entry in fields(Preprocessing):
        if entry.name not in OWN:
            ours, theirs = (_fixed(getattr(run.preprocessing, entry.name)) for run in (first, other))
            pairs.append((KEYS.get(entry.name, f"data.{entry.name}"), ours, theirs))
    pairs.append(("model.generator.stride", str(first.task.stride), str(other.task.stride)))
    for key in SETTINGS:
        ours, theirs = (_named(getattr(run.task, key, None)) for run in (first, other))
        pairs.append((f"task.{key}", ours, theirs))
    return [(key, ours, theirs) for key, ours, theirs in pairs if ours != theirs]


def _named(value: Any) -> str:
    """Return a plain value as text, and an object as the name of its class."""
    return str(value) if value is None or isinstance(value, str | int | float) else type(value).__name__


def _fixed(value: Any) -> Any:
    """Return an entry without the medians of training cases, which differ from fold to fold."""
    return (
        {k: v for k, v in value.items() if k not in ("offset", "scale")} if isinstance(value, dict) else value
    )
