"""Files of finished runs that go into an archive: scores, history, versions, weights of one seed per arm.

Nothing that names a case or a subject is among them, and no path of this machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ganatomy.errors import UserError
from ganatomy.experiments.plan import PlannedRun
from ganatomy.experiments.spec import Experiment
from ganatomy.experiments.store import Key, Result, collect, done
from ganatomy.runs.integrity.checked import read_bytes, read_file

Content = bytes | Path
"""Bytes of a file, or the file that holds them."""
NUMBERS = ("metrics.json", "metrics.csv")
WEIGHTS = "generator.safetensors"
APPLIED = (WEIGHTS, "task.safetensors", "preprocessing.json")
"""What applies a model, beside its configuration."""
KEPT = ("python", "versions", "git", "seed", "processor", "threads", "allocator", "device")
"""Entries of environment.json that say nothing of paths and users."""


@dataclass
class RunFiles:
    """Files of the runs of one scale by their name in the archive.

    Attributes:
        files: Content by name.
        weights: Folder of the run whose weights are there, by arm.
        left_out: A line for each run that is here and is not the one whose scores are kept.
    """

    files: dict[str, Content] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def run_files(
    experiment: Experiment, planned: Sequence[PlannedRun], kept: Mapping[Key, Result], weights: bool
) -> RunFiles:
    """Collect the files of those kept runs whose directories are here.

    Args:
        experiment: The experiment at one scale.
        planned: Its runs.
        kept: Kept results.
        weights: Take weights along, of the first seed of each arm that is here.
    """
    found = RunFiles()
    for run in planned:
        if run.key not in kept or not done(run.directory):
            continue
        try:
            again = collect(run, experiment)
        except UserError as error:
            found.left_out.append(f"left out: {error}")
            continue
        if any(again.line.get(name) != kept[run.key].line.get(name) for name in experiment.scores):
            found.left_out.append(f"left out: {run.directory}: its scores are not those that are kept")
            continue
        folder = f"runs/{experiment.scale}/{run.directory.name}"
        found.files |= _numbers(run.directory, folder)
        if weights and run.arm not in found.weights and (run.directory / WEIGHTS).is_file():
            found.files |= _applied(run, folder, experiment.scale)
            found.weights[run.arm] = folder
    return found


def _numbers(run: Path, folder: str) -> dict[str, Content]:
    contents = {name: read_bytes(run, name) for name in NUMBERS}
    here: dict[str, Any] = read_file(run, "environment.json") or {}
    text = json.dumps({key: here[key] for key in KEPT if key in here}, indent=2) + "\n"
    contents["environment.json"] = text.encode()
    return {f"{folder}/{name}": content for name, content in contents.items() if content is not None}


def _applied(run: PlannedRun, folder: str, scale: str) -> dict[str, Content]:
    """Return weights and what `predict` needs beside them, and no folder of this machine."""
    files: dict[str, Content] = {}
    for name in APPLIED:
        if read_bytes(run.directory, name) is not None:  # as the run wrote it
            files[f"{folder}/{name}"] = run.directory / name
    plain: dict[str, Any] = read_file(run.directory, "config.yaml") or {}
    places = {str(run.directory.parent): f"runs/{scale}"}
    places |= {str(place): name for name, place in (plain.get("paths") or {}).items()}
    text = yaml.safe_dump(_portable(plain, places), sort_keys=False)
    files[f"{folder}/config.yaml"] = text.encode()
    return files


def _portable(node: Any, places: Mapping[str, str]) -> Any:
    """Return plain values in which the folders of a machine are called by their names."""
    if isinstance(node, Mapping):
        return {key: _portable(value, places) for key, value in node.items()}
    if isinstance(node, list):
        return [_portable(value, places) for value in node]
    for place in sorted(places, key=len, reverse=True):
        if isinstance(node, str) and (node == place or node.startswith(f"{place}/")):
            return places[place] + node[len(place) :]
    return node
