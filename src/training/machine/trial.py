"""Updates timed on a copy of the game: no weight, random state or counter of the run moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganatomy.tasks.recipe import PLAYERS
from ganatomy.training.build import laid_out

if TYPE_CHECKING:
    from ganatomy.tasks.base import AdversarialTask


class Trial:
    """A copy of a game with one batch, whose updates are timed.

    Args:
        task: The copy; it is trained on.
        batch: A batch, or some rows of one.
        device: Where the copy computes.
        step: Number of the batch, which says which penalties are due.
    """

    def __init__(
        self, task: AdversarialTask, batch: Mapping[str, Any], device: torch.device, step: int
    ) -> None:
        self.task, self.device, self.step = task.to(device).train(), device, step
        self.take(batch)

    def take(self, batch: Mapping[str, Any]) -> None:
        """Go on with another batch."""
        self.batch = {key: _on(self.device, value) for key, value in batch.items()}

    def seconds(self, half: bool, layout: Sequence[str], clock: Callable[[], float]) -> float:
        """Time one update, its gradients included; no player steps.

        Args:
            half: Compute convolutions in bfloat16.
            layout: Players with channels innermost.
            clock: Seconds of wall or of CPU time.
        """
        for player in PLAYERS:
            if (network := getattr(self.task, player)) is not None:
                laid_out(network, player in layout)
        cast = torch.autocast(self.device.type, torch.bfloat16, enabled=half)
        self._wait()
        begun = clock()
        with cast:
            self.task.update(self.task.game, dict(self.batch), self.step, self._no_step)
        self._wait()
        return clock() - begun

    def _no_step(self, player: str) -> None:
        self.task.zero_grad(set_to_none=True)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


@contextmanager
def undisturbed(device: torch.device) -> Iterator[None]:
    """Put torch's random state and the number of threads back afterwards."""
    threads = torch.get_num_threads()
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def _on(device: torch.device, value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    return [_on(device, each) for each in value] if isinstance(value, list) else value
