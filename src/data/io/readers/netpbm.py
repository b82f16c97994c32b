"""PGM, PPM, PBM and PFM: the values as stored, whatever maximum the header states."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image

from ganatomy.data.io.readers.stored import PLANE, Refused, Stored

WORD = re.compile(rb"(?:\s+|#[^\n\r]*)*([^\s#]+)")


def netpbm(path: Path, label: bool) -> Stored:
    """Read one picture.

    Only bitmaps are read by Pillow: it rescales values to the full range where the maximum is not 255 or
    65535, and reduces 16-bit colours to 8 bits.
    """
    content = path.read_bytes()
    magic = content[:2]
    if magic in (b"P1", b"P4"):
        with Image.open(path) as image:
            bits = np.array(image)[None].astype(np.uint8)
        return Stored(bits * np.uint8(255), PLANE, False, bits if label else None)
    if magic == b"P7":
        raise Refused("PAM is not supported; save it as PNG or TIFF")
    words, place = [], 2
    for _ in range(3):
        found = WORD.match(content, place)
        if found is None:
            raise ValueError("the header is cut short")
        words.append(found[1])
        place = found.end()
    width, height = int(words[0]), int(words[1])
    samples = 3 if magic in (b"P3", b"P6", b"PF") else 1
    count = width * height * samples
    if magic in (b"Pf", b"PF"):
        order = "<" if float(words[2]) < 0 else ">"
        array = np.frombuffer(content, f"{order}f4", count, place + 1).reshape(height, width, samples)[::-1]
        if abs(float(words[2])) != 1:
            array = array * np.float32(abs(float(words[2])))
        rest = content[place + 1 + 4 * count :]
    elif magic in (b"P2", b"P3"):
        numbers = re.sub(rb"#[^\n\r]*", b"", content[place:]).split()
        array = np.array(numbers[:count], int).reshape(height, width, samples)
        rest = b" ".join(numbers[count:])
    else:
        kind = np.dtype(">u2" if int(words[2]) > 255 else "u1")
        array = np.frombuffer(content, kind, count, place + 1).reshape(height, width, samples)
        rest = content[place + 1 + kind.itemsize * count :]
    if rest.strip():
        raise Refused("holds more than one picture; save the one to use")
    if array.dtype.kind != "f":
        top = int(words[2])
        if array.max() > top:
            raise ValueError(f"a value of {array.max()} above the stated maximum of {top}")
        array = array.astype(np.uint16 if top > 255 else np.uint8)
    return Stored(np.ascontiguousarray(np.moveaxis(array, -1, 0)), PLANE, samples == 3)
