"""The words for what pydantic finds wrong, from pydantic's own errors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from ganatomy.config.mistakes.requirements import requirement


@pytest.mark.parametrize(
    ("hint", "given", "words"),
    [
        (int, "soon", "must be a whole number"),
        (int, 1.5, "must be a whole number"),
        (float, "fast", "must be a number"),
        (bool, 3, "must be true or false"),
        (str, 3, "must be a text"),
        (list[int], 3, "must be a list"),
        (tuple[int, ...], 3, "must be a list"),
        (dict[str, int], 3, "must be a section of keys"),
        (Annotated[int, Field(ge=1)], 0, "must be 1 or more"),
        (Annotated[float, Field(gt=0)], 0.0, "must be above 0"),
        (Annotated[float, Field(le=0.5)], 1.0, "must be 0.5 or less"),
        (Annotated[int, Field(lt=1_000_000)], 1_000_000, "must be below 1000000"),
        (Annotated[float, Field(allow_inf_nan=False)], float("inf"), "must be a finite number"),
        (Literal["maps", "wbf", "all"], "nms", "must be maps, wbf or all"),
        (
            Annotated[list[int], Field(min_length=1)],
            [],
            "list should have at least 1 item after validation, not 0",
        ),
    ],
)
def test_each_kind_of_error_has_words(hint: Any, given: Any, words: str) -> None:
    with pytest.raises(ValidationError) as error:
        TypeAdapter(hint, config=ConfigDict(strict=True)).validate_python(given)
    assert requirement(error.value.errors()[0]) == words
