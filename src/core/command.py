"""What every command shares: composition by Hydra, one line for every mistake, exit code 2."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.core.launch import Ended, launched, tell
from src.core.multirun import finish
from src.core.names import nearest
from src.core.words import readable
from src.errors import UserError

CONF = Path(__file__).resolve().parents[2] / "conf"
FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def register_resolvers() -> None:
    """`${run_directory:resume,new}`: a resumed run goes on in its own directory."""
    OmegaConf.register_new_resolver("run_directory", lambda resume, new: resume or new, replace=True)


def command(name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Turn `main(cfg)` into a command that composes conf/<name>.yaml.

    Bad input ends it with one line on stderr and exit code 2; `debug=true` shows the traceback instead.
    """

    def decorate(main: Callable[[DictConfig], Any]) -> Callable[[], None]:
        def guarded(cfg: DictConfig) -> Any:
            try:
                return main(cfg)
            except Exception as error:
                message = explain(error, name)
                if launched():
                    raise SystemExit(tell(error, None if _debugging() else message)) from None
                if message is None or _debugging():
                    raise
                sys.stderr.write(message + "\n")
                raise (_Told if _sweeping() else SystemExit)(getattr(error, "code", 2)) from None
            finally:
                _drop_empty()

        def run() -> None:
            os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra re-raises: the message is ours to write
            register_resolvers()
            with _one_line(name):
                try:
                    sys.argv[1:] = readable(sys.argv[1:], resumes=name == "train")
                    hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(guarded)()
                finally:
                    finish()

        return run

    return decorate


def _drop_empty() -> None:
    """Hydra makes the output directory before anything is checked; a run that never began leaves none."""
    from hydra.core.hydra_config import HydraConfig

    with contextlib.suppress(OSError):
        Path(HydraConfig.get().runtime.output_dir).rmdir()


def _sweeping() -> bool:
    """Whether this job is one of a multirun, whose other jobs go on when it fails."""
    from hydra.core.hydra_config import HydraConfig

    return HydraConfig.get().mode == RunMode.MULTIRUN


def _debugging() -> bool:
    return any(word in ("debug=true", "debug=True") for word in sys.argv)


class _Told(Exception):
    """An error whose line is on the screen already."""


class _one_line:
    """Turns what a user can mend into one line and exit code 2."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or _debugging():
            return
        if isinstance(error, _Told):
            raise SystemExit(2) from None
        message = explain(error, self.name)
        if message is not None:
            sys.stderr.write(message + "\n")
            raise SystemExit(2) from None


def explain(error: BaseException, name: str = "train") -> str | None:
    """The line for an error that is the user's to mend, or None for one that is ours."""
    if isinstance(error, Ended):
        return error.text
    if isinstance(error, UserError):
        return f"error: {error}".replace("\n", "\nerror: ")
    if isinstance(error, HydraException):
        return f"error: {_composition(error, name)}"
    if isinstance(error, OmegaConfBaseException):
        return f"error: {getattr(error, 'full_key', None) or 'configuration'}: {_first_line(error)}"
    if type(error).__name__ == "MisconfigurationException":  # Lightning's; importing it costs seconds
        return f"error: trainer: {_first_line(error)}"
    if type(error).__module__.startswith("wandb.errors"):
        return f"error: logger: {_first_line(error)}; or stay offline with logger.mode=offline"
    return (
        f"error: {error.filename}: {_system(error)}"
        if isinstance(error, OSError) and _system(error)
        else None
    )


def _system(error: OSError) -> str:
    """What the operating system refused, and the way out; empty for what no user can mend."""
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
            from src.core.models import refusal

            return refusal(group.removeprefix("model/"), choice)
        close = nearest(choice, options)
        return f"{group}={choice}: no such choice{close or '; choose from ' + ', '.join(options)}"
    text = str(error)
    override = re.search(r"Could not override '([^']+)'", text)
    if override:
        key = override.group(1).lstrip("+~")
        missing = str(getattr(error.__cause__, "full_key", None) or key)
        if not missing.startswith(f"{key}."):  # the key itself, or one above it
            return f"{key}: no such key{nearest_key(key, name)}"
        if "name:" in text:  # another choice, over the keys of the one that stands there
            return f"{key}: joins what stands there, which takes no {missing[len(key) + 1 :]}; " + (
                f"clear it first: {key}=null '+{key}={{...}}'"
            )
        return f"{missing}: no such key{nearest_key(missing, name, key)}"
    return " ".join(text.split())


def nearest_key(key: str, name: str, word: str = "") -> str:
    """The valid dotted key or group nearest to `key`, in the configuration that the other words compose.

    word: the key before the `=` that it was set by, where that is another.
    """
    others = [w for w in sys.argv[1:] if "=" in w and not w.lstrip("+~").startswith(f"{word or key}=")]
    plain = _composed(name, others) or _composed(name, [])
    groups = [path.name for path in CONF.iterdir() if path.is_dir()]
    paths = paths_of(plain) + groups
    parent, _, leaf = key.rpartition(".")
    siblings = [path.rpartition(".")[2] for path in paths if path.rpartition(".")[0] == parent]
    if parent and siblings:
        return nearest(leaf, siblings).replace("mean '", f"mean '{parent}.", 1)
    return nearest(key, paths)


def _composed(name: str, words: list[str]) -> dict[Any, Any]:
    """What conf/<name>.yaml composes to with these words, unresolved; empty when it does not compose."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            cfg = compose(name, words)
        except (HydraException, OmegaConfBaseException):
            return {}
    plain = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(plain, dict)
    return plain


def paths_of(node: dict[Any, Any], prefix: str = "") -> list[str]:
    """Every dotted key of a configuration, sections too."""
    found: list[str] = []
    for key, value in node.items():
        found.append(f"{prefix}{key}")
        if isinstance(value, dict):
            found += paths_of(value, f"{prefix}{key}.")
    return found
