"""Finished synthesis runs, each trained once, whose training data are gone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import yaml
from PIL import Image

from ganatomy.config.locations import CONF
from ganatomy.config.resolve import validate
from ganatomy.generate.command import generate
from ganatomy.generate.settings import GenerateConfig
from tests.conftest import composed

SIDE = 16
AFFINE = np.array([[0.0, -1.5, 0.2, 10], [-1.2, 0, 0, 20], [0.1, 0, 2, 5], [0, 0, 0, 1]])
SMALL = [
    *("task=synthesis", "data=folder", "data.size=null", "data.batch_size=4", "data.split=[4,1,1]"),
    *("model.generator.channels=2", "model.discriminator.channels=2", "task.imagenet=false"),
    *("trainer.max_steps=2", "trainer.val_every=2", "trainer.threads=1", "trainer.accelerator=cpu"),
    *("callbacks.progress=none", "callbacks.report=false", "callbacks.samples=0", "logger=none"),
    "save_samples=4",
]
RUNS = {
    "plain": ["model=r3gan", "data.image='grey/*/*.png'"],
    "kinds": ["model=stylegan2_class", "data.image='grey/*/*.png'", 'data.kind="{parent}"'],
    "colour": ["model=dcgan", "data.image='rgb/*.png'", "data.channels=3", "save_format=npz"],
    "volumes": ["model=r3gan", "data.image='vol/*.nii.gz'", "data.spatial_dims=3", "data.intensity=[0,1000]"],
    "painted": [
        *("model=spade", "model.generator.hidden=4", "model.discriminator.num_layers_d=1"),
        "data.image='grey/*/*.png'",
        *('data.label="masks/{name}"', "data.classes=[background,lesion]", "data.label_values=[0,255]"),
    ],
    "slices": [
        *("model=spade", "model.generator.hidden=4", "data.image='vol/*.nii.gz'", "data.size=32"),
        *('data.label="volmasks/{name}"', "data.classes=[background,lesion]"),
    ],
}


def write_data(root: Path) -> None:
    """Twelve pictures in grey and colour, five volumes with an oblique affine, and masks of both."""
    draw = np.random.default_rng(0)
    for name in ("grey/dark", "grey/bright", "rgb", "masks", "vol", "volmasks"):
        (root / name).mkdir(parents=True)
    for n in range(12):
        level, kind = (60, "dark") if n % 2 else (160, "bright")
        pixels = draw.integers(level // 2, level, (SIDE, SIDE, 3)).astype(np.uint8)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[n : n + 4, 3:9] = 255
        Image.fromarray(pixels[..., 0]).save(root / f"grey/{kind}/{n:02d}.png")
        Image.fromarray(pixels).save(root / f"rgb/{n:02d}.png")
        Image.fromarray(mask).save(root / f"masks/{n:02d}.png")
    for n in range(6):
        voxels = draw.integers(0, 1000, (SIDE, SIDE, 8)).astype(np.int16)
        nibabel.Nifti1Image(voxels, AFFINE).to_filename(root / f"vol/{n}.nii.gz")
        mask = np.zeros(voxels.shape, np.uint8)
        mask[n : n + 5, 4:9, 2:6] = 1
        nibabel.Nifti1Image(mask, AFFINE).to_filename(root / f"volmasks/{n}.nii.gz")


@pytest.fixture(scope="session")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of masks that a user still has."""
    root = tmp_path_factory.mktemp("given")
    write_data(root)
    return root


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a finished run by its name in RUNS; its data are deleted, and it lies in another place."""
    from ganatomy.train import train

    made: dict[str, Path] = {}

    def of(name: str) -> Path:
        if name not in made:
            place = tmp_path_factory.mktemp(name)
            write_data(place / "data")
            cfg = composed(*SMALL, f"data.root={place / 'data'}", *RUNS[name], tiny=False)
            train(validate(cfg), place / "run")
            shutil.rmtree(place / "data")
            made[name] = (place / "run").rename(place / "elsewhere")
        return made[name]

    return of


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[..., Path]:
    """Do what the command does with these keys, in this process; the value is the folder of the images."""
    plain: dict[str, Any] = yaml.safe_load((CONF / "generate.yaml").read_text(encoding="utf-8"))
    defaults = {key: value for key, value in plain.items() if key not in ("defaults", "hydra")}

    def of(run: Path, output: str = "out", **keys: Any) -> Path:
        keys = {key.rstrip("_"): value for key, value in keys.items()}
        given = {**defaults, "run": str(run), "output": str(tmp_path / output), "device": "cpu", **keys}
        return generate(GenerateConfig.from_plain(given))

    return of


def files(where: Path) -> dict[str, bytes]:
    """Content of the images, label maps and the index of a folder, by name."""
    names = [*where.glob("images/*"), *where.glob("labels/*"), *where.glob("index.csv")]
    return {str(path.relative_to(where)): path.read_bytes() for path in names}
