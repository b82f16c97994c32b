"""Facts about a run that travel inside an exported file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganatomy.data.transforms.intensity import one_each, shown
from ganatomy.runs.directory import HEALTHY
from ganatomy.tasks.segmentation.postprocessing.postprocessed import PostprocessedTask
from ganatomy.training.players import parts
from ganatomy.version import __version__

if TYPE_CHECKING:
    from ganatomy.export.graphs.graph import Graph
    from ganatomy.inference.loaded import LoadedRun

UNITS = ("range", "percentile")
"""Intensity settings, by their first word, whose values lie about between 0 and 1."""


def facts_of(
    loaded: LoadedRun, graph: Graph | None, status: dict[str, Any], licence: str | None
) -> dict[str, Any]:
    """Return facts that name no case, subject or folder, in an order that never changes.

    Args:
        loaded: The run.
        graph: The exported network; None for the weights alone.
        status: Content of status.json.
        licence: Licence of the weights, if stated.
    """
    plain = loaded.preprocessing.to_plain()
    facts: dict[str, Any] = {
        "version": __version__,
        "task": task_name(loaded),
        "network": _network(loaded, graph),
        "weights_sha256": loaded.weights_hash,
        "spatial_dims": loaded.preprocessing.spatial_dims,
        "preprocessing": plain,
        "preparation": preparation_words(loaded),
        "licence": licence or "not stated",
        "game": str(status.get("game", HEALTHY)),
        "status": str(status.get("status", "unknown")),
    }
    if isinstance(loaded.task, PostprocessedTask) and loaded.task.postprocess is not None:
        names = loaded.task.recipe.classes
        facts["postprocessing"] = {
            names[number]: dict(vars(steps)) for number, steps in loaded.task.own_steps.items()
        }
    if graph is not None:
        facts |= {"inputs": graph.inputs, "outputs": graph.outputs, "training_sides": list(graph.sides)}
    return facts


def _network(loaded: LoadedRun, graph: Graph | None) -> str | dict[str, str]:
    """Return the class of the exported network, or of each of the generator's by name."""
    node = loaded.cfg.model.to_plain()["generator"]
    if "_target_" in node:
        return str(node["_target_"])
    names = {name: str(part["_target_"]) for name, part in node.items()}
    inside = parts(loaded.task.evaluator)
    exported = [name for name in names if graph is not None and inside[name] is graph.module]
    return names[exported[0]] if exported else names


def task_name(loaded: LoadedRun) -> str:
    """Return the name of the task as in `conf/task`, from its class."""
    return loaded.cfg.task.target.rpartition(".")[2].removesuffix("Task").lower()


def preparation_words(loaded: LoadedRun) -> dict[str, str]:
    """Return how an image is prepared, in words, by title."""
    made = loaded.preprocessing.preparation
    lines = {
        "Orientation": made.orientation or "as in the file",
        "Spacing in mm": "as in the file" if made.spacing is None else str(list(made.spacing)),
        "Size in voxels": "as in the file"
        if made.size is None
        else f"{made.size} ({made.resize or 'default'})",
        "Intensity": shown(made.intensity),
    }
    return {title: text for title, text in lines.items() if title != "Orientation" or made.spatial_dims == 3}


def in_unit_range(loaded: LoadedRun) -> bool:
    """Return True if prepared intensities lie about between 0 and 1, False if they are standardised."""
    given = loaded.preprocessing.preparation.intensity
    first = (one_each(given) or [given])[0]
    return not isinstance(first, str) or first.startswith(UNITS)
