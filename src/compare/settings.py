"""Keys of `compare`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ganatomy.config.section import Section

Runs = Annotated[list[str | list[str]], BeforeValidator(lambda given: _texts(given))]


class CompareConfig(Section):
    """Configuration of `compare`: the runs, and what is shown."""

    runs: Runs
    output: str | None
    scores: (
        Literal["all"]
        | Annotated[list[str], BeforeValidator(lambda g: [g] if isinstance(g, str) else g)]
        | None
    )
    cases: Annotated[int, Field(ge=0)]
    debug: bool


def _texts(given: Any) -> Any:
    """Return names of folders as texts: Hydra reads those made of digits as numbers."""
    several = given if isinstance(given, list) else [given]
    return [
        _texts(item) if isinstance(item, list) else str(item) if isinstance(item, int) else item
        for item in several
    ]
