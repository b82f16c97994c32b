"""A tracker whose failure ends its logging, and not the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pytorch_lightning.utilities import rank_zero_only

from ganatomy.callbacks.trackers.base import Tracker
from ganatomy.config.mistakes.explain import explain
from ganatomy.runs.console import print_status


class Expendable(Tracker):
    """Tracker whose failure ends its logging, in one line, and not the run; the history is another's.

    Args:
        label: Name for that line.
        begin: Makes the tracker.
    """

    ended: ClassVar[set[str]] = set()
    """Labels of those that failed in this process."""

    def __init__(self, label: str, begin: Callable[[], Tracker]) -> None:
        super().__init__()
        self.ended.discard(label)
        self.label = label
        self.inner: Tracker | None = None
        self.inner = self.attempt(begin)

    def attempt(self, call: Callable[..., Any], *args: Any) -> Any:
        """Call a function of the tracker; if it fails, that was the last call."""
        try:
            return call(*args)
        except Exception as error:
            self.inner = None
            self.ended.add(self.label)
            line = explain(error) if isinstance(error, OSError) else None
            why = (line or f"{type(error).__name__}: {error}").removeprefix("error: ").partition(";")[0]
            why = " ".join(why.split())[:300]
            print_status(f"logger: {self.label} ends here ({why}); the run goes on, metrics.csv has it all")
            return None

    @property
    def name(self) -> str | None:
        return self.inner.name if self.inner else None

    @property
    def version(self) -> int | str | None:
        return self.inner.version if self.inner else None

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if self.inner:
            self.attempt(self.inner.log_metrics, metrics, step)

    @rank_zero_only
    def save(self) -> None:
        if self.inner:
            self.attempt(self.inner.save)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        if self.inner:
            self.attempt(self.inner.finalize, status)

    def show(self, pictures: Mapping[str, np.ndarray], step: int) -> None:
        if self.inner:
            self.attempt(self.inner.show, pictures, step)

    def alert(self, title: str, text: str) -> None:
        if self.inner:
            self.attempt(self.inner.alert, title, text)

    def summarise(self, values: Mapping[str, str]) -> None:
        if self.inner:
            self.attempt(self.inner.summarise, values)

    def keep(self, files: Sequence[Path], data_hash: str) -> None:
        if self.inner:
            self.attempt(self.inner.keep, files, data_hash)

    def close(self, exit_code: int) -> None:
        if self.inner:
            self.attempt(self.inner.close, exit_code)
