"""Write configuration.yaml of an experiment: all values its arms rely on, from conf/ as it is now."""

from __future__ import annotations

import json
from typing import Any

import yaml

from ganatomy.config.compose import as_written, parsed
from ganatomy.experiments.fingerprint import is_free
from ganatomy.experiments.pinned import FIXED, PINNED, choices
from ganatomy.experiments.spec import RUN, Experiment
from ganatomy.runs.directory import write_atomically

GROUPS = ("task", "data", "degradation", "model", "model/generator", "update", "trainer")
DEEP = ("model.adversarial", "model.optimizer", "model.scheduler")
"""Sections within a section, pinned key by key."""
HEAD = """# Every value that the arms rely on, beside the words of experiment.yaml.
# What changes in conf/ changes none of their runs. A mapping stands in place of that of conf/.
# Written by `python -m src.experiment {name} pin=true`.
"""


def pin(experiment: Experiment) -> str:
    """Write the file and return its path; values that several arms share are written once."""
    arms = list(experiment.spec.arms)
    owners: dict[tuple[str, str], list[str]] = {}
    for arm in arms:
        for key, value in _values(experiment, arm).items():
            owners.setdefault((key, json.dumps(value)), []).append(arm)
    blocks: dict[tuple[str, ...], list[str]] = {}
    for (key, value), of in owners.items():
        blocks.setdefault(tuple(of), []).append(f"    {key}: {_flow(json.loads(value))}")
    text = HEAD.format(name=experiment.name)
    for those, lines in sorted(blocks.items(), key=lambda block: -len(block[0])):
        names = "all" if list(those) == arms else f"[{', '.join(those)}]"
        text += "\n".join([f"- arms: {names}", "  values:", *lines, ""])
    write_atomically(experiment.folder / PINNED, text.encode())
    return str(experiment.folder / PINNED)


def _values(experiment: Experiment, arm: str) -> dict[str, Any]:
    """Return the values of conf/ that the arm's words leave as they are at every scale."""
    spec = experiment.spec
    own = [*spec.base, *spec.arms[arm].words]
    scales = [[*own, *scale.words, *scale.arms.get(arm, ())] for scale in spec.scales.values()]
    given = set.intersection(*({word.key_or_group for word in _parsed(words)} for words in scales))
    plain, chosen = as_written(choices([RUN.sub("RUN", word) for word in own]))
    values: dict[str, Any] = {group: chosen[group] for group in GROUPS if group in chosen}
    for section in ("task", "data", "degradation", "model", "update", "trainer"):
        for key, value in (plain[section] or {}).items():
            name = f"{section}.{key}"
            parts = value.items() if name in DEEP else ()
            values |= {f"{name}.{part}": inner for part, inner in parts} or {name: value}
    values |= {key: value for key, value in FIXED.items() if values.get(key) == "auto"}
    return {key: value for key, value in values.items() if key not in given and not is_free(key)}


def _parsed(words: list[str]) -> Any:
    return parsed([RUN.sub("RUN", word) for word in words])


def _flow(value: Any) -> str:
    """Write YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...").strip()
