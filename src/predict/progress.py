"""Progress of a prediction; failures and the first warnings are lines of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ganatomy.launch.progress import CountedProgress
from ganatomy.predict.journal import TABLE, Entry
from ganatomy.predict.work import Report

SHOWN = 5
"""Number of warnings that are lines on the terminal."""


@contextmanager
def progress(total: int, done: int) -> Iterator[Report]:
    """Show how many cases are done and how long the others will take.

    Args:
        total: Number of cases.
        done: How many were done before.
    """
    warned = 0
    with CountedProgress("predict", total, done) as counted:

        def report(entry: Entry) -> None:
            nonlocal warned
            if entry.status == "failed":
                counted.console.print(f"error: {entry.error}", soft_wrap=True)
            elif entry.warnings:
                warned += 1
                name = " ".join(entry.case.split())
                if warned <= SHOWN:
                    counted.console.print(f"note: {name}: {entry.warnings}", soft_wrap=True)
                elif warned == SHOWN + 1:
                    counted.console.print(f"note: further warnings stand in {TABLE} alone")
            counted.step()

        yield report
