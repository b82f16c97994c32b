"""Keys of `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ganatomy.config.section import Section
from ganatomy.errors import UserError
from ganatomy.runs.integrity.outputs import refuse_no_folder

PRECISIONS = ("run", "32-true", "bf16-mixed", "16-mixed")
DECIDING = (
    "precision",
    "mirror_axes",
    "samples",
    "doubt",
    "window",
    "format",
    "series",
    "identifiers",
    "alpha",
)
"""Keys that decide what is in the files; files made with other ones are not taken for finished."""


class PredictConfig(Section):
    """What is applied to which files, and where the answers go."""

    run: str | list[str]
    input: str | list[str]
    output: str
    device: str
    precision: Literal["run", "32-true", "bf16-mixed", "16-mixed"]
    processes: Annotated[int, Field(ge=1)]
    threads: Annotated[int, Field(ge=1)] | None
    pictures: Annotated[int, Field(ge=0)]
    format: Literal["auto", "nifti"]
    mirror_axes: list[int] | None
    samples: Annotated[int, Field(ge=0)]
    doubt: bool
    window: Annotated[int, Field(ge=1)] | list[Annotated[int, Field(ge=1)]] | None
    alpha: Annotated[float, Field(ge=0, le=1)] | None = None
    twin: str | None = None
    series: Any
    identifiers: Literal["keep", "remove"]
    familiarity: bool
    debug: bool

    @property
    def runs(self) -> list[str]:
        """Return the run directories."""
        return [self.run] if isinstance(self.run, str) else self.run

    @property
    def folder(self) -> Path:
        """Return the folder of the answers."""
        return Path(self.output).expanduser()

    def deciding(self) -> dict[str, Any]:
        """Return the keys that decide the content of the files."""
        plain = self.to_plain()
        return {key: plain[key] for key in DECIDING if key in plain}

    def check_output(self, root: Path) -> None:
        """Raise UserError if no answers can be written there, or would lie among the inputs below `root`."""
        if not self.output:
            raise UserError("output: is empty; name a folder for the answers")
        refuse_no_folder(self.folder)
        place = self.folder.resolve()
        if place == root.resolve() or place.is_relative_to(root.resolve()):
            raise UserError(
                f"output={self.output}: lies in the folder of the input, where answers would become inputs; "
                "choose another"
            )
