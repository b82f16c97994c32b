"""A small experiment in a folder of its own, and the command that runs it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganatomy.experiments.results.report import BEGIN, END
from tests.conftest import started

STUB = f"launch={sys.executable} {Path(__file__).with_name('stub_train.py')}"
SPEC: dict[str, Any] = {
    "title": "A small experiment",
    "paper": "Nobody 2020",
    "question": "Does it?",
    "base": ["task=segmentation"],
    "scales": {"cpu": {"words": ["trainer.max_steps=8"]}, "paper": {"note": "needs a GPU"}},
    "arms": {
        "gan": {"label": "with the adversary"},
        "twin": {"label": "its twin", "words": ["model.discriminator=null"]},
    },
    "seeds": [0, 1, 2],
    "scores": ["test/dice", "test/auroc", "loss"],
    "gaps": {"loss": ["val/loss", "baseline/otsu/dice"]},
    "baselines": {"otsu": "Otsu"},
    "claims": [
        {"claim": "gan.test/dice > twin.test/dice", "by": 0.01},
        {"claim": "gan.test/auroc ~ twin.test/auroc", "within": 0.01},
        {"claim": "gan.test/dice < gan.baseline/otsu/dice"},
    ],
    "tolerance": {"test/dice": 0.01},
}


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Path]:
    """Write experiments/small with these changes; the value is its folder."""

    def of(**more: Any) -> Path:
        folder = tmp_path / "experiments/small"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "experiment.yaml").write_text(yaml.safe_dump({**SPEC, **more}, sort_keys=False))
        page = f"# Small\n\n{BEGIN}\nnot yet run\n{END}\n\n![all arms](results/figure.png)\n"
        (folder / "README.md").write_text(page)
        return folder

    return of


start = partial(started, "src.experiment")
"""`start(folder, *words)`."""


def ran(folder: Path, *words: str) -> tuple[int, str, str]:
    """(exit code, printed, said on stderr) of the command."""
    process = start(folder, *words)
    printed, said = process.communicate(timeout=600)
    return process.returncode, printed, said
