"""Keys that a command does not know: the nearest one, the command that takes it, or the `+` that adds it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ganatomy.config.locations import CONF
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.errors import UserError
from ganatomy.invocation import typed

GROUPS = {
    "check": ("data", "paths"),
    "experiment": ("paths",),
    "evaluate": ("data", "paths"),
    **dict.fromkeys(("predict", "demo", "index", "compare", "generate", "export"), ()),
}
"""Groups of conf/ for commands that do not take all of them."""


def takes(name: str, group: str) -> bool:
    """Return True if a group of conf/ can be chosen on the command line of a command."""
    return group in GROUPS[name] if name in GROUPS else (name, group) != ("train", "sweep")


def config_dir(words: Sequence[str]) -> str:
    """Return the folder that `--config-dir` names, empty without one."""
    for word, after in zip(words, [*words[1:], ""], strict=False):
        flag, equals, folder = word.partition("=")
        if flag in ("--config-dir", "-cd"):
            return folder if equals else after
    return ""


def search_path(folders: Sequence[str]) -> list[str]:
    """Return the override that has Hydra search `folders` too."""
    paths = ",".join(f'"file://{Path(folder).absolute()}"' for folder in folders if folder)
    return [f"hydra.searchpath=[{paths}]"] if paths else []


def unknown(key: str, name: str, words: Sequence[str], word: str = "") -> str:
    """Return the line for a key that a command does not know.

    Args:
        key: The unknown key.
        name: Command, as its file in conf/ is called.
        words: Command line, with its flags.
        word: Key before the `=` that set it, if that is another.
    """
    group = re.split(r"[./]", key)[0]
    if (CONF / group).is_dir() and not takes(name, group):
        return f"{key}: {_elsewhere(key, name)}"
    if name == "evaluate" and group == "data" and not any(word.startswith("data=") for word in words):
        given = " ".join(shlex.quote(word) for word in words if word.startswith("data."))
        typing = f"data={_kind_of_run(words)} {given}"
        return f"{key}: name the kind of data too, and its keys as in training: {typing}"
    more = search_path([config_dir(words)]) or [w for w in words if w.startswith("hydra.searchpath=")]
    apart = (f"{word or key}=", "hydra.searchpath=", "-")
    others = [w for w in words if "=" in w and not w.lstrip("+~").startswith(apart)]
    chosen = [w for w in others if "." not in w.partition("=")[0]]
    plain = next(filter(None, (composed_plain(name, w, more) for w in (others, chosen, []))), {})
    if owner := _owner(key, plain):
        value = next((w.partition("=")[2] for w in words if w.startswith(f"{key}=")), "...")
        adding = shlex.quote(f"+{key}={value}")
        return f"{key}: no such key; {owner} has this argument, add it with a plus: {adding}"
    groups = [path.name for path in CONF.iterdir() if path.is_dir() and takes(name, path.name)]
    return f"{key}: no such key{_nearest(key, paths_of(plain) + groups)}"


def _kind_of_run(words: Sequence[str]) -> str:
    """Return the choice of `data` that the run=DIR of a command line was made with, else folder."""
    path = Path(next((word[4:] for word in words if word.startswith("run=")), "")).expanduser()
    try:
        target = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))["data"]["_target_"]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return "folder"
    kind = str(target).split(".")[-2:][0]
    return kind if (CONF / f"data/{kind}.yaml").is_file() else "folder"


def _elsewhere(key: str, name: str) -> str:
    """Say what to do with a key that only other commands take."""
    if name == "train":
        return f"train takes no {key}; to search over many runs type {typed('sweep')} {key}=..."
    reads = "check reads the data only" if name == "check" else f"{name} takes no {key}"
    return f"{reads}; leave {key}=... out"


def _owner(key: str, plain: dict[Any, Any]) -> str:
    """Return the class, named by the `_target_` beside the key, that has it as an argument; or empty."""
    from ganatomy.config.targets import parameters_of, resolve

    path, _, leaf = key.rpartition(".")
    node: Any = plain
    for part in path.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    if not isinstance(node, dict) or "_target_" not in node:
        return ""
    try:
        cls = resolve(node, path)
        return cls.__name__ if leaf in parameters_of(cls) else ""
    except (UserError, ValueError, TypeError):
        return ""


def _nearest(key: str, paths: Sequence[str]) -> str:
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
