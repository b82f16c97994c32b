"""What a process of a run reports of its error to the command that started it."""

from __future__ import annotations

import json
import os
import re
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ganatomy.runs.lock import InUse
from ganatomy.runs.process_place import process_place

LOST = re.compile(r"gloo|NCCL|Connection (closed|reset|refused)|Broken pipe|Socket|TCPStore|store", re.I)


def launched() -> bool:
    """Return True in a process that `launch` started."""
    return "GANATOMY_LAUNCH" in os.environ


def report_error(error: BaseException, message: str | None, code: int | None = None) -> int:
    """Hand the error to the process that launched this one.

    Args:
        error: The error.
        message: Line for the user; None takes the traceback.
        code: Exit code; None: 2 for a mistake with a line, 1 for a fault.

    Returns:
        The exit code.
    """
    rank = os.environ.get("RANK", "0")
    code = code or (2 if message else 1)
    why = message.removeprefix("error: ") if message else f"{type(error).__name__}: {error}"
    text = message or "".join(traceback.format_exception(error)).rstrip()
    note: dict[str, Any] = {"time": time.time(), "text": text, "why": " ".join(why.split()), "code": code}
    note |= {"rank": int(rank), "lost": is_peer_failure(error), "theirs": isinstance(error, InUse)}
    with suppress(OSError):  # nobody is waiting any more
        temporary = Path(os.environ["GANATOMY_LAUNCH"]) / f"{rank}.part"
        temporary.write_text(json.dumps(note))
        temporary.replace(temporary.with_suffix(".json"))
    return code


def named(note: Mapping[str, Any], count: int) -> tuple[str, str, int]:
    """Return (whole message, one line, exit code) of a report, with the number of its process.

    Args:
        note: What the process reported.
        count: Number of processes of the run.
    """
    who, why = f"process {note['rank']} of {count}", note["why"]
    if who in why:
        return note["text"], why, note["code"]
    one_line = "\n" not in note["text"]
    text = f"{note['text']} ({who})" if one_line else f"{note['text']}\nerror: {who} failed: {why}"
    return text, f"{who}: {why}", note["code"]


def is_peer_failure(error: BaseException) -> bool:
    """Return True if the error only says that another process ended."""
    return process_place() is not None and isinstance(error, RuntimeError) and bool(LOST.search(str(error)))
