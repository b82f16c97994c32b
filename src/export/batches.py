"""Inputs of the comparison with torch: images of the user's, prepared as in training, or made-up ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganatomy.errors import UserError
from ganatomy.export.facts import in_unit_range
from ganatomy.export.graphs.trial import Inputs, made_up, suited

if TYPE_CHECKING:
    from ganatomy.export.graphs.graph import Graph
    from ganatomy.inference.loaded import LoadedRun

MOST = 20
"""Images that are compared, at most."""
ROWS = 4
"""Slices of a volume that are compared, at most: those of its middle."""


def batches_of(loaded: LoadedRun, graph: Graph, step: int, given: str | None) -> list[Inputs]:
    """Return batches of inputs for a network.

    Args:
        loaded: The run.
        graph: Its network.
        step: By what multiple its sides may differ from those of training.
        given: Files, as `predict` takes them; None for made-up inputs.

    Raises:
        UserError: The files cannot be used, or the network makes images from noise.
    """
    task: Any = loaded.task
    if given is None:
        known = getattr(task, "condition", None)
        return made_up(
            graph,
            step,
            classes=known.classes if known else 0,
            masks=known.masks if known else 0,
            unit=in_unit_range(loaded),
        )
    if not graph.channels:
        raise UserError(
            "input: this network makes images from noise; leave input out, noise is drawn by seed"
        )
    return _prepared(loaded, graph, step, given)


def _prepared(loaded: LoadedRun, graph: Graph, step: int, given: str) -> list[Inputs]:
    from ganatomy.inference.inputs import inputs
    from ganatomy.inference.predictor import Predictor

    predictor = Predictor(loaded, inputs(loaded.preprocessing, given))
    found: list[Inputs] = []
    for record in predictor.records[:MOST]:
        images = predictor.read(record).batch["image"]
        first = max(0, (len(images) - ROWS) // 2)
        found.append((suited(images[first : first + ROWS].float().cpu(), graph, step),))
    return found
