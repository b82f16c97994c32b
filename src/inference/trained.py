"""Training from Python: the command in a process of its own, and the run that it made."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganatomy.errors import GAME_FAILED, UserError
from ganatomy.invocation import child_command
from ganatomy.runs.directory import Run, failed_game

if TYPE_CHECKING:
    from ganatomy.inference.model import Model

LAST = "run: "
"""Beginning of the line by which `train` ends."""


@dataclass(frozen=True)
class TrainedRun:
    """A run that has finished.

    Attributes:
        path: The run directory.
    """

    path: Path

    @property
    def scores(self) -> dict[str, float | None]:
        """Return the final scores by flat name, as in metrics.json; None for one that is undefined."""
        return dict(Run(self.path).read("metrics.json") or {})

    @property
    def status(self) -> dict[str, Any]:
        """Return what status.json says: how the run ended, and how its game went."""
        return Run(self.path).known_status()

    def load(self, **settings: Any) -> Model:
        """Load the run as a function from images to predictions; see `ganatomy.load`."""
        from ganatomy.inference.model import load

        return load(self.path, **settings)


def train(words: Sequence[str] = (), quiet: bool = False) -> TrainedRun:
    """Train a run as `ganatomy train` does, and return it when it has finished.

    The run is a process of its own, so that it leaves nothing behind in this one, and what it prints appears
    here as it comes.

    Args:
        words: Words of the command line, such as "task=segmentation".
        quiet: Print nothing.

    Returns:
        The run. If its game failed, a warning says how.

    Raises:
        UserError: A word was refused, or the training failed; the message is the command's own.
    """
    if isinstance(words, str):
        raise UserError(f"words: give a list of words, as in [{words!r}]")
    lines: list[str] = []
    with subprocess.Popen(
        [*child_command("train"), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            if not quiet:
                sys.stdout.write(line)
    made = next((line.removeprefix(LAST) for line in reversed(lines) if line.startswith(LAST)), None)
    if process.returncode not in (0, GAME_FAILED) or made is None:
        said = [line for line in lines if line]
        why = next((line for line in reversed(said) if line.startswith("error: ")), said[-1] if said else "")
        raise UserError(why.removeprefix("error: ") or f"train ended with exit code {process.returncode}")
    if game := failed_game(made):
        warnings.warn(f"{made}: the game failed ({game}); see its report.html", stacklevel=2)
    return TrainedRun(Path(made))
