"""Page check.html: a data set on one page that needs no other file."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from PIL import Image, ImageDraw

from ganatomy.data.problems import grouped
from ganatomy.data.records import Case, Fault

SIDE = 144
DIMMED = 0.35
"""Brightness of what lies outside the mask, as a share of its own."""
EDGE = "#ffffff"
COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#d55e00", "#0072b2", "#cc79a7", "#f0e442"]
STYLE = """
body { margin: 0 auto; max-width: 1080px; padding: 40px 28px; color: #202124; }
body { font: 15px/1.5 system-ui, sans-serif; }
h2 { font-size: 17px; margin: 40px 0 10px; } table { border-collapse: collapse; font-size: 14px; }
th, td { padding: 4px 10px; text-align: right; border-bottom: 1px solid #e4e7ea; } .wide { overflow-x: auto; }
th:first-child, td:first-child { text-align: left; } li.grave { color: #a3271b; } small { color: #6b7177; }
.row { display: flex; flex-wrap: wrap; gap: 8px; } figure { margin: 0; width: 144px; }
figcaption { font-size: 11px; color: #6b7177; overflow-wrap: anywhere; }
table.words td { text-align: left; } svg { max-width: 100%; height: auto; }
.legend span { margin-right: 14px; padding-left: 6px; border-left: 14px solid; }
"""


def page(title: str, parts: Mapping[str, str]) -> str:
    """Return the HTML page: a heading over the content of each part that is not empty."""
    body = "".join(f"<h2>{escape(head)}</h2>{content}" for head, content in parts.items() if content)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>{escape(title)}</title><style>{STYLE}</style>"
    body = f"<body><h1>{escape(title)}</h1>{body}</body>"
    return f'<!doctype html><html lang="en"><head>{head}</head>{body}</html>'


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; with empty heads its cells are text, aligned left."""
    top = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    style = "" if any(heads) else ' class="words"'
    return f'<div class="wide" tabindex="0"><table{style}><tr>{top}</tr>{body}</table></div>'


def listed(faults: Sequence[Fault]) -> str:
    """List faults, those that stop training first and in red; similar ones are folded under the first."""
    lines = "".join(map(_alike, grouped(sorted(faults, key=lambda fault: not fault.grave))))
    return f"<ul>{lines}</ul>" if lines else "<p>none</p>"


def _alike(faults: Sequence[Fault]) -> str:
    first, *others = (escape(fault.words) for fault in faults)
    more = f"<summary>and {len(others)} more</summary><ul>{''.join(f'<li>{o}</li>' for o in others)}</ul>"
    style = "grave" if faults[0].grave else ""
    folded = f"<details>{more}</details>" if others else ""
    return f'<li class="{style}">{first} <small>{escape(faults[0].kind)}</small>{folded}</li>'


def gallery(pictures: Sequence[tuple[str, bytes]]) -> str:
    """Return PNG pictures in rows, each above its text."""
    return (
        f'<div class="row">{"".join(_figure(words, png) for words, png in pictures)}</div>'
        if pictures
        else ""
    )


def histogram(values: Mapping[str, np.ndarray], bins: int = 64) -> str:
    """Draw the intensities of each split as a line, without the lowest and highest 0.5 percent."""
    values = {split: v[np.isfinite(v)] for split, v in values.items()}
    values = {split: v for split, v in values.items() if v.size}
    if not values:
        return ""
    low, high = np.percentile(np.concatenate(list(values.values())), [0.5, 99.5])
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    if all((sample == np.round(sample)).all() for sample in values.values()):  # as many numbers in each bin
        step = max(1, math.ceil((high - low + 1) / bins))
        edges = np.arange(np.floor(low) - 0.5, high + step, step)
        low, high = edges[0] + 0.5, edges[-1] - 0.5
    lines, legend = [], []
    for colour, (split, sample) in zip(COLOURS, values.items(), strict=False):
        heights = np.histogram(sample, edges)[0] / sample.size
        top = max(heights.max(), 1e-9)
        places = [(10 + 700 * (i + 0.5) / len(heights), 160 - 150 * h / top) for i, h in enumerate(heights)]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        legend.append(f'<span style="border-color:{colour}">{escape(split)}</span>')
    ends = f'<text x="10" y="178">{low:.4g}</text>'
    ends += f'<text x="710" y="178" text-anchor="end">{high:.4g}</text>'
    axis = '<line x1="10" x2="710" y1="160" y2="160" stroke="#b9bfc4"/>'
    drawn = f'<svg viewBox="0 0 720 184" width="720" font-size="12">{axis}{"".join(lines)}{ends}</svg>'
    return f'{drawn}<p class="legend">{"".join(legend)}</p>'


HATCH = 5
"""Distance of the lines across voxels with the ignore label, in pixels."""


def picture(case: Case, sliced: bool) -> bytes:
    """Draw a prepared case as a small PNG, with outlines of its labels and its boxes.

    Of a volume the slice with most labelled voxels is drawn, or else the middle one. What lies outside the
    region of losses and scores (`mask`) is dimmed, and its edge is drawn in white; voxels with the ignore
    label are hatched.

    Args:
        case: The prepared case.
        sliced: Slices are the first axis, because the case is served slice by slice.
    """
    seen = {key: case[key] for key in ("image", "label", "mask") if key in case}
    if sliced:
        seen = {key: np.moveaxis(array, 0, -1) for key, array in seen.items()}
    if seen["image"].ndim == 4:
        counts = (seen["label"] > 0).sum((0, 1, 2)) if "label" in seen else np.zeros(0)
        z = int(counts.argmax()) if counts.any() else seen["image"].shape[-1] // 2
        seen = {key: array[..., z] for key, array in seen.items()}
    image, label = seen["image"], seen.get("label")
    shades = image[:3] if len(image) >= 3 else image[:1].repeat(3, 0)
    finite = shades[np.isfinite(shades)]
    low, high = np.percentile(finite, [0.5, 99.5]) if finite.size else (0, 1)
    shades = np.clip((shades - low) / (high - low if high > low else 1), 0, 1) * 255
    shades = np.nan_to_num(shades, nan=0)
    if "mask" in seen:
        shades = np.where(seen["mask"] > 0, shades, shades * DIMMED)
    drawn = Image.fromarray(np.moveaxis(shades, 0, -1).astype(np.uint8))
    scale = SIDE / max(drawn.size)
    drawn = drawn.resize((max(1, round(drawn.width * scale)), max(1, round(drawn.height * scale))))
    for areas, colours in ((seen.get("mask"), [EDGE]), (label, COLOURS)):
        if areas is not None:
            drawn = _edged(drawn, areas[0], colours)
    if case["image"].ndim == 3 and len(case.get("boxes", ())):
        pen = ImageDraw.Draw(drawn)
        for (y1, x1, y2, x2), value in zip(case["boxes"] * scale, case["classes"], strict=True):
            pen.rectangle([x1, y1, x2, y2], outline=COLOURS[int(value) % len(COLOURS)])
    out = io.BytesIO()
    drawn.save(out, "PNG")
    return out.getvalue()


def _edged(drawn: Image.Image, label: np.ndarray, colours: Sequence[str]) -> Image.Image:
    pixels = np.array(drawn)
    places = [Image.fromarray(part.astype(np.uint8)) for part in (np.maximum(label, 0), label < 0)]
    classes, unknown = (np.array(place.resize(drawn.size, Image.Resampling.NEAREST)) for place in places)
    rows, columns = np.indices(unknown.shape)
    pixels[(unknown > 0) & ((rows + columns) % HATCH == 0)] = 160
    padded = np.pad(classes, 1, mode="edge")
    around = np.stack([padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]])
    for value in range(1, int(classes.max(initial=0)) + 1):
        colour = colours[(value - 1) % len(colours)]
        pixels[(classes == value) & (around != value).any(0)] = [
            int(colour[i : i + 2], 16) for i in (1, 3, 5)
        ]
    return Image.fromarray(pixels)


def _figure(words: str, png: bytes) -> str:
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    below = f'<figcaption title="{escape(words)}">{escape(_short(words))}</figcaption>'
    return f'<figure><img src="{source}" alt="">{below}</figure>'


def _short(words: str) -> str:
    """Shorten a long name in the middle: many names begin alike."""
    return f"{words[:7]}…{words[-15:]}" if len(words) > 24 and " " not in words else words
