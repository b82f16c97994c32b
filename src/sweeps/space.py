"""Search space: the keys of a run that vary, over which values, and under which condition."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.config.translate import announce
from ganatomy.config.versions import values_of_today
from ganatomy.errors import UserError
from ganatomy.text.values import quoted

Values = dict[str, Any]
KEYS = ("low", "high", "log", "step", "choices", "when")


@dataclass(frozen=True)
class Parameter:
    """One key of a run; it is active only where every key of `when` has one of the values named there.

    The key is the one of the sweep's file, also where it has another name today: a study that was begun with
    it goes on.
    """

    key: str
    over: BaseDistribution
    when: Mapping[str, tuple[Any, ...]]

    def active(self, values: Values) -> bool:
        return all(values.get(key, ...) in wanted for key, wanted in self.when.items())

    def ends(self) -> list[Any]:
        """Return the values to check a run with: both ends, or every choice."""
        if isinstance(self.over, CategoricalDistribution):
            return list(self.over.choices)
        assert isinstance(self.over, FloatDistribution | IntDistribution)
        return [self.over.low, self.over.high]

    def grid(self) -> list[Any]:
        """Return every value; UserError where there is no finite number of them."""
        if isinstance(self.over, CategoricalDistribution):
            return list(self.over.choices)
        if isinstance(self.over, IntDistribution) and not self.over.log:
            return list(range(self.over.low, self.over.high + 1, self.over.step))
        if isinstance(self.over, FloatDistribution) and self.over.step:
            count = round((self.over.high - self.over.low) / self.over.step)
            return [round(self.over.low + i * self.over.step, 12) for i in range(count + 1)]
        raise UserError(f"space.{self.key}: a grid needs choices, whole numbers or a step")


def read_space(nodes: Mapping[str, Any]) -> list[Parameter]:
    """Read parameters from `key: [choices]` or `key: {low, high, log, step | choices, when}`, in order."""
    found: dict[str, Parameter] = {}
    for key, node in nodes.items():
        if isinstance(node, list):
            node = {"choices": node}
        if not isinstance(node, Mapping):
            raise UserError(f"space.{key}: needs a list of choices, or low and high, got {quoted(node)}")
        for name in node:
            if name not in KEYS:
                raise UserError(f"space.{key}.{name}: no such key{nearest(str(name), KEYS)}")
        when = {
            str(other): tuple(map(word, wanted if isinstance(wanted, list) else [wanted]))
            for other, wanted in (node.get("when") or {}).items()
        }
        for other, wanted in when.items():
            if other not in found:
                raise UserError(f"space.{key}.when: {other} is no parameter above it{nearest(other, found)}")
            over = found[other].over
            if isinstance(over, CategoricalDistribution) and not set(wanted) <= set(over.choices):
                raise UserError(f"space.{key}.when: {other} never is {', '.join(map(str, wanted))}")
        found[key] = Parameter(key, _distribution(key, node), when)
    try:
        announce(f"space.{line}" for line in values_of_today(nodes)[1])
    except UserError as error:
        raise UserError(f"space: {error}") from error
    if not found:
        raise UserError("space: is empty; choose one with +sweep=NAME")
    return list(found.values())


def _distribution(key: str, node: Mapping[str, Any]) -> BaseDistribution:
    if "choices" in node:
        if not isinstance(node["choices"], list) or not node["choices"]:
            raise UserError(f"space.{key}.choices: needs a list of values")
        return CategoricalDistribution([word(choice) for choice in node["choices"]])
    low, high = node.get("low"), node.get("high")
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in (low, high)):
        raise UserError(f"space.{key}: needs a list of choices, or numbers low and high")
    step, log = node.get("step"), bool(node.get("log", False))
    try:
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=log, step=1 if step is None else step)
        assert low is not None and high is not None
        return FloatDistribution(float(low), float(high), log=log, step=step)
    except (TypeError, ValueError) as error:
        raise UserError(f"space.{key}: {str(error).replace('`', '')}") from error


def word(value: Any) -> Any:
    """Return a value as it is written behind `key=`: lists, sections and null as text."""
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{','.join(str(word(item)) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{word(item)}' for key, item in value.items())}}}"
    return value


def words(values: Values) -> list[str]:
    """Return `key=value` for each value, as `train` takes them."""
    return [f"{key}={str(v).lower() if isinstance(v, bool) else v}" for key, v in values.items()]


def suggest(trial: Trial, space: list[Parameter]) -> Values:
    """Draw each parameter that is active, given the values of those above it."""
    values: Values = {}
    for parameter in space:
        if parameter.active(values):
            values[parameter.key] = _value(trial, parameter.key, parameter.over)
    return values


def _value(trial: Trial, key: str, over: BaseDistribution) -> Any:
    if isinstance(over, CategoricalDistribution):
        return trial.suggest_categorical(key, over.choices)
    if isinstance(over, IntDistribution):
        return trial.suggest_int(key, over.low, over.high, step=over.step, log=over.log)
    assert isinstance(over, FloatDistribution)
    return trial.suggest_float(key, over.low, over.high, step=over.step, log=over.log)


def grid(space: list[Parameter]) -> list[Values]:
    """Return every combination once; a parameter that is not active has no value."""
    combinations: list[Values] = [{}]
    for parameter in space:
        combinations = [
            values | more
            for values in combinations
            for more in ([{parameter.key: v} for v in parameter.grid()] if parameter.active(values) else [{}])
        ]
    return combinations


def probes(space: list[Parameter]) -> Iterator[tuple[Parameter, Values]]:
    """Yield each parameter with each of its ends, in the fewest other values that make it active."""
    for parameter in space:
        for needed in itertools.islice(_needed(parameter, space), 1):
            for end in parameter.ends():
                yield parameter, {**needed, parameter.key: end}


def _needed(parameter: Parameter, space: list[Parameter]) -> Iterator[Values]:
    """Yield values of the parameters above it that make it active."""
    above = [other for other in space if other.key in parameter.when]
    for values in itertools.product(*(parameter.when[other.key] for other in above)):
        needed: Values = {}
        for other, value in zip(above, values, strict=True):
            needed |= next(_needed(other, space), {}) | {other.key: value}
        yield needed
