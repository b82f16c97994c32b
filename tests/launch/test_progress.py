"""Plain lines of progress: how many are done, and a time left that no slow start spoils."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ganatomy.launch import progress
from ganatomy.launch.progress import CountedProgress, shown_time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def lines(clock: list[float], counted: CountedProgress, seconds: list[float]) -> Iterator[None]:
    for each in seconds:
        clock[0] += each
        counted.step()
        yield


def test_the_time_left_is_that_of_the_later_ones(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """A start of 500 s, then 10 s each: with 9 of 110 done, 101 take 1010 s."""
    with CountedProgress("predict", 110, done=4) as counted:
        for _ in lines(clock, counted, [500, 10, 10, 10, 10, 10]):
            pass
    assert capsys.readouterr().err.splitlines()[-1] == "predict: 9/110, 17 min left"


def test_lines_come_from_time_to_time(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with CountedProgress("images", 1000) as counted:
        for _ in lines(clock, counted, [1.0] * 100):
            pass
    assert len(capsys.readouterr().err.splitlines()) == 4


def test_times_as_text() -> None:
    assert [shown_time(seconds) for seconds in (0.4, 89, 90, 3600)] == ["0 s", "89 s", "2 min", "60 min"]
