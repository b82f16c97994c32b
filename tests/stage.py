"""A folder in which the commands of the pages can be run: small data and tiny finished runs, named as there.

A command is run as it stands, but for a few steps and on few small subjects; a published set has a stand-in.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganatomy.runs.directory import Run
from tests import commands
from tests.conftest import ROOT
from tests.finished import blobs
from tests.own_data import table, write_all
from tests.pages import files

SHORT = [
    *("trainer.max_steps=2", "trainer.val_every=2", "trainer.threads=1", "trainer.accelerator=cpu"),
    *("callbacks.samples=0", "callbacks.report=false", "callbacks.progress=none"),
]
TESTED_AGAIN = [
    "trainer.threads=1",
    "trainer.accelerator=cpu",
    "callbacks.progress=none",
    "callbacks.samples=0",
]
"""What a resumed run may be told."""
NET = ["model.generator.channels=[4,8]", "model.generator.strides=[2]", "model.discriminator.channels=4"]
NET += ["model.discriminator.num_layers_d=1"]
OWN = [
    "data=folder",
    "data.root=NEW",
    'data.label="masks/{name}"',
    "data.classes=[background,lesion]",
    "data.size=32",
]
SYNTHESIS = ["task=synthesis", "data=folder", "data.root=NEW", "data.size=32", "model.generator.channels=4"]
SYNTHESIS += ["model.discriminator.channels=4", "task.imagenet=false", "data.batch_size=2"]
SEGMENTATION = [*OWN, *NET, "data.batch_size=2"]
RUNS: dict[str, list[str]] = {
    "runs/segmentation/DIR": SEGMENTATION,
    "DIR": SEGMENTATION,
    "OTHER": [*OWN, "data.batch_size=2", *NET[:2], "model.discriminator=null"],
    "runs/segmentation/A": SEGMENTATION,
    "runs/segmentation/B": [*SEGMENTATION, "seed=1"],
    **{f"FOLD{n}": [*SEGMENTATION, "data.folds=3", f"data.fold={n}"] for n in range(3)},
    **{f"gan{n}": [*SEGMENTATION, f"seed={n}"] for n in range(3)},
    **{f"twin{n}": [*OWN, *NET[:2], "model.discriminator=null", f"seed={n}"] for n in range(3)},
    **{f"runs/gan_seed{n}": [*SEGMENTATION, f"seed={n}"] for n in range(2)},
    **{f"runs/twin_seed{n}": [*OWN, *NET[:2], "model.discriminator=null", f"seed={n}"] for n in range(2)},
    "runs/synthesis/DIR": SYNTHESIS,
    "runs/synthesis/CLASSES": [
        *("data=table", "data.root=clinic", "data.table=index.csv", "data.image=path", "data.kind=diagnosis"),
        *(word for word in SYNTHESIS if not word.startswith(("data=", "data.root="))),
        "model=fast_class",
    ],
    "runs/synthesis/SPADE": [
        *OWN,
        "task=synthesis",
        "model=spade",
        "task.imagenet=false",
        "data.batch_size=2",
    ],
}
HEADS = ["task=segmentation", "data=brain_contrasts", "data.target=null", "data.subjects=6", "data.slices=3"]
RUNS["runs/segmentation/T2"] = [*HEADS, "data.source=[t2]", "data.size=32", *NET]
RUNS["runs/segmentation/CT"] = [*HEADS, "data.source=[ct]", "data.size=32", *NET]
WHOLE_NETWORKS = {
    "runs/segmentation/DIR": [*OWN, "data.batch_size=2"],
    "weights": ["task=enhancement", "data.subjects=6", "data.size=32", "data.slices=3", "data.batch_size=2"],
}
"""Runs that others start from, which have the networks of the defaults."""
FREQUENCY = """

class Frequency:
    def __call__(self, output, target):
        import torch

        return (torch.fft.rfft2(output.float()) - torch.fft.rfft2(target.float())).abs().mean()
"""
STAND_INS = {
    "data=busi": OWN,
    "data.root=DIR": ["data.root=NEW"],
    "data.root=Dataset137_BraTS": ["data.root=Dataset001_Mine"],
}
FEWER = {"save_samples=500": "save_samples=4", "seed=0,1,2": "seed=0,1"}
VIRTUAL = ("brain", "cells", "nodules", "vessels")
"""How names of virtual data begin."""


def write_outlines(folder: Path) -> None:
    """Write images with a square each, and COCO's outlines of them."""
    (folder / "images").mkdir(parents=True)
    listed: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": [], "categories": []}
    for n in range(8):
        values = np.full((40, 40, 3), 40, np.uint8)
        values[4:16, 3 + n : 13 + n] = 200
        Image.fromarray(values).save(folder / f"images/{n}.png")
        corners = [3 + n, 4, 13 + n, 4, 13 + n, 16, 3 + n, 16]
        box = {"bbox": [3 + n, 4, 10, 12], "area": 120, "iscrowd": 0, "segmentation": [corners]}
        listed["images"].append({"id": n, "file_name": f"{n}.png", "width": 40, "height": 40})
        listed["annotations"].append({"id": n, "image_id": n, "category_id": 1, **box})
    listed["categories"].append({"id": 1, "name": "cell"})
    (folder / "annotations.json").write_text(json.dumps(listed), encoding="utf-8")


