"""The tool that lists the error messages which no test reaches, and its list."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import environment
from tests.reached.report import ROOT, Message, Place, listed, messages, reached, unreached

MOST_UNREACHED = 0
"""Lower it with each row that tests/unreached.csv loses; a message that a test can reach gets no row."""

Places = dict[Message, list[Place]]


@pytest.fixture(scope="module")
def places() -> Places:
    return messages()


def test_the_list_names_messages_that_are_there_and_only_shrinks(places: Places) -> None:
    rows = listed()
    assert len(places) > 900 and len(rows) <= MOST_UNREACHED
    assert [message for message, why in rows.items() if message not in places or not why] == []


ERRORS = """
import os
from ganatomy.data.transforms.missing import check_missing
from ganatomy.errors import UserError
for drop in (2, 0.5):
    child = os.fork()
    try:
        if not child:
            check_missing(None, drop, 1)
    except UserError:
        os._exit(0)
    os.wait()
try:
    check_missing("x", 0, 1)
except UserError:
    pass
"""


def test_errors_are_noted_in_a_command_and_its_forks_by_message(tmp_path: Path, places: Places) -> None:
    """Two of `check_missing` itself, and one that is made in `one_of`, which it calls."""
    path = os.pathsep.join([str(ROOT / "tests/reached"), str(ROOT)])
    env = environment(PYTHONPATH=path, GANATOMY_REACHED=str(tmp_path / "made"))
    subprocess.run([sys.executable, "-c", ERRORS], env=env, check=True)
    found = set(places) - unreached(places, reached(tmp_path / "made"))
    assert {(message.file, message.words) for message in found} == {
        ("data/transforms/missing.py", "data.drop=…: is a probability, 0 up to below 1"),
        (
            "data/transforms/missing.py",
            "data.drop=…: drops channels in training; set data.missing=zero too, or data.drop=0",
        ),
        ("data/transforms/missing.py", "data.missing zero"),
        ("errors.py", "…=…: choose …"),
    }
