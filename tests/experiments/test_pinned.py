"""configuration.yaml: what changes in conf/ changes no run of an experiment."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganatomy.config import compose, renamed
from ganatomy.config.mistakes import explain, overrides
from ganatomy.config.targets import resolve
from ganatomy.errors import UserError
from ganatomy.experiments.pin import pin
from ganatomy.experiments.pinned import PINNED, Pinned, words_of
from ganatomy.experiments.plan import runs
from ganatomy.experiments.spec import FILE, Experiment, names, read
from ganatomy.launch import command
from tests.conftest import ROOT
from tests.experiments.conftest import ran

KEPT = ROOT / "experiments"
OTHERS = {"update": "textbook", "degradation": "gaussian", "data": "brain", "model": "dcgan"}


def other(node: Any) -> Any:
    """Another value in place of each one, and a key more in each node of a class."""
    if isinstance(node, dict):
        more = (
            {"novel": 1}
            if str(node.get("_target_", "")).startswith(("ganatomy.networks", "torch.optim"))
            else {}
        )
        return {key: other(value) for key, value in node.items()} | more
    if isinstance(node, list):
        return [*node, "novel"]
    return not node if isinstance(node, bool) else node + 1 if isinstance(node, int | float) else "other"


def change(conf: Path) -> None:
    """Every default of the groups that decide numbers, and which files are chosen where nobody says."""
    for path in conf.rglob("*.yaml"):
        groups = ("data", "degradation", "model", "task", "trainer", "update")
        if path.relative_to(conf).parts[0] not in groups or path.name == "none.yaml":
            continue
        text = path.read_text()
        head = "# @package _global_\n" if text.startswith("# @package _global_") else ""
        content = yaml.safe_load(text) or {}
        for entry in content.get("defaults", ()):
            for key in [key for key in entry if key != "_self_"] if isinstance(entry, dict) else ():
                entry[key] = OTHERS.get(key.removeprefix("override /"), entry[key])
        changed = {key: value if key == "defaults" else other(value) for key, value in content.items()}
        path.write_text(head + yaml.safe_dump(changed, sort_keys=False))
    roof = conf / "train.yaml"
    roof.write_text(roof.read_text().replace("- update: shared", "- update: textbook"))


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of conf/ in place of it."""
    copy = tmp_path / "conf"
    for path in overrides.CONF.rglob("*.yaml"):
        (place := copy / path.relative_to(overrides.CONF)).parent.mkdir(parents=True, exist_ok=True)
        place.write_text(path.read_text())
    for module in (command, compose, explain, overrides):
        monkeypatch.setattr(module, "CONF", copy)
    return copy


def hashes(experiment: Experiment) -> dict[tuple[str, int], str]:
    return {run.key: run.config for run in runs(experiment, Path("runs"))}


@pytest.mark.parametrize("name", [n for n in names(KEPT) if (KEPT / n / "results/runs.csv").is_file()])
def test_no_default_of_conf_changes_a_kept_run(
    conf: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every value in conf/ is another, and the hashes are those of the lines that are kept."""
    with (KEPT / name / "results/runs.csv").open(newline="") as file:
        kept = {(row["arm"], int(row["seed"])): row["config"] for row in csv.DictReader(file)}
    change(conf)
    experiment = read(KEPT, name)
    planned = hashes(experiment)
    assert {key: planned[key] for key in kept} == kept
    assert experiment.looks or planned.keys() == kept.keys()  # with looks, seeds up to their cap are planned
    monkeypatch.setattr(Pinned, "words", lambda *_: [])
    if name == "modes":  # of others the words do not even fit
        assert not set(hashes(experiment).values()) & set(kept.values())


ON_FILES = (
    *("denoise_oct", "gan_or_flow", "lesions_kept", "translation_paired"),
    *("unpaired_oct", "utility_busi", "utility_cxr"),
)


@pytest.mark.parametrize("name", names(KEPT))
def test_what_is_scored_is_written_down(name: str) -> None:
    blocks = yaml.safe_load((KEPT / name / PINNED).read_text())
    scored = "file" if name in ON_FILES else "network"
    words = yaml.safe_load((KEPT / name / FILE).read_text())["base"]
    if f"task.scored={scored}" not in words:
        assert [b["values"]["task.scored"] for b in blocks if b["arms"] == "all"] == [scored]


@pytest.fixture
def pinned(small: Callable[..., Path]) -> Path:
    folder = small()
    pin(read(folder.parent, "small"))
    return folder


def test_a_key_that_comes_later_has_its_first_default(
    pinned: Path, conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever conf/ says of it, and though the file was written before."""
    experiment = read(pinned.parent, "small")
    before = hashes(experiment)
    task = conf / "task/segmentation.yaml"
    task.write_text(task.read_text().replace("task:\n", "task:\n  novel: today\n"))
    assert not set(hashes(experiment).values()) & set(before.values())
    monkeypatch.setitem(renamed.ADDED, "task.novel", "first")
    assert hashes(experiment) == before
    assert "task.novel='first'" in runs(experiment, Path("runs"))[0].words


def test_pinning_changes_no_hash(small: Callable[..., Path], tmp_path: Path) -> None:
    """The command writes what conf/ says; arms share lines, and what the words of all say is left out."""
    folder = small()
    before = hashes(read(folder.parent, "small"))
    code, printed, _ = ran(tmp_path, "small", "pin=true")
    assert (code, printed.strip()) == (0, f"written: experiments/small/{PINNED}")
    assert hashes(read(folder.parent, "small")) == before
    blocks = yaml.safe_load((folder / PINNED).read_text())
    assert [block["arms"] for block in blocks] == ["all", ["gan"]]
    assert list(blocks[1]["values"]) == ["model.discriminator"]
    shared = blocks[0]["values"]
    assert shared["trainer.precision"] == "32-true" and shared["model/generator"] == "unet"
    assert not {"task", "trainer.threads", "data.cache_dir"} & shared.keys()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- {arms: [gam], values: {seed: 1}}", "no arm is called gam; did you mean 'gan'?"),
        ("- {arms: all, value: {seed: 1}}", "blocks.0.value: no such key"),
        ("{", "while parsing"),
    ],
)
def test_a_wrong_file_is_named(small: Callable[..., Path], text: str, line: str) -> None:
    folder = small()
    (folder / PINNED).write_text(text)
    with pytest.raises(UserError) as error:
        runs(read(folder.parent, "small"), Path("runs"))
    assert str(error.value).startswith(f"{folder / PINNED}: ") and line in str(error.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1, ["a.b=1"]),
        (True, ["a.b=true"]),
        (None, ["a.b=null"]),
        ([0.5, "x, y", None, False], ["a.b=[0.5, 'x, y', null, false]"]),
        ({"_target_": "c.D", "n": {"e": 1e-05}}, ["a.b=null", "+a.b={_target_: 'c.D', n: {e: 1e-05}}"]),
        ("it's ${a.c}", ["a.b='it\\'s ${a.c}'"]),
    ],
)
def test_values_as_words(value: Any, words: list[str]) -> None:
    assert words_of("a.b", value) == words


@pytest.mark.parametrize("name", sorted(names(KEPT)))
def test_every_class_of_an_experiment_is_there(name: str) -> None:
    """By today's name: a hash alone would not notice one of before."""
    for file in (KEPT / name / "experiment.yaml", KEPT / name / PINNED):
        text = file.read_text(encoding="utf-8")
        for target in re.findall(r"_target_: ([\w.]+)", text):
            resolve({"_target_": target}, f"{name}: {file.name}")
