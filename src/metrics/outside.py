"""Users' metrics, computed for each case: `task.metrics=[{_target_: mylab.scores.Name}]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from ganatomy.errors import UserError
from ganatomy.metrics.registry import register
from ganatomy.text.values import as_typed


@runtime_checkable
class OutsideMetric(Protocol):
    """Score of one case by a user's code.

    `name` and `higher_is_better` (True, False, or None for neither) are needed; `label`, `unit` and
    `decimals` say how it is written. With `per_class = True` the call gives one number for each class but the
    background, in their order.

    A call takes the prediction and the truth of a case, alike in shape, and gives NaN if the score is
    undefined; means leave it out. Segmentation: label maps [*spatial], in eight bits where these hold all
    classes. Enhancement: float64 images [n, C, *spatial] in the units of the file, n > 1 for the slices of a
    volume.
    """

    name: str
    higher_is_better: bool | None

    def __call__(self, prediction: Tensor, truth: Tensor) -> Any: ...


class Values(NamedTuple):
    """Values of one case: `by_class` [metrics, classes] and `single` [metrics], float64."""

    by_class: Tensor
    single: Tensor


class OutsideMetrics:
    """Metrics of `task.metrics` of one run; each is added to the registry, unless it is `registered` there.

    Args:
        metrics: Metrics; see `OutsideMetric`.
        classes: True if the task scores classes, so that metrics may be `per_class`.

    Raises:
        UserError: An object is not a metric, or two have the same name.
    """

    def __init__(self, metrics: Sequence[Any] = (), classes: bool = False) -> None:
        self.metrics: list[OutsideMetric] = []
        for metric in metrics:
            if not callable(metric) or isinstance(metric, type):
                raise UserError(
                    f"task.metrics: {as_typed(metric)} is not a metric; give {{_target_: a class}}"
                )
            if not getattr(metric, "registered", False):
                register(metric)
            if metric.name in [other.name for other in self.metrics]:
                raise UserError(f"task.metrics: two are called {metric.name}; rename one")
            if _is_per_class(metric) and not classes:
                raise UserError(f"task.metrics: {metric.name} is per_class, and this task scores no classes")
            self.metrics.append(metric)
        self.by_class = tuple(metric.name for metric in self.metrics if _is_per_class(metric))
        self.single = tuple(metric.name for metric in self.metrics if not _is_per_class(metric))

    def values(self, case: str, prediction: Tensor, truth: Tensor, classes: Sequence[str] = ()) -> Values:
        """Compute every metric of one case.

        Args:
            case: Name of the case, for errors.
            prediction: Prediction.
            truth: Truth of the same shape.
            classes: Names of the classes that a metric per class gives a number for.

        Raises:
            UserError: A metric fails, or gives a wrong number of values or an infinite one.
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
        """Return the values of one case by name, if no metric is per class.

        Args:
            case: Name of the case, for errors.
            prediction: Prediction.
            truth: Truth of the same shape.
        """
        found = self.values(case, prediction, truth).single
        return dict(zip(self.single, found.tolist(), strict=True))


def _is_per_class(metric: Any) -> bool:
    return bool(getattr(metric, "per_class", False))


def _numbers(metric: Any, case: str, prediction: Tensor, truth: Tensor, count: int) -> Tensor:
    """Return what a metric gives for a case, [count] in float64 on the CPU."""
    try:
        found = torch.as_tensor(metric(prediction, truth), dtype=torch.double).detach().cpu().flatten()
    except Exception as error:  # the user's own code, which may fail in any way
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(f"task.metrics: {metric.name} fails for {case} ({reason})") from error
    if len(found) != count:
        by_class = f"one number per class except the background: {count}"
        wanted = by_class if _is_per_class(metric) else "one number"
        raise UserError(f"task.metrics: {metric.name} gives {len(found)} numbers for {case}; give {wanted}")
    if found.isinf().any():
        raise UserError(f"task.metrics: {metric.name} gives inf for {case}; give finite numbers, or NaN")
    return found
