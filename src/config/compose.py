"""Composition of a configuration from overrides, and overrides as a file of the group `experiment`."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from ganatomy.config.locations import CONF
from ganatomy.config.mistakes.explain import explain, of_choice
from ganatomy.config.mistakes.keys import composed_plain, paths_of, search_path
from ganatomy.config.mistakes.overrides import refuse_bases, replacing, trouble
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.config.plans.reading import expanded
from ganatomy.config.resolve import to_plain, validate
from ganatomy.config.resolvers import register_resolvers
from ganatomy.config.translate import announce, word_of_today, words_of_today
from ganatomy.errors import UserError

if TYPE_CHECKING:
    from ganatomy.config.section import Plain


def searched() -> list[str]:
    """Return the folders that `--config-dir` or hydra.searchpath added to conf/ in this process."""
    sources = HydraConfig.get().runtime.config_sources
    own = {str(CONF), ""}
    return [s.path for s in sources if s.schema == "file" and s.path not in own]


def composed(words: Sequence[str], folders: Sequence[str] = (), check: bool = False) -> Plain:
    """Return the configuration that `python -m src.train <words>` would run with.

    Args:
        words: Overrides of the command line.
        folders: Folders that Hydra searches beside conf/.
        check: Check the configuration as `train` does.

    Returns:
        Plain values, resolved, by today's names.

    Raises:
        UserError: The words do not compose or, with `check`, `train` would refuse them.
    """
    with _composition(words, folders) as cfg:
        plain = to_plain(cfg)
        if check:
            validate(plain)
        return plain


def as_written(words: Sequence[str]) -> tuple[Plain, dict[str, str]]:
    """Return the configuration with its `${...}`, and the chosen file of each group of conf/."""
    with _composition(words) as cfg:
        plain = OmegaConf.to_container(cfg, resolve=False)
        choices = HydraConfig.get().runtime.choices
        assert isinstance(plain, dict)
        return {str(key): value for key, value in plain.items()}, {
            str(group): str(choice) for group, choice in choices.items() if choice is not None
        }


@contextmanager
def _composition(words: Sequence[str], folders: Sequence[str] = ()) -> Iterator[DictConfig]:
    register_resolvers()
    before = HydraConfig.instance().cfg
    standing = functools.partial(composed_plain, "train", more=search_path(folders))
    known, lines = words_of_today(expanded(words), standing)
    announce(lines)
    found = replacing(known, standing)
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose("train", [*found, *search_path(folders)], return_hydra_config=True)
            HydraConfig.instance().set_config(cfg)
            refuse_bases()
            yield OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    except (HydraException, ValueError) as error:
        if isinstance(error, UserError) or not (isinstance(error, HydraException) or of_choice(error)):
            raise
        line = explain(error, words=[*words, *search_path(folders)])
        raise UserError(str(line).removeprefix("error: ")) from error
    finally:
        HydraConfig.instance().cfg = before


def parsed(words: Sequence[str]) -> list[Override]:
    """Parse overrides by Hydra's grammar; refuse those that delete, sweep or name a package."""
    try:
        found: list[Override] = OverridesParser.create().parse_overrides(list(words))
    except HydraException as error:
        raise UserError(trouble(words) or " ".join(str(error).split())) from error
    for override in found:
        if override.is_delete() or override.is_sweep_override() or override.package:
            raise UserError(f"{override.input_line}: only key=value and group=choice may stand here")
    return found


def is_group(key: str) -> bool:
    """Return True for a key that chooses a file of conf/, such as `model` and `model/generator`."""
    return "." not in key and (CONF / key).is_dir()


def known_key(key: str, plain: Plain) -> None:
    """Raise one line, with the nearest name, when `key` is neither a key of `plain` nor a group of conf/."""
    groups = [path.name for path in CONF.iterdir() if path.is_dir()]
    paths = [*paths_of(plain), *groups]
    if key not in paths:
        parent = key.rpartition(".")[0]
        siblings = [path for path in paths if path.rpartition(".")[0] == parent]
        close = nearest(key, siblings) if parent and siblings else nearest(key, paths)
        raise UserError(f"{key}: no such key{close}")


def experiment(words: Sequence[str], comment: str) -> str:
    """Return a file of the group `experiment` that chooses and sets what the words do."""
    defaults: list[Any] = []
    content: dict[str, Any] = {}
    for override in parsed([word_of_today(word) for word in words]):
        value: Any = override.value()
        if override.key_or_group == "experiment":
            defaults.insert(0, value)
        elif is_group(override.key_or_group):
            defaults.append({f"override /{override.key_or_group}": value})
        else:
            *parents, leaf = override.key_or_group.split(".")
            node = content
            for parent in parents:
                node = node.setdefault(parent, {})
            node[leaf] = value
    lines = "".join(f"# {line}\n" for line in comment.splitlines())
    body = {"defaults": [*defaults, "_self_"], **content}
    return f"# @package _global_\n{lines}{yaml.dump(body, Dumper=_Plain, sort_keys=False, width=120)}"


class _Plain(yaml.SafeDumper):
    """Floats that YAML reads as floats again (1e-05 would be a string), and no references."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _float(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e", 1)
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Plain.add_representer(float, _float)
_Plain.add_multi_representer(str, lambda dumper, value: dumper.represent_str(str(value)))
