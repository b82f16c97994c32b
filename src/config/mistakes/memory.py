"""Errors of memory that ran out: where it happened, and what would need less."""

from __future__ import annotations

import errno
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ganatomy.errors import UserError

if TYPE_CHECKING:
    from ganatomy.config.schema import Config

SIGNS = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|unable to allocate|_ALLOC_FAILED"
    r"|worker .* is killed by signal: (Killed|Bus error)|unable to mmap",
    re.IGNORECASE,
)
ASKED = re.compile(r"allocate ([\d.]+) (bytes|[KMGTPE]i?B)", re.IGNORECASE)
HELD = re.compile(r"([\d.]+) ([KMGTPE]iB) is allocated by PyTorch")
FREE = re.compile(r"of which ([\d.]+) ([KMGTPE]iB) is free")
POWERS = {"b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5, "e": 6}


def ran_out(error: BaseException) -> bool:
    """Return True if the machine, the GPU or shared memory ran out of room."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return isinstance(error, RuntimeError) and bool(SIGNS.search(str(error)))


def describe(error: BaseException, place: str = "") -> str:
    """Say that memory ran out, where, and how much was asked for."""
    found = ASKED.search(str(error))
    size = f" when {_words(_bytes(found))} more were asked for" if found else ""
    return f"out of memory{f' in {place}' if place else ''}{size}"


@contextmanager
def explained(cfg: Config, begun: bool = True) -> Iterator[None]:
    """Turn running out of memory into a UserError; `begun` says that data were read before."""
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError) or not ran_out(error):
            raise
        place = _place(error) if begun else "reading the data"
        raise UserError(f"{describe(error, place)}; {_remedy(error, cfg, place)}") from error


def _place(error: BaseException) -> str:
    """Find the stage by the calls of the traceback, as the trainer has reset its own."""
    calls = traceback.extract_tb(error.__traceback__)
    if any(call.name == "_test_impl" for call in calls):
        return "the test"
    return "validation" if any("evaluation_loop" in call.filename for call in calls) else "training"


def _remedy(error: BaseException, cfg: Config, place: str) -> str:
    smaller = "data.patch" if cfg.data.extra.get("patch") else "data.size"
    if "worker" in str(error):
        return "set data.workers=0, or fewer of them"
    if place == "reading the data":
        return f"set data.cache=disk, which holds no case in memory, or a smaller {smaller}"
    if place != "training":
        windows, window = "window" in cfg.task.extra, cfg.task.extra.get("window")
        least = f"a smaller task.window than {window}" if window else "task.window=64"
        return f"set {least if windows else f'a smaller {smaller}'}, or a smaller data.batch_size"
    batch, pieces = cfg.data.batch_size, cfg.update.accumulate
    rows = batch // pieces
    if rows < 2:
        return f"no batch fits: set a smaller {smaller}, or fewer channels (model.generator.channels)"
    fits = max(1, min(rows // 2, int(rows * _share(error))))
    return (
        f"{rows} images at once are too many, {fits} may fit: update.accumulate={-(-batch // fits)} works "
        f"through a batch in so many pieces and keeps the numbers, data.batch_size={fits} does not"
    )


def _share(error: BaseException) -> float:
    """Return the share of the needed memory that there is; 1 where the message does not say."""
    asked, held, free = (pattern.search(str(error)) for pattern in (ASKED, HELD, FREE))
    if not (asked and held and free):
        return 1.0
    return (_bytes(held) + _bytes(free)) / (_bytes(held) + _bytes(asked))


def _bytes(found: re.Match[str]) -> float:
    return float(found[1]) * 1024.0 ** POWERS[found[2][0].lower()]


def _words(size: float) -> str:
    power = next((p for p in reversed(POWERS) if size >= 1024.0 ** POWERS[p]), "b")
    unit = "bytes" if power == "b" else f"{power.upper()}iB"
    return f"{size / 1024.0 ** POWERS[power]:.3g} {unit}"
