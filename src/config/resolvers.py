"""Extensions of Hydra: interpolations that conf/ uses, and a reader of YAML files that knows old names."""

from __future__ import annotations

import functools
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf
from omegaconf.resolvers import oc

from ganatomy.config.locations import CONF
from ganatomy.config.mistakes.overrides import BASES
from ganatomy.config.security.elsewhere import check_file, checked
from ganatomy.config.translate import announce
from ganatomy.config.versions import file_of_today, put
from ganatomy.errors import UserError
from ganatomy.invocation import is_secret, typed

KEY = re.compile(r"( *)(\w+):\s*(.*?)\s*(?:#\s*(.*))?")
"""Line of a file in conf/: indentation, key, value, comment."""
WIDTH = 118
"""Columns of --help."""


def register_resolvers() -> None:
    """Register the interpolations of the files in conf/, and our reader of YAML files.

    `${run_directory:resume,new}`: a resumed run goes on in its own directory. `${choices:train}`: the groups
    that --help of `train` lists. `${keys:predict}`: the keys of that command, with the comments of its file.
    `${command:train}`: how the user calls that command. `${oc.env:...}` reads no secrets, which would end in
    config.yaml.
    """
    OmegaConf.register_new_resolver("oc.env", _variable, replace=True)
    OmegaConf.register_new_resolver("command", typed, replace=True)
    OmegaConf.register_new_resolver("run_directory", lambda resume, new: resume or new, replace=True)
    OmegaConf.register_new_resolver("choices", _choices, replace=True)
    OmegaConf.register_new_resolver("keys", _keys, replace=True)
    Plugins.instance()  # registers Hydra's own reader, which ours replaces
    SourcesRegistry.instance().types["file"] = FileConfigSource


def _variable(name: str, *default: str | None) -> str | None:
    """Return a variable of the environment, or the default; UserError for one that holds a secret."""
    if is_secret(name):
        raise UserError(
            f"${{oc.env:{name}}} would write a secret into config.yaml; "
            f"let the program that needs {name} read it"
        )
    return oc.env(name, *default)


def _choices(command: str) -> str:
    """Return a line for each group that a command takes, with its choices, those of added folders too."""
    from hydra.core.global_hydra import GlobalHydra

    from ganatomy.config.mistakes.keys import takes

    loader: Any = GlobalHydra.instance().config_loader()
    groups = {name for name in loader.list_groups("") if name != "hydra"}
    groups |= {f"model/{name}" for name in loader.list_groups("model")}
    groups = {name for name in groups if takes(command, name)}
    listed = loader.repository.get_group_options  # the loader's own copies the repository for each group
    offered = {name: listed(name, ObjectType.CONFIG) for name in sorted(groups)}
    lines = {name: [o for o in found if o not in BASES.get(name, ())] for name, found in offered.items()}
    return "\n".join(f"{name}: {', '.join(found)}" for name, found in lines.items() if found) + "\n"


def _keys(command: str) -> str:
    """Return a line for each key of a command with its default and its comment in conf/."""
    text = (CONF / f"{command}.yaml").read_text(encoding="utf-8").split("\n\n", 1)[1].split("\nhydra:")[0]
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.lstrip().startswith("#") and found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip(' #')}")
        elif match := KEY.fullmatch(line):
            indent, key, value, comment = match.groups(default="")
            shown = "" if value in ("", "null", "???") else f"={value}"
            found.append((f"{indent}{key}{shown}", comment))
    width = 3 + max(len(key) for key, _ in found)
    lines = [
        textwrap.fill(f"{key:<{width}}{comment}".rstrip(), WIDTH - 2, subsequent_indent=" " * (width + 2))
        for key, comment in found
    ]
    return "\n  ".join(lines) + "\n"


class FileConfigSource(file_config_source.FileConfigSource):
    """Hydra's reader of YAML files, with old names renamed as a file is read.

    So whatever stands above the file, such as the words of the command line, wins over it by either name.
    """

    def load_config(self, config_path: str) -> ConfigResult:
        path = Path(self.path) / self._normalize_file_name(config_path)
        added = self.provider != "main"  # not conf/
        try:
            if added and path.is_file():
                checked(path)
            result = super().load_config(config_path)
            plain = OmegaConf.to_container(result.config, resolve=False)
            if not isinstance(plain, dict):
                return result
            if added:
                check_file(plain, _package(result, config_path), config_path)
            content = {str(key): value for key, value in plain.items()}
            classes = functools.partial(self._classes, content, config_path)
            today, lines = file_of_today(content, _package(result, config_path), classes)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        if lines:
            announce([f"{line} (in {path})" for line in lines])
            result.config = OmegaConf.create(today)
        return result

    def _classes(self, content: dict[str, Any], config_path: str) -> dict[str, Any]:
        """Return the classes of the files in this folder that a file builds on, each in its section."""
        found: dict[str, Any] = {}
        for name in _built_on(content.get("defaults"), config_path.rpartition("/")[0]):
            if name == config_path.removesuffix(".yaml") or not self.is_config(name):
                continue
            result = super().load_config(name)
            plain = OmegaConf.to_container(result.config, resolve=False)
            if isinstance(plain, dict):
                inner = {str(key): value for key, value in plain.items()}
                found |= self._classes(inner, name)
                if "_target_" in plain and (package := _package(result, name)):
                    put(found, package, {"_target_": plain["_target_"]})
        return found


def _built_on(defaults: Any, folder: str) -> Iterator[str]:
    """Yield the files, from the top of their folder and without .yaml, of a list of defaults."""
    for entry in defaults if isinstance(defaults, list) else ():
        given = entry if isinstance(entry, dict) else {"": entry}
        for where, choice in given.items():
            group = str(where).split(" ")[-1].partition("@")[0]
            within = group[1:] if group.startswith("/") else f"{folder}/{group}"
            if isinstance(choice, str) and choice != "_self_":
                yield f"{within.strip('/')}/{choice}".strip("/").removesuffix(".yaml")


def _package(result: ConfigResult, config_path: str) -> str:
    """Return the dotted key below which Hydra puts a file: of its header, else of its folder."""
    package = result.header["package"]
    if package is None or package == "_group_":
        return config_path.rpartition("/")[0].replace("/", ".")
    return "" if package == "_global_" else package
