"""A long run is told at its start, from the time its first steps took."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ganatomy.callbacks import forecast as module
from ganatomy.callbacks.forecast import Forecast, forecast, waited
from ganatomy.config.schema import DataConfig, TrainerConfig
from ganatomy.tasks.base import AdversarialTask

DATA = DataConfig.model_construct(batch_size=16, spatial_dims=2, size=128, patch=None)
TRAINER = TrainerConfig.model_construct(accelerator="cpu", threads=1)


def test_what_the_line_says() -> None:
    """1600 steps of 36 s are 16 hours, and an hour holds 100 of them."""
    line = forecast(DATA, TRAINER, 36.0, 1600, cores=8)
    assert line.startswith(
        "about 16 h to go on this machine (36 s a step, validations not counted); shorter: "
    )
    assert "trainer.max_steps=100 (an hour)" in line and "data.batch_size=8 (about half)" in line
    assert "data.size of half the side (about a quarter)" in line and "trainer.threads=8 (now 1)" in line
    volumes = DataConfig.model_construct(batch_size=16, spatial_dims=3, size=128, patch=[64, 64, 64])
    assert "data.patch of half the side (about an eighth)" in forecast(volumes, TRAINER, 36.0, 1600, cores=1)
    assert "4.2 days" in forecast(DATA, TRAINER, 0.36, 10**6, cores=1) and "(2.8 steps/s" in forecast(
        DATA, TRAINER, 0.36, 10**6, 1
    )


def test_a_run_of_less_than_an_hour_says_nothing() -> None:
    assert (
        forecast(DATA, TRAINER, 36.0, 100, cores=8) == ""
        and forecast(DATA, TRAINER, 36.0, 101, cores=8) != ""
    )


@pytest.mark.parametrize(
    ("seconds", "told_at", "rate"),
    [(5.0, 11, "5 s a step"), (40.0, 3, "40 s a step"), (500.0, 2, "500 s a step")],
)
def test_ten_steps_are_timed_or_a_minute_and_neither_warming_up_nor_validations(
    monkeypatch: pytest.MonkeyPatch, seconds: float, told_at: int, rate: str
) -> None:
    """The first step takes an hour, and so does the validation after the second one."""
    clock = SimpleNamespace(now=0.0)
    said: list[str] = []
    monkeypatch.setattr(module.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(module.console, "print_status", said.append)
    callback, task = Forecast(DATA, TRAINER), AdversarialTask.__new__(AdversarialTask)
    trainer: Any = SimpleNamespace(is_global_zero=True, max_steps=5000)
    monkeypatch.setattr(AdversarialTask, "batches_done", property(lambda self: clock.done), raising=False)
    for step in range(1, 30):
        callback.on_train_batch_start(trainer, task, None, step)
        clock.now += 3600.0 if step == 1 else seconds
        clock.done = step
        callback.on_train_batch_end(trainer, task, None, None, step)
        assert bool(said) == (step >= told_at)
        if step == 2:
            callback.on_validation_start(trainer, task)
            clock.now += 3600.0
            callback.on_validation_end(trainer, task)
    assert len(said) == 1 and rate in said[0]


@pytest.mark.parametrize("progress", ["bar", "lines", "none"])
def test_every_kind_of_progress_has_the_line(
    run: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, progress: str
) -> None:
    monkeypatch.setattr(module, "LONG", 0.0)
    monkeypatch.setattr(module, "STEPS", 2)
    run("out", f"callbacks.progress={progress}", "trainer.max_steps=4")
    assert capsys.readouterr().err.count("to go on this machine") == 1


@pytest.mark.parametrize(
    ("waiting", "count", "line"),
    [
        (0.05, 1, ""),
        (0.25, 1, "time of training: 25.0% waiting for data; less with data.workers=2, if there are cores"),
        (
            0.01,
            2,
            "time of training: 1.0% waiting for data, 3.0% averaging gradients over 2 processes, wait",
        ),
    ],
)
def test_what_a_run_waited_for(waiting: float, count: int, line: str) -> None:
    told = waited(waiting, 0.03, count, workers=0)
    assert told.startswith(line) and bool(told) == bool(line)
    assert ("data.workers" in told) == (waiting > 0.1)
