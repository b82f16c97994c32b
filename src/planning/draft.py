"""A plan in the making: the keys that are chosen so far, each with its reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import yaml

from ganatomy.config.locations import CONF
from ganatomy.planning.fingerprint import Fingerprint

MISSING = object()


@dataclass(frozen=True)
class Row:
    """A chosen value and why."""

    key: str
    value: Any
    why: str


@dataclass
class Draft:
    """Chosen keys over a composed configuration. A key that the user has set is left as it is.

    Attributes:
        data: Fingerprint of the data.
        plain: The configuration with what was chosen so far.
        given: Dotted keys, and groups, that the user set.
        task: Name of the task.
        own_model: The user chose a model, or an experiment that may name one, whose losses have own weights.
        rows: What was chosen, by key.
        steps_for: Seconds that the run shall take.
        memory: GB that it may take.
    """

    data: Fingerprint
    plain: dict[str, Any]
    given: Collection[str]
    task: str
    steps_for: float = 600.0
    memory: float = 8.0
    own_model: bool = False
    rows: dict[str, Row] = field(default_factory=dict)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a dotted key as it stands, or a default if there is no such key."""
        found = self._find(key)
        return default if found is MISSING else found

    def has(self, key: str) -> bool:
        """Return True if the configuration has a key, whatever its value."""
        return self._find(key) is not MISSING

    def is_given(self, key: str) -> bool:
        """Return True if the user set a key, a section above it, or a part of its value."""
        return any(key == own or key.startswith(f"{own}.") or own.startswith(f"{key}.") for own in self.given)

    def put(self, key: str, value: Any, why: str, new: bool = False) -> None:
        """Choose a value, unless the user did or the configuration has no such key.

        Args:
            key: Dotted key.
            value: Plain value.
            why: Reason, one line.
            new: The key may be new: an argument of a class that conf/ leaves at its default.
        """
        parent, _, leaf = key.rpartition(".")
        section = self.get(parent) if parent else self.plain
        if self.is_given(key) or not isinstance(section, dict) or not (new or leaf in section):
            return
        section[leaf] = deepcopy(value)
        self.rows[key] = Row(key, value, why)

    def again(self, key: str, value: Any, more: str) -> None:
        """Change a value that was chosen, with a further reason."""
        before = self.rows.get(key)
        self.put(key, value, f"{before.why}; {more}" if before is not None else more)

    def choose(self, group: str, choice: str, why: str) -> bool:
        """Choose a file of conf/ for a section, unless the user chose one; False where there is no such file.

        Args:
            group: Group, such as `model/generator`.
            choice: Name of the file.
            why: Reason, one line.
        """
        path, key = CONF / group / f"{choice}.yaml", group.replace("/", ".")
        if self.is_given(key) or not path.is_file():
            return False
        above, _, leaf = key.rpartition(".")
        self.get(above)[leaf] = yaml.safe_load(path.read_text(encoding="utf-8"))
        self.rows = {k: row for k, row in self.rows.items() if not k.startswith(f"{key}.")}
        self.rows[group] = Row(group, choice, why)
        return True

    def choice(self, group: str) -> bool:
        """Return True if a file was chosen for this group."""
        return group in self.rows

    def words(self) -> Mapping[str, Any]:
        """Return the chosen values by key."""
        return {key: row.value for key, row in self.rows.items()}

    def _find(self, key: str) -> Any:
        node: Any = self.plain
        for part in key.split("."):
            if not isinstance(node, dict) or part not in node:
                return MISSING
            node = node[part]
        return node
