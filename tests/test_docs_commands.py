"""Every command of the README and of docs/ is run by a test, or its page says why not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ganatomy.config.resolve import validate
from tests.conftest import ROOT
from tests.pages import DOCS, Block, fenced
from tests.stage import copied, make_run, module_of, needed, parsed, prepare, run, shortened, write_data

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
BLOCKS = [block for page in PAGES for block in fenced(page)]
COMMANDS = ("sh", "console", "python")
ELSEWHERE = {
    ("data.md", "sh"): "test_docs_data.py",
    ("five_minutes.md", "sh"): "test_docs_five_minutes.py",
    ("extending.md", "sh"): "test_docs_extending.py",
    ("extending.md", "console"): "test_docs_extending.py",
    ("extending.md", "python"): "test_docs_extending.py",
    ("python.md", "python"): "test_docs_python.py",
    ("deploy.md", "python"): "export/test_deploy.py",
    ("scores.md", "python"): "stage.py",
}
"""Blocks that tests of their own run."""
IN_ORDER = {"howto.md", "start.md"}
"""Pages whose blocks follow upon each other."""


def ours(block: Block) -> bool:
    run_elsewhere = (block.page, block.language) in ELSEWHERE
    return block.language in COMMANDS and not block.reason and not run_elsewhere


def groups() -> dict[str, list[Block]]:
    """Blocks that are run in one folder, by a name."""
    found: dict[str, list[Block]] = {}
    for block in filter(ours, BLOCKS):
        name = block.page if block.page in IN_ORDER else f"{block.page}-{block.number}"
        found.setdefault(name, []).append(block)
    return found


GROUPS = groups()


def reasons() -> dict[str, str]:
    rows = re.findall(r"^\| (\w+) \| (.+) \|$", (DOCS / "not_run.md").read_text(encoding="utf-8"), re.M)
    return {word: meaning for word, meaning in rows if word != "reason"}


def test_every_block_has_a_language_and_its_reason_is_listed() -> None:
    known = {*COMMANDS, "yaml", "text", "math"}
    assert not [block for block in BLOCKS if block.language not in known]
    given = {block.reason for block in BLOCKS if block.reason}
    assert given == set(reasons()) and len(given) <= 12
    assert not [block for block in BLOCKS if block.reason and block.language not in COMMANDS]
    for test in ELSEWHERE.values():
        assert (ROOT / "tests" / test).is_file()


def test_the_readme_is_short() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150 and len(text.encode()) <= 9000


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stage")
    write_data(folder)
    return folder


@pytest.mark.parametrize("name", GROUPS)
def test_the_trainings_of_a_page_are_configurations(
    name: str, stage: Path, compose: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run would refuse before its first step: keys, values, classes."""
    monkeypatch.chdir(stage)
    monkeypatch.syspath_prepend(str(stage))
    for block in GROUPS[name]:
        for env, words in parsed(block.content) if block.language == "sh" else []:
            verb, *words = shortened(module_of(words))
            verb, *words = words if verb == "ganatomy" else (verb.removeprefix("src."), *words)
            needs_a_run = any(word.startswith(("resume=", "plan=", "--")) for word in words)
            if verb == "train" and not needs_a_run:
                for variable, value in env.items():
                    monkeypatch.setenv(variable, value)
                validate(compose(*words, tiny=False))


@pytest.mark.slow
@pytest.mark.parametrize("name", GROUPS)
def test_the_commands_of_a_page_do_what_they_say(name: str, stage: Path, tmp_path: Path) -> None:
    blocks = GROUPS[name]
    for run_name in needed("".join(block.content for block in blocks)):
        make_run(run_name, stage)
    folder = copied(stage, tmp_path / "here")
    prepare(name, folder)
    for block in blocks:
        if block.language == "python":
            code, said = run(["tests.call_block"], folder, {"BLOCK": block.content})
            assert code == 0, said
            continue
        for command, answer in asked(block):
            for env, words in parsed(command):
                code, said = run(shortened(module_of(words)), folder, env)
                assert code == (2 if answer.startswith("error: ") else 0), f"{' '.join(words)}\n{said}"
                assert answer.strip() in said, f"{' '.join(words)}\n{said}"


def asked(block: Block) -> list[tuple[str, str]]:
    """(commands, what they answer) of a block."""
    if block.language == "sh":
        return [(block.content, "")]
    found = []
    for part in re.split(r"^\$ ", block.content, flags=re.M)[1:]:
        lines = part.splitlines(keepends=True)
        last = next(n for n, line in enumerate(lines) if not line.endswith("\\\n"))
        found.append(("".join(lines[: last + 1]), "".join(lines[last + 1 :])))
    return found
