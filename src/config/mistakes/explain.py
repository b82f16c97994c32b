"""The one line for an error that the user can mend."""

from __future__ import annotations

import errno
import re
import shlex
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import yaml
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ganatomy.config.locations import CONF
from ganatomy.config.mistakes import memory
from ganatomy.config.mistakes.overrides import no_choice, trouble
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.errors import UserError

FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

ELSEWHERE = {
    "task.metrics": "this task scores a set as a whole; task=segmentation and task=enhancement take metrics "
    "of a case",
}
"""Keys that some tasks have, and why others do not."""


def explain(error: BaseException, name: str = "train", words: Sequence[str] | None = None) -> str | None:
    """Return the line for an error that the user can mend, or None for a fault of the program.

    Args:
        error: The error.
        name: Command, as its file in conf/ is called.
        words: Overrides that led to it; None takes those of this process.
    """
    if isinstance(error, UserError):
        return f"error: {error}".replace("\n", "\nerror: ")
    composing = isinstance(error, HydraException) or of_choice(error)
    if composing and (line := trouble(sys.argv[1:] if words is None else words)):
        return f"error: {line}"
    if isinstance(error, HydraException):
        return f"error: {_composition(error, name)}"
    if isinstance(error, OmegaConfBaseException):
        return f"error: {getattr(error, 'full_key', None) or 'configuration'}: {_first_line(error)}"
    if type(error).__name__ == "MisconfigurationException":  # Lightning's; importing it costs seconds
        return f"error: trainer: {_first_line(error)}"
    if type(error).__module__.startswith("wandb.errors"):
        return f"error: logger: {_first_line(error)}; or stay offline with logger.mode=offline"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        where = f"{error.problem_mark.name}, line {error.problem_mark.line + 1}"
        return f"error: {where}: is no YAML ({error.problem}); correct it"
    if memory.ran_out(error):
        return f"error: {memory.describe(error)}; close other programs, or give less data at once"
    return (
        f"error: {error.filename}: {_system(error)}"
        if isinstance(error, OSError) and _system(error)
        else None
    )


def of_choice(error: BaseException) -> bool:
    """Return True for the error that Hydra raises at `group=null` and the like."""
    return type(error) is ValueError and str(error).startswith("Config group override must be")


def _system(error: OSError) -> str:
    """Return what the operating system refused and the way out; empty for what no user can mend."""
    place = "mend that or choose another place (run_dir, paths.cache, paths.data)"
    if isinstance(error, PermissionError):
        return f"no permission to write or read there; {place}"
    if error.errno in FULL_DISK:
        return "no room left on the disk; free some or choose another place (run_dir, paths.cache)"
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"is a file where a folder is needed; {place}"
    if isinstance(error, FileNotFoundError) and traceback.extract_tb(error.__traceback__)[-1].name == "mkdir":
        return f"cannot be made; {place}"
    return ""


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _composition(error: HydraException, name: str) -> str:
    missing, options = getattr(error, "missing_cfg_file", None), getattr(error, "options", None)
    if missing and options is not None:
        group, _, choice = str(missing).rpartition("/")
        if group.startswith("model/") and (CONF / f"{group}.yaml").is_file():  # a file for each task
            from ganatomy.config.models import refusal

            return refusal(group.removeprefix("model/"), choice)
        return no_choice(group, choice, options)
    text = str(error)
    if found := re.search(r"Ambiguous value for argument '(.*)'\n", text):
        key, _, value = found[1].partition("=")
        one, several = shlex.quote(f'{key}="{value}"'), shlex.quote(f"{key}=[{value}]")
        return f"{key}: {value} asks for several runs (--multirun); one value is {one}, a list {several}"
    override = re.search(r"Could not override '([^']+)'", text)
    if override:
        key = override.group(1).lstrip("+~")
        missing = str(getattr(error.__cause__, "full_key", None) or key)
        if not missing.startswith(f"{key}."):  # the key itself, or one above it
            return f"{key}: {ELSEWHERE.get(key) or f'no such key{nearest_key(key, name)}'}"
        if "name:" in text:  # another choice, over the keys of the one that stands there
            return f"{key}: joins what stands there, which takes no {missing[len(key) + 1 :]}; " + (
                f"clear it first: {key}=null '+{key}={{...}}'"
            )
        return f"{missing}: no such key{nearest_key(missing, name, key)}"
    return " ".join(text.split())


def nearest_key(key: str, name: str, word: str = "") -> str:
    """Suggest the valid key or group nearest to `key` in the configuration of the other words.

    Args:
        key: The unknown key.
        name: Command, as its file in conf/ is called.
        word: Key before the `=` that set it, if that is another.
    """
    others = [w for w in sys.argv[1:] if "=" in w and not w.lstrip("+~").startswith(f"{word or key}=")]
    chosen = [w for w in others if "." not in w.partition("=")[0]]
    plain = composed_plain(name, others) or composed_plain(name, chosen) or composed_plain(name, [])
    groups = [path.name for path in CONF.iterdir() if path.is_dir()]
    paths = paths_of(plain) + groups
    parent, _, leaf = key.rpartition(".")
    siblings = [path.rpartition(".")[2] for path in paths if path.rpartition(".")[0] == parent]
    if parent and siblings:
        return nearest(leaf, siblings).replace("mean '", f"mean '{parent}.", 1)
    return nearest(key, paths)


def composed_plain(name: str, words: Sequence[str], more: Sequence[str] = ()) -> dict[Any, Any]:
    """Compose conf/<name>.yaml without resolving it; empty if it does not compose.

    Args:
        name: Command, as its file in conf/ is called.
        words: Overrides.
        more: Further overrides, such as the search path.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            cfg = compose(name, [*words, *more])
        except (HydraException, OmegaConfBaseException, ValueError):
            return {}
        finally:
            GlobalHydra.instance().clear()
    plain = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(plain, dict)
    return plain


def paths_of(node: dict[Any, Any], prefix: str = "") -> list[str]:
    """Return every dotted key of a configuration, those of sections too."""
    found: list[str] = []
    for key, value in node.items():
        found.append(f"{prefix}{key}")
        if isinstance(value, dict):
            found += paths_of(value, f"{prefix}{key}.")
    return found
