"""Which tests take long: measured by `pytest -p tests.durations`, listed by `python -m tests.durations`.

`make test-fast` leaves out those of tests/slow.txt. A test takes long if it does by itself, or if what it
shares with others does, such as a trained run: left out alone, it would leave the making to the next one.
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tests/slow.txt"
FOLDER = ROOT / "build/durations"
OWN, SHARED = 0.2, 0.5
"""Seconds that a test, and a fixture of a module or of the session, may take."""
_shared = {"depth": 0, "seconds": 0.0}
_made: dict[str, float] = {}


def function(nodeid: str) -> str:
    """Return the name of a test without its parameters."""
    return nodeid.partition("[")[0]


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any) -> Generator[None, Any, Any]:
    if fixturedef.scope == "function":
        return (yield)
    _shared["depth"] += 1
    begun = time.perf_counter()
    try:
        return (yield)
    finally:
        seconds = time.perf_counter() - begun
        _shared["depth"] -= 1
        _shared["seconds"] += seconds * (_shared["depth"] == 0)
        name = f"{fixturedef.baseid}::{fixturedef.argname}"
        _made[name] = max(_made.get(name, 0.0), seconds)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: Any) -> Generator[None, Any, Any]:
    _shared["seconds"], begun = 0.0, time.perf_counter()
    try:
        return (yield)
    finally:
        own = time.perf_counter() - begun - _shared["seconds"]
        used = [each for found in item._fixtureinfo.name2fixturedefs.values() for each in found]
        names = [f"{each.baseid}::{each.argname}" for each in used if each.scope != "function"]
        FOLDER.mkdir(parents=True, exist_ok=True)
        with (FOLDER / f"{os.getpid()}.csv").open("a", newline="") as file:
            shared = max((_made.get(name, 0.0) for name in names), default=0.0)
            csv.writer(file).writerow([function(item.nodeid), f"{own:.3f}", f"{shared:.3f}"])


def main() -> None:
    """Write the list from what the last runs measured."""
    rows = [row for path in sorted(FOLDER.glob("*.csv")) for row in csv.reader(path.open(newline=""))]
    slow = {name for name, own, shared in rows if float(own) > OWN or float(shared) > SHARED}
    LIST.write_text("".join(f"{name}\n" for name in sorted(slow)))
    left = sum(float(own) for name, own, _ in rows if name not in slow)
    print(f"{len(slow)} of {len({row[0] for row in rows})} tests take long; the others {left:.0f} s")  # noqa: T201


if __name__ == "__main__":
    main()
