"""Keys of the configuration in which arms differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ganatomy.compare.arms import Arm
from ganatomy.invocation import redacted

LEFT_OUT = {"callbacks", "debug", "logger", "name", "paths", "resume", "resume_force", "run_dir"}
"""Sections and keys that change no number."""
LEAVES_LEFT_OUT = {
    "cache",
    "cache_dir",
    "cache_gb",
    "workers",
    "save_format",
    "save_predictions",
    "save_samples",
}
SCORED, GRID = "task.scored", ("data.size", "data.spacing", "data.fit", "data.orientation")
"""Keys that decide on which grid test scores are taken."""
MISSING = "(none)"
LONGEST = 80


def differing(arms: Sequence[Arm]) -> list[tuple[str, list[str]]]:
    """Return each key with its value in each arm, where they differ; values within an arm are listed."""
    runs = [(place, run.config) for place, arm in enumerate(arms) for run in arm.runs]
    rows = []
    for key, texts in _walk([config for _, config in runs], ""):
        of_arm = [
            list(dict.fromkeys(text for (place, _), text in zip(runs, texts, strict=True) if place == number))
            for number in range(len(arms))
        ]
        if any(set(of_arm[0]) != set(other) for other in of_arm[1:]):
            rows.append((key, [_short(key, ", ".join(values)) for values in of_arm]))
    return rows


def _walk(nodes: Sequence[Any], key: str) -> Iterator[tuple[str, list[str]]]:
    if all(isinstance(node, Mapping) for node in nodes):
        for name in dict.fromkeys(name for node in nodes for name in node):
            if (not key and name in LEFT_OUT) or name in LEAVES_LEFT_OUT:
                continue
            inner = [node.get(name, MISSING) for node in nodes]
            yield from _walk(inner, f"{key}.{name}" if key else str(name))
    elif len(texts := [_text(node) for node in nodes]) and len(set(texts)) > 1:
        yield key, texts


def _text(node: Any) -> str:
    if isinstance(node, Mapping):
        target = str(node.get("_target_", ""))
        inner = ", ".join(f"{name}: {_text(item)}" for name, item in node.items())
        return target.rpartition(".")[2] or f"{{{inner}}}"
    if isinstance(node, list):
        return f"[{', '.join(map(_text, node))}]"
    return "null" if node is None else str(node).lower() if isinstance(node, bool) else str(node)


def _short(key: str, text: str) -> str:
    plain = redacted(f"{key}={' '.join(text.split())}").partition("=")[2]
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 1]}…"


def measured_otherwise(arms: Sequence[Arm]) -> list[str]:
    """Return a line for each way in which the arms' scores are not of the same measure."""
    keys = {key: texts for key, texts in differing(arms) if key in (SCORED, *GRID)}
    if SCORED in keys:
        words = ", ".join(f"{arm.letter} {text}" for arm, text in zip(arms, keys[SCORED], strict=True))
        return [f"caution: {SCORED} differs ({words}): the scores are not of the same measure"]
    if keys and any(
        (run.config.get("task") or {}).get("scored") == "network" for arm in arms for run in arm.runs
    ):
        return [
            f"caution: scores are of the network's grid, and {', '.join(keys)} differ: not the same measure"
        ]
    return []
