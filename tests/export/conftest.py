"""Finished runs of the default model of each task, of a few steps, trained once for all tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from ganatomy.export.graphs.graph import Graph
from ganatomy.export.settings import ExportConfig
from tests.conftest import composed

TASKS = ("segmentation", "enhancement", "detection", "anomaly", "synthesis")
SHORT = [
    *("data.subjects=6", "data.size=32", "data.slices=3", "data.batch_size=4", "data.cache=none"),
    *("trainer.max_steps=4", "trainer.val_every=4", "trainer.log_every=1", "trainer.threads=1"),
    *("trainer.accelerator=cpu", "callbacks.progress=none", "callbacks.report=false", "callbacks.samples=0"),
    "logger=none",
]
MORE = {
    "anomaly": [
        *("task.denoising_steps=2", "task.search_images=0", "task.components=2"),
    ],
    "synthesis": ["task.max_images=8", "task.nearest=4", "task.imagenet=false"],
}
OBLIQUE = np.array([[0.9, -0.3, 0.0, 12.5], [0.3, 1.1, 0.2, -7.0], [0.0, -0.2, 2.0, 31.0], [0, 0, 0, 1]])


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A finished run of a task with its default networks, trained when first asked for."""
    from ganatomy.config.resolve import validate
    from ganatomy.train import train

    made: dict[str, Path] = {}

    def of(task: str) -> Path:
        if task not in made:
            folder = tmp_path_factory.mktemp(task) / "run"
            train(validate(composed(f"task={task}", *SHORT, *MORE.get(task, []), tiny=False)), folder)
            made[task] = folder
        return made[task]

    return of


@pytest.fixture(scope="session")
def exported(
    finished: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], tuple[Path, list[str]]]:
    """The exported run of a task in a format, and what the command printed; made when first asked for."""
    from ganatomy.export.export import export

    made: dict[tuple[str, str], tuple[Path, list[str]]] = {}

    def of(task: str, form: str) -> tuple[Path, list[str]]:
        if (task, form) not in made:
            target = tmp_path_factory.mktemp(f"{task}_{form}") / (
                "bundle" if form == "bundle" else "model.onnx"
            )
            given = config(finished(task), target, format=form, licence="CC0-1.0")
            made[task, form] = (target, export(given, lambda line: None))
        return made[task, form]

    return of


@pytest.fixture
def scripts() -> Iterator[None]:
    """Modules of other bundles are forgotten, and those of this one afterwards."""
    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "scripts"}
    for name in kept:
        del sys.modules[name]
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "scripts"]:
        del sys.modules[name]
    sys.modules.update(kept)


def config(run: Path | None, output: Path | None, **more: Any) -> ExportConfig:
    """The configuration of the command with these keys."""
    switches = {"force": False, "overwrite": False, "debug": False}
    paths = {"run": run and str(run), "output": output and str(output)}
    return ExportConfig.from_plain(
        {**dict.fromkeys(("format", "input", "licence")), **switches, **paths, **more}
    )


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Oblique int16 volumes, a plane as NIfTI, and 8-bit pictures, of several sizes."""
    folder = tmp_path_factory.mktemp("files")
    for n, sides in enumerate([(40, 32, 3), (32, 48, 2), (45, 39, 1)]):
        values = np.rint(blobs(n, *sides) * 900 - 100).astype(np.int16)
        nib.save(nib.Nifti1Image(values, OBLIQUE), folder / f"volume{n}.nii.gz")
    plane = np.rint(blobs(5, 40, 48) * 900).astype(np.uint16)
    nib.save(nib.Nifti1Image(plane, np.diag([-1.5, -1.5, 4, 1])), folder / "plane.nii")
    for n, sides in enumerate([(32, 32), (40, 56)]):
        Image.fromarray((blobs(9 + n, *sides) * 255).astype(np.uint8)).save(folder / f"picture{n}.png")
    return folder


def blobs(seed: int, *shape: int) -> np.ndarray:
    """Return a smooth random image, float, from 0 to 1."""
    smooth = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return np.asarray((smooth - smooth.min()) / np.ptp(smooth))


def graph(module: torch.nn.Module, sides: tuple[int, ...] = (32, 32), one_size: bool = False) -> Graph:
    """A network of one channel as a graph with one output."""
    return Graph(module.eval(), {"image": ""}, {"output": ""}, 1, len(sides), sides, one_size)
