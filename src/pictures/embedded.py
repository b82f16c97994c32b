"""Pictures inside a page: shrunk to a limit, as data of their `img` tag."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path

from PIL import Image

from ganatomy.pictures.panel import COMPRESSION

LARGEST_PICTURE, LARGEST_OTHER, LARGEST_FILM = 600_000, 150_000, 400_000
"""Maximum bytes in the page: of the sample picture and of each other one, shrunk if larger; and of an
animation, left out if larger."""


def sample(run: Path) -> str:
    """Return the test picture, or the newest one, then pictures of the whole test and the animation."""
    found = sorted((run / "samples").glob("*.png"), key=lambda path: (path.stem == "test", path.stem))
    steps = [path for path in found if path.stem == "test" or path.stem.startswith("step_")]
    main = [image(fit(path.read_bytes()), _named(path), "sample") for path in steps[-1:]]
    others = [
        image(fit(path.read_bytes(), LARGEST_OTHER), _named(path), "sample")
        for path in found
        if path not in steps
    ]
    films = [
        image(path.read_bytes(), _named(path), "sample", kind="gif")
        for path in sorted((run / "samples").glob("*.gif"))
        if path.stat().st_size <= LARGEST_FILM
    ]
    return "\n<br>\n".join([*main, *others, *films])


def _named(path: Path) -> str:
    return f"sample pictures, {path.stem}"


def fit(png: bytes, limit: int = LARGEST_PICTURE) -> bytes:
    """Return a PNG file of at most `limit` bytes, shrunk if it was larger."""
    picture: Image.Image = Image.open(io.BytesIO(png))
    while len(png) > limit:
        picture = picture.resize((picture.width * 4 // 5, picture.height * 4 // 5), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        picture.save(file, "PNG", compress_level=COMPRESSION)
        png = file.getvalue()
    return png


def width(png: bytes) -> int:
    """Return the width of a PNG file in pixels."""
    return Image.open(io.BytesIO(png)).width


def image(content: bytes, text: str, style: str = "", shown: int = 0, kind: str = "png") -> str:
    """Return an `img` tag that holds the picture itself.

    Args:
        content: File of the picture.
        text: Text where it is not shown.
        style: Class of the style sheet.
        shown: Width on the page, in pixels; 0 for its own.
        kind: Format of the file, png or gif.
    """
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    size = f' width="{shown}"' if shown else ""
    return f'<img class="{style}"{size} alt="{escape(text)}" src="{source}">'
