"""Metrics of somebody's own, asked for each case: `task.metrics=[{_target_: mylab.scores.Name}]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from ganatomy.errors import UserError
from ganatomy.metrics.registry import register


@runtime_checkable
class OutsideMetric(Protocol):
    """A score of one case, by somebody's own code.

    `name` and `higher_is_better` (True, False, or None for neither) are needed; `label`, `unit` and
    `decimals` say how it is written. With `per_class = True` the call gives one number for each class but the
    background, in their order.

    A call takes the prediction and the truth of a case, alike in shape, and gives NaN where nothing can be
    told, which is left out of means. Segmentation: label maps [*spatial], in eight bits where these hold all
    classes. Enhancement: float64 images [n, C, *spatial] in the units of the file, n > 1 for the slices of a
    volume.
    """

    name: str
    higher_is_better: bool | None

    def __call__(self, prediction: Tensor, truth: Tensor) -> Any: ...


class Values(NamedTuple):
    """Of one case: `by_class` [metrics, classes] and `single` [metrics], float64."""

    by_class: Tensor
    single: Tensor


class OutsideMetrics:
    """The metrics of `task.metrics` of one run; each is entered in the registry.

    Args:
        metrics: see `OutsideMetric`.
        classes: the task scores classes, so that metrics may be `per_class`.

    Raises:
        UserError: what is given is no such metric, or two have one name.
    """

    def __init__(self, metrics: Sequence[Any] = (), classes: bool = False) -> None:
        self.metrics: list[OutsideMetric] = []
        for metric in metrics:
            if not callable(metric) or isinstance(metric, type):
                raise UserError(f"task.metrics: {metric!r} is no metric; give {{_target_: the class of one}}")
            register(metric)
            if metric.name in [other.name for other in self.metrics]:
                raise UserError(f"task.metrics: two are called {metric.name}; name them apart")
            if _is_per_class(metric) and not classes:
                raise UserError(f"task.metrics: {metric.name} is per_class, and this task scores no classes")
            self.metrics.append(metric)
        self.by_class = tuple(metric.name for metric in self.metrics if _is_per_class(metric))
        self.single = tuple(metric.name for metric in self.metrics if not _is_per_class(metric))

    def values(self, case: str, prediction: Tensor, truth: Tensor, classes: Sequence[str] = ()) -> Values:
        """Ask every metric about one case.

        Args:
            case: its name, for errors.
            prediction: what is scored.
            truth: what it is held against.
            classes: names of those that a metric per class gives a number for.

        Raises:
            UserError: a metric fails, or gives something else than its numbers.
        """
        by_class, single = torch.empty(0, len(classes)).double(), torch.empty(0).double()
        for metric in self.metrics:
            count = len(classes) if _is_per_class(metric) else 1
            found = _numbers(metric, case, prediction, truth, count)
            if _is_per_class(metric):
                by_class = torch.cat([by_class, found[None]])
            else:
                single = torch.cat([single, found])
        return Values(by_class, single)

    def named(self, case: str, prediction: Tensor, truth: Tensor) -> dict[str, float]:
        """The same by name, where no metric is per class."""
        found = self.values(case, prediction, truth).single
        return dict(zip(self.single, found.tolist(), strict=True))


def _is_per_class(metric: Any) -> bool:
    return bool(getattr(metric, "per_class", False))


def _numbers(metric: Any, case: str, prediction: Tensor, truth: Tensor, count: int) -> Tensor:
    """What a metric says of a case, [count] in float64 on the CPU."""
    try:
        found = torch.as_tensor(metric(prediction, truth), dtype=torch.double).detach().cpu().flatten()
    except Exception as error:  # the user's own code, which may fail in any way
        told = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(f"task.metrics: {metric.name} fails for {case} ({told})") from error
    if len(found) != count:
        wanted = "one number" if count == 1 else f"{count} numbers, one a class but the background"
        raise UserError(f"task.metrics: {metric.name} gives {len(found)} numbers for {case}; give {wanted}")
    return found
