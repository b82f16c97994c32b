"""`ganatomy <verb> ...`: choose the command and hand it the other words."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import NamedTuple, NoReturn

from ganatomy.invocation import PROGRAM, while_read
from ganatomy.text.folding import fitted
from ganatomy.version import __version__


class Verb(NamedTuple):
    """A command.

    Attributes:
        module: Module of the function.
        function: Name of the function that runs the command.
        summary: Line for the help.
    """

    module: str
    function: str
    summary: str


VERBS = {
    "train": Verb("ganatomy.train", "main", "train a model and score it on the test split"),
    "check": Verb("ganatomy.check", "main", "read a data set once; report what is in it and what is wrong"),
    "predict": Verb("ganatomy.predict.__main__", "main", "apply a finished run to new files"),
    "evaluate": Verb("ganatomy.evaluate.__main__", "main", "score a finished run on any set, or pool folds"),
    "compare": Verb("ganatomy.compare.__main__", "start", "say which of finished runs is better, and where"),
    "index": Verb("ganatomy.index.__main__", "start", "list all runs, on the terminal and on one page"),
    "generate": Verb("ganatomy.generate.__main__", "main", "draw images from a finished synthesis run"),
    "export": Verb("ganatomy.export.__main__", "main", "write a finished run as ONNX, TorchScript or bundle"),
    "demo": Verb("ganatomy.demo.__main__", "main", "show a finished run on a page of this machine"),
    "sweep": Verb("ganatomy.sweep", "start", "search for the best configuration over many runs"),
    "experiment": Verb("ganatomy.experiment", "start", "train the arms of a study; test a paper's claims"),
    "doctor": Verb("ganatomy.doctor", "main", "print what a bug report needs: versions, devices, speed"),
    "completion": Verb("ganatomy.completion", "main", "print tab completion for bash, zsh or fish"),
}

HELP = """GANatomy {version}: train, compare and ship GANs for medical images.

Usage: ganatomy <command> [group=choice] [key=value] ...

Commands:
{commands}

Examples:
  ganatomy train                                        segmentation of brain tissue, a few minutes
  ganatomy train trainer.max_steps=20 data.subjects=6   does it run at all? (seconds)
  ganatomy train task=synthesis                         make new images from noise
  ganatomy train resume=runs/segmentation/DIR           continue a run that stopped
  ganatomy predict run=DIR input=scans output=answers   apply a finished run to new files
  ganatomy generate run=DIR n=1000 output=images        draw images from a finished synthesis run
  ganatomy evaluate run=runs/segmentation/DIR data=...  score a finished run on other cases
  ganatomy check data=folder data.root=DIR              read your own images once
  ganatomy compare RUN RUN                              which of two runs is better, and for which cases
  ganatomy index runs/                                  all runs on one page, to sort and filter
  ganatomy export run=runs/segmentation/DIR             a finished run as ONNX, compared with torch
  ganatomy doctor                                       what a bug report needs, without paths or names
  eval "$(ganatomy completion bash)"                    complete commands, groups, keys and values with Tab

ganatomy <command> --help lists what a command takes; ganatomy --version shows the version.
"""


@while_read()
@fitted()
def main() -> None:
    """Run the command that the first word names; a mistake prints one line and exits with code 2."""
    words = sys.argv[1:]
    if not words or words[0] in ("--help", "-h", "help"):
        _show(HELP.format(version=__version__, commands=_commands()))
    if words[0] == "--version":
        _show(f"GANatomy {__version__}\n")
    if words[0] not in VERBS:
        _refuse(words[0])
    verb = VERBS[words[0]]
    sys.argv = [f"{PROGRAM} {words[0]}", *words[1:]]
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # last: it may hold the user's classes, but must not hide ours
    getattr(importlib.import_module(verb.module), verb.function)()


def _commands() -> str:
    return "\n".join(f"  {name:<12}{verb.summary}" for name, verb in VERBS.items())


def _show(text: str) -> NoReturn:
    sys.stdout.write(text)
    raise SystemExit(0)


def _refuse(word: str) -> NoReturn:
    """Exit with one line for a first word that is not a command."""
    from ganatomy.config.mistakes.suggestions import nearest

    if "=" in word:
        hint = f"; the command comes first, as in {PROGRAM} train {word}"
    elif word.startswith("-"):
        hint = f"; flags follow the command, see {PROGRAM} --help"
    else:
        hint = nearest(word, VERBS)
    sys.stderr.write(f"error: {word}: no such command{hint}\n")
    raise SystemExit(2)
