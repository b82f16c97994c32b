"""Pictures of predictions: the input beside its answer, in the middle of what was found."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ganatomy.inference.predictor import Loaded, Predicted
from ganatomy.pictures import overlay, shown
from ganatomy.pictures.boxes import class_colours, with_boxes
from ganatomy.pictures.heat import heat
from ganatomy.pictures.panel import panel, png
from ganatomy.tasks.shared.answers import FoundBoxes

FOLDER, OVERVIEW = "pictures", "overview.png"
WIDTH, COLUMNS = 420, 3
"""Width in pixels of a case in the overview, and cases side by side."""
MAGNIFIED = 5
"""Contrast factor of differences."""
Rgb = tuple[int, int, int]


def drawn(ready: Loaded, predicted: Predicted) -> bytes:
    """Return the picture of one case as PNG: the image, and what was found in it."""
    image = np.asarray(ready.case["image"], np.float32)
    values, boxes = predicted.values, predicted.answer.boxes
    is_label = predicted.answer.array is not None and not predicted.answer.array.is_floating_point()
    place = _place(image, values if is_label else None, boxes)
    plane = image if place is None else image[..., place]
    columns = {"input": shown(plane[None])}
    legends: dict[str, dict[str, Rgb]] = {}
    answer = None if values is None else values if place is None else values[..., place]
    if answer is not None and is_label:
        numbers = np.searchsorted(np.unique(answer), answer[0])
        columns["answer"] = overlay(plane[None], numbers[None], int(numbers.max()) + 1)
    elif answer is not None and predicted.answer.role == "map":
        columns["answer"] = heat(answer[:1])
    elif answer is not None:
        columns |= _compared(plane, answer.astype(np.float32))
    for name, written in predicted.maps.items():
        doubt = written.values if place is None else written.values[..., place]
        columns[name.replace("_", " ")] = heat(doubt.mean(0, keepdims=True))
    if boxes is not None and answer is None:
        colours = class_colours(sorted(set(boxes.classes)))
        columns["answer"] = _boxed(columns["input"][0], plane.shape[1:], boxes, place, colours)[None]
        legends["answer"] = colours
    return png(panel(columns, legends=legends))


def _compared(image: np.ndarray, answer: np.ndarray) -> dict[str, np.ndarray]:
    """Return the answer in the window of the image, and their difference, where both have its units.

    An answer of other channels, or far outside the image's range, is drawn in a window of its own.
    """
    low, high = (float(value) for value in np.percentile(image, (0.5, 99.5)))
    ends = np.percentile(answer, (0.5, 99.5))
    span = max(high - low, 1e-12)
    if answer.shape != image.shape or max(low - ends[0], ends[1] - high) > span:
        return {"answer": shown(answer[None])}
    difference = shown(np.abs(answer - image)[None], (0.0, span / MAGNIFIED))
    return {"answer": shown(answer[None], (low, high)), f"difference x{MAGNIFIED}": difference}


def _place(image: np.ndarray, label: np.ndarray | None, boxes: FoundBoxes | None) -> int | None:
    """Return the slice to draw of a volume: the one with most of what was found; None in 2D."""
    if image.ndim == 3:
        return None
    if label is not None and (label != label.flat[0]).any():
        return int((label != label.flat[0]).sum(axis=(0, 1, 2)).argmax())
    if boxes is not None and len(boxes.boxes):
        best = boxes.boxes[int(np.argmax(boxes.scores))]
        return int(np.clip((best[2] + best[5]) / 2, 0, image.shape[-1] - 1))
    return int(image.shape[-1] // 2)


def _boxed(
    tile: np.ndarray, sides: Sequence[int], found: FoundBoxes, place: int | None, colours: dict[str, Rgb]
) -> np.ndarray:
    counts = found.scores >= found.threshold
    boxes = found.boxes
    if place is not None:
        counts = counts & (boxes[:, 2] < place + 1) & (boxes[:, 5] > place)
        boxes = boxes[:, [0, 1, 3, 4]]
    kept = np.flatnonzero(counts)
    words = [f"{found.scores[n]:.2f}" for n in kept]
    return with_boxes(tile, sides, boxes[kept], [colours[found.classes[n]] for n in kept], words)


def overview(folder: Path, names: Sequence[str]) -> bytes | None:
    """Return one picture of the cases that were drawn, a few side by side; None if none was.

    Args:
        folder: Folder of the answers.
        names: Paths of the answers, without extensions, in order.
    """
    paths = [path for name in names if (path := folder / FOLDER / f"{name}.png").is_file()]
    if not paths:
        return None
    tiles = []
    for path in paths:
        with Image.open(path) as picture:
            height = max(1, round(picture.height * WIDTH / picture.width))
            tiles.append(picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS))
    columns = min(COLUMNS, len(tiles))
    rows = [tiles[n : n + columns] for n in range(0, len(tiles), columns)]
    height = sum(max(tile.height for tile in row) for row in rows)
    sheet = Image.new("RGB", (WIDTH * columns, height), tiles[0].getpixel((0, 0)))
    top = 0
    for row in rows:
        for n, tile in enumerate(row):
            sheet.paste(tile, (WIDTH * n, top))
        top += max(tile.height for tile in row)
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()
