"""Messages over a socket whose other side may be gone."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ganatomy.launch.warm import messages


def test_a_message_that_was_answered_before_the_call_ended_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server may read all, answer and close before the client goes on."""
    ours, theirs = socket.socketpair()
    send_fds = socket.send_fds

    def sent_and_closed(channel: socket.socket, data: list[bytes], files: list[int]) -> int:
        count = send_fds(channel, data, files)
        theirs.close()
        return count

    monkeypatch.setattr(messages.socket, "send_fds", sent_and_closed)
    with ours, Path(os.devnull).open() as file:
        messages.send(ours, {"module": "x"}, [file.fileno()])


def test_a_long_message_arrives_whole_with_its_files() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, Path(os.devnull).open() as file:
        messages.send(ours, {"words": "\u00fc\n" * 9000}, [file.fileno()])
        message, files = messages.receive(theirs, 3)
        assert message == {"words": "\u00fc\n" * 9000} and len(files) == 1
        messages.close(files)
        ours.close()
        assert messages.receive(theirs, 3) == (None, [])
