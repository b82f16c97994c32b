"""Settings of `evaluate`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ganatomy.config.schema import DataConfig, PathsConfig
from ganatomy.config.section import Section
from ganatomy.errors import UserError


class EvaluateConfig(Section):
    """Configuration of `evaluate`: what is scored on which cases, and where the results go."""

    paths: PathsConfig
    run: str | list[str] | None
    data: DataConfig | None = None
    split: Literal["train", "val", "test", "all"] | None
    twin: str | None
    ignore_classes: list[str]
    output: str | None
    doubt: bool
    membership: Annotated[int, Field(ge=1)] | None = None
    pictures: Annotated[int, Field(ge=0)]
    device: str
    debug: bool

    @property
    def runs(self) -> list[str]:
        """Return the named runs; UserError if there is none, or one twice."""
        found = [self.run] if isinstance(self.run, str) else list(self.run or [])
        if not found or not all(found):
            raise UserError("run: name a finished run, as in run=runs/segmentation/DIR")
        if double := next((one for one in found if found.count(one) > 1), None):
            raise UserError(f"run={double}: is named twice; name each run once")
        return found
