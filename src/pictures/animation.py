"""Pictures of one thing at several times, one after another."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

WIDE, COLOURS, FRAMES = 720, 48, 40
"""Widest frame in pixels; colours of a frame; frames at most, evenly spread, the last one among them."""
EACH, LAST = 400, 2400
"""Milliseconds that a frame stands, and the last one."""


def animation(files: Sequence[Path]) -> bytes:
    """A GIF of PNG files in this order, over and over; all get the last one's size, and it stays longer."""
    chosen = np.linspace(0, len(files) - 1, min(FRAMES, len(files))).round().astype(int)
    with Image.open(files[-1]) as last:
        size = (min(WIDE, last.width), round(last.height * min(1, WIDE / last.width)))
    frames = [_frame(files[index], size) for index in chosen]
    content = io.BytesIO()
    frames[0].save(
        content,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=[EACH] * (len(frames) - 1) + [LAST],
        loop=0,
    )
    return content.getvalue()


def _frame(file: Path, size: tuple[int, int]) -> Image.Image:
    with Image.open(file) as picture:
        shown = picture.convert("RGB")
    shown = shown if shown.size == size else shown.resize(size, Image.Resampling.LANCZOS)
    return shown.quantize(COLOURS, dither=Image.Dither.NONE)
