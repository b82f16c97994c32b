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
        what: Name of the things, in the plural.
        total: Number of them.
        done: Number of them that were there at the beginning.
    """

    def __init__(self, what: str, total: int, done: int = 0) -> None:
        self.what, self.total, self.done, self.first = what, total, done, done
        self.console = Terminal(stderr=True)
        self.begun = self.last_line = time.monotonic()
        columns = (TextColumn(f"[bold]{what}"), BarColumn(bar_width=28), MofNCompleteColumn())
        self.bar = Progress(
            *columns,
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

    def step(self) -> None:
        """Count one more; without a terminal, write a line from time to time."""
        self.done += 1
        self.bar.update(self.bar.task_ids[0], completed=self.done)
        now = time.monotonic()
        if self.done == self.first + 1:  # what came before is the start of the processes
            self.begun = now
        elif not self.console.is_terminal and now - self.last_line > LINE_EVERY_SECONDS:
            self.last_line = now
            left = (now - self.begun) / (self.done - self.first - 1) * (self.total - self.done)
            self.console.print(f"{self.what}: {self.done}/{self.total}, {left:.0f} s left")
