"""YAML files that Hydra reads: those of the user's own may hold names of earlier versions."""

from __future__ import annotations

from pathlib import Path

from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf

from ganatomy.config.translate import announce
from ganatomy.config.versions import file_of_today
from ganatomy.errors import UserError


class FileConfigSource(file_config_source.FileConfigSource):
    """Hydra's reader of YAML files, with old names renamed as a file is read.

    So whatever stands above the file, such as the words of the command line, wins over it by either name.
    """

    def load_config(self, config_path: str) -> ConfigResult:
        result = super().load_config(config_path)
        plain = OmegaConf.to_container(result.config, resolve=False)
        if not isinstance(plain, dict):
            return result
        path = Path(self.path) / self._normalize_file_name(config_path)
        try:
            content = {str(key): value for key, value in plain.items()}
            today, lines = file_of_today(content, _package(result, config_path))
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        if lines:
            announce([f"{line} (in {path})" for line in lines])
            result.config = OmegaConf.create(today)
        return result


def _package(result: ConfigResult, config_path: str) -> str:
    """Return the dotted key below which Hydra puts a file: of its header, else of its folder."""
    package = result.header["package"]
    if package is None or package == "_group_":
        return config_path.rpartition("/")[0].replace("/", ".")
    return "" if package == "_global_" else package


def register_source() -> None:
    """Have Hydra read files by this class, in place of its own for `file://`."""
    Plugins.instance()  # registers Hydra's own, and leaves what is there
    SourcesRegistry.instance().types["file"] = FileConfigSource
