"""Messages between a client and the server: a line of JSON each, file descriptors beside the first byte."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Sequence
from typing import Any


def send(channel: socket.socket, message: dict[str, Any], files: Sequence[int] = ()) -> None:
    """Send a message.

    Args:
        channel: Connected Unix socket.
        message: Plain values; text may be undecodable bytes as `os.fsdecode` gives them.
        files: File descriptors that the other side gets copies of.
    """
    data = json.dumps(message).encode("ascii") + b"\n"
    rest = data[socket.send_fds(channel, [data], files) :] if files else data
    if rest:  # the other side may have answered and gone, and to send nothing would be an error then
        channel.sendall(rest)


def receive(channel: socket.socket, most: int = 0) -> tuple[dict[str, Any] | None, list[int]]:
    """Return the next message and at most `most` file descriptors; None once the other side has ended."""
    data = b""
    files: list[int] = []
    while not data.endswith(b"\n"):
        try:
            part, more, _, _ = socket.recv_fds(channel, 1 << 16, most)
        except ConnectionError:
            part, more = b"", []
        except BaseException:
            close(files)
            raise
        files += more
        if not part:
            close(files)
            return None, []
        data += part
    return json.loads(data), files


def close(files: Sequence[int]) -> None:
    """Close file descriptors."""
    for file in files:
        with contextlib.suppress(OSError):
            os.close(file)
