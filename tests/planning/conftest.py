"""What the tests of planning share: the rules applied to facts that were made up."""

from __future__ import annotations

from typing import Any

import pytest

from ganatomy.config.compose import composed
from ganatomy.planning import rules
from ganatomy.planning.draft import Draft
from tests.planning.planted import Drafted, made_up


@pytest.fixture(scope="module")
def drafted() -> Drafted:
    """The rules applied to `data=folder` with these facts."""

    def of(
        task: str,
        *words: str,
        dims: int = 2,
        given: tuple[str, ...] = (),
        own_model: bool = False,
        **facts: Any,
    ) -> Draft:
        plain = composed([f"task={task}", "data=folder", f"data.spatial_dims={dims}", *words])
        draft = Draft(made_up(dims, **facts), plain, given, task, own_model=own_model)
        rules.apply(draft)
        return draft

    return of
