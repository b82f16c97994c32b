"""Examples in the docstrings of the entry points are run."""

from __future__ import annotations

import doctest
import importlib

import pytest

ENTRY_POINTS = {
    "Game": "ganatomy.adversarial.game",
    "plan": "ganatomy.adversarial.updates.planner",
    "AdversarialTask": "ganatomy.tasks.base",
    "DataModule": "ganatomy.data.datamodule",
    "Source": "ganatomy.data.records",
}
WITHOUT_EXAMPLE = {"AdversarialTask", "DataModule", "Source"}
"""Entry points whose docstrings have no example yet; empty when all five have one."""


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_the_example_of_an_entry_point_runs(name: str) -> None:
    entry = getattr(importlib.import_module(ENTRY_POINTS[name]), name)
    found = [test for test in doctest.DocTestFinder().find(entry, name) if test.examples]
    if not found and name in WITHOUT_EXAMPLE:
        pytest.skip(f"{name} has no example yet")
    assert found, f"{name}: its docstring needs an example"
    for test in found:
        report: list[str] = []
        result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=report.append)
        assert result.failed == 0, "".join(report)
