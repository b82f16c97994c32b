"""Progress of a long command: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ganatomy.runs.terminal import Terminal

LINE_EVERY_SECONDS = 20.0


class CountedProgress:
    """Show how many of some things are done, and the time left.

    Args:
        what: Name of the things, or what is done to them.
        total: Number of them.
        done: Number of them that were there at the beginning.
    """

    def __init__(self, what: str, total: int, done: int = 0) -> None:
        self.what, self.total, self.done = what, total, done
        self.timed: int | None = None
        self.console = Terminal(stderr=True)
        self.begun = self.last_line = time.monotonic()
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> Self:
        self.bar.start()
        self.bar.add_task(self.what, total=self.total, completed=self.done)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def step(self, count: int = 1) -> None:
        """Count so many more; without a terminal, write a line from time to time."""
        self.done += count
        self.bar.update(self.bar.task_ids[0], completed=self.done)
        now = time.monotonic()
        if self.timed is None:  # what came before the first one is a start, and tells nothing of the others
            self.begun, self.timed = now, self.done
        elif not self.console.is_terminal and now - self.last_line > LINE_EVERY_SECONDS:
            self.last_line = now
            left = (now - self.begun) / (self.done - self.timed) * (self.total - self.done)
            self.console.print(f"{self.what}: {self.done}/{self.total}, {shown_time(left)} left")


def shown_time(seconds: float) -> str:
    """Return a time as text: seconds, or from a minute and a half on minutes."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
