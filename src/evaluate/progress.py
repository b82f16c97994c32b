"""Progress of an evaluation: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ganatomy.runs.terminal import Terminal

LINE_EVERY_SECONDS = 20.0


class Counting:
    """Context that counts cases; call it with the number of those that were just done.

    Args:
        what: What is done to them.
        total: Number of all cases.
    """

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done = what, total, 0
        self.console = Terminal(stderr=True)
        self.begun = self.last = time.monotonic()
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
        )
        self.bar = Progress(
            *columns,
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> Self:
        self.bar.start()
        self.task = self.bar.add_task(self.what, total=self.total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def __call__(self, count: int) -> None:
        self.done += count
        self.bar.update(self.task, completed=self.done)
        now = time.monotonic()
        if not self.console.is_terminal and now - self.last > LINE_EVERY_SECONDS:
            self.last = now
            left = (now - self.begun) / self.done * (self.total - self.done)
            self.console.print(f"{self.what}: {self.done}/{self.total} cases, {left:.0f} s left")
