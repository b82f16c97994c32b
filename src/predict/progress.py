"""Progress of a prediction; failures and warnings are lines of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ganatomy.launch.progress import CountedProgress
from ganatomy.predict.journal import Entry
from ganatomy.predict.work import Report


@contextmanager
def progress(total: int, done: int) -> Iterator[Report]:
    """Show how many cases are done and how long the others will take.

    Args:
        total: Number of cases.
        done: How many were done before.
    """
    with CountedProgress("predict", total, done) as counted:

        def report(entry: Entry) -> None:
            if entry.status == "failed":
                counted.console.print(f"error: {entry.error}", soft_wrap=True)
            elif entry.warnings:
                name = " ".join(entry.case.split())
                counted.console.print(f"note: {name}: {entry.warnings}", soft_wrap=True)
            counted.step()

        yield report
