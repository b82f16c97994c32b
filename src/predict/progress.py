"""Progress of a prediction: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ganatomy.predict.journal import Entry
from ganatomy.predict.work import Report
from ganatomy.runs.terminal import Terminal

LINE_EVERY_SECONDS = 20.0


@contextmanager
def progress(total: int, done: int) -> Iterator[Report]:
    """Show how many cases are done and how long the others will take; failures and warnings are lines.

    Args:
        total: Number of cases.
        done: How many were done before.
    """
    console = Terminal(stderr=True)
    bar = Progress(
        TextColumn("predict"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    begun = last = time.monotonic()
    count = 0

    def report(entry: Entry) -> None:
        nonlocal last, count
        count += 1
        if entry.status == "failed":
            console.print(f"error: {entry.error}", soft_wrap=True)
        elif entry.warnings:
            console.print(f"note: {' '.join(entry.case.split())}: {entry.warnings}", soft_wrap=True)
        bar.advance(task)
        now = time.monotonic()
        if not console.is_terminal and now - last > LINE_EVERY_SECONDS:
            last, left = now, (total - done - count) * (now - begun) / count
            sys.stderr.write(f"predict: {done + count} of {total}, about {_shown(left)} left\n")

    with bar:
        task = bar.add_task("predict", total=total, completed=done)
        yield report


def _shown(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
