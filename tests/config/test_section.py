"""The typed configuration gives back the plain values it was read from; another one is checked anew."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from ganatomy.config.schema import Config
from ganatomy.config.section import PATTERNS
from ganatomy.errors import UserError
from tests.conftest import ROOT


@pytest.mark.parametrize("task", ["segmentation", "enhancement", "synthesis", "detection", "anomaly"])
def test_it_is_written_as_it_was_read(compose: Any, task: str) -> None:
    plain = compose(f"task={task}", "save_predictions=all", "model.ema_half_life=100", tiny=False)
    typed = Config.from_plain(plain)
    assert yaml.safe_dump(typed.to_plain(), sort_keys=False) == yaml.safe_dump(plain, sort_keys=False)
    assert typed.save_predictions == -1 and typed.model.ema_half_life == 100.0
    assert list(typed.trainer.to_plain()) == list(plain["trainer"])
    assert typed.task.target == plain["task"]["_target_"] and "monitor" not in typed.task.extra


def test_a_key_that_an_earlier_version_did_not_have_is_not_written(compose: Any) -> None:
    plain = compose()
    del plain["trainer"]["num_nodes"], plain["save_samples"]
    typed = Config.from_plain(plain)
    assert typed.trainer.num_nodes == 1 and typed.save_samples == 0
    assert typed.to_plain() == plain


def test_nothing_changes_it_but_a_new_one(compose: Any) -> None:
    plain = compose()
    typed = Config.from_plain(plain)
    typed.to_plain()["data"]["batch_size"] = 2
    plain["data"]["batch_size"] = 3
    assert typed.data.batch_size == typed.to_plain()["data"]["batch_size"] == 4
    other = typed.with_values(data=typed.data.to_plain() | {"batch_size": 8})
    assert (other.data.batch_size, typed.data.batch_size) == (8, 4)
    assert list(other.to_plain()) == list(typed.to_plain())
    with pytest.raises(
        UserError, match=r"^data\.batch_size: 4 is the batch of all processes; give at least 8"
    ):
        typed.with_values(trainer=typed.trainer.to_plain() | {"devices": 8})


def test_a_faulty_key_is_one_line(compose: Any) -> None:
    plain = compose()
    plain["trainer"] |= {"max_step": 3, "devices": 0}
    with pytest.raises(UserError) as found:
        Config.from_plain(plain)
    assert str(found.value).splitlines() == [
        "trainer.devices: must be 1 or more, got 0",
        "trainer.max_step: no such key; did you mean 'max_steps'?",
    ]


def test_a_text_of_another_form_is_told_in_words(compose: Any) -> None:
    plain = compose() | {"name": "my try", "init_hash": "abc", "synthetic_hash": "ABC"}
    plain["task"]["monitor"] = "test/dice"
    with pytest.raises(UserError) as found:
        Config.from_plain(plain)
    assert sorted(str(found.value).splitlines()) == [
        "init_hash: must be a SHA-256: 64 digits of 0 to 9 and a to f, got 'abc'",
        "name: must hold only letters, digits and _ . = , + - (it is part of a folder's name), got 'my try'",
        "synthetic_hash: must be a SHA-256: 64 digits of 0 to 9 and a to f, got 'ABC'",
        "task.monitor: must be a score of the validation, such as val/dice, got 'test/dice'",
    ]


def test_every_pattern_has_words() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    patterns = {found for text in sources for found in re.findall(r'Field\(pattern=r"(.+?)"', text)}
    assert patterns == set(PATTERNS)
