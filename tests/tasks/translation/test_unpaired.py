"""Runs of unpaired sides through the real command: resumed bit for bit, or refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganatomy.config.resolve import validate
from ganatomy.errors import UserError
from ganatomy.train import train
from tests.conftest import TINY
from tests.test_resume import assert_same_end, checkpoint, run_until

SMALL = [
    "task=translation",
    "data=brain_contrasts",
    *(word for word in TINY if not word.startswith("model.")),
    "data.slices=4",
    "data.cache=memory",
    "trainer.max_steps=6",
    "trainer.val_every=3",
]
CYCLE = [
    *SMALL,
    "model=cyclegan",
    *(
        f"model.generator.{way}.{key}"
        for way in ("to_target", "to_source")
        for key in ("channels=[4,6]", "blocks=1")
    ),
    *(
        f"model.discriminator.{side}.{key}"
        for side in ("target", "source")
        for key in ("channels=4", "num_layers_d=1")
    ),
]


@pytest.fixture
def played(compose: Callable[..., dict[str, Any]], tmp_path: Path) -> Callable[..., Path]:
    """Train a tiny CycleGAN in this process; the value is the run directory."""

    def of(name: str, *words: str, resume: bool = False) -> Path:
        directory = tmp_path / name
        more = [f"resume={directory}"] if resume else []
        train(validate(compose(*(more or [*CYCLE, *words]), tiny=False)), directory)
        return directory

    return of


def test_a_resumed_run_draws_the_same_targets(played):
    """Sides of different length, so that their epochs end at different steps."""
    words = ["data.unpaired=disjoint", "data.split=[5,1,1]", "data.subjects=7", "data.batch_size=3"]
    whole = played("whole", *words)
    run_until(4, played, "cut", *words)
    assert_same_end(whole, played("cut", resume=True))
    sides = json.loads((whole / "data.json").read_text())["sides"]
    train_sides = [set(sides[side]["subjects"]["train"]) for side in ("images", "targets")]
    assert [len(side) for side in train_sides] == [3, 2] and not set.intersection(*train_sides)


def test_the_targets_are_drawn_by_the_seed(played):
    """A run of pairs in the order of an unpaired one would end with the same weights whatever is drawn."""
    first, other = (
        checkpoint(played(f"run{n}", f"data.unpaired={how}")) for n, how in enumerate(("true", "disjoint"))
    )
    name = next(iter(first["state_dict"]))
    assert not (first["state_dict"][name] == other["state_dict"][name]).all()


def test_a_model_of_pairs_is_refused(compose, tmp_path):
    words = [*SMALL, "model=translation_unet", "data.unpaired=true"]
    with pytest.raises(UserError) as refused:
        train(validate(compose(*words, tiny=False)), tmp_path / "run")
    assert str(refused.value).startswith("data.unpaired=true: this model learns from pairs")
    assert "\n" not in str(refused.value)


def test_a_model_without_pairs_is_not_shown_pairs(compose, tmp_path):
    with pytest.raises(UserError, match=r"data\.unpaired=false: this model learns without pairs"):
        train(validate(compose(*CYCLE, "data.unpaired=false", tiny=False)), tmp_path / "run")


def test_a_wrong_value_is_refused(compose):
    with pytest.raises(UserError, match=r"data\.unpaired"):
        validate(compose(*CYCLE, "data.unpaired=half", tiny=False))
