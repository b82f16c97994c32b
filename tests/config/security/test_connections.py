"""Places outside a run and connections to other machines: typed, or this machine's, and of no file."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganatomy.config.compose import composed
from ganatomy.config.security.connections import check_connections, check_space
from ganatomy.config.security.elsewhere import check_file
from ganatomy.config.security.hydra_job import refuse_foreign
from ganatomy.errors import UserError
from tests.config.security import marker
from tests.conftest import ROOT

OLD = ROOT / "tests/old_runs/062eb33/config.yaml"
Compose = Callable[..., dict[str, Any]]


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A run whose config.yaml names places of its maker, W&B online and a download."""
    content = yaml.safe_load(OLD.read_text())
    content["paths"] |= {"runs": "/far/runs", "cache": "/far/cache"}
    content["data"] |= {"cache": "disk", "cache_dir": "/far/cache", "download": True}
    content["logger"] = {"name": "wandb", "project": "far", "mode": "online"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    return tmp_path


def test_a_resumed_run_writes_and_sends_nowhere_else(
    theirs: Path, compose: Compose, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GANATOMY_CACHE", "/near/cache")
    plain = compose(f"resume={theirs}", tiny=False)
    assert "/far" not in str(plain["paths"]) and plain["data"]["cache_dir"] == "/near/cache"
    assert (plain["logger"]["mode"], plain["data"]["download"]) == ("offline", False)
    said = capsys.readouterr().err.splitlines()
    for key in ("paths.cache: /far/cache stands", "logger.mode: online", "data.download: true"):
        assert sum(line.startswith(key) for line in said) == 1, said


def test_what_is_typed_beside_resume_counts(theirs: Path, compose: Compose) -> None:
    words = [f"resume={theirs}", "logger.mode=online", "data.cache_dir=/typed"]
    plain = compose(*words, tiny=False)
    assert (plain["logger"]["mode"], plain["data"]["cache_dir"]) == ("online", "/typed")
    check_connections(plain, words)
    assert compose(f"resume={theirs}", "paths.cache=/p", tiny=False)["data"]["cache_dir"] == "/p"


@pytest.mark.parametrize(
    ("words", "sound"),
    [
        ([], False),
        (["logger=wandb"], False),
        (["logger.name=wandb", "seed=1"], False),
        (["logger.mode=online"], True),
        (["++logger.mode=online"], True),
        (["logger={name: wandb, project: x, mode: online}"], True),
        (["logger=of_our_laboratory"], True),
    ],
)
def test_a_connection_is_typed(words: list[str], sound: bool) -> None:
    plain = {"logger": {"mode": "online"}, "data": {"download": False}}
    if sound:
        check_connections(plain, words)
        return
    with pytest.raises(UserError, match=r"^logger\.mode: online connects to another machine[^\n]*$"):
        check_connections(plain, words)
    with pytest.raises(UserError, match=r"^data\.download: true connects"):
        check_connections({"logger": {}, "data": {"download": True}}, ["data=medmnist"])


FILES = {
    "set": "logger: {name: wandb, project: x, mode: online}\n",
    "chosen": "defaults: [{override /logger: theirs}]\n",
    "fetched": "defaults: [{override /data: medmnist}]\ndata: {download: true}\n",
}


@pytest.mark.parametrize("kind", FILES)
def test_an_experiment_of_others_opens_no_connection(kind: str, tmp_path: Path) -> None:
    for name, text in {
        "experiment": FILES[kind],
        "logger": "name: wandb\nproject: x\nmode: online\n",
    }.items():
        (tmp_path / name).mkdir()
        head = "# @package _global_\n" if name == "experiment" else ""
        (tmp_path / name / "theirs.yaml").write_text(head + text)
    plain = composed(["experiment=theirs"], [str(tmp_path)])
    with pytest.raises(UserError, match="connects to another machine"):
        check_connections(plain, ["experiment=theirs"])


def test_the_command_looks(command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/theirs.yaml").write_text(f"# @package _global_\n{FILES['set']}")
    done = command("--config-dir", ".", "experiment=theirs")
    assert done.returncode == 2 and done.stderr.startswith("error: logger.mode: online connects"), done.stderr
    assert done.stderr.count("\n") == 1 and not any(path.is_file() for path in tmp_path.glob("runs/**/*"))


def test_a_sweep_of_others_opens_no_connection() -> None:
    for space in (
        {"logger.mode": ["online"]},
        {"logger": [{"name": "wandb", "mode": "online"}]},
        {"data": [{"download": True}]},
    ):
        with pytest.raises(UserError, match=r"^space\.[^\n]* a sweep varies no connection"):
            check_space(space)
    check_space({"model.ema_half_life": [1.0], "data": ["brain", "busi"]})
    for storage in ("postgresql://me@db/x", "${place}", "mysql+x://db"):
        with pytest.raises(UserError, match=r"^storage: connects"):
            check_file({"storage": storage}, "", "sweep/theirs.yaml")
    check_file({"storage": "sqlite:///x.db", "resume": None}, "", "sweep/ours.yaml")
    with pytest.raises(UserError, match=r"^resume: is typed"):
        check_file({"resume": "run"}, "", "experiment/theirs.yaml")


@pytest.mark.parametrize(
    "part", ["callbacks: {x: {", "launcher: {", "sweeper: {", "job_logging: {handlers: {x: {"]
)
def test_what_hydra_calls_is_looked_at_as_a_whole(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the check of each file on its own were to miss it."""
    monkeypatch.setattr("ganatomy.config.resolvers.check_file", lambda *given: None)
    (tmp_path / "experiment").mkdir()
    key = '"()"' if "logging" in part else "_target_"
    text = f"# @package _global_\nhydra: {{{part}{key}: {marker.CLASS}{'}' * part.count('{')}}}\n"
    (tmp_path / "experiment/theirs.yaml").write_text(text)
    folder = [f'hydra.searchpath=["file://{tmp_path}"]']
    for words in (["experiment=theirs"], ["experiment=theirs", "seed=0,1", "--multirun"]):
        with pytest.raises(UserError, match=rf"^hydra\.[^\n]*: {marker.CLASS} would be called[^\n]*$"):
            refuse_foreign("train", words, folder)
        with pytest.raises(UserError, match="would be called"):
            refuse_foreign("train", [*words, *folder], [])
    refuse_foreign("train", ["experiment=theirs", f"+hydra.callbacks.y._target_={marker.CLASS}"], folder)
    refuse_foreign("train", ["seed=0,1", "hydra/launcher=joblib"], folder)