def write_data(stage: Path) -> None:
    """Write all data that pages name."""
    write_all(stage)
    for name in ("NEW/images", "NEW/masks", "scans", "masks"):
        (stage / name).mkdir(parents=True, exist_ok=True)
    for n in range(8):
        image = blobs(n, 40, 40)
        picture = Image.fromarray((image * 255).astype(np.uint8))
        mask = Image.fromarray((image > 0.6).astype(np.uint8))
        picture.save(stage / f"NEW/images/p{n}.png")
        mask.save(stage / f"NEW/masks/p{n}.png")
        if n < 2:
            picture.save(stage / f"scans/p{n}.png")
            mask.save(stage / f"masks/p{n}.png")
    write_outlines(stage / "outlines")
    (stage / "experiments").symlink_to(ROOT / "experiments")
    rows = [[f"images/p{n}.png", f"masks/p{n}.png"] for n in range(8)]
    table(stage / "NEW/list.csv", [["image", "label"], *rows])
    for n in range(1, 8):
        picture = Image.new("L", (40, 40), 255)
        (stage / "retina/fields").mkdir(exist_ok=True)
        picture.save(stage / f"retina/fields/{n:02d}_eye.png")
    for n in range(8):
        values = np.asarray(Image.open(stage / f"NEW/masks/p{n}.png")) * 255
        values[:4] = 128
        for name in ("images", "masks"):
            (stage / "NEW255" / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(stage / f"NEW/images/p{n}.png", stage / f"NEW255/images/p{n}.png")
        Image.fromarray(values).save(stage / f"NEW255/masks/p{n}.png")
    for name, text in (files("extending.md", "python") | files("scores.md", "python")).items():
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        (stage / name).write_text(text)
    with (stage / "mylab/losses.py").open("a") as file:
        file.write(FREQUENCY)


def prepare(group: str, folder: Path) -> None:
    """Make in a copy of the stage what one group of blocks needs beside it."""
    if group == "after.md-7":
        make_run("runs/segmentation/DIR", folder)
        for state, game in (("failed", None), ("done", "collapse"), ("done", "overfitting")):
            failed = copied(folder / "runs/segmentation/DIR", folder / f"runs/segmentation/{game}")
            Run(failed).status(state, game=game)
    if group == "after.md-10":
        shutil.rmtree(folder / "runs/segmentation/DIR")
        for name, words in WHOLE_NETWORKS.items():
            run(["src.train", *words, *SHORT, "logger=none", f"run_dir={name}"], folder, {})
        shutil.copy(folder / "weights/generator.safetensors", folder / "weights.safetensors")


def needed(text: str) -> list[str]:
    """Return the runs that a text names."""

    def named(run: str) -> bool:
        pattern = re.escape(run).replace(r"_seed0", "_seed").replace(r"_seed1", "_seed")
        return bool(re.search(rf"(?<![\w/]){pattern}(?![\w/])", text))

    return [run for run in RUNS if named(run)]


def make_run(name: str, stage: Path) -> None:
    """Train a run of RUNS where the pages have it."""
    if not (stage / name).exists():
        run(["src.train", *RUNS[name], *SHORT, "logger=none", f"run_dir={name}"], stage, {})


def run(line: list[str], folder: Path, env: dict[str, str]) -> tuple[int, str]:
    """Run `python -m` with these words; the exit code and all that it said, which is 0 in most tests."""
    more = commands.environment(GANATOMY_CACHE=str(folder / ".cache"), **env)
    done = commands.run([sys.executable, "-m", *line], folder, more, timeout=500)
    return done.returncode, done.stdout + done.stderr


def parsed(text: str) -> list[tuple[dict[str, str], list[str]]]:
    """Return (variables, words) of each command of a block, comments left out and continued lines joined."""
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    found = []
    for words in (shlex.split(line, comments=True) for line in lines):
        env = {}
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            name, _, env[name] = words.pop(0).partition("=")
        if words:
            found.append((env, words))
    return found


def module_of(words: list[str]) -> list[str]:
    """Return the words behind `python -m`."""
    if words[0] == "ganatomy":
        return ["ganatomy", *words[1:]]
    assert words[:2] == ["python", "-m"], words
    return words[2:]


def shortened(words: list[str]) -> list[str]:
    """Return a command for few steps on little data."""
    verb = (words[1] if words[0] == "ganatomy" else words[0].removeprefix("src.")).strip()
    words = [part for word in words for part in STAND_INS.get(word, [word])]
    if "data.label_values=[0,255]" in words:
        words = [word.replace("data.root=NEW", "data.root=NEW255") for word in words]

    def given(key: str) -> bool:
        return any(word.startswith(f"{key}=") for word in words)

    words = [FEWER.get(word, word) for word in words]
    if verb == "generate":
        return [*words, "n=4"] if given("n") else words
    if verb == "sweep":
        words += [f"study={key}" for key in ("seeds", "keep") if given(key)]  # another study than the first
        return [*words, "trials=1", "jobs=1", "data.subjects=6", "data.size=32", "data.slices=3", *SHORT]
    if verb != "train" or "--cfg" in words or "--help" in words:
        return words
    if given("resume"):
        return [*words, *TESTED_AGAIN]
    data = next((word.removeprefix("data=") for word in words if word.startswith("data=")), "brain")
    small = ["data.batch_size=2", "logger=none", *SHORT]
    if data.startswith(VIRTUAL) and not given("plan"):
        small += ["data.subjects=6"]
        if data.startswith("brain") and "data.spatial_dims=3" not in words:
            small += ["data.slices=3"]
    if not given("data.patch") and not given("plan") and data != "decathlon":
        small += ["data.size=32"]
    return [*words, *small]


def copied(stage: Path, folder: Path) -> Path:
    """Return a copy of a stage, so that commands find no answers of others."""
    return Path(shutil.copytree(stage, folder, symlinks=True, dirs_exist_ok=True))
