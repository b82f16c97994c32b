"""The weights as safetensors, with a JSON that says of which network they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganatomy.errors import UserError
from ganatomy.runs.directory import without_nan
from ganatomy.runs.integrity.checked import read_bytes

if TYPE_CHECKING:
    from ganatomy.inference.loaded import LoadedRun

WEIGHTS, FURTHER = "generator.safetensors", "task.safetensors"


def weights_files(loaded: LoadedRun, facts: Mapping[str, Any], target: Path) -> dict[Path, bytes]:
    """Return the files by path: the weights, their description and, if the run has some, further tensors.

    The weights are the bytes of the run's own file, so that their SHA-256 is known.

    Args:
        loaded: The run.
        facts: Facts about it, for the description.
        target: Path of the weights.

    Raises:
        UserError: The run's file has gone since it was loaded.
    """
    content = read_bytes(loaded.path, WEIGHTS)
    if content is None:
        raise UserError(f"run={loaded.path}: {WEIGHTS} is missing; resume={loaded.path} writes it again")
    described = {**facts, "generator": loaded.cfg.model.to_plain()["generator"]}
    text = json.dumps(without_nan(described), indent=2, sort_keys=True, allow_nan=False)
    files = {target: content, target.with_suffix(".json"): (text + "\n").encode()}
    if further := read_bytes(loaded.path, FURTHER):
        files[target.with_name(f"{target.stem}-task.safetensors")] = further
    return files
