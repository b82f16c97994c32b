"""Keys of the command `generate`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ganatomy.config.section import Section

Count = Annotated[int, Field(ge=1)]
Name = str | int | float | bool
"""A class as it is typed; YAML makes numbers of some names."""


class GenerateConfig(Section):
    """Configuration of `generate`: the run, how many images of what kind, and where they go."""

    run: str | None
    output: str
    n: Count | None
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None
    kind: Name | None = Field(alias="class")
    classes: list[Name] | None
    masks: str | None
    truncation: Annotated[float, Field(ge=0.01, le=1)] | None
    start: Count | None = Field(alias="from")
    end: Count | None = Field(alias="to")
    steps: Annotated[int, Field(ge=2)]
    format: Literal["png8", "png16", "nifti", "npz"] | None
    device: str
    processes: Count | None
    debug: bool
