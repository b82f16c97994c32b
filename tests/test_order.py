"""Order of the tests among workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import slow_first


@dataclass
class Item:
    path: Path
    marks: list[str] = field(default_factory=list)

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.marks else None


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 50])
def test_each_part_begins_with_slow_files_and_every_test_stays(workers: int) -> None:
    items: list[Any] = [Item(Path(f"{n // 7}.py"), ["slow"] if n % 23 == 5 else []) for n in range(210)]
    files = {item.path for item in items if item.marks}
    found = slow_first(items, workers)
    assert len(found) == 210 and {id(item) for item in found} == {id(item) for item in items}
    for path in {item.path for item in items}:
        places = [place for place, item in enumerate(found) if item.path == path]
        assert [found[place] for place in places] == [item for item in items if item.path == path]
        assert places == list(range(places[0], places[0] + 7))
    if workers < 4:
        for begin in (len(items) * worker // workers for worker in range(workers)):
            assert any(item.path in files for item in found[begin : begin + 14])
