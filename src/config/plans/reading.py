"""A plan as a file: read, checked, and turned into words before those that the user typed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from ganatomy.config.locations import CONF
from ganatomy.config.plans.grammar import text_of
from ganatomy.config.security.elsewhere import check_references, checked
from ganatomy.errors import UserError
from ganatomy.invocation import typed
from ganatomy.text.values import as_typed

AUTO = "auto"
NO_FILE = (AUTO, "null", "None", "none", "")
SECTIONS = ("data", "task", "model", "trainer", "update", "degradation")
"""Sections that a plan may hold; places, loggers and connections are the user's."""
ABOUT = ("plan_for", "plan_estimate")
"""Keys of a plan that say what data it was made for, and what it is expected to take."""
FOREIGN = ("data.secret", "data.download", "data.cache_dir")
"""Keys of these sections that no plan may hold: they reach outside the run."""


@dataclass(frozen=True)
class PlanFile:
    """Content of a plan.

    Attributes:
        choices: Group of conf/ to the chosen file.
        values: Dotted key to its plain value.
        about: The keys of `ABOUT`.
    """

    choices: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    def words(self, given: Sequence[str]) -> list[str]:
        """Return the words of the plan before the words that were given, which win.

        A group that the user chooses otherwise takes the plan's keys of that section with it: they were
        meant for another class.
        """
        own = {key_of(word): word.partition("=")[2] for word in given}
        gone = {group for group, choice in self.choices.items() if own.get(group, choice) != choice}
        gone |= {group for group in ("model", "degradation") if group in own and group not in self.choices}
        words = [f"{group}={choice}" for group, choice in self.choices.items() if group not in own]
        for key, value in self.values.items():
            if key not in own and key.split(".")[0] not in gone:
                words += words_of(key, value)
        return [*words, *given]


def words_of(key: str, value: Any) -> list[str]:
    """Return the words that set a key, or add it; a section replaces the one that is there."""
    if "/" in key:
        return [f"{key}={value}"]
    if isinstance(value, Mapping):
        return [f"++{key}=null", f"++{key}={text_of(value)}"]
    return [f"++{key}={text_of(value)}"]


def key_of(word: str) -> str:
    """Return the key of a word without its plus signs."""
    return word.partition("=")[0].lstrip("+~")


def file_of(words: Sequence[str]) -> str:
    """Return the file that `plan=FILE` names; empty without one."""
    named = [word for word in words if key_of(word) == "plan" and "=" in word]
    if not named:
        return ""
    try:
        value = OverridesParser.create().parse_override(named[-1]).value()
    except HydraException:
        value = named[-1].partition("=")[2]
    if isinstance(value, bool):
        raise UserError(f"plan={as_typed(value)}: give auto or the file of a plan")
    return "" if value is None or str(value) in NO_FILE else str(value)


def of_command(name: str, words: Sequence[str]) -> list[str]:
    """Return the words of a command: of `train` with those of a plan, of `check` with its key of the task.

    Raises:
        UserError: See `expanded`.
    """
    if name == "check":  # a key there, and a group of conf/ elsewhere
        return [f"plan_{word}" if word.startswith("task=") else word for word in words]
    return expanded(words) if name == "train" else list(words)


def expanded(words: Sequence[str]) -> list[str]:
    """Return words with those of the plan that `plan=FILE` names; words of a plan are not added twice.

    Raises:
        UserError: The file cannot be read, is no plan, was made for another task or data set, or a key of
            `ABOUT` was typed beside it.
    """
    resumed = any(word.startswith("resume=") and word not in ("resume=", "resume=null") for word in words)
    name = "" if resumed else file_of(words)  # a resumed run keeps its own
    about_it = [word for word in words if key_of(word) in ABOUT]
    if not name or any(word.startswith("++") for word in about_it):
        return list(words)
    if about_it:
        key = key_of(about_it[0])
        raise UserError(f"{key}: is a key of the plan itself; change it in {name}, or take it out there")
    plan = read_plan(Path(name))
    for group in ("task", "data"):
        given = next((w.partition("=")[2] for w in reversed(words) if key_of(w) == group), None)
        made = plan.choices.get(group)
        if given is not None and made is not None and given != made and "," not in given:
            raise UserError(f"plan: {name} was made for {group}={made}, not {group}={given}; {_another()}")
    about = [word for key, value in plan.about.items() for word in words_of(key, value)]
    flags = [word for word in words if word.startswith("-")]
    return [*flags, *plan.words([word for word in words if not word.startswith("-")]), *about]


def _another() -> str:
    return f"make another with {typed('check')} data=... plan=true"


def read_plan(path: Path) -> PlanFile:
    """Read a plan.

    Raises:
        UserError: One line that names the file and the key at fault.
    """
    if not path.is_file():
        raise UserError(f"plan: {path} is no file; {_another()}")
    try:
        content = checked(path).content
        if not isinstance(content, dict):
            raise UserError("holds no sections")
        check_references(content)
        return _plan(content)
    except UserError as error:
        raise UserError(f"plan: {path}: {error}") from error
    except (OSError, ValueError) as error:
        raise UserError(f"plan: {path} cannot be read ({' '.join(str(error).split())[:120]})") from error


def _plan(content: Mapping[str, Any]) -> PlanFile:
    choices: dict[str, str] = {}
    for entry in content.get("defaults") or []:
        if entry == "_self_":
            continue
        if not isinstance(entry, dict) or len(entry) != 1:
            raise UserError(f"defaults: {entry!r} is no choice; write `override /task: segmentation`")
        name, choice = next(iter(entry.items()))
        group = str(name).removeprefix("override").strip().lstrip("/")
        if group.split("/")[0] not in SECTIONS or not (CONF / group).is_dir():
            raise UserError(f"defaults: {group} is no group that a plan may choose")
        choices[group] = str(choice)
    values: dict[str, Any] = {}
    for section, node in content.items():
        if section in ("defaults", *ABOUT):
            continue
        if section not in SECTIONS:
            raise UserError(f"{section}: has no place in a plan; type {section}=... on the command line")
        if not isinstance(node, dict):
            raise UserError(f"{section}: must be a section of keys")
        values |= dict(flat(node, section))
    if foreign := next((key for key in values if key in FOREIGN), ""):
        raise UserError(f"{foreign}: has no place in a plan; type it on the command line")
    about = {key: content[key] for key in ABOUT if content.get(key) is not None}
    for key, value in about.items():
        if not isinstance(value, dict):
            raise UserError(f"{key}: must be a section of keys")
    return PlanFile(choices, values, about)


def flat(node: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    """Yield dotted keys and values of a section; a section with a `_target_`, or an empty one, is a value."""
    for key, value in node.items():
        path = f"{above}.{key}"
        if isinstance(value, dict) and value and "_target_" not in value and "name" not in value:
            yield from flat(value, path)
        else:
            yield path, value
