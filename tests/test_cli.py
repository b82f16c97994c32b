"""The console command: its verbs, what it tells the user to type, and tab completion in real shells."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ganatomy import completion, invocation
from ganatomy.cli import VERBS
from tests import commands
from tests.conftest import ROOT, environment

LISTED = r"""
eval "$(ganatomy completion bash)"
COMP_LINE={line} COMP_POINT=${{#COMP_LINE}}
read -r -a COMP_WORDS <<< "$COMP_LINE"
spec=$(complete -p ganatomy)
function=${{spec#* -F }}
"${{function%% *}}" ganatomy
printf '%s\n' "${{COMPREPLY[@]}}"
"""
"""Prints all that bash would offer, as it calls the function that `complete` registered."""
TYPED = {
    "bash": (
        ["--norc", "--noprofile", "-i"],
        """ganatomy() {
if [ "$1" = completion ]; then command ganatomy "$@"; else printf '<%s>\\n' "$*"; fi
}
eval "$(ganatomy completion bash)"; echo rea""dy
""",
    ),
    "zsh": (
        ["-f", "-i"],
        """ganatomy() { if [[ $1 == completion ]]; then command ganatomy $@; else print -r -- "<$*>"; fi }
autoload -Uz compinit; compinit -D -u; eval "$(ganatomy completion zsh)"; echo rea""dy
""",
    ),
    "fish": (
        ["--no-config", "-i"],
        """function ganatomy
if test $argv[1] = completion; command ganatomy $argv; else; echo '<'(string join ' ' $argv)'>'; end
end
command ganatomy completion fish | source; echo rea''dy
""",
    ),
}
"""By shell: its flags, and what has a terminal's shell print the line that it ran, instead of running it."""


def ganatomy(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return commands.run([sys.executable, "-m", "ganatomy", *words], cwd)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """`ganatomy` as an installation puts it on PATH."""
    script = tmp_path / "bin/ganatomy"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m ganatomy "$@"\n')
    script.chmod(0o755)
    return script


def listed(program: Path, line: str, cwd: Path) -> list[str]:
    """What bash offers in place of the last word, or of the part of it that follows its last = or colon."""
    script = LISTED.format(line=shlex.quote(line))
    words = ["bash", "--norc", "-c", script]
    more = environment(PATH=f"{program.parent}:{os.environ['PATH']}")
    return subprocess.run(words, cwd=cwd, env=more, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(params=TYPED)
def terminal(request: pytest.FixtureRequest, program: Path, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Types into a shell at a terminal of its own; the value is the line that it then runs."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed here")
    flags, setting = TYPED[request.param]
    ours, theirs = pty.openpty()
    own = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    path = f"{program.parent}:{os.environ['PATH']}"
    shell = subprocess.Popen(
        [request.param, *flags],
        cwd=tmp_path,
        env=environment(PATH=path, TERM="dumb", INPUTRC=os.devnull, **own),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # fish wants a terminal that is its own
    )
    os.close(theirs)

    def until(pattern: str) -> str:
        seen = ""
        while not (found := re.search(pattern, seen, re.DOTALL)):
            assert select.select([ours], [], [], 120)[0], seen
            seen += os.read(ours, 4096).decode(errors="replace")
        return found[1]

    def typed(keys: str) -> str:
        os.write(ours, f"{keys}\n".encode())
        return until("<([^>]*)>")

    os.write(ours, setting.encode())
    until("(ready)")
    yield typed
    os.close(ours)
    shell.terminate()
    shell.wait(60)


def test_help_has_a_line_a_verb() -> None:
    for words in ([], ["--help"], ["-h"]):
        result = ganatomy(*words)
        assert result.returncode == 0 and not result.stderr
        for name, verb in VERBS.items():
            assert f"  {name} " in result.stdout and verb.summary in result.stdout
    assert all(len(line) <= 110 for line in result.stdout.splitlines())


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["trian"], "error: trian: no such command; did you mean 'train'?"),
        (["task=synthesis"], "error: task=synthesis: no such command; the command comes first, as in "),
        (["--multirun", "train"], "error: --multirun: no such command; flags follow the command, see "),
        (["completion", "csh"], "error: completion: name one shell, bash, zsh, fish"),
        (["train", "seed=x"], "error: seed: "),
        (["train", "taks=synthesis"], "error: taks: no such key; did you mean 'task'?"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(words: list[str], line: str, tmp_path: Path) -> None:
    result = ganatomy(*words, cwd=tmp_path)
    assert result.returncode == 2 and not result.stdout
    assert result.stderr.startswith(line) and result.stderr.count("\n") == 1


def test_the_version_is_the_packages() -> None:
    from ganatomy import __version__

    for words in (["--version"], ["train", "--version"]):
        assert ganatomy(*words).stdout == f"GANatomy {__version__}\n"


def test_the_user_is_told_the_form_that_was_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["ganatomy train", "seed=1"])
    assert invocation.typed("check") == "ganatomy check"
    monkeypatch.setattr(sys, "path", ["/somewhere/bin", *sys.path])
    assert invocation.child_command("train") == [sys.executable, "-P", "-m", "ganatomy", "train"]
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    assert invocation.child_command("train") == [sys.executable, "-m", "ganatomy", "train"]
    monkeypatch.setattr(sys, "argv", ["/checkout/src/train.py"])
    assert invocation.typed("check") == "python -m src.check"
    assert invocation.child_command("train") == [sys.executable, "-m", "ganatomy.train"]
    assert "Usage: ganatomy train" in ganatomy("train", "--help").stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ganatomy tr", ["train"]),
        ("ganatomy train ta", ["task=", "task."]),
        ("ganatomy train task=syn", ["task=synthesis"]),
        ("ganatomy train +task=syn", ["+task=synthesis"]),
        ("ganatomy train data=comm", []),  # a part of others, and no choice
        ("ganatomy train model/generator=seg", ["model/generator=segresnet"]),
        ("ganatomy train trainer.max", ["trainer.max_steps="]),
        ("ganatomy train trainer.max_steps=", ["trainer.max_steps=600"]),
        ("ganatomy train debug=", ["debug=true", "debug=false"]),
        ("ganatomy train trainer.precision=b", ["trainer.precision=bf16-mixed"]),
        ("ganatomy train logger.mode=", ["logger.mode=offline", "logger.mode=online"]),
        ("ganatomy train data=folder data.roo", ["data.root="]),
        ("ganatomy train data.roo", []),  # of another data set
        (
            "ganatomy train none=1 model.optimizer.gen",
            ["model.optimizer.generator."],
        ),
        ("ganatomy train name='open trainer.max", ["trainer.max_steps="]),
        ("ganatomy train --cfg ", ["job", "hydra", "all"]),
        ("ganatomy train --mul", ["--multirun"]),
        ("ganatomy sweep +sweep=syn", ["+sweep=synthesis"]),
        ("ganatomy sweep trial", ["trials="]),
        ("ganatomy sweep trainer.max", ["trainer.max_steps="]),
        ("ganatomy experiment denoise", ["denoise_oct"]),
        ("ganatomy experiment denoise_oct verif", ["verify="]),
        ("ganatomy check degr", []),
        ("ganatomy index stat", ["status="]),
        ("ganatomy index experi", ["experiments/"]),
        ("ganatomy compare runs=experi", ["runs=experiments/"]),
        ("ganatomy completion z", ["zsh"]),
        ("ganatomy doc", ["doctor"]),
        ("ganatomy doctor ", ["--help"]),
        ("ganatomy trian ", []),
        ("ganatomy train resume=experi", ["resume=experiments/"]),
        ("ganatomy train data.root=./conf/mo", ["data.root=./conf/model/"]),
        ("ganatomy train data.root=nowhere/x", []),
    ],
)
def test_words_that_may_stand_at_the_end(line: str, expected: list[str], monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    assert completion.candidates(line) == expected


def test_choices_and_keys_of_an_added_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {"model/generator/tiny": "width: 4", "experiment/mine": "# @package _global_"}.items():
        file = tmp_path / f"conf/{name}.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(f"{text}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for flag in ("--config-dir conf", "--config-dir=conf", "-cd ~/conf"):
        begun = f"ganatomy train {flag} "
        assert completion.candidates(f"{begun}model/generator=ti") == ["model/generator=tiny"]
        assert completion.candidates(f"{begun}experim") == ["experiment="]
        assert completion.candidates(f"{begun}experiment=") == ["experiment=mine"]
        width = completion.candidates(f"{begun}model/generator=tiny model.generator.wi")
        assert width == ["model.generator.width="]
    assert completion.candidates("ganatomy train model/generator=ti") == []


def test_bash_lists_what_may_follow(program: Path, tmp_path: Path) -> None:
    (tmp_path / "runs/segmentation").mkdir(parents=True)
    tasks = ["anomaly", "detection", "enhancement", "segmentation", "synthesis", "translation"]
    assert listed(program, "ganatomy ", tmp_path) == [*VERBS, "--help", "--version"]
    assert listed(program, "ganatomy train task=", tmp_path) == tasks
    assert listed(program, "ganatomy train model/generator=pl", tmp_path) == ["plain_unet"]
    assert listed(program, "ganatomy train resume=runs/s", tmp_path) == ["runs/segmentation/"]


def test_a_tab_at_a_terminal_completes_the_word(terminal: Callable[[str], str]) -> None:
    """A whole word is followed by a blank; a key waits for its value."""
    assert terminal("ganatomy tr\tX") == "train X"
    assert terminal("ganatomy train task=syn\tX") == "train task=synthesis X"
    assert terminal("ganatomy train seed=1 trainer.prec\tX") == "train seed=1 trainer.precision=X"
    assert terminal("ganatomy train trainer.precision=b\tX") == "train trainer.precision=bf16-mixed X"
    assert terminal("ganatomy train nothing.li\tX") == "train nothing.liX"


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_scripts_of_other_shells_can_be_read(shell: str) -> None:
    script = ganatomy("completion", shell).stdout
    assert "ganatomy completion query" in script or "completion query" in script
    if program := shutil.which(shell):
        subprocess.run([program, "-n", "-c", script], check=True)


@pytest.mark.parametrize(
    "words", [["ganatomy", "--help"], ["src.train", "--cfg", "job"], ["src.doctor"], ["src.train", "--help"]]
)
@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_command_whose_output_is_cut_ends_without_a_word(
    words: list[str], buffered: str, tmp_path: Path
) -> None:
    """As with `| head -1`: the reader is gone before the first line, which waits in a buffer or does not."""
    read, write = os.pipe()
    os.close(read)
    variables = {**environment(), "PYTHONUNBUFFERED": buffered}  # empty: as if it was not there
    with os.fdopen(write, "w") as output:
        line = [sys.executable, "-m", *words]
        done = subprocess.run(
            line, cwd=tmp_path, env=variables, stdout=output, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (141, "")


def test_another_broken_pipe_is_an_error() -> None:
    """One to a process of our own, say, while the output is read."""
    with pytest.raises(BrokenPipeError), invocation.while_read():
        raise BrokenPipeError
