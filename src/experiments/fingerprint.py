"""What decides a run's numbers, as a hash that is the same on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from src.core.compose import composed
from src.core.renamed import ADDED

FREE = {
    "": ("paths", "run_dir", "name", "resume", "logger", "callbacks", "debug", "seed"),
    "data": ("workers", "cache", "cache_dir", "cache_gb"),
    "trainer": ("accelerator", "log_every", "threads"),
}
"""Keys that decide no number beyond rounding, by section."""
PREFIXES = ("save_",)
SOMEWHERE = ("paths.data=DATA", "paths.cache=CACHE", "paths.runs=RUNS")
"""In place of this machine's folders."""


def fingerprint(words: Sequence[str]) -> tuple[str, str]:
    """(of the configuration, of its data): SHA-256 of what these words compose to, save the seed."""
    plain = composed([*words, *SOMEWHERE])
    for section, keys in FREE.items():
        node = plain[section] if section else plain
        for key in [key for key in node if key in keys or key.startswith(PREFIXES)]:
            del node[key]
    if not plain["trainer"]["channels_last"]:
        del plain["trainer"]["channels_last"]  # so hashes from before it was a key are as they were
    for key, first in ADDED.items():
        *sections, leaf = key.split(".")
        node = plain
        for section in sections:
            node = node.get(section) or {}
        if leaf in node and node[leaf] == first:
            del node[leaf]
    data = {key: plain[key] for key in ("data", "degradation")} | {"task": plain["task"]["_target_"]}
    return digest(plain), digest(data)


def digest(content: Any) -> str:
    """Of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
