"""A finished tiny run to start from, and tasks that are built but not trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganatomy.config.compose import composed
from ganatomy.config.resolve import validate
from ganatomy.config.schema import Config
from ganatomy.data.datamodule import DataModule
from ganatomy.tasks.base import AdversarialTask
from ganatomy.train import train
from ganatomy.training import build
from ganatomy.training.initial.begin import Beginning, begin
from tests.conftest import TINY

Built = tuple[Config, AdversarialTask, DataModule]


def config(*words: str) -> Config:
    return validate(composed([*TINY, *words]))


@pytest.fixture(scope="package")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run whose best weights are not its last."""
    directory = tmp_path_factory.mktemp("source") / "run"
    train(config("model.optimizer.generator.lr=0.01", "callbacks.checkpoint_every=1"), directory)
    return directory


@pytest.fixture(scope="package")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run without a discriminator."""
    directory = tmp_path_factory.mktemp("twin") / "run"
    train(config("model.discriminator=null", "trainer.max_steps=4"), directory)
    return directory


@pytest.fixture
def built() -> Callable[..., Built]:
    """Configuration, task and data of `train <words>`, before weights are loaded."""

    def of(*words: str) -> Built:
        cfg = config(*words)
        data = build.build_data(cfg)
        data.setup()
        cfg = build.complete(cfg, data)
        return cfg, build.build_task(cfg, data.mask_classes), data

    return of


@pytest.fixture
def begun(built: Callable[..., Built]) -> Callable[..., tuple[AdversarialTask, Beginning]]:
    """The task with the weights that it starts from, and what is said."""

    def of(*words: str, **more: Any) -> tuple[AdversarialTask, Beginning]:
        cfg, task, data = built(*words)
        return task, begin(cfg, task, data, fresh=more.get("fresh", True))

    return of
