"""A trial is started as a run is: with the allocator of one, and as one process."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ganatomy.config.compose import composed
from ganatomy.config.schema import Config
from ganatomy.errors import UserError
from ganatomy.machine import allocator
from ganatomy.planning.trials import measuring


def test_a_trial_has_the_allocator_of_a_run_and_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """`check plan=true` is itself no run, so its own allocator is another."""
    seen: dict[str, str] = {}

    def run(words: list[str], env: dict[str, str], **more: Any) -> Any:
        seen.update(env)
        Path(words[-1]).write_text(json.dumps({"memory": 1}))
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("RANK", "1")
    for name in (allocator.NAME, "LD_PRELOAD", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    expected = allocator.environment({})
    assert measuring.trial(SimpleNamespace(to_plain=dict), {}) == {"memory": 1}  # type: ignore[arg-type]
    assert {name: seen.get(name) for name in expected} == expected
    assert "RANK" not in seen
    monkeypatch.setenv(allocator.NAME, allocator.SYSTEM)
    seen.clear()
    measuring.trial(SimpleNamespace(to_plain=dict), {})  # type: ignore[arg-type]
    assert seen[allocator.NAME] == allocator.SYSTEM and "GLIBC_TUNABLES" not in seen


@pytest.mark.parametrize(
    ("code", "said", "result", "line"),
    [
        (
            1,
            "Traceback\nMemoryError",
            "",
            r"plan: the trial of a few steps ended with MemoryError; plan=null",
        ),
        (-9, "", "", r"ended with no output \(often because memory ran out\); plan=null trains without"),
        (2, "", '{"error": "data.size: 7"}', r"data\.size: 7$"),
    ],
)
def test_a_trial_that_fails_is_one_line(
    code: int, said: str, result: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(words: list[str], **more: Any) -> Any:
        if result:
            Path(words[-1]).write_text(result)
        return SimpleNamespace(returncode=code, stderr=said)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(UserError, match=line):
        measuring.trial(SimpleNamespace(to_plain=dict), {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("task", "fitted"),
    [("segmentation", 280 / 20), ("detection", 48 / 10), ("enhancement", 16 / 10), ("translation", 1.0)],
)
def test_only_what_each_case_takes_is_scaled_to_all_of_them(task: str, fitted: float) -> None:
    """100 validation cases in place of 10 take nine times the further share more, and pictures once."""
    found = {
        "start": 1.0, "read": 2.0, "cases": 40, "set_up": 1.0, "step": 0.1, "checkpoint": 0.0,
        "memory": 0.0, "cached": 0.0, "fitting": 0.5, "train_cases": 20,
        "validation": 3.0, "validation_further": 0.5, "val_cases": 10,
        "test": 4.0, "test_further": 2.0, "test_cases": 10,
    }  # fmt: skip
    data: Any = SimpleNamespace(cases={"train": 280, "val": 100, "test": 20}, dims=2)
    cfg: Any = SimpleNamespace(data=SimpleNamespace(cache="none"))
    whole = measuring._whole(found, data, cfg, task)
    assert whole.validation == pytest.approx(3.0 + 9 * 0.5)
    assert whole.test == pytest.approx(4.0 + 1 * 2.0 + 0.5 * (fitted - 1))
    assert whole.read == pytest.approx(2.0 * 400 / 40)


def test_a_remembered_trial_of_another_form_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = Config.from_plain(composed(["task=segmentation", "data=brain"]))
    data: Any = SimpleNamespace(content="same", cases={"train": 2})
    first = measuring._file(cfg, data, "")
    assert measuring._file(cfg, data, "") == first
    assert measuring._file(cfg, data, "other words") != first
    monkeypatch.setattr(measuring, "FORM", measuring.FORM + 1)
    assert measuring._file(cfg, data, "") != first


def test_a_trial_evaluates_three_batches_of_small_images_and_few_large_volumes() -> None:
    """One batch alone would not tell what comes once from what each case takes."""
    small, large = (SimpleNamespace(shape=shape, dims=len(shape)) for shape in ((64, 64), (512, 512, 300)))
    assert measuring._limits(small, 8)["val"] == 24  # type: ignore[arg-type]
    assert measuring._limits(large, 8)["val"] == 4  # type: ignore[arg-type]
