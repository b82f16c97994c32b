"""What the tests of `evaluate` share: tiny finished runs, and the command without a process of its own."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganatomy.config.locations import CONF
from ganatomy.config.resolve import validate
from ganatomy.evaluate.__main__ import evaluate
from ganatomy.evaluate.settings import EvaluateConfig
from tests.conftest import composed

QUICK = [
    *("data.batch_size=4", "trainer.max_steps=2", "trainer.val_every=2", "trainer.log_every=1"),
    *("trainer.threads=1", "trainer.accelerator=cpu", "callbacks.progress=none", "callbacks.report=false"),
    *("callbacks.samples=0", "logger=none"),
]
SEGMENTATION = [
    *("model.generator.channels=[4,8]", "model.generator.strides=[2]", "model.discriminator=null"),
]
CLASSES = ("background", "cyst", "tumour")


def trained(directory: Path, *words: str) -> Path:
    """Train in this process."""
    from ganatomy.train import train

    train(validate(composed(*QUICK, *words, tiny=False)), directory)
    return directory


def evaluated(output: Path, *words: str) -> Any:
    """Return what the command writes to `output`: `metrics`, `rows`, `page` and `folder`."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from ganatomy.config.resolve import to_plain
    from ganatomy.config.resolvers import register_resolvers
    from ganatomy.text.tables import read_csv

    register_resolvers()
    GlobalHydra.instance().clear()
    typed = ["device=cpu", "doubt=false", "pictures=0", *words, f"output={output}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("evaluate", typed)
    folder = evaluate(EvaluateConfig.from_plain(to_plain(cfg)), typed)
    rows = read_csv(folder / "scores.csv") if (folder / "scores.csv").is_file() else []
    ends = read_csv(folder / "intervals.csv") if (folder / "intervals.csv").is_file() else []
    return SimpleNamespace(
        metrics=json.loads((folder / "metrics.json").read_text()),
        rows=rows,
        intervals=ends,
        page=(folder / "evaluation.html").read_text(),
        folder=folder,
    )


def pictures(
    folder: Path, count: int, seed: int, order: tuple[int, ...] = (0, 1, 2), name: str = "q"
) -> list[str]:
    """Write pictures with two kinds of squares, and return the words of `data=folder` for them.

    `order` is the value of each of CLASSES in the masks, `name` the first letters of files.
    """
    draw = np.random.default_rng(seed)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(count):
        label = np.zeros((32, 32), np.uint8)
        row, column = draw.integers(2, 14, 2)
        label[row : row + 8, column : column + 8] = 1
        label[row + 9 : row + 15, column + 9 : column + 15] = 2
        image = draw.normal(60 + 60 * label, 12).clip(0, 255).astype(np.uint8)
        Image.fromarray(image).save(folder / f"images/{name}{number}.png")
        Image.fromarray(np.array(order, np.uint8)[label]).save(folder / f"masks/{name}{number}.png")
    names = [CLASSES[order.index(value)] for value in sorted(order)]
    classes = f"data.classes=[{','.join(names)}]"
    return ["data=folder", f"data.root={folder}", "data.label='masks/{name}'", classes]


@pytest.fixture(scope="module")
def folder_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], Path]:
    """A segmentation run on pictures in a folder, the words of its data, and the folder."""
    folder = tmp_path_factory.mktemp("pictures")
    words = pictures(folder, 9, seed=0, name="p")
    run = trained(folder / "run", *words, "data.size=32", *SEGMENTATION, "data.split=[1,1,1]")
    return run, words, folder
