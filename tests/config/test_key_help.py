"""`--help` of a command explains every key of its file."""

from __future__ import annotations

import re

import pytest
from omegaconf import OmegaConf

from ganatomy.config.locations import CONF
from ganatomy.config.resolvers import register_resolvers

COMMANDS = [path.stem for path in sorted(CONF.glob("*.yaml")) if "${keys:" in path.read_text()]


def test_the_commands_that_apply_a_run_explain_their_keys() -> None:
    assert COMMANDS == ["compare", "demo", "evaluate", "export", "generate", "index", "predict"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_key_has_an_explanation(command: str) -> None:
    register_resolvers()
    lines = str(OmegaConf.create({"text": f"${{keys:{command}}}"}).text).splitlines()
    keys = set(OmegaConf.load(CONF / f"{command}.yaml")) - {"defaults", "hydra"}
    shown = {match[1]: match[2] for line in lines if (match := re.match(r" {0,4}(\w+)\S* +(\S.*)", line))}
    assert keys <= set(shown), f"without a comment in conf/{command}.yaml: {keys - set(shown)}"
    assert all(len(line) <= 118 for line in lines)


def test_a_comment_of_two_lines_and_a_default() -> None:
    register_resolvers()
    text = str(OmegaConf.create({"text": "${keys:predict}"}).text)
    assert re.search(r"^  pictures=24 +pictures of the first cases", text, re.M)
    assert "a DICOM folder; several as [A,B]" in " ".join(text.split())
