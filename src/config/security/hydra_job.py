"""What Hydra would run or set for a job: checked as a whole, after each file was checked on its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ganatomy.config.locations import CONF
from ganatomy.config.security.elsewhere import texts
from ganatomy.errors import UserError

KNOWN = (
    "ganatomy.launch.ownership.NewFolders",
    "ganatomy.runs.multirun.Jobs",
    *("hydra._internal.core_plugins.", "hydra_plugins.", "logging."),
)
"""Beginnings of what conf/, Hydra and its installed plugins have Hydra call."""
CALLED = ("_target_", "()", "class", "factory")
"""Keys of Hydra's configuration and of Python's logging whose value is called."""


def refuse_variables() -> None:
    """Refuse `hydra.job.env_set` and `env_copy`: what a process may name and load comes from the shell."""
    job = HydraConfig.get().job
    for key in ("env_set", "env_copy"):
        if getattr(job, key):
            raise UserError(
                f"hydra.job.{key}: sets variables of the environment, which only the shell does; type "
                "NAME=VALUE before the command"
            )


def refuse_foreign(name: str, words: Sequence[str], more: Sequence[str]) -> None:
    """Refuse a configuration that has Hydra call what neither conf/ names nor the command line.

    It is composed for this before Hydra does it, and only if folders beside conf/ are searched.

    Args:
        name: Command, as its file in conf/ is called.
        words: Words of the command line.
        more: Override that stands for `--config-dir`.

    Raises:
        UserError: One line for the first key of that kind.
    """
    given = [word for word in words if "=" in word and not word.startswith("-")]
    if not more and not any(word.lstrip("+").startswith("hydra.searchpath=") for word in given):
        return
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            loader = GlobalHydra.instance().config_loader()
            cfg = loader.load_configuration(name, [*given, *more], RunMode.MULTIRUN)
        except (HydraException, OmegaConfBaseException):
            return  # Hydra will say the same, and run nothing
        finally:
            GlobalHydra.instance().clear()
    for key, target in called(OmegaConf.to_container(cfg.hydra, resolve=False)):
        if not target.startswith(KNOWN) and not any(target in word for word in given):
            raise UserError(
                f"hydra.{key}: {target} would be called, which is typed, not in a file; take it out"
            )


def called(hydra: Any) -> Iterator[tuple[str, str]]:
    """Yield the key and the name of everything in a section `hydra` that is called when it is used."""
    parts = {key: value for key, value in hydra.items() if key not in ("help", "hydra_help", "overrides")}
    for key, text in texts(parts):
        if key.rpartition(".")[2] in CALLED and text not in CALLED:
            yield key, text
