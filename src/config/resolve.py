"""Resolve and validate what Hydra composed; a resumed run starts from its own configuration."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from ganatomy.config.mistakes.idle import refuse_idle
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.config.security.elsewhere import (
    check_references,
    check_secrets,
    checked,
    refuse_references,
)
from ganatomy.config.security.resumed import FREE, FREE_KEYS, keep_local
from ganatomy.config.versions import MISSING, as_today, get, key_of_today, line_of
from ganatomy.errors import UserError

if TYPE_CHECKING:
    from ganatomy.config.schema import Config, DataConfig
    from ganatomy.config.section import Plain

SECTIONS = ("task", "data", "model", "update", "trainer", "logger", "callbacks", "paths")
"""Sections that every config.yaml has."""
BACK = "put it back as the run wrote it, or start a new run"

REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*(?:\.\w+)+)\}")
"""A reference to a key from the top of the configuration."""

_said: set[str] = set()

INTERNAL = {
    "source",
    "seed",
    "batches_done",
    "degrade",
    "pieces",
    "held",
    "one_size",
    "with_boxes",
    "learned",
}
"""Arguments of the DataModule that no configuration sets."""
BOTH = ("mask", "missing")
"""Keys of the loaders that a source has too if it reads files."""


def load(run: str | Path) -> Plain:
    """Read the configuration of a run directory by today's names, whichever version wrote it."""
    path = Path(run) / "config.yaml"
    if not path.is_file():
        raise UserError(f"{run}: is no run directory (it has no config.yaml)")
    try:
        text, content = checked(path)
        check_references(content)
        sections = content if isinstance(content, dict) else {}
        lost = [key for key in SECTIONS if not isinstance(sections.get(key), dict)]
        plain = {} if lost else to_plain(OmegaConf.load(io.StringIO(text)))
        refuse_references(plain)
    except (UserError, OmegaConfBaseException) as error:
        raise UserError(f"{path}: {str(error).splitlines()[0]}; {BACK}") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"{path}: is damaged ({reason}); {BACK}") from error
    if lost:
        raise UserError(f"{path}: is damaged (it has no section {lost[0]}); {BACK}")
    return as_today(plain, _takes)


def _takes(section: Plain, key: str) -> bool:
    """Return True if a section takes a key of this name; a section of a class asks the class."""
    from ganatomy.config.targets import parameters_of, resolve
    from ganatomy.data.datamodule import DataModule

    if "_target_" not in section:
        return True
    if "batch_size" in section and key in parameters_of(DataModule):  # that of the data
        return True
    return key in parameters_of(resolve(section, "config.yaml"))


