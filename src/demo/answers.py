"""Files that were dropped on the page, and what the run says of them; the last few are kept."""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganatomy.errors import UserError
from ganatomy.inference.familiar import reasons
from ganatomy.inference.inputs import inputs
from ganatomy.inference.loaded import LoadedRun
from ganatomy.inference.panes import best_place, panes
from ganatomy.inference.predictor import Loaded, Predicted, Predictor
from ganatomy.pictures.panel import png

KEPT = 4
"""Answers that are kept."""


@dataclass(frozen=True)
class Answered:
    """One dropped image with its answer.

    Attributes:
        name: Its file's name without the extension.
        ready: The image.
        predicted: Its answer.
    """

    name: str
    ready: Loaded
    predicted: Predicted

    def about(self) -> dict[str, Any]:
        """Return what the page shows beside the pictures, as plain values."""
        columns, legends = panes(self.ready, self.predicted, best_place(self.ready, self.predicted))
        image, boxes = self.ready.case["image"], self.predicted.answer.boxes
        found = [] if boxes is None else list(zip(boxes.classes, boxes.scores.tolist(), strict=True))
        return {
            "name": self.name,
            "shape": " x ".join(map(str, image.shape[1:])),
            "slices": image.shape[-1] if image.ndim == 4 else 0,
            "slice": best_place(self.ready, self.predicted) or 0,
            "pictures": [name for name in columns if name != "input"],
            "colours": {name: f"rgb{colour}" for each in legends.values() for name, colour in each.items()},
            "values": {name: f"{value:.4g}" for name, value in self.predicted.answer.values.items()},
            "boxes": [f"{name} {score:.3f}" for name, score in found if boxes and score >= boxes.threshold],
            "file": self.predicted.file is not None,
            "warnings": [
                *self.predicted.answer.notes,
                *map(str, reasons(self.ready.kept.familiarity, self.ready.case)),
            ],
        }

    def picture(self, name: str, place: int) -> bytes:
        """Return a picture as PNG.

        Args:
            name: `input`, `answer`, or another one of `about`.
            place: Slice of a volume.
        """
        image = self.ready.case["image"]
        chosen = int(np.clip(place, 0, image.shape[-1] - 1)) if image.ndim == 4 else None
        return png(panes(self.ready, self.predicted, chosen)[0][name][0])

    def file(self) -> tuple[str, bytes]:
        """Return name and content of the answer's file."""
        assert self.predicted.file is not None
        ending, content = self.predicted.file.returned()
        return f"{self.name}_answer{ending}", content


class Answers:
    """Answers of a run to files, one at a time.

    Args:
        loaded: The run.
    """

    def __init__(self, loaded: LoadedRun) -> None:
        self.loaded = loaded
        self.kept: OrderedDict[str, Answered] = OrderedDict()
        self.lock = threading.Lock()

    def add(self, files: dict[str, bytes]) -> str:
        """Predict an image, or a DICOM series of several files; return the key of the answer.

        Args:
            files: Contents by name; they are written to a folder of their own, which is removed again.

        Raises:
            UserError: The files are not one image, or do not suit the run.
        """
        with self.lock, tempfile.TemporaryDirectory(prefix="ganatomy-demo-") as place:
            folder = Path(place)
            for number, (name, content) in enumerate(files.items()):
                plain = Path(name.replace("\\", "/")).name.lstrip(".") or f"file{number}"
                (folder / plain).write_bytes(content)
            named: Path = next(folder.iterdir()) if len(files) == 1 else folder
            predictor = Predictor(self.loaded, inputs(self.loaded.preprocessing, named))
            if len(predictor.records) != 1:
                raise UserError(
                    f"{len(predictor.records)} images were dropped; drop one, or one DICOM series"
                )
            ready = predictor.read(predictor.records[0])
            predicted = predictor.finish(ready, predictor.compute(ready))
        key = secrets.token_urlsafe(9)
        self.kept[key] = Answered(predictor.records[0].case, ready, predicted)
        while len(self.kept) > KEPT:
            self.kept.popitem(last=False)
        return key
