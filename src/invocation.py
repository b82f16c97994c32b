"""Command line and environment of this process: as typed, for child processes, and without secrets."""

from __future__ import annotations

import os
import re
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = "ganatomy"
PREFIXES = "GANATOMY_TARGETS"
"""Variable of the shell that allows prefixes of classes of the user's own."""
SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|_PASS\b|_PWD\b|CREDENTIAL|AUTH", re.IGNORECASE)
"""Part of the name of a variable whose value is a secret."""
BY_WORD = re.compile(
    r"(?:^|_)(?:[A-Z]*KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASS|PWD|PASSPHRASE|CREDENTIALS?|AUTH)(?:_|$)",
    re.IGNORECASE,
)
"""Name of a variable whose value is looked for in texts: API_KEY, and not AUTHOR."""
OF_SECRET = re.compile(
    r"[+~]*(?:[\w./@-]*[./@])?(?:\w*_)?"
    r"(?:(?:(?:api|access|private|secret|auth)_?)key|token|secret|password|passwd|passphrase|pwd|credentials?|auth)",
    re.IGNORECASE,
)
"""Key of the command line whose value is a secret, such as logger.api_key; not num_tokens."""
IN_URL = re.compile(r"(\w://[^\s/:@'\"]*):[^\s'\"]*@")
"""User and password in a URL; the password may hold slashes and ends at the last @."""
IN_QUERY = re.compile(r"([?&](?:password|passwd|pwd|token|key|secret)=)[^\s&'\"]+", re.IGNORECASE)
"""Password among the options of a URL."""
HIDDEN = "***"
LEAST = 8
"""Fewest characters of a value that is looked for in texts."""

BROKEN_PIPE = 141
"""Exit code of a command whose output nobody reads any more, as shells count it: 128 + SIGPIPE."""

_settled: list[tuple[str, ...]] = []


@contextmanager
def while_read() -> Iterator[None]:
    """End without a word, with the exit code of a broken pipe, once nobody reads the output: `| head`."""
    try:
        try:
            yield
        finally:  # what is written last, such as help before SystemExit, may still wait in the buffer
            sys.stdout.flush()
    except BrokenPipeError:
        if not _unread():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what is written at exit
        raise SystemExit(BROKEN_PIPE) from None


def _unread() -> bool:
    """Return True if the output is a pipe whose other end is closed."""
    if not hasattr(select, "poll"):  # Windows
        return False
    poll = select.poll()
    poll.register(1, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def by_console() -> bool:
    """Return True if `ganatomy <verb>` started this process, not `python -m src.<verb>`."""
    return sys.argv[0].startswith(f"{PROGRAM} ")


def typed(verb: str) -> str:
    """Return the words to type for a command, in the form that the user used."""
    return f"{PROGRAM} {verb}" if by_console() else f"python -m src.{verb}"


def child_command(verb: str) -> list[str]:
    """Return the words that start a command in a child process, with the code that runs here.

    The console command does not import from the current folder first, and neither do its children (-P): a
    folder called ganatomy there would hide the package.
    """
    if not by_console():
        return [sys.executable, "-m", f"ganatomy.{verb}"]
    safe = [] if sys.path[0] in ("", str(Path.cwd())) else ["-P"]
    return [sys.executable, *safe, "-m", PROGRAM, verb]


def shown(path: Path) -> str:
    """Return a path relative to the current folder if it lies in it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def own_prefixes() -> tuple[str, ...]:
    """Return the prefixes of GANATOMY_TARGETS: those of the shell, once a command has settled them."""
    if _settled:
        return _settled[0]
    return tuple(filter(None, (part.strip() for part in os.environ.get(PREFIXES, "").split(","))))


def settle_prefixes() -> str:
    """Fix the prefixes before any file is read, and return the line about them; empty for none."""
    if not _settled:
        _settled.append(own_prefixes())
    named = ", ".join(_settled[0])
    return f"{PREFIXES}: configurations may also name classes of {named}" if named else ""


def is_secret(name: str) -> bool:
    """Return True for a variable of the environment whose name says that it holds a secret."""
    return bool(SECRET.search(name))


def secret_in(text: str) -> str:
    """Return the variable whose secret the shell put into a text; empty for none.

    Short values and paths are no secrets: they stand in many texts for other reasons.
    """
    return next((name for name, value in _secrets() if value in text), "")


def _secrets() -> Iterator[tuple[str, str]]:
    for name, value in os.environ.items():
        if BY_WORD.search(name) and len(value) >= LEAST and not re.search(r"^[~/.]|\s", value):
            yield name, value


def redacted(text: str) -> str:
    """Return a text with `***` for passwords of URLs and the values of secret keys and variables."""
    for _, secret in _secrets():
        text = text.replace(secret, HIDDEN)
    key, equals, value = text.partition("=")
    if equals and value and OF_SECRET.fullmatch(key):
        return f"{key}={HIDDEN}"
    return IN_QUERY.sub(rf"\1{HIDDEN}", IN_URL.sub(rf"\1:{HIDDEN}@", text))