def to_plain(cfg: Any) -> Plain:
    """Resolve every interpolation and return plain dicts, lists and scalars by today's names."""
    try:
        plain = OmegaConf.to_container(_referring(cfg), resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or "configuration"
        reason = str(error).removeprefix("UserError raised while resolving interpolation: ").splitlines()[0]
        if isinstance(error, MissingMandatoryValue):
            reason = f"is missing; give {key}=... (--help explains it)"
        raise UserError(f"{key}: {reason}") from error
    assert isinstance(plain, dict)
    return as_today({str(key): value for key, value in plain.items()})


def _referring(cfg: Any) -> Any:
    """Return a configuration whose `${...}` name keys as they are called today; say which were renamed."""
    written: Any = OmegaConf.to_container(cfg, resolve=False)
    lines: list[str] = []

    def renamed(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: renamed(value) for key, value in node.items()}
        if isinstance(node, list):
            return [renamed(value) for value in node]
        return REFERENCE.sub(reference, node) if isinstance(node, str) else node

    def reference(match: re.Match[str]) -> str:
        old, new = match[1], key_of_today(match[1])
        if get(written, old, MISSING) is not MISSING or get(written, new, MISSING) is MISSING:
            return match[0]
        lines.append(line_of(match[0], f"${{{new}}}"))
        return f"${{{new}}}"

    today = renamed(written)
    if "GANATOMY_LAUNCH" not in os.environ:  # its parent has said it
        sys.stderr.write("".join(f"{line}\n" for line in dict.fromkeys(lines) if line not in _said))
    _said.update(lines)
    return OmegaConf.create(today) if lines else cfg


def resolve_config(cfg: DictConfig, overrides: list[str]) -> Plain:
    """Return the configuration to run: with `resume`, that of the resumed run.

    With it only keys that change no number may be given (`FREE`), and how far the run goes; places and
    connections are those of this machine (`keep_local`). UserError for any other key.
    """
    if not isinstance(forced := cfg.get("resume_force", False), bool) or (forced and not cfg.get("resume")):
        raise UserError("resume_force: is true or false, and says something beside resume=DIR alone")
    if not cfg.get("resume"):
        return refuse_idle(to_plain(cfg), overrides)
    saved = OmegaConf.create(load(cfg.resume))
    planned = saved.trainer.max_steps
    for word in overrides:
        key, _, _ = word.lstrip("+").partition("=")
        if key in ("resume", "resume_force"):
            continue
        if key == "trainer":  # trainer=ddp: how many processes, and nothing else
            for count in ("devices", "num_nodes"):
                saved.trainer[count] = cfg.trainer[count]
            continue
        if not key.startswith(FREE) and key not in FREE_KEYS:
            raise UserError(f"{key}: a resumed run keeps its {key}; start a new run to change it")
        if key == "trainer.val_every" and "encoder" in saved.model.optimizer:
            raise UserError(
                f"{key}: a resumed run of two phases keeps its {key}, as the second begins with the best "
                "validation of the first; start a new run to change it"
            )
        value = OmegaConf.select(saved, key, throw_on_missing=False)
        if value is None and OmegaConf.select(saved, key.rpartition(".")[0] or "seed") is None:
            raise UserError(f"{key}: no such key in {cfg.resume}/config.yaml")
        OmegaConf.update(saved, key, OmegaConf.select(cfg, key), force_add=True)
    _check_extension(saved, planned)
    keep_local(saved, cfg)
    saved.resume, saved.resume_force = str(cfg.resume), False
    return to_plain(saved)


def _check_extension(saved: DictConfig, planned: int) -> None:
    """Refuse another number of steps where a learning rate was scheduled over the first one."""
    for player, node in saved.model.scheduler.items():
        if node is not None and saved.trainer.max_steps != planned and planned in node.values():
            raise UserError(
                f"trainer.max_steps: model.scheduler.{player} was planned for {planned} steps; "
                "a run of another length is a new run"
            )


def validate(plain: Plain) -> Config:
    """Check a configuration and return it typed.

    Keys, types and ranges come first (quick), then every named choice and `_target_` against its code.
    """
    from ganatomy.config.models import check_model
    from ganatomy.config.schema import Config
    from ganatomy.config.targets import check_targets

    check_secrets(plain)
    cfg = Config.from_plain(plain)
    choices = dict(HydraConfig.get().runtime.choices) if HydraConfig.initialized() else {}
    check_model(cfg, choices.get("model", cfg.name))
    _check_names(cfg)
    _check_samples(cfg)
    check_data(cfg.data)
    check_targets({key: value for key, value in plain.items() if key != "data"})
    return cfg


def _check_samples(cfg: Config) -> None:
    """Refuse `save_samples` for a task that makes no images from noise."""
    from ganatomy.config.targets import resolve

    if cfg.save_samples and not hasattr(resolve(cfg.task.to_plain(), "task"), "drawer"):
        raise UserError("save_samples: this task makes no images of noise; set 0, or choose task=synthesis")


def data_keys(section: DataConfig) -> tuple[Plain, Plain]:
    """Split the section `data` into the keys of its source (with `_target_`) and those of the loaders.

    Keys that both have go to both.
    """
    from ganatomy.config.targets import parameters_of, resolve
    from ganatomy.data.datamodule import DataModule

    data, common = section.to_plain(), set(parameters_of(DataModule)) - INTERNAL
    both = [key for key in BOTH if key in data and key in parameters_of(resolve(data, "data"))]
    source = {k: v for k, v in data.items() if k not in common or k in both}
    return source, {k: v for k, v in data.items() if k in common}


def check_data(section: DataConfig) -> None:
    """Check the section `data`, which mixes keys of the source and of the loaders."""
    from ganatomy.config.targets import check_arguments, check_targets, parameters_of, resolve
    from ganatomy.data.datamodule import DataModule

    source, common = data_keys(section)
    cls = resolve(source, "data")
    for key in source:
        if not key.startswith("_") and key not in parameters_of(cls):
            raise UserError(
                f"data.{key}: no such key{nearest(key, [*parameters_of(cls), *parameters_of(DataModule)])}"
            )
    check_targets(source, "data")
    check_arguments(DataModule, common, "data")
    check_targets(common, "data")


def _check_names(cfg: Config) -> None:
    """Check the names of losses, penalties, weights, augmentations and updates."""
    from ganatomy import adversarial as game
    from ganatomy.config.objectives import check_choice, check_objectives
    from ganatomy.config.targets import check_arguments

    check_choice(cfg.update.name, {**game.UPDATES, "auto": game.Update}, "update.name")
    check_objectives(cfg.model.adversarial.to_plain())
    if isinstance(paths := cfg.task.extra.get("path_length"), dict):
        check_arguments(game.PathLength, paths, "task.path_length")
