"""Records of W&B's offline files: LevelDB's log framing after a seven-byte header."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def records_of(path: Path) -> Iterator[Any]:
    """Yield the records of a file, as W&B's own messages."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, position, partial = path.read_bytes(), 7, b""
    assert data[:4] == b":W&B"
    while position + 7 <= len(data):
        room = 32768 - position % 32768
        if room < 7:
            position += room
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        partial += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # full, last
            yield Record.FromString(partial)
            partial = b""


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of the history, nested keys joined by a slash."""
    for record in records_of(path):
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            yield {each.key or "/".join(each.nested_key): json.loads(each.value_json) for each in items}
