"""What decides a run's numbers, as a hash that is the same on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from ganatomy.config.compose import composed
from ganatomy.config.renamed import as_first

FREE = {
    "": ("paths", "run_dir", "name", "resume", "logger", "callbacks", "debug", "seed"),
    "data": ("workers", "cache", "cache_dir", "cache_gb"),
    "trainer": ("accelerator", "log_every", "threads"),
}
"""Keys that decide no number beyond rounding, by section; as 062eb33 called them."""
PREFIXES = ("save_",)
SOMEWHERE = ("paths.data=DATA", "paths.cache=CACHE", "paths.runs=RUNS")
"""In place of this machine's folders."""


def fingerprint(words: Sequence[str]) -> tuple[str, str]:
    """(of the configuration, of its data): SHA-256 of what these words compose to, save the seed.

    Names and keys that changed since do not tell (`core.renamed`).
    """
    plain = as_first(composed([*words, *SOMEWHERE]))
    for section in FREE:
        node = plain[section] if section else plain
        for key in [key for key in node if is_free(f"{section}.{key}".lstrip("."))]:
            del node[key]
    data = {key: plain[key] for key in ("data", "degradation")} | {"task": plain["task"]["_target_"]}
    return digest(plain), digest(data)


def is_free(key: str) -> bool:
    """Whether a dotted key decides no number."""
    section, _, leaf = key.rpartition(".")
    return leaf in FREE.get(section, ()) or leaf.startswith(PREFIXES)


def digest(content: Any) -> str:
    """Of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
