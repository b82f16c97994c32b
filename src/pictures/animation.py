"""Animation of pictures over time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

WIDE, COLOURS, FRAMES = 720, 48, 40
"""Maximum width of a frame in pixels, colours of a frame, and frames; the last frame is always included."""
EACH, LAST = 400, 2400
"""Milliseconds per frame, and for the last one."""


def animation(files: Sequence[Path]) -> bytes:
    """Return a looping GIF of PNG files in this order, all resized to the last one, which stays longer."""
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


def back_and_forth(pictures: Sequence[np.ndarray], milliseconds: int = 120) -> bytes:
    """Return a GIF of RGB pictures [height, width, 3], uint8, in this order and then back, for ever."""
    order = [*pictures, *pictures[-2:0:-1]]
    frames = [Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE) for picture in order]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
    return content.getvalue()


def _frame(file: Path, size: tuple[int, int]) -> Image.Image:
    with Image.open(file) as picture:
        shown = picture.convert("RGB")
    shown = shown if shown.size == size else shown.resize(size, Image.Resampling.LANCZOS)
    return shown.quantize(COLOURS, dither=Image.Dither.NONE)
