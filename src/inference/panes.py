"""Pictures of a prediction: the input and its answer, through what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ganatomy.data.regrid import Grid, regrid, turned
from ganatomy.data.transforms.boxes import move_boxes
from ganatomy.data.transforms.intensity import ends
from ganatomy.inference.ensembles.doubt import HIGHEST
from ganatomy.inference.predictor import Loaded, Predicted
from ganatomy.pictures import colours, overlay, shown
from ganatomy.pictures.boxes import class_colours, with_boxes
from ganatomy.pictures.heat import heat, heat_overlay
from ganatomy.pictures.instances import with_instances
from ganatomy.pictures.panel import panel, png
from ganatomy.tasks.shared.answers import FoundBoxes
from ganatomy.tasks.shared.as_written import AsWritten

MAGNIFIED = 5
"""Contrast factor of differences."""
Rgb = tuple[int, int, int]


def drawn(ready: Loaded, predicted: Predicted) -> bytes:
    """Return the picture of one case as PNG: the image, and what was found in it, the right way up."""
    ready, predicted = upright(ready, predicted)
    columns, legends = panes(ready, predicted, best_place(ready, predicted))
    return png(panel(columns, legends=legends))


def upright(ready: Loaded, predicted: Predicted) -> tuple[Loaded, Predicted]:
    """Return a volume and its prediction with the axes that the run gives its network, to be drawn.

    By default (PLS) slices are axial with the front at the top. Nothing is resampled; pictures, and volumes
    of a run that keeps the axes of its files, stay as they are.
    """
    case, axes = ready.case, ready.kept.orientation
    if case["image"].ndim == 3 or axes is None:
        return ready, predicted
    source = Grid(np.asarray(case["affine"]), case["image"].shape[1:])
    target = turned(source, axes)

    def moved(file: AsWritten) -> AsWritten:
        return replace(file, numbers=regrid(file.numbers, source, target, order=0), affine=target.affine)

    image = regrid(case["image"], source, target, order=0)
    answer, boxes = predicted.answer, predicted.answer.boxes
    if boxes is not None:
        places = move_boxes(boxes.boxes.astype(float), source, target)
        answer = replace(answer, boxes=replace(boxes, boxes=places))
    file = None if predicted.file is None else moved(predicted.file)
    maps = {name: moved(each) for name, each in predicted.maps.items()}
    shown_case = {**case, "image": image, "affine": target.affine, "spacing": target.spacing}
    return replace(ready, case=shown_case), replace(predicted, answer=answer, file=file, maps=maps)


def panes(
    ready: Loaded, predicted: Predicted, place: int | None
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Rgb]]]:
    """Draw `input`, `answer` and what else there is to see, each [1, height, width, 3].

    Args:
        ready: The case as it was read, see `upright`.
        predicted: Its prediction, alike.
        place: Slice of a volume; None in 2D.

    Returns:
        (pictures by name, colours of the classes by the picture's name).
    """
    image = np.asarray(ready.case["image"], np.float32)
    values, boxes = predicted.values, predicted.answer.boxes
    plane = image if place is None else image[..., place]
    columns = {"input": shown(plane[None])}
    legends: dict[str, dict[str, Rgb]] = {}
    answer = None if values is None else values if place is None else values[..., place]
    if answer is not None and values is not None and is_label_map(predicted):
        classes = ready.kept.label_classes
        columns["answer"] = overlay(plane[None], class_numbers(ready, answer[0])[None], len(classes))
        legends["answer"] = colours(classes)
    elif answer is None or is_instance_map(predicted):
        pass  # drawn with the boxes
    elif predicted.answer.role == "map":
        columns["answer"] = heat(answer[:1])
    else:
        if ready.kept.target is not None:  # units of its own: a difference to the input would mean nothing
            window = ends(ready.kept.target_intensity)
            columns["answer"] = shown(answer.astype(np.float32)[None], window)
        else:
            columns |= _compared(plane, answer.astype(np.float32))
    for name, written in predicted.maps.items():
        doubt = written.values if place is None else written.values[..., place]
        drawn_on = heat_overlay(plane[None], doubt.mean(0, keepdims=True), HIGHEST.get(name))
        columns[name.replace("_", " ")] = drawn_on
    if boxes is not None and (answer is None or is_instance_map(predicted)):
        legends["answer"] = class_colours(ready.kept.box_classes or sorted(set(boxes.classes)))
        drawn_boxes = _boxed(columns["input"][0], plane.shape[1:], boxes, place, legends["answer"])
        columns["answer"] = drawn_boxes[None]
        if answer is not None:
            columns["objects"] = with_instances(columns["input"][0], np.rint(answer[0]).astype(int))[None]
    return columns, legends


def class_numbers(ready: Loaded, labels: np.ndarray) -> np.ndarray:
    """Return the class number of each pixel of a label map that holds the data set's values."""
    values = np.array(ready.kept.label_values or range(len(ready.kept.label_classes)))
    order = np.argsort(values)
    numbers: np.ndarray = order[np.searchsorted(values[order], np.rint(labels))]
    return numbers


def is_label_map(predicted: Predicted) -> bool:
    """Return True if the answer is a label map."""
    array = predicted.answer.array
    return array is not None and not array.is_floating_point() and not is_instance_map(predicted)


def is_instance_map(predicted: Predicted) -> bool:
    """Return True if the answer numbers objects."""
    return predicted.answer.array is not None and predicted.answer.role == "instances"


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


def best_place(ready: Loaded, predicted: Predicted) -> int | None:
    """Return the slice of a volume with most of what was found, else the middle one; None in 2D."""
    image, boxes = ready.case["image"], predicted.answer.boxes
    if image.ndim == 3:
        return None
    label = predicted.values if is_label_map(predicted) else None
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
