"""Configuration of `export`, and the files that it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ganatomy.config.section import Section
from ganatomy.errors import UserError
from ganatomy.runs.integrity.outputs import refuse_no_file, refuse_no_folder

Format = Literal["onnx", "torchscript", "safetensors", "bundle", "card"]
ENDINGS: dict[str, Format] = {
    ".onnx": "onnx",
    ".ts": "torchscript",
    ".pt": "torchscript",
    ".safetensors": "safetensors",
    ".md": "card",
}
"""Format by the ending of a file."""
NAMES: dict[str, str] = {
    "onnx": "model.onnx",
    "torchscript": "model.ts",
    "safetensors": "model.safetensors",
    "bundle": "bundle",
    "card": "MODEL_CARD.md",
}
"""Name of the file, or folder, where `output` names none."""
CARD = "MODEL_CARD.md"


class ExportConfig(Section):
    """Configuration of `export`."""

    run: str | None
    format: Format | None
    output: str | None
    input: str | None
    licence: str | None
    force: bool
    overwrite: bool
    debug: bool

    @property
    def chosen(self) -> Format:
        """Return the format: that which is named, else that of the ending of `output`, else ONNX."""
        ending = ENDINGS.get(Path(self.output).suffix.lower()) if self.output else None
        if self.format is None:
            return ending or "onnx"
        if self.format != ending and ending is not None:
            raise UserError(
                f"output={self.output}: its ending is of format={ending}, not of format={self.format}"
            )
        return self.format

    def target(self, run: Path) -> Path:
        """Return the path of the file or, of a bundle, the folder that is written."""
        if self.output is None:
            return Path("exported") / run.resolve().name / NAMES[self.chosen]
        path = Path(self.output)
        if self.chosen == "bundle" or (path.suffix.lower() in ENDINGS and not path.is_dir()):
            return path
        return path / NAMES[self.chosen]


def check_target(target: Path, overwrite: bool, run: Path) -> None:
    """Refuse, before anything is computed, to write over something or into the run.

    Args:
        target: File or folder that is to be written.
        overwrite: A file that is there may be replaced.
        run: The run directory.

    Raises:
        UserError: It is there already, cannot be there, or lies in the run.
    """
    if run.resolve() in (target.resolve(), *target.resolve().parents):
        raise UserError(f"output: {target} is inside the run, which stays as it is; name a place outside it")
    (refuse_no_folder if target.is_dir() else refuse_no_file)(target)
    if target.is_symlink() or (target.exists() and not overwrite):
        raise UserError(f"output: {target} is there already; name another, or set overwrite=true")
