"""Average of one player's gradients in buckets, begun while its last backward pass of the step goes on.

Li et al., PyTorch Distributed, arXiv 2006.15704, section 3.2. Micro-batches add to `.grad` in several passes;
only the last one may begin the sums.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ganatomy.adversarial.distributed.collectives import processes
from ganatomy.adversarial.distributed.gradient_average import GradientAverage


class Bucket:
    """Parameters of one dtype whose gradients are summed over the processes together."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.parameters = parameters
        self.missing = len(parameters)
        self.absent: list[bool] = []
        self.flat: Tensor | None = None
        self.work: dist.Work | None = None

    @torch.no_grad()
    def start(self) -> None:
        """Begin the sum of the gradients, with a count of the processes that have each of them."""
        self.absent = [p.grad is None for p in self.parameters]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        there = gradients[0].new_tensor([0.0 if absent else 1.0 for absent in self.absent])
        self.flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), there])
        self.work = dist.all_reduce(self.flat, async_op=True)

    @torch.no_grad()
    def finish(self) -> None:
        """Wait for the sum and put the average into `.grad`."""
        assert self.flat is not None and self.work is not None
        self.work.wait()
        sizes = [p.numel() for p in self.parameters]
        *parts, counts = torch.split(self.flat, [*sizes, len(sizes)])
        averaged = [part.view_as(p) for part, p in zip(parts, self.parameters, strict=True)]
        torch._foreach_mul_(averaged, 1 / processes())
        held = [
            (p.grad, mean) for p, mean in zip(self.parameters, averaged, strict=True) if p.grad is not None
        ]
        torch._foreach_copy_([gradient for gradient, _ in held], [mean for _, mean in held])
        if any(self.absent):
            for p, mean, absent, count in zip(
                self.parameters, averaged, self.absent, counts.tolist(), strict=True
            ):
                if absent and count:
                    p.grad = mean.clone()


class OverlappedAverage(GradientAverage):
    """`GradientAverage` in buckets that are summed while the backward pass fills the next ones.

    Buckets begin in one order in every process, that of the parameters from the last to the first, so that
    collectives match.

    Args:
        size: Bytes of a bucket.
    """

    def __init__(self, size: float) -> None:
        super().__init__()
        self.size = size
        self._begun: list[Bucket] = []

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

        def ready(parameter: Tensor) -> None:
            place[parameter].missing -= 1  # type: ignore[index]
            while waiting and not waiting[-1].missing:
                self._start(waiting.pop())

        hooks = [p.register_post_accumulate_grad_hook(ready) for p in place] if early else []
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
        start = time.perf_counter()
        for bucket in begun:
            bucket.finish()
            for p in bucket.parameters:
                given.pop(p, None)
        self._seconds += time.perf_counter() - start
        self.calls += bool(begun)
        if given:
            super().__call__(given)

    def _start(self, bucket: Bucket) -> None:
        start = time.perf_counter()
        bucket.start()
        self._seconds += time.perf_counter() - start

    def _buckets(self, parameters: Sequence[nn.Parameter]) -> list[Bucket]:
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
        return [Bucket(group) for group in groups]
