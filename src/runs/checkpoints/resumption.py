"""Which checkpoint a run goes on from, and whether its best weights are still there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganatomy.errors import UserError
from ganatomy.files import sync_folder
from ganatomy.runs.checkpoints import checkpoint_file
from ganatomy.runs.checkpoints.checkpoint_file import Damaged
from ganatomy.runs.checkpoints.identity import is_foreign, writer
from ganatomy.runs.checkpoints.orphans import remove_orphans
from ganatomy.runs.checkpoints.rotation import BEST, LAST, numbered, rename_to_last
from ganatomy.runs.checkpoints.thinning import removed
from ganatomy.runs.process_place import from_rank_zero

if TYPE_CHECKING:
    from torch import nn

Shapes = dict[str, tuple[int, ...] | None]


@dataclass(frozen=True)
class Resumption:
    """Where a resumed run goes on from.

    Attributes:
        path: Newest checkpoint that is as it was written.
        step: Batches done in it.
        weights: Shapes of its state dict, see `shapes`.
        lines: A line for each checkpoint that is not as it was written.
        useless: Names of the earlier checkpoints that are not.
        missing_best: Step of the recorded best weights where best.ckpt does not hold them, else None.
        identity: Name of the run that wrote it, see `identity.writer`.
        foreign: That is another run.
    """

    path: Path
    step: int
    weights: Shapes
    lines: tuple[str, ...] = ()
    useless: tuple[str, ...] = ()
    missing_best: int | None = None
    identity: str = ""
    foreign: bool = False


def resumption(folder: Path) -> Resumption:
    """Choose the checkpoint to go on from; every process of a run gets the choice of rank zero.

    Args:
        folder: Folder of the checkpoints.

    Raises:
        UserError: None is as it was written.
    """
    return from_rank_zero(lambda: _newest(folder))


def _newest(folder: Path) -> Resumption:
    """Return the newest sound checkpoint, having compared all of them with their checksums."""
    faults: dict[str, str] = {}
    path, state = _load_newest(folder, faults)
    step, best = state["batches_done"], state["callbacks"].get("Checkpoints", {})
    weights = shapes(state["state_dict"])
    name, foreign = writer(state), is_foreign(state, folder.parent)
    del state  # it and best.ckpt may not fit into memory together
    lines = [
        f"{folder / name}: {reason}; going on from {path.name}, step {step}"
        for name, reason in faults.items()
    ]
    missing: int | None = None
    if best.get("best_score") is not None and not foreign:
        fault = fault_of_best(folder / BEST, best["best_step"], weights, or_later=True)
        if fault and BEST in removed(folder).split(", "):
            fault = "was removed (keep=...)"
        if fault:
            missing = best["best_step"]
            lines.append(
                f"{folder / BEST}: {fault}; the best weights (step {missing}) are gone, and the best from "
                f"step {step} on will be kept instead"
            )
    return Resumption(path, step, weights, tuple(lines), tuple(faults), missing, name, foreign)


def _load_newest(folder: Path, faults: dict[str, str]) -> tuple[Path, dict[str, Any]]:
    """Load the newest sound checkpoint; add to `faults` what is wrong with others, by their names."""
    path, state = folder, None
    for candidate in (folder / LAST, *(path for path, _ in numbered(folder))):
        try:
            if state is None:
                path, state = candidate, checkpoint_file.load(candidate)
            else:
                checkpoint_file.check(candidate)
        except Damaged as damage:
            faults[candidate.name] = damage.reason
    if LAST in faults and (folder / BEST).is_file():  # it is as good, and may be newer than the one before
        try:
            best = checkpoint_file.load(folder / BEST)
            if state is None or best["batches_done"] > state["batches_done"]:
                path, state = folder / BEST, best
        except Damaged as damage:
            if state is None:
                faults[BEST] = damage.reason
    if state is None:
        named = "; ".join(f"{name} {reason}" for name, reason in faults.items())
        raise UserError(
            f"resume: {folder} holds nothing to go on from ({named}); put back a copy of one as last.ckpt, "
            "or start the run anew with another run_dir"
        )
    return path, state


def fault_of_best(path: Path, step: int, weights: Shapes, or_later: bool = False) -> str:
    """Return why best.ckpt does not hold the best weights, or "".

    Args:
        path: The file.
        step: Batches done when the best score was reached.
        weights: Shapes of the run's weights.
        or_later: Accept weights of a later step: a run that was killed writes them again when it gets there.
    """
    try:
        state = checkpoint_file.load(path)
    except Damaged as damage:
        return damage.reason
    if is_foreign(state, path.parent.parent):
        return "is of another run"
    found, held = state["batches_done"], shapes(state["state_dict"])
    if held.keys() != weights.keys() or any(held[name] != shape for name, shape in weights.items()):
        return "is of another model"
    return "" if found == step or (or_later and found > step) else f"is of step {found}, not {step}"


def check_fits(chosen: Resumption, network: nn.Module) -> None:
    """Raise UserError when the checkpoint does not hold the weights of this network and run."""
    mine = shapes(network.state_dict())
    kinds = {
        "missing": [name for name in mine if name not in chosen.weights],
        "unknown": [name for name in chosen.weights if name not in mine],
        "of another shape": [
            name for name, shape in mine.items() if chosen.weights.get(name, shape) != shape
        ],
    }
    found = [f"{len(names)} {kind} ({names[0]})" for kind, names in kinds.items() if names]
    if found:
        raise UserError(
            f"{chosen.path}: is not of the model in config.yaml; weights: {', '.join(found)}; put the run's "
            "own file back, or go on with the version that wrote it (environment.json)"
        )
    if chosen.foreign:
        raise UserError(
            f"{chosen.path}: is of another run; put the run's own file back, or delete it to go on from the "
            "newest other checkpoint"
        )


def tidy(folder: Path, chosen: Resumption) -> None:
    """Make the chosen checkpoint last.ckpt, and remove useless ones and files that a killed process left.

    Args:
        folder: Folder of the checkpoints.
        chosen: Where the run goes on from.
    """
    rename_to_last(chosen.path)
    for name in set(chosen.useless) - {LAST}:
        (folder / name).unlink(missing_ok=True)
    remove_orphans(folder.parent)
    sync_folder(folder)


def shapes(state_dict: Mapping[str, Any]) -> Shapes:
    """Return the shape of each entry of a state dict; None for one that is no tensor."""
    return {
        name: tuple(value.shape) if hasattr(value, "shape") else None for name, value in state_dict.items()
    }
