"""A finished run as a function: an image in, its prediction out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ganatomy.data.io.readers import KNOWN, suffix
from ganatomy.errors import UserError
from ganatomy.inference.arrays import ArraySource, as_array
from ganatomy.inference.ensembles.ensemble import load_runs
from ganatomy.inference.familiar import reasons
from ganatomy.inference.inputs import inputs
from ganatomy.inference.loaded import LoadedRun
from ganatomy.inference.predictor import Predicted, Predictor
from ganatomy.runs.directory import failed_game, write_atomically
from ganatomy.tasks.shared.answers import FoundBoxes
from ganatomy.tasks.shared.as_written import AsWritten


class Prediction:
    """What a model says of one image, on that image's own grid.

    Attributes:
        array: Image in units, or label map of the data set's mask values, [*spatial], or [C, *spatial] with
            several channels; None for a task that finds boxes alone.
        affine: Voxel index to mm, [4, 4].
        boxes: Boxes in voxels of the image; None for a task without boxes.
        values: Numbers about the image, such as an anomaly score.
        doubt: Maps of doubt by name, [*spatial] or [C, *spatial]; empty for one network alone.
        warnings: How the image is unlike the training images, and what else the user should know.
    """

    def __init__(self, predicted: Predicted, affine: np.ndarray, warnings: Sequence[str] = ()) -> None:
        self._file = predicted.file
        self.affine = affine
        self.array = None if predicted.file is None else _squeezed(predicted.file)
        self.boxes: FoundBoxes | None = predicted.answer.boxes
        self.values = dict(predicted.answer.values)
        self.doubt = {name: _squeezed(each) for name, each in predicted.maps.items()}
        self.warnings = [*predicted.answer.notes, *warnings]

    def __repr__(self) -> str:
        found = "" if self.array is None else f"array {self.array.shape} {self.array.dtype}"
        boxes = (
            "" if self.boxes is None else f"{int((self.boxes.scores >= self.boxes.threshold).sum())} boxes"
        )
        values = ", ".join(f"{name} {value:.4g}" for name, value in self.values.items())
        warned = f"warnings: {'; '.join(self.warnings)}" if self.warnings else ""
        return f"<Prediction: {', '.join(filter(None, (found, boxes, values, *self.doubt, warned)))}>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return `array`, so that numpy takes a prediction as it is."""
        if self.array is None:
            raise TypeError("this prediction has boxes and no image; see its `boxes`")
        return np.array(self.array, dtype=dtype, copy=copy)

    def save(self, path: str | Path) -> Path:
        """Write the image or label map as `predict` does, and return the path with its extension.

        Args:
            path: File without its extension, which is the input's; or with it.

        Raises:
            UserError: The prediction has no image, or the extension is another one than the input's.
        """
        if self._file is None:
            raise UserError("this prediction has boxes and no image to save; take its `boxes`")
        ending, content = self._file.returned()
        place = Path(path)
        if place.is_dir():
            raise UserError(f"{place}: is a folder; name a file in it, without its extension")
        if suffix(place) in KNOWN and not place.name.endswith(ending):
            raise UserError(
                f"{place}: predictions for this input are {ending} files; leave the extension out"
            )
        place = place if place.name.endswith(ending) else place.with_name(place.name + ending)
        return write_atomically(place, content)


class Model:
    """A finished run, or several that answer as one; call it with an image.

    Attributes:
        loaded: The run behind it: configuration, task, preprocessing, hash of its weights.
    """

    def __init__(self, loaded: LoadedRun) -> None:
        self.loaded = loaded

    def __repr__(self) -> str:
        task = type(self.loaded.task).__name__.removesuffix("Task").lower()
        classes = f", classes {', '.join(self.classes)}" if self.classes else ""
        dims = self.loaded.preprocessing.spatial_dims
        return f"<Model {self.loaded.name}: {task}, {dims}D{classes}>"

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of what it finds: of label values, else of boxes, else of images."""
        kept = self.loaded.preprocessing
        return kept.label_classes or kept.box_classes or kept.image_classes

    def __call__(
        self,
        image: np.ndarray | Tensor | str | Path,
        spacing: Sequence[float] | None = None,
        affine: np.ndarray | None = None,
    ) -> Prediction:
        """Return the prediction for an image, the same that `ganatomy predict` writes for its file.

        Args:
            image: A file, a folder of one DICOM series, or an array or tensor [*spatial], or [C, *spatial]
                with several channels, in the units of the training data.
            spacing: mm along each axis of an array; its axes then point to the right, the front and the top.
            affine: Voxel index to mm of an array, [4, 4], in place of spacing.

        Raises:
            UserError: The image does not suit the run.
        """
        if not isinstance(image, str | Path):
            source: Any = ArraySource(self.loaded.preprocessing, as_array(image), spacing, affine)
        elif spacing is not None or affine is not None:
            raise UserError(f"spacing, affine: {image} is a file, which has its own; give them for arrays")
        else:
            source = inputs(self.loaded.preprocessing, image)
        predictor = Predictor(self.loaded, source)
        if len(predictor.records) != 1:
            raise UserError(
                f"{image}: holds {len(predictor.records)} cases, not one; use `ganatomy predict` for many"
            )
        ready = predictor.read(predictor.records[0])
        predicted = predictor.finish(ready, predictor.compute(ready))
        unlike = [str(reason) for reason in reasons(ready.kept.familiarity, ready.case)]
        return Prediction(predicted, np.asarray(ready.case["affine"]), unlike)


def load(
    run: str | Path | Sequence[str | Path],
    device: str = "auto",
    mirror_axes: Sequence[int] | None = None,
    samples: int = 0,
    doubt: bool = False,
) -> Model:
    """Load a finished run as a function from images to predictions; nothing but its directory is read.

    Args:
        run: A run directory; several answer as one, by their mean.
        device: `auto`, or a device of torch, such as `cpu` or `cuda:0`.
        mirror_axes: Axes, from 0, of mirror images that are averaged; None for what the run does.
        samples: Passes with dropout, of which the mean is the answer; 0 for none.
        doubt: Measure doubt with one network alone too.

    Raises:
        UserError: A run is not finished or damaged, or the runs do not belong together.
    """
    loaded = load_runs(run, device, mirror_axes, samples, doubt=doubt)
    for each in [run] if isinstance(run, str | Path) else run:
        if game := failed_game(Path(each).expanduser()):
            warnings.warn(f"{each}: the game failed ({game}); see its report.html", stacklevel=2)
    return Model(loaded)


def _squeezed(file: AsWritten) -> np.ndarray:
    """Return the values of a file without an only channel; its numbers themselves if they are not scaled."""
    values = file.numbers if (file.like.slope, file.like.inter) == (1, 0) else file.values
    return values[0] if len(values) == 1 else values
