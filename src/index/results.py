"""Scores of a run for the overview: its main scores, the best baseline beside each, and its twin."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganatomy.index.small_files import number_of, section, text_of
from ganatomy.metrics.differences.behind import TWIN, VARIANTS
from ganatomy.metrics.registry import describe
from ganatomy.pictures.scores import HUGE, OURS, Table, table

NO_BASELINES = (OURS, "floor", TWIN, *VARIANTS)
"""Sources of scores that are no baselines."""
MOST = 4
"""Scores of a run that have a column."""
NODES = 5000
"""Values of a configuration that are compared at most."""
ALIKE = (("task",), ("data",), ("degradation",), ("model", "generator"), ("trainer", "max_steps"), ("seed",))
"""Parts of a configuration that a run and its twin without discriminator have in common."""
PLACES = {"cache", "cache_dir", "cache_gb", "workers"}
"""Keys that change no number."""


@dataclass(frozen=True)
class Value:
    """One score of a run.

    Attributes:
        name: Part of its flat name, such as dice or kid/imagenet.
        number: Its value.
        baseline: Name and value of the best baseline, if there is one.
    """

    name: str
    number: float
    baseline: tuple[str, float] | None = None

    @property
    def heading(self) -> str:
        """Return the label with an arrow towards the better direction."""
        entry, row = describe(self.name.split("/")[0]), self.name.partition("/")[2]
        return f"{entry.label}{f' {row}' if row else ''}{('', ' ↑', ' ↓')[entry.sign]}"

    @property
    def sign(self) -> int:
        """Return 1 if higher is better, -1 if lower is, 0 if neither is."""
        return describe(self.name.split("/")[0]).sign

    def text(self, number: float | None = None) -> str:
        """Return a value as it is printed; this one's without a number."""
        value = self.number if number is None else number
        decimals = describe(self.name.split("/")[0]).decimals
        return f"{value:.{decimals}f}" if abs(value) < HUGE else f"{value:.3g}"


def values(metrics: Mapping[str, Any], monitor: str) -> list[Value]:
    """Return the main scores of a run, that which its checkpoint was chosen by first.

    Args:
        metrics: Content of metrics.json.
        monitor: Name of the score that the checkpoint was chosen by, such as val/dice.
    """
    scores = table({name: value for name, item in metrics.items() if (value := number_of(item)) is not None})
    wanted = monitor.partition("/")[2]
    names: dict[str, tuple[str, str]] = {}
    for score, row, _ in scores.lines():
        flat = score if row == "mean" else f"{score}/{row}"
        if flat == wanted or score not in {first for first, _ in names.values()}:
            names[flat] = (score, row)
    order = sorted(names, key=lambda flat: flat != wanted)[:MOST]
    return [_value(scores, flat, *names[flat]) for flat in order]


def behind(status: Mapping[str, Any], score: Value | None) -> tuple[str, ...]:
    """Return the names of what a run is behind; empty if it leads or is level.

    Args:
        status: Content of status.json, whose `behind` knows intervals; without it the plain difference to the
            best baseline decides.
        score: Main score with the best baseline.
    """
    known = status.get("behind")
    if isinstance(known, list):
        told = [item for item in known if isinstance(item, dict) and item.get("level") is False]
        return tuple(text_of(item.get("than")).replace("_", " ") for item in told)
    worse = score is not None and score.baseline and score.sign * (score.baseline[1] - score.number) > 0
    return (score.baseline[0],) if worse and score is not None and score.baseline else ()


def _value(scores: Table, flat: str, score: str, row: str) -> Value:
    number = scores.values[score, row, OURS]
    sign = describe(score).sign
    others = {s: scores.values.get((score, row, s)) for s in scores.sources if s not in NO_BASELINES}
    known = {source: value for source, value in others.items() if value is not None}
    best = max(known, key=lambda source: sign * known[source]) if known and sign else None
    return Value(flat, number, (best, known[best]) if best else None)


def players(config: Mapping[str, Any]) -> str:
    """Return the classes of generator and discriminator, or that there is none."""
    model = section(config, "model")
    generator = _class(section(model, "generator"))
    if not model:
        return ""
    if model.get("discriminator") is None:
        return f"{generator}, no discriminator"
    return f"{generator} + {_class(section(model, 'discriminator'))}"


def _class(node: Mapping[str, Any]) -> str:
    """Return the class of a section; of several sections by name, the first class."""
    if target := text_of(node.get("_target_")):
        return target.rpartition(".")[2]
    inner = [_class(part) for part in node.values() if isinstance(part, dict)]
    return next((name for name in inner if name != "?"), "?")


def pairing(config: Mapping[str, Any]) -> tuple[str, bool]:
    """Return a hash of what a run shares with its twin, and True if it has no discriminator itself.

    The hash is empty where the configuration does not say enough.
    """
    parts: list[tuple[str, str]] = []
    for path in ALIKE:
        node: Any = config
        for name in path:
            node = node.get(name) if isinstance(node, dict) else None
        if node is None and path != ("degradation",):
            return "", False
        parts += [(".".join((*path, key)), value) for key, value in _leaves(node, len(parts))]
    if len(parts) >= NODES:
        return "", False
    text = "\n".join(f"{key}={value}" for key, value in sorted(parts))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(), section(config, "model").get(
        "discriminator"
    ) is None


def _leaves(node: Any, begun: int) -> Iterator[tuple[str, str]]:
    """Yield dotted keys and values, at most `NODES`: aliases of YAML can unfold without end."""
    waiting, seen = [("", node)], begun
    while waiting and seen < NODES:
        key, value = waiting.pop()
        seen += 1
        if isinstance(value, dict):
            waiting += [(f"{key}.{name}", item) for name, item in value.items() if name not in PLACES]
        elif isinstance(value, list):
            waiting += [(f"{key}.{place}", item) for place, item in enumerate(value)]
        else:
            yield key, repr(value)


def sharing(keys: Sequence[tuple[str, bool]]) -> list[int | None]:
    """Return for each run the place of its twin in the same list, the last one where there are several.

    Args:
        keys: What `pairing` returned for each run, in the order of their dates.
    """
    twins = {key: place for place, (key, alone) in enumerate(keys) if alone and key}
    return [None if alone or not key else twins.get(key) for key, alone in keys]
