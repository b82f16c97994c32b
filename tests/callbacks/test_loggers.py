"""A logger that fails ends its logging, not the run; the history is no such logger."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganatomy.callbacks.history import History
from ganatomy.callbacks.loggers import show
from ganatomy.callbacks.trackers.base import Tracker
from ganatomy.callbacks.trackers.expendable import Expendable
from ganatomy.callbacks.trackers.tensorboard import TensorBoardTracker

FULL = OSError(errno.ENOSPC, "No space left on device", "/run/wandb/x")


class Failing(Tracker):
    """Fails in the method that is named, and counts the calls."""

    def __init__(self, method: str, error: Exception = FULL) -> None:
        super().__init__()
        self.method, self.error, self.calls = method, error, 0

    name = version = "failing"  # type: ignore[assignment]

    def _call(self, method: str) -> None:
        self.calls += 1
        if method == self.method:
            raise self.error

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        self._call("log_hyperparams")

    def log_metrics(self, *_: Any, **__: Any) -> None:
        self._call("log_metrics")

    def save(self) -> None:
        self._call("save")

    def finalize(self, status: str) -> None:
        self._call("finalize")


@pytest.mark.parametrize("method", ["begin", "log_metrics", "save", "finalize"])
@pytest.mark.parametrize("error", [FULL, RuntimeError("the service\nis gone"), KeyError("x")])
def test_a_failure_is_one_line_and_the_last_call(
    method: str, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = Failing(method, error)

    def begin() -> Tracker:
        if method == "begin":
            raise error
        return inner

    logger = Expendable("W&B", begin)
    for _ in range(2):
        logger.log_metrics({"a": 1.0}, step=1)
        logger.save()
        logger.finalize("success")
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and said[0].startswith("logger: W&B ends here (")
    assert inner.calls == ["begin", "log_metrics", "save", "finalize"].index(method)
    if error is FULL:
        assert "/run/wandb/x: no room left on the disk" in said[0]


def test_pictures_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = TensorBoardTracker(tmp_path)

    def refuse(*_: Any, **__: Any) -> None:
        raise FULL

    logger = Expendable("TensorBoard", lambda: board)
    picture = {"grid": np.zeros((4, 4, 3), np.uint8)}
    show([logger], picture, 1)
    assert not capsys.readouterr().err and list(tmp_path.rglob("events.*"))
    board.experiment.add_image = refuse
    show([logger], picture, 2)
    show([logger], picture, 3)
    assert capsys.readouterr().err.count("TensorBoard ends here") == 1


def test_the_history_that_fails_is_a_failure_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History(tmp_path / "metrics.csv")
    history.log_metrics({"a": 1.0}, step=1)
    monkeypatch.setattr(Path, "open", lambda *_, **__: (_ for _ in ()).throw(FULL))
    with pytest.raises(OSError):
        history.save()
