"""The one line for an error that the user can mend."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import yaml
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from ganatomy.config.locations import CONF
from ganatomy.config.mistakes import memory
from ganatomy.config.mistakes.keys import unknown
from ganatomy.config.mistakes.overrides import no_choice, trouble
from ganatomy.errors import UserError

FULL_DISK = {
    errno.ENOSPC: "no room left on the disk",
    errno.EDQUOT: "no room left on the disk within your quota",
    errno.EFBIG: "no room left on the disk for a file of this size (ulimit -f)",
}
BROKEN_DISK = {
    errno.EROFS: "the file system is read-only",
    errno.EIO: "the disk or the network file system reports an error (EIO)",
    errno.ESTALE: "the network file system lost the file (ESTALE)",
    errno.ENOTCONN: "the network file system is gone (ENOTCONN)",
    errno.ENODEV: "the device is gone (ENODEV)",
}

ELSEWHERE = {
    "task.metrics": "this task scores a set as a whole; task=segmentation, task=enhancement and "
    "task=translation take metrics of a case",
}
"""Keys that some tasks have, and why others do not."""


def explain(error: BaseException, name: str = "train", words: Sequence[str] | None = None) -> str | None:
    """Return the line for an error that the user can mend, or None for a fault of the program.

    Args:
        error: The error.
        name: Command, as its file in conf/ is called.
        words: Command line that led to it, with its flags; None takes that of this process.
    """
    words = sys.argv[1:] if words is None else words
    if isinstance(error, UserError):
        return f"error: {error}".replace("\n", "\nerror: ")
    composing = isinstance(error, HydraException) or of_choice(error)
    if composing and (line := trouble(words)):
        return f"error: {line}"
    if isinstance(error, HydraException):
        return f"error: {_composition(error, name, words)}"
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
    if isinstance(error, OSError) and (reason := _system(error)):
        return f"error: {file_of(error)}: {reason}"
    return None


def file_of(error: OSError) -> str:
    """Return the file at fault; that of the innermost call that was given a path, where the error names none.

    A library that writes to an open file learns from the system what went wrong, but not the name.
    """
    if error.filename is not None:
        return str(error.filename2 or error.filename)
    found = "a file of the run"
    for frame, _ in traceback.walk_tb(error.__traceback__):
        values = list(frame.f_locals.values())
        found = next((str(v) for v in values if isinstance(v, Path) and v.parent.is_dir()), found)
    return found


def of_choice(error: BaseException) -> bool:
    """Return True for the error that Hydra raises at `group=null` and the like."""
    return type(error) is ValueError and str(error).startswith("Config group override must be")


def _system(error: OSError) -> str:
    """Return what the operating system refused and the way out; empty for what no user can mend."""
    place = "mend that or choose another place (run_dir, paths.cache, paths.data)"
    if isinstance(error, PermissionError):
        return f"no permission to write or read there{_owner(file_of(error))}; {place}"
    if error.errno in FULL_DISK:
        return f"{FULL_DISK[error.errno]}; free some or choose another place (run_dir, paths.cache)"
    if error.errno in BROKEN_DISK:
        return f"{BROKEN_DISK[error.errno]}; {place}"
    if isinstance(error, IsADirectoryError):
        return f"is a folder where a file is needed; {place}"
    if error.errno == errno.ELOOP:
        return f"is a link that leads to itself; {place}"
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"is a file where a folder is needed; {place}"
    if isinstance(error, FileNotFoundError) and traceback.extract_tb(error.__traceback__)[-1].name == "mkdir":
        return f"cannot be made; {place}"
    return ""


def _owner(path: str) -> str:
    """Return who owns the innermost folder there is, if somebody else does, as of a container's volume."""
    for each in (Path(path), *Path(path).absolute().parents):
        with contextlib.suppress(OSError):
            owner, own = each.stat().st_uid, os.geteuid()
            return f" ({each} belongs to user {owner}, and this is user {own})" if owner != own else ""
    return ""


def _first_line(error: BaseException) -> str:
    said = str(error).strip().removeprefix("UserError raised while resolving interpolation: ")
    return said.splitlines()[0] if said else type(error).__name__


def _composition(error: HydraException, name: str, words: Sequence[str]) -> str:
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
            return f"{key}: {ELSEWHERE[key]}" if key in ELSEWHERE else unknown(key, name, words)
        if "name:" in text:  # another choice, over the keys of the one that stands there
            return f"{key}: joins what stands there, which takes no {missing[len(key) + 1 :]}; " + (
                f"clear it first: {key}=null '+{key}={{...}}'"
            )
        return unknown(missing, name, words, key)
    if found := re.fullmatch(r"Error merging override ([\w.@/+~-]+)=(.*)", text, re.DOTALL):
        return f"{found[1].lstrip('+~')}: cannot take the place of what stands there, got {found[2]}"
    return " ".join(text.split())
