"""Average of one player's gradients in buckets, begun while its last backward pass of the step goes on.

Li et al., PyTorch Distributed, arXiv 2006.15704, section 3.2. Micro-batches add to `.grad` in several passes;
only the last one may begin the sums.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ganatomy.adversarial.distributed.collectives import processes
from ganatomy.adversarial.distributed.gradient_average import Bucket, GradientAverage


class PendingBucket(Bucket):
    """Bucket whose sum goes on while other gradients are computed."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        super().__init__(parameters)
        self.missing = len(parameters)
        self._work: dist.Work | None = None

    def start(self) -> None:
        self._work = dist.all_reduce(self.gathered(), async_op=True)

    def finish(self) -> None:
        assert self._work is not None
        self._work.wait()
        self.spread()


class OverlappedAverage(GradientAverage):
    """`GradientAverage` in buckets that are summed while the backward pass fills the next ones.

    Buckets begin in one order in every process, that of the parameters from the last to the first, so that
    collectives match.

    Args:
        size: Bytes of a bucket.

    Example:
        >>> discriminator = nn.Linear(1, 1, bias=False)
        >>> average = OverlappedAverage(size=25e6)
        >>> with average.last_backward(list(discriminator.parameters())):
        ...     discriminator(torch.ones(2, 1)).mean().backward()
        >>> average(discriminator.parameters())  # waits for the buckets; a single process has none
        >>> discriminator.weight.grad
        tensor([[1.]])
    """

    def __init__(self, size: float) -> None:
        super().__init__()
        self.size = size
        self._begun: list[PendingBucket] = []

    @contextmanager
    def last_backward(self, parameters: Sequence[nn.Parameter], early: bool = True) -> Iterator[None]:
        """Sum the gradients of these parameters as the backward pass inside completes them.

        What earlier passes of the step left in `.grad` counts, too. On exit every bucket has begun.

        Args:
            parameters: Parameters of the player, in the same order in every process.
            early: False to begin on exit only: `.grad` changes inside other than by one backward pass, or
                that pass makes collectives of its own, which must keep their place among the sums.
        """
        if processes() == 1:
            yield
            return
        buckets = self._buckets(parameters)
        place = {p: bucket for bucket in buckets for p in bucket.parameters}
        waiting = list(reversed(buckets))
        self._begun = [each for each in self._begun if each.parameters[0] not in place]  # of a step given up

        def ready(parameter: Tensor) -> None:
            place[parameter].missing -= 1  # type: ignore[index]
            while waiting and not waiting[-1].missing:
                self._start(waiting.pop())

        hooks: list[RemovableHandle] = []
        for p in place if early else ():
            hooks.append(p.register_post_accumulate_grad_hook(ready))  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
        while waiting:
            self._start(waiting.pop())
        self._begun += buckets

    @torch.no_grad()
    def __call__(self, parameters: Iterable[nn.Parameter]) -> None:
        """Wait for the buckets of these parameters; those that were not begun are averaged in one call."""
        given = dict.fromkeys(p for p in parameters if p.requires_grad)
        begun = [bucket for bucket in self._begun if bucket.parameters[0] in given]
        self._begun = [bucket for bucket in self._begun if bucket not in begun]
        for bucket in begun:
            with self.timed(bucket.parameters[0].device):
                bucket.finish()
            for p in bucket.parameters:
                given.pop(p, None)
        self.calls += bool(begun)
        if given:
            super().__call__(given)

    def _start(self, bucket: PendingBucket) -> None:
        with torch.no_grad(), self.timed(bucket.parameters[0].device):
            bucket.start()

    def _buckets(self, parameters: Sequence[nn.Parameter]) -> list[PendingBucket]:
        """Return the parameters in buckets of one dtype, from the last parameter to the first."""
        groups: list[list[nn.Parameter]] = []
        room = 0.0
        for p in reversed(list(parameters)):
            size = p.numel() * p.element_size()
            if not groups or room < size or groups[-1][0].dtype != p.dtype:
                groups.append([])
                room = self.size
            groups[-1].append(p)
            room -= size
        return [PendingBucket(group) for group in groups]
