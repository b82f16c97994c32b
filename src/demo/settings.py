"""Keys of `demo`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ganatomy.config.section import Section


class DemoConfig(Section):
    """What is shown, and where."""

    run: str | list[str]
    port: Annotated[int, Field(ge=0, le=65535)]
    device: str
    doubt: bool
    largest: Annotated[float, Field(gt=0)]
    debug: bool
