"""What the tests of every task share: a run of two steps, its pieces, and a look at every gradient."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from ganatomy.config.resolve import validate
from ganatomy.tasks.base import AdversarialTask
from ganatomy.training import build

SMALL = [
    "data.batch_size=4",
    "trainer.max_steps=2",
    "trainer.val_every=2",
    "trainer.log_every=1",
    "trainer.threads=1",
    "trainer.accelerator=cpu",
    "callbacks.progress=none",
    "callbacks.report=false",
    "callbacks.samples=0",
    "logger=none",
]


@pytest.fixture
def small() -> Callable[..., list[str]]:
    """What a small run takes beside `SMALL`; each file of tests has its own, for its task and data."""
    raise NotImplementedError("give a fixture `small` of the task's own")


@pytest.fixture
def train_small(
    compose: Any, small: Callable[..., list[str]], given_scores: dict[str, set[str]], tmp_path: Path
) -> Callable[..., Path]:
    """Train in this process; the value is the run directory. `resume` names one made before."""
    from ganatomy.train import train

    def of(name: str, *words: str, resume: bool = False) -> Path:
        directory = tmp_path / name
        words = (f"resume={directory}", *words) if resume else (*SMALL, *small(*words))
        cfg = compose(*words, tiny=False)
        train(validate(cfg), directory)
        return directory

    return of


@pytest.fixture
def prepared(compose: Any, small: Callable[..., list[str]]) -> Callable[..., tuple[Any, Any]]:
    """(data, task) of `python -m src.train <words>`."""

    def of(*words: str) -> tuple[Any, Any]:
        cfg = validate(compose(*SMALL, *small(*words), tiny=False))
        data = build.build_data(cfg)
        data.setup()
        cfg = build.complete(cfg, data)
        return data, build.build_task(cfg, data.mask_classes)

    return of


@pytest.fixture
def gradients(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], list[torch.Tensor | None]]:
    """What each parameter's gradient was when its player stepped."""
    seen: dict[tuple[str, str], list[torch.Tensor | None]] = {}
    step = AdversarialTask._step

    def watched(self: AdversarialTask, player: str) -> None:
        for name, parameter in getattr(self, player).named_parameters():
            gradient = None if parameter.grad is None else parameter.grad.clone()
            seen.setdefault((player, name), []).append(gradient)
        step(self, player)

    monkeypatch.setattr(AdversarialTask, "_step", watched)
    return seen


@pytest.fixture
def two_kinds(tmp_path: Path) -> list[str]:
    """Words for a data set of ten dark and twenty bright pictures, one folder each."""

    def save(pixels: np.ndarray, stem: Path) -> None:
        Image.fromarray(pixels).save(stem.with_suffix(".png"))

    return in_folders(tmp_path / "images", (24, 24), save, "*.png")


@pytest.fixture
def two_kinds_of_volumes(tmp_path: Path) -> list[str]:
    """As `two_kinds`, of volumes with sides of 16."""

    def save(voxels: np.ndarray, stem: Path) -> None:
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), stem.with_suffix(".nii.gz"))

    more = ["data.spatial_dims=3", "data.size=16", "data.augment=[]"]
    return [*in_folders(tmp_path / "volumes", (16, 16, 16), save, "*.nii.gz"), *more]


def in_folders(
    root: Path, shape: tuple[int, ...], save: Callable[[np.ndarray, Path], None], files: str
) -> list[str]:
    """Words for ten dark and twenty bright images of 8 bits, which are written to a folder for each kind."""
    draw = np.random.default_rng(0)
    for kind, count, level in (("bright", 20, 180), ("dark", 10, 40)):
        (root / kind).mkdir(parents=True)
        for number in range(count):
            save((level + draw.integers(0, 60, shape)).astype(np.uint8), root / kind / str(number))
    own = [f"data.root={root}", f"data.image='*/{files}'", "data.kind='{parent}'", "data.intensity=[0,255]"]
    return ["data=folder", *own, "data.split=[3,1,1]"]
