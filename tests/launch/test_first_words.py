"""Paths without a key come out of Hydra as they were typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from ganatomy.launch.first_words import keyed

NAMES = [
    "plain",
    "a b",
    'say "hi"',
    "it's",
    "a,b]",
    "{x: 1}",
    "50%",
    "$5",
    "${x}",
    "\\",
    'end\\"',
    "01",
    "null",
    "ü",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_read_back(name: str) -> None:
    for several in (False, True):
        (word,) = keyed([name], "runs", several)
        value = OverridesParser.create().parse_override(word).value()
        plain = OmegaConf.to_container(OmegaConf.create({"runs": value}), resolve=True)
        assert plain == {"runs": [name] if several else name}


def test_words_with_a_key_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("name=x").mkdir()
    assert keyed(["a", "b", "top=3"], "runs") == ['runs="a"', "b", "top=3"]
    assert keyed(["top=3", "a"], "runs", several=True) == ["top=3", "a"]
    assert keyed(["name=x", "--help"], "runs") == ['runs="name=x"', "--help"]
    assert keyed(["--help"], "runs") == ["--help"] and keyed([], "runs") == []
