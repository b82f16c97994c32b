"""Hashes of what decides a run's numbers; the same on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganatomy.config.compose import composed
from ganatomy.config.section import Plain
from ganatomy.config.versions import as_first, text_of_first

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
    """Return the SHA-256 of the configuration that these words compose to, and of its data.

    The seed is left out. Classes and keys count by their first names (`config.renamed`), so that a renaming
    changes no hash.
    """
    return fingerprint_of(composed([*words, *SOMEWHERE]))


def fingerprint_of(configuration: Plain) -> tuple[str, str]:
    """Return the two hashes of a configuration, by today's names, wherever its folders are."""
    plain = as_first(configuration)
    for section in FREE:
        node = plain[section] if section else plain
        for key in [key for key in node if is_free(f"{section}.{key}".lstrip("."))]:
            del node[key]
    data = {key: plain[key] for key in ("data", "degradation")} | {"task": plain["task"]["_target_"]}
    return digest(plain), digest(data)


def fingerprint_of_file(path: Path) -> str:
    """Return the SHA-256 of a text file by the first names of the keys and classes in it."""
    return hashlib.sha256(text_of_first(path.read_text(encoding="utf-8")).encode()).hexdigest()


def is_free(key: str) -> bool:
    """Return True if a dotted key decides no number."""
    section, _, leaf = key.rpartition(".")
    return leaf in FREE.get(section, ()) or leaf.startswith(PREFIXES)


def digest(content: Any) -> str:
    """Return the SHA-256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def data_hash(about: Mapping[str, Any]) -> str:
    """Return the hash of all cases of a data.json, with those that the task leaves out of training."""
    return str(about.get("whole_hash") or about["hash"])
