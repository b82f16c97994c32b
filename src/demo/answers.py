"""Files that were dropped on the page, and what the run says of them; the last few are kept."""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ganatomy.errors import UserError
from ganatomy.inference.familiar import reasons
from ganatomy.inference.inputs import inputs
from ganatomy.inference.loaded import LoadedRun
from ganatomy.inference.panes import best_place, panes, upright
from ganatomy.inference.predictor import Loaded, Predicted, Predictor
from ganatomy.inference.said import said
from ganatomy.pictures.panel import png

KEPT = 4
"""Answers that are kept."""
LONGEST = 60
"""Characters of a file's name that are kept, with its extension: file systems take 255 bytes."""


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

    @cached_property
    def upright(self) -> tuple[Loaded, Predicted]:
        """Both the right way up, to be drawn."""
        return upright(self.ready, self.predicted)

    @property
    def slices(self) -> int:
        """Return the number of slices that are drawn; 0 in 2D."""
        image = self.upright[0].case["image"]
        return int(image.shape[-1]) if image.ndim == 4 else 0

    def about(self) -> dict[str, Any]:
        """Return what the page shows beside the pictures, as plain values."""
        place = best_place(*self.upright)
        columns, legends = panes(*self.upright, place)
        image, boxes = self.ready.case["image"], self.predicted.answer.boxes
        found = [] if boxes is None else list(zip(boxes.classes, boxes.scores.tolist(), strict=True))
        return {
            "name": self.name,
            "shape": " x ".join(map(str, image.shape[1:])),
            "slices": self.slices,
            "slice": place or 0,
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
        chosen = min(place, self.slices - 1) if self.slices else None
        return png(panes(*self.upright, chosen)[0][name][0])

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

    def add(self, files: Sequence[tuple[str, bytes]]) -> tuple[str, Answered]:
        """Predict an image, or a DICOM series of several files; return the answer and its key.

        Args:
            files: Names and contents; they are written to a folder of their own, which is removed again.

        Raises:
            UserError: The files are not one image, or do not suit the run.
        """
        with self.lock, tempfile.TemporaryDirectory(prefix="ganatomy-demo-") as place:
            folder = Path(place) / "files"
            folder.mkdir()
            for number, (name, content) in enumerate(files):
                _free(folder, name, number).write_bytes(content)
            named: Path = next(folder.iterdir()) if len(files) == 1 else folder
            try:
                found = self._answer(named, Path(place) / "secret")
            except Exception as error:  # the page shows why, and goes on with the next file
                raise UserError(said(error, folder)) from error
            key = secrets.token_urlsafe(9)
            self.kept[key] = found
            while len(self.kept) > KEPT:
                self.kept.popitem(last=False)
        return key, found

    def _answer(self, path: Path, secret: Path) -> Answered:
        secret.touch(0o600)
        secret.write_text(secrets.token_hex(32))
        source = inputs(self.loaded.preprocessing, path, secret=str(secret), tables=False)
        predictor = Predictor(self.loaded, source)
        if len(predictor.records) != 1:
            raise UserError(f"{len(predictor.records)} images were dropped; drop one, or one DICOM series")
        [record] = predictor.records
        ready = predictor.read(record)
        return Answered(record.case, ready, predictor.finish(ready, predictor.compute(ready)))


def _free(folder: Path, name: str, number: int) -> Path:
    """Return a path in a folder for a file as the browser names it; a name that is taken gets a number."""
    plain = Path(name.replace("\\", "/")).name.lstrip(".").replace("\0", "")[-LONGEST:] or f"file{number}"
    return folder / (f"{number}-{plain}" if (folder / plain).exists() else plain)
