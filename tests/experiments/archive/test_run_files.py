"""What is taken of a finished run: scores, weights that can be applied, and no name of a case or a place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ganatomy.experiments.archive.pack import refuse_paths
from ganatomy.experiments.archive.run_files import run_files
from ganatomy.experiments.plan import PlannedRun
from ganatomy.experiments.spec import Claim, Experiment, Spec
from ganatomy.experiments.store import Result, collect
from ganatomy.inference.loaded import load_run
from ganatomy.runs.directory import Run
from tests.experiments.archive.conftest import unpacked, zipped
from tests.experiments.conftest import SPEC

PLAIN = SPEC | {"scores": ["test/dice"], "claims": [], "baselines": {}, "gaps": {}, "tolerance": {}}
FOLDER = "runs/cpu/gan_seed0"


@pytest.fixture
def run(tmp_path: Path, finished: Callable[[str], Path]) -> PlannedRun:
    """A finished run in the place of one of an experiment, its data below `paths.data`."""
    directory = tmp_path / "runs/experiments/small/cpu/gan_seed0"
    shutil.copytree(finished("segmentation"), directory)
    kept = Run(directory)
    plain = kept.read("config.yaml")
    plain["paths"] |= {"data": str(Path(plain["data"]["root"]).parent), "cache": str(tmp_path / "cache")}
    plain["data"]["cache_dir"] = str(tmp_path / "cache/here")
    kept.write(
        "config.yaml", plain | {"run_dir": str(directory), "init": str(directory.parent / "twin_seed0")}
    )
    return PlannedRun("gan", 0, (), "c" * 64, "d" * 64, directory)


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    claims: tuple[Claim, ...] = ()
    return Experiment("small", tmp_path, "cpu", Spec.from_plain(PLAIN), claims)


def test_the_weights_come_back_as_a_run_without_the_data(
    tmp_path: Path, experiment: Experiment, run: PlannedRun
) -> None:
    kept = {run.key: collect(run, experiment)}
    found = run_files(experiment, [run, replace(run, seed=1)], kept, weights=True)
    assert found.weights == {"gan": FOLDER} and not found.left_out
    refuse_paths(found.files)
    subjects = {name for names in Run(run.directory).read("data.json")["subjects"].values() for name in names}
    assert "images/p0" in subjects
    contents = {name: c if isinstance(c, bytes) else c.read_bytes() for name, c in found.files.items()}
    text = b"".join(c for name, c in contents.items() if not name.endswith(".safetensors")).decode()
    assert not [name for name in (*subjects, str(tmp_path), "data.json", "scores.csv") if name in text]

    folder = unpacked(zipped(found.files, tmp_path / "a.zip"), tmp_path / "elsewhere")
    config = Run(folder / FOLDER).read("config.yaml")
    assert config["paths"]["data"] == "data" and config["data"]["root"].startswith("data/")
    assert config["data"]["cache_dir"] == "cache/here" and config["init"] == "runs/cpu/twin_seed0"
    ours, theirs = load_run(run.directory, "cpu"), load_run(folder / FOLDER, "cpu")
    state = theirs.task.generator.state_dict()
    assert ours.weights_hash == theirs.weights_hash
    assert all(torch.equal(value, state[name]) for name, value in ours.task.generator.state_dict().items())


def test_without_weights_the_scores_stay(experiment: Experiment, run: PlannedRun) -> None:
    found = run_files(experiment, [run], {run.key: collect(run, experiment)}, weights=False)
    assert set(found.files) == {f"{FOLDER}/{n}" for n in ("metrics.json", "metrics.csv", "environment.json")}


def test_a_run_of_other_scores_or_damage_is_left_out(experiment: Experiment, run: PlannedRun) -> None:
    """Trained again after the results were kept, or changed since."""
    other = Result({**collect(run, experiment).line, "test/dice": "0.5"})
    found = run_files(experiment, [run], {run.key: other}, weights=True)
    assert not found.files and found.left_out == [
        f"left out: {run.directory}: its scores are not those that are kept"
    ]
    kept = {run.key: collect(run, experiment)}
    (run.directory / "metrics.json").write_text("{}")
    shutil.rmtree(run.directory / "copies")
    found = run_files(experiment, [run], kept, weights=True)
    assert not found.files and "metrics.json: is damaged" in found.left_out[0]
